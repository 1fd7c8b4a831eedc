// A bucket of a time-series collection: measurements of one series within a span of time, column by column, with the
// least and greatest of every field. As the server writes them uncompressed (version 1):
//   {_id, control: {version: 1, min: {...}, max: {...}}, meta?, data: {<field>: {"0": ..., "1": ...}}}
// Source: MongoDB's bucket_catalog and src/mongo/db/timeseries/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bson/builder.h"
#include "bson/document.h"

namespace drover::sandbox {

struct TimeseriesOptions {
  std::string time_field;
  std::string meta_field;  // empty: none
  std::int64_t max_span_seconds = 3600;
  std::int64_t rounding_seconds = 60;

  // Of a collection's `timeseries` option as it is stored.
  static TimeseriesOptions of(bson::View stored);
};

// As the server's timeseriesBucketMaxCount and timeseriesBucketMaxSize.
inline constexpr std::size_t kMaxMeasurements = 1000;
inline constexpr std::size_t kMaxBucketBytes = 125 * 1024;

class TimeseriesBucket {
 public:
  // A new one for a measurement of that time. Its _id begins with the bucket's time and ends as `unique` does.
  TimeseriesBucket(const TimeseriesOptions& options, bson::DateTime time, const bson::Element& meta, bson::ObjectId unique);
  // One that is stored; nothing when it is of another version.
  static std::optional<TimeseriesBucket> parse(const TimeseriesOptions& options, bson::View stored);

  enum class Room { kEnough, kLater, kEarlier, kFull, kLarge };  // all but the first say why there is none
  Room room_for(bson::DateTime time, std::size_t bytes) const;
  void add(bson::View measurement);
  std::size_t count() const { return count_; }
  bson::Document to_document() const;
  // The same bucket without the measurements of these numbers; the others are numbered anew, and keep all their values.
  // 238 when a value is of a number that no measurement has: it could not be told from theirs afterwards.
  Result<TimeseriesBucket> without(const std::unordered_set<std::string>& numbers) const;

 private:
  explicit TimeseriesBucket(const TimeseriesOptions& options) : options_(options) {}
  struct Column {
    std::string name;
    std::vector<std::pair<std::string, bson::Value>> values;  // by the measurement's number
    bson::Value min, max;
  };
  Column& column(std::string_view name);
  static void widen(Column& column, const bson::Element& value);

  TimeseriesOptions options_;
  bson::Document id_;    // {_id}
  bson::Document meta_;  // {meta}, or empty
  bson::Document control_;  // what `control` has beyond version, min and max, as `closed`
  bson::DateTime start_;  // rounded down
  std::vector<Column> columns_;
  std::unordered_map<std::string, std::size_t> places_;  // of the columns, by name: a measurement may have very many
  std::size_t count_ = 0;
  std::size_t next_number_ = 0;
  std::size_t bytes_ = 0;
};

// The time of a measurement. 2 BadValue when it has none, or has some field twice: a bucket could not give both back.
Result<bson::DateTime> measurement_time(const TimeseriesOptions& options, bson::View measurement);

// The lesser (greater) of two values, documents and arrays field by field.
bson::Value merged_extreme(const bson::Element& a, const bson::Element& b, bool greater);

}  // namespace drover::sandbox
