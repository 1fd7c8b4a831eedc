#include "sandbox/commands/fail_points.h"

#include <random>

#include <fmt/core.h>

#include "sandbox/commands/command.h"

namespace drover::sandbox {

Result<std::int64_t> FailPoint::configure(bson::View command, const std::function<Status()>& pause) {
  const auto wanted = TRY(parse_mode(command["mode"]));
  const auto data = command["data"].to_document();
  while (changing_.exchange(true)) TRY(pause());
  struct Changed {
    std::atomic<bool>& changing;
    ~Changed() { changing = false; }
  } const changed{changing_};
  {
    std::lock_guard lock(mutex_);
    mode_ = {};
    on_ = false;
  }
  while (inside_ != 0) TRY(pause());
  std::lock_guard lock(mutex_);
  mode_ = wanted;
  data_ = data ? bson::Document(*data) : bson::Document();
  on_ = mode_.kind != Kind::kOff;
  return count_;
}

Result<FailPoint::Mode> FailPoint::parse_mode(bson::Element mode) {
  if (mode.is_string()) {
    if (mode.string_value() == "off") return Mode{};
    if (mode.string_value() == "alwaysOn") return Mode{.kind = Kind::kAlways};
    return server_error(2, fmt::format("unknown mode: {}", mode.string_value()));
  }
  if (!mode.is_document()) return server_error(14, "'mode' must be a string or JSON object");
  const auto object = mode.document_value();
  if (const auto times = object["times"].to_int64()) {
    if (*times < 0) return server_error(2, "'times' option to 'mode' must be positive");
    return Mode{.kind = *times == 0 ? Kind::kOff : Kind::kTimes, .remaining = *times};
  }
  if (const auto skip = object["skip"].to_int64()) {
    if (*skip < 0) return server_error(2, "'skip' option to 'mode' must be positive");
    return Mode{.kind = Kind::kSkip, .remaining = *skip};
  }
  if (const auto probability = object["activationProbability"].to_double()) {
    if (*probability < 0 || *probability > 1) {
      return server_error(2, fmt::format("activationProbability must be between 0.0 and 1.0; found {}", *probability));
    }
    return Mode{.kind = Kind::kProbability, .probability = *probability};
  }
  return server_error(2, "'mode' must be one of 'off', 'alwaysOn', 'times', 'skip' and 'activationProbability'");
}

std::optional<bson::Document> FailPoint::hit(const std::function<bool(bson::View)>& applies, Stay* stay) {
  if (!on_.load(std::memory_order_relaxed)) return std::nullopt;
  std::lock_guard lock(mutex_);
  if (mode_.kind == Kind::kOff || (applies && !applies(data_)) || !due()) return std::nullopt;
  ++count_;
  if (stay != nullptr) *stay = Stay(inside_);
  return data_;
}

bool FailPoint::due() {
  switch (mode_.kind) {
    case Kind::kOff: return false;
    case Kind::kAlways: return true;
    case Kind::kTimes:
      if (--mode_.remaining == 0) {
        mode_.kind = Kind::kOff;
        on_ = false;
      }
      return true;
    case Kind::kSkip:
      if (mode_.remaining == 0) return true;
      --mode_.remaining;
      return false;
    case Kind::kProbability: {
      static thread_local std::minstd_rand random(std::random_device{}());
      return std::uniform_real_distribution<double>(0, 1)(random) < mode_.probability;
    }
  }
  return false;
}

FailPoint* FailPoints::find(std::string_view name) {
  if (name == "failCommand") return &fail_command;
  if (name == "onPrimaryTransactionalWrite") return &on_primary_transactional_write;
  if (name == "failGetMoreAfterCursorCheckout") return &fail_get_more_after_cursor_checkout;
  if (name == "hangIndexBuildBeforeCommit") return &hang_index_build_before_commit;
  if (name == "maxTimeAlwaysTimeOut") return &max_time_always_time_out;
  if (name == "maxTimeNeverTimeOut") return &max_time_never_time_out;
  if (name == "dummy") return &dummy;
  return nullptr;
}

}  // namespace drover::sandbox
