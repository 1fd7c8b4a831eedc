// Options of the wrong type, unknown or out of range: each is refused in the server's words, and nothing is done. Facts: MongoDB's IDL parsers, and the
// parsers by hand of before.
#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class RefusalsOfOptionsTest : public SandboxClientTest {
 protected:
  std::string outcome(const std::string& db, const std::string& command) {
    const auto reply = run(db, command);
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
  std::string stage(const std::string& db, const std::string& collection, const std::string& stage) {
    return outcome(db, fmt::format(R"({{"aggregate": {}, "pipeline": [{}], "cursor": {{}}}})", collection, stage));
  }
};

TEST_F(RefusalsOfOptionsTest, OperationsAreKilledByWholeNumbers) {
  start(kTest80);
  const auto kill = [&](const std::string& op) { return outcome("admin", R"({"killOp": 1, "op": )" + op + "}"); };
  EXPECT_EQ(outcome("admin", R"({"killOp": 1})"), R"(4 Missing expected field "op")");
  EXPECT_EQ(kill(R"("x")"), R"(14 Expected field "op" to have numeric type, but found string)");
  EXPECT_EQ(kill("true"), R"(14 Expected field "op" to have numeric type, but found bool)");
  EXPECT_EQ(kill("1.5"), R"(2 Expected field "op" to have a value exactly representable as a 64-bit integer, but found op: 1.5)");
  EXPECT_EQ(kill("1099511627776"), "26823 invalid op : 1099511627776");
  EXPECT_EQ(kill("-5"), "ok") << "of the upper half";
  EXPECT_EQ(kill("999999.0"), "ok");
}

TEST_F(RefusalsOfOptionsTest, WhatIsAskedOfOperationsAndSessions) {
  start(kTest80);
  const auto operations = [&](const std::string& spec) { return stage("admin", "1", R"({"$currentOp": )" + spec + "}"); };
  EXPECT_EQ(operations("5"), "9 $currentOp options must be specified in an object, but found: int");
  EXPECT_EQ(operations(R"({"x": true})"), "9 Unrecognized option 'x' in $currentOp stage.");
  EXPECT_EQ(operations(R"({"allUsers": 1})"), "9 The 'allUsers' parameter of the $currentOp stage must be a boolean value, but found: int");
  EXPECT_EQ(operations(R"({"allUsers": true, "idleSessions": false, "localOps": true})"), "ok");
  const auto sessions = [&](const std::string& spec) { return stage("d", "1", R"({"$listLocalSessions": )" + spec + "}"); };
  EXPECT_EQ(sessions(R"({"x": 1})"), "40415 BSON field '$listLocalSessions.x' is an unknown field.");
  EXPECT_EQ(sessions(R"({"allUsers": 1})"), "14 BSON field '$listLocalSessions.allUsers' is the wrong type 'int', expected type 'bool'");
  EXPECT_EQ(sessions(R"({"users": {}})"), "14 BSON field '$listLocalSessions.users' is the wrong type 'object', expected type 'array'");
  EXPECT_EQ(sessions(R"({"users": [{"user": "a"}]})"), "40414 BSON field '$listLocalSessions.users.db' is missing but a required field");
  EXPECT_EQ(sessions(R"({"allUsers": true, "users": [{"user": "a", "db": "b"}]})"),
            "12 $listLocalSessions may not specify {allUsers:true} and {users:[...]} at the same time");
}

TEST_F(RefusalsOfOptionsTest, WhereAMergeGoes) {
  start(kTest80);
  run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
  const auto merge = [&](const std::string& spec) { return stage("d", R"("c")", R"({"$merge": )" + spec + "}"); };
  EXPECT_EQ(merge(R"({"into": {"coll": "o", "x": 1}})"), "40415 BSON field 'into.x' is an unknown field.");
  EXPECT_EQ(merge(R"({"into": {"coll": 5}})"), "14 BSON field 'into.coll' is the wrong type 'int', expected type 'string'");
  EXPECT_EQ(merge(R"({"into": "o", "let": 5})"), "14 BSON field '$merge.let' is the wrong type 'int', expected type 'object'");
  EXPECT_EQ(stage("d", R"("c")", R"({"$out": {"db": "d", "coll": "o", "x": 1}})").substr(0, 5), "16994");
  EXPECT_EQ(find("d", "o").size(), 0u);
}

TEST_F(RefusalsOfOptionsTest, TypesOfOptions) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
    const bool old = version == kTest44;
    EXPECT_EQ(outcome("d", R"({"count": "c", "hint": 5})"), "9 Hint must be a string or an object");
    EXPECT_EQ(outcome("d", R"({"findAndModify": 5, "query": {}})"), old ? "73 collection name has invalid type int" : "2 collection name has invalid type int");
    EXPECT_EQ(outcome("admin", R"({"renameCollection": 5, "to": "d.x"})"), old ? "2 collection name has invalid type int"
                                                                               : "14 BSON field 'renameCollection.renameCollection' is the wrong type 'int', expected type 'string'");
    EXPECT_EQ(outcome("d", R"({"dataSize": 5})"), old ? "2 collection name has invalid type int" : "14 BSON field 'dataSize.dataSize' is the wrong type 'int', expected type 'string'");
    EXPECT_EQ(outcome("admin", R"({"listDatabases": 1, "authorizedDatabases": 1})"),
              "14 BSON field 'listDatabases.authorizedDatabases' is the wrong type 'int', expected type 'bool'");
    EXPECT_EQ(outcome("d", R"({"explain": {"find": "c", "$db": "e"}})"), "73 Mismatched $db in explain command. Expected d but got e");
    EXPECT_EQ(outcome("d", R"({"explain": {"find": "c", "$db": "d"}})"), "ok");
    EXPECT_EQ(outcome("d", R"({"explain": {"find": "c"}, "verbosity": 5})"),
              old ? "9 explain verbosity must be a string" : "14 BSON field 'explain.verbosity' is the wrong type 'int', expected type 'string'");
    EXPECT_EQ(outcome("d", R"({"explain": {"find": "c"}, "verbosity": "x"})"),
              old ? "9 verbosity string must be one of {'queryPlanner', 'executionStats', 'allPlansExecution'}" : "2 Enumeration value 'x' for field 'explain.verbosity' is not a valid value.");
    EXPECT_EQ(outcome("d", R"({"distinct": "c", "key": "a", "collation": 5})"), "14 BSON field 'distinct.collation' is the wrong type 'int', expected type 'object'");
    EXPECT_EQ(outcome("d", R"({"create": "e", "collation": 5})"), "14 BSON field 'create.collation' is the wrong type 'int', expected type 'object'");
    EXPECT_EQ(outcome("d", R"({"findAndModify": "c", "query": {"_id": 9}, "remove": true, "collation": 5})"),
              old ? R"(14 "collation" had the wrong type. Expected object, found int)" : "14 BSON field 'findAndModify.collation' is the wrong type 'int', expected type 'object'");
    EXPECT_EQ(outcome("d", R"({"aggregate": "c", "pipeline": [], "cursor": {}, "collation": 5})"),
              old ? R"(14 "collation" had the wrong type. Expected object, found int)" : "14 BSON field 'aggregate.collation' is the wrong type 'int', expected type 'object'");
    EXPECT_EQ(outcome("d", R"({"distinct": "c", "key": null})"), "40414 BSON field 'distinct.key' is missing but a required field");
    for (const std::string command : {R"("count": "c", "collation": null)", R"("distinct": "c", "key": "a", "collation": null)", R"("create": "n", "collation": null)"}) {
      EXPECT_EQ(outcome("d", "{" + command + "}"), "ok") << command;
    }
    EXPECT_EQ(outcome("admin", R"({"listDatabases": 1, "authorizedDatabases": null})"), "ok");
    if (old) continue;
    for (const std::string command : {R"("find": "c")", R"("aggregate": "c", "pipeline": [], "cursor": {})", R"("update": "c", "updates": [{"q": {"_id": 9}, "u": {"$set": {"a": 1}}}])",
                                      R"("delete": "c", "deletes": [{"q": {"_id": 9}, "limit": 0}])"}) {
      EXPECT_EQ(outcome("d", "{" + command + R"(, "let": null})"), "ok") << command;
    }
    EXPECT_EQ(outcome("d", R"({"distinct": "c", "key": "a", "hint": 5})"), "9 Hint must be a string or an object");
    EXPECT_EQ(outcome("d", R"({"update": "c", "updates": [{"q": {}, "u": {"$set": {"a": 1}}}], "let": 5})"), "14 BSON field 'update.let' is the wrong type 'int', expected type 'object'");
    EXPECT_EQ(outcome("d", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0}], "let": 5})"), "14 BSON field 'delete.let' is the wrong type 'int', expected type 'object'");
    EXPECT_EQ(outcome("d", R"({"aggregate": "c", "pipeline": [], "cursor": {}, "bypassDocumentValidation": "x"})"),
              "14 BSON field 'aggregate.bypassDocumentValidation' is the wrong type 'string', expected types '[bool, long, int, decimal, double']");
    EXPECT_EQ(find("d", "c").size(), 1u);
  }
}

TEST_F(RefusalsOfOptionsTest, Collations) {
  start(kTest80);
  run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
  const auto find_by = [&](const std::string& collation) { return outcome("d", R"({"find": "c", "collation": )" + collation + "}"); };
  EXPECT_EQ(find_by(R"({"locale": "en", "x": 1})"), "40415 BSON field 'collation.x' is an unknown field.");
  EXPECT_EQ(find_by(R"({"strength": 1})"), "40414 BSON field 'collation.locale' is missing but a required field");
  EXPECT_EQ(find_by(R"({"locale": 5})"), "14 BSON field 'collation.locale' is the wrong type 'int', expected type 'string'");
  EXPECT_EQ(find_by(R"({"locale": "en", "caseFirst": "x"})"), "2 Enumeration value 'x' for field 'collation.caseFirst' is not a valid value.");
  EXPECT_EQ(find_by(R"({"locale": "en", "strength": 3.0, "caseFirst": "upper", "alternate": "shifted", "backwards": false})"), "ok");
  const std::string unknown = R"("collation": {"locale": "en", "x": 1})";
  const std::string refused = "40415 BSON field 'collation.x' is an unknown field.";
  EXPECT_EQ(outcome("d", R"({"aggregate": "c", "pipeline": [], "cursor": {}, )" + unknown + "}"), refused);
  EXPECT_EQ(outcome("d", R"({"count": "c", )" + unknown + "}"), refused);
  EXPECT_EQ(outcome("d", R"({"update": "c", "updates": [{"q": {}, "u": {"$set": {"a": 1}}, )" + unknown + "}]}"), refused);
  EXPECT_EQ(outcome("d", R"({"delete": "c", "deletes": [{"q": {}, "limit": 0, )" + unknown + "}]}"), refused);
  EXPECT_EQ(outcome("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a", )" + unknown + "}]}"), refused);
  EXPECT_EQ(find("d", "c").size(), 1u);
  const std::string english = R"("collation": {"locale": "en"})";
  EXPECT_EQ(outcome("d", R"({"createIndexes": "c", "indexes": [{"key": {"_id": 1}, "name": "_id_", )" + english + "}]}").substr(0, 75),
            "2 The _id index must have the same collation as the collection. Index colla");
  run("d", R"({"create": "e", )" + english + "}");
  EXPECT_EQ(outcome("d", R"({"createIndexes": "e", "indexes": [{"key": {"_id": 1}, "name": "_id_", )" + english + "}]}"), "ok");
  EXPECT_EQ(outcome("d", R"({"createIndexes": "e", "indexes": [{"key": {"_id": 1}, "name": "_id_"}]})"), "ok") << "it inherits it";
}

TEST_F(RefusalsOfOptionsTest, WhatCollectionsAreMadeWith) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    const bool old = version == kTest44;
    const auto create = [&](const std::string& options) { return outcome("d", R"({"create": "x", )" + options + "}"); };
    EXPECT_EQ(create(R"("capped": true, "size": "x")"), "14 BSON field 'create.size' is the wrong type 'string', expected types '[long, int, decimal, double']");
    EXPECT_EQ(create(R"("capped": true, "size": 1000, "max": "x")"), "14 BSON field 'create.max' is the wrong type 'string', expected types '[long, int, decimal, double']");
    EXPECT_EQ(create(R"("capped": true, "size": -1)"), old ? "2 size has to be >= 0" : "51024 BSON field 'size' value must be >= 1, actual value '-1'");
    EXPECT_EQ(create(R"("capped": true, "size": 1000, "max": 2147483648)"),
              old ? "2 max in a capped collection has to be < 2^31 or not set" : "51024 BSON field 'max' value must be < 2147483648, actual value '2147483648'");
    EXPECT_EQ(create(R"("indexOptionDefaults": {"x": 1})"), old ? "72 indexOptionDefaults.x is not a supported option." : "40415 BSON field 'create.indexOptionDefaults.x' is an unknown field.");
    EXPECT_EQ(create(R"("indexOptionDefaults": {"storageEngine": {"x": {}}})"), "72 x is not a registered storage engine for this server");
    EXPECT_EQ(create(R"("temp": "x")"), "14 BSON field 'create.temp' is the wrong type 'string', expected types '[bool, long, int, decimal, double']");
    EXPECT_EQ(create(R"("autoIndexId": false)"), "50001 autoIndexId:false is not allowed for collection d.x because it can be replicated");
    EXPECT_TRUE(batch(run("d", R"({"listCollections": 1})")).empty());
    EXPECT_EQ(create(R"("autoIndexId": true, "indexOptionDefaults": {"storageEngine": {"wiredTiger": {}}})"), "ok");
    EXPECT_EQ(batch(run("d", R"({"listIndexes": "x"})")).size(), 1u);
  }
}

TEST_F(RefusalsOfOptionsTest, WhatCollectionsAreChangedWith) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    const bool old = version == kTest44;
    run("d", R"({"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a"}]})");
    const auto change = [&](const std::string& options) { return outcome("d", R"({"collMod": "c", )" + options + "}"); };
    const auto index = [&](const std::string& options) { return change(R"("index": {)" + options + "}"); };
    EXPECT_EQ(index(""), "72 Must specify either index name or key pattern.");
    EXPECT_EQ(index(R"("name": "a", "keyPattern": {"a": 1}, "hidden": true)"), "72 Cannot specify both key pattern and name.");
    EXPECT_EQ(index(R"("name": 5, "hidden": true)"), old ? "72 Index name must be a string." : "14 BSON field 'collMod.index.name' is the wrong type 'int', expected type 'string'");
    EXPECT_EQ(index(R"("keyPattern": 5, "hidden": true)"),
              old ? "72 Key pattern must be an object." : "14 BSON field 'collMod.index.keyPattern' is the wrong type 'int', expected type 'object'");
    EXPECT_EQ(index(R"("name": "a", "hidden": "x")"),
              old ? "72 hidden field must be a boolean" : "14 BSON field 'collMod.index.hidden' is the wrong type 'string', expected types '[bool, long, int, decimal, double']");
    EXPECT_EQ(index(R"("name": "a", "hidden": true, "x": 1)").substr(0, 3), old ? "72 " : "404");
    EXPECT_EQ(outcome("local", R"({"collMod": "oplog.rs", "validator": {"a": 1}})").substr(0, 78),
              "72 Document validators are not allowed on collection local.oplog.rs with UUID ");
    EXPECT_EQ(change(R"("validationLevel": "x")"), old ? "2 invalid validation level: x" : "2 Enumeration value 'x' for field 'collMod.validationLevel' is not a valid value.");
    EXPECT_EQ(change(R"("validationAction": 5)").substr(0, 3), old ? "2 i" : "14 ");
    if (old) continue;
    EXPECT_EQ(change(R"("cappedSize": "x")"), "14 BSON field 'collMod.cappedSize' is the wrong type 'string', expected types '[long, int, decimal, double']");
    EXPECT_EQ(index(R"("name": "a", "hidden": 1)"), "ok");
    EXPECT_EQ(batch(run("d", R"({"listIndexes": "c"})")).at(1)["hidden"].type(), bson::Type::kBool) << "a number is kept as what it says";
  }
}

TEST_F(RefusalsOfOptionsTest, NamesOfDatabases) {
  for (const auto version : {kTest44, kTest60, kTest80}) {
    start(version);
    const bool old = version == kTest44, newest = version == kTest80;
    const auto ping = [&](const std::string& db) { return outcome(db, R"({"ping": 1})"); };
    EXPECT_EQ(ping("a.b"), old      ? "73 '.' is an invalid character in a database name"
                           : newest ? "73 '.' is an invalid character in a db name: a.b"
                                    : "73 '.' is an invalid character in the database name: a.b");
    EXPECT_EQ(ping(std::string("a\0b", 3)), newest ? "73 database names cannot have embedded null characters" : "73 namespaces cannot have embedded null characters");
    EXPECT_EQ(ping("a b"), "73 Invalid database name: 'a b'");
    EXPECT_EQ(ping(""), "73 Invalid database name: ''");
    EXPECT_EQ(ping(std::string(63, 'x')), "ok");
    EXPECT_EQ(ping(std::string(64, 'x')), newest ? "73 db name must be at most 63 characters, found: 64" : "73 Invalid database name: '" + std::string(64, 'x') + "'");
    EXPECT_EQ(outcome("a$b", R"({"find": "c"})"), "ok") << "but nothing is made there";
    EXPECT_EQ(outcome("a$b", R"({"create": "c"})"), old ? "73 invalid db name" : "73 Invalid namespace: a$b.c");
    EXPECT_EQ(outcome("system", R"({"create": "c"})"), old ? "73 cannot use 'system' database" : "ok");
  }
}

TEST_F(RefusalsOfOptionsTest, NamesOfCollections) {
  for (const auto version : {kTest44, kTest60, kTest80}) {
    start(version);
    const bool old = version == kTest44, newest = version == kTest80;
    run("d", R"({"insert": "c", "documents": [{"_id": 1}]})");
    for (const std::string command : {"find", "count", "create", "drop"}) {
      const auto named = [&](const std::string& name) { return outcome("d", fmt::format(R"({{"{}": {}}})", command, name)); };
      EXPECT_EQ(named(R"(".x")"), old ? "73 Collection names cannot start with '.'" : "73 Collection names cannot start with '.': .x") << command;
      EXPECT_EQ(named(R"("x\u0000y")"), "73 namespaces cannot have embedded null characters") << command;
      EXPECT_EQ(named(R"("")"), "73 Invalid namespace specified 'd.'") << command;
    }
    EXPECT_EQ(outcome("d", R"({"getMore": {"$numberLong": "5"}, "collection": ""})"), old ? "73 Invalid namespace for getMore: d." : "73 Collection names cannot be empty");
    EXPECT_EQ(outcome("d", R"({"getMore": {"$numberLong": "5"}, "collection": ".x"})").substr(0, 42), "73 Collection names cannot start with '.'" + std::string(old ? "" : ":"));
    EXPECT_EQ(outcome("d", R"({"create": "a.system.b"})"), old ? "2 cannot write to 'd.a.system.b'" : "2 Invalid namespace: d.a.system.b");
    EXPECT_EQ(outcome("d", R"({"create": "a."})"), "ok");
    EXPECT_EQ(outcome("d", R"({"create": "a.system"})"), "ok");

    // What is no name.
    const std::string none = "collection name has invalid type int", of_struct = "2 " + none, by_hand = "73 " + none;
    EXPECT_EQ(outcome("d", R"({"insert": 5, "documents": [{}]})"), of_struct);
    EXPECT_EQ(outcome("d", R"({"createIndexes": 5, "indexes": [{"key": {"a": 1}, "name": "a"}]})"), old ? by_hand : of_struct);
    EXPECT_EQ(outcome("d", R"({"find": 5})"), old ? "9 Failed to parse: find: 5. 'find' field must be of BSON type string." : newest ? by_hand : of_struct);
    EXPECT_EQ(outcome("d", R"({"distinct": 5, "key": "a"})"), by_hand);
    EXPECT_EQ(outcome("d", R"({"validate": 5})"), by_hand);
    EXPECT_EQ(stage("d", "null", R"({"$match": {}})"), "14 collection name has invalid type: null");
    EXPECT_EQ(stage("d", R"("$cmd.aggregate")", R"({"$match": {}})"), "73 Invalid namespace specified 'd.$cmd.aggregate'");

    // Whole collections are found by UUID by some reads, and by nothing else.
    const auto of_uuid = bson::to_ejson(batch(run("d", R"({"listCollections": 1, "filter": {"name": "c"}})")).at(0).view().at_path("info.uuid"));
    EXPECT_EQ(outcome("d", R"({"find": )" + of_uuid + "}"), "ok");
    EXPECT_EQ(outcome("d", R"({"listIndexes": )" + of_uuid + "}"), "ok");
    EXPECT_EQ(outcome("d", R"({"drop": )" + of_uuid + "}"), (old ? "73" : "2") + std::string(" Collection name must be provided. UUID is not valid in this context"));
    EXPECT_EQ(outcome("d", R"({"validate": )" + of_uuid + "}"), "73 Collection name must be provided. UUID is not valid in this context");
    EXPECT_EQ(find("d", "c").size(), 1u);
  }
}

}  // namespace
}  // namespace drover::sandbox
