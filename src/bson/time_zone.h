// Named time zones ("Europe/Berlin"), from ICU's tables. Immutable, thread-safe; finding one that this thread has found
// before is cheap.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace drover::bson {

class TimeZone {
 public:
  // Nothing when no such zone is known. Offsets ("+02:00") are not names.
  static std::optional<TimeZone> find(std::string_view name);

  // Milliseconds east of UTC at that moment.
  std::int64_t offset_at(std::int64_t utc_millis) const;
  // The same at a time on the zone's clocks; of one that they show twice or never, the standard time's.
  std::int64_t offset_at_local(std::int64_t local_millis) const;

 private:
  struct Impl;
  explicit TimeZone(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace drover::bson
