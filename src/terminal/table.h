// Rows and fields as plain text: for a terminal and for a pipe alike. Nothing is shortened, so that an id can be copied.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drover::terminal {

struct Table {
  std::vector<std::string> headers;
  std::vector<std::vector<std::string>> rows;  // as many cells each as there are headers
};
// Left-aligned columns with two blanks between them, no blanks at the ends of lines. Only the headers when there is no row.
std::string render_table(const Table& table);

// "name   value", a line each, the values one below the other.
std::string render_fields(const std::vector<std::pair<std::string, std::string>>& fields);

// Text of somebody else's on one line: line ends and tabs are blanks, other control characters (which could drive a terminal) a '?'.
std::string printable(std::string_view text);
// The same with the line ends as they are: of text of our own that holds names of somebody else's.
std::string printable_lines(std::string_view text);

}  // namespace drover::terminal
