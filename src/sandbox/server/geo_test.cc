// Places by their distance: $near, $nearSphere and $geoNear, and what is said where no index is there for them.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class Geo : public SandboxClientTest {
 protected:
  void SetUp() override {
    start(kTest44);
    ASSERT_EQ(code("d", R"({"insert": "c", "documents": [
        {"_id": 1, "p": {"type": "Point", "coordinates": [10, 0]}}, {"_id": 2, "p": {"type": "Point", "coordinates": [1, 0]}},
        {"_id": 3, "p": {"type": "LineString", "coordinates": [[5, -5], [5, 5]]}}, {"_id": 4}]})"),
              0);
  }
  std::string ids(const bson::Document& reply) {
    EXPECT_TRUE(reply["ok"].is_truthy()) << text(reply);
    std::string out;
    for (const auto& document : batch(reply)) out += std::to_string(document["_id"].to_int64().value_or(-1));
    return out;
  }
  std::string refusal(const std::string& command) {
    const auto reply = run("d", command);
    return std::to_string(code_of(reply)) + " " + std::string(reply["errmsg"].to_string_view().value_or(""));
  }
  void index(const std::string& kind) {
    ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"p": ")" + kind + R"("}, "name": ")" + kind + R"("}]})"), 0);
  }
  static constexpr const char* kOrigin = R"({"type": "Point", "coordinates": [0, 0]})";
};

TEST_F(Geo, NearWantsAnIndexAndOrdersByDistance) {
  const std::string near = std::string(R"({"find": "c", "filter": {"p": {"$near": {"$geometry": )") + kOrigin + "}}}}";
  EXPECT_EQ(refusal(near), "291 error processing query: ns=d.cTree: GEONEAR  field=p maxdist=1.79769e+308 isNearSphere=0\nSort: {}\nProj: {}\n "
                           "planner returned error :: caused by :: unable to find index for $geoNear query");
  index("2dsphere");
  EXPECT_EQ(ids(run("d", near)), "231");
  EXPECT_EQ(ids(run("d", R"({"find": "c", "filter": {"p": {"$nearSphere": [0, 0], "$maxDistance": 0.1}}})")), "23");
  EXPECT_EQ(ids(run("d", std::string(R"({"find": "c", "limit": 1, "skip": 1, "filter": {"p": {"$near": {"$geometry": )") + kOrigin + R"(, "$minDistance": 200000}}}})")), "1");
  EXPECT_EQ(ids(run("d", std::string(R"({"find": "c", "sort": {"_id": -1}, "filter": {"p": {"$near": {"$geometry": )") + kOrigin + "}}}}")), "321");
  const auto nearest = run("d", std::string(R"({"findAndModify": "c", "query": {"p": {"$near": {"$geometry": )") + kOrigin + R"(}}}, "update": {"$set": {"x": 1}}})");
  EXPECT_EQ(nearest.view().at_path("value._id").to_int64(), 2);
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"p": {"$near": [0, 0]}}})"), 291);  // a pair on the plane needs a 2d index
}

TEST_F(Geo, GeoNearTellsTheDistance) {
  const std::string stage = std::string(R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$geoNear": {"near": )") + kOrigin +
                            R"(, "distanceField": "far.km", "distanceMultiplier": 0.001, "spherical": true, "includeLocs": "at", "query": {"_id": {"$ne": 3}}}}]})";
  EXPECT_EQ(refusal(stage), "27 $geoNear requires a 2d or 2dsphere index, but none were found");
  index("2dsphere");
  const auto found = batch(run("d", stage));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NEAR(found[0].view().at_path("far.km").to_double().value_or(0), 111.319, 0.001);  // a degree of the equator
  EXPECT_EQ(text(found[0]["at"]), R"({"type":"Point","coordinates":[1,0]})");
  EXPECT_EQ(found[1]["_id"].to_int64(), 1);
  EXPECT_EQ(refusal(R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$geoNear": {"near": [0, 0]}}]})"), "16606 $geoNear requires a 'distanceField' option as a String");
}

}  // namespace
}  // namespace drover::sandbox
