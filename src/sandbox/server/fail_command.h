// The failCommand fail point: what configureFailPoint set, and which commands it hits. Thread-safe.
// Facts: corpus engine/fail-command; MongoDB's src/mongo/db/commands.cc (evaluateFailCommandFailPoint).
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

// What a hit does, in this order.
struct FailAction {
  std::chrono::milliseconds block{0};
  bool close_connection = false;
  std::optional<int> error_code;
  std::optional<bson::Document> write_concern_error;
  std::optional<std::vector<std::string>> labels;  // in place of those that the server would add
};

class FailCommand {
 public:
  // configureFailPoint's command. The reply's count: how often it was hit before.
  Result<std::int64_t> configure(bson::View command);
  // Asked before a command runs, for everything but write concern errors, and after it ran, for those.
  enum class Moment { kBefore, kAfter };
  std::optional<FailAction> hit(Moment moment, const Command& command, const Namespace& ns, std::string_view app_name);

 private:
  enum class Mode { kOff, kAlways, kTimes, kSkip, kProbability };

  std::mutex mutex_;
  Mode mode_ = Mode::kOff;
  std::int64_t remaining_ = 0;
  double probability_ = 0;
  std::int64_t count_ = 0;
  bson::Document data_;
};

}  // namespace drover::sandbox
