#include "sandbox/commands/timeseries_bucket.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

namespace {

bson::DateTime rounded(const TimeseriesOptions& options, bson::DateTime time) {
  const auto unit = options.rounding_seconds * 1000;
  auto start = time.millis / unit * unit;
  if (start > time.millis) start -= unit;
  return {start};
}

bson::ObjectId bucket_id(bson::DateTime start, bson::ObjectId id) {
  const auto seconds = static_cast<std::uint32_t>(start.millis / 1000);
  for (int i = 0; i < 4; ++i) id.bytes[i] = static_cast<std::uint8_t>(seconds >> (24 - 8 * i));
  return id;
}

void append_merged(bson::Builder& out, std::string_view key, const bson::Element& a, const bson::Element& b, bool greater);

std::unordered_map<std::string_view, bson::Element> fields_by_name(bson::View document) {
  std::unordered_map<std::string_view, bson::Element> out;
  for (const auto& field : document) out.emplace(field.key(), field);
  return out;
}

bson::Document merged_fields(bson::View a, bson::View b, bool greater) {
  const auto of_a = fields_by_name(a), of_b = fields_by_name(b);
  bson::Builder out;
  for (const auto& field : a) {
    const auto other = of_b.find(field.key());
    append_merged(out, field.key(), field, other == of_b.end() ? bson::Element() : other->second, greater);
  }
  for (const auto& field : b) {
    if (!of_a.contains(field.key())) out.append_raw(field);
  }
  return std::move(out).finish();
}

void append_merged(bson::Builder& out, std::string_view key, const bson::Element& a, const bson::Element& b, bool greater) {
  if (!b.exists()) {
    out.append(key, a);
  } else if (a.is_document() && b.is_document()) {
    out.append(key, merged_fields(a.document_value(), b.document_value(), greater));
  } else if (a.is_array() && b.is_array()) {
    out.append(key, bson::ArrayView{merged_fields(a.document_value(), b.document_value(), greater).view()});
  } else {
    const bool second = greater ? bson::compare_values(b, a) > 0 : bson::compare_values(b, a) < 0;
    out.append(key, second ? b : a);
  }
}

std::optional<std::string_view> doubled_field(bson::View document) {
  std::unordered_set<std::string_view> seen;
  for (const auto& field : document) {
    if (!seen.insert(field.key()).second) return field.key();
  }
  return std::nullopt;
}

std::size_t number_of(std::string_view key) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
  return error == std::errc() && end == key.data() + key.size() ? number : 0;
}

// The others are kept as they are.
constexpr std::array kControlFields{"version", "min", "max"};

}  // namespace

bson::Value merged_extreme(const bson::Element& a, const bson::Element& b, bool greater) {
  bson::Builder out;
  append_merged(out, "", a, b, greater);
  return bson::Value(std::move(out).finish().view().first());
}

TimeseriesOptions TimeseriesOptions::of(bson::View stored) {
  TimeseriesOptions options;
  options.time_field = std::string(stored["timeField"].to_string_view().value_or(""));
  options.meta_field = std::string(stored["metaField"].to_string_view().value_or(""));
  options.max_span_seconds = stored["bucketMaxSpanSeconds"].to_int64().value_or(3600);
  const auto granularity = stored["granularity"].to_string_view().value_or("seconds");
  options.rounding_seconds = stored["bucketRoundingSeconds"].to_int64().value_or(granularity == "hours" ? 86400 : granularity == "minutes" ? 3600 : 60);
  return options;
}

Result<bson::DateTime> measurement_time(const TimeseriesOptions& options, bson::View measurement) {
  if (const auto doubled = doubled_field(measurement)) {
    return server_error(2, fmt::format("the measurement has the field '{}' more than once, which a time-series collection cannot keep apart", *doubled));
  }
  const auto time = measurement[options.time_field];
  if (time.exists() && time.type() == bson::Type::kDateTime) return time.date_value();
  return server_error(2, fmt::format("'{}' must be present and contain a valid BSON UTC datetime value", options.time_field));
}

TimeseriesBucket::TimeseriesBucket(const TimeseriesOptions& options, bson::DateTime time, const bson::Element& meta, bson::ObjectId unique)
    : options_(options), start_(rounded(options, time)) {
  id_ = bson::make_document({{"_id", bucket_id(start_, unique)}});
  if (meta.exists()) {
    bson::Builder out;
    out.append("meta", meta);
    meta_ = std::move(out).finish();
  }
}

std::optional<TimeseriesBucket> TimeseriesBucket::parse(const TimeseriesOptions& options, bson::View stored) {
  const auto control = stored["control"].to_document();
  const auto data = stored["data"].to_document();
  if (!control || !data || (*control)["version"].to_int64() != 1) return std::nullopt;
  TimeseriesBucket bucket(options);
  bson::Builder id;
  id.append_raw(stored["_id"]);
  bucket.id_ = std::move(id).finish();
  if (const auto meta = stored["meta"]; meta.exists()) {
    bson::Builder out;
    out.append_raw(meta);
    bucket.meta_ = std::move(out).finish();
  }
  const auto start = control->at_path("min." + options.time_field);
  if (!start.exists() || start.type() != bson::Type::kDateTime) return std::nullopt;
  bucket.start_ = start.date_value();
  const auto least = fields_by_name((*control)["min"].to_document().value_or(bson::View()));
  const auto greatest = fields_by_name((*control)["max"].to_document().value_or(bson::View()));
  for (const auto& field : *data) {
    if (!field.is_document()) return std::nullopt;
    auto& column = bucket.column(field.key());
    for (const auto& value : field.document_value()) column.values.emplace_back(std::string(value.key()), bson::Value(value));
    const auto min = least.find(field.key()), max = greatest.find(field.key());
    if (min != least.end() && max != greatest.end()) {
      column.min = bson::Value(min->second);
      column.max = bson::Value(max->second);
    } else {
      for (const auto& [number, value] : column.values) widen(column, value.element());
    }
    // Of any column: a number under which something lies is no new measurement's, for it would be shown with that.
    for (const auto& [number, value] : column.values) bucket.next_number_ = std::max(bucket.next_number_, number_of(number) + 1);
    if (field.key() == options.time_field) bucket.count_ = column.values.size();
  }
  if (bucket.count_ == 0) return std::nullopt;
  bson::Builder rest;
  for (const auto& field : *control) {
    if (std::find(kControlFields.begin(), kControlFields.end(), field.key()) == kControlFields.end()) rest.append_raw(field);
  }
  bucket.control_ = std::move(rest).finish();
  bucket.bytes_ = stored.size();
  return bucket;
}

TimeseriesBucket::Room TimeseriesBucket::room_for(bson::DateTime time, std::size_t bytes) const {
  if (time.millis < start_.millis) return Room::kEarlier;
  if (time.millis >= start_.millis + options_.max_span_seconds * 1000) return Room::kLater;
  if (count_ >= kMaxMeasurements || control_["closed"].is_truthy()) return Room::kFull;
  return bytes_ + bytes <= kMaxBucketBytes ? Room::kEnough : Room::kLarge;
}

TimeseriesBucket::Column& TimeseriesBucket::column(std::string_view name) {
  const auto [place, added] = places_.try_emplace(std::string(name), columns_.size());
  if (added) columns_.emplace_back().name = std::string(name);
  return columns_[place->second];
}

void TimeseriesBucket::widen(Column& column, const bson::Element& value) {
  column.min = column.min.exists() ? merged_extreme(column.min.element(), value, false) : bson::Value(value);
  column.max = column.max.exists() ? merged_extreme(column.max.element(), value, true) : bson::Value(value);
}

void TimeseriesBucket::add(bson::View measurement) {
  const auto number = std::to_string(next_number_++);
  ++count_;
  bytes_ += measurement.size();
  for (const auto& field : measurement) {
    if (!options_.meta_field.empty() && field.key() == options_.meta_field) continue;
    auto& at = column(field.key());
    at.values.emplace_back(number, bson::Value(field));
    widen(at, field);
  }
}

Result<TimeseriesBucket> TimeseriesBucket::without(const std::unordered_set<std::string>& numbers) const {
  TimeseriesBucket rest(options_);
  rest.id_ = id_;
  rest.meta_ = meta_;
  rest.control_ = control_;
  rest.start_ = start_;
  std::unordered_map<std::string_view, std::string> renamed;
  if (const auto time = places_.find(options_.time_field); time != places_.end()) {
    for (const auto& [number, value] : columns_[time->second].values) {
      if (!numbers.contains(number) && renamed.try_emplace(number, std::to_string(rest.count_)).second) ++rest.count_;
    }
  }
  rest.next_number_ = rest.count_;
  if (rest.count_ > 0) rest.column(options_.time_field);  // first, as in a measurement that is read
  for (const auto& column : columns_) {
    for (const auto& [number, value] : column.values) {
      if (numbers.contains(number)) continue;
      const auto other = renamed.find(number);
      if (other == renamed.end()) {
        return server_error(238, fmt::format("the bucket {} has a value of '{}' with the number '{}', which none of its measurements has: nothing of it is deleted",
                                             bson::to_shell(id_), column.name, number));
      }
      auto& kept = rest.column(column.name);
      kept.values.emplace_back(other->second, value);
      widen(kept, value.element());
      rest.bytes_ += value.element().size();
    }
  }
  return rest;
}

bson::Document TimeseriesBucket::to_document() const {
  bson::Builder out;
  out.append_all(id_);
  {
    auto control = out.open_document("control");
    control.append("version", 1);
    auto min = control.open_document("min");
    // The least time is the bucket's own, so that a bucket never changes its place.
    for (const auto& column : columns_) column.name == options_.time_field ? min.append(column.name, start_) : min.append(column.name, column.min);
    min.close();
    auto max = control.open_document("max");
    for (const auto& column : columns_) max.append(column.name, column.max);
    max.close();
    for (const auto& field : control_) control.append_raw(field);
  }
  out.append_all(meta_);
  auto data = out.open_document("data");
  for (const auto& column : columns_) {
    auto values = data.open_document(column.name);
    for (const auto& [number, value] : column.values) values.append(number, value);
  }
  data.close();
  return std::move(out).finish();
}

}  // namespace drover::sandbox
