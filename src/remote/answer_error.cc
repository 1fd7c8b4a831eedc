#include "remote/answer_error.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "remote/json_path.h"
#include "terminal/table.h"

namespace drover::remote {
namespace {

constexpr std::size_t kMaxDetailBytes = 4096;

struct Known {
  std::string_view code;
  ErrorCode kind;
};
constexpr Known kRefusals[] = {{"LIVE_MIGRATION_NOT_READY_FOR_CUTOVER", ErrorCode::kWrongState},
                               {"CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED", ErrorCode::kWrongState},
                               {"DEPLOYMENT_NOT_REACHABLE", ErrorCode::kDestination}};
constexpr std::string_view kMalformed[] = {"INVALID_", "MISSING_"};

ErrorCode kind_of(int status, std::string_view code) {
  if (status == 409) return ErrorCode::kWrongState;
  if (status == 408 || status == 429 || status == 502 || status == 503 || status == 504) return ErrorCode::kTemporary;
  if (status >= 500) return ErrorCode::kFailure;
  if (status != 400) return ErrorCode::kUnsupported;
  for (const auto& known : kRefusals)
    if (known.code == code) return known.kind;
  const bool malformed = std::any_of(std::begin(kMalformed), std::end(kMalformed), [&](auto prefix) { return code.starts_with(prefix); });
  return malformed ? ErrorCode::kUsage : ErrorCode::kUnsupported;
}

std::string remedy_of(int status, std::string_view code, std::string_view detail, const Asked& asked) {
  if (status == 401) return fmt::format("The site does not take {}: it is of another site, was deleted, or its secret is another one", asked.who);
  const bool address = code.find("WHITELIST") != std::string_view::npos || code.find("ACCESS_LIST") != std::string_view::npos;
  if (status == 403 && address)
    return fmt::format("The access list of {} does not have this machine's address; drover key allow adds it", asked.who);
  if (status == 403) {
    return fmt::format("{} lacks the role for this{}; an Organization Owner makes a key that has it (drover key create)", asked.who,
                       asked.needs.empty() ? "" : fmt::format(" ({})", asked.needs));
  }
  if (status == 404 && !asked.list.empty()) return fmt::format("`{}` shows what there is", asked.list);
  if (status == 429) return "Try again in a minute";
  if (status == 503) return detail.ends_with("Try again.") ? "" : "Try again";
  if (status >= 300 && status < 400) return "This is not the site itself: name the URL that it redirects to";
  return "";
}

}  // namespace

Error error_of_answer(const net::HttpAnswer& answer, const Asked& asked) {
  std::string code, detail;
  if (const auto json = Json::parse(answer.body)) {
    code = text_at(*json, "errorCode");
    detail = text_at(*json, "detail");
    if (code.empty()) code = text_at(*json, "error");  // OAuth's errors
    if (detail.empty()) detail = text_at(*json, "error_description");
  }
  if (code.empty()) code = answer.header("X-Error-Code");
  code = terminal::printable(code.substr(0, kMaxDetailBytes));
  detail = terminal::printable(detail.substr(0, kMaxDetailBytes));
  Error error{kind_of(answer.status, code), fmt::format("{}: {}", asked.what, answer.status), answer.status, {code, detail}};
  if (!code.empty() && answer.status != 401) error.message += " " + code;
  if (!detail.empty()) error.message += ": " + detail;
  if (const auto remedy = remedy_of(answer.status, code, detail, asked); !remedy.empty()) {
    if (!error.message.ends_with('.')) error.message += '.';
    error.message += " " + remedy + ".";
  }
  return error;
}

Error not_found(std::string message) { return Error{ErrorCode::kUnsupported, std::move(message), 404, {}}; }

int exit_code_of(const Error& error) {
  if (error.server_code == 401) return kExitLoginRefused;
  if (error.server_code == 403) return kExitNotPermitted;
  if (error.server_code == 404) return kExitNotFound;
  return exit_code(error.code);
}

Json failure_of(const Error& error) {
  Json::Object fields{{"exitCode", exit_code_of(error)}, {"message", error.message}};
  if (error.labels.size() == 2) {
    fields.emplace_back("status", error.server_code);
    fields.emplace_back("errorCode", error.labels[0]);
    fields.emplace_back("detail", error.labels[1]);
  }
  return Json(Json::Object{{"error", Json(std::move(fields))}});
}

}  // namespace drover::remote
