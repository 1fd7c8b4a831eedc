#include "sandbox/query/item_order.h"

#include <algorithm>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/path.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::View;

namespace {

Status check_direction(const Element& e) {
  const double direction = e.to_double().value_or(0);
  if (direction != 1 && direction != -1) return bad(code::kBadValue, "The $sort element value must be either 1 or -1");
  return {};
}

// A field called "a.b" goes before the field b of a.
Element value_at(View object, std::string_view path) {
  if (const Element whole = object[path]) return whole;
  const auto dot = path.find('.');
  if (dot == std::string_view::npos) return {};
  const Element holder = object[path.substr(0, dot)];
  return holder.is_document() || holder.is_array() ? value_at(holder.document_value(), path.substr(dot + 1)) : Element();
}

}  // namespace

Result<ItemOrder> ItemOrder::parse(const Element& spec) {
  ItemOrder order;
  if (spec.is_number()) {
    TRY(check_direction(spec));
    order.whole_direction_ = spec.to_double().value_or(0) < 0 ? -1 : 1;
    return order;
  }
  if (!spec.is_document()) {
    return bad(code::kBadValue, "The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields");
  }
  if (spec.document_value().empty()) return bad(code::kBadValue, "The $sort pattern is empty when it should be a set of fields.");
  for (const Element& part : spec.document_value()) {
    TRY(check_direction(part));
    if (part.key().empty()) return bad(code::kBadValue, "The $sort field cannot be empty");
    if (std::ranges::any_of(split_path(part.key()), [](const auto& name) { return name.empty(); })) {
      return bad(code::kBadValue, fmt::format("The $sort field is a dotted field but has an empty part: {}", part.key()));
    }
  }
  order.pattern_ = bson::Document(spec.document_value());
  return order;
}

int ItemOrder::compare(const Element& a, const Element& b, const bson::Collator* collator) const {
  if (whole_direction_ != 0) return bson::compare_values(a, b, collator) * whole_direction_;
  static const bson::Document null = bson::make_document({{"", bson::Null{}}});
  const auto key = [](const Element& item, std::string_view path) {
    const Element value = item.is_document() ? value_at(item.document_value(), path) : Element();
    return value ? value : null.view().first();
  };
  for (const Element& part : pattern_.view()) {
    const int order = bson::compare_values(key(a, part.key()), key(b, part.key()), collator);
    if (order != 0) return part.to_double().value_or(1) < 0 ? -order : order;
  }
  return 0;
}

}  // namespace drover::sandbox::query
