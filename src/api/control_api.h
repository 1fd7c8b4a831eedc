// The front of the control plane's HTTP: who calls, which route, may they, in which version; then the handler's answer in
// the form that the family's clients expect. Every answer is JSON, whatever went wrong.
#pragma once

#include <mutex>

#include "api/digest_auth.h"
#include "api/login_guard.h"
#include "api/rate_limiter.h"
#include "api/route_table.h"
#include "base/log.h"
#include "control/deletions.h"
#include "control/identity.h"
#include "net/http_message.h"

namespace drover::api {

inline constexpr int kRequestsPerMinute = 1200;  // of one key
inline constexpr int kFailuresPerMinute = 60;    // of one address, before it is locked out for the rest of the minute

// Who is locked out for failures that come from this address: of IPv6 the network, which one holder has all addresses of.
std::string lockout_name(const std::string& address);

class ControlApi {
 public:
  struct Options {
    std::string public_url;   // "http://127.0.0.1:8080", in links; no slash at the end
    std::string nonce_key;
    std::string version;      // for X-MongoDB-Service-Version
    std::vector<Family> families;  // those that are served
    // Who an access token was made for; nothing when it is not good. Unset: there are no access tokens.
    std::function<Result<std::optional<control::ApiKey>>(const std::string& token)> bearer;
    // Keeps the audit event of what has succeeded. What fails here is logged, and the request's answer stays.
    std::function<Status(const Json::Object& event)> tell;
    control::Deletions* deletions = nullptr;  // outlives this
  };
  ControlApi(RouteTable routes, control::Identity& identity, Runtime& runtime, Log& log, Options options);

  // Thread-safe.
  net::HttpResponse handle(const net::HttpRequest& request);

 private:
  struct Answer {
    RestReply reply;
    std::string version;  // Atlas v2's
    std::string deprecated;  // since when, where a newer one is there
  };
  RestResult<Answer> answer(const net::HttpRequest& request, RestRequest& rest, std::optional<control::ApiKey>& caller);
  RestResult<control::ApiKey> authenticate(const net::HttpRequest& request);
  RestResult<std::optional<control::ApiKey>> by_digest(const net::HttpRequest& request, const DigestAnswer& digest);
  void tell(const Route& route, const RestRequest& request, const RestReply& reply);
  RestResult<std::string> authorize(const Route& route, const RestRequest& request);
  RestResult<int> check_still_there(const Route& route, const RestRequest& request);
  net::HttpResponse unauthorized(bool stale);
  std::vector<std::pair<std::string, std::string>> headers_of_all() const;
  net::HttpResponse openapi(const RestRequest& request);
  net::HttpResponse formed(const RestRequest& request, int status, const Json& body, const std::string& version) const;

  const RouteTable routes_;
  control::Identity& identity_;
  Runtime& runtime_;
  Log& log_;
  const Options options_;
  std::once_flag openapi_made_;
  Json openapi_;                    // made once: it is told to anybody, and takes a while
  net::HttpResponse openapi_plain_;
  DigestAuth digest_;
  RateLimiter requests_;
  LoginGuard logins_;
};

}  // namespace drover::api
