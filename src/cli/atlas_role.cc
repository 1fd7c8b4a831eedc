#include "cli/atlas_role.h"

#include "api/cluster_routes.h"
#include "api/live_migration_routes.h"
#include "cluster/mongo_deployment.h"

namespace drover::cli {
namespace {

constexpr const char* kQuickSelection = "serverSelectionTimeoutMS=5000";

// A caller waits for the answer: a deployment that is not there is given up sooner than a migration would.
Result<std::unique_ptr<cluster::Deployment>> connect(const std::string& uri, Runtime& runtime) {
  auto parts = TRY(control::split_uri(uri));
  auto quick = uri;
  if (parts.options.find("serverSelectionTimeoutMS") == std::string::npos) {
    if (!parts.options.empty()) quick += std::string("&") + kQuickSelection;
    else if (uri.find('?') != std::string::npos) quick += kQuickSelection;
    else quick += (uri.find('/', parts.scheme.size()) == std::string::npos ? "/?" : "?") + std::string(kQuickSelection);
  }
  return cluster::connect({.uri = quick, .side = cluster::Side::kDestination, .app_name = "drover server", .max_connections = 4}, runtime, {});
}

}  // namespace

AtlasRole::AtlasRole(control::Store& store, const control::SealedKeys& keys, control::Identity& identity, Runtime& runtime, Log& log,
                     Options)
    : runtime_(runtime),
      links_(store, keys, runtime),
      clusters_(store, keys, runtime, [&runtime](const std::string& uri) { return connect(uri, runtime); }),
      site_(links_, identity, runtime, log) {}

void AtlasRole::add_routes(api::RouteTable& table) {
  api::add_link_routes(table, links_);
  api::add_cluster_routes(table, clusters_, runtime_, {});
}

}  // namespace drover::cli
