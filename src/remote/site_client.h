// Calls to the REST API of a site, logged in by HTTP digest or with an access token (docs/api/control-plane.md). Each call is bounded
// in time and size. Not thread-safe: one command's.
//
// Errors as in answer_error.h; kTemporary also when no answer came: for a call that changes something the message says that it is not
// known whether it was done.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "net/http_client.h"
#include "remote/digest_login.h"
#include "remote/login.h"

namespace drover::remote {

inline constexpr int kItemsPerPage = 200;
inline constexpr int kMaxPages = 10'000;

// kEither: Atlas's where the site has it, else Cloud Manager's; they are spelled alike.
enum class Api { kEither, kAtlas, kManager, kExt };

struct SiteCall {
  std::string method = "GET";
  Api api = Api::kEither;
  std::string path;  // behind the API's prefix, encoded: "/orgs/{id}/apiKeys"
  std::vector<std::pair<std::string, std::string>> query{};  // not encoded
  Json body{};
  std::string needs{};  // for errors: see Asked
  std::string list{};
};

class SiteClient {
 public:
  struct Options {
    SiteRole role = SiteRole::kAny;
    std::chrono::seconds timeout = net::kHttpCallTimeout;
  };
  static Result<SiteClient> open(const Login& login, const Options& options);

  // The answer's body; null when it has none.
  Result<Json> call(const SiteCall& call, const std::stop_token& stop);
  // All pages, or the first `limit` items. Answers that are bare arrays are one page. What is removed on the site meanwhile may hide
  // others.
  Result<std::vector<Json>> list(const SiteCall& call, std::size_t limit, const std::stop_token& stop);

  const std::string& site() const { return login_.site; }

 private:
  SiteClient(const Login& login, const Options& options, net::HttpClient http) : login_(login), options_(options), http_(std::move(http)) {}
  Result<Api> api_of(Api asked, const std::stop_token& stop);
  Result<bool> serves(Api api, const std::stop_token& stop);
  Status log_in(Api api, const std::stop_token& stop);
  Status fetch_token(const std::stop_token& stop);
  std::string authorization(const std::string& method, const std::string& target);
  Result<net::HttpAnswer> send(const SiteCall& call, const std::string& target, const std::stop_token& stop);
  std::string shown(const std::string& method, const std::string& target) const;
  void advise(Error& error) const;  // what to do when no answer came

  Login login_;
  Options options_;
  net::HttpClient http_;
  std::optional<Api> either_;  // what kEither is here
  std::optional<DigestChallenge> challenge_;
  std::uint32_t uses_ = 0;     // of the challenge's nonce
  std::string token_;
};

// For a segment of a path or a value of a query.
std::string url_encoded(std::string_view text);

}  // namespace drover::remote
