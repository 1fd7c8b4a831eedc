// {$meta: "recordId"}, "indexKey" and "sortKey": where a document comes from.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class MetaTest : public SandboxClientTest {
 protected:
  void begin(ServerVersion version) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": "a", "n": 3, "w": {"x": 1}, "l": [5, 2]}, {"_id": "b", "n": 1, "w": {"x": 2}, "l": []}, {"_id": "c", "n": 2}]})");
    run("t", R"({"createIndexes": "c", "indexes": [{"key": {"n": 1, "w.x": 1}, "name": "n"}, {"key": {"l": 1}, "name": "l"}]})");
    run("t", R"({"insert": "other", "documents": [{"_id": 9, "n": 1}, {"_id": 8, "n": 2}]})");
  }
  std::string shown(const bson::Document& reply) {
    if (!reply["ok"].is_truthy()) return std::to_string(reply["code"].to_int64().value_or(0)) + " " + std::string(reply["errmsg"].to_string_view().value_or(""));
    std::string out;
    for (const auto& document : batch(reply)) out += text(document);
    return out;
  }
  std::string found(const std::string& rest) { return shown(run("t", R"({"find": "c", )" + rest + "}")); }
  std::string aggregated(const std::string& stages) { return shown(run("t", R"({"aggregate": "c", "cursor": {}, "pipeline": [)" + stages + "]}")); }
};

TEST_F(MetaTest, OfFind) {
  for (const auto version : {kTest44, kTest80}) {
    begin(version);
    EXPECT_EQ(found(R"("filter": {"n": {"$gt": 1}}, "projection": {"_id": 1, "r": {"$meta": "recordId"}, "k": {"$meta": "indexKey"}})"),
              R"({"_id":"c","r":3,"k":{"n":2,"w.x":null}}{"_id":"a","r":1,"k":{"n":3,"w.x":1}})");
    EXPECT_EQ(found(R"("filter": {}, "projection": {"_id": 1, "k": {"$meta": "indexKey"}}, "limit": 1)"), R"({"_id":"a"})") << "no index was used";
    EXPECT_EQ(found(R"("filter": {}, "sort": {"n": -1, "_id": 1}, "projection": {"_id": 1, "s": {"$meta": "sortKey"}, "r": {"$meta": "recordId"}})"),
              R"({"_id":"a","s":[3,"a"],"r":1}{"_id":"c","s":[2,"c"],"r":3}{"_id":"b","s":[1,"b"],"r":2})");
    EXPECT_EQ(found(R"("filter": {}, "sort": {"n": 1}, "projection": {"_id": 0, "s": {"$meta": "sortKey"}, "n": 1})"), R"({"n":1,"s":[1]}{"n":2,"s":[2]}{"n":3,"s":[3]})") << "by an index";
    // Of an array the value that it is sorted by; null stands for what is not there.
    EXPECT_EQ(found(R"("filter": {}, "sort": {"l": 1, "n": 1}, "projection": {"_id": 1, "s": {"$meta": "sortKey"}})").substr(0, 22), R"({"_id":"b","s":[{"$und)");
    EXPECT_EQ(found(R"("filter": {"_id": {"$ne": "b"}}, "sort": {"l": -1, "n": 1}, "projection": {"_id": 1, "s": {"$meta": "sortKey"}})"), R"({"_id":"a","s":[5,3]}{"_id":"c","s":[null,2]})");
    // With each document its own, whichever branch it came by.
    EXPECT_EQ(found(R"("filter": {"$or": [{"n": 2}, {"_id": "a"}]}, "sort": {"w.x": -1}, "projection": {"_id": 1, "k": {"$meta": "indexKey"}})"),
              R"({"_id":"a","k":{"_id":"a"}}{"_id":"c","k":{"n":2,"w.x":null}})");
    EXPECT_EQ(found(R"("filter": {"l": 2}, "projection": {"k": {"$meta": "indexKey"}})").substr(0, 3), "115");
    EXPECT_EQ(found(R"("filter": {"$expr": {"$eq": [{"$meta": "recordId"}, 1]}})").substr(0, 3), "238");
    // Over getMores.
    EXPECT_EQ(run("t", R"({"create": "v", "viewOn": "c", "pipeline": []})")["ok"].to_double(), 1.0);
    EXPECT_EQ(shown(run("t", R"({"find": "v", "sort": {"n": -1}, "limit": 1, "projection": {"_id": 1, "s": {"$meta": "sortKey"}, "r": {"$meta": "recordId"}}})")), R"({"_id":"a","s":[3],"r":1})");
  }
}

TEST_F(MetaTest, OfAPipeline) {
  for (const auto version : {kTest44, kTest80}) {
    begin(version);
    EXPECT_EQ(aggregated(R"({"$match": {"n": {"$lt": 3}}}, {"$project": {"_id": 1, "r": {"$meta": "recordId"}, "k": {"$meta": "indexKey"}, "s": {"$meta": "sortKey"}}})"),
              R"({"_id":"b","r":2,"k":{"n":1,"w.x":2}}{"_id":"c","r":3,"k":{"n":2,"w.x":null}})");
    EXPECT_EQ(aggregated(R"({"$sort": {"n": 1}}, {"$limit": 2}, {"$project": {"x": {"$literal": 1}}}, {"$addFields": {"r": {"$meta": "recordId"}, "s": {"$meta": "sortKey"}}})"),
              R"({"_id":"b","x":1,"r":2,"s":[1]}{"_id":"c","x":1,"r":3,"s":[2]})");
    EXPECT_EQ(aggregated(R"({"$addFields": {"m": {"$subtract": [10, "$n"]}}}, {"$sort": {"m": 1}}, {"$unwind": "$w"}, {"$project": {"_id": 1, "r": {"$meta": "recordId"}, "s": {"$meta": "sortKey"}}})"),
              R"({"_id":"a","r":1,"s":[7]}{"_id":"b","r":2,"s":[9]})");
    // A $lookup's own sort is none of the outer documents'.
    EXPECT_EQ(aggregated(R"({"$sort": {"_id": -1}}, {"$lookup": {"from": "other", "as": "o", "pipeline": [{"$sort": {"n": -1}}]}}, {"$project": {"_id": 1, "s": {"$meta": "sortKey"}, "r": {"$meta": "recordId"}}})"),
              R"({"_id":"c","s":["c"],"r":3}{"_id":"b","s":["b"],"r":2}{"_id":"a","s":["a"],"r":1})");
    EXPECT_EQ(aggregated(R"({"$group": {"_id": null, "c": {"$sum": 1}}}, {"$project": {"c": 1, "r": {"$meta": "recordId"}}})"), R"({"_id":null,"c":3})");
    // Where it is not known it is refused.
    for (const auto* stages : {R"({"$sample": {"size": 2}}, {"$project": {"r": {"$meta": "recordId"}}})", R"({"$unionWith": "other"}, {"$project": {"r": {"$meta": "recordId"}}})",
                               R"({"$lookup": {"from": "other", "as": "o", "pipeline": [{"$project": {"r": {"$meta": "recordId"}}}]}})",
                               R"({"$facet": {"f": [{"$project": {"r": {"$meta": "recordId"}}}]}})"}) {
      EXPECT_EQ(aggregated(stages).substr(0, 3), "238") << stages;
    }
    EXPECT_EQ(aggregated(R"({"$project": {"r": {"$meta": "nothing"}}})").substr(0, 5), "17308");
  }
}

}  // namespace
}  // namespace drover::sandbox
