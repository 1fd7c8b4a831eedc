// Protocol 1, the atlas site's side (docs/design/control-plane.md): what a manager site that holds a link calls, below
// /api/site/v1. HTTP Basic with the link's id and secret; a link opens its own documents and nothing else.
#pragma once

#include <optional>
#include <string>

#include "api/basic_auth.h"
#include "api/login_guard.h"
#include "api/rate_limiter.h"
#include "api/rest.h"
#include "base/log.h"
#include "control/identity.h"
#include "control/links.h"
#include "control/live_imports.h"
#include "net/http_message.h"

namespace drover::api {

inline constexpr std::string_view kSitePrefix = "/api/site/v1";
inline constexpr int kSiteRequestsPerMinute = 6000;
inline constexpr int kSiteFailuresPerMinute = 60;

class SiteApi {
 public:
  SiteApi(control::Links& links, control::LiveImports& imports, control::Identity& identity, Runtime& runtime, Log& log)
      : links_(links), imports_(imports), identity_(identity), runtime_(runtime), log_(log), requests_(runtime, kSiteRequestsPerMinute),
        logins_(runtime, kSiteFailuresPerMinute) {}

  // For paths below kSitePrefix. Thread-safe.
  net::HttpResponse handle(const net::HttpRequest& request);

 private:
  struct Call {
    std::string method;
    std::vector<std::string> path;  // behind the prefix
    Json body;
    std::size_t body_bytes = 0;
    std::string peer;  // address
    std::string user, secret;
    std::string_view shown;  // the header with both
  };
  RestResult<RestReply> answer(const net::HttpRequest& request, std::string& link);
  RestResult<RestReply> claim(const Call& call);
  RestResult<RestReply> route(const Call& call, const control::Link& link);
  RestResult<RestReply> put_project(const Call& call, const control::Link& link);
  RestResult<RestReply> finish_sync(const Call& call, const control::Link& link);
  RestResult<RestReply> work(const control::Link& link);
  RestResult<RestReply> report(const Call& call, const control::Link& link);
  RestResult<RestReply> held(const Call& call, const control::Link& link);
  RestResult<RestReply> remove(const control::Link& link);
  RestResult<control::Link> authenticate(const Call& call);
  tl::unexpected<RestError> invalid(const Call& call);
  RestResult<Json> link_json(const control::Link& link);

  control::Links& links_;
  control::LiveImports& imports_;
  control::Identity& identity_;
  Runtime& runtime_;
  Log& log_;
  RateLimiter requests_;
  LoginGuard logins_;
};

}  // namespace drover::api
