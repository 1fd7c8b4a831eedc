#include "sandbox/storage/kept_indexes.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/geometry.h"
#include "sandbox/query/path.h"

namespace drover::sandbox {

namespace {

constexpr double kDefaultBound = 180;  // of a 2d index, to both sides

tl::unexpected<Error> refuse(int code, std::string message) { return fail(ErrorCode::kFailure, std::move(message), code); }

Status check_hashed(std::string_view path, bson::View document) {
  const auto parts = query::split_path(path);
  auto value = document[parts.front()];
  std::size_t length = parts.front().size();
  for (std::size_t i = 1; i < parts.size() && value.is_document(); ++i) {
    value = value.document_value()[parts[i]];
    length += 1 + parts[i].size();
  }
  if (!value.is_array()) return {};
  return refuse(16766, fmt::format("Error: hashed indexes do not currently support array values. Found array at path: {}", path.substr(0, length)));
}

// What the path leads to, as a geo index reads it: arrays on the way are entered, one at its end is a place or several.
std::vector<bson::Element> values_along(std::string_view path, bson::View document) {
  std::vector<bson::Element> values;
  const auto parts = query::split_path(path);
  query::visit_path(document, parts, query::LeafArrays::kKeep, [&](const bson::Element& value, const bson::Element&) {
    if (value.exists()) values.push_back(value);
    return false;
  });
  return values;
}

// null, undefined, [] and {} alone are no place; beside others they are a wrong one.
bool is_no_place(const bson::Element& value) {
  if (value.is_document() || value.is_array()) return value.document_value().empty();
  return value.is_null() || value.type() == bson::Type::kUndefined;
}

Status check_sphere(std::string_view path, bson::View document) {
  const auto values = values_along(path, document);
  if (values.size() == 1 && is_no_place(values.front())) return {};
  for (const auto& value : values) {
    if (const auto why = query::refusal_on_sphere(value)) {
      return refuse(16755, fmt::format("Can't extract geo keys: {}  {}", bson::to_shell(document), *why));
    }
  }
  return {};
}

struct Bounds {
  double low, high;
};

Status check_pair(bson::View pair, Bounds bounds, bson::View document) {
  const auto caused_by = [&] { return " :: caused by :: " + bson::to_shell(document); };
  std::vector<bson::Element> items;
  for (const auto& item : pair) {
    items.push_back(item);
    if (items.size() == 2) break;
  }
  if (items.size() < 2) return refuse(13068, "geo field only has 1 element" + caused_by());
  const auto x = items[0], y = items[1];
  if (!x.is_number() || !y.is_number()) return refuse(13026, "geo values must be 'legacy coordinate pairs' for 2d indexes" + caused_by());
  const auto is_within = [&](const bson::Element& value) {
    const double number = value.to_double().value_or(0);
    return number <= bounds.high && number >= bounds.low;
  };
  if (is_within(x) && is_within(y)) return {};
  return refuse(13027, fmt::format("point not in interval of [ {:.16g}, {:.16g} ]{}", bounds.low, bounds.high, caused_by()));
}

// A place is a pair of numbers; several are an array or a document of such. Empty ones are none.
Status check_plane(std::string_view path, Bounds bounds, bson::View document) {
  for (const auto& value : values_along(path, document)) {
    if ((!value.is_document() && !value.is_array()) || value.document_value().empty()) continue;
    const auto place = value.document_value();
    if (place.first().is_number()) {
      TRY(check_pair(place, bounds, document));
      continue;
    }
    for (const auto& item : place) {
      if (!item.is_document() && !item.is_array()) return refuse(16804, "location object expected, location array not in correct format");
      if (!item.document_value().empty()) TRY(check_pair(item.document_value(), bounds, document));
    }
  }
  return {};
}

}  // namespace

Status check_kept(const IndexInfo& index, bson::View document) {
  for (const auto& field : index.key_pattern()) {
    const auto kind = field.to_string_view().value_or("");
    if (kind == "hashed") TRY(check_hashed(field.key(), document));
    if (kind == "2dsphere") TRY(check_sphere(field.key(), document));
    if (kind == "2d") {
      const Bounds bounds{index.spec["min"].to_double().value_or(-kDefaultBound), index.spec["max"].to_double().value_or(kDefaultBound)};
      TRY(check_plane(field.key(), bounds, document));
    }
  }
  return {};
}

}  // namespace drover::sandbox
