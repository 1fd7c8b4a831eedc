#include "remote/site_client.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "net/crypto.h"
#include "remote/answer_error.h"
#include "remote/json_path.h"

namespace drover::remote {
namespace {

constexpr const char* kAtlasMediaType = "application/vnd.atlas.2025-03-12+json";
constexpr std::size_t kCnonceBytes = 16;
constexpr int kUnauthorized = 401;
constexpr int kNotFoundStatus = 404;

std::string_view prefix_of(Api api) {
  switch (api) {
    case Api::kManager: return "/api/public/v1.0";
    case Api::kExt: return "/api/ext/v1";
    default: return "/api/atlas/v2";
  }
}

std::string query_text(const std::vector<std::pair<std::string, std::string>>& query) {
  std::string text;
  for (const auto& [name, value] : query) text += fmt::format("{}{}={}", text.empty() ? "?" : "&", name, url_encoded(value));
  return text;
}

}  // namespace

std::string url_encoded(std::string_view text) {
  constexpr std::string_view kKept = "-._~";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kKept.find(c) != std::string_view::npos;
    if (plain) out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Result<SiteClient> SiteClient::open(const Login& login, const Options& options) {
  auto http = TRY(net::HttpClient::open({.base_url = login.site,
                                         .tls_ca_file = login.ca_file,
                                         .tls_certificate_key_file = login.certificate_key_file,
                                         .user_agent = "drover-cli"}));
  return SiteClient(login, options, std::move(http));
}

std::string SiteClient::shown(const std::string& method, const std::string& target) const {
  return fmt::format("{} {}{}{}", method, http_.base().origin(), http_.base().path, target.substr(0, target.find('?')));
}

Result<net::HttpAnswer> SiteClient::send(const SiteCall& call, const std::string& target, const std::stop_token& stop) {
  net::HttpCall http{.method = call.method, .target = target};
  http.timeout = options_.timeout;
  http.headers.emplace_back("Accept", target.starts_with(prefix_of(Api::kAtlas)) ? kAtlasMediaType : "application/json");
  if (auto login = authorization(call.method, target); !login.empty()) http.headers.emplace_back("Authorization", std::move(login));
  if (!call.body.is_null()) {
    http.headers.emplace_back("Content-Type", target.starts_with(prefix_of(Api::kAtlas)) ? kAtlasMediaType : "application/json");
    http.body = call.body.dump();
  }
  auto answer = http_.call(http, stop);
  if (!answer && answer.error().code == ErrorCode::kTemporary && call.method != "GET")
    answer.error().message += ". It is not known whether it was done: look before you repeat it";
  else if (!answer)
    advise(answer.error());
  return answer;
}

void SiteClient::advise(Error& error) const {
  if (error.code == ErrorCode::kTemporary) error.message += ". Does the site run, and is this its URL? Try again";
  if (error.has_label(net::kServerCertificateRefused))
    error.message += login_.ca_file.empty() ? ". If it was made by an authority of your own, name that with --ca-file FILE (DROVER_CA_FILE, or caFile in the credentials file)"
                                            : fmt::format(". The authority comes from {}", login_.ca_file);
  if (error.has_label(net::kClientCertificateRefused)) error.message += ". --tls-certificate-key-file FILE shows one of an authority that the site knows";
}

std::string SiteClient::authorization(const std::string& method, const std::string& target) {
  if (!token_.empty()) return "Bearer " + token_;
  if (!challenge_) return "";
  return digest_authorization(*challenge_, {login_.public_key, login_.private_key}, method, http_.base().path + target,
                              net::hex_encode(net::random_bytes(kCnonceBytes)), ++uses_);
}

// An API that a site does not have is not found before anybody is asked who he is; one that it has begins with a challenge.
Result<bool> SiteClient::serves(Api api, const std::stop_token& stop) {
  const auto target = std::string(prefix_of(api)) + "/orgs";
  net::HttpCall http{.method = "GET", .target = target};
  http.timeout = options_.timeout;
  http.headers.emplace_back("Accept", "application/json");
  auto answer = http_.call(http, stop);
  if (!answer) {
    advise(answer.error());
    return tl::unexpected(answer.error());
  }
  if (answer->status == kNotFoundStatus) return false;
  if (answer->status != kUnauthorized) {
    if (answer->status >= 300) return tl::unexpected(error_of_answer(*answer, {shown("GET", target), login_.who(), "", ""}));
    return fail(ErrorCode::kUnsupported, fmt::format("{}: {} to a caller who did not log in: this is not the API of a site", shown("GET", target), answer->status));
  }
  challenge_ = parse_challenge(answer->header("WWW-Authenticate"));
  uses_ = 0;
  if (!challenge_ && !login_.by_token())
    return fail(ErrorCode::kUnsupported, fmt::format("{}: the site does not offer digest authentication (MD5, qop=auth)", shown("GET", target)));
  return true;
}

Result<Api> SiteClient::api_of(Api asked, const std::stop_token& stop) {
  if (asked != Api::kEither) return asked;
  if (either_) return *either_;
  for (const auto api : {Api::kAtlas, Api::kManager}) {
    if (options_.role == SiteRole::kAtlas && api != Api::kAtlas) continue;
    if (options_.role == SiteRole::kManager && api != Api::kManager) continue;
    if (!TRY(serves(api, stop))) continue;
    either_ = api;
    return api;
  }
  return fail(ErrorCode::kUnsupported, options_.role == SiteRole::kAtlas    ? fmt::format("{} is no Atlas site (it has no {}); this command needs one: --site", login_.site, prefix_of(Api::kAtlas))
                                       : options_.role == SiteRole::kManager ? fmt::format("{} is no manager site (it has no {}); this command needs one: --site", login_.site, prefix_of(Api::kManager))
                                                                             : fmt::format("{} has neither {} nor {}; is this the URL of a site?", login_.site, prefix_of(Api::kAtlas), prefix_of(Api::kManager)));
}

Status SiteClient::log_in(Api api, const std::stop_token& stop) {
  if (login_.by_token() ? !token_.empty() : challenge_.has_value()) return {};
  // Which of the two the site is, is told in words before anything is asked of it.
  if (api != Api::kExt || options_.role == SiteRole::kAny) {
    if (!TRY(serves(api, stop))) {
      return fail(ErrorCode::kUnsupported, fmt::format("{} has no {}: this command needs {}; --site names one", login_.site, prefix_of(api),
                                                       api == Api::kManager ? "a manager site" : "an Atlas site"));
    }
  } else {
    TRY(api_of(Api::kEither, stop));
  }
  return login_.by_token() ? fetch_token(stop) : Status();
}

Status SiteClient::fetch_token(const std::stop_token& stop) {
  net::HttpCall http{.method = "POST", .target = "/api/oauth/token"};
  http.timeout = options_.timeout;
  http.headers = {{"Authorization", "Basic " + net::base64_encode(url_encoded(login_.client_id) + ":" + url_encoded(login_.client_secret))},
                  {"Content-Type", "application/x-www-form-urlencoded"},
                  {"Accept", "application/json"}};
  http.body = "grant_type=client_credentials";
  const auto answer = TRY(http_.call(http, stop));
  if (answer.status == kNotFoundStatus)
    return fail(ErrorCode::kUnsupported, fmt::format("{} has no /api/oauth: service accounts are of Atlas sites; use an API key", login_.site));
  if (answer.status != 200) return tl::unexpected(error_of_answer(answer, {shown("POST", http.target), login_.who(), "", ""}));
  const auto json = Json::parse(answer.body);
  if (json) token_ = text_at(*json, "access_token");
  if (token_.empty() || token_.find_first_of("\r\n") != std::string::npos)
    return fail(ErrorCode::kFailure, fmt::format("{}: the answer has no access token", shown("POST", http.target)));
  return {};
}

Result<Json> SiteClient::call(const SiteCall& call, const std::stop_token& stop) {
  const auto api = TRY(api_of(call.api, stop));
  TRY(log_in(api, stop));
  const auto target = std::string(prefix_of(api)) + call.path + query_text(call.query);
  auto answer = TRY(send(call, target, stop));
  if (answer.status == kUnauthorized) {
    // A nonce grows old while a command waits, and a token ends: once more, then it is the key.
    const auto challenge = parse_challenge(answer.header("WWW-Authenticate"));
    const bool again = login_.by_token() ? !token_.empty() : challenge && challenge->stale;
    if (again) {
      challenge_ = challenge;
      uses_ = 0;
      token_.clear();
      if (login_.by_token()) TRY(fetch_token(stop));
      answer = TRY(send(call, target, stop));
    }
  }
  if (answer.status < 200 || answer.status > 299)
    return tl::unexpected(error_of_answer(answer, {shown(call.method, target), login_.who(), call.needs, call.list}));
  if (answer.body.empty()) return Json();
  auto json = Json::parse(answer.body);
  if (!json) return fail(ErrorCode::kFailure, fmt::format("{}: the answer is not JSON: is this the URL of a site?", shown(call.method, target)));
  return std::move(*json);
}

Result<std::vector<Json>> SiteClient::list(const SiteCall& call, std::size_t limit, const std::stop_token& stop) {
  std::vector<Json> all;
  std::set<std::string> before, here;  // of the last page and this one: what is added meanwhile moves the rest to later pages
  for (int page = 1; page <= kMaxPages; ++page) {
    auto paged = call;
    paged.query.emplace_back("pageNum", std::to_string(page));
    paged.query.emplace_back("itemsPerPage", std::to_string(kItemsPerPage));
    const auto answer = TRY(this->call(paged, stop));
    const auto* results = answer.find("results");
    const auto* items = answer.as_array() ? answer.as_array() : results ? results->as_array() : nullptr;
    if (items == nullptr) return fail(ErrorCode::kFailure, fmt::format("GET {}: the answer is not a list", call.path));
    for (const auto& item : *items) {
      if (all.size() >= limit) return all;
      const auto text = item.dump();
      if (!before.contains(text)) all.push_back(item);
      here.insert(text);
    }
    before = std::exchange(here, {});
    if (answer.as_array() || items->size() < static_cast<std::size_t>(kItemsPerPage)) return all;
  }
  return fail(ErrorCode::kUnsupported, fmt::format("GET {}: more than {} pages", call.path, kMaxPages));
}

}  // namespace drover::remote
