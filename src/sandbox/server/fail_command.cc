#include "sandbox/server/fail_command.h"

#include <random>

#include <fmt/core.h>

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

Result<std::int64_t> FailCommand::configure(bson::View command) {
  std::lock_guard lock(mutex_);
  const auto before = count_;
  const auto mode = command["mode"];
  if (mode.is_string()) {
    if (mode.string_value() == "off") {
      mode_ = Mode::kOff;
    } else if (mode.string_value() == "alwaysOn") {
      mode_ = Mode::kAlways;
    } else {
      return server_error(2, fmt::format("unknown mode: {}", mode.string_value()));
    }
  } else if (mode.is_document()) {
    const auto object = mode.document_value();
    if (const auto times = object["times"].to_int64()) {
      if (*times < 0) return server_error(2, "'times' option to 'mode' must be positive");
      mode_ = *times == 0 ? Mode::kOff : Mode::kTimes;
      remaining_ = *times;
    } else if (const auto skip = object["skip"].to_int64()) {
      if (*skip < 0) return server_error(2, "'skip' option to 'mode' must be positive");
      mode_ = Mode::kSkip;
      remaining_ = *skip;
    } else if (const auto probability = object["activationProbability"].to_double()) {
      mode_ = Mode::kProbability;
      probability_ = *probability;
    } else {
      return server_error(2, "'mode' must be one of 'off', 'alwaysOn', 'times', 'skip' and 'activationProbability'");
    }
  } else {
    return server_error(14, "'mode' must be a string or JSON object");
  }
  const auto data = command["data"].to_document();
  data_ = data ? bson::Document(*data) : bson::Document();
  return before;
}

std::optional<FailAction> FailCommand::hit(Moment moment, const Command& command, const Namespace& ns,
                                           std::string_view app_name) {
  std::lock_guard lock(mutex_);
  if (mode_ == Mode::kOff || command.name == "configureFailPoint" || !lists(data_, command)) return std::nullopt;
  if (const auto wanted = data_["appName"].to_string_view(); wanted && *wanted != app_name) return std::nullopt;
  if (const auto wanted = data_["namespace"].to_string_view(); wanted && *wanted != ns.to_string()) return std::nullopt;
  auto action = action_of(data_);
  const bool fails_before = action.block.count() > 0 || action.close_connection || action.error_code;
  if (moment == Moment::kAfter && !(action.write_concern_error && (command.flags & kWrite) != 0)) return std::nullopt;
  if (moment == Moment::kBefore && !fails_before) return std::nullopt;
  switch (mode_) {
    case Mode::kTimes:
      if (--remaining_ == 0) mode_ = Mode::kOff;
      break;
    case Mode::kSkip:
      if (remaining_ > 0) {
        --remaining_;
        return std::nullopt;
      }
      break;
    case Mode::kProbability: {
      static thread_local std::minstd_rand random(std::random_device{}());
      if (std::uniform_real_distribution<double>(0, 1)(random) >= probability_) return std::nullopt;
      break;
    }
    default: break;
  }
  ++count_;
  return action;
}

}  // namespace drover::sandbox
