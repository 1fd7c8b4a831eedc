// mongosync's HTTP API v1 (spec/engine.md 2) over a SyncControl: POST /api/v1/{start,pause,resume,commit,reverse} and
// GET /api/v1/progress, and of our own GET /api/v1/x/collections. Success is 200 with {"success": true}; a failure is {"success": false, "error", "errorDescription"}
// with 400 (the request), 403 (from where it came), 404, 405, 409 (the state) or 503 (a cluster that did not answer).
//
// It has no authentication, as mongosync's has none: it listens on loopback. So that a page in somebody's browser cannot
// reach it, requests that come by a name other than the machine's own, or from a page of another origin, are refused.
#pragma once

#include "api/folded_object.h"
#include "api/sync_progress.h"
#include "base/log.h"
#include "base/runtime.h"
#include "engine/sync_control.h"
#include "net/http_message.h"

namespace drover::api {

class SyncRoutes {
 public:
  struct Options {
    ClusterNames names;
    bool loopback_only = true;  // the listener's; else requests may name any host
  };
  SyncRoutes(engine::SyncControl& control, Runtime& runtime, Log& log, Options options)
      : control_(control), runtime_(runtime), log_(log), options_(std::move(options)) {}

  // Thread-safe. start and pause wait until what was asked is recorded.
  net::HttpResponse handle(const net::HttpRequest& request);

 private:
  net::HttpResponse route(const net::HttpRequest& request);
  net::HttpResponse post(const net::HttpRequest& request, std::string_view verb);
  Status act(std::string_view verb, std::string_view body);
  Status start(std::string_view body);
  Status commit(const FoldedObject& fields);

  engine::SyncControl& control_;
  Runtime& runtime_;
  Log& log_;
  const Options options_;
};

}  // namespace drover::api
