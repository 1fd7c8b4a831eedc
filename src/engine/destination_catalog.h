// Catalog changes of the destination, where a name is all that most commands know of a collection. So each is sent only by
// the migration's owner, is bound to the collection's UUID where the server can do that (6.0+), and is not repeated before
// its unanswered predecessor has ended. What a command leaves that comes late all the same, as an old connection or a former
// owner may deliver it, is an empty collection or an index that nobody wants: remove_strays.
//
// Used on the router's thread, except build_indexes (the index builder's) and remove_strays (the cutover's, while the router
// changes nothing). What happens when one runs twice: nothing the second time.
#pragma once

#include <span>
#include <stop_token>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/catalog.h"
#include "engine/state_store.h"
#include "model/namespace_filter.h"

namespace drover::engine {

class DestinationCatalog {
 public:
  // `lock` guards `catalog`; `session` is the one of the deployment's catalog commands.
  DestinationCatalog(cluster::Deployment& destination, Runtime& runtime, Log& log, Catalog& catalog, Runtime::Monitor& lock,
                     StateStore& state, const NamespaceFilter& filter, Uuid session)
      : destination_(destination),
        runtime_(runtime),
        log_(log),
        catalog_(catalog),
        lock_(lock),
        state_(state),
        filter_(filter),
        session_(session) {}

  // With its unique indexes; notes its UUID. Whatever has that name is dropped first, unless it is another collection of this
  // migration: the source had the name free.
  Status create(Collection& collection, const std::stop_token& stop);
  Status drop(const Collection& collection, const std::stop_token& stop);
  Status rename(const Collection& collection, const Namespace& to, const std::stop_token& stop);
  Status create_indexes(const Collection& collection, std::span<const bson::Document> specs, const std::stop_token& stop);
  Status drop_index(const Collection& collection, const std::string& name, const std::stop_token& stop);
  Status coll_mod(const Collection& collection, bson::View fields, const std::stop_token& stop);
  Status create_view(const CollectionInfo& view, const std::stop_token& stop);
  Status drop_view(const Namespace& ns, const std::stop_token& stop);

  // Keeps new index builds of the collection out for as long as the result lives, and gives up one that takes longer than a
  // moment: it is begun again later. Empty when stopped.
  CollectionGate::Hold end_build(Collection& collection, const std::stop_token& stop);
  // One attempt, in no session of ours: the destination goes on with a build whose owner has died, and the next one finds it.
  // The caller is inside the collection's build_gate.
  Status build_indexes(const Collection& collection, const Namespace& ns, std::span<const bson::Document> specs,
                       const std::stop_token& stop);

  // Drops, in the migrated namespaces, empty collections that this migration does not know and indexes of its collections
  // that the source does not have. `built` of each collection is as the destination shows it afterwards.
  Status remove_strays(const std::stop_token& stop);

 private:
  template <typename F>
  Status change(std::string_view what, const Namespace& ns, const std::stop_token& stop, F&& command);
  Status still_owner(const std::stop_token& stop);
  Status after_builds(Status status, const Namespace& ns, const Uuid& uuid);
  std::shared_ptr<Collection> known(const Uuid& destination_uuid) const;
  Status clear_name(const Namespace& ns, const Collection& successor);
  Status remove_unknown(const CollectionInfo& info, const std::stop_token& stop);
  Status remove_unwanted_indexes(Collection& collection, const CollectionInfo& found, const std::stop_token& stop);
  Result<bool> is_empty(const CollectionInfo& info, const std::stop_token& stop);

  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  Catalog& catalog_;
  Runtime::Monitor& lock_;
  StateStore& state_;
  const NamespaceFilter& filter_;
  const Uuid session_;
};

}  // namespace drover::engine
