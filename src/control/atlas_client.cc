#include "control/atlas_client.h"

#include <fmt/format.h>

#include "net/crypto.h"
#include "net/http_client.h"

namespace drover::control {
namespace {

constexpr int kProtocol = 1;
constexpr int kNotFound = 404;

std::string text_in(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}

Error refusal(const net::HttpAnswer& answer) {
  std::string detail, code;
  if (const auto json = Json::parse(answer.body)) {
    detail = text_in(*json, "detail");
    code = text_in(*json, "errorCode");
  }
  auto kind = ErrorCode::kUnsupported;
  if (answer.status == 401) kind = ErrorCode::kUsage;
  else if (answer.status == 409) kind = ErrorCode::kWrongState;
  else if (answer.status == 429 || answer.status >= 500) kind = ErrorCode::kTemporary;
  return Error{kind, fmt::format("the destination's site answered {} {}: {}", answer.status, code, detail), answer.status, {}};
}

}  // namespace

Result<Json> AtlasClient::call(const std::string& method, const std::string& target, const Json& body, const std::string& secret,
                               const std::stop_token& stop, std::chrono::seconds patience) const {
  const auto client = TRY(net::HttpClient::open({.base_url = link_.base_url, .tls_ca_file = options_.tls_ca_file, .user_agent = "drover-manager"}));
  net::HttpCall call{.method = method, .target = "/api/site/v1" + target};
  call.headers = {{"Authorization", "Basic " + net::base64_encode(link_.link + ":" + secret)}, {"Accept", "application/json"}};
  if (!body.is_null()) {
    call.headers.emplace_back("Content-Type", "application/json");
    call.body = body.dump();
  }
  call.timeout = patience;
  auto answered = client.call(call, stop);
  if (!answered && answered.error().has_label(net::kServerCertificateRefused)) {
    // For a daemon it is temporary: the other site may be given another certificate.
    answered.error().code = ErrorCode::kTemporary;
    answered.error().message += "; an authority of your own is named with `drover server --link-ca-file`";
  }
  const auto answer = TRY(std::move(answered));
  if (answer.status < 200 || answer.status > 299) return tl::unexpected(refusal(answer));
  if (answer.body.empty()) return Json(Json::Object{});
  auto json = Json::parse(answer.body);
  if (!json) return fail(ErrorCode::kTemporary, fmt::format("{} {}: the answer is not JSON", method, target));
  return std::move(*json);
}

Result<AtlasClient::Claimed> AtlasClient::claim(const std::string& site_id, const std::string& org_name, const std::vector<FormerLink>& former,
                                                const std::stop_token& stop) const {
  Json::Object body{{"protocol", kProtocol}, {"siteId", site_id}, {"orgId", link_.org}, {"orgName", org_name}, {"linkSecret", link_.secret}};
  Json::Array held;
  for (const auto& [link, proof] : former) held.push_back(Json::Object{{"linkId", link}, {"proof", proof}});
  if (!held.empty()) body.emplace_back("formerLinks", std::move(held));
  const auto answer = TRY(call("POST", "/claim", Json(std::move(body)), link_.token_secret, stop));
  return Claimed{text_in(answer, "orgId"), text_in(answer, "orgName")};
}

Status AtlasClient::put_project(const std::string& project, Json::Object metadata, std::int64_t revision, const std::stop_token& stop,
                                std::chrono::seconds patience) const {
  metadata.emplace_back("revision", revision);
  TRY(call("PUT", "/projects/" + project, Json(std::move(metadata)), link_.secret, stop, patience));
  return {};
}

Status AtlasClient::finish_sync(std::int64_t revision, const std::vector<std::string>& projects, const std::stop_token& stop,
                                std::chrono::seconds patience) const {
  Json::Array ids;
  for (const auto& id : projects) ids.emplace_back(id);
  TRY(call("PUT", "/projects", Json::Object{{"revision", revision}, {"projectIds", std::move(ids)}}, link_.secret, stop, patience));
  return {};
}

Result<AtlasClient::Work> AtlasClient::work(const std::stop_token& stop, std::chrono::seconds patience) const {
  const auto answer = TRY(call("GET", "/work", {}, link_.secret, stop, patience));
  Work work;
  if (const auto* items = answer.find("items"); items && items->as_array()) work.items = *items->as_array();
  if (const auto* coming = answer.find("coming"); coming && coming->as_array()) work.coming = *coming->as_array();
  if (const auto* seconds = answer.find("pollSeconds"); seconds && seconds->as_int() && *seconds->as_int() >= 1) work.poll_seconds = *seconds->as_int();
  return work;
}

Result<std::optional<AtlasClient::Reported>> AtlasClient::report(const std::string& item, std::int64_t sequence, const Json& report,
                                                                 const std::stop_token& stop) const {
  Json::Object body;
  if (report.as_object()) {
    for (const auto& [key, value] : *report.as_object())
      if (key != "sequence") body.emplace_back(key, value);
  }
  body.emplace_back("sequence", sequence);
  const auto answer = call("PUT", fmt::format("/work/{}/report", item), Json(std::move(body)), link_.secret, stop);
  if (!answer && answer.error().server_code == kNotFound) return std::optional<Reported>();
  if (!answer) return tl::unexpected(answer.error());
  const auto* kept = answer->find("sequence");
  return std::optional(Reported{kept && kept->as_int() ? *kept->as_int() : sequence, text_in(*answer, "desired")});
}

Status AtlasClient::held(const std::string& item, const std::string& because, const std::stop_token& stop) const {
  TRY(call("PUT", fmt::format("/work/{}/held", item), Json::Object{{"because", because}}, link_.secret, stop));
  return {};
}

Status AtlasClient::remove_link(const std::stop_token& stop) const {
  TRY(call("DELETE", "/link", {}, link_.secret, stop));
  return {};
}

}  // namespace drover::control
