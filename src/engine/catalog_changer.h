// Carries the source's catalog changes over to the destination, in their order, on the router's thread (blueprint rules 1
// and 5). The state document of each collection is the journal: it holds the time of the last change that was carried out,
// and collections are known on the destination by UUID, so a change that a crash interrupted is found done or undone by
// looking. What happens when one runs twice: nothing the second time.
//
// Dropped collections keep their document (gone) until the checkpoint has passed the drop, so that replayed changes of
// theirs are known as past.
#pragma once

#include <functional>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/catalog_store.h"
#include "engine/change_router.h"
#include "engine/destination_catalog.h"
#include "model/namespace_filter.h"

namespace drover::engine {

class CatalogChanger {
 public:
  CatalogChanger(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
                 Catalog& catalog, ChangeRouter& router, DestinationCatalog& on_destination, StateStore& state,
                 const NamespaceFilter& filter)
      : source_(source),
        destination_(destination),
        runtime_(runtime),
        log_(log),
        catalog_(catalog),
        router_(router),
        on_destination_(on_destination),
        state_(state),
        filter_(filter),
        turn_(runtime) {}

  Status apply(const ChangeEvent& event, const std::stop_token& stop);
  // What a late command may have left on the destination is put right, while no catalog change is carried out.
  Status put_right(const std::stop_token& stop);
  // Makes the views of a database as they are on the source now.
  Status synchronise_views(const std::string& db, const std::stop_token& stop);
  // Documents of dropped collections that the checkpoint has passed.
  Status forget_gone(ClusterTime checkpoint, const std::stop_token& stop);

  // Lays out the partitions of a collection that has to be copied anew; then it is handed to on_planned.
  std::function<Status(Collection&, const std::stop_token&)> plan;
  std::function<void(const std::shared_ptr<Collection>&)> on_planned;

 private:
  Status create(const ChangeEvent& event, const std::stop_token& stop);
  Status drop(const ChangeEvent& event, const std::stop_token& stop);
  Status rename(const ChangeEvent& event, const std::stop_token& stop);
  Status create_indexes(const ChangeEvent& event, const std::stop_token& stop);
  Status drop_indexes(const ChangeEvent& event, const std::stop_token& stop);
  Status coll_mod(const ChangeEvent& event, const std::stop_token& stop);
  Status drop_collection(const std::shared_ptr<Collection>& collection, ChangeTime time, const std::stop_token& stop);
  Status copy_anew(const std::shared_ptr<Collection>& collection, ChangeTime time, const std::stop_token& stop);
  std::shared_ptr<Collection> find(const Uuid& uuid) const;
  std::shared_ptr<Collection> pending_change(const ChangeEvent& event) const;
  Status adopt(const ChangeEvent& event, const std::stop_token& stop);
  // Makes it on the destination, with its unique indexes, and has it copied.
  Status copy_fresh(const std::shared_ptr<Collection>& fresh, ChangeTime time, const std::stop_token& stop);
  // `what` is a clause that names the collection: "index at_1 of shop.orders is a TTL index".
  Status refuse(const Namespace& ns, std::string_view what) const;
  Status refuse_collection(const Namespace& ns, std::string_view what) const;
  Status refuse_index(const Namespace& ns, bson::View index, std::string_view what) const;

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  Catalog& catalog_;
  ChangeRouter& router_;
  DestinationCatalog& on_destination_;
  StateStore& state_;
  const NamespaceFilter& filter_;
  CollectionGate turn_;  // one change, or putting right, at a time
};

}  // namespace drover::engine
