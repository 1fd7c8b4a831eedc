#include "workload/csv_reader.h"

#include <fmt/format.h>

namespace drover::workload {

Result<CsvReader> CsvReader::open(std::istream& text, char separator) {
  CsvReader reader(text, separator);
  auto header = TRY(reader.read_record());
  if (!header) return fail(ErrorCode::kFailure, "reading a table: it has no header line");
  reader.columns_ = std::move(*header);
  return reader;
}

Result<std::optional<std::vector<std::string>>> CsvReader::next() {
  auto cells = TRY(read_record());
  if (cells) {
    if (cells->size() > columns_.size())
      return fail(ErrorCode::kFailure, fmt::format("reading a table: record {} has {} cells, the header has {}", record_,
                                                   cells->size(), columns_.size()));
    cells->resize(columns_.size());
  }
  return cells;
}

Result<std::optional<std::vector<std::string>>> CsvReader::read_record() {
  using Traits = std::istream::traits_type;
  auto& buffer = *text_->rdbuf();
  std::vector<std::string> cells;
  std::string cell;
  bool quoted = false;
  bool started = false;
  for (;;) {
    const auto c = buffer.sbumpc();
    if (Traits::eq_int_type(c, Traits::eof())) {
      if (quoted) return fail(ErrorCode::kFailure, fmt::format("reading a table: record {} ends inside quotes", record_ + 1));
      if (!started) return std::optional<std::vector<std::string>>();
      break;
    }
    const char ch = Traits::to_char_type(c);
    if (quoted) {
      if (ch != '"') cell += ch;
      else if (Traits::eq_int_type(buffer.sgetc(), Traits::to_int_type('"'))) cell += static_cast<char>(buffer.sbumpc());
      else quoted = false;
    } else if (ch == '\n') {
      if (!started) continue;  // an empty line
      break;
    } else if (ch == '\r') {
      continue;
    } else if (ch == separator_) {
      cells.push_back(std::move(cell));
      cell.clear();
      started = true;
    } else if (ch == '"' && cell.empty()) {
      quoted = started = true;
    } else {
      cell += ch;
      started = true;
    }
  }
  cells.push_back(std::move(cell));
  ++record_;
  return std::optional(std::move(cells));
}

}  // namespace drover::workload
