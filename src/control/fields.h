// Reading the store's documents: what is missing or of another type reads as nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bson/builder.h"
#include "bson/document.h"

namespace drover::control {

inline std::string text_of(bson::View document, std::string_view field) {
  return std::string(document[field].to_string_view().value_or(""));
}
inline std::int64_t number_of(bson::View document, std::string_view field) { return document[field].to_int64().value_or(0); }
inline bool flag_of(bson::View document, std::string_view field) { return document[field].is_truthy(); }
inline bson::View object_of(bson::View document, std::string_view field) {
  return document[field].to_document().value_or(bson::View());
}
// An item of an array; what is no document has no fields.
inline bson::View object_in(const bson::Element& item) { return item.to_document().value_or(bson::View()); }
inline std::vector<std::string> texts_of(bson::View document, std::string_view field) {
  std::vector<std::string> texts;
  if (const auto array = document[field].to_array())
    for (const auto& item : *array) texts.emplace_back(item.to_string_view().value_or(""));
  return texts;
}
// The filter of what is of any of the projects.
inline bson::Document of_any_group(const std::vector<std::string>& groups) {
  bson::Builder filter;
  {
    auto of = filter.open_document("groupId");
    auto in = of.open_array("$in");
    for (const auto& group : groups) in.append(group);
  }
  return std::move(filter).finish();
}

}  // namespace drover::control
