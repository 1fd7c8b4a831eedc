#include "workload/control_file.h"

namespace drover::workload {
namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

PackageRelation parse_relation(std::string_view text) {
  PackageRelation result;
  const auto paren = text.find('(');
  auto name = trim(text.substr(0, paren));
  if (const auto colon = name.find(':'); colon != std::string_view::npos) {
    result.architecture = name.substr(colon + 1);
    name = name.substr(0, colon);
  }
  result.package = name;
  if (paren == std::string_view::npos) return result;
  const auto inside = trim(text.substr(paren + 1, text.find(')', paren) - paren - 1));
  const auto operator_end = inside.find_first_not_of("<>=");
  result.relation = inside.substr(0, operator_end);
  if (operator_end != std::string_view::npos) result.version = trim(inside.substr(operator_end));
  return result;
}

}  // namespace

std::optional<ControlParagraph> ControlReader::next() {
  ControlParagraph paragraph;
  std::string line;
  while (std::getline(*text_, line)) {
    if (trim(line).empty()) {
      if (paragraph.empty()) continue;
      return paragraph;
    }
    if (line[0] == ' ' || line[0] == '\t') {
      if (!paragraph.empty()) paragraph.back().second.append(" ").append(trim(line));
      continue;
    }
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    paragraph.emplace_back(line.substr(0, colon), std::string(trim(std::string_view(line).substr(colon + 1))));
  }
  if (paragraph.empty()) return std::nullopt;
  return paragraph;
}

std::vector<std::vector<PackageRelation>> parse_relations(std::string_view text) {
  std::vector<std::vector<PackageRelation>> all;
  for (const auto part : split_list(text)) {
    auto& alternatives = all.emplace_back();
    for (const auto alternative : split_list(part, '|')) alternatives.push_back(parse_relation(alternative));
  }
  return all;
}

std::vector<std::string_view> split_list(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = text.find(separator);
    if (const auto part = trim(text.substr(0, end)); !part.empty()) parts.push_back(part);
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

}  // namespace drover::workload
