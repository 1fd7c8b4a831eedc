#include "sandbox/query/bucket_walk.h"

#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

namespace {

// Numbers are written without leading zeros. Whatever else a key is, it has a place in this order.
bool is_less(std::string_view a, std::string_view b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

bool ascends(bson::View values) {
  std::optional<std::string_view> last;
  for (const auto& value : values) {
    if (last && !is_less(*last, value.key())) return false;
    last = value.key();
  }
  return true;
}

}  // namespace

Result<BucketWalk> BucketWalk::over(bson::View bucket, std::string_view time, std::string_view meta) {
  const auto version = bucket.at_path("control.version").to_int64().value_or(0);
  if (version != 1) return bad(5346500, fmt::format("a bucket of version {} is compressed, which this server does not read", version));
  BucketWalk walk(time, meta);
  walk.meta_ = meta.empty() ? bson::Element() : bucket["meta"];
  for (const auto& field : bucket["data"].to_document().value_or(bson::View())) {
    if (!field.is_document()) continue;
    const auto values = field.document_value();
    Column column{field, values.begin(), values.end()};
    if (field.key() == time) walk.time_ = std::move(column);
    else walk.columns_.push_back(std::move(column));
  }
  return walk;
}

std::optional<bson::Document> BucketWalk::next() {
  if (!next_time()) return std::nullopt;
  bson::Builder out;
  out.append(time_field_, *time_->at);
  if (meta_.exists()) out.append(meta_field_, meta_);
  for (auto& column : columns_) {
    if (const auto value = value_of(column); value.exists()) out.append(column.field.key(), value);
  }
  return std::move(out).finish();
}

// Every measurement has a time: its column says which there are. A number that stands twice is one measurement. At its end it stays there, however often
// it is asked.
bool BucketWalk::next_time() {
  if (!time_ || !(time_->at != time_->end)) return false;
  if (number_.data()) ++time_->at;
  while (time_->at != time_->end && number_.data() && (*time_->at).key() == number_) ++time_->at;
  if (!(time_->at != time_->end)) return false;
  number_ = (*time_->at).key();
  return true;
}

bson::Element BucketWalk::value_of(Column& column) {
  if (column.order != Order::kNone && column.at != column.end && (*column.at).key() == number_) {
    const auto value = *column.at;
    ++column.at;
    return value;
  }
  if (column.order == Order::kUnknown) settle_order(column);
  if (column.order == Order::kNone) {
    const auto found = column.by_number.find(number_);
    return found == column.by_number.end() ? bson::Element() : found->second;
  }
  while (column.at != column.end && is_less((*column.at).key(), number_)) ++column.at;  // of no measurement
  if (!(column.at != column.end) || (*column.at).key() != number_) return {};
  const auto value = *column.at;
  ++column.at;
  return value;
}

// Once per column, at the first number for which it has no value in step.
void BucketWalk::settle_order(Column& column) {
  if (time_->order == Order::kUnknown) time_->order = ascends(time_->field.document_value()) ? Order::kAscending : Order::kNone;
  column.order = time_->order == Order::kAscending && ascends(column.field.document_value()) ? Order::kAscending : Order::kNone;
  if (column.order == Order::kAscending) return;
  for (const auto& value : column.field.document_value()) column.by_number.emplace(value.key(), value);
}

}  // namespace drover::sandbox::query
