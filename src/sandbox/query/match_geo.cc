// {path: {$geoWithin: ...}} and {path: {$geoIntersects: ...}}, by looking at every document.
#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/geometry.h"
#include "sandbox/query/match_node.h"

namespace drover::sandbox::query {

using bson::Element;

namespace {

struct GeoNode final : PathNode {
  GeoNode(std::string_view p, QueryShape s, bool is_within, std::string text)
      : PathNode(MatchKind::kGeo, p, LeafArrays::kTraverse), shape(std::move(s)), within(is_within), shown(std::move(text)) {}
  bool matches_single(const Element& value, MatchState state) const override {
    auto result = within ? shape.contains(value) : shape.intersects(value);
    if (result) return *result;
    if (state.failure && !state.failure->error) state.failure->error = std::move(result).error();
    return false;
  }
  QueryShape shape;
  bool within;
  std::string shown;
};

}  // namespace

bool NearNode::matches_single(const Element& value, MatchState state) const {
  auto distance = point.distance(value);
  if (distance) return distance->has_value();
  if (state.failure && !state.failure->error) state.failure->error = std::move(distance).error();
  return false;
}

Result<MatchNodePtr> make_geo_node(std::string_view path, const Element& e) {
  const bool within = e.key() != "$geoIntersects";
  if (!e.is_document()) return bad(code::kBadValue, "geometry must be an object");
  std::optional<QueryShape> shape;
  for (const Element& specifier : e.document_value()) {
    if (specifier.key() == "$uniqueDocs") continue;
    if (shape && e.key() == "$geoWithin") {
      return bad(code::kBadValue, fmt::format("$geoWithin doesn't accept multiple shapes {}: {}", e.key(), bson::to_shell(e)));
    }
    shape.emplace(TRY(QueryShape::parse(specifier)));
  }
  if (!shape) return bad(code::kBadValue, "geo query doesn't have any geometry");
  const auto raw = fmt::format("{{ {}: {} }}", e.key(), bson::to_shell(e));
  if (within && !shape->has_area()) return bad(code::kBadValue, "$within not supported with provided geometry: " + raw);
  if (!within && !shape->is_spherical()) return bad(code::kBadValue, "$geoIntersect not supported with provided geometry: " + raw);
  return std::make_unique<GeoNode>(path, std::move(*shape), within, "GEO raw = " + raw);
}

}  // namespace drover::sandbox::query
