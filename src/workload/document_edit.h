// What update operators do to a document, computed on this side: how the writers know, byte for byte, what the server must
// hold after an acknowledged write.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "bson/builder.h"
#include "bson/document.h"

namespace drover::workload {

template <typename T>
bson::Value make_value(const T& value) {
  bson::Builder holder;
  holder.append("", value);
  const auto document = std::move(holder).finish();
  return bson::Value(document.view().first());
}

// $set of a top-level field: in place, or appended.
bson::Document with_field(bson::View document, std::string_view name, const bson::Value& value);
// $unset of a top-level field.
bson::Document without_field(bson::View document, std::string_view name);
// $push {$each: items, $slice: -keep_last} of a top-level array; 0 keeps all. A missing array is created.
bson::Document with_pushed(bson::View document, std::string_view name, const std::vector<bson::Value>& items,
                           std::size_t keep_last);
// The fields after the first two ("_id" and the writer's mark stay in front), rotated by one.
bson::Document with_fields_rotated(bson::View document);

}  // namespace drover::workload
