#include "sandbox/query/path.h"

#include <charconv>
#include <optional>

namespace drover::sandbox::query {

FieldPath::FieldPath(std::string_view text) : text_(text), parts_(split_path(text)) {}

std::vector<std::string> split_path(std::string_view text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t dot = text.find('.', begin);
    parts.emplace_back(text.substr(begin, dot == std::string_view::npos ? dot : dot - begin));
    if (dot == std::string_view::npos) return parts;
    begin = dot + 1;
  }
}

bool is_array_index(std::string_view part) {
  if (part.empty() || (part.size() > 1 && part[0] == '0')) return false;
  for (const char c : part) {
    if (c < '0' || c > '9') return false;
  }
  return true;
}

std::optional<std::size_t> array_index(std::string_view part) { return is_array_index(part) ? array_index_for_update(part) : std::nullopt; }

std::optional<std::size_t> array_index_for_update(std::string_view part) {
  if (part.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;  // from_chars would take "-1", of which no index is made
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
  if (error != std::errc() || end != part.data() + part.size()) return std::nullopt;
  return value;
}

}  // namespace drover::sandbox::query
