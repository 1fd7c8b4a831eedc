#include "remote/json_path.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace drover::remote {
namespace {

std::optional<std::size_t> index_of(std::string_view segment) {
  std::size_t index = 0;
  const auto [end, failed] = std::from_chars(segment.data(), segment.data() + segment.size(), index);
  if (segment.empty() || failed != std::errc() || end != segment.data() + segment.size()) return std::nullopt;
  return index;
}

std::pair<std::string_view, std::string_view> split(std::string_view path) {
  const auto dot = path.find('.');
  return {path.substr(0, dot), dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1)};
}

bool is_plain(const Json& value) { return value.as_object() == nullptr && value.as_array() == nullptr; }

std::string text_of(const Json& value) {
  if (value.is_null()) return "";
  if (const auto* text = value.as_string()) return *text;
  if (const auto* array = value.as_array(); array != nullptr && std::all_of(array->begin(), array->end(), is_plain)) {
    std::string all;
    for (const auto& item : *array) all += (all.empty() ? "" : ", ") + text_of(item);
    return all;
  }
  return value.dump();
}

void flatten(const std::string& path, const Json& value, std::vector<std::pair<std::string, std::string>>& fields) {
  const auto below = [&](std::string_view name) { return path.empty() ? std::string(name) : path + "." + std::string(name); };
  if (const auto* object = value.as_object(); object != nullptr && !object->empty()) {
    for (const auto& [name, field] : *object)
      if (name != "links") flatten(below(name), field, fields);
    return;
  }
  if (const auto* array = value.as_array(); array != nullptr && !std::all_of(array->begin(), array->end(), is_plain)) {
    for (std::size_t i = 0; i < array->size(); ++i) flatten(below(std::to_string(i)), (*array)[i], fields);
    return;
  }
  fields.emplace_back(path, text_of(value));
}

}  // namespace

std::string text_at(const Json& value, std::string_view path) {
  if (path.empty()) return text_of(value);
  const auto [first, rest] = split(path);
  if (const auto* array = value.as_array()) {
    if (const auto index = index_of(first)) return *index < array->size() ? text_at((*array)[*index], rest) : "";
    std::string all;
    for (const auto& item : *array) {
      const auto one = text_at(item, path);
      if (!one.empty()) all += (all.empty() ? "" : ", ") + one;
    }
    return all;
  }
  const auto* field = value.find(first);
  return field == nullptr ? "" : text_at(*field, rest);
}

std::string expand(const Json& value, std::string_view pattern) {
  if (pattern.find('{') == std::string_view::npos) return text_at(value, pattern);
  std::string out;
  while (!pattern.empty()) {
    const auto open = pattern.find('{');
    out += pattern.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = pattern.find('}', open);
    if (close == std::string_view::npos) break;
    out += text_at(value, pattern.substr(open + 1, close - open - 1));
    pattern.remove_prefix(close + 1);
  }
  return out;
}

Json with(const Json& value, std::string_view path, Json added) {
  if (path.empty()) return added;
  const auto [first, rest] = split(path);
  if (const auto index = index_of(first)) {
    auto items = value.as_array() ? *value.as_array() : Json::Array();
    if (*index >= items.size()) items.push_back(with(Json(), rest, std::move(added)));
    else items[*index] = with(items[*index], rest, std::move(added));
    return Json(std::move(items));
  }
  auto fields = value.as_object() ? *value.as_object() : Json::Object();
  for (auto& [name, field] : fields) {
    if (name != first) continue;
    field = with(field, rest, std::move(added));
    return Json(std::move(fields));
  }
  fields.emplace_back(std::string(first), with(Json(), rest, std::move(added)));
  return Json(std::move(fields));
}

std::vector<std::pair<std::string, std::string>> fields_of(const Json& value) {
  std::vector<std::pair<std::string, std::string>> fields;
  if (!is_plain(value)) flatten("", value, fields);
  std::erase_if(fields, [](const auto& field) { return field.first.empty(); });
  return fields;
}

}  // namespace drover::remote
