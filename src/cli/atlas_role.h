// The destination's side of `drover server`, put together: links, clusters, and what the manager sites call.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "api/route_table.h"
#include "api/service_account_routes.h"
#include "api/site_api.h"
#include "cli/local_clusters.h"
#include "control/access_lists.h"
#include "control/cluster_monitor.h"
#include "control/cluster_processes.h"
#include "control/clusters.h"
#include "control/database_user_reconciler.h"
#include "control/database_users.h"
#include "control/links.h"
#include "control/live_import_intake.h"
#include "control/live_import_reconciler.h"
#include "control/live_imports.h"
#include "control/network_records.h"
#include "net/http_message.h"

namespace drover::cli {

class AtlasRole {
 public:
  struct Options {
    control::LiveImports::Options imports;
    control::Policy policy;
    std::string local_directory;  // for clusters of this machine; empty: there are none
    std::string host_id;          // of this process, with local_directory
    std::stop_token stop;         // once it is requested no deployment is waited for
  };
  // What is passed by reference outlives this.
  AtlasRole(control::Store& store, const control::SealedKeys& keys, control::Identity& identity, Runtime& runtime, Log& log, Options options);

  void add_routes(api::RouteTable& table);
  // Below api::kSitePrefix. Thread-safe.
  net::HttpResponse handle_site(const net::HttpRequest& request) { return site_.handle(request); }
  // Below api::kOauthPrefix. Thread-safe.
  net::HttpResponse handle_oauth(const net::HttpRequest& request) { return oauth_.handle(request); }
  // A refusal while the project has clusters.
  api::RestResult<int> may_delete_project(const std::string& group);
  // Its records here go, and the roles that service accounts have in it; once it is settled that it does. May be repeated.
  Status forget_project(const std::string& group);
  // The same of an organization's links and service accounts, but for one.
  Status forget_organization(const std::string& org, const std::string& but);
  // Makes a service account the owner of a project. False: there is no such account in the project's organization.
  Result<bool> give_account_project(const control::Project& project, const std::string& client_id);
  Result<std::map<std::string, std::int64_t>> count_clusters(const std::vector<std::string>& groups) { return clusters_.count_by_group(groups); }
  Result<std::optional<control::ApiKey>> caller_of_token(const std::string& token);
  // Runs the local clusters, until it is stopped; on one thread.
  void run_clusters(const std::stop_token& stop);
  bool has_local_clusters() const { return local_clusters_.has_value(); }
  // Takes migrations from state to state, until it is stopped.
  void run(const std::stop_token& stop);
  // Measures the clusters, until it is stopped; on one thread.
  void measure(const std::stop_token& stop) { monitor_.run(stop); }

 private:
  Runtime& runtime_;
  Log& log_;
  control::Identity& identity_;
  control::Links links_;
  control::Clusters clusters_;
  control::ClusterProcesses processes_;
  control::ClusterMonitor monitor_;
  control::AccessLists access_lists_;
  control::CustomRoles roles_;
  control::DatabaseUsers users_;
  control::NetworkRecords networks_;
  control::LiveImports imports_;
  control::LiveImportIntake intake_;
  control::LiveImportReconciler reconciler_;
  api::SiteApi site_;
  control::ServiceAccounts accounts_;
  api::OauthApi oauth_;
  const std::string host_id_;
  control::DatabaseUserReconciler users_reconciler_;
  std::optional<LocalClusters> local_clusters_;
};

}  // namespace drover::cli
