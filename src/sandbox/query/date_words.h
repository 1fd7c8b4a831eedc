// Dates as people write them: "Nov 30 2026 12:00", "Tue, 4 July 2017 11:56 AM EST", "04-Jul-2017", "30.11.2026", "@86400". What calendar.h
// reads is read there first. Facts: the formats of timelib, which servers read dates with; of its relative ones only whole words ("noon",
// "tomorrow"), and those only beside a date.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace drover::sandbox::query {

struct WrittenDate {
  // Since 1970. Nothing: every part is understood, but year, month or day is missing.
  std::optional<std::int64_t> millis;
};

// In every way: what calendar.h reads, or this file. Nothing when `text` is no whole date.
std::optional<std::int64_t> read_date(std::string_view text, std::int64_t default_offset);
// Nothing when `text` is no such date. `default_offset` is that of dates that name no zone, in milliseconds east of UTC.
std::optional<WrittenDate> read_written_date(std::string_view text, std::int64_t default_offset);

}  // namespace drover::sandbox::query
