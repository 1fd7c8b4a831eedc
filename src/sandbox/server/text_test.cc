// $text in commands: what index it wants, and {$meta: "textScore"} in find and pipelines.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class Text : public SandboxClientTest {
 protected:
  void SetUp() override { start_filled(kTest44); }
  void start_filled(ServerVersion version) {
    start(version);
    ASSERT_EQ(code("d", R"({"insert": "c", "documents": [
        {"_id": 1, "name": "Java Hut", "about": "Coffee and cakes", "k": 1}, {"_id": 2, "name": "Burger Buns", "about": "Gourmet hamburgers", "k": 1},
        {"_id": 3, "name": "Coffee Shop", "about": "Just coffee", "k": 2}, {"_id": 4, "name": "Clothes", "about": "Discount clothing", "k": 2}]})"),
              0);
  }
  void index(const std::string& key) { ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": )" + key + R"(, "name": "t"}]})"), 0); }
  std::string refusal(const std::string& command) {
    const auto reply = run("d", command);
    return std::to_string(code_of(reply)) + " " + std::string(reply["errmsg"].to_string_view().value_or(""));
  }
  std::string shown(const std::string& command) {
    const auto reply = run("d", command);
    EXPECT_TRUE(reply["ok"].is_truthy()) << text(reply);
    std::string out;
    for (const auto& document : batch(reply)) out += text(document);
    return out;
  }
  static constexpr const char* kKey = R"({"name": "text", "about": "text"})";
  static constexpr const char* kMatch = R"({"$match": {"$text": {"$search": "java coffee"}}})";
  std::string pipeline(const std::string& stages) { return std::string(R"({"aggregate": "c", "cursor": {}, "pipeline": [)") + kMatch + stages + "]}"; }
};

TEST_F(Text, IsAnsweredByTheDefinitionOfAnIndex) {
  const std::string search = R"({"find": "c", "filter": {"$text": {"$search": "coffee"}}, "projection": {"_id": 1}})";
  EXPECT_EQ(refusal(search), "27 text index required for $text query");
  index(kKey);
  EXPECT_EQ(shown(search), R"({"_id":1}{"_id":3})");
  EXPECT_EQ(shown(R"({"find": "c", "filter": {"k": 2, "$text": {"$search": "coffee"}}, "projection": {"_id": 1}})"), R"({"_id":3})");
  EXPECT_EQ(run("d", R"({"count": "c", "query": {"$text": {"$search": "cake clothes"}}})")["n"].to_int64(), 2);
  EXPECT_EQ(run("d", R"({"update": "c", "updates": [{"q": {"$text": {"$search": "cakes"}}, "u": {"$set": {"about": "closed"}}}]})")["nModified"].to_int64(), 1);
  EXPECT_EQ(run("d", R"({"count": "c", "query": {"$text": {"$search": "cakes"}}})")["n"].to_int64(), 0);
  EXPECT_EQ(refusal(R"({"find": "c", "filter": {"$text": {"$search": "x", "$language": "romanian"}}})").substr(0, 4), "238 ");
  EXPECT_EQ(refusal(R"({"find": "c", "filter": {"$text": {"$search": "x", "$language": "klingon"}}})"), "2 unsupported language: \"klingon\" for text index version 3");
}

TEST_F(Text, FieldsBeforeTheTextWantEqualities) {
  index(R"({"k": 1, "name": "text", "about": "text"})");
  EXPECT_EQ(shown(R"({"find": "c", "filter": {"k": 1, "$text": {"$search": "coffee"}}, "projection": {"_id": 1}})"), R"({"_id":1})");
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"k": {"$gt": 1}, "$text": {"$search": "coffee"}}})"), 291);
}

TEST_F(Text, FindSortsAndShowsTheScore) {
  index(kKey);
  EXPECT_EQ(shown(R"({"find": "c", "filter": {"$text": {"$search": "java coffee"}}, "projection": {"name": 1, "s": {"$meta": "textScore"}},
                      "sort": {"s": {"$meta": "textScore"}, "_id": 1}})"),
            R"({"_id":1,"name":"JavaHut","s":1.5}{"_id":3,"name":"CoffeeShop","s":1.5})");
  EXPECT_EQ(shown(R"({"find": "c", "filter": {"$text": {"$search": "shop coffee"}}, "projection": {"_id": 1}, "sort": {"s": {"$meta": "textScore"}}})"),
            R"({"_id":3}{"_id":1})");
  EXPECT_EQ(refusal(R"({"find": "c", "projection": {"s": {"$meta": "textScore"}}})"), "40218 query requires text score metadata, but it is not available");
  EXPECT_EQ(refusal(R"({"find": "c", "sort": {"s": {"$meta": "textScore"}}})"), "40218 query requires text score metadata, but it is not available");
}

TEST_F(Text, AnswersByPartialIndexesWhatTheyHold) {
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"about": "text"}, "name": "t", "partialFilterExpression": {"k": {"$gt": 1}}}]})"), 0);
  EXPECT_EQ(shown(R"({"find": "c", "filter": {"k": 2, "$text": {"$search": "coffee"}}, "projection": {"_id": 1}})"), R"({"_id":3})");
  EXPECT_EQ(code("d", R"({"find": "c", "filter": {"$text": {"$search": "coffee"}}})"), 291);
}

TEST_F(Text, FindAndModifySortsByTheScore) {
  index(kKey);
  const auto reply = run("d", R"({"findAndModify": "c", "query": {"$text": {"$search": "shop coffee"}}, "sort": {"s": {"$meta": "textScore"}}, "update": {"$set": {"k": 9}}})");
  EXPECT_EQ(reply["value"].to_document().value_or(bson::View())["_id"].to_int64(), 3) << text(reply);
}

TEST_F(Text, PipelinesCarryTheScoreAlong) {
  index(kKey);
  EXPECT_EQ(shown(pipeline(R"(, {"$sort": {"s": {"$meta": "textScore"}, "_id": -1}}, {"$project": {"s": {"$meta": "textScore"}, "k": 1}}, {"$match": {"s": {"$gt": 1}}})")),
            R"({"_id":3,"k":2,"s":1.5}{"_id":1,"k":1,"s":1.5})");
  EXPECT_EQ(shown(pipeline(R"(, {"$group": {"_id": null, "sum": {"$sum": {"$meta": "textScore"}}}})")), R"({"_id":null,"sum":3.0})");
  EXPECT_EQ(shown(pipeline(R"(, {"$unset": ["name", "about"]}, {"$sort": {"_id": -1}}, {"$addFields": {"s": {"$meta": "textScore"}}})")),
            R"({"_id":3,"k":2,"s":1.5}{"_id":1,"k":1,"s":1.5})");
  EXPECT_EQ(shown(pipeline(R"(, {"$project": {"x": [1, 2]}}, {"$unwind": "$x"}, {"$sort": {"s": {"$meta": "textScore"}, "_id": 1, "x": -1}}, {"$limit": 1},
                              {"$replaceWith": {"s": {"$meta": "textScore"}, "x": "$x"}})")),
            R"({"s":1.5,"x":2})");
  EXPECT_EQ(shown(pipeline(R"(, {"$group": {"_id": null}}, {"$addFields": {"s": {"$meta": "textScore"}}})")), R"({"_id":null})");
  // Each of $facet's pipelines has it; behind them there are no such documents any more.
  for (const std::string before : {"", R"({"$unset": "name"}, )"}) {
    EXPECT_EQ(shown(pipeline(", " + before + R"({"$facet": {"f": [{"$sort": {"_id": 1}}, {"$project": {"_id": 1, "s": {"$meta": "textScore"}}}],
                                               "g": [{"$sort": {"s": {"$meta": "textScore"}, "_id": -1}}, {"$limit": 1}, {"$project": {"k": 1, "s": {"$meta": "textScore"}}}],
                                               "h": [{"$group": {"_id": null, "sum": {"$sum": {"$meta": "textScore"}}}}]}},
                               {"$addFields": {"s": {"$meta": "textScore"}}})")),
              R"({"f":[{"_id":1,"s":1.5},{"_id":3,"s":1.5}],"g":[{"_id":3,"k":2,"s":1.5}],"h":[{"_id":null,"sum":3.0}]})");
  }
  // What $unionWith adds has none, and comes last by it.
  ASSERT_EQ(code("d", R"({"insert": "more", "documents": [{"_id": 7, "k": 0}]})"), 0);
  EXPECT_EQ(shown(pipeline(R"(, {"$unionWith": "more"}, {"$sort": {"s": {"$meta": "textScore"}, "_id": 1}}, {"$project": {"k": 1, "s": {"$meta": "textScore"}}})")),
            R"({"_id":1,"k":1,"s":1.5}{"_id":3,"k":2,"s":1.5}{"_id":7,"k":0})");
  EXPECT_EQ(shown(pipeline(R"(, {"$unset": "name"}, {"$unionWith": {"coll": "more", "pipeline": [{"$set": {"k": 9}}]}}, {"$project": {"k": 1, "s": {"$meta": "textScore"}}}, {"$match": {"k": 9}})")),
            R"({"_id":7,"k":9})");
  EXPECT_EQ(code_of(run("d", pipeline(R"(, {"$unionWith": {"coll": "c", "pipeline": [{"$match": {"$text": {"$search": "java"}}}]}}, {"$project": {"s": {"$meta": "textScore"}}})"))), 238);
  EXPECT_EQ(code_of(run("d", pipeline(R"(, {"$unionWith": {"coll": "c", "pipeline": [{"$project": {"s": {"$meta": "textScore"}}}]}})"))), 238);
  EXPECT_EQ(code_of(run("d", pipeline(R"(, {"$lookup": {"from": "c", "as": "x", "pipeline": [{"$project": {"s": {"$meta": "textScore"}}}]}})"))), 238);
  EXPECT_EQ(refusal(R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$limit": 1}, {"$match": {"$text": {"$search": "x"}}}]})").substr(0, 6), "17313 ");
  // A view reads as its collection does.
  ASSERT_EQ(code("d", R"({"create": "v", "viewOn": "c", "pipeline": []})"), 0);
  EXPECT_EQ(shown(R"({"find": "v", "filter": {"$text": {"$search": "cakes"}}, "projection": {"s": {"$meta": "textScore"}, "k": 1}})"), R"({"_id":1,"k":1,"s":0.75})");
}

TEST_F(Text, WindowsCarryTheScoreAlong) {
  start_filled(kTest80);
  index(kKey);
  // Windows give their documents in another order, each with its own.
  EXPECT_EQ(shown(pipeline(R"(, {"$match": {"k": {"$gt": 0}}}, {"$setWindowFields": {"partitionBy": {"$gt": [{"$meta": "textScore"}, 9]}, "sortBy": {"_id": -1},
                                  "output": {"n": {"$sum": 1, "window": {"documents": ["unbounded", "current"]}}, "best": {"$max": {"$meta": "textScore"}}}}},
                              {"$project": {"n": 1, "best": 1, "s": {"$meta": "textScore"}}})")),
            R"({"_id":3,"n":1,"best":1.5,"s":1.5}{"_id":1,"n":2,"best":1.5,"s":1.5})");
  EXPECT_EQ(shown(pipeline(R"(, {"$unset": "name"}, {"$fill": {"sortBy": {"_id": -1}, "output": {"k": {"method": "locf"}, "z": {"value": {"$meta": "textScore"}}}}},
                              {"$project": {"z": 1, "s": {"$meta": "textScore"}}})")),
            R"({"_id":3,"z":1.5,"s":1.5}{"_id":1,"z":1.5,"s":1.5})");
  EXPECT_EQ(code_of(run("d", pipeline(R"(, {"$unset": "name"}, {"$setWindowFields": {"sortBy": {"_id": 1}, "output": {"x": {"$sum": {"$meta": "textScore"}}}}})"))), 238);
}

}  // namespace
}  // namespace drover::sandbox
