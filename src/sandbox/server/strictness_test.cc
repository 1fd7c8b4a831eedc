// Commands that look right and are not: refused in the server's words rather than done in part.
#include <fmt/format.h>

#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class StrictnessTest : public SandboxClientTest {
 protected:
  std::string outcome(const std::string& db, const std::string& command) {
    const auto reply = run(db, command);
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
};

TEST_F(StrictnessTest, AHintBesideASortByNaturalSaysTheSame) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})");
    EXPECT_EQ(outcome("t", R"({"find": "c", "sort": {"$natural": 1}, "hint": {"_id": 1}})"), "2 index hint not allowed with $natural sort order");
    EXPECT_EQ(outcome("t", R"({"find": "c", "sort": {"$natural": 1}, "hint": "_id_"})"), "2 index hint not allowed with $natural sort order");
    EXPECT_EQ(outcome("t", R"({"find": "c", "sort": {"$natural": 1}, "hint": {"$natural": -1}})"), "2 $natural hint must be in the same direction as $natural sort order");
    EXPECT_EQ(outcome("t", R"({"find": "c", "sort": {"$natural": -1}, "hint": {"$natural": -1}})"), "ok");
    EXPECT_EQ(outcome("t", R"({"find": "c", "sort": {"$natural": -1}, "hint": {}})"), "ok");
  }
  EXPECT_EQ(outcome("t", R"({"find": "c", "hint": {"$natural": 3}})"), "2 $natural hint cannot be set to a value other than -1 or 1.");
  EXPECT_EQ(outcome("t", R"({"find": "c", "sort": {"$natural": 2}})"), "2 $natural sort cannot be set to a value other than -1 or 1.");
  EXPECT_EQ(outcome("t", R"({"find": "c", "sort": {"a": 1, "$natural": 1}})"), "2 $natural sort cannot be set to a value other than -1 or 1.");
}

// What other statements did is done.
TEST_F(StrictnessTest, AStageThatNoServerKnowsFailsTheUpdate) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
    const auto with = [](const std::string& stages) {
      return R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}}, {"q": {"_id": 9}, "u": )" + stages + "}]}";
    };
    EXPECT_EQ(outcome("t", with(R"([{"$bogus": 1}])")), "40324 Unrecognized pipeline stage name: '$bogus'");
    EXPECT_EQ(outcome("t", with(R"([{"$set": {"a": 1}, "$unset": "b"}])")), "40323 A pipeline stage specification object must contain exactly one field.");
    EXPECT_EQ(outcome("t", R"({"update": "c", "updates": [{"q": {}, "u": [{"$numberLong": "180388626432"}], "u": {"$set": {"a": 1}}}]})"),
              "40413 BSON field 'update.updates.u' is a duplicate field");
    EXPECT_EQ(outcome("t", with("[1]")), "14 Each element of the 'pipeline' array must be an object");
    EXPECT_EQ(find("t", "c").at(0)["n"].to_int64(), 2);
    const auto known = run("t", with(R"([{"$match": {}}])"));
    EXPECT_TRUE(known["ok"].is_truthy());
    EXPECT_EQ(known.view().at_path("writeErrors.0.code").to_int64(), 72);
  }
}

TEST_F(StrictnessTest, NamesThatNoCollectionCanHave) {
  start(kTest80);
  for (const std::string name : {R"(foo\u0000bar.c)", R"(foo.c\u0000d)", "foo..c", "a b.c"}) {
    const auto bulk = outcome("admin", R"({"bulkWrite": 1, "ops": [{"insert": 0, "document": {"_id": 1}}], "nsInfo": [{"ns": ")" + name + R"("}]})");
    EXPECT_EQ(bulk.substr(0, 3), "73 ") << name;
    run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
    EXPECT_EQ(outcome("admin", R"({"renameCollection": "t.c", "to": ")" + name + R"("})").substr(0, 3), "73 ") << name;
    EXPECT_NE(outcome("admin", R"({"applyOps": [{"op": "i", "ns": ")" + name + R"(", "o": {"_id": 1}}]})"), "ok") << name;
  }
  EXPECT_EQ(run("admin", R"({"listDatabases": 1, "nameOnly": true})").view().at_path("databases.4").exists(), false);
}

TEST_F(StrictnessTest, DropDatabaseIsGivenOne) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
    EXPECT_EQ(outcome("t", R"({"dropDatabase": 2})"), version == kTest44 ? "20 have to pass 1 as db parameter" : "5255100 Have to pass 1 as 'drop' parameter");
    EXPECT_NE(outcome("t", R"({"dropDatabase": "t"})"), "ok");
    EXPECT_EQ(find("t", "c").size(), 1U);
    EXPECT_EQ(outcome("t", R"({"dropDatabase": 1.0})"), "ok");
  }
}

TEST_F(StrictnessTest, OptionsThatMeanNothingHere) {
  start(kTest44);
  const std::string foreign = R"("storageEngine": {"foo": {}})";
  EXPECT_EQ(outcome("t", R"({"create": "c", )" + foreign + "}"), "72 foo is not a registered storage engine for this server");
  EXPECT_EQ(outcome("t", R"({"create": "c", "storageEngine": {"wiredTiger": 1}})"), "2 'storageEngine.wiredTiger' has to be an embedded document.");
  EXPECT_EQ(outcome("t", R"({"create": "c", "storageEngine": {"wiredTiger": {}}})"), "ok");
  const auto index = [&](const std::string& more, const std::string& beside = "") {
    return outcome("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1")" + more + "}]" + beside + "}");
  };
  EXPECT_TRUE(index(", " + foreign).ends_with("foo is not a registered storage engine for this server"));
  EXPECT_EQ(index(R"(, "prepareUnique": true)").substr(0, 4), "197 ");
  EXPECT_EQ(index(R"(, "clustered": true)").substr(0, 4), "197 ");
  EXPECT_EQ(index("", R"(, "commitQuorum": 5)"), "278 Commit quorum cannot be satisfied with the current replica set configuration");
  EXPECT_EQ(index("", R"(, "commitQuorum": -1)"), "9 commitQuorum has to be a non-negative number and not greater than 50");
  EXPECT_EQ(index("", R"(, "commitQuorum": true)"), "9 commitQuorum has to be a number or a string");
  EXPECT_EQ(index("", R"(, "commitQuorum": "some")").substr(0, 4), "278 ");
  EXPECT_EQ(index("", R"(, "commitQuorum": "majority")"), "ok");
  EXPECT_EQ(outcome("t", R"({"aggregate": "c", "pipeline": [{"$indexStats": 1}], "cursor": {}})"), "28803 The $indexStats stage specification must be an empty object");
  EXPECT_EQ(outcome("t", R"({"aggregate": "c", "pipeline": [{"$listCatalog": {}}], "cursor": {}})"), "40324 Unrecognized pipeline stage name: '$listCatalog'");
  start(kTest80);
  run("t", R"({"create": "c"})");
  EXPECT_EQ(index("", R"(, "commitQuorum": "some")"), "79 No write concern mode named 'some' found in replica set configuration");
  EXPECT_EQ(outcome("t", R"({"aggregate": "c", "pipeline": [{"$listCatalog": {}}], "cursor": {}})"), "ok");
}

TEST_F(StrictnessTest, ASortIsOfOneDocument) {
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
  EXPECT_EQ(outcome("t", R"({"update": "c", "updates": [{"q": {}, "u": {"$set": {"a": 1}}, "multi": true, "sort": {"_id": 1}}]})"), "9 Cannot specify sort with multi=true");
  const auto bulk = batch(run("admin", R"({"bulkWrite": 1, "ops": [{"update": 0, "filter": {}, "updateMods": {"$set": {"a": 1}}, "multi": true, "sort": {"_id": 1}}], "nsInfo": [{"ns": "t.c"}]})"));
  ASSERT_EQ(bulk.size(), 1U);
  EXPECT_EQ(bulk[0]["code"].to_int64(), 9);
  EXPECT_EQ(text(find("t", "c").at(0)), R"({"_id":1})");
}

TEST_F(StrictnessTest, AnAmbiguousKeyNamesItsIndexes) {
  start(kTest44);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}, {"key": {"a": 1}, "name": "a_fr", "collation": {"locale": "fr"}}]})");
  const auto refused = outcome("t", R"({"dropIndexes": "c", "index": {"a": 1}})");
  EXPECT_TRUE(refused.starts_with("181 2 indexes found for key: { a: 1 }, identify by name instead. Conflicting indexes: { v: 2, key: { a: 1 }, name: \"a_1\" }, { v: 2,")) << refused;
}

TEST_F(StrictnessTest, WhatIsThereMayBeCreatedAgainSince7) {
  const std::string same = R"({"create": "c", "validator": {"a": 1}, "validationLevel": "strict"})";
  const std::string view = R"({"create": "v", "viewOn": "c", "pipeline": [{"$match": {"a": 1}}]})";
  start(kTest60);
  EXPECT_EQ(outcome("t", same), "ok");
  EXPECT_EQ(outcome("t", same).substr(0, 3), "48 ");
  start(kTest70);
  EXPECT_EQ(outcome("t", same), "ok");
  EXPECT_EQ(outcome("t", same), "ok");
  EXPECT_EQ(outcome("t", R"({"create": "c", "validator": {"a": 1}})"), "ok");
  const auto other = outcome("t", R"({"create": "c"})");
  EXPECT_TRUE(other.starts_with("48 namespace t.c already exists, but with different options: { uuid: UUID(")) << other;
  EXPECT_EQ(outcome("t", view), "ok");
  EXPECT_EQ(outcome("t", view), "ok");
  EXPECT_EQ(outcome("t", R"({"create": "v", "viewOn": "d", "pipeline": []})"), "48 namespace t.v already exists, but is a view on t.c rather than t.d");
  EXPECT_EQ(outcome("t", R"({"create": "v", "viewOn": "c", "pipeline": []})"), "48 namespace t.v already exists, but with pipeline [ { $match: { a: 1 } } ] rather than []");
  EXPECT_EQ(outcome("t", R"({"create": "v"})"), "48 namespace t.v already exists, but is a view on t.c rather than t.");
  EXPECT_EQ(outcome("t", R"({"create": "c", "viewOn": "d", "pipeline": []})").substr(0, 3), "48 ");
  EXPECT_EQ(run("t", R"({"listCollections": 1, "filter": {"name": {"$in": ["c", "v"]}}})").view().at_path("cursor.firstBatch").document_value().field_count(), 2U);
}

TEST_F(StrictnessTest, AnUpsertsReplyIsInTheServersOrder) {
  const std::string upsert = R"({"update": "c", "updates": [{"q": {"_id": 7}, "u": {"$set": {"a": 1}}, "upsert": true}, {"q": {"_id": 8}, "u": {"$bad": 1}}], "ordered": false})";
  const auto order = [&] {
    std::string names;
    const auto reply = run("t", upsert);
    for (const auto& field : reply) names += std::string(field.key()) + " ";
    return names.substr(0, names.find("ok "));
  };
  start(kTest44);
  run("t", R"({"insert": "c", "documents": [{"_id": 8}]})");
  EXPECT_EQ(order(), "n nModified upserted writeErrors ");
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 8}]})");
  EXPECT_EQ(order(), "n writeErrors upserted nModified ");
}

TEST_F(StrictnessTest, FieldsOfTheWrongType) {
  start(kTest80);
  EXPECT_EQ(outcome("t", R"({"findAndModify": "c", "query": 1, "remove": true})"), "14 BSON field 'findAndModify.query' is the wrong type 'int', expected type 'object'");
  EXPECT_EQ(outcome("admin", R"({"ping": 1, "apiVersion": 1})").substr(0, 3), "14 ");
  EXPECT_EQ(outcome("admin", R"({"ping": 1, "apiVersion": "2"})").substr(0, 4), "322 ");
  start(kTest44);
  EXPECT_EQ(outcome("t", R"({"findAndModify": "c", "query": 1, "remove": true})"), "14 'query' parameter must be an object, found int");
}

TEST_F(StrictnessTest, ADowngradeIsConfirmedAsOne) {
  start(kTest80);
  EXPECT_EQ(outcome("admin", R"({"setFeatureCompatibilityVersion": "7.0"})"),
            "7369100 Once you have downgraded the FCV, if you choose to downgrade the binary version, it will require support assistance. Please re-run this command with "
            "'confirm: true' to acknowledge this and continue with the FCV downgrade.");
  EXPECT_EQ(outcome("admin", R"({"setFeatureCompatibilityVersion": "7.0", "confirm": true})"), "ok");
  EXPECT_TRUE(outcome("admin", R"({"setFeatureCompatibilityVersion": "8.0"})").starts_with("7369100 Once you have upgraded to 8.0, "));
}

TEST_F(StrictnessTest, ANameWithADollarComesWithAdviceSince5) {
  const std::string plain = "FieldPath field names may not start with '$'.";
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
    const auto expected = version == kTest44 ? plain : plain + " Consider using $getField or $setField.";
    const auto refused = [&](const std::string& stage) { return outcome("t", R"({"aggregate": "c", "cursor": {}, "pipeline": [)" + stage + "]}"); };
    for (const std::string stage : {R"({"$addFields": {"a": "$b.$c"}})", R"({"$addFields": {"a.$b": 1}})", R"({"$sort": {"$a": 1}})", R"({"$unwind": "$a.$b"})",
                                    R"({"$facet": {"$a": []}})", R"({"$unset": "a.$b"})", R"({"$project": {"a": {"b": 1, "$c": 1}}})",
                                    R"({"$lookup": {"from": "d", "localField": "$a", "foreignField": "b", "as": "x"}})"}) {
      EXPECT_TRUE(refused(stage).ends_with(expected)) << stage << " " << refused(stage);
    }
    EXPECT_TRUE(outcome("t", R"({"find": "c", "sort": {"$a": 1}})").ends_with(expected));
  }
}

TEST_F(StrictnessTest, PipelinesBringTheirOwnDocumentsSince51) {
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "k": 2}]})");
  const auto piped = [&](const std::string& stage) { return run("t", R"({"aggregate": "c", "cursor": {}, "pipeline": [)" + stage + "]}"); };
  const auto first = [&](const std::string& stage) {
    const auto reply = piped(stage);
    const auto documents = batch(reply);
    return documents.empty() ? text(reply) : text(documents.at(0));
  };
  EXPECT_EQ(first(R"({"$lookup": {"pipeline": [{"$documents": [{"a": 1}, {"a": 2}]}, {"$match": {"a": 2}}], "as": "x"}})"), R"({"_id":1,"k":2,"x":[{"a":2}]})");
  EXPECT_EQ(first(R"({"$lookup": {"let": {"k": "$k"}, "pipeline": [{"$documents": [{"a": "$$k"}]}], "as": "x"}})"), R"({"_id":1,"k":2,"x":[{"a":2}]})");
  EXPECT_EQ(first(R"({"$lookup": {"localField": "k", "foreignField": "a", "pipeline": [{"$documents": [{"a": 1}, {"a": 2}]}], "as": "x"}})"), R"({"_id":1,"k":2,"x":[{"a":2}]})");
  EXPECT_EQ(batch(piped(R"({"$unionWith": {"pipeline": [{"$documents": [{"a": 1}, {"a": 2}]}, {"$limit": 1}]}})")).size(), 2U);
  EXPECT_EQ(code_of(piped(R"({"$lookup": {"pipeline": [{"$match": {}}], "as": "x"}})")), 9);
  EXPECT_EQ(code_of(piped(R"({"$unionWith": {"pipeline": [{"$match": {}}]}})")), 9);
  EXPECT_EQ(code_of(piped(R"({"$lookup": {"pipeline": [{"$documents": 1}], "as": "x"}})")), 5858203);
  EXPECT_EQ(code_of(piped(R"({"$unionWith": {}})")), 40414);
  start(kTest44);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "k": 2}]})");
  EXPECT_EQ(code_of(piped(R"({"$unionWith": {"pipeline": [{"$documents": [{"a": 1}]}]}})")), 40414);
  EXPECT_EQ(code_of(piped(R"({"$lookup": {"pipeline": [{"$documents": [{"a": 1}]}], "as": "x"}})")), 9);
}

TEST_F(StrictnessTest, CappedCollectionsAndWhatFollowsThem) {
  start(kTest44);
  run("t", R"({"create": "c", "capped": true, "size": 4096})");
  const auto refused = run("t", R"({"insert": "c", "documents": [{"_id": 1, "s": ")" + std::string(5000, 'x') + R"("}]})");
  EXPECT_EQ(refused.view().at_path("writeErrors.0.code").to_int64(), 2);
  EXPECT_EQ(refused.view().at_path("writeErrors.0.errmsg").to_string_view(), "object to insert exceeds cappedMaxSize");
  EXPECT_EQ(run("t", R"({"find": "c", "tailable": true})").view().at_path("cursor.id").to_int64(), 0);  // nothing to follow yet
  run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})");
  EXPECT_NE(run("t", R"({"find": "c", "tailable": true, "skip": 1})").view().at_path("cursor.id").to_int64(), 0);
  EXPECT_EQ(outcome("t", R"({"find": "c", "tailable": true, "sort": {"$natural": -1}})"), "2 cannot use tailable option with a sort other than {$natural: 1}");
  EXPECT_EQ(outcome("t", R"({"validate": "c", "full": true, "background": true})"),
            "115 Running the validate command with both { background: true } and { full: true } is not supported.");
}

TEST_F(StrictnessTest, AKeyStandsForTheDocument) {
  start(kTest44);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": 5}]})");
  EXPECT_EQ(text(batch(run("t", R"({"find": "c", "hint": {"_id": 1}, "returnKey": true, "showRecordId": true, "projection": {"a": 1}})")).at(0)), R"({"_id":1})");
}

TEST_F(StrictnessTest, DistinctValuesAlongAPath) {
  start(kTest44);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": [{"0": "x", "b": 1}, {"b": [2, 3]}]}, {"_id": 2, "a.b": 4}]})");
  const auto items = run("t", R"({"distinct": "c", "key": "a.0"})"), named = run("t", R"({"distinct": "c", "key": "a.b"})");
  EXPECT_EQ(text(items["values"]), R"({"0":{"0":"x","b":1}})");
  EXPECT_EQ(text(named["values"]), R"({"0":1,"1":2,"2":3,"3":4})");
}

TEST_F(StrictnessTest, NoUpdateWritesAFieldThatBeginsWithADollar) {
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": {"b": 1}}]})");
  const auto why = [&](const std::string& u) {
    const auto reply = run("t", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": )" + u + "}]}");
    return std::string(reply.view().at_path("writeErrors.0.errmsg").to_string_view().value_or("ok"));
  };
  const std::string refused = "The dollar ($) prefixed field '$set' in '$set' is not allowed in the context of an update's replacement document. "
                              "Consider using an aggregation pipeline with $replaceWith.";
  EXPECT_EQ(why(R"({"a": 1, "$set": {"b": 1}})"), refused);
  EXPECT_EQ(why(R"({"$set": {"$set": {"b": 1}}})"), refused);
  EXPECT_EQ(why(R"({"$set": {"a.$b": 1}})"), "ok");
  EXPECT_EQ(why(R"({"a": {"$b": 1}})"), "ok");
}

TEST_F(StrictnessTest, ASampleOfTheDocuments) {
  start(kTest80);
  run("t", R"({"insert": "c", "documents": [{"_id": 1}, {"_id": 2}]})");
  EXPECT_EQ(find("t", "c", R"({"$sampleRate": 1})").size(), 2U);
  EXPECT_EQ(find("t", "c", R"({"$sampleRate": 0})").size(), 0U);
  EXPECT_EQ(outcome("t", R"({"find": "c", "filter": {"$sampleRate": 1.5}})"), "2 numeric argument to $sampleRate must be in [0, 1]");
  EXPECT_EQ(outcome("t", R"({"find": "c", "filter": {"a": {"$elemMatch": {"$sampleRate": 1}}}})"), "2 $sampleRate can only be applied to the top-level document");
  EXPECT_TRUE(run("t", R"({"distinct": "c", "key": "_id", "readConcern": {"level": "snapshot"}})")["atClusterTime"]);
}

TEST_F(StrictnessTest, AFailedWriteWaitsForItsConcern) {
  start(kTest44);
  const auto reply = run("t", R"({"drop": "none", "writeConcern": {"w": 2}})");
  EXPECT_EQ(code_of(reply), 26);
  EXPECT_EQ(reply.view().at_path("writeConcernError.code").to_int64(), 100);
  EXPECT_FALSE(run("t", R"({"drop": "none", "writeConcern": {"w": 1}})")["writeConcernError"]);
}

TEST_F(StrictnessTest, FullTextSearchIsAServiceBesideTheServer) {
  const auto refused = [&](const std::string& command) { return outcome("t", command); };
  const auto stage = [](const std::string& name) { return R"({"aggregate": "c", "cursor": {}, "pipeline": [{")" + name + R"(": {}}]})"; };
  start(kTest80);
  EXPECT_TRUE(refused(R"({"createSearchIndexes": "c", "indexes": [{"definition": {}}]})").starts_with("31082 Using Atlas Search Database Commands"));
  EXPECT_TRUE(refused(R"({"dropSearchIndex": "c", "name": "x"})").starts_with("31082 "));
  EXPECT_TRUE(refused(stage("$listSearchIndexes")).find("Please connect to Atlas") != std::string::npos);
  EXPECT_TRUE(refused(stage("$vectorSearch")).starts_with("31082 Using $search and $vectorSearch aggregation stages"));
  start(kTest44);
  EXPECT_EQ(refused(R"({"createSearchIndexes": "c", "indexes": []})"), "59 no such command: 'createSearchIndexes'");
  EXPECT_EQ(refused(stage("$search")), "40324 Unrecognized pipeline stage name: '$search'");
}

TEST_F(StrictnessTest, KillCursorsIsParsedAsTheVersionDoes) {
  start(kTest80);
  EXPECT_EQ(outcome("t", R"({"killCursors": "c"})"), "40414 BSON field 'killCursors.cursors' is missing but a required field");
  EXPECT_EQ(outcome("t", R"({"killCursors": "c", "cursors": 5})"), "14 BSON field 'killCursors.cursors' is the wrong type 'int', expected type 'array'");
  EXPECT_EQ(outcome("t", R"({"killCursors": "c", "cursors": [5]})"), "14 BSON field 'killCursors.cursors.0' is the wrong type 'int', expected type 'long'");
  EXPECT_EQ(outcome("t", R"({"killCursors": "c", "cursors": [{"$numberLong": "5"}], "z": 1})"), "40415 BSON field 'killCursors.z' is an unknown field.");
  EXPECT_EQ(outcome("t", R"({"killCursors": "c", "cursors": [{"$numberLong": "5"}], "maxTimeMS": 1000})"), "ok");
  start(kTest44);
  EXPECT_EQ(outcome("t", R"({"killCursors": "c", "cursors": 5})").substr(0, 2), "9 ");
}

TEST_F(StrictnessTest, NothingBehindAPlaceIsFoundThroughAnIndexToo) {
  start(kTest44);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "a": [{"b": 3}, 2]}, {"_id": 2, "a": [{"b": null}]}, {"_id": 3, "a": []}, {"_id": 4, "a": {"0": 1}}, {"_id": 5}]})");
  const auto found = [&](const std::string& filter, const std::string& hint) {
    std::string ids;
    for (const auto& document : batch(run("t", R"({"find": "c", "filter": )" + filter + R"(, "sort": {"_id": 1}, "hint": )" + hint + "}"))) ids += text(document);
    return ids;
  };
  ASSERT_EQ(code("t", R"({"createIndexes": "c", "indexes": [{"key": {"a.0.b": 1}, "name": "i"}]})"), 0);
  EXPECT_NE(found(R"({"a.0.b": null})", R"("i")").find(R"("_id":1)"), std::string::npos);
  for (const std::string filter : {R"({"a.0.b": null})", R"({"a.0.b": {"$in": [null, 7]}})", R"({"a.0.b": {"$exists": false}})", R"({"a.0.b": {"$gte": null}})",
                                   R"({"a.0.b": 3})", R"({"a.0.b": {"$gt": 1}})", R"({"a.0.b": {"$ne": 3}})"}) {
    EXPECT_EQ(found(filter, R"("i")"), found(filter, R"({"$natural": 1})")) << filter;
  }
  const auto refused = run("t", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a": [{"0": 1}]}}}]})");
  EXPECT_EQ(refused.view().at_path("writeErrors.0.code").to_int64(), 16746) << text(refused);
}

TEST_F(StrictnessTest, WhatTheVersionHasNotIsUnknown) {
  const auto refused = [&](const std::string& stage) { return outcome("t", R"({"aggregate": "c", "cursor": {}, "pipeline": [)" + stage + "]}"); };
  start(kTest44);
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "k": 2}]})");
  EXPECT_TRUE(refused(R"({"$addFields": {"x": {"$median": "$k"}}})").ends_with("Unrecognized expression '$median'"));
}

TEST_F(StrictnessTest, LimitsAndSkipsAreWholeNumbersSinceFive) {
  const auto refused = [&](const std::string& stage) { return outcome("t", R"({"aggregate": "c", "cursor": {}, "pipeline": [)" + stage + "]}"); };
  start(kTest44);
  EXPECT_EQ(refused(R"({"$limit": "x"})"), "15957 the limit must be specified as a number");
  EXPECT_EQ(refused(R"({"$skip": -1})"), "15956 Argument to $skip cannot be negative");
  start(kTest80);
  EXPECT_EQ(refused(R"({"$limit": "x"})"), "5107201 invalid argument to $limit stage: Expected a number in: $limit: \"x\"");
  EXPECT_EQ(refused(R"({"$limit": 1.5})"), "5107201 invalid argument to $limit stage: Expected an integer: $limit: 1.5");
  EXPECT_EQ(refused(R"({"$skip": -1})"), "5107200 invalid argument to $skip stage: Expected a non-negative number in: $skip: -1");
  EXPECT_EQ(refused(R"({"$limit": 0})"), "15958 the limit must be positive");
}

TEST_F(StrictnessTest, ConstantsThatFailSaySinceFiveWhatWasDone) {
  const std::string constant = R"({"$divide": [1, {"$subtract": [1, 1]}]})";
  const std::string project = R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$project": {"x": )" + constant + "}}]}";
  const std::string match = R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$match": {"$expr": )" + constant + "}}]}";
  const std::string find = R"({"find": "c", "filter": {"$expr": )" + constant + "}}";
  start(kTest44);
  for (const auto& command : {project, match, find}) EXPECT_EQ(outcome("t", command), "16608 can't $divide by zero");
  start(kTest80);
  EXPECT_EQ(outcome("t", project), "2 Failed to optimize pipeline :: caused by :: can't $divide by zero");
  EXPECT_EQ(outcome("t", match), "2 Failed to optimize pipeline :: caused by :: Failed to optimize expression :: caused by :: can't $divide by zero");
  EXPECT_EQ(outcome("t", find), "2 Failed to optimize expression :: caused by :: can't $divide by zero");
}

}  // namespace
}  // namespace drover::sandbox
