#include "sandbox/query/geometry_shapes.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::View;

tl::unexpected<Error> invalid_shape(std::string message) { return bad(code::kBadValue, std::move(message)); }

Result<Flat> flat_point(const Element& value) {
  if (!value.is_array() && !value.is_document()) return invalid_shape("Point must be an array or object");
  double numbers[2] = {};
  std::size_t count = 0;
  for (const Element& e : value.document_value()) {
    if (count == 2) break;
    if (!e.is_number()) return invalid_shape("Point must only contain numeric elements");
    numbers[count++] = e.to_double().value_or(0);
  }
  if (count != 2) return invalid_shape("Point must only contain numeric elements");
  if (!std::isfinite(numbers[0]) || !std::isfinite(numbers[1])) return invalid_shape("Point coordinates must be finite numbers");
  return Flat{numbers[0], numbers[1]};
}

std::optional<Flat> pair_of(const Element& value, bool more_allowed) {
  const auto point = flat_point(value);
  if (!point || (!more_allowed && value.document_value().field_count() != 2)) return std::nullopt;
  return *point;
}

namespace {

Result<Point> position(const Element& value) {
  if (!value.is_array()) return invalid_shape("GeoJSON coordinates must be an array");
  const auto pair = TRY(flat_point(value));
  if (!is_on_sphere(pair)) return invalid_shape(fmt::format("longitude/latitude is out of bounds, lng: {:.16g} lat: {:.16g}", pair.x, pair.y));
  return on_sphere(pair);
}

Result<std::vector<Point>> positions(const Element& value) {
  if (!value.is_array()) return invalid_shape("GeoJSON coordinates must be an array of coordinates");
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
  if (line.size() < 2) return invalid_shape(fmt::format("GeoJSON LineString must have at least 2 vertices: {}", bson::to_shell(coordinates)));
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
  if (!coordinates.is_array()) return invalid_shape("Polygon coordinates must be an array");
  Polygon polygon;
  std::size_t rings = 0;
  std::vector<std::vector<Point>> rings_as_given;  // `polygon` turns them round
  for (const Element& ring : coordinates.document_value()) {
    const auto points = TRY(positions(ring));
    if (points.empty()) return invalid_shape(fmt::format("Loop has no vertices: {}", bson::to_shell(ring)));
    if (!same(points.front(), points.back())) return invalid_shape(fmt::format("Loop is not closed: {}", bson::to_shell(ring)));
    std::vector<Point> loop;
    for (const auto& point : points) {
      if (loop.empty() || !same(loop.back(), point)) loop.push_back(point);
    }
    if (loop.size() < 4) return invalid_shape(fmt::format("Loop must have at least 3 different vertices: {}", bson::to_shell(ring)));
    if (rings > 0) polygon.inners().resize(rings);
    auto& target = rings == 0 ? polygon.outer() : polygon.inners().back();
    target.assign(loop.begin(), loop.end());
    rings_as_given.push_back(std::move(loop));
    ++rings;
  }
  if (rings == 0) return invalid_shape("Polygon has no loops.");
  bg::correct(polygon);
  std::string why;
  if (bg::is_valid(polygon, why)) return polygon;
  for (std::size_t i = 0; const Element& ring : coordinates.document_value()) {
    if (const auto fault = fault_of_ring(rings_as_given[i++]); !fault.empty()) {
      return invalid_shape(fmt::format("Loop is not valid: {} {}", bson::to_shell(ring), fault));
    }
  }
  return invalid_shape(fmt::format("Polygon isn't valid: {} {}", why, bson::to_shell(coordinates)));
}

Status add_geojson(View object, Shape& shape);

Status add_each(const Element& coordinates, std::string_view what, Shape& shape, Status (*add)(const Element&, Shape&)) {
  if (!coordinates.is_array()) {
    return invalid_shape(what == "MultiPoint" ? "GeoJSON coordinates must be an array of coordinates" : fmt::format("{} coordinates must be an array", what));
  }
  if (coordinates.document_value().empty()) return invalid_shape(fmt::format("{} coordinates must have at least 1 element", what));
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
  if (!members.is_array()) return invalid_shape("GeometryCollection geometries must be an array");
  if (members.document_value().empty()) return invalid_shape("GeometryCollection geometries must have at least 1 element");
  for (const Element& member : members.document_value()) {
    if (!member.is_document()) return invalid_shape(fmt::format("Element {} of \"geometries\" is not an object", member.key()));
    const auto type = member.document_value()["type"].to_string_view().value_or("");
    if (type == "GeometryCollection") return invalid_shape(fmt::format("GeometryCollections cannot be nested: {}", bson::to_shell(member)));
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
  return invalid_shape(fmt::format("unknown GeoJSON type: {}", bson::to_shell(object)));
}

// True: the server's own reference system for large polygons, which no index takes. Else only the names of the one that GeoJSON has.
Result<bool> is_strict(View object) {
  const auto crs = object["crs"];
  if (!crs) return false;
  if (!crs.is_document() && !crs.is_array()) return invalid_shape("GeoJSON CRS must be an object");
  const auto system = crs.document_value();
  if (system["type"].to_string_view() != "name") return invalid_shape("GeoJSON CRS must have field \"type\": \"name\"");
  const auto properties = system["properties"];
  if (!properties.is_document() && !properties.is_array()) return invalid_shape("CRS must have field \"properties\" which is an object");
  const auto name = properties.document_value()["name"].to_string_view();
  if (!name) return invalid_shape("In CRS, \"properties.name\" must be a string");
  if (*name == "urn:ogc:def:crs:OGC:1.3:CRS84" || *name == "EPSG:4326") return false;
  if (*name != kStrictWinding) return invalid_shape(fmt::format("Unknown CRS name: {}", *name));
  if (object["type"].to_string_view() != "Polygon") return invalid_shape("Strict winding order is only supported by polygon");
  const auto loops = object["coordinates"];
  if (loops.is_array() && loops.document_value().field_count() == 1) return true;
  return invalid_shape(fmt::format("Only one simple loop is allowed in a big polygon: {}", bson::to_shell(loops)));
}

// Whether the ring goes round what lies on its right.
Result<bool> goes_clockwise(const Element& ring) {
  const auto points = TRY(positions(ring));
  return bg::area(bg::model::ring<Point>(points.begin(), points.end())) > 0;
}

tl::unexpected<Error> wrong(const Element& e, std::string_view what) { return invalid_shape(fmt::format("{}: {}: {}", what, e.key(), bson::to_shell(e))); }

}  // namespace

Result<Shape> geojson(View object) {
  Shape shape;
  const bool strict = TRY(is_strict(object));
  TRY(add_geojson(object, shape));
  if (strict) shape.outside = TRY(goes_clockwise(object["coordinates"].document_value().first()));
  if (object["type"].to_string_view() == "Point") {
    const auto& point = std::get<Point>(shape.parts.front());
    shape.flat = Flat{bg::get<0>(point), bg::get<1>(point)};
  }
  return shape;
}

std::optional<Shape> stored_shape(const Element& value) {
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

Result<Box> box_of(const Element& e) {
  std::vector<Flat> corners;
  if (e.is_array() || e.is_document()) {
    for (const Element& corner : e.document_value()) {
      const auto pair = pair_of(corner, false);
      if (!pair) return invalid_shape("Point must only contain numeric elements");
      corners.push_back(*pair);
    }
  }
  if (corners.size() != 2) return invalid_shape("Box must be an array of two points");
  return Box{{std::min(corners[0].x, corners[1].x), std::min(corners[0].y, corners[1].y)},
             {std::max(corners[0].x, corners[1].x), std::max(corners[0].y, corners[1].y)}};
}

Result<Circle> circle_of(const Element& e) {
  std::vector<Element> items;
  if (e.is_array() || e.is_document()) {
    for (const Element& item : e.document_value()) items.push_back(item);
  }
  const auto center = items.empty() ? std::nullopt : pair_of(items[0], false);
  if (!center) return invalid_shape("Point must only contain numeric elements");
  const auto radius = items.size() < 2 ? std::nullopt : items[1].to_double();
  if (!radius || !(*radius >= 0)) return invalid_shape("radius must be a non-negative number");
  if (items.size() > 2) return invalid_shape("Only 2 fields allowed for circular region");
  return Circle{*center, *radius};
}

Result<FlatPolygon> flat_polygon_of(const Element& e) {
  FlatPolygon polygon;
  if (!e.is_array() && !e.is_document()) return wrong(e, "Polygon must be an array of points");
  for (const Element& corner : e.document_value()) {
    const auto pair = pair_of(corner, false);
    if (!pair) return invalid_shape("Point must only contain numeric elements");
    polygon.corners.push_back(*pair);
  }
  if (polygon.corners.size() < 3) return invalid_shape("Polygon must have at least 3 points");
  return polygon;
}

}  // namespace drover::sandbox::query
