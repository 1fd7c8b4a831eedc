#include "sandbox/query/geometry.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/geometry.hpp>
#include <boost/geometry/geometries/linestring.hpp>
#include <boost/geometry/geometries/point.hpp>
#include <boost/geometry/geometries/polygon.hpp>
#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::View;

namespace {

namespace bg = boost::geometry;

using Point = bg::model::point<double, 2, bg::cs::spherical_equatorial<bg::degree>>;
using Line = bg::model::linestring<Point>;
using Polygon = bg::model::polygon<Point>;
using Part = std::variant<Point, Line, Polygon>;

struct Flat {
  double x = 0, y = 0;
};
struct Box {
  Flat low, high;
};
struct Circle {
  Flat center;
  double radius = 0;
};
struct FlatPolygon {
  std::vector<Flat> corners;
};
struct Cap {
  Point center;
  double radians = 0;
};
// GeoJSON, or a point that was written as a pair. Several parts: Multi... and GeometryCollection.
struct Shape {
  std::vector<Part> parts;
  std::optional<Flat> flat;  // of a point
  bool on_sphere = true;     // a pair may lie beside it
};

constexpr std::string_view kStrictWinding = "urn:x-mongodb:crs:strictwinding:EPSG:4326";

bool is_on_sphere(Flat p) { return p.x >= -180 && p.x <= 180 && p.y >= -90 && p.y <= 90; }
Point on_sphere(Flat p) { return {p.x, p.y}; }

tl::unexpected<Error> invalid(std::string message) { return bad(code::kBadValue, std::move(message)); }

// The first two numbers of an array or document, in the server's words where there are none.
Result<Flat> flat_point(const Element& value) {
  if (!value.is_array() && !value.is_document()) return invalid("Point must be an array or object");
  double numbers[2] = {};
  std::size_t count = 0;
  for (const Element& e : value.document_value()) {
    if (count == 2) break;
    if (!e.is_number()) return invalid("Point must only contain numeric elements");
    numbers[count++] = e.to_double().value_or(0);
  }
  if (count != 2) return invalid("Point must only contain numeric elements");
  if (!std::isfinite(numbers[0]) || !std::isfinite(numbers[1])) return invalid("Point coordinates must be finite numbers");
  return Flat{numbers[0], numbers[1]};
}

// The same, or nothing; with `more_allowed` whatever follows them.
std::optional<Flat> pair_of(const Element& value, bool more_allowed) {
  const auto point = flat_point(value);
  if (!point || (!more_allowed && value.document_value().field_count() != 2)) return std::nullopt;
  return *point;
}

Result<Point> position(const Element& value) {
  if (!value.is_array()) return invalid("GeoJSON coordinates must be an array");
  const auto pair = TRY(flat_point(value));
  if (!is_on_sphere(pair)) return invalid(fmt::format("longitude/latitude is out of bounds, lng: {:.16g} lat: {:.16g}", pair.x, pair.y));
  return on_sphere(pair);
}

Result<std::vector<Point>> positions(const Element& value) {
  if (!value.is_array()) return invalid("GeoJSON coordinates must be an array of coordinates");
  std::vector<Point> out;
  for (const Element& e : value.document_value()) out.push_back(TRY(position(e)));
  return out;
}

bool same(const Point& a, const Point& b) { return bg::get<0>(a) == bg::get<0>(b) && bg::get<1>(a) == bg::get<1>(b); }

Result<Line> line_of(const Element& coordinates) {
  const auto points = TRY(positions(coordinates));
  Line line;
  for (const auto& point : points) {
    if (line.empty() || !same(line.back(), point)) line.push_back(point);
  }
  if (line.size() < 2) return invalid(fmt::format("GeoJSON LineString must have at least 2 vertices: {}", bson::to_shell(coordinates)));
  return line;
}

// Why a ring (its first corner is its last, too) is none, as the server says it: the first corner that was there before, or the first two edges
// that cross. Empty when it is neither of them, or too long to look at every two edges.
std::string fault_of_ring(const std::vector<Point>& ring) {
  constexpr std::size_t kMaxCorners = 300;
  const auto corners = ring.size() - 1;
  std::map<std::pair<double, double>, std::size_t> met;
  for (std::size_t i = 0; i < corners; ++i) {
    const auto [at, is_new] = met.emplace(std::pair(bg::get<0>(ring[i]), bg::get<1>(ring[i])), i);
    if (!is_new) return fmt::format("Duplicate vertices: {} and {}", at->second, i);
  }
  if (corners > kMaxCorners) return {};
  using Edge = bg::model::segment<Point>;
  const auto shown = [](const Point& p) { return fmt::format("[{:.7f}, {:.7f}]", bg::get<1>(p), bg::get<0>(p)); };
  for (std::size_t a = 0; a < corners; ++a) {
    for (std::size_t b = a + 2; b < corners; ++b) {
      if (a == 0 && b + 1 == corners) continue;  // they share a corner
      if (!bg::intersects(Edge(ring[a], ring[a + 1]), Edge(ring[b], ring[b + 1]))) continue;
      return fmt::format("Edges {} and {} cross. Edge locations in degrees: {}-{} and {}-{}", a, b, shown(ring[a]), shown(ring[a + 1]), shown(ring[b]),
                         shown(ring[b + 1]));
    }
  }
  return {};
}

Result<Polygon> polygon_of(const Element& coordinates) {
  if (!coordinates.is_array()) return invalid("Polygon coordinates must be an array");
  Polygon polygon;
  std::size_t rings = 0;
  std::vector<std::vector<Point>> rings_as_given;  // `polygon` turns them round
  for (const Element& ring : coordinates.document_value()) {
    const auto points = TRY(positions(ring));
    if (points.empty()) return invalid(fmt::format("Loop has no vertices: {}", bson::to_shell(ring)));
    if (!same(points.front(), points.back())) return invalid(fmt::format("Loop is not closed: {}", bson::to_shell(ring)));
    std::vector<Point> loop;
    for (const auto& point : points) {
      if (loop.empty() || !same(loop.back(), point)) loop.push_back(point);
    }
    if (loop.size() < 4) return invalid(fmt::format("Loop must have at least 3 different vertices: {}", bson::to_shell(ring)));
    if (rings > 0) polygon.inners().resize(rings);
    auto& target = rings == 0 ? polygon.outer() : polygon.inners().back();
    target.assign(loop.begin(), loop.end());
    rings_as_given.push_back(std::move(loop));
    ++rings;
  }
  if (rings == 0) return invalid("Polygon has no loops.");
  bg::correct(polygon);
  std::string why;
  if (bg::is_valid(polygon, why)) return polygon;
  for (std::size_t i = 0; const Element& ring : coordinates.document_value()) {
    if (const auto fault = fault_of_ring(rings_as_given[i++]); !fault.empty()) {
      return invalid(fmt::format("Loop is not valid: {} {}", bson::to_shell(ring), fault));
    }
  }
  return invalid(fmt::format("Polygon isn't valid: {} {}", why, bson::to_shell(coordinates)));
}

Status add_geojson(View object, Shape& shape);

Status add_each(const Element& coordinates, std::string_view what, Shape& shape, Status (*add)(const Element&, Shape&)) {
  if (!coordinates.is_array()) {
    return invalid(what == "MultiPoint" ? "GeoJSON coordinates must be an array of coordinates" : fmt::format("{} coordinates must be an array", what));
  }
  if (coordinates.document_value().empty()) return invalid(fmt::format("{} coordinates must have at least 1 element", what));
  for (const Element& e : coordinates.document_value()) TRY(add(e, shape));
  return {};
}

Status add_point(const Element& e, Shape& shape) {
  shape.parts.emplace_back(TRY(position(e)));
  return {};
}
Status add_line(const Element& e, Shape& shape) {
  shape.parts.emplace_back(TRY(line_of(e)));
  return {};
}
Status add_polygon(const Element& e, Shape& shape) {
  shape.parts.emplace_back(TRY(polygon_of(e)));
  return {};
}

Status add_collection(View object, Shape& shape) {
  const auto members = object["geometries"];
  if (!members.is_array()) return invalid("GeometryCollection geometries must be an array");
  if (members.document_value().empty()) return invalid("GeometryCollection geometries must have at least 1 element");
  for (const Element& member : members.document_value()) {
    if (!member.is_document()) return invalid(fmt::format("Element {} of \"geometries\" is not an object", member.key()));
    const auto type = member.document_value()["type"].to_string_view().value_or("");
    if (type == "GeometryCollection") return invalid(fmt::format("GeometryCollections cannot be nested: {}", bson::to_shell(member)));
    TRY(add_geojson(member.document_value(), shape));
  }
  return {};
}

Status add_geojson(View object, Shape& shape) {
  const auto type = object["type"].to_string_view().value_or("");
  const auto coordinates = object["coordinates"];
  if (type == "Point") return add_point(coordinates, shape);
  if (type == "LineString") return add_line(coordinates, shape);
  if (type == "Polygon") return add_polygon(coordinates, shape);
  if (type == "MultiPoint") return add_each(coordinates, type, shape, add_point);
  if (type == "MultiLineString") return add_each(coordinates, type, shape, add_line);
  if (type == "MultiPolygon") return add_each(coordinates, type, shape, add_polygon);
  if (type == "GeometryCollection") return add_collection(object, shape);
  return invalid(fmt::format("unknown GeoJSON type: {}", bson::to_shell(object)));
}

// Only the names of the one reference system that GeoJSON has; the server's own for large polygons is not supported, and no index takes it.
Status check_reference_system(View object) {
  const auto crs = object["crs"];
  if (!crs) return {};
  if (!crs.is_document() && !crs.is_array()) return invalid("GeoJSON CRS must be an object");
  const auto system = crs.document_value();
  if (system["type"].to_string_view() != "name") return invalid("GeoJSON CRS must have field \"type\": \"name\"");
  const auto properties = system["properties"];
  if (!properties.is_document() && !properties.is_array()) return invalid("CRS must have field \"properties\" which is an object");
  const auto name = properties.document_value()["name"].to_string_view();
  if (!name) return invalid("In CRS, \"properties.name\" must be a string");
  if (*name == "urn:ogc:def:crs:OGC:1.3:CRS84" || *name == "EPSG:4326") return {};
  if (*name != kStrictWinding) return invalid(fmt::format("Unknown CRS name: {}", *name));
  if (object["type"].to_string_view() != "Polygon") return invalid("Strict winding order is only supported by polygon");
  return invalid("strict winding order is not supported by this server");
}

Result<Shape> geojson(View object) {
  Shape shape;
  TRY(check_reference_system(object));
  TRY(add_geojson(object, shape));
  if (object["type"].to_string_view() == "Point") {
    const auto& point = std::get<Point>(shape.parts.front());
    shape.flat = Flat{bg::get<0>(point), bg::get<1>(point)};
  }
  return shape;
}

// What a document holds. Nothing when it is no shape.
std::optional<Shape> stored(const Element& value) {
  if (!value.is_document() && !value.is_array()) return std::nullopt;
  if (value.is_document() && value.document_value()["type"].is_string()) {
    auto shape = geojson(value.document_value());
    return shape ? std::optional(std::move(*shape)) : std::nullopt;
  }
  const auto pair = pair_of(value, true);
  if (!pair) return std::nullopt;
  Shape shape;
  shape.flat = pair;
  shape.on_sphere = is_on_sphere(*pair);
  if (shape.on_sphere) shape.parts.emplace_back(on_sphere(*pair));
  return shape;
}

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

// All of the part's corners: a cap of less than half the sphere is convex.
bool contains(const Cap& cap, const Part& part) {
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

tl::unexpected<Error> wrong(const Element& e, std::string_view what) { return invalid(fmt::format("{}: {}: {}", what, e.key(), bson::to_shell(e))); }

Result<Box> box_of(const Element& e) {
  std::vector<Flat> corners;
  if (e.is_array() || e.is_document()) {
    for (const Element& corner : e.document_value()) {
      const auto pair = pair_of(corner, false);
      if (!pair) return invalid("Point must only contain numeric elements");
      corners.push_back(*pair);
    }
  }
  if (corners.size() != 2) return invalid("Box must be an array of two points");
  return Box{{std::min(corners[0].x, corners[1].x), std::min(corners[0].y, corners[1].y)},
             {std::max(corners[0].x, corners[1].x), std::max(corners[0].y, corners[1].y)}};
}

// [center, radius]
Result<Circle> circle_of(const Element& e) {
  std::vector<Element> items;
  if (e.is_array() || e.is_document()) {
    for (const Element& item : e.document_value()) items.push_back(item);
  }
  const auto center = items.empty() ? std::nullopt : pair_of(items[0], false);
  if (!center) return invalid("Point must only contain numeric elements");
  const auto radius = items.size() < 2 ? std::nullopt : items[1].to_double();
  if (!radius || !(*radius >= 0)) return invalid("radius must be a non-negative number");
  if (items.size() > 2) return invalid("Only 2 fields allowed for circular region");
  return Circle{*center, *radius};
}

Result<FlatPolygon> flat_polygon_of(const Element& e) {
  FlatPolygon polygon;
  if (!e.is_array() && !e.is_document()) return wrong(e, "Polygon must be an array of points");
  for (const Element& corner : e.document_value()) {
    const auto pair = pair_of(corner, false);
    if (!pair) return invalid("Point must only contain numeric elements");
    polygon.corners.push_back(*pair);
  }
  if (polygon.corners.size() < 3) return invalid("Polygon must have at least 3 points");
  return polygon;
}

}  // namespace

namespace {

// The library's exceptions end here.
template <typename Compute>
Result<bool> guarded(Compute&& compute) {
  try {
    return compute();
  } catch (const bg::exception& e) {
    return invalid(fmt::format("two shapes could not be compared: {}", e.what()));
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
    if (!e.is_document()) return invalid("geometry must be an object");
    parts->shape = TRY(geojson(e.document_value()));
  } else if (key == "$box") {
    parts->shape = TRY(box_of(e));
  } else if (key == "$center") {
    parts->shape = TRY(circle_of(e));
  } else if (key == "$polygon") {
    parts->shape = TRY(flat_polygon_of(e));
  } else if (key == "$centerSphere") {
    const auto circle = TRY(circle_of(e));
    if (!is_on_sphere(circle.center)) return invalid("Spherical distance would require (unimplemented) wrapping");
    if (circle.radius >= std::numbers::pi / 2) return invalid("$centerSphere of a quarter turn and more is not supported by this server");
    parts->shape = Cap{on_sphere(circle.center), circle.radius};
  } else {
    return invalid(fmt::format("unknown geo specifier: {}: {}", key, bson::to_shell(e)));
  }
  return QueryShape(std::move(parts));
}

bool QueryShape::is_spherical() const { return std::holds_alternative<Cap>(parts_->shape) || std::holds_alternative<Shape>(parts_->shape); }

bool QueryShape::has_area() const {
  const auto* shape = std::get_if<Shape>(&parts_->shape);
  return shape == nullptr || std::ranges::any_of(shape->parts, [](const Part& part) { return std::holds_alternative<Polygon>(part); });
}

bool QueryShape::is_around(const Element& value) const {
  const auto held = stored(value);
  if (!held) return false;
  return std::visit(
      [&](const auto& shape) {
        using Kind = std::decay_t<decltype(shape)>;
        if constexpr (std::is_same_v<Kind, Cap>) {
          return held->on_sphere && std::ranges::all_of(held->parts, [&](const Part& part) { return query::contains(shape, part); });
        } else if constexpr (std::is_same_v<Kind, Shape>) {
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
  const auto held = stored(value);
  if (shape == nullptr || !held || !held->on_sphere) return false;
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
  if (!op.is_array() && !op.is_document()) return invalid("geo near query argument is not an object");
  const auto argument = op.document_value();
  if (op.is_document() && argument["$geometry"]) {
    for (const Element& e : argument) {
      if (e.key() == "$minDistance") TRY(read_limit(e, parts->min, code::kBadValue, code::kBadValue));
      else if (e.key() == "$maxDistance") TRY(read_limit(e, parts->max, code::kBadValue, code::kBadValue));
      else if (e.key() != "$geometry") return invalid(fmt::format("invalid argument in geo near query: {}", e.key()));
    }
    const auto geometry = argument["$geometry"];
    if (!geometry.is_document()) return invalid("$geometry is required for geo near query");
    const auto shape = geojson(geometry.document_value());
    if (!shape || !shape->flat) {
      return invalid(fmt::format("invalid point in geo near query $geometry argument: {}  {}", bson::to_shell(geometry.document_value()),
                                 shape ? "Point must be an array or object" : shape.error().message));
    }
    parts->flat = *shape->flat;
    parts->unit = Parts::Unit::kMetres;
    return NearPoint(std::move(parts));
  }
  if (op.is_document() && argument["type"].is_string()) {
    const auto shape = TRY(geojson(argument));
    if (!shape.flat) return invalid("invalid point in geo near query $geometry argument");
    parts->flat = *shape.flat;
    parts->unit = Parts::Unit::kMetres;
  } else {
    const auto pair = pair_of(op, true);
    if (!pair) return invalid(argument.empty() ? "empty geo near query object" : "$geometry is required for geo near query");
    parts->flat = *pair;
    std::size_t at = 0;
    for (const Element& e : argument) {
      if (++at == 3 && e.is_number()) parts->max = e.to_double().value_or(0);
    }
    if (parts->max < 0) return bad(18522, "max distance must be non-negative");
    if (parts->near_sphere) {
      if (!is_on_sphere(*pair)) return invalid("Legacy point is out of bounds for spherical query");
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
  const auto held = stored(value);
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
      return invalid(fmt::format("a distance could not be computed: {}", e.what()));
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
