// Buckets of time-series collections that are not as our own writer leaves them: what is in them stays, whatever is deleted beside it.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class BucketsTest : public SandboxClientTest {
 protected:
  void begin() {
    start(kTest70);
    ASSERT_EQ(code("t", R"({"create": "w", "timeseries": {"timeField": "t", "metaField": "m"}})"), 0);
  }
  // Three measurements of one series, {a: 0}, {a: 1} and {a: 2}. `columns`: all but the times.
  void bucket(const std::string& columns, const std::string& control = "") {
    const auto reply = run("t", R"({"insert": "system.buckets.w", "documents": [{"_id": {"$oid": "6955b9000000000000000001"}, "control": {"version": 1,
        "min": {"t": {"$date": "2026-01-01T00:00:00Z"}, "a": 0}, "max": {"t": {"$date": "2026-01-01T00:02:00Z"}, "a": 2})" + control + R"(}, "meta": "A",
        "data": {"t": {"0": {"$date": "2026-01-01T00:00:00Z"}, "1": {"$date": "2026-01-01T00:01:00Z"}, "2": {"$date": "2026-01-01T00:02:00Z"}}, )" + columns + "}}]}");
    ASSERT_EQ(reply["n"].to_int64(), 1) << text(reply);
  }
  std::string values(const std::string& filter = "{}") {
    std::string out;
    for (const auto& measurement : find("t", "w", filter)) out += text(bson::make_document({{"", measurement["a"]}})) + " ";
    return out;
  }
  bson::Document removed(const std::string& query, int limit = 0) {
    return run("t", R"({"delete": "w", "deletes": [{"q": )" + query + R"(, "limit": )" + std::to_string(limit) + "}]}");
  }
};

TEST_F(BucketsTest, ValuesInAnyOrderAreReadAndStay) {
  begin();
  bucket(R"("a": {"2": 2, "0": 0, "1": 1})");
  EXPECT_EQ(values(), R"({"":0} {"":1} {"":2} )");
  EXPECT_EQ(removed(R"({"a": 1})")["n"].to_int64(), 1);
  EXPECT_EQ(values(), R"({"":0} {"":2} )");
  const auto rest = find("t", "system.buckets.w").at(0);
  EXPECT_EQ(text(rest.view().at_path("data.a")), R"({"1":2,"0":0})");
  EXPECT_EQ(rest.view().at_path("data.t").document_value().field_count(), 2u);
}

TEST_F(BucketsTest, HolesAreNoDisorder) {
  begin();
  bucket(R"("a": {"0": 0, "2": 2}, "b": {"1": 7})");
  EXPECT_EQ(values(R"({"b": {"$exists": false}})"), R"({"":0} {"":2} )");
  EXPECT_EQ(removed(R"({"a": 0})", 1)["n"].to_int64(), 1);
  EXPECT_EQ(text(find("t", "system.buckets.w").at(0).view().at_path("data.b")), R"({"0":7})");
  EXPECT_EQ(text(find("t", "system.buckets.w").at(0).view().at_path("data.a")), R"({"1":2})");
}

TEST_F(BucketsTest, ANumberThatStandsTwiceHidesNoOtherOne) {
  begin();
  bucket(R"("a": {"0": 0, "0": 9, "1": 1, "2": 2})");
  EXPECT_EQ(values(), R"({"":0} {"":1} {"":2} )");
  EXPECT_EQ(removed(R"({"a": 1})")["n"].to_int64(), 1);
  EXPECT_EQ(text(find("t", "system.buckets.w").at(0).view().at_path("data.a")), R"({"0":0,"0":9,"1":2})");
}

TEST_F(BucketsTest, AValueOfNoMeasurementKeepsItsBucketAsItIs) {
  begin();
  bucket(R"("a": {"0": 0, "1": 1, "2": 2, "3": 3})");
  const auto before = text(find("t", "system.buckets.w").at(0));
  EXPECT_EQ(removed(R"({"a": 1})").view().at_path("writeErrors.0.code").to_int64(), 238);
  EXPECT_EQ(text(find("t", "system.buckets.w").at(0)), before);
  EXPECT_EQ(removed(R"({"m": "A"})")["n"].to_int64(), 3) << "the series goes whole";
}

TEST_F(BucketsTest, ABucketStaysClosed) {
  begin();
  bucket(R"("a": {"0": 0, "1": 1, "2": 2})", R"(, "closed": true)");
  EXPECT_EQ(removed(R"({"a": 2})")["n"].to_int64(), 1);
  const auto rest = find("t", "system.buckets.w").at(0);
  EXPECT_TRUE(rest.view().at_path("control.closed").is_truthy());
  EXPECT_EQ(rest.view().at_path("control.max.a").to_int64(), 1);
  EXPECT_EQ(code("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T00:00:30Z"}, "m": "A", "a": 5}]})"), 0);
  EXPECT_EQ(find("t", "system.buckets.w").size(), 2U);
}

TEST_F(BucketsTest, NextNumberIsTheOneBeyondTheGreatest) {
  begin();
  run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T00:00:00Z"}, "m": "A", "a": 0}]})");
  ASSERT_EQ(run("t", R"({"update": "system.buckets.w", "updates": [{"q": {}, "u": {"$rename": {"data.t.0": "data.t.7", "data.a.0": "data.a.7"}}}]})")["nModified"].to_int64(), 1);
  run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T00:00:30Z"}, "m": "A", "a": 5}]})");
  EXPECT_EQ(text(find("t", "system.buckets.w").at(0).view().at_path("data.a")), R"({"7":0,"8":5})");
  EXPECT_EQ(values(), R"({"":0} {"":5} )");
}

TEST_F(BucketsTest, ANumberThatIsTakenInAnyColumnIsNoNewOnes) {
  begin();
  run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T00:00:00Z"}, "m": "A", "a": 0}]})");
  ASSERT_EQ(run("t", R"({"update": "system.buckets.w", "updates": [{"q": {}, "u": {"$set": {"data.a.1": 99}}}]})")["nModified"].to_int64(), 1);
  run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T00:00:30Z"}, "m": "A", "a": 5}]})");
  EXPECT_EQ(values(), R"({"":0} {"":5} )");
}

// What gathers documents asks for one more after the last.
TEST_F(BucketsTest, MeasurementsAreWrittenElsewhere) {
  begin();
  for (const std::string rest : {R"({"$out": "o"})", R"({"$match": {}}, {"$out": "o"})", R"({"$limit": 9}, {"$out": "o"})", R"({"$project": {"m": 0}}, {"$merge": "o"})"}) {
    run("t", R"({"drop": "w"})");
    run("t", R"({"drop": "o"})");
    ASSERT_EQ(code("t", R"({"create": "w", "timeseries": {"timeField": "t", "metaField": "m"}})"), 0);
    bucket(R"("a": {"0": 0, "1": 1, "2": 2})");
    EXPECT_EQ(code("t", R"({"aggregate": "w", "pipeline": [)" + rest + R"(], "cursor": {}})"), 0) << rest;
    EXPECT_EQ(find("t", "o").size(), 3u) << rest;
  }
}

// A bucket could not tell which value is which.
TEST_F(BucketsTest, AMeasurementHasEachFieldOnce) {
  begin();
  const auto reply = run("t", R"({"insert": "w", "ordered": false, "documents": [{"t": {"$date": "2026-01-01T00:00:00Z"}, "m": "A", "a": 1, "a": 2},
      {"t": {"$date": "2026-01-01T00:00:00Z"}, "t": {"$date": "2026-01-01T00:00:00Z"}, "m": "A"}, {"t": {"$date": "2026-01-01T00:00:00Z"}, "m": "A", "a": {"b": 1}}]})");
  EXPECT_EQ(reply["n"].to_int64(), 1);
  EXPECT_EQ(reply.view().at_path("writeErrors.0.code").to_int64(), 2);
  EXPECT_EQ(reply.view().at_path("writeErrors.1.index").to_int64(), 1);
}

}  // namespace
}  // namespace drover::sandbox
