#include "api/report_body.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/body_fields.h"

namespace drover::api {
namespace {

constexpr std::string_view kReportStates[] = {"ACCEPTED", "RUNNING", "COMMITTING", "DONE", "COMMITTED", "STOPPED", "FAILED", "FORGOTTEN"};

tl::unexpected<RestError> bad_attribute(std::string_view field, std::string_view why) {
  RestError error{400, "INVALID_ATTRIBUTE", fmt::format("{} {}.", field, why), {std::string(field)}, {}};
  error.fields.emplace_back(field, why);
  return tl::unexpected(std::move(error));
}

}  // namespace

RestResult<std::int64_t> check_report(const Json& report, std::size_t bytes, std::size_t max_bytes) {
  const auto* sequence = report.find("sequence");
  if (sequence == nullptr || sequence->as_int() == nullptr || *sequence->as_int() < 1) return bad_attribute("sequence", "must be a whole number from 1");
  const auto state = TRY_BODY(required_text(report, "state"));
  if (std::find(std::begin(kReportStates), std::end(kReportStates), state) == std::end(kReportStates))
    return refuse(400, "INVALID_ENUM_VALUE", fmt::format("state: {} is none of a report.", state), {"state"});
  if (bytes > max_bytes) return bad_attribute("log", fmt::format("makes the report larger than {} bytes", max_bytes));
  return *sequence->as_int();
}

std::size_t cut_log(Json::Object& report, std::size_t max_bytes) {
  auto size = Json(report).dump().size();
  if (size <= max_bytes) return size;
  const auto log = std::find_if(report.begin(), report.end(), [](const auto& field) { return field.first == "log" && field.second.as_array() != nullptr; });
  if (log == report.end()) return size;
  const auto& lines = *log->second.as_array();
  auto first = lines.begin();
  for (; first != lines.end() && size > max_bytes; ++first) size -= first->dump().size() + (first + 1 == lines.end() ? 0 : 1);
  log->second = Json(Json::Array(first, lines.end()));
  return size;
}

}  // namespace drover::api
