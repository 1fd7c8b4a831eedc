#include <algorithm>
#include <optional>

#include "cluster/commands.h"

namespace drover::cluster {
namespace {

using bson::Builder;
using bson::Element;
using bson::Type;
using bson::View;

// The values that an index on `path` holds for a document: each element of an array at its end, an empty array as itself, a
// null for each element of an array on the way that lacks the rest. Nothing when the document has nothing there (the index
// then has a null).
void collect(View document, std::string_view path, std::vector<bson::Value>& values);

void collect_from(const Element& at, std::string_view rest, std::vector<bson::Value>& values) {
  if (!at.exists()) return;
  if (rest.empty()) {
    if (!at.is_array() || at.document_value().empty()) {
      values.emplace_back(at);
      return;
    }
    for (const auto& element : at.document_value()) values.emplace_back(element);
    return;
  }
  if (at.is_document()) collect(at.document_value(), rest, values);
  if (at.is_array()) {
    collect(at.document_value(), rest, values);  // "a.0": a position
    for (const auto& element : at.document_value()) {
      const auto before = values.size();
      if (element.is_document()) collect(element.document_value(), rest, values);
      if (values.size() == before) values.emplace_back(bson::make_document({{"", bson::Null{}}}).view().first());
    }
  }
}

void collect(View document, std::string_view path, std::vector<bson::Value>& values) {
  const auto dot = path.find('.');
  const auto head = path.substr(0, dot);
  collect_from(document[head], dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1), values);
}

bool is_undefined_key(const Element& value) {
  return value.type() == Type::kUndefined || (value.is_array() && value.document_value().empty());
}

// An index holds undefined for an empty array too, so each finds the other.
void add_twins(std::vector<bson::Value>& values) {
  if (std::none_of(values.begin(), values.end(), [](const auto& value) { return is_undefined_key(value.element()); })) return;
  std::erase_if(values, [](const auto& value) { return is_undefined_key(value.element()); });
  values.emplace_back(bson::make_document({{"", bson::Undefined{}}}).view().first());
  values.emplace_back(bson::make_document({{"", bson::ArrayView{}}}).view().first());
}

// The server refuses to compare with undefined.
void append_equals(Builder& clause, std::string_view path, const bson::Value& value) {
  auto condition = clause.open_document(path);
  if (value.type() == Type::kUndefined) {
    condition.append("$type", static_cast<std::int32_t>(Type::kUndefined));
  } else {
    condition.append("$eq", value);
  }
}

void append_any_of(bson::ArrayBuilder& clauses, std::string_view path, const std::vector<bson::Value>& values) {
  auto clause = clauses.open_document();
  if (values.empty()) {
    clause.open_document(path).append("$eq", bson::Null{});
    return;
  }
  if (values.size() == 1) {
    append_equals(clause, path, values.front());
    return;
  }
  auto any = clause.open_array("$or");
  for (const auto& value : values) {
    auto one = any.open_document();
    append_equals(one, path, value);
  }
}

}  // namespace

std::optional<bson::Document> holders_filter(View index, View document) {
  Builder filter;
  bool any_present = false;
  {
    auto clauses = filter.open_array("$and");
    for (const auto& field : index["key"].document_value()) {
      std::vector<bson::Value> values;
      collect(document, field.key(), values);
      add_twins(values);
      any_present = any_present || !values.empty();
      append_any_of(clauses, field.key(), values);
    }
    {
      auto other = clauses.open_document();
      other.open_document("_id").append("$ne", document["_id"]);
    }
    if (const auto partial = index["partialFilterExpression"].to_document()) clauses.append(*partial);
  }
  if (!any_present && index["sparse"].is_truthy()) return std::nullopt;
  return std::move(filter).finish();
}

}  // namespace drover::cluster
