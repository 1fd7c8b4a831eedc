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
#include "model/namespace_filter.h"

namespace drover::engine {

class CatalogChanger {
 public:
  CatalogChanger(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
                 Catalog& catalog, ChangeRouter& router, StateStore& state, const NamespaceFilter& filter)
      : source_(source),
        destination_(destination),
        runtime_(runtime),
        log_(log),
        catalog_(catalog),
        router_(router),
        state_(state),
        filter_(filter) {}

  Status apply(const ChangeEvent& event, const std::stop_token& stop);
  // Creates a listed or new collection with its unique indexes on the destination and notes its UUID there. An empty one
  // of that name that no state document knows is left over from a crash: it is dropped first.
  Status create_on_destination(Collection& collection, const std::stop_token& stop);
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
  Status still_owner(const std::stop_token& stop);
  std::shared_ptr<Collection> find(const Uuid& uuid) const;
  std::shared_ptr<Collection> pending_change(const ChangeEvent& event) const;
  Status refuse(const ChangeEvent& event, std::string_view what) const;
  Result<std::optional<CollectionInfo>> destination_by_uuid(const std::string& db, const Uuid& uuid,
                                                            const std::stop_token& stop);
  template <typename F>
  Status on_destination(std::string_view what, const Namespace& ns, const std::stop_token& stop, F&& call);

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  Catalog& catalog_;
  ChangeRouter& router_;
  StateStore& state_;
  const NamespaceFilter& filter_;
};

// What this version does not carry exactly, in the words of a message; nothing when it does.
std::optional<std::string> not_carried(bson::View options);
std::optional<std::string> index_not_carried(bson::View index);

}  // namespace drover::engine
