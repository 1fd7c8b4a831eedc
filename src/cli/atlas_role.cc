#include "cli/atlas_role.h"

#include <fmt/format.h>

#include "api/access_list_routes.h"
#include "api/cluster_routes.h"
#include "api/custom_role_routes.h"
#include "api/database_user_routes.h"
#include "api/live_migration_routes.h"
#include "api/network_routes.h"
#include "api/process_routes.h"
#include "cluster/mongo_deployment.h"

namespace drover::cli {
namespace {

constexpr std::chrono::seconds kStepInterval{1};
constexpr std::chrono::seconds kSilentInterval{5};
constexpr std::chrono::seconds kSelectionLimit{5};
constexpr std::chrono::seconds kReplyLimit{20};

// A caller waits for the answer, and every other migration for the reconciler: a deployment that is not there, or that hangs, is given up sooner
// than a migration would, whatever time-outs its connection string has.
Result<std::unique_ptr<cluster::Deployment>> connect(const std::string& uri, Runtime& runtime, const std::stop_token& stop) {
  return cluster::connect({.uri = uri,
                           .side = cluster::Side::kDestination,
                           .app_name = "drover server",
                           .max_connections = 4,
                           .selection_limit = kSelectionLimit,
                           .reply_limit = kReplyLimit},
                          runtime, stop);
}

}  // namespace

AtlasRole::AtlasRole(control::Store& store, const control::SealedKeys& keys, control::Identity& identity, Runtime& runtime, Log& log,
                     Options options)
    : runtime_(runtime),
      log_(log),
      identity_(identity),
      links_(store, keys, runtime),
      clusters_(store, keys, runtime, [&runtime, stop = options.stop](const std::string& uri) { return connect(uri, runtime, stop); }),
      processes_(clusters_, runtime),
      monitor_(store, clusters_, runtime, log),
      access_lists_(store, runtime),
      roles_(store, runtime),
      users_(store, keys, roles_, runtime),
      networks_(store, runtime),
      imports_(store, keys, runtime, clusters_, options.imports),
      intake_(links_, clusters_, access_lists_, networks_, imports_, options.policy),
      reconciler_(imports_, clusters_, links_, runtime, log),
      site_(links_, imports_, identity, runtime, log),
      accounts_(store, keys, runtime),
      oauth_(accounts_, runtime, log),
      host_id_(options.local_directory.empty() ? "" : options.host_id),
      users_reconciler_(users_, roles_, clusters_, host_id_, log) {
  if (!host_id_.empty()) local_clusters_.emplace(clusters_, keys, runtime, log, LocalClusters::Options{options.local_directory, host_id_});
}

api::RestResult<int> AtlasRole::may_delete_project(const std::string& group) {
  if (TRY_REST(clusters_.count(group)) != 0)
    return api::refuse(409, "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS", fmt::format("The group {} has clusters; delete them first.", group), {group});
  return 0;
}

Status AtlasRole::forget_project(const std::string& group) {
  TRY(users_.forget_project(group));
  TRY(roles_.forget_project(group));
  TRY(networks_.forget_project(group));
  TRY(access_lists_.forget_project(group));
  TRY(monitor_.forget_project(group));
  return accounts_.forget_project(group);
}

Status AtlasRole::forget_organization(const std::string& org, const std::string& but) {
  TRY(links_.remove_of_org(org));
  return accounts_.forget_organization(org, but);
}

Result<bool> AtlasRole::give_account_project(const control::Project& project, const std::string& client_id) {
  return TRY(accounts_.set_project_roles(project, client_id, {"GROUP_OWNER"})) == control::RoleChange::kDone;
}

void AtlasRole::run_clusters(const std::stop_token& stop) { local_clusters_->run(stop); }

Result<std::optional<control::ApiKey>> AtlasRole::caller_of_token(const std::string& token) {
  const auto account = TRY(accounts_.account_of_token(token));
  if (!account) return std::optional<control::ApiKey>();
  return std::optional(api::caller_of(*account));
}

void AtlasRole::add_routes(api::RouteTable& table) {
  api::add_link_routes(table, links_, imports_);
  api::add_project_access_list_routes(table, access_lists_);
  api::add_service_account_routes(table, accounts_, identity_);
  api::add_import_routes(table, {imports_, intake_, links_});
  const api::ProcessServices processes{clusters_, processes_, imports_, links_, monitor_};
  api::add_process_routes(table, processes);
  api::add_process_measurement_routes(table, processes);
  api::add_database_user_routes(table, users_);
  api::add_custom_role_routes(table, roles_);
  const api::NetworkServices networks{networks_, [this](const std::string& group, const std::string& schema) -> api::RestResult<int> {
    if (!TRY_REST(imports_.uses_network(group, schema))) return 0;
    return api::refuse(409, "CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT",
                       fmt::format("A running live migration of the group {} goes through {}.", group, schema), {group});
  }};
  api::add_peering_routes(table, networks);
  api::add_private_endpoint_routes(table, networks);
  api::ClusterRouteOptions options;
  options.host_id = host_id_;
  options.max_local = kMaxLocalClusters;
  options.project_stays = [this](const std::string& group) { return identity_.stays(control::Tenant::kProject, group); };
  options.may_change = [this](const control::Cluster& cluster) -> api::RestResult<int> {
    if (!TRY_REST(imports_.active_on_cluster(cluster.group, cluster.name))) return 0;
    return api::refuse(409, "CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT",
                       fmt::format("The cluster {} is the destination of a running live migration.", cluster.name), {cluster.name});
  };
  api::add_cluster_routes(table, clusters_, runtime_, std::move(options));
}

void AtlasRole::run(const std::stop_token& stop) {
  bool answers = true;  // the store; while it does not, each step ends at once
  do {
    const auto done = reconciler_.step();
    if (!done) log_.warn("live migrations: the store does not answer", {{"error", done.error().message}});
    const auto users = users_reconciler_.step();
    if (!users) log_.warn("database users: the store does not answer", {{"error", users.error().message}});
    answers = done && users;
  } while (runtime_.sleep(answers ? kStepInterval : kSilentInterval, stop));
}

}  // namespace drover::cli
