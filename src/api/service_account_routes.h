// Service accounts of an organization, and the OAuth 2.0 endpoints that their clients call (spec/control-plane.md 3.1.7).
#pragma once

#include "api/login_guard.h"
#include "api/rate_limiter.h"
#include "api/route_table.h"
#include "base/log.h"
#include "control/service_accounts.h"
#include "net/http_message.h"

namespace drover::api {

// `accounts` outlives the table.
void add_service_account_routes(RouteTable& table, control::ServiceAccounts& accounts, control::Identity& identity);

// As what authenticates with an access token appears to routes.
control::ApiKey caller_of(const control::ServiceAccount& account);

inline constexpr std::string_view kOauthPrefix = "/api/oauth/";

// POST /api/oauth/token and /api/oauth/revoke: HTTP Basic with client id and secret, a form as body. Thread-safe.
class OauthApi {
 public:
  OauthApi(control::ServiceAccounts& accounts, Runtime& runtime, Log& log)
      : accounts_(accounts), log_(log), logins_(runtime, kFailuresPerMinute), requests_(runtime, kTokensPerMinute) {}
  net::HttpResponse handle(const net::HttpRequest& request);

 private:
  static constexpr int kFailuresPerMinute = 60;
  static constexpr int kTokensPerMinute = 60;  // of one client; each is good for an hour
  struct Answer {
    int status = 200;
    Json body;
  };
  Answer answer(const net::HttpRequest& request);
  Answer invalid_client(const std::string& address, std::string_view shown);

  control::ServiceAccounts& accounts_;
  Log& log_;
  LoginGuard logins_;
  RateLimiter requests_;
};

}  // namespace drover::api
