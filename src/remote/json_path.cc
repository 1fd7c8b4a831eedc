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

bool is_plain_array(const Json& value) { return value.as_array() != nullptr && std::all_of(value.as_array()->begin(), value.as_array()->end(), is_plain); }

// Whether one line of a table can hold it.
bool is_row(const Json& value) {
  const auto* object = value.as_object();
  return object != nullptr && std::all_of(object->begin(), object->end(), [](const auto& field) {
           return field.first == "links" || is_plain(field.second) || is_plain_array(field.second) || is_row(field.second);
         });
}

ListOfObjects list_of(const std::string& path, const Json::Array& items);

void open(const std::string& path, const Json& value, Opened& out) {
  const auto below = [&](std::string_view name) { return path.empty() ? std::string(name) : path + "." + std::string(name); };
  if (const auto* object = value.as_object(); object != nullptr && !object->empty()) {
    for (const auto& [name, field] : *object)
      if (name != "links") open(below(name), field, out);
    return;
  }
  if (const auto* array = value.as_array(); array != nullptr && !is_plain_array(value)) {
    if (std::all_of(array->begin(), array->end(), is_row)) return out.lists.push_back(list_of(path, *array));
    for (std::size_t i = 0; i < array->size(); ++i) open(below(std::to_string(i)), (*array)[i], out);
    return;
  }
  out.fields.emplace_back(path, text_of(value));
}

ListOfObjects list_of(const std::string& path, const Json::Array& items) {
  ListOfObjects list{path, {}, {}};
  for (const auto& item : items) {
    Opened row;
    open("", item, row);
    auto& cells = list.rows.emplace_back(list.columns.size());
    for (auto& [name, text] : row.fields) {
      const auto column = static_cast<std::size_t>(std::find(list.columns.begin(), list.columns.end(), name) - list.columns.begin());
      if (column == list.columns.size()) list.columns.push_back(name);
      cells.resize(list.columns.size());
      cells[column] = std::move(text);
    }
  }
  for (auto& row : list.rows) row.resize(list.columns.size());
  return list;
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
  if (pattern.find('{') == std::string_view::npos) {
    for (;;) {
      const auto bar = pattern.find('|');
      auto text = text_at(value, pattern.substr(0, bar));
      if (!text.empty() || bar == std::string_view::npos) return text;
      pattern.remove_prefix(bar + 1);
    }
  }
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

Opened opened(const Json& value) {
  Opened out;
  if (!is_plain(value)) open("", value, out);
  std::erase_if(out.fields, [](const auto& field) { return field.first.empty(); });
  return out;
}

}  // namespace drover::remote
