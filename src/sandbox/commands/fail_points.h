// The switches that tests set through configureFailPoint: the machinery, and those that commands ask for. What
// failCommand does with its hits is server/fail_command. Thread-safe.
// Facts: MongoDB's src/mongo/util/fail_point.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox {

class FailPoint {
 public:
  // configureFailPoint's command. Returns how often it was hit before.
  Result<std::int64_t> configure(bson::View command);
  // The data it was configured with when it is on, `applies` says yes to the data, and its mode says so. Counts.
  std::optional<bson::Document> hit(const std::function<bool(bson::View)>& applies = {});

 private:
  enum class Mode { kOff, kAlways, kTimes, kSkip, kProbability };
  Status parse_mode(bson::Element mode);
  bool due();

  std::atomic<bool> on_{false};  // asked by every command, and nearly always false
  std::mutex mutex_;
  Mode mode_ = Mode::kOff;
  std::int64_t remaining_ = 0;
  double probability_ = 0;
  std::int64_t count_ = 0;
  bson::Document data_;
};

struct FailPoints {
  FailPoint fail_command;
  FailPoint on_primary_transactional_write;        // {closeConnection = true, failBeforeCommitExceptionCode}
  FailPoint fail_get_more_after_cursor_checkout;   // {errorCode, closeConnection}
  FailPoint max_time_always_time_out, max_time_never_time_out;
  FailPoint dummy;

  // By the server's name; null when it is not served.
  FailPoint* find(std::string_view name);
};

}  // namespace drover::sandbox
