#include "agent/site.h"

#include <fmt/format.h>

#include "net/crypto.h"
#include "net/loopback.h"

namespace drover::agent {
namespace {

// A key and metadata of databases do not go over a network in clear.
Status check_transport(const net::Url& url) {
  if (url.tls || net::is_loopback_host(url.host)) return {};
  return fail(ErrorCode::kUsage, fmt::format("mmsBaseUrl {} is not https://; plain http:// is for loopback only", url.origin()));
}

Error refusal(const net::HttpAnswer& answer) {
  std::string detail, code;
  if (const auto json = Json::parse(answer.body)) {
    if (const auto* text = json->find("detail"); text && text->as_string()) detail = *text->as_string();
    if (const auto* text = json->find("errorCode"); text && text->as_string()) code = *text->as_string();
  }
  auto kind = ErrorCode::kUnsupported;
  if (answer.status == 404) kind = ErrorCode::kUsage;
  else if (answer.status == 409) kind = ErrorCode::kWrongState;
  else if (answer.status == 429 || answer.status >= 500) kind = ErrorCode::kTemporary;
  Error error{kind, fmt::format("it answered {} {}: {}", answer.status, code, detail), 0, {}};
  if (answer.status == 401)
    error.message += " Its configuration names another project or key than the site knows: check mmsGroupId and mmsApiKey (or what mmsApiKeyExec prints); "
                     "`drover host provision` makes a configuration with a new key";
  return error;
}

void advise(Error& error) {
  if (error.has_label(net::kServerCertificateRefused)) error.message += "; an authority of your own is named with httpsCAFile";
  if (error.has_label(net::kClientCertificateRefused)) error.message += "; tlsMMSServerClientCertificate names the one to show";
}

}  // namespace

struct Site::State {
  net::HttpClient client;
  std::string authorization;
  std::string agent_id;
  std::chrono::milliseconds timeout;
  std::atomic<std::int64_t> epoch{0};
  std::atomic<std::int64_t> sequences{0};
};

Site::Site(std::unique_ptr<State> state) : state_(std::move(state)) {}
Site::Site(Site&&) noexcept = default;
Site::~Site() = default;

Result<Site> Site::open(const Config& config, const std::string& agent_id, const std::string& version) {
  auto client = TRY_WITH(net::HttpClient::open({.base_url = config.base_url,
                                                .tls_ca_file = config.https_ca_file,
                                                .tls_certificate_key_file = config.client_certificate,
                                                .verify_certificate = config.verify_certificate,
                                                .proxy = config.http_proxy,
                                                .user_agent = "drover-agent/" + version}),
                         "the way to the manager (mmsBaseUrl, httpsCAFile, tlsMMSServerClientCertificate)");
  TRY(check_transport(client.base()));
  auto state = std::unique_ptr<State>(new State{std::move(client),
                                                "Basic " + net::base64_encode(config.group_id + ":" + config.api_key), agent_id,
                                                std::chrono::milliseconds(config.dial_timeout)});
  return Site(std::move(state));
}

std::int64_t Site::epoch() const { return state_->epoch; }

std::int64_t Site::next_sequence() const { return (state_->epoch << 32) + ++state_->sequences; }

Result<Json> Site::post(const std::string& target, Json::Object body, const std::stop_token& stop) const {
  net::HttpCall call{.method = "POST", .target = "/agent/v1" + target, .body = Json(std::move(body)).dump()};
  call.headers = {{"Authorization", state_->authorization}, {"Content-Type", "application/json"}, {"Accept", "application/json"}};
  call.timeout = state_->timeout;
  auto answered = state_->client.call(call, stop);
  if (!answered) advise(answered.error());
  const auto answer = TRY(std::move(answered));
  if (answer.status != 200) return tl::unexpected(refusal(answer));
  auto json = Json::parse(answer.body);
  if (!json || json->as_object() == nullptr) return fail(ErrorCode::kTemporary, fmt::format("{}: the answer is not JSON", target));
  return std::move(*json);
}

Result<Json> Site::post_in_session(const std::string& target, Json::Object body, const std::stop_token& stop) const {
  body.emplace_back("agentId", state_->agent_id);
  body.emplace_back("epoch", state_->epoch.load());
  return post(target, std::move(body), stop);
}

Result<Json> Site::hello(Json::Object body, Place place, const std::stop_token& stop) {
  body.emplace_back("protocol", 1);
  body.emplace_back("agentId", state_->agent_id);
  auto answer = TRY(post(place == Place::kIfFree ? "/hello/free" : "/hello", std::move(body), stop));
  const auto* epoch = answer.find("epoch");
  if (epoch == nullptr || epoch->as_int() == nullptr) return fail(ErrorCode::kTemporary, "/hello: the answer has no epoch");
  state_->epoch = *epoch->as_int();
  return answer;
}

Result<Json> Site::poll(const std::stop_token& stop) const { return post_in_session("/poll", {}, stop); }

Result<Json> Site::report(const std::string& job, Json::Object body, const std::stop_token& stop) const {
  return post_in_session(fmt::format("/jobs/{}/report", job), std::move(body), stop);
}

Result<Json> Site::log(const std::string& job, std::int64_t from, const std::vector<std::string>& lines,
                       const std::stop_token& stop) const {
  Json::Array all;
  for (const auto& line : lines) all.emplace_back(line);
  return post_in_session(fmt::format("/jobs/{}/log", job), {{"from", from}, {"lines", std::move(all)}}, stop);
}

Result<Json> Site::monitoring(Json::Array samples, const std::stop_token& stop) const {
  return post_in_session("/monitoring", {{"samples", std::move(samples)}}, stop);
}

}  // namespace drover::agent
