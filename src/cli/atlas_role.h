// The destination's side of `drover server`, put together: links, clusters, and what the manager sites call.
#pragma once

#include <string>

#include "api/route_table.h"
#include "api/site_api.h"
#include "control/clusters.h"
#include "control/links.h"
#include "net/http_message.h"

namespace drover::cli {

class AtlasRole {
 public:
  struct Options {};
  // What is passed by reference outlives this.
  AtlasRole(control::Store& store, const control::SealedKeys& keys, control::Identity& identity, Runtime& runtime, Log& log, Options options);

  void add_routes(api::RouteTable& table);
  // Below api::kSitePrefix. Thread-safe.
  net::HttpResponse handle_site(const net::HttpRequest& request) { return site_.handle(request); }

 private:
  Runtime& runtime_;
  control::Links links_;
  control::Clusters clusters_;
  api::SiteApi site_;
};

}  // namespace drover::cli
