// Reads Debian control paragraphs (deb-control(5)), one at a time, as `apt-cache dumpavail` prints them. Continuation lines
// are joined with a space. Also the relation fields ("libc6 (>= 2.34) | libc6-udeb, ...") as values.
#pragma once

#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace drover::workload {

using ControlParagraph = std::vector<std::pair<std::string, std::string>>;  // in the order of the file

class ControlReader {
 public:
  explicit ControlReader(std::istream& text) : text_(&text) {}
  // Nothing at the end of the text.
  std::optional<ControlParagraph> next();

 private:
  std::istream* text_;
};

struct PackageRelation {
  std::string package;
  std::string relation;      // ">=", "<<", ...; empty without a version
  std::string version;
  std::string architecture;  // the qualifier after a colon: "any"
};

// Outer: all of them; inner: alternatives.
std::vector<std::vector<PackageRelation>> parse_relations(std::string_view text);
// "a, b, c" without white space and empty parts.
std::vector<std::string_view> split_list(std::string_view text, char separator = ',');

}  // namespace drover::workload
