// The switches that tests set through configureFailPoint: the machinery, and those that commands ask for. What
// failCommand does with its hits is server/fail_command. Thread-safe.
// Facts: MongoDB's src/mongo/util/fail_point.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox {

class FailPoint {
 public:
  // Somebody is in the fail point as long as it lives: what it does takes time.
  class Stay {
   public:
    Stay() = default;
    explicit Stay(std::atomic<int>& inside) : inside_(&inside) { ++inside; }
    Stay(Stay&& other) noexcept : inside_(std::exchange(other.inside_, nullptr)) {}
    Stay& operator=(Stay&& other) noexcept {
      leave();
      inside_ = std::exchange(other.inside_, nullptr);
      return *this;
    }
    ~Stay() { leave(); }
    void leave() {
      if (inside_ != nullptr) --*std::exchange(inside_, nullptr);
    }

   private:
    std::atomic<int>* inside_ = nullptr;
  };

  // configureFailPoint's command. Returns how often it was hit before. It is off at once, and what is wanted only when all have left it, and
  // who configured it before: until then `pause` is called, whose failure ends it.
  Result<std::int64_t> configure(bson::View command, const std::function<Status()>& pause);
  bool has_guests() const { return inside_ != 0; }
  bool is_on() const { return on_; }  // for a guest that stays as long
  // The data it was configured with when it is on, `applies` says yes to the data, and its mode says so. Counts.
  std::optional<bson::Document> hit(const std::function<bool(bson::View)>& applies = {}, Stay* stay = nullptr);

 private:
  enum class Kind { kOff, kAlways, kTimes, kSkip, kProbability };
  struct Mode {
    Kind kind = Kind::kOff;
    std::int64_t remaining = 0;
    double probability = 0;
  };
  static Result<Mode> parse_mode(bson::Element mode);
  bool due();

  std::atomic<bool> on_{false};  // asked by every command, and nearly always false
  std::atomic<int> inside_{0};
  std::atomic<bool> changing_{false};  // one at a time
  std::mutex mutex_;
  Mode mode_;
  std::int64_t count_ = 0;
  bson::Document data_;
};

struct FailPoints {
  FailPoint fail_command;
  FailPoint on_primary_transactional_write;        // {closeConnection = true, failBeforeCommitExceptionCode}
  FailPoint fail_get_more_after_cursor_checkout;   // {errorCode, closeConnection}
  FailPoint hang_index_build_before_commit;
  FailPoint max_time_always_time_out, max_time_never_time_out;
  FailPoint dummy;

  // By the server's name; null when it is not served.
  FailPoint* find(std::string_view name);
};

}  // namespace drover::sandbox
