#include "sandbox/query/geometry.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/geometry_shapes.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::View;

namespace {

double distance(Flat a, Flat b) { return std::hypot(a.x - b.x, a.y - b.y); }
double angle(const Point& a, const Point& b) { return bg::distance(a, b, bg::strategy::distance::haversine<double>(1.0)); }

bool contains(const Box& box, Flat p) { return p.x >= box.low.x && p.x <= box.high.x && p.y >= box.low.y && p.y <= box.high.y; }
bool contains(const Circle& circle, Flat p) { return distance(circle.center, p) <= circle.radius; }

// How many edges a ray from the point crosses. Corners and edges on its left are inside.
bool contains(const FlatPolygon& polygon, Flat p) {
  bool inside = false;
  const auto& corners = polygon.corners;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Flat a = corners[i], b = corners[(i + 1) % corners.size()];
    if (p.x == a.x && p.y == a.y) return true;
    if (p.y <= std::min(a.y, b.y) || p.y > std::max(a.y, b.y) || p.x > std::max(a.x, b.x) || a.y == b.y) continue;
    const double crossing = (p.y - a.y) * (b.x - a.x) / (b.y - a.y) + a.x;
    if (a.x == p.x && b.x == p.x) return true;
    if (a.x == b.x || p.x <= crossing) inside = !inside;
  }
  return inside;
}

// All of the part's corners: a cap of less than half the sphere is convex. A larger one is all that is far enough from the point opposite.
bool contains(const Cap& cap, const Part& part) {
  if (cap.radians >= std::numbers::pi / 2) {
    const auto x = bg::get<0>(cap.center);
    const Point opposite(x > 0 ? x - 180 : x + 180, -bg::get<1>(cap.center));
    const auto away = std::visit([&](const auto& shape) { return static_cast<double>(bg::distance(opposite, shape)); }, part);
    return away >= std::numbers::pi - cap.radians;
  }
  const auto inside = [&](const Point& point) { return angle(cap.center, point) <= cap.radians; };
  if (const auto* point = std::get_if<Point>(&part)) return inside(*point);
  if (const auto* line = std::get_if<Line>(&part)) return std::ranges::all_of(*line, inside);
  return std::ranges::all_of(std::get<Polygon>(part).outer(), inside);
}

bool part_contains(const Part& outer, const Part& inner) {
  const auto* polygon = std::get_if<Polygon>(&outer);
  if (polygon == nullptr) return false;
  return std::visit([&](const auto& part) { return bg::covered_by(part, *polygon); }, inner);
}
bool parts_intersect(const Part& a, const Part& b) {
  return std::visit([](const auto& x, const auto& y) { return bg::intersects(x, y); }, a, b);
}

// The library's exceptions end here.
template <typename Compute>
Result<bool> guarded(Compute&& compute) {
  try {
    return compute();
  } catch (const bg::exception& e) {
    return invalid_shape(fmt::format("two shapes could not be compared: {}", e.what()));
  }
}

}  // namespace

struct QueryShape::Parts {
  std::variant<Box, Circle, FlatPolygon, Cap, Shape> shape;
};

QueryShape::QueryShape(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
QueryShape::QueryShape(QueryShape&&) noexcept = default;
QueryShape& QueryShape::operator=(QueryShape&&) noexcept = default;
QueryShape::~QueryShape() = default;

Result<QueryShape> QueryShape::parse(const Element& e) {
  const auto key = e.key();
  auto parts = std::make_unique<Parts>();
  if (key == "$geometry") {
    if (!e.is_document()) return invalid_shape("geometry must be an object");
    parts->shape = TRY(geojson(e.document_value()));
  } else if (key == "$box") {
    parts->shape = TRY(box_of(e));
  } else if (key == "$center") {
    parts->shape = TRY(circle_of(e));
  } else if (key == "$polygon") {
    parts->shape = TRY(flat_polygon_of(e));
  } else if (key == "$centerSphere") {
    const auto circle = TRY(circle_of(e));
    if (!is_on_sphere(circle.center)) return invalid_shape("Spherical distance would require (unimplemented) wrapping");
    parts->shape = Cap{on_sphere(circle.center), circle.radius};
  } else {
    return invalid_shape(fmt::format("unknown geo specifier: {}: {}", key, bson::to_shell(e)));
  }
  return QueryShape(std::move(parts));
}

bool QueryShape::is_spherical() const { return std::holds_alternative<Cap>(parts_->shape) || std::holds_alternative<Shape>(parts_->shape); }

bool QueryShape::has_area() const {
  const auto* shape = std::get_if<Shape>(&parts_->shape);
  return shape == nullptr || std::ranges::any_of(shape->parts, [](const Part& part) { return std::holds_alternative<Polygon>(part); });
}

bool QueryShape::is_around(const Element& value) const {
  const auto held = stored_shape(value);
  if (!held || held->outside) return false;
  return std::visit(
      [&](const auto& shape) {
        using Kind = std::decay_t<decltype(shape)>;
        if constexpr (std::is_same_v<Kind, Cap>) {
          return held->on_sphere && std::ranges::all_of(held->parts, [&](const Part& part) { return query::contains(shape, part); });
        } else if constexpr (std::is_same_v<Kind, Shape>) {
          if (shape.outside) {
            return held->on_sphere && std::ranges::none_of(held->parts, [&](const Part& part) { return parts_intersect(shape.parts.front(), part); });
          }
          return held->on_sphere && std::ranges::all_of(held->parts, [&](const Part& part) {
                   return std::ranges::any_of(shape.parts, [&](const Part& outer) { return part_contains(outer, part); });
                 });
        } else {
          return held->flat && query::contains(shape, *held->flat);
        }
      },
      parts_->shape);
}

bool QueryShape::touches(const Element& value) const {
  const auto* shape = std::get_if<Shape>(&parts_->shape);
  const auto held = stored_shape(value);
  if (shape == nullptr || !held || held->outside || !held->on_sphere) return false;
  if (shape->outside) return !std::ranges::all_of(held->parts, [&](const Part& part) { return part_contains(shape->parts.front(), part); });
  return std::ranges::any_of(held->parts, [&](const Part& part) {
    return std::ranges::any_of(shape->parts, [&](const Part& own) { return parts_intersect(own, part); });
  });
}

Result<bool> QueryShape::contains(const Element& value) const {
  return guarded([&] { return is_around(value); });
}
Result<bool> QueryShape::intersects(const Element& value) const {
  return guarded([&] { return touches(value); });
}

// As the server has it, in metres.
constexpr double kEarthRadius = 6378100;

struct NearPoint::Parts {
  enum class Unit { kPlane, kRadians, kMetres };
  Unit unit = Unit::kPlane;
  bool near_sphere = false;
  Flat flat;
  double min = 0, max = std::numeric_limits<double>::max();
};

NearPoint::NearPoint(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
NearPoint::NearPoint(NearPoint&&) noexcept = default;
NearPoint& NearPoint::operator=(NearPoint&&) noexcept = default;
NearPoint::~NearPoint() = default;

namespace {

Status read_limit(const Element& e, double& limit, int type_code, int sign_code) {
  if (!e.is_number()) return bad(type_code, fmt::format("{} must be a number", e.key()));
  limit = e.to_double().value_or(0);
  if (!(limit >= 0)) return bad(sign_code, fmt::format("{} must be non-negative", e.key()));
  return {};
}

}  // namespace

Result<NearPoint> NearPoint::parse(View operators) {
  const auto op = operators.first();
  auto parts = std::make_unique<Parts>();
  parts->near_sphere = op.key() == "$nearSphere";
  if (!op.is_array() && !op.is_document()) return invalid_shape("geo near query argument is not an object");
  const auto argument = op.document_value();
  if (op.is_document() && argument["$geometry"]) {
    for (const Element& e : argument) {
      if (e.key() == "$minDistance") TRY(read_limit(e, parts->min, code::kBadValue, code::kBadValue));
      else if (e.key() == "$maxDistance") TRY(read_limit(e, parts->max, code::kBadValue, code::kBadValue));
      else if (e.key() != "$geometry") return invalid_shape(fmt::format("invalid argument in geo near query: {}", e.key()));
    }
    const auto geometry = argument["$geometry"];
    if (!geometry.is_document()) return invalid_shape("$geometry is required for geo near query");
    const auto shape = geojson(geometry.document_value());
    if (!shape || !shape->flat) {
      return invalid_shape(fmt::format("invalid point in geo near query $geometry argument: {}  {}", bson::to_shell(geometry.document_value()),
                                 shape ? "Point must be an array or object" : shape.error().message));
    }
    parts->flat = *shape->flat;
    parts->unit = Parts::Unit::kMetres;
    return NearPoint(std::move(parts));
  }
  if (op.is_document() && argument["type"].is_string()) {
    const auto shape = TRY(geojson(argument));
    if (!shape.flat) return invalid_shape("invalid point in geo near query $geometry argument");
    parts->flat = *shape.flat;
    parts->unit = Parts::Unit::kMetres;
  } else {
    const auto pair = pair_of(op, true);
    if (!pair) return invalid_shape(argument.empty() ? "empty geo near query object" : "$geometry is required for geo near query");
    parts->flat = *pair;
    std::size_t at = 0;
    for (const Element& e : argument) {
      if (++at == 3 && e.is_number()) parts->max = e.to_double().value_or(0);
    }
    if (parts->max < 0) return bad(18522, "max distance must be non-negative");
    if (parts->near_sphere) {
      if (!is_on_sphere(*pair)) return invalid_shape("Legacy point is out of bounds for spherical query");
      parts->unit = Parts::Unit::kRadians;
    }
  }
  for (const Element& e : operators) {
    if (e.key() == op.key() || e.key() == "$uniqueDocs") continue;
    if (e.key() == "$minDistance") TRY(read_limit(e, parts->min, 16893, 16894));
    else if (e.key() == "$maxDistance") TRY(read_limit(e, parts->max, 16895, 16896));
    else return bad(34413, fmt::format("invalid argument in geo near query: {}", e.key()));
  }
  return NearPoint(std::move(parts));
}

Result<std::optional<double>> NearPoint::distance(const Element& value) const {
  const auto held = stored_shape(value);
  if (!held) return std::optional<double>();
  double nearest = std::numeric_limits<double>::infinity();
  if (parts_->unit == Parts::Unit::kPlane) {
    if (!held->flat) return std::optional<double>();
    nearest = query::distance(parts_->flat, *held->flat);
  } else {
    const Point center = on_sphere(parts_->flat);
    try {
      for (const auto& part : held->parts) {
        nearest = std::min(nearest, std::visit([&](const auto& shape) { return static_cast<double>(bg::distance(center, shape)); }, part));
      }
    } catch (const bg::exception& e) {
      return invalid_shape(fmt::format("a distance could not be computed: {}", e.what()));
    }
    if (parts_->unit == Parts::Unit::kMetres) nearest *= kEarthRadius;
  }
  if (!(nearest >= parts_->min && nearest <= parts_->max)) return std::optional<double>();
  return std::optional(nearest);
}

bool NearPoint::is_answered_by(std::string_view kind) const {
  if (kind == "2dsphere") return parts_->unit != Parts::Unit::kPlane;
  return kind == "2d" && parts_->unit != Parts::Unit::kMetres;
}

std::string NearPoint::shown(std::string_view path) const {
  return fmt::format("GEONEAR  field={} maxdist={:g} isNearSphere={}", path, parts_->max, parts_->near_sphere ? 1 : 0);
}

std::optional<std::string> refusal_on_sphere(const Element& value) {
  if (!value.is_array() && !value.is_document()) {
    return fmt::format("geo element must be an array or object: {}: {}", value.key(), bson::to_shell(value));
  }
  const auto object = value.document_value();
  if (value.is_array() || object.first().is_number()) {
    const auto point = flat_point(value);
    if (!point) return point.error().message;
    if (!is_on_sphere(*point)) return "can't project geometry into spherical CRS: " + bson::to_shell(value);
    return std::nullopt;
  }
  if (object["type"].to_string_view() == "Polygon" && object.at_path("crs.properties.name").to_string_view() == kStrictWinding) {
    return "can't index geometry with strict winding order";
  }
  const auto shape = geojson(object);
  return shape ? std::nullopt : std::optional(shape.error().message);
}

}  // namespace drover::sandbox::query
