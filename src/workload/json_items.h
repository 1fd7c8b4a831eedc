// Reads the items of one JSON array of a large file one at a time: the file is never in memory as a whole, only the item
// that is being parsed. The array is the document itself, or a field of the top-level object ("features"). Not thread-safe.
#pragma once

#include <istream>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace drover::workload {

inline constexpr std::size_t kMaxJsonItemBytes = 4 << 20;

class JsonItems {
 public:
  // Finds the array. `field` empty: the document is the array. `text` must outlive the reader.
  static Result<JsonItems> open(std::istream& text, const std::string& field = {});
  // Nothing after the last item.
  Result<std::optional<Json>> next();

 private:
  explicit JsonItems(std::istream& text) : text_(&text) {}
  int peek_token();  // the next character that is not white space, not consumed; -1 at the end
  Result<std::string> take_value();

  std::istream* text_;
  std::size_t item_ = 0;
};

}  // namespace drover::workload
