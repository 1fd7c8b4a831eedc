// Kinds of collections and indexes that came after 4.4: clustered, time-series, indexes made unique, metadata.
#include <chrono>
#include <ctime>

#include "sandbox/server/client_for_tests.h"

#include "sandbox/commands/timeseries_bucket.h"
#include "sandbox/commands/ttl.h"
#include "sandbox/server/server_state.h"

namespace drover::sandbox {
namespace {

class SpecialCollectionsTest : public SandboxClientTest {
 protected:
  std::string listed(const std::string& name) {
    const auto found = batch(run("t", R"({"listCollections": 1, "filter": {"name": ")" + name + R"("}})"));
    return found.empty() ? "" : text(found.front());
  }
  std::vector<std::string> indexes(const std::string& name) {
    std::vector<std::string> out;
    for (const auto& index : batch(run("t", R"({"listIndexes": ")" + name + R"("})"))) out.push_back(text(index));
    return out;
  }
  std::string ids(const std::string& command) {
    std::string out;
    for (const auto& document : batch(run("t", command))) out += text(bson::make_document({{"", document["_id"]}})) + " ";
    return out;
  }
};

constexpr const char* kClustered = R"({"create": "c", "clusteredIndex": {"key": {"_id": 1}, "unique": true}})";

// Whatever it is called.
TEST_F(SpecialCollectionsTest, AClusteredCollectionHasItsIdIndex) {
  start({8, 0, 4});
  ASSERT_EQ(code("t", R"({"create": "c", "clusteredIndex": {"key": {"_id": 1}, "unique": true, "name": "my key"}})"), 0);
  EXPECT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"_id": 1}, "name": "_id_"}]})"), 0);
  EXPECT_EQ(run("t", R"({"listIndexes": "c"})").view().at_path("cursor.firstBatch").document_value().field_count(), 1u);
}

TEST_F(SpecialCollectionsTest, ClusteredCollectionsAreReadInTheOrderOfTheirIds) {
  start(kTest50);
  EXPECT_EQ(code("t", kClustered), 40415);
  start(kTest60);
  EXPECT_EQ(code("t", R"({"create": "x", "clusteredIndex": {"key": {"a": 1}, "unique": true}})"), 197);
  EXPECT_EQ(code("t", R"({"create": "x", "clusteredIndex": {"key": {"_id": 1}}})"), 40414);
  const std::string good = R"("clusteredIndex": {"key": {"_id": 1}, "unique": true})";
  EXPECT_EQ(code("t", R"({"create": "x", "viewOn": "c", )" + good + "}"), 6026500);
  EXPECT_EQ(code("t", R"({"create": "x", "autoIndexId": false, )" + good + "}"), 6026501);
  EXPECT_EQ(code("t", R"({"create": "x", "capped": true, "size": 4096, )" + good + "}"), 6049200);
  EXPECT_EQ(code("t", R"({"create": "x", "clusteredIndex": {"key": {"_id": 1}, "unique": true, "v": 12345}})"), 5979704);
  EXPECT_EQ(code("t", R"({"create": "x", "clusteredIndex": {"key": {"_id": 1}, "unique": false}})"), 5979700);
  EXPECT_EQ(code("t", R"({"create": "system.buckets.z", )" + good + "}"), 5979703);
  EXPECT_EQ(code("t", R"({"create": "x", "clusteredIndex": true})"), 5979703);
  EXPECT_EQ(listed("x"), listed("nothing of that name")) << "none of them made anything";
  EXPECT_EQ(code("t", R"({"create": "plain", "clusteredIndex": false})"), 0);
  EXPECT_EQ(listed("plain").find("clustered"), std::string::npos) << listed("plain");
  EXPECT_EQ(code("t", R"({"create": "x", "expireAfterSeconds": 5})"), 72);
  ASSERT_EQ(code("t", kClustered), 0);
  for (const auto* index : {R"("_id_")", R"({"_id": 1})", R"(["_id_"])"}) {
    EXPECT_EQ(code("t", std::string(R"({"dropIndexes": "c", "index": )") + index + "}"), 5979800) << index;
  }
  EXPECT_FALSE(last_entry().view().at_path("o.idIndex").exists());
  EXPECT_NE(listed("c").find(R"("options":{"clusteredIndex":{"v":2,"key":{"_id":1},"name":"_id_","unique":true}})"), std::string::npos) << listed("c");
  EXPECT_EQ(listed("c").find("idIndex"), std::string::npos);
  EXPECT_EQ(indexes("c").at(0), R"({"v":2,"key":{"_id":1},"name":"_id_","unique":true,"clustered":true})");
  run("t", R"({"insert": "c", "documents": [{"_id": 3}, {"_id": 1}, {"_id": 2}]})");
  EXPECT_EQ(ids(R"({"find": "c"})"), R"({"":1} {"":2} {"":3} )");
  EXPECT_EQ(ids(R"({"find": "c", "sort": {"$natural": -1}})"), R"({"":3} {"":2} {"":1} )");
  EXPECT_EQ(ids(R"({"aggregate": "c", "pipeline": [], "cursor": {}})"), R"({"":1} {"":2} {"":3} )");
  EXPECT_EQ(run("t", R"({"insert": "c", "documents": [{"_id": 2}]})").view().at_path("writeErrors.0.code").to_int64(), 11000);
}

TEST_F(SpecialCollectionsTest, NoIndexCommandMakesAClusteredIndex) {
  start(kTest60);
  const auto create = [&](const std::string& collection, const std::string& spec) { return code("t", R"({"createIndexes": ")" + collection + R"(", "indexes": [)" + spec + "]}"); };
  const std::string clustered = R"({"key": {"_id": 1}, "name": "_id_", "clustered": true, "unique": true})";
  EXPECT_EQ(create("missing", clustered), 6100900);
  EXPECT_EQ(listed("missing"), "");
  run("t", R"({"create": "plain"})");
  EXPECT_EQ(create("plain", clustered), 6243700);
  ASSERT_EQ(code("t", kClustered), 0);
  EXPECT_EQ(create("c", clustered), 0);
  EXPECT_EQ(create("c", R"({"key": {"a": 1}, "name": "a", "clustered": true, "unique": true})"), 6243700);
  EXPECT_EQ(create("c", R"({"key": {"_id": 1}, "name": "_id_", "clustered": true})"), 67);
  EXPECT_EQ(indexes("c").size(), 1U);
}

TEST_F(SpecialCollectionsTest, DocumentsOfAClusteredCollectionExpireByTheirId) {
  start(kTest60);
  ASSERT_EQ(code("t", R"({"create": "c", "clusteredIndex": {"key": {"_id": 1}, "unique": true}, "expireAfterSeconds": 60})"), 0);
  run("t", R"({"insert": "c", "documents": [{"_id": {"$date": "2020-01-01T00:00:00Z"}}, {"_id": {"$date": "2200-01-01T00:00:00Z"}}, {"_id": 1}]})");
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "c").size(), 2U);
}

// An age that no number of milliseconds can say is no reason to delete everything.
TEST_F(SpecialCollectionsTest, WhatIsToLiveForEverDoes) {
  start(kTest60);
  ASSERT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 1, "at": {"$date": "2020-01-01T00:00:00Z"}}]})"), 0);
  ASSERT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"at": 1}, "name": "at", "expireAfterSeconds": {"$numberDouble": "NaN"}}]})"), 0);
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "c").size(), 1U);
  EXPECT_EQ(code("t", R"({"collMod": "c", "index": {"name": "at", "expireAfterSeconds": {"$numberLong": "9223372036854775807"}}})"), 72);
  EXPECT_EQ(code("t", R"({"create": "x", "clusteredIndex": {"key": {"_id": 1}, "unique": true}, "expireAfterSeconds": {"$numberLong": "9223372036854775807"}})"), 72);
  ASSERT_EQ(code("t", R"({"collMod": "c", "index": {"name": "at", "expireAfterSeconds": 60}})"), 0);
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "c").size(), 0U);
}

constexpr const char* kWeather = R"({"create": "w", "timeseries": {"timeField": "t", "metaField": "m", "granularity": "minutes"}})";
constexpr const char* kMeasurements = R"({"insert": "w", "documents": [
    {"_id": 1, "t": {"$date": "2026-01-01T00:10:30Z"}, "m": {"s": 1}, "x": 5, "only": 1}, {"_id": 2, "t": {"$date": "2026-01-01T00:11:00Z"}, "m": {"s": 1}, "x": 3},
    {"_id": 3, "t": {"$date": "2026-01-01T00:12:00Z"}, "m": {"s": 2}, "x": 9}]})";

TEST_F(SpecialCollectionsTest, TimeSeriesAreAViewOverBuckets) {
  start(kTest44);
  EXPECT_EQ(code("t", kWeather), 40415);
  start(kTest60);
  ASSERT_EQ(code("t", kWeather), 0);
  EXPECT_EQ(listed("w"), R"({"name":"w","type":"timeseries","options":{"timeseries":{"timeField":"t","metaField":"m","granularity":"minutes","bucketMaxSpanSeconds":86400}},"info":{"readOnly":false}})");
  EXPECT_NE(listed("system.buckets.w").find(R"("type":"collection")"), std::string::npos);
  EXPECT_EQ(code("t", kWeather), 48);
  ASSERT_EQ(code("t", kMeasurements), 0);
  const auto buckets = find("t", "system.buckets.w");
  ASSERT_EQ(buckets.size(), 2U);
  EXPECT_EQ(text(buckets[0]["meta"]), R"({"s":1})");
  EXPECT_EQ(text(buckets[0].view().at_path("control.min")), R"({"_id":1,"t":{"$date":"2026-01-01T00:00:00Z"},"x":3,"only":1})");
  EXPECT_EQ(text(buckets[0].view().at_path("control.max")), R"({"_id":2,"t":{"$date":"2026-01-01T00:11:00Z"},"x":5,"only":1})");
  EXPECT_EQ(text(buckets[0].view().at_path("data.x")), R"({"0":5,"1":3})");
  const auto found = find("t", "w", R"({"x": {"$lt": 6}})");
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(text(found[0]), R"({"t":{"$date":"2026-01-01T00:10:30Z"},"m":{"s":1},"_id":1,"x":5,"only":1})");
  EXPECT_EQ(run("t", R"({"count": "w", "query": {"m.s": 1}})")["n"].to_int64(), 2);
}

TEST_F(SpecialCollectionsTest, LaterMeasurementsGoOnInTheirBucket) {
  start(kTest70);
  ASSERT_EQ(code("t", kWeather), 0);
  run("t", kMeasurements);
  run("t", R"({"insert": "w", "documents": [{"_id": 4, "t": {"$date": "2026-01-01T05:00:00Z"}, "m": {"s": 1}}, {"_id": 5, "t": {"$date": "2026-01-02T05:00:00Z"}, "m": {"s": 1}}]})");
  EXPECT_EQ(find("t", "system.buckets.w").size(), 3U);
  EXPECT_EQ(find("t", "w").size(), 5U);
  const auto entries = find("local", "oplog.rs", R"({"ns": "t.system.buckets.w", "op": "u"})");
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].view().at_path("o.$v").to_int64(), 2);
}

TEST_F(SpecialCollectionsTest, RetriedMeasurementsAreInsertedOnce) {
  start(kTest60);
  ASSERT_EQ(code("t", kWeather), 0);
  const std::string command = R"({"insert": "w", "documents": [{"_id": 1, "t": {"$date": "2026-01-01T00:10:30Z"}}, {"_id": 2, "t": {"$date": "2026-01-01T00:10:31Z"}}],
      "lsid": {"id": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}, "txnNumber": {"$numberLong": "1"}})";
  EXPECT_EQ(run("t", command)["n"].to_int64(), 2);
  EXPECT_EQ(text(last_entry()["stmtId"]), R"({"0":0,"1":1})");
  EXPECT_EQ(run("t", command)["n"].to_int64(), 2);
  EXPECT_EQ(find("t", "w").size(), 2U);
}

TEST_F(SpecialCollectionsTest, WhatATimeSeriesCollectionRefuses) {
  start(kTest60);
  EXPECT_EQ(code("t", R"({"create": "w", "timeseries": {"timeField": "a.b"}})"), 72);
  EXPECT_EQ(code("t", R"({"create": "w", "timeseries": {"timeField": "t"}, "capped": true, "size": 5})"), 72);
  EXPECT_EQ(code("t", R"({"create": "w", "timeseries": {"timeField": "t", "granularity": "days"}})"), 2);
  ASSERT_EQ(code("t", kWeather), 0);
  const auto no_time = run("t", R"({"insert": "w", "documents": [{"x": 1}]})");
  EXPECT_EQ(no_time.view().at_path("writeErrors.0.code").to_int64(), 2);
  run("t", kMeasurements);
  const auto update = run("t", R"({"update": "w", "updates": [{"q": {"x": 5}, "u": {"$set": {"x": 6}}}]})");
  EXPECT_EQ(update.view().at_path("writeErrors.0.code").to_int64(), 72);
  EXPECT_EQ(code("t", R"({"createIndexes": "w", "indexes": [{"key": {"x": 1}, "name": "x", "unique": true}]})"), 72);
  const auto by_x = run("t", R"({"delete": "w", "deletes": [{"q": {"x": 5}, "limit": 0}, {"q": {"m.s": 1}, "limit": 1}], "ordered": false})");
  EXPECT_EQ(by_x.view().at_path("writeErrors.0.code").to_int64(), 72);
  EXPECT_EQ(by_x.view().at_path("writeErrors.1.code").to_int64(), 20);
  EXPECT_EQ(run("t", R"({"delete": "w", "deletes": [{"q": {"m.s": 1}, "limit": 0}]})")["n"].to_int64(), 2);
  EXPECT_EQ(find("t", "w").size(), 1U);
  EXPECT_EQ(code("t", R"({"drop": "w"})"), 0);
  EXPECT_TRUE(listed("w").empty() && listed("system.buckets.w").empty());
}

TEST_F(SpecialCollectionsTest, VeryWideMeasurementsTakeTheTimeOfTheirFieldsOnce) {
  // Of this thread's own processor time, so that whoever else runs does not count.
  const auto processor = [] {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  };
  const auto taken = [&](int fields, bool nested) {
    start(kTest80);
    EXPECT_EQ(code("t", kWeather), 0);
    bson::Builder wide;
    wide.append("insert", "w");
    {
      auto documents = wide.open_array("documents");
      for (int id = 1; id <= 2; ++id) {
        auto document = documents.open_document();
        document.append("_id", id).append("t", bson::DateTime{1767225600000});
        auto inner = nested ? std::optional(document.open_document("v")) : std::nullopt;
        for (int i = 0; i < fields; ++i) (inner ? *inner : document).append("f" + std::to_string(i), i);
      }
    }
    const auto insert = std::move(wide).finish();
    const std::string path = nested ? "v.f1" : "f1";
    const auto began = processor();
    EXPECT_EQ(run("t", insert)["n"].to_int64(), 2);
    EXPECT_EQ(run("t", R"({"delete": "w", "deletes": [{"q": {")" + path + R"(": 2}, "limit": 0}]})")["n"].to_int64(), 0);
    EXPECT_EQ(run("t", R"({"delete": "w", "deletes": [{"q": {")" + path + R"(": 1}, "limit": 1}]})")["n"].to_int64(), 1);
    EXPECT_EQ(find("t", "w").size(), 1U);
    return processor() - began;
  };
  for (const bool nested : {false, true}) {
    const auto few = taken(10000, nested), many = taken(80000, nested);
    EXPECT_LT(many, 24 * few) << nested << ": 8 times as many fields; each compared with each, it is 64 times the time";
  }
}

TEST_F(SpecialCollectionsTest, WholeSeriesAreChanged) {
  for (const auto version : {kTest50, kTest80}) {
    start(version);
    ASSERT_EQ(code("t", kWeather), 0);
    run("t", R"({"insert": "w", "documents": [{"_id": 1, "t": {"$date": "2026-01-01T00:10:00Z"}, "m": {"s": 1}, "x": 1}, {"_id": 2, "t": {"$date": "2026-01-01T00:11:00Z"}, "m": {"s": 1}, "x": 2},
        {"_id": 3, "t": {"$date": "2026-01-01T00:12:00Z"}, "m": {"s": 2}, "x": 1}]})");
    const auto reply = run("t", R"({"update": "w", "updates": [{"q": {"m.s": 1}, "u": {"$set": {"m.s": 7}, "$rename": {"m.none": "m.other"}}, "multi": true}, {"q": {"m.s": 2}, "u": {"$set": {"m.s": 2}}, "multi": true}]})");
    EXPECT_EQ(reply["n"].to_int64(), 3);
    EXPECT_EQ(reply["nModified"].to_int64(), 2);
    EXPECT_EQ(find("t", "w", R"({"m.s": 7})").size(), 2U);
    // A bucket that is another series' now takes no more of the first one's.
    run("t", R"({"insert": "w", "documents": [{"_id": 4, "t": {"$date": "2026-01-01T00:13:00Z"}, "m": {"s": 1}}]})");
    EXPECT_EQ(find("t", "w", R"({"m.s": 7})").size(), 2U);
    EXPECT_EQ(find("t", "w", R"({"m.s": 1})").size(), 1U);
    for (const auto& [statement, why] : {std::pair(R"("q": {"m.s": 1}, "u": {"$set": {"m.s": 7}})", "Cannot perform a non-multi update on a time-series collection"),
                                         {R"("q": {"_id": 1}, "u": {"$set": {"m.s": 7}})", "Cannot perform a non-multi update on a time-series collection"},
                                         {R"("q": {"m.s": 1}, "u": {"$set": {"m.s": 7}}, "multi": true, "upsert": true)", "Cannot perform an upsert on a time-series collection"},
                                         {R"("q": {"x": 1}, "u": {"$set": {"m.s": 7}}, "multi": true)",
                                          "Cannot perform an update or delete on a time-series collection when querying on a field that is not the metaField 'm'"},
                                         {R"("q": {}, "u": {"$set": {"m.s": 7, "x": 1}}, "multi": true)",
                                          "Cannot perform an update on a time-series collection which updates a field that is not the metaField 'm': x"},
                                         {R"("q": {}, "u": {"$rename": {"m.s": "x"}}, "multi": true)",
                                          "Cannot perform an update on a time-series collection which updates a field that is not the metaField 'm': x"},
                                         {R"("q": {}, "u": [{"$set": {"m": 1}}], "multi": true)", "Cannot perform an update on a time-series collection using a pipeline update"}}) {
      const auto refused = run("t", R"({"update": "w", "updates": [{)" + std::string(statement) + "}]}");
      EXPECT_EQ(refused.view().at_path("writeErrors.0.code").to_int64(), 72) << statement;
      EXPECT_EQ(refused.view().at_path("writeErrors.0.errmsg").to_string_view(), why);
    }
    EXPECT_EQ(run("t", R"({"update": "w", "updates": [{"q": {}, "u": {"$set": 5}, "multi": true}]})").view().at_path("writeErrors.0.code").to_int64(), 9);
    EXPECT_EQ(find("t", "w", R"({"m.s": 7})").size(), 2U);
  }
}

TEST_F(SpecialCollectionsTest, MeasurementsAreDeletedByAnyField) {
  start(kTest70);
  ASSERT_EQ(code("t", kWeather), 0);
  const auto fill = [&] {
    run("t", R"({"delete": "w", "deletes": [{"q": {}, "limit": 0}]})");
    run("t", R"({"insert": "w", "documents": [{"_id": 1, "t": {"$date": "2026-01-01T00:10:00Z"}, "m": "A", "x": 1}, {"_id": 2, "t": {"$date": "2026-01-01T00:11:00Z"}, "m": "A", "y": 2},
        {"_id": 3, "t": {"$date": "2026-01-01T00:12:00Z"}, "m": "A", "x": 1, "y": 5}, {"_id": 4, "t": {"$date": "2026-01-01T00:12:00Z"}, "m": "b", "x": 1}]})");
    ASSERT_EQ(find("t", "system.buckets.w").size(), 2U);
  };
  const auto removed = [&](const std::string& query, int limit = 0, const std::string& more = "") {
    return run("t", R"({"delete": "w", "deletes": [{"q": )" + query + R"(, "limit": )" + std::to_string(limit) + more + "}]}")["n"].to_int64().value_or(-1);
  };
  fill();
  EXPECT_EQ(removed(R"({"x": 1})"), 3);
  ASSERT_EQ(find("t", "w").size(), 1U);
  EXPECT_EQ(text(find("t", "w")[0]), R"({"t":{"$date":"2026-01-01T00:11:00Z"},"m":"A","_id":2,"y":2})");
  EXPECT_EQ(text(find("t", "system.buckets.w").at(0).view().at_path("control.max")), R"({"t":{"$date":"2026-01-01T00:11:00Z"},"_id":2,"y":2})");
  EXPECT_EQ(last_entry()["op"].to_string_view(), "d");  // nothing is left of the series b
  // What is left of a bucket goes on.
  run("t", R"({"insert": "w", "documents": [{"_id": 9, "t": {"$date": "2026-01-01T00:20:00Z"}, "m": "A", "x": 7}]})");
  EXPECT_EQ(find("t", "system.buckets.w").size(), 1U);
  EXPECT_EQ(find("t", "w", R"({"x": 7})").size(), 1U);
  fill();
  EXPECT_EQ(removed(R"({"m": "A", "x": {"$exists": true}})"), 2);
  EXPECT_EQ(removed(R"({"m": "a", "y": 2})"), 0);
  EXPECT_EQ(removed(R"({"m": "a", "y": 2})", 0, R"(, "collation": {"locale": "en", "strength": 2})"), 1);
  EXPECT_EQ(find("t", "w").size(), 1U);
  fill();
  EXPECT_EQ(removed(R"({"x": 1})", 1), 1);
  EXPECT_EQ(removed(R"({"m": "A"})", 1), 1);
  EXPECT_EQ(removed(R"({"x": 99})", 1), 0);
  EXPECT_EQ(find("t", "w").size(), 2U);
  EXPECT_EQ(removed(R"({"t": {"$lt": {"$date": "2100-01-01T00:00:00Z"}}, "$expr": {"$gte": ["$x", 1]}})"), 2);
  EXPECT_EQ(find("t", "system.buckets.w").size(), 0U);
  // A repeated statement deletes no other one.
  fill();
  const std::string once = R"({"delete": "w", "deletes": [{"q": {"x": 1}, "limit": 1}], "lsid": {"id": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}, "txnNumber": {"$numberLong": "1"}})";
  EXPECT_EQ(run("t", once)["n"].to_int64(), 1);
  EXPECT_EQ(run("t", once)["n"].to_int64(), 1);
  EXPECT_EQ(find("t", "w").size(), 3U);
}

TEST_F(SpecialCollectionsTest, IndexesOfATimeSeriesAreThoseOfItsBuckets) {
  start(kTest80);
  ASSERT_EQ(code("t", kWeather), 0);
  EXPECT_EQ(indexes("w").at(0), R"({"v":2,"key":{"m":1,"t":1},"name":"m_1_t_1"})");
  ASSERT_EQ(code("t", R"({"createIndexes": "w", "indexes": [{"key": {"x": -1}, "name": "x"}]})"), 0);
  EXPECT_EQ(indexes("w").at(1), R"({"v":2,"key":{"x":-1},"name":"x"})");
  EXPECT_EQ(indexes("system.buckets.w").at(1), R"({"v":2,"key":{"control.max.x":-1,"control.min.x":-1},"name":"x"})");
  EXPECT_EQ(code("t", R"({"dropIndexes": "w", "index": {"x": -1}})"), 0);
  EXPECT_EQ(indexes("w").size(), 1U);
}

TEST_F(SpecialCollectionsTest, AHintOfATimeSeriesNamesItsIndexByTheKeyThatItShows) {
  start(kTest80);
  ASSERT_EQ(code("t", kWeather), 0);
  ASSERT_EQ(code("t", R"({"createIndexes": "w", "indexes": [{"key": {"x": -1}, "name": "x"}]})"), 0);
  run("t", R"({"create": "above", "viewOn": "w", "pipeline": [{"$match": {"x": {"$gte": 2}}}]})");
  run("t", R"({"insert": "w", "documents": [{"_id": 1, "t": {"$date": "2026-01-01T00:10:00Z"}, "m": 1, "x": 1}, {"_id": 2, "t": {"$date": "2026-01-01T00:11:00Z"}, "m": 2, "x": 2}]})");
  for (const char* hint : {R"({"m": 1, "t": 1})", R"({"x": -1})", R"("m_1_t_1")", R"({"$natural": 1})"}) {
    const std::string with = R"("hint": )" + std::string(hint) + "}";
    EXPECT_EQ(batch(run("t", R"({"find": "w", )" + with)).size(), 2u) << hint;
    EXPECT_EQ(batch(run("t", R"({"find": "above", )" + with)).size(), 1u) << hint;
    EXPECT_EQ(batch(run("t", R"({"aggregate": "w", "pipeline": [], "cursor": {}, )" + with)).size(), 2u) << hint;
    EXPECT_EQ(run("t", R"({"count": "w", "query": {"x": 2}, )" + with)["n"].to_int64(), 1) << hint;
    EXPECT_EQ(run("t", R"({"distinct": "w", "key": "x", )" + with)["values"].document_value().field_count(), 2u) << hint;
    EXPECT_EQ(code("t", R"({"explain": {"find": "w", )" + with + "}"), 0) << hint;
    EXPECT_EQ(run("t", R"({"update": "w", "updates": [{"q": {"m": 2}, "u": {"$set": {"m": 2}}, "multi": true, )" + with + "]}")["n"].to_int64(), 1) << hint;
    EXPECT_EQ(run("t", R"({"delete": "w", "deletes": [{"q": {"m": 3}, "limit": 0, )" + with + R"(, {"q": {"x": 9}, "limit": 1, )" + with + "]}")["ok"].to_int64(), 1) << hint;
  }
  EXPECT_NE(text(run("t", R"({"explain": {"find": "w", "hint": {"x": -1}}})")).find(R"("indexName":"x")"), std::string::npos);
  EXPECT_EQ(run("t", R"({"delete": "w", "deletes": [{"q": {"m": 1}, "limit": 0, "hint": {"m": 1, "t": 1}}, {"q": {"x": 2}, "limit": 0, "hint": {"x": -1}}]})")["n"].to_int64(), 2);
  for (const char* none : {R"({"t": 1})", R"({"m": -1, "t": 1})", R"({"meta": 1, "control.min.t": 1, "control.max.t": 1})", R"("other")"}) {
    const std::string with = R"("hint": )" + std::string(none) + "}";
    EXPECT_EQ(code("t", R"({"find": "w", )" + with), 2) << none;
    EXPECT_EQ(code("t", R"({"count": "w", )" + with), 2) << none;
    EXPECT_EQ(run("t", R"({"delete": "w", "deletes": [{"q": {"m": 3}, "limit": 0, )" + with + "]}").view().at_path("writeErrors.0.code").to_int64(), 2) << none;
    EXPECT_EQ(run("t", R"({"update": "w", "updates": [{"q": {"m": 3}, "u": {"$set": {"m": 2}}, "multi": true, )" + with + "]}").view().at_path("writeErrors.0.code").to_int64(), 2) << none;
  }
}

TEST_F(SpecialCollectionsTest, APartialIndexOfATimeSeriesIsAboutItsMetaField) {
  const auto made = [&](const std::string& filter, const std::string& more = "") {
    return run("t", R"({"createIndexes": "w", "indexes": [{"key": {"m": 1}, "name": "p", "partialFilterExpression": )" + filter + more + "}]}");
  };
  start(kTest50);
  ASSERT_EQ(code("t", kWeather), 0);
  EXPECT_EQ(made(R"({"m": 1})")["errmsg"].to_string_view(), "Partial indexes are not supported on time-series collections");
  EXPECT_EQ(code_of(made(R"({"m": 1})")), 72);
  start(kTest80);
  ASSERT_EQ(code("t", kWeather), 0);
  const auto before = indexes("w");
  EXPECT_EQ(code_of(made(R"({"m": 1})", R"(, "collation": {"locale": "en"})")), 86);
  for (const char* unable : {R"({"x": null})", R"({"x": {"$eq": {"a": 1}}})", R"({"x": {"$type": "string"}})", R"({"t": {"$gt": 5}})", R"({"$and": [{"m": 1}, {"x": {"$eq": [1]}}]})"}) {
    const auto reply = made(unable);
    EXPECT_EQ(code_of(reply), 5916301) << unable;
    EXPECT_TRUE(reply["errmsg"].to_string_view()->starts_with("Error translating non-metadata time-series predicate to operate on buckets: ")) << text(reply);
  }
  // A measurement's own "meta" is not the series.
  for (const char* unserved : {R"({"meta": 5})", R"({"x": 1})", R"({"m": 1, "x": {"$gt": 1, "$lt": 5}})", R"({"x": {"$exists": true}})"}) EXPECT_EQ(code_of(made(unserved)), 238) << unserved;
  EXPECT_EQ(indexes("w"), before);
  ASSERT_EQ(code_of(made(R"({"$and": [{"m.a": {"$gt": 1}}, {"m.b": {"$type": "string"}}]})")), 0);
  EXPECT_NE(indexes("w").back().find(R"("partialFilterExpression":{"$and":[{"m.a":{"$gt":1}},{"m.b":{"$type":"string"}}]})"), std::string::npos) << indexes("w").back();
  EXPECT_NE(indexes("system.buckets.w").back().find(R"({"meta.a":{"$gt":1}})"), std::string::npos);
}

TEST_F(SpecialCollectionsTest, BucketsExpireWithTheirSpan) {
  start(kTest60);
  ASSERT_EQ(code("t", R"({"create": "w", "timeseries": {"timeField": "t"}, "expireAfterSeconds": 100})"), 0);
  run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2020-01-01T00:00:00Z"}}, {"t": {"$date": "2037-01-01T00:00:00Z"}}]})");
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "w").size(), 1U);
}

TEST_F(SpecialCollectionsTest, AnIndexIsMadeUniqueInTwoSteps) {
  start(kTest50);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})");
  EXPECT_EQ(code("t", R"({"collMod": "c", "index": {"name": "a", "prepareUnique": true}})"), 40415);
  start(kTest60);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})");
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 1}]})");
  EXPECT_EQ(code("t", R"({"collMod": "c", "index": {"name": "a", "unique": true}})"), 72);
  const auto prepared = run("t", R"({"collMod": "c", "index": {"name": "a", "prepareUnique": true}})");
  EXPECT_TRUE(prepared["prepareUnique_new"].is_truthy());
  EXPECT_EQ(indexes("c").at(1), R"({"v":2,"key":{"a":1},"name":"a","prepareUnique":true})");
  EXPECT_EQ(run("t", R"({"insert": "c", "documents": [{"_id": 3, "a": 1}]})").view().at_path("writeErrors.0.code").to_int64(), 11000);
  const auto refused = run("t", R"({"collMod": "c", "index": {"name": "a", "unique": true}})");
  EXPECT_EQ(code_of(refused), 359);
  EXPECT_EQ(text(refused.view().at_path("violations.0.ids")), R"({"0":1,"1":2})");
  run("t", R"({"delete": "c", "deletes": [{"q": {"_id": 2}, "limit": 1}]})");
  EXPECT_TRUE(run("t", R"({"collMod": "c", "index": {"name": "a", "unique": true}})")["unique_new"].is_truthy());
  EXPECT_EQ(indexes("c").at(1), R"({"v":2,"key":{"a":1},"name":"a","unique":true})");
}

TEST_F(SpecialCollectionsTest, WhetherAnIndexCouldBeUniqueIsTriedWithoutAChange) {
  start(kTest50);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})");
  EXPECT_EQ(code("t", R"({"collMod": "c", "index": {"name": "a", "hidden": true}, "dryRun": true})"), 40415);
  start(kTest60);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})");
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}, {"_id": 2, "a": 1}, {"_id": 3, "a": 2}]})");
  EXPECT_EQ(code("t", R"({"collMod": "c", "index": {"name": "a", "unique": true}, "dryRun": true})"), 72);  // it is not prepared
  run("t", R"({"collMod": "c", "index": {"name": "a", "prepareUnique": true}})");
  const auto before = indexes("c");
  const auto entry = last_entry();
  for (const auto& [refused, reason] : {std::pair(R"({"collMod": "c", "dryRun": true})", "dry run mode requires an valid index modification."),
                                        {R"({"collMod": "c", "dryRun": true, "index": {"name": "a", "hidden": true}})", "dry run mode requires an index modification with unique: true."},
                                        {R"({"collMod": "c", "dryRun": true, "index": {"name": "a", "unique": true, "hidden": true}})",
                                         "unique: true cannot be combined with any other modification in dry run mode."},
                                        {R"({"collMod": "c", "dryRun": true, "index": {"name": "a", "unique": true}, "validationLevel": "off"})",
                                         "unique: true cannot be combined with any other modification in dry run mode."}}) {
    const auto reply = run("t", std::string(refused));
    EXPECT_EQ(code_of(reply), 72) << refused;
    EXPECT_EQ(reply["errmsg"].to_string_view(), reason);
  }
  const auto dry = run("t", R"({"collMod": "c", "dryRun": true, "index": {"name": "a", "unique": true}})");
  EXPECT_EQ(code_of(dry), 359);
  EXPECT_EQ(dry["codeName"].to_string_view(), "CannotConvertIndexToUnique");
  EXPECT_EQ(text(dry.view().at_path("violations.0.ids")), R"({"0":1,"1":2})");
  run("t", R"({"delete": "c", "deletes": [{"q": {"_id": 2}, "limit": 1}]})");
  const auto possible = last_entry();
  EXPECT_EQ(code("t", R"({"collMod": "c", "dryRun": true, "index": {"keyPattern": {"a": 1}, "unique": true}})"), 0);
  EXPECT_EQ(indexes("c"), before);
  EXPECT_EQ(text(last_entry()), text(possible));
  EXPECT_TRUE(run("t", R"({"collMod": "c", "dryRun": false, "index": {"name": "a", "unique": true}})")["unique_new"].is_truthy());
}

TEST_F(SpecialCollectionsTest, HowLongDocumentsOfAClusteredCollectionLiveIsChanged) {
  start(kTest44);
  run("t", R"({"create": "plain"})");
  EXPECT_EQ(code("t", R"({"collMod": "plain", "expireAfterSeconds": 5})"), 72);
  start(kTest60);
  run("t", R"({"create": "plain"})");
  EXPECT_EQ(run("t", R"({"collMod": "plain", "expireAfterSeconds": 5})")["errmsg"].to_string_view(), "'expireAfterSeconds' option is only supported on collections clustered by _id");
  ASSERT_EQ(code("t", kClustered), 0);
  run("t", R"({"insert": "c", "documents": [{"_id": {"$date": "2020-01-01T00:00:00Z"}}, {"_id": {"$date": "2200-01-01T00:00:00Z"}}]})");
  for (const char* refused : {R"("on")", "-1", "9223372036854775807", R"({"$numberDouble": "NaN"})"}) {
    EXPECT_EQ(code("t", R"({"collMod": "c", "expireAfterSeconds": )" + std::string(refused) + "}"), 72) << refused;
  }
  EXPECT_EQ(code("t", R"({"collMod": "c", "expireAfterSeconds": true})"), 14);
  EXPECT_EQ(code("t", R"({"create": "x", "clusteredIndex": {"key": {"_id": 1}, "unique": true}, "expireAfterSeconds": 9223372036854775807})"), 72);
  ASSERT_EQ(code("t", R"({"collMod": "c", "expireAfterSeconds": 60})"), 0);
  EXPECT_EQ(text(last_entry()["o"]), R"({"collMod":"c","expireAfterSeconds":60})");
  const auto before = text(last_entry().view().at_path("o2.collectionOptions_old"));
  EXPECT_TRUE(before.starts_with(R"({"uuid":{"$binary")")) << before;
  EXPECT_TRUE(before.ends_with(R"("clusteredIndex":{"v":2,"key":{"_id":1},"name":"_id_","unique":true}})")) << before;
  EXPECT_NE(listed("c").find(R"("expireAfterSeconds":60)"), std::string::npos) << listed("c");
  ASSERT_EQ(code("t", R"({"collMod": "c", "expireAfterSeconds": "off"})"), 0);
  EXPECT_EQ(text(last_entry()["o"]), R"({"collMod":"c","expireAfterSeconds":"off"})");
  EXPECT_EQ(listed("c").find("expireAfterSeconds"), std::string::npos) << listed("c");
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "c").size(), 2U);
  ASSERT_EQ(code("t", R"({"collMod": "c", "expireAfterSeconds": 60})"), 0);
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "c").size(), 1U);
}

TEST_F(SpecialCollectionsTest, ATimeSeriesCollectionIsModifiedThroughItsBuckets) {
  start(kTest50);
  ASSERT_EQ(code("t", R"({"create": "w", "timeseries": {"timeField": "t", "metaField": "m"}})"), 0);
  run("t", R"({"insert": "w", "documents": [{"_id": 1, "t": {"$date": "2020-01-01T00:10:00Z"}, "m": 1}, {"_id": 2, "t": {"$date": "2020-01-01T05:10:00Z"}, "m": 1}]})");
  EXPECT_EQ(find("t", "system.buckets.w").size(), 2U);
  EXPECT_EQ(code("t", R"({"collMod": "w", "timeseries": {"granularity": "days"}})"), 2);
  EXPECT_EQ(code("t", R"({"collMod": "w", "timeseries": {"bucketMaxSpanSeconds": 4000, "bucketRoundingSeconds": 4000}})"), 40415);
  ASSERT_EQ(code("t", R"({"collMod": "w", "timeseries": {"granularity": "minutes"}, "expireAfterSeconds": 100})"), 0);
  EXPECT_EQ(listed("w"), R"({"name":"w","type":"timeseries","options":{"expireAfterSeconds":100,"timeseries":{"timeField":"t","metaField":"m","granularity":"minutes","bucketMaxSpanSeconds":86400}},"info":{"readOnly":false}})");
  EXPECT_NE(listed("system.buckets.w").find(R"("expireAfterSeconds":100,"timeseries":{"timeField":"t","metaField":"m","granularity":"minutes","bucketMaxSpanSeconds":86400})"), std::string::npos);
  EXPECT_EQ(text(last_entry()["o"]), R"({"collMod":"system.buckets.w","timeseries":{"granularity":"minutes"},"expireAfterSeconds":100})");
  EXPECT_EQ(text(last_entry().view().at_path("o2.collectionOptions_old.timeseries")), R"({"timeField":"t","metaField":"m","granularity":"seconds","bucketMaxSpanSeconds":3600})");
  EXPECT_EQ(text(find("t", "system.views").at(0).view().at_path("pipeline.0")), R"({"$_internalUnpackBucket":{"timeField":"t","metaField":"m","bucketMaxSpanSeconds":86400}})");
  const auto back = run("t", R"({"collMod": "w", "timeseries": {"granularity": "seconds"}})");
  EXPECT_EQ(code_of(back), 72);
  EXPECT_EQ(back["errmsg"].to_string_view(), "Invalid transition for timeseries.granularity. Can only transition from 'seconds' to 'minutes' or 'minutes' to 'hours'.");
  // Later measurements go by the new span, and all are found.
  run("t", R"({"insert": "w", "documents": [{"_id": 3, "t": {"$date": "2020-01-01T20:00:00Z"}, "m": 1}]})");
  EXPECT_EQ(find("t", "system.buckets.w").size(), 2U);
  EXPECT_EQ(find("t", "w", R"({"t": {"$gte": {"$date": "2020-01-01T00:00:00Z"}}})").size(), 3U);
  ASSERT_EQ(code("t", R"({"collMod": "w", "expireAfterSeconds": "off"})"), 0);
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "w").size(), 3U);
  ASSERT_EQ(code("t", R"({"collMod": "w", "expireAfterSeconds": 100})"), 0);
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "w").size(), 0U);
}

TEST_F(SpecialCollectionsTest, SomeSeriesExpireByAnIndex) {
  const auto made = [&](const char* index) { return run("t", std::string(R"({"createIndexes": "w", "indexes": [)") + index + "]}"); };
  const char* expiring = R"({"key": {"t": 1}, "name": "e", "expireAfterSeconds": 3600, "partialFilterExpression": {"m.kind": {"$eq": "short"}}})";
  start(kTest60);
  ASSERT_EQ(code("t", kWeather), 0);
  EXPECT_EQ(made(expiring)["errmsg"].to_string_view(), "TTL indexes are not supported on time-series collections");
  start(kTest80);
  ASSERT_EQ(code("t", kWeather), 0);
  for (const char* without : {R"({"key": {"t": 1}, "name": "e", "expireAfterSeconds": 5})", R"({"key": {"t": 1}, "name": "e", "expireAfterSeconds": 5, "partialFilterExpression": {"x": 1}})"}) {
    const auto reply = made(without);
    EXPECT_EQ(code_of(reply), 72);
    EXPECT_EQ(reply["errmsg"].to_string_view(), "TTL indexes on time-series collections require a partialFilterExpression on the metaField");
  }
  EXPECT_EQ(made(R"({"key": {"m": 1}, "name": "e", "expireAfterSeconds": 5, "partialFilterExpression": {"m": 1}})")["errmsg"].to_string_view(),
            "TTL indexes on non-time fields are not supported on time-series collections");
  EXPECT_EQ(code_of(made(R"({"key": {"t": 1, "m": 1}, "name": "e", "expireAfterSeconds": 5, "partialFilterExpression": {"m": 1}})")), 67);
  ASSERT_EQ(code_of(made(expiring)), 0);
  EXPECT_NE(indexes("w").back().find(R"("key":{"t":1},"name":"e","expireAfterSeconds":3600,"partialFilterExpression":{"m.kind":{"$eq":"short"}})"), std::string::npos) << indexes("w").back();
  EXPECT_NE(indexes("system.buckets.w").back().find(R"("key":{"control.min.t":1},"name":"e","expireAfterSeconds":3600,"partialFilterExpression":{"meta.kind":{"$eq":"short"}})"), std::string::npos);
  run("t", R"({"insert": "w", "documents": [{"_id": 1, "t": {"$date": "2020-01-01T00:00:00Z"}, "m": {"kind": "short"}}, {"_id": 2, "t": {"$date": "2020-01-01T00:00:00Z"}, "m": {"kind": "long"}},
       {"_id": 3, "t": {"$date": "2200-01-01T00:00:00Z"}, "m": {"kind": "short"}}]})");
  // A bucket of a day (granularity: minutes) may still get what is younger than it is: it lives for a day more.
  const auto ago = [&](std::int64_t id, std::int64_t seconds) {
    bson::Builder insert;
    insert.append("insert", "w");
    insert.open_array("documents").open_document().append("_id", id).append("t", bson::DateTime{std::chrono::duration_cast<std::chrono::milliseconds>(runtime_->wall_time().time_since_epoch()).count() - seconds * 1000}).append("m", bson::make_document({{"kind", "short"}, {"of", id}}));
    return std::move(insert).finish();
  };
  run("t", ago(4, 3600 + 43200));
  run("t", ago(5, 3600 + 86400 + 3700));
  ASSERT_TRUE(delete_expired(sandbox_->state().services, {}));
  EXPECT_EQ(find("t", "w", R"({"_id": {"$in": [1, 5]}})").size(), 0U);
  EXPECT_EQ(find("t", "w", R"({"_id": {"$in": [2, 3, 4]}})").size(), 3U);
  EXPECT_EQ(find("t", "w").size(), 3U);
}

TEST_F(SpecialCollectionsTest, WhatCannotBeModifiedOfATimeSeriesCollection) {
  start(kTest80);
  ASSERT_EQ(code("t", kWeather), 0);
  run("t", R"({"create": "plain"})");
  run("t", R"({"create": "view", "viewOn": "plain", "pipeline": []})");
  for (const auto& [option, reason] : {std::pair(R"("validator": {"a": 1})", "option not supported on a time-series collection: validator"),
                                       {R"("validationLevel": "off")", "option not supported on a time-series collection: validationLevel"},
                                       {R"("changeStreamPreAndPostImages": {"enabled": true})", "option not supported on a time-series collection: changeStreamPreAndPostImages"},
                                       {R"("index": {"name": "m_1_t_1", "expireAfterSeconds": 5})",
                                        "TTL indexes are not supported for time-series collections. Please refer to the documentation and use the top-level 'expireAfterSeconds' option instead"},
                                       {R"("timeseries": {"bucketMaxSpanSeconds": 100000})", "Timeseries 'bucketMaxSpanSeconds' and 'bucketRoundingSeconds' need to be set alongside each other"},
                                       {R"("timeseries": {"bucketMaxSpanSeconds": 100000, "bucketRoundingSeconds": 90000})", "Timeseries 'bucketRoundingSeconds' needs to be equal to 'bucketMaxSpanSeconds'"},
                                       {R"("timeseries": {"bucketMaxSpanSeconds": 80000, "bucketRoundingSeconds": 80000})", "Timeseries 'bucketMaxSpanSeconds' needs to be equal or greater to transition"},
                                       {R"("timeseries": {"granularity": "hours", "bucketMaxSpanSeconds": 5})",
                                        "Timeseries 'bucketMaxSpanSeconds' is not configurable to a value other than the default for the provided granularity"},
                                       {R"("timeseries": {"granularity": "hours", "bucketRoundingSeconds": 5})", "Timeseries 'bucketRoundingSeconds' is not configurable alongside the granularity parameter"}}) {
    const auto reply = run("t", R"({"collMod": "w", )" + std::string(option) + "}");
    EXPECT_EQ(code_of(reply), 72) << option;
    EXPECT_EQ(reply["errmsg"].to_string_view(), reason);
  }
  EXPECT_EQ(code("t", R"({"collMod": "w", "viewOn": "plain", "pipeline": []})"), 72);
  EXPECT_EQ(run("t", R"({"collMod": "plain", "timeseries": {"granularity": "hours"}})")["errmsg"].to_string_view(), "option only supported on a time-series collection: timeseries");
  EXPECT_EQ(run("t", R"({"collMod": "view", "expireAfterSeconds": 5})")["errmsg"].to_string_view(), "option not supported on a view: expireAfterSeconds");
  EXPECT_EQ(code("t", R"({"collMod": "system.buckets.w", "timeseries": {"granularity": "hours"}})"), 73);
  EXPECT_EQ(code("t", R"({"collMod": "w", "timeseries": {"granularity": "hours", "other": 1}})"), 40415);
  EXPECT_EQ(code("t", R"({"collMod": "w", "timeseries": {"bucketMaxSpanSeconds": 31536001, "bucketRoundingSeconds": 31536001}})"), 51024);
  EXPECT_EQ(code("t", R"({"collMod": "w", "index": {"keyPattern": {"nothing": 1}, "hidden": true}})"), 27);
  ASSERT_EQ(code("t", R"({"collMod": "w", "index": {"keyPattern": {"m": 1, "t": 1}, "hidden": true}})"), 0);
  EXPECT_NE(indexes("w").at(0).find(R"("hidden":true)"), std::string::npos);
  ASSERT_EQ(code("t", R"({"collMod": "w", "timeseries": {"bucketMaxSpanSeconds": 100000, "bucketRoundingSeconds": 100000}})"), 0);
  EXPECT_NE(listed("w").find(R"("timeseries":{"timeField":"t","metaField":"m","bucketRoundingSeconds":100000,"bucketMaxSpanSeconds":100000})"), std::string::npos) << listed("w");
  ASSERT_EQ(code("t", R"({"collMod": "w", "timeseries": {"granularity": "hours"}})"), 72);  // its rounding is less
  ASSERT_EQ(code("t", R"({"collMod": "w", "timeseries": {}})"), 0);
}

TEST_F(SpecialCollectionsTest, WithoutItsBucketsATimeSeriesCollectionIsAViewOfNothing) {
  start(kTest50);
  for (const char* away : {R"({"drop": "system.buckets.w"})", R"({"renameCollection": "t.system.buckets.w", "to": "t.elsewhere"})"}) {
    ASSERT_EQ(code("t", kWeather), 0);
    run("t", kMeasurements);
    if (code(std::string(away).find("rename") == std::string::npos ? "t" : "admin", std::string(away)) != 0) {
      ASSERT_EQ(code("t", R"({"drop": "w"})"), 0);
      continue;
    }
    EXPECT_EQ(find("t", "w").size(), 0U);
    EXPECT_EQ(run("t", kMeasurements).view().at_path("writeErrors.0.code").to_int64(), 166);
    EXPECT_NE(code("t", R"({"collMod": "w", "timeseries": {"granularity": "hours"}})"), 0);
    EXPECT_NE(code("t", R"({"collStats": "w"})"), 0);
    EXPECT_EQ(code("t", R"({"drop": "w"})"), 0);
  }
}

TEST_F(SpecialCollectionsTest, StatisticsOfATimeSeriesCollectionAreThoseOfItsBuckets) {
  for (const auto version : {kTest50, kTest80}) {
    start(version);
    ASSERT_EQ(code("t", R"({"create": "w", "timeseries": {"timeField": "t", "metaField": "m"}})"), 0);
    const auto number = [&](const std::string& name) { return run("t", R"({"collStats": "w"})").view().at_path("timeseries." + name).to_int64().value_or(-1); };
    EXPECT_EQ(number("bucketCount"), 0);
    EXPECT_EQ(number("avgBucketSize"), -1);
    run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T00:10:00Z"}, "m": 1}, {"t": {"$date": "2026-01-01T00:11:00Z"}, "m": 1}, {"t": {"$date": "2026-01-01T00:11:00Z"}, "m": 2}]})");
    run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T00:12:00Z"}, "m": 1}]})");
    run("t", R"({"insert": "w", "documents": [{"t": {"$date": "2026-01-01T05:00:00Z"}, "m": 1}, {"t": {"$date": "2025-01-01T05:00:00Z"}, "m": 2}]})");
    std::string many = R"({"insert": "w", "documents": [)";
    for (int i = 0; i < 1100; ++i) many += std::string(i == 0 ? "" : ", ") + R"({"t": {"$date": "2026-01-01T00:10:00Z"}, "m": 3})";
    run("t", many + "]}");
    const auto stats = run("t", R"({"collStats": "w"})");
    EXPECT_EQ(stats["ns"].to_string_view(), "t.w");
    EXPECT_FALSE(stats["count"].exists());
    EXPECT_FALSE(stats["avgObjSize"].exists());
    EXPECT_EQ(stats.view().at_path("timeseries.bucketsNs").to_string_view(), "t.system.buckets.w");
    for (const auto& [name, count] : {std::pair("bucketCount", 6), {"numBucketInserts", 6}, {"numBucketUpdates", 1}, {"numBucketsOpenedDueToMetadata", 3},
                                      {"numBucketsClosedDueToCount", 1}, {"numBucketsClosedDueToSize", 0}, {"numBucketsClosedDueToTimeForward", 1},
                                      {version == kTest80 ? "numBucketsArchivedDueToTimeBackward" : "numBucketsClosedDueToTimeBackward", 1}, {"numCommits", 7}, {"numMeasurementsCommitted", 1106},
                                      {"avgNumMeasurementsPerCommit", 158}}) {
      EXPECT_EQ(number(name), count) << name;
    }
    EXPECT_GT(number("avgBucketSize"), 100);
    const auto stage = batch(run("t", R"({"aggregate": "w", "pipeline": [{"$collStats": {"storageStats": {}, "count": {}, "latencyStats": {}}}], "cursor": {}})"));
    ASSERT_EQ(stage.size(), 1u);
    EXPECT_EQ(stage[0].view().at_path("storageStats.timeseries.bucketCount").to_int64(), 6);
    EXPECT_EQ(stage[0]["count"].to_int64(), 6);
    run("t", R"({"create": "view", "viewOn": "w", "pipeline": [{"$match": {"m": 1}}]})");
    EXPECT_EQ(code("t", R"({"collStats": "view"})"), 166);
    EXPECT_EQ(code("t", R"({"aggregate": "view", "pipeline": [{"$collStats": {"storageStats": {}}}], "cursor": {}})"), 166);
    EXPECT_EQ(code("t", R"({"aggregate": "view", "pipeline": [{"$collStats": {"count": {}}}], "cursor": {}})"), 166);
    EXPECT_EQ(batch(run("t", R"({"aggregate": "view", "pipeline": [{"$collStats": {"latencyStats": {}}}], "cursor": {}})")).size(), 1u);
  }
}

TEST_F(SpecialCollectionsTest, CappedCollectionsTakeOtherLimits) {
  start(kTest50);
  run("t", R"({"create": "c", "capped": true, "size": 100000})");
  EXPECT_EQ(code("t", R"({"collMod": "c", "cappedMax": 2})"), 40415);
  start(kTest60);
  run("t", R"({"create": "c", "capped": true, "size": 100000})");
  run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}, {"_id": 3}]})");
  EXPECT_EQ(code("t", R"({"collMod": "c", "cappedSize": 5000, "cappedMax": 2})"), 0);
  EXPECT_NE(listed("c").find(R"("size":5120,"max":2)"), std::string::npos) << listed("c");
  run("t", R"({"insert": "c", "documents": [{"_id": 4}]})");
  EXPECT_EQ(ids(R"({"find": "c"})"), R"({"":3} {"":4} )");
  run("t", R"({"create": "plain"})");
  EXPECT_EQ(code("t", R"({"collMod": "plain", "cappedSize": 5000})"), 72);
}

TEST_F(SpecialCollectionsTest, CappedSizesAreKeptAsTheVersionKeepsThem) {
  for (const auto version : {kTest44, kTest60, kTest80}) {
    start(version);
    const bool rounds = version != kTest80;
    run("t", R"({"create": "small", "capped": true, "size": {"$numberLong": "1000"}, "max": {"$numberLong": "100"}})");
    EXPECT_NE(listed("small").find(rounds ? R"("size":1024,"max":100)" : R"("size":1000,"max":100)"), std::string::npos) << listed("small");
    run("t", R"({"create": "any", "capped": true, "size": 5000, "max": 0})");
    EXPECT_NE(listed("any").find(rounds ? R"("size":5120,"max":2147483647)" : R"("size":5000,"max":2147483647)"), std::string::npos) << listed("any");
    run("t", R"({"insert": "plain", "documents": [{"_id": 1}]})");
    run("t", R"({"convertToCapped": "plain", "size": 1000})");
    EXPECT_NE(listed("plain").find(rounds ? R"("size":1024)" : R"("size":1000)"), std::string::npos) << listed("plain");
  }
}

TEST_F(SpecialCollectionsTest, MetadataIsComparedWithTheVersionedApi) {
  start(kTest44);
  EXPECT_EQ(code("admin", R"({"validateDBMetadata": 1, "apiParameters": {"version": "1"}})"), 59);
  start(kTest50);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a", "sparse": true}]})");
  const auto strict = run("t", R"({"validateDBMetadata": 1, "apiParameters": {"version": "1", "strict": true}})");
  EXPECT_EQ(strict.view().at_path("apiVersionErrors.0.codeName").to_string_view(), "APIStrictError");
  const auto lenient = run("t", R"({"validateDBMetadata": 1, "apiParameters": {"version": "1"}})");
  EXPECT_TRUE(lenient["apiVersionErrors"].document_value().empty());
  EXPECT_EQ(code("t", R"({"validateDBMetadata": 1, "apiParameters": {"version": "2"}})"), 322);
}

TEST(TimeseriesBucket, ExtremesAreFieldByField) {
  const auto a = *bson::from_ejson(R"({"v": {"x": 1, "y": [5, 2]}})"), b = *bson::from_ejson(R"({"v": {"x": 0, "z": "s", "y": [1, 9]}})");
  const auto least = merged_extreme(a["v"], b["v"], false);
  EXPECT_EQ(bson::to_relaxed_ejson(least.element().document_value()), bson::to_relaxed_ejson(*bson::from_ejson(R"({"x": 0, "y": [1, 2], "z": "s"})")));
}

}  // namespace
}  // namespace drover::sandbox
