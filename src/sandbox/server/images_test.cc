// Images of documents by version: change streams' pre- and post-images, findAndModify's for its retry.
#include "sandbox/commands/expired_images.h"
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

using ImagesTest = SandboxClientTest;

constexpr const char* kCreateWithImages = R"({"create": "c", "changeStreamPreAndPostImages": {"enabled": true}})";

TEST_F(ImagesTest, OptionOfEachVersion) {
  start(kTest50);
  EXPECT_EQ(code("t", kCreateWithImages), 40415);
  EXPECT_EQ(code("t", R"({"create": "d", "recordPreImages": true})"), 0);
  start(kTest60);
  EXPECT_EQ(code("t", R"({"create": "d", "recordPreImages": true})"), 40415);
  EXPECT_EQ(code("t", R"({"create": "d", "changeStreamPreAndPostImages": {}})"), 40414);
  EXPECT_EQ(code("t", R"({"create": "d", "changeStreamPreAndPostImages": {"enabled": true, "x": 1}})"), 40415);
  EXPECT_EQ(code("t", R"({"create": "d", "viewOn": "c", "changeStreamPreAndPostImages": {"enabled": true}})"), 72);
  EXPECT_EQ(code("config", kCreateWithImages), 72);
  EXPECT_EQ(code("t", kCreateWithImages), 0);
  const auto listed = [&] { return text(batch(run("t", R"({"listCollections": 1, "filter": {"name": "c"}})")).at(0)["options"]); };
  EXPECT_EQ(listed(), R"({"changeStreamPreAndPostImages":{"enabled":true}})");
  EXPECT_EQ(code("t", R"({"collMod": "c", "changeStreamPreAndPostImages": {"enabled": false}})"), 0);
  EXPECT_EQ(listed(), "{}");
}

TEST_F(ImagesTest, ImagesBeforeAndAfterEachChange) {
  for (const auto version : {kTest60, kTest80}) {
    start(version);
    ASSERT_EQ(code("t", kCreateWithImages), 0);
    const auto cursor = watch("t", "c", R"({"fullDocument": "required", "fullDocumentBeforeChange": "required"})");
    run("t", R"({"insert": "c", "documents": [{"_id": 1, "x": 1}]})");
    run("t", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 2}}}]})");
    run("t", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"x": 3}}]})");
    run("t", R"({"findAndModify": "c", "query": {"_id": 1}, "remove": true})");
    const auto events = batch(more("t", "c", cursor));
    ASSERT_EQ(events.size(), 4U);
    EXPECT_FALSE(events[0]["fullDocumentBeforeChange"].exists());
    EXPECT_EQ(text(events[1]["fullDocument"]), R"({"_id":1,"x":2})");
    EXPECT_EQ(text(events[1]["fullDocumentBeforeChange"]), R"({"_id":1,"x":1})");
    EXPECT_EQ(text(events[2]["fullDocumentBeforeChange"]), R"({"_id":1,"x":2})");
    EXPECT_EQ(text(events[3]["fullDocumentBeforeChange"]), R"({"_id":1,"x":3})");
    const auto kept = find("config", "system.preimages");
    ASSERT_EQ(kept.size(), 3U);
    EXPECT_EQ(text(kept[0]["preImage"]), R"({"_id":1,"x":1})");
    EXPECT_EQ(kept[0].view().at_path("_id.applyOpsIndex").to_int64(), 0);
  }
}

TEST_F(ImagesTest, ImagesOfATransactionAreFoundByTheirPlace) {
  start(kTest70);
  ASSERT_EQ(code("t", kCreateWithImages), 0);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "x": 1}, {"_id": 2, "x": 1}]})");
  const auto cursor = watch("t", "c", R"({"fullDocumentBeforeChange": "required"})");
  const std::string session = R"("lsid": {"id": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}, "txnNumber": {"$numberLong": "1"}, "autocommit": false)";
  EXPECT_EQ(code("t", R"({"insert": "c", "documents": [{"_id": 3}], "startTransaction": true, )" + session + "}"), 0);
  EXPECT_EQ(code("t", R"({"update": "c", "updates": [{"q": {}, "u": {"$inc": {"x": 1}}, "multi": true}], )" + session + "}"), 0);
  EXPECT_EQ(code("t", R"({"delete": "c", "deletes": [{"q": {"_id": 2}, "limit": 1}], )" + session + "}"), 0);
  EXPECT_EQ(code("admin", R"({"commitTransaction": 1, )" + session + "}"), 0);
  const auto events = batch(more("t", "c", cursor));
  ASSERT_EQ(events.size(), 5U);
  EXPECT_EQ(text(events[1]["fullDocumentBeforeChange"]), R"({"_id":1,"x":1})");
  EXPECT_EQ(text(events[2]["fullDocumentBeforeChange"]), R"({"_id":2,"x":1})");
  EXPECT_EQ(text(events[3]["fullDocumentBeforeChange"]), R"({"_id":3})");
  EXPECT_EQ(text(events[4]["fullDocumentBeforeChange"]), R"({"_id":2,"x":2})");
}

TEST_F(ImagesTest, WhatIsNotRecordedIsNullOrAnError) {
  start(kTest60);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
  const auto lenient = watch("t", "c", R"({"fullDocumentBeforeChange": "whenAvailable", "fullDocument": "whenAvailable"})");
  const auto before = watch("t", "c", R"({"fullDocumentBeforeChange": "required"})");
  const auto after = watch("t", "c", R"({"fullDocument": "required"})");
  run("t", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"x": 2}}}]})");
  const auto events = batch(more("t", "c", lenient));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_TRUE(events[0]["fullDocument"].is_null());
  EXPECT_TRUE(events[0]["fullDocumentBeforeChange"].is_null());
  EXPECT_EQ(code_of(more("t", "c", before)), 47);
  EXPECT_EQ(code_of(more("t", "c", after)), 47);
}

TEST_F(ImagesTest, ImagesAreLostWithTheirRecord) {
  start(kTest60);
  ASSERT_EQ(code("t", kCreateWithImages), 0);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
  const auto cursor = watch("t", "c", R"({"fullDocumentBeforeChange": "required"})");
  run("t", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0}]})");
  EXPECT_EQ(code("config", R"({"delete": "system.preimages", "deletes": [{"q": {}, "limit": 0}]})"), 0);
  EXPECT_EQ(code_of(more("t", "c", cursor)), 47);
}

TEST_F(ImagesTest, LifetimeIsAClusterParameter) {
  start(kTest50);
  EXPECT_EQ(code("admin", R"({"getClusterParameter": "changeStreamOptions"})"), 59);
  start(kTest60);
  const auto lifetime = [&] {
    const auto reply = run("admin", R"({"getClusterParameter": "changeStreamOptions"})");
    return text(reply.view().at_path("clusterParameters.0.preAndPostImages"));
  };
  EXPECT_EQ(lifetime(), R"({"expireAfterSeconds":"off"})");
  EXPECT_EQ(code("admin", R"({"setClusterParameter": {"changeStreamOptions": {"preAndPostImages": {"expireAfterSeconds": 0}}}})"), 2);
  EXPECT_EQ(code("admin", R"({"setClusterParameter": {"nothing": {"a": 1}}})"), 4);
  EXPECT_EQ(code("admin", R"({"setClusterParameter": {"changeStreamOptions": {"preAndPostImages": {"expireAfterSeconds": 100}}}})"), 0);
  EXPECT_EQ(lifetime(), R"({"expireAfterSeconds":100})");
  // As good as for ever, and not at once.
  ASSERT_EQ(code("t", R"({"create": "kept", "changeStreamPreAndPostImages": {"enabled": true}})"), 0);
  ASSERT_EQ(code("admin", R"({"setClusterParameter": {"changeStreamOptions": {"preAndPostImages": {"expireAfterSeconds": {"$numberLong": "9223372036854775807"}}}}})"), 0);
  ASSERT_EQ(code("t", R"({"insert": "kept", "documents": [{"_id": 1}]})"), 0);
  ASSERT_EQ(code("t", R"({"delete": "kept", "deletes": [{"q": {}, "limit": 0}]})"), 0);
  ASSERT_TRUE(delete_expired_images(sandbox_->state().services, {}));
  EXPECT_EQ(find("config", "system.preimages").size(), 1U);
}

TEST_F(ImagesTest, RetriedFindAndModifyAnswersFromWhereItsVersionKeepsImages) {
  const std::string command = R"({"findAndModify": "c", "query": {"_id": 1}, "update": {"$inc": {"x": 1}},
                                  "lsid": {"id": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}, "txnNumber": {"$numberLong": "1"}})";
  for (const auto version : {kTest44, kTest60}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1, "x": 1}]})");
    const auto first = run("t", command);
    EXPECT_EQ(text(first["value"]), R"({"_id":1,"x":1})");
    const auto entry = last_entry();
    EXPECT_EQ(entry["preImageOpTime"].exists(), version < kTest50);
    EXPECT_EQ(entry["needsRetryImage"].to_string_view() == "preImage", version >= kTest50);
    EXPECT_EQ(text(run("t", command)["value"]), R"({"_id":1,"x":1})");
    EXPECT_EQ(text(find("t", "c").at(0)), R"({"_id":1,"x":2})");
    if (version < kTest50) continue;
    EXPECT_EQ(text(find("config", "image_collection").at(0)["image"]), R"({"_id":1,"x":1})");
    EXPECT_EQ(code("config", R"({"delete": "image_collection", "deletes": [{"q": {}, "limit": 0}]})"), 0);
    EXPECT_EQ(code_of(run("t", command)), 217);
  }
}

TEST_F(ImagesTest, EntriesOfTheNewerForm) {
  start(kTest60);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "x": 1}], "lsid": {"id": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}, "txnNumber": {"$numberLong": "1"}})");
  std::string names;
  for (const auto& field : last_entry()) names += std::string(field.key()) + " ";
  EXPECT_EQ(names, "lsid txnNumber op ns ui o o2 stmtId ts t v wall prevOpTime ");
  EXPECT_EQ(text(last_entry()["o2"]), R"({"_id":1})");
}

}  // namespace
}  // namespace drover::sandbox
