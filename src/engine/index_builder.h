// Builds the non-unique indexes of each collection once all of it is copied, all missing ones in one command, so that the
// copy itself is not slowed by them. One thread. What happens when it runs twice: an index that is there stays, one that the
// destination is still building for an earlier run is waited for.
#pragma once

#include <map>
#include <stop_token>
#include <string>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/change_router.h"
#include "engine/destination_catalog.h"

namespace drover::engine {

class IndexBuilder {
 public:
  IndexBuilder(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
               Catalog& catalog, ChangeRouter& router, DestinationCatalog& on_destination)
      : source_(source),
        destination_(destination),
        runtime_(runtime),
        log_(log),
        catalog_(catalog),
        router_(router),
        on_destination_(on_destination) {}

  // Until stopped or an error.
  Status run(const std::stop_token& stop);

 private:
  std::shared_ptr<Collection> next();
  Status build(Collection& collection, const std::stop_token& stop);
  Status built(Collection& collection, std::uint64_t changes, const Status& status, const std::stop_token& stop);

  cluster::Deployment& source_;
  cluster::Deployment& destination_;
  Runtime& runtime_;
  Log& log_;
  Catalog& catalog_;
  ChangeRouter& router_;
  DestinationCatalog& on_destination_;
  std::map<std::string, int> failures_;  // by namespace
};

// Wanted indexes that the destination does not have yet. Under the router's lock.
std::vector<bson::Document> missing_indexes(const Collection& collection);

}  // namespace drover::engine
