// Shapes on the plane and on the sphere: what documents hold ([x, y], {x: 1, y: 2}, GeoJSON) and what $geoWithin and $geoIntersects
// name. Points of the sphere are degrees, edges are great circles. Parsed once, compared without locks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bson/document.h"

namespace drover::sandbox::query {

// The shape of a query.
class QueryShape {
 public:
  // One field of {$geometry|$box|$center|$polygon|$centerSphere: ...}. 2 BadValue for what is none.
  static Result<QueryShape> parse(const bson::Element& specifier);
  QueryShape(QueryShape&&) noexcept;
  QueryShape& operator=(QueryShape&&) noexcept;
  ~QueryShape();

  bool has_area() const;    // something can lie within it
  bool is_spherical() const;
  // `value` holds a shape, all of which is inside (an edge counts), or some of which is. An error where the computation fails.
  Result<bool> contains(const bson::Element& value) const;
  Result<bool> intersects(const bson::Element& value) const;

 private:
  struct Parts;
  explicit QueryShape(std::unique_ptr<Parts> parts);
  bool is_around(const bson::Element& value) const;
  bool touches(const bson::Element& value) const;
  std::unique_ptr<Parts> parts_;
};

// The point of $near or $nearSphere, and how far from it is near.
class NearPoint {
 public:
  // {$near: [x, y], $maxDistance: d} or {$near: {$geometry: point, $maxDistance: d}}; the first field names the operator.
  static Result<NearPoint> parse(bson::View operators);
  NearPoint(NearPoint&&) noexcept;
  NearPoint& operator=(NearPoint&&) noexcept;
  ~NearPoint();

  // Of the shape in `value`: on the plane, in radians, or (GeoJSON) in metres. Nothing when it holds none, or one that is not near.
  Result<std::optional<double>> distance(const bson::Element& value) const;
  // Whether an index of this kind ("2d", "2dsphere") orders by this distance.
  bool is_answered_by(std::string_view index_kind) const;
  // As the planner prints it, for the field `path`.
  std::string shown(std::string_view path) const;

 private:
  struct Parts;
  explicit NearPoint(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Why a 2dsphere index does not take what a document has at the index's field, in the server's words; nothing when it does.
std::optional<std::string> refusal_on_sphere(const bson::Element& value);

}  // namespace drover::sandbox::query
