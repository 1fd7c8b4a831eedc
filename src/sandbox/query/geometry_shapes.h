// What shapes are made of, and how they are read. For geometry.cc and geometry_shapes.cc alone: who includes this compiles Boost.Geometry.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/geometry.hpp>
#include <boost/geometry/geometries/linestring.hpp>
#include <boost/geometry/geometries/point.hpp>
#include <boost/geometry/geometries/polygon.hpp>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::query {

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
  bool outside = false;      // what is meant is all but the one polygon in `parts`
};

inline constexpr std::string_view kStrictWinding = "urn:x-mongodb:crs:strictwinding:EPSG:4326";

inline bool is_on_sphere(Flat p) { return p.x >= -180 && p.x <= 180 && p.y >= -90 && p.y <= 90; }
inline Point on_sphere(Flat p) { return {p.x, p.y}; }
// 2 BadValue.
tl::unexpected<Error> invalid_shape(std::string message);

// The first two numbers of an array or document, in the server's words where there are none.
Result<Flat> flat_point(const bson::Element& value);
// The same, or nothing; with `more_allowed` whatever follows them.
std::optional<Flat> pair_of(const bson::Element& value, bool more_allowed);
Result<Shape> geojson(bson::View object);
// What a document holds. Nothing when it is no shape.
std::optional<Shape> stored_shape(const bson::Element& value);
Result<Box> box_of(const bson::Element& e);
Result<Circle> circle_of(const bson::Element& e);  // [center, radius]
Result<FlatPolygon> flat_polygon_of(const bson::Element& e);

}  // namespace drover::sandbox::query
