// $geoWithin and $geoIntersects over what documents may hold as a place.
#include <gtest/gtest.h>

#include "bson/ejson.h"
#include "sandbox/query/doc_for_tests.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox::query {
namespace {

bool matches(const std::string& predicate, const std::string& place) {
  const auto matcher = Matcher::parse(doc("{\"p\":" + predicate + "}"));
  EXPECT_TRUE(matcher) << predicate << ": " << matcher.error().message;
  return matcher && matcher->matches(doc("{\"p\":" + place + "}"));
}

std::string refusal(const std::string& predicate) {
  const auto matcher = Matcher::parse(doc("{\"p\":" + predicate + "}"));
  return matcher ? "accepted" : std::to_string(matcher.error().server_code) + " " + matcher.error().message;
}

std::string geojson(const std::string& type, const std::string& coordinates) { return R"({"type":")" + type + R"(","coordinates":)" + coordinates + "}"; }

TEST(Geometry, OnThePlane) {
  const std::string box = R"({"$geoWithin":{"$box":[[0,0],[10,10]]}})";
  EXPECT_TRUE(matches(box, "[5,5]"));
  EXPECT_TRUE(matches(box, "[10,0]"));
  EXPECT_TRUE(matches(box, R"({"x":1,"y":2})"));
  EXPECT_TRUE(matches(box, geojson("Point", "[3,3]")));
  EXPECT_TRUE(matches(box, "[[50,50],[1,1]]"));  // any of several
  EXPECT_FALSE(matches(box, "[11,5]"));
  EXPECT_FALSE(matches(box, "[\"5\",5]"));
  EXPECT_FALSE(matches(box, geojson("LineString", "[[1,1],[2,2]]")));
  const std::string circle = R"({"$geoWithin":{"$center":[[0,0],5]}})";
  EXPECT_TRUE(matches(circle, "[3,4]"));
  EXPECT_FALSE(matches(circle, "[3,4.01]"));
  const std::string triangle = R"({"$geoWithin":{"$polygon":[[0,0],[3,6],[6,0]]}})";
  EXPECT_TRUE(matches(triangle, "[3,3]"));
  EXPECT_TRUE(matches(triangle, "[0,0]"));
  EXPECT_FALSE(matches(triangle, "[0,3]"));
}

TEST(Geometry, OnTheSphere) {
  const std::string square = geojson("Polygon", "[[[0,0],[10,0],[10,10],[0,10],[0,0]]]");
  const std::string within = R"({"$geoWithin":{"$geometry":)" + square + "}}";
  EXPECT_TRUE(matches(within, "[5,5]"));
  EXPECT_TRUE(matches(within, geojson("Point", "[0,5]")));
  EXPECT_TRUE(matches(within, geojson("LineString", "[[1,1],[9,9]]")));
  EXPECT_TRUE(matches(within, geojson("Polygon", "[[[1,1],[2,1],[2,2],[1,1]]]")));
  EXPECT_FALSE(matches(within, geojson("LineString", "[[1,1],[19,9]]")));
  EXPECT_FALSE(matches(within, "[200,5]"));
  // An edge is a great circle: it bends towards the pole.
  EXPECT_TRUE(matches(R"({"$geoWithin":{"$geometry":)" + geojson("Polygon", "[[[-40,40],[40,40],[40,60],[-40,60],[-40,40]]]") + "}}", "[0,62]"));
  const std::string meets = R"({"$geoIntersects":{"$geometry":)" + square + "}}";
  EXPECT_TRUE(matches(meets, geojson("LineString", "[[1,1],[19,9]]")));
  EXPECT_TRUE(matches(meets, geojson("MultiPoint", "[[50,50],[1,1]]")));
  EXPECT_FALSE(matches(within, geojson("MultiPoint", "[[50,50],[1,1]]")));
  EXPECT_FALSE(matches(meets, geojson("Polygon", "[[[20,20],[30,20],[30,30],[20,20]]]")));
  const std::string hole = R"({"$geoIntersects":{"$geometry":)" + geojson("Polygon", "[[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]]") + "}}";
  EXPECT_FALSE(matches(hole, "[5,5]"));
  EXPECT_TRUE(matches(hole, "[2,2]"));
  EXPECT_TRUE(matches(R"({"$geoIntersects":{"$geometry":)" + geojson("Point", "[5,5]") + "}}", geojson("Point", "[5,5]")));
  const std::string collection = R"({"type":"GeometryCollection","geometries":[)" + geojson("Point", "[50,50]") + "," + square + "]}";
  EXPECT_TRUE(matches(R"({"$geoIntersects":{"$geometry":)" + collection + "}}", "[3,3]"));
  const std::string cap = R"({"$geoWithin":{"$centerSphere":[[0,0],0.1]}})";  // 5.7 degrees
  EXPECT_TRUE(matches(cap, "[5,0]"));
  EXPECT_FALSE(matches(cap, "[6,0]"));
}

TEST(Geometry, WhatIsNoShapeIsRefused) {
  EXPECT_EQ(refusal(R"({"$geoWithin":5})"), "2 geometry must be an object");
  EXPECT_EQ(refusal(R"({"$geoWithin":{}})"), "2 geo query doesn't have any geometry");
  EXPECT_EQ(refusal(R"({"$geoWithin":{"$nope":1}})"), "2 unknown geo specifier: $nope: 1");
  EXPECT_EQ(refusal(R"({"$geoWithin":{"$geometry":)" + geojson("Polygon", "[[[0,0],[1,0],[1,1],[2,2]]]") + "}}"),
            "2 Loop is not closed: [ [ 0, 0 ], [ 1, 0 ], [ 1, 1 ], [ 2, 2 ] ]");
  EXPECT_EQ(refusal(R"({"$geoWithin":{"$geometry":)" + geojson("Point", "[0,0]") + "}}").find("2 $within not supported with provided geometry: "), 0U);
  EXPECT_EQ(refusal(R"({"$geoIntersects":{"$box":[[0,0],[1,1]]}})").find("2 $geoIntersect not supported with provided geometry: "), 0U);
  EXPECT_EQ(refusal(R"({"$geoIntersects":{"$geometry":)" + geojson("Point", "[200,0]") + "}}"),
            "2 longitude/latitude is out of bounds, lng: 200 lat: 0");
}

TEST(Geometry, StrictWindingOrderMeansWhatLiesOnTheLeft) {
  const auto with_ring = [](const std::string& op, const std::string& ring) {
    return "{\"" + op + R"(":{"$geometry":{"type":"Polygon","coordinates":)" + ring +
           R"(,"crs":{"type":"name","properties":{"name":"urn:x-mongodb:crs:strictwinding:EPSG:4326"}}}}})";
  };
  const std::string left = "[[[0,0],[10,0],[10,10],[0,10],[0,0]]]", right = "[[[0,0],[0,10],[10,10],[10,0],[0,0]]]";
  EXPECT_TRUE(matches(with_ring("$geoWithin", left), "[5,5]"));
  EXPECT_FALSE(matches(with_ring("$geoWithin", left), "[50,5]"));
  EXPECT_FALSE(matches(with_ring("$geoWithin", right), "[5,5]"));
  EXPECT_TRUE(matches(with_ring("$geoWithin", right), "[50,5]"));
  EXPECT_FALSE(matches(with_ring("$geoWithin", right), geojson("LineString", "[[5,5],[50,5]]")));
  EXPECT_TRUE(matches(with_ring("$geoIntersects", right), geojson("LineString", "[[5,5],[50,5]]")));
  EXPECT_FALSE(matches(with_ring("$geoIntersects", right), geojson("LineString", "[[5,5],[6,6]]")));
  EXPECT_EQ(refusal(with_ring("$geoWithin", "[[[0,0],[10,0],[10,10],[0,0]],[[1,1],[2,1],[2,2],[1,1]]]")).find("2 Only one simple loop is allowed in a big polygon: "), 0U);
}

TEST(Geometry, CapsOfMoreThanHalfTheSphere) {
  const std::string cap = R"({"$geoWithin":{"$centerSphere":[[0,0],3]}})";
  EXPECT_TRUE(matches(cap, "[120,10]"));
  EXPECT_FALSE(matches(cap, "[179,0]"));
  EXPECT_TRUE(matches(cap, geojson("LineString", "[[100,0],[120,20]]")));
  EXPECT_FALSE(matches(cap, geojson("LineString", "[[170,-20],[-170,20]]")));  // leads through what is left out
}

}  // namespace
}  // namespace drover::sandbox::query
