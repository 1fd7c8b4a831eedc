#include "agent/sync_client.h"

#include <fmt/format.h>

#include "net/http_client.h"

namespace drover::agent {
namespace {

// A start checks both deployments first, and waits for those that do not answer.
constexpr std::chrono::minutes kOrderTimeout{10};
constexpr std::chrono::seconds kLookTimeout{10};

std::string text_of(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}

std::optional<std::int64_t> number_of(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* number = value ? value->as_int() : nullptr;
  if (number == nullptr) return std::nullopt;
  return *number;
}

Error refusal(const Json& answer, int status) {
  const auto name = text_of(answer, "error");
  auto code = ErrorCode::kUnsupported;
  if (status >= 500) code = ErrorCode::kTemporary;
  else if (name == "InvalidStateTransition") code = ErrorCode::kWrongState;
  else if (name == "SourceCheckFailed") code = ErrorCode::kSource;
  else if (name == "DestinationCheckFailed") code = ErrorCode::kDestination;
  const auto description = text_of(answer, "errorDescription");
  return Error{code, description.empty() ? fmt::format("the engine answered {}", status) : description, 0, {}};
}

}  // namespace

Result<SyncProgress> parse_progress(const Json& answer) {
  const auto* found = answer.find("progress");
  if (found == nullptr || text_of(*found, "state").empty()) return fail(ErrorCode::kTemporary, "an answer without progress");
  SyncProgress progress;
  progress.state = text_of(*found, "state");
  progress.info = text_of(*found, "info");
  if (const auto* flag = found->find("canCommit"); flag && flag->as_bool()) progress.can_commit = *flag->as_bool();
  progress.lag_seconds = number_of(*found, "lagTimeSeconds");
  progress.applied_events = number_of(*found, "totalEventsApplied");
  progress.eta_seconds = number_of(*found, "estimatedSecondsToCEACatchup");
  if (const auto* copy = found->find("collectionCopy"); copy) {
    progress.copied_bytes = number_of(*copy, "estimatedCopiedBytes");
    progress.total_bytes = number_of(*copy, "estimatedTotalBytes");
  }
  if (const auto* warnings = found->find("warnings"); warnings && warnings->as_array()) {
    for (const auto& warning : *warnings->as_array())
      if (const auto* text = warning.as_string()) progress.warnings.push_back(*text);
  }
  const auto* ours = found->find("x");
  if (ours) progress.cannot_commit_because = text_of(*ours, "cannotCommitBecause");
  if (const auto* given_up = ours ? ours->find("commitGivenUp") : nullptr; given_up && !given_up->is_null())
    progress.commit_given_up = GivenUpCutover{number_of(*given_up, "request"), text_of(*given_up, "because")};
  return progress;
}

Result<Json> SyncClient::call(const std::string& method, const std::string& verb, const std::string& body,
                              const std::stop_token& stop) const {
  const auto client = TRY(net::HttpClient::open({.base_url = fmt::format("http://127.0.0.1:{}", port_)}));
  net::HttpCall call{.method = method, .target = "/api/v1/" + verb, .body = body};
  call.timeout = body.empty() ? std::chrono::milliseconds(kLookTimeout) : std::chrono::milliseconds(kOrderTimeout);
  const auto answer = TRY_WITH(client.call(call, stop), "asking the engine");
  const auto json = Json::parse(answer.body);
  if (!json || json->as_object() == nullptr) return fail(ErrorCode::kTemporary, "asking the engine: what answers is not the engine");
  if (answer.status != 200) return tl::unexpected(refusal(*json, answer.status));
  return *json;
}

Result<SyncProgress> SyncClient::progress(const std::stop_token& stop) const {
  return parse_progress(TRY(call("GET", "progress", "", stop)));
}

Status SyncClient::start(const std::stop_token& stop) const {
  TRY(call("POST", "start", R"({"source":"cluster0","destination":"cluster1"})", stop));
  return {};
}

Status SyncClient::commit(std::optional<std::int64_t> request, const std::stop_token& stop) const {
  TRY(call("POST", "commit", request ? Json(Json::Object{{"xRequest", *request}}).dump() : "{}", stop));
  return {};
}

}  // namespace drover::agent
