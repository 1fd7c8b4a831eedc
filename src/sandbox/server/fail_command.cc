#include "sandbox/server/fail_command.h"

namespace drover::sandbox {

namespace {

bool lists(bson::View data, const Command& command) {
  const auto listed = data["failCommands"].to_array();
  if (!listed) return data["failAllCommands"].is_truthy();
  for (const auto& name : *listed) {
    const auto text = name.to_string_view();
    if (text && (*text == command.name || *text == command.alias)) return true;
  }
  return false;
}

FailAction action_of(bson::View data) {
  FailAction action;
  if (data["blockConnection"].is_truthy()) action.block = std::chrono::milliseconds(data["blockTimeMS"].to_int64().value_or(0));
  action.close_connection = data["closeConnection"].is_truthy();
  if (const auto code = data["errorCode"].to_int64()) action.error_code = static_cast<int>(*code);
  if (const auto error = data["writeConcernError"].to_document()) action.write_concern_error = bson::Document(*error);
  if (const auto labels = data["errorLabels"].to_array()) {
    action.labels.emplace();
    for (const auto& label : *labels) action.labels->emplace_back(label.to_string_view().value_or(""));
  }
  return action;
}

}  // namespace

std::optional<FailAction> hit_fail_command(FailPoint& point, FailMoment moment, const Command& command, const Namespace& ns,
                                           std::string_view app_name) {
  if (command.name == "configureFailPoint") return std::nullopt;
  FailPoint::Stay stay;
  const auto applies = [&](bson::View data) {
    if (!lists(data, command)) return false;
    if (const auto wanted = data["appName"].to_string_view(); wanted && *wanted != app_name) return false;
    if (const auto wanted = data["namespace"].to_string_view(); wanted && *wanted != ns.to_string()) return false;
    const auto action = action_of(data);
    if (moment == FailMoment::kAfter) return action.write_concern_error && (command.flags & kWrite) != 0;
    return action.block.count() > 0 || action.close_connection || action.error_code.has_value();
  };
  const auto data = point.hit(applies, &stay);
  if (!data) return std::nullopt;
  auto action = action_of(*data);
  action.stay = std::move(stay);
  return action;
}

}  // namespace drover::sandbox
