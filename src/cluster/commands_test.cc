#include "cluster/commands.h"

#include <gtest/gtest.h>

#include "bson/ejson.h"

namespace drover::cluster {
namespace {

bson::Document json(const char* text) { return bson::from_ejson(text).value(); }
std::string show(bson::View view) { return bson::to_relaxed_ejson(view); }
bson::Value value(const char* text) { return bson::Value(json(text)["v"]); }

const Uuid kUuid = *Uuid::parse("00112233-4455-6677-8899-aabbccddeeff");

TEST(Commands, ARangeIsReadThroughIndexBoundsByUuid) {
  const auto command = find_range({.ns = {"a", "b"},
                                   .uuid = kUuid,
                                   .min = value(R"({"v": 1})"),
                                   .max = value(R"({"v": "x"})"),
                                   .at = {ReadAt::Level::kMajority, {7, 1}},
                                   .ids_only = true,
                                   .batch_documents = 50});
  EXPECT_EQ(command["find"].to_uuid(), kUuid);
  EXPECT_EQ(show(command["hint"].document_value()), show(json(R"({"_id": 1})")));
  EXPECT_EQ(command.view().at_path("min._id").int32_value(), 1);
  EXPECT_EQ(command.view().at_path("max._id").string_value(), "x");
  EXPECT_EQ(command.view().at_path("readConcern.level").string_value(), "majority");
  EXPECT_EQ(command.view().at_path("readConcern.afterClusterTime").timestamp_value(), (ClusterTime{7, 1}));
  EXPECT_TRUE(command["noCursorTimeout"].bool_value());
  EXPECT_EQ(command["batchSize"].to_int64(), 50);
}

TEST(Commands, AnOpenRangeHasNoBounds) {
  const auto command = find_range({.ns = {"a", "b"}, .uuid = kUuid, .at = {ReadAt::Level::kSnapshot, {7, 1}}});
  EXPECT_FALSE(command["min"].exists());
  EXPECT_FALSE(command["max"].exists());
  EXPECT_FALSE(command["batchSize"].exists());
  EXPECT_EQ(command.view().at_path("readConcern.atClusterTime").timestamp_value(), (ClusterTime{7, 1}));
}

TEST(Commands, IdsAreMatchedByValue) {
  const std::vector plain = {value(R"({"v": 1})"), value(R"({"v": {"a": 1}})")};
  EXPECT_EQ(show(id_filter(plain)), show(json(R"({"_id": {"$in": [1, {"a": 1}]}})")));
  const std::vector odd = {value(R"({"v": 1})"), value(R"({"v": {"$regularExpression": {"pattern": "^a", "options": ""}}})")};
  const auto filter = id_filter(odd);
  ASSERT_TRUE(filter["$or"].is_array());
  EXPECT_EQ(filter.view().at_path("$or.1._id.$eq").type(), bson::Type::kRegex);
}

TEST(Commands, IdsAreSplitByBytesAndByNumber) {
  const std::vector<bson::Value> many(25'000, value(R"({"v": 1})"));
  EXPECT_EQ(ids_per_command(many), 10'000u);
  const std::string large(3 << 20, 'x');
  const std::vector<bson::Value> wide(3, bson::Value(bson::make_document({{"v", large}})["v"]));
  EXPECT_EQ(ids_per_command(wide), 1u);
}

TEST(Commands, WhatIsSavedIsKeptAsItIs) {
  const auto plain = save_command({kUuid, 3}, "x_checkpoint", json(R"({"_id": "c", "epoch": 2, "ts": {"$timestamp": {"t": 5, "i": 1}}})"),
                                  StateCondition::kEpochBelow);
  EXPECT_EQ(plain.view().at_path("updates.0.u.ts").timestamp_value(), (ClusterTime{5, 1}));
  EXPECT_EQ(plain.view().at_path("updates.0.q.epoch.$lt").to_int64(), 2);
  EXPECT_TRUE(plain.view().at_path("updates.0.upsert").bool_value());
  // The server would put its own time in its place.
  const auto zero = save_command({kUuid, 3}, "x_partitions", json(R"({"_id": "p", "epoch": 2, "r": {"$timestamp": {"t": 0, "i": 0}}})"),
                                 StateCondition::kEpochAtMost);
  EXPECT_EQ(zero.view().at_path("updates.0.u.0.$replaceWith.$literal.r").type(), bson::Type::kTimestamp);
  EXPECT_EQ(zero.view().at_path("updates.0.q.epoch.$lte").to_int64(), 2);
  const auto same = save_command({kUuid, 3}, "x_owner", json(R"({"_id": "owner", "epoch": 2})"), StateCondition::kSameEpoch);
  EXPECT_EQ(same.view().at_path("updates.0.q.epoch.$eq").to_int64(), 2);
  EXPECT_FALSE(same.view().at_path("updates.0.upsert").bool_value());
}

TEST(Commands, AnInsertSendsTheArrayAsItIs) {
  const auto documents = bson::make_array(std::vector{json(R"({"_id": 1})"), json(R"({"_id": 2})")});
  const auto command = insert_command({kUuid, 5}, "c", documents);
  EXPECT_EQ(command["insert"].string_value(), "c");
  EXPECT_TRUE(command["documents"].document_value().same_bytes(documents));
  EXPECT_FALSE(command["ordered"].bool_value());
  EXPECT_TRUE(command["bypassDocumentValidation"].bool_value());
  EXPECT_EQ(command["txnNumber"].type(), bson::Type::kInt64);
  EXPECT_EQ(command.view().at_path("writeConcern.w").string_value(), "majority");
}

TEST(Commands, ZeroTimestampsAreInsertedByLiteral) {
  const auto zero = json(R"({"_id": 1, "t": {"$timestamp": {"t": 0, "i": 0}}})");
  EXPECT_TRUE(has_zero_timestamp(zero));
  EXPECT_FALSE(has_zero_timestamp(json(R"({"_id": {"$timestamp": {"t": 0, "i": 0}}})")));
  EXPECT_FALSE(has_zero_timestamp(json(R"({"_id": 1, "a": {"t": {"$timestamp": {"t": 0, "i": 0}}}})")));
  const auto command = insert_command({kUuid, 5}, "c", bson::make_array(std::span(&zero, 1)));
  EXPECT_EQ(command["update"].string_value(), "c");
  EXPECT_TRUE(command.view().at_path("updates.0.upsert").bool_value());
  EXPECT_TRUE(command.view().at_path("updates.0.q.$nor").is_array());
  EXPECT_TRUE(command.view().at_path("updates.0.u.0.$replaceWith.$literal").document_value().same_bytes(zero));
}

TEST(Commands, AReplacementIsAnUpsertById) {
  const auto plain = json(R"({"_id": 1, "a": 2})");
  const auto dollar = json(R"({"_id": 2, "$a": 2})");
  const std::vector<bson::View> documents = {plain, dollar};
  const auto command = replace_command({kUuid, 6}, "c", documents);
  EXPECT_EQ(command.view().at_path("updates.0.q._id").int32_value(), 1);
  EXPECT_TRUE(command.view().at_path("updates.0.u").document_value().same_bytes(plain));
  EXPECT_TRUE(command.view().at_path("updates.1.u.0.$replaceWith.$literal").document_value().same_bytes(dollar));
}

TEST(Commands, StatementsOfATransactionCarryItsFields) {
  const std::vector ids = {value(R"({"v": 1})")};
  const auto first = remove_command({kUuid, 6}, "c", ids, WriteMode::kFirstOfTransaction);
  EXPECT_TRUE(first["startTransaction"].bool_value());
  EXPECT_FALSE(first["autocommit"].bool_value());
  EXPECT_FALSE(first["writeConcern"].exists());
  EXPECT_EQ(first.view().at_path("deletes.0.limit").to_int64(), 1);
  EXPECT_FALSE(remove_command({kUuid, 6}, "c", ids, WriteMode::kInTransaction)["startTransaction"].exists());
}

TEST(Commands, WriteErrorsAreRead) {
  const auto reply = parse_write_reply(json(R"({"n": 1, "writeErrors": [
      {"index": 3, "code": 11000, "errmsg": "E11000 duplicate key error collection: a.b index: x_1 dup key: { x: 1 }"}], "ok": 1})"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->n, 1);
  ASSERT_EQ(reply->errors.size(), 1u);
  EXPECT_EQ(reply->errors[0].index, 3);
  EXPECT_EQ(reply->errors[0].code, 11000);
  EXPECT_TRUE(check_errors(*reply, 4));
  EXPECT_FALSE(check_errors(*reply, 3));
}

TEST(Commands, ACursorHoldsDocumentsAndSaysWhetherThereIsMore) {
  const auto with = [](const std::string& cursor, std::string_view batch = "firstBatch") { return parse_cursor(json(("{\"cursor\": " + cursor + "}").c_str()), batch); };
  const auto fine = json(R"({"cursor": {"id": {"$numberLong": "5"}, "ns": "d.a.b", "firstBatch": [{"_id": 1}, {}]}})");
  const auto cursor = parse_cursor(fine, "firstBatch");
  ASSERT_TRUE(cursor);
  EXPECT_EQ(cursor->id, 5);
  EXPECT_EQ(cursor->collection, "a.b");
  EXPECT_EQ(cursor->batch.field_count(), 2u);
  EXPECT_TRUE(with(R"({"id": {"$numberLong": "0"}, "nextBatch": []})", "nextBatch"));
  for (const char* batch : {R"([{"_id": 1}, 2])", "[[]]", "{}", "null", "\"\""})
    EXPECT_FALSE(with(std::string(R"({"id": {"$numberLong": "0"}, "ns": "d.c", "firstBatch": )") + batch + "}")) << batch;
  for (const char* id : {"null", "\"0\"", "{\"$numberDouble\": \"0.5\"}", "{\"$numberDouble\": \"0\"}", "false", "{}"})
    EXPECT_FALSE(with(std::string(R"({"ns": "d.c", "firstBatch": [], "id": )") + id + "}")) << id;
  for (const char* other : {"{}", "[]", "1", R"({"ns": "d.c", "firstBatch": []})", R"({"id": {"$numberLong": "7"}, "firstBatch": []})",
                            R"({"id": {"$numberLong": "7"}, "ns": "d", "firstBatch": []})", R"({"id": {"$numberLong": "0"}, "ns": "d.c", "nextBatch": []})"})
    EXPECT_FALSE(with(other)) << other;
  EXPECT_FALSE(parse_cursor(json("{}"), "firstBatch"));
}

TEST(Commands, AnAnswerToWritesSaysWhatWasWritten) {
  EXPECT_TRUE(parse_write_reply(json(R"({"n": 0})")));
  for (const char* reply : {"{}", R"({"n": "1"})", R"({"n": -1})", R"({"n": {"$numberDouble": "1"}})", R"({"n": 1, "writeErrors": {}})",
                            R"({"n": 1, "writeErrors": null})", R"({"writeErrors": []})"})
    EXPECT_FALSE(parse_write_reply(json(reply))) << reply;
}

// Whoever writes takes the index for one of what it has sent.
TEST(Commands, WriteErrorsOfWhatWasNotSentAreRefused) {
  for (const char* error : {R"({"index": -1, "code": 1})", R"({"index": {"$numberLong": "4294967296"}, "code": 1})", R"({"index": "0", "code": 1})", R"({"code": 1})", R"("0")", "[0]"}) {
    const auto reply = parse_write_reply(json((std::string(R"({"n": 0, "writeErrors": [)") + error + "]}").c_str()));
    ASSERT_TRUE(reply) << error;
    ASSERT_EQ(reply->errors.size(), 1u) << error;
    EXPECT_FALSE(check_errors(*reply, 100)) << error;
  }
}

std::string holders(const char* index, const char* document) {
  const auto filter = holders_filter(json(index), json(document));
  return filter ? show(*filter) : "none";
}

TEST(UniqueHolders, EveryKeyOfTheDocumentIsLookedFor) {
  EXPECT_EQ(holders(R"({"key": {"a": 1}})", R"({"_id": 7, "a": 5})"),
            show(json(R"({"$and": [{"a": {"$eq": 5}}, {"_id": {"$ne": 7}}]})")));
  EXPECT_EQ(holders(R"({"key": {"a.b": 1}})", R"({"_id": 7, "a": [{"b": 1}, {"b": [2, 3]}, 4]})"),
            show(json(R"({"$and": [{"$or": [{"a.b": {"$eq": 1}}, {"a.b": {"$eq": 2}}, {"a.b": {"$eq": 3}},
                                            {"a.b": {"$eq": null}}]},
                                   {"_id": {"$ne": 7}}]})")));
  EXPECT_EQ(holders(R"({"key": {"a": 1, "b": 1}})", R"({"_id": 7, "b": []})"),
            R"({ "$and" : [ { "a" : { "$eq" : null } }, { "$or" : [ { "b" : { "$type" : 6 } }, { "b" : { "$eq" : [  ] } } ] }, { "_id" : { "$ne" : 7 } } ] })");
  EXPECT_EQ(holders(R"({"key": {"a": 1}})", R"({"_id": 7, "a": {"$undefined": true}})"),
            R"({ "$and" : [ { "$or" : [ { "a" : { "$type" : 6 } }, { "a" : { "$eq" : [  ] } } ] }, { "_id" : { "$ne" : 7 } } ] })");
}

TEST(UniqueHolders, SparseAndPartialIndexesHoldFewer) {
  EXPECT_EQ(holders(R"({"key": {"a": 1}, "sparse": true})", R"({"_id": 7})"), "none");
  EXPECT_EQ(holders(R"({"key": {"a": 1}, "partialFilterExpression": {"a": {"$gt": 0}}})", R"({"_id": 7, "a": 1})"),
            show(json(R"({"$and": [{"a": {"$eq": 1}}, {"_id": {"$ne": 7}}, {"a": {"$gt": 0}}]})")));
}

}  // namespace
}  // namespace drover::cluster
