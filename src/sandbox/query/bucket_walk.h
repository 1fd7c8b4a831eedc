// The measurements of one bucket of a time-series collection, one after the other, as its view shows them: the time, the
// meta field, then the fields in the order of the bucket's columns.
//   {_id, control: {version: 1, ...}, meta?, data: {<field>: {"0": ..., "1": ...}}}
// A value belongs to the measurement of its number. Columns are walked in step with the time's as long as all of them
// stand in order; one that does not (somebody wrote the bucket) is looked up by number, and of a number that stands
// twice in a column the first is shown. Source: MongoDB's bucket_unpacker.cpp, which walks in step only.
// Memory: an entry per value of a column that is not in order. Not thread-safe.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::query {

class BucketWalk {
 public:
  // All three outlive the walk. `meta`: empty when the collection has none. 5346500 for BSON columns (versions 2 and 3).
  static Result<BucketWalk> over(bson::View bucket, std::string_view time, std::string_view meta);
  // Nothing: there are no more.
  std::optional<bson::Document> next();
  // Of the measurement that next() gave last, as the bucket has it: "0", "1", ...
  std::string_view number() const { return number_; }

 private:
  using Iterator = bson::View::Iterator;
  using Places = std::unordered_map<std::string_view, bson::Element>;
  enum class Order { kUnknown, kAscending, kNone };
  struct Column {
    bson::Element field;
    Iterator at, end;
    Order order = Order::kUnknown;
    Places by_number = {};  // when it has no order
  };
  explicit BucketWalk(std::string_view time, std::string_view meta_field) : time_field_(time), meta_field_(meta_field) {}
  bool next_time();
  bson::Element value_of(Column& column);
  void settle_order(Column& column);

  std::string_view time_field_, meta_field_;
  bson::Element meta_;
  std::optional<Column> time_;
  std::vector<Column> columns_;
  std::string_view number_;
};

}  // namespace drover::sandbox::query
