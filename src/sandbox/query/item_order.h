// The order of an array's items as $push's $sort and $sortArray have it: 1, -1, or a pattern over the items' fields. Not that of
// documents (sort.h): an array in a field is compared whole, and paths do not go into arrays but by numbers. Immutable, thread-safe.
// Facts: MongoDB's pattern_cmp.cpp and dotted_path_support.cpp.
#pragma once

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"

namespace drover::sandbox::query {

class ItemOrder {
 public:
  static Result<ItemOrder> parse(const bson::Element& spec);
  // <0, 0, >0. What is not there counts as null.
  int compare(const bson::Element& a, const bson::Element& b, const bson::Collator* collator) const;

 private:
  int whole_direction_ = 0;   // 0: by pattern_
  bson::Document pattern_;
};

}  // namespace drover::sandbox::query
