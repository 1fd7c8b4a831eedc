// The destination's side of `drover server`, put together: links, clusters, and what the manager sites call.
#pragma once

#include <stop_token>
#include <string>

#include "api/route_table.h"
#include "api/site_api.h"
#include "control/clusters.h"
#include "control/links.h"
#include "control/live_import_intake.h"
#include "control/live_import_reconciler.h"
#include "control/live_imports.h"
#include "net/http_message.h"

namespace drover::cli {

class AtlasRole {
 public:
  struct Options {
    control::LiveImports::Options imports;
    control::Policy policy;
  };
  // What is passed by reference outlives this.
  AtlasRole(control::Store& store, const control::SealedKeys& keys, control::Identity& identity, Runtime& runtime, Log& log, Options options);

  void add_routes(api::RouteTable& table);
  // Below api::kSitePrefix. Thread-safe.
  net::HttpResponse handle_site(const net::HttpRequest& request) { return site_.handle(request); }
  // Takes migrations from state to state, until it is stopped.
  void run(const std::stop_token& stop);

 private:
  Runtime& runtime_;
  Log& log_;
  control::Links links_;
  control::Clusters clusters_;
  control::LiveImports imports_;
  control::LiveImportIntake intake_;
  control::LiveImportReconciler reconciler_;
  api::SiteApi site_;
};

}  // namespace drover::cli
