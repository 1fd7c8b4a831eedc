#include "sandbox/commands/fail_points.h"

#include <random>

#include <fmt/core.h>

#include "sandbox/commands/command.h"

namespace drover::sandbox {

Result<std::int64_t> FailPoint::configure(bson::View command) {
  std::lock_guard lock(mutex_);
  const auto before = count_;
  TRY(parse_mode(command["mode"]));
  const auto data = command["data"].to_document();
  data_ = data ? bson::Document(*data) : bson::Document();
  on_ = mode_ != Mode::kOff;
  return before;
}

Status FailPoint::parse_mode(bson::Element mode) {
  if (mode.is_string()) {
    if (mode.string_value() != "off" && mode.string_value() != "alwaysOn") {
      return server_error(2, fmt::format("unknown mode: {}", mode.string_value()));
    }
    mode_ = mode.string_value() == "off" ? Mode::kOff : Mode::kAlways;
    return {};
  }
  if (!mode.is_document()) return server_error(14, "'mode' must be a string or JSON object");
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
    if (*probability < 0 || *probability > 1) {
      return server_error(2, fmt::format("activationProbability must be between 0.0 and 1.0; found {}", *probability));
    }
    mode_ = Mode::kProbability;
    probability_ = *probability;
  } else {
    return server_error(2, "'mode' must be one of 'off', 'alwaysOn', 'times', 'skip' and 'activationProbability'");
  }
  return {};
}

std::optional<bson::Document> FailPoint::hit(const std::function<bool(bson::View)>& applies) {
  if (!on_.load(std::memory_order_relaxed)) return std::nullopt;
  std::lock_guard lock(mutex_);
  if (mode_ == Mode::kOff || (applies && !applies(data_)) || !due()) return std::nullopt;
  ++count_;
  return data_;
}

bool FailPoint::due() {
  switch (mode_) {
    case Mode::kOff: return false;
    case Mode::kAlways: return true;
    case Mode::kTimes:
      if (--remaining_ == 0) {
        mode_ = Mode::kOff;
        on_ = false;
      }
      return true;
    case Mode::kSkip:
      if (remaining_ == 0) return true;
      --remaining_;
      return false;
    case Mode::kProbability: {
      static thread_local std::minstd_rand random(std::random_device{}());
      return std::uniform_real_distribution<double>(0, 1)(random) < probability_;
    }
  }
  return false;
}

FailPoint* FailPoints::find(std::string_view name) {
  if (name == "failCommand") return &fail_command;
  if (name == "onPrimaryTransactionalWrite") return &on_primary_transactional_write;
  if (name == "failGetMoreAfterCursorCheckout") return &fail_get_more_after_cursor_checkout;
  if (name == "maxTimeAlwaysTimeOut") return &max_time_always_time_out;
  if (name == "maxTimeNeverTimeOut") return &max_time_never_time_out;
  if (name == "dummy") return &dummy;
  return nullptr;
}

}  // namespace drover::sandbox
