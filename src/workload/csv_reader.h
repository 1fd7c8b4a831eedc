// Reads comma-separated records (RFC 4180: quotes, doubled quotes, line breaks inside quotes) one at a time, so that memory
// does not grow with the file. The first record names the columns. Not thread-safe.
#pragma once

#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::workload {

class CsvReader {
 public:
  // Reads the header. `text` must outlive the reader.
  static Result<CsvReader> open(std::istream& text, char separator = ',');

  const std::vector<std::string>& columns() const { return columns_; }
  // As many cells as there are columns; missing ones are empty. Nothing at the end.
  Result<std::optional<std::vector<std::string>>> next();

 private:
  CsvReader(std::istream& text, char separator) : text_(&text), separator_(separator) {}
  Result<std::optional<std::vector<std::string>>> read_record();

  std::istream* text_;
  char separator_;
  std::vector<std::string> columns_;
  int record_ = 0;
};

}  // namespace drover::workload
