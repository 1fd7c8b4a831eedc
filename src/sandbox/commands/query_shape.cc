#include "sandbox/commands/query_shape.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

#include "bson/ejson.h"

namespace drover::sandbox {

namespace {

std::string shape_of(bson::View filter);

bool is_logical(std::string_view name) { return name == "$and" || name == "$or" || name == "$nor"; }

std::string joined(std::vector<std::string> parts) {
  std::sort(parts.begin(), parts.end());
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

std::string branches(const bson::Element& array) {
  std::vector<std::string> parts;
  if (const auto items = array.to_array()) {
    for (const auto& item : *items) parts.push_back(shape_of(item.to_document().value_or(bson::View())));
  }
  return joined(std::move(parts));
}

// {$gt: 5, $lt: 9} of a path; what is below $not and $elemMatch is a filter again.
void add_operators(std::string_view path, bson::View operators, std::vector<std::string>& parts) {
  for (const auto& op : operators) {
    const auto below = op.key() == "$not" || op.key() == "$elemMatch" ? op.to_document() : std::nullopt;
    parts.push_back(below ? fmt::format("{}{}({})", path, op.key(), shape_of(*below)) : fmt::format("{}{}", path, op.key()));
  }
}

std::string shape_of(bson::View filter) {
  std::vector<std::string> parts;
  for (const auto& field : filter) {
    const auto name = field.key();
    const auto inner = field.to_document();
    if (is_logical(name)) {
      parts.push_back(fmt::format("{}[{}]", name, branches(field)));
    } else if (name.starts_with('$')) {
      parts.push_back(name == "$comment" ? std::string() : fmt::format("{}:{}", name, bson::to_shell(field)));
    } else if (inner && inner->first().key().starts_with('$')) {
      add_operators(name, *inner, parts);
    } else {
      parts.push_back(fmt::format("{}{}", name, field.type() == bson::Type::kRegex ? "$regex" : "$eq"));
    }
  }
  std::erase(parts, std::string());
  return joined(std::move(parts));
}

}  // namespace

std::string query_shape(const QueryParts& parts) {
  return fmt::format("{}|{}|{}|{}", shape_of(parts.filter), bson::to_shell(parts.sort), bson::to_shell(parts.projection), bson::to_shell(parts.collation));
}

QueryParts shape_parts(const query::Matcher& filter, bson::View sort, bson::View projection, const bson::Collator* collator) {
  return {.filter = filter.filter(), .sort = sort, .projection = projection, .collation = collator == nullptr ? bson::View() : collator->spec()};
}

// FNV-1a.
std::string shape_hash(std::string_view shape) {
  std::uint32_t hash = 2166136261u;
  for (const char c : shape) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u;
  return fmt::format("{:08X}", hash);
}

std::string plan_cache_key(std::string_view shape, const CollectionInfo& collection) {
  std::string text(shape);
  for (const auto& index : collection.indexes) {
    if (index->ready) text += "|" + bson::to_shell(index->spec);
  }
  return shape_hash(text);
}

}  // namespace drover::sandbox
