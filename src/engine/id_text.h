// An _id in a message or the log: in Extended JSON, as whoever looks for the document needs it. What is longer than kIdText bytes is
// cut and says so. Nothing else of a document is ever told.
#pragma once

#include <cstddef>
#include <string>

#include <fmt/format.h>

#include "base/cut_text.h"
#include "bson/ejson.h"

namespace drover::engine {

inline constexpr std::size_t kIdText = 256;

inline std::string id_text(const bson::Element& id) {
  auto text = bson::to_ejson(id);
  if (text.size() <= kIdText) return text;
  return fmt::format("{}... ({} bytes)", cut_text(text, kIdText), id.value_size());
}

}  // namespace drover::engine
