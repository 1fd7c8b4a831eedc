// What the recorded scenarios do not reach: conflicts, positional operators, array filters, upserts, oplog formats.
#include "sandbox/query/update.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/doc_for_tests.h"
#include "sandbox/query/oplog_diff.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;

std::string show(const Document& document) { return bson::to_relaxed_ejson(document); }

struct Case {
  Document statement;
  UpdateOptions options;

  explicit Case(const std::string& u, ServerVersion version = {4, 4, 0}, const std::string& filters = "")
      : statement(doc("{\"u\":" + u + (filters.empty() ? "" : ",\"f\":" + filters) + "}")) {
    options.version = version;
    if (!filters.empty()) options.array_filters = statement["f"].to_array();
  }
  Result<Applied> apply(const std::string& old, const std::string& filter = "{}") const {
    const auto update = TRY(Update::parse(statement["u"], options));
    const auto matcher = TRY(Matcher::parse(doc(filter)));
    const Document before = doc(old);
    MatchDetails details;
    matcher.matches(before, &details);
    auto applied = TRY(update.apply(before, {.details = &details}));
    if (applied.modified) {
      const auto again = TRY(apply_oplog_update(before, applied.oplog_object));
      EXPECT_EQ(show(again), show(applied.document)) << show(applied.oplog_object);
    }
    return applied;
  }
};

std::string result_of(const std::string& u, const std::string& old, const std::string& filter = "{}",
                      const std::string& filters = "") {
  const auto applied = Case(u, {4, 4, 0}, filters).apply(old, filter);
  if (!applied) return std::to_string(applied.error().server_code) + " " + applied.error().message;
  return show(applied->document);
}

TEST(Update, ConflictsAreFoundBeforeAnythingIsDone) {
  EXPECT_EQ(result_of(R"({"$set":{"a.b":1},"$inc":{"a":1}})", R"({"_id":1})"),
            "40 Updating the path 'a' would create a conflict at 'a'");
  EXPECT_EQ(result_of(R"({"$set":{"a":1},"$inc":{"a.b":1}})", R"({"_id":1})"),
            "40 Updating the path 'a.b' would create a conflict at 'a'");
}

TEST(Update, ReferencesAreWholeOrRefused) {
  EXPECT_EQ(result_of(R"({"$set":{"b.$id":1}})", R"({"_id":1,"b":{}})"), "55 Found $id field without a $ref before it, which is invalid.");
  EXPECT_EQ(result_of(R"({"$set":{"b.$ref":"x"}})", R"({"_id":1,"b":{}})"), "55 The DBRef $ref field must be followed by a $id field");
  EXPECT_EQ(result_of(R"({"$set":{"b.c":1}})", R"({"_id":1,"b":{"$x":1}})"), R"({ "_id" : 1, "b" : { "$x" : 1, "c" : 1 } })");
}

// Keys of arrays mean nothing, but a document must come out of its oplog entry byte for byte.
TEST(Update, AnArrayThatIsOnlyLookedAtKeepsItsKeys) {
  bson::Builder odd, before;
  odd.append("0", 1).append("7", 2);
  const Document items = std::move(odd).finish();
  before.append("_id", 1).append("a", bson::ArrayView{items});
  const Document old = std::move(before).finish();
  for (const auto version : {ServerVersion{4, 4, 0}, ServerVersion{8, 0, 0}}) {
    for (const char* u : {R"({"$set":{"x":1},"$pull":{"a":9}})", R"({"$set":{"a.0":5}})", R"({"$push":{"a":3}})", R"({"$addToSet":{"a":1},"$inc":{"n":1}})"}) {
      const Case update(u, version);
      const auto parsed = Update::parse(update.statement["u"], update.options);
      ASSERT_TRUE(parsed);
      const auto applied = parsed->apply(old, {});
      ASSERT_TRUE(applied && applied->modified) << u;
      const auto again = apply_oplog_update(old, applied->oplog_object);
      ASSERT_TRUE(again) << u;
      EXPECT_TRUE(again->view().same_bytes(applied->document)) << u << show(applied->oplog_object);
    }
  }
}

TEST(Update, TheIdCannotChange) {
  EXPECT_EQ(result_of(R"({"$set":{"_id":2}})", R"({"_id":1})"),
            "66 Performing an update on the path '_id' would modify the immutable field '_id'");
  EXPECT_EQ(result_of(R"({"_id":2})", R"({"_id":1})"),
            "66 After applying the update, the (immutable) field '_id' was found to have been altered to _id: 2");
  EXPECT_EQ(result_of(R"({"$unset":{"_id":1}})", R"({"_id":1})"),
            "66 Performing an update on the path '_id' would modify the immutable field '_id'");
  EXPECT_EQ(result_of(R"({"$set":{"_id":1}})", R"({"_id":1})"), R"({ "_id" : 1 })");
}

TEST(Update, PathsThatCannotBe) {
  EXPECT_EQ(result_of(R"({"$set":{"a.b":1}})", R"({"_id":1,"a":5})"), "28 Cannot create field 'b' in element {a: 5}");
  EXPECT_EQ(result_of(R"({"$set":{"a.x":1}})", R"({"_id":1,"a":[1]})"),
            "28 Cannot create field 'x' in element {a: [ 1 ]}");
  EXPECT_EQ(result_of(R"({"$unset":{"a.x":1}})", R"({"_id":1,"a":5})"), R"({ "_id" : 1, "a" : 5 })");
  EXPECT_EQ(result_of(R"({"$set":{"a.":1}})", R"({"_id":1})"),
            "56 The update path 'a.' contains an empty field name, which is not allowed.");
  EXPECT_EQ(result_of(R"({"$set":{"a.$x":1}})", R"({"_id":1})"),
            "52 The dollar ($) prefixed field '$x' in 'a.$x' is not valid for storage.");
}

TEST(Update, AnInsertMayHoldWhatAnUpdateMayNotWrite) {
  const auto nested = doc(R"({"_id":1,"sub":{"$set":1}})");
  EXPECT_TRUE(check_insertable(nested, {4, 4}));
  EXPECT_FALSE(check_storable(nested, {4, 4}));
  EXPECT_FALSE(check_insertable(doc(R"({"_id":1,"$set":1})"), {4, 4}));
  EXPECT_FALSE(check_insertable(doc(R"({"_id":{"$set":1}})"), {4, 4}));
}

TEST(Update, WrongTypes) {
  EXPECT_EQ(
      result_of(R"({"$inc":{"s":1}})", R"({"_id":1,"s":"x"})"),
      "14 Cannot apply $inc to a value of non-numeric type. {_id: 1} has the field 's' of non-numeric type string");
  EXPECT_EQ(result_of(R"({"$inc":{"s":"x"}})", R"({"_id":1})"),
            "14 Cannot increment with non-numeric argument: {s: \"x\"}");
  EXPECT_EQ(result_of(R"({"$push":{"s":1}})", R"({"_id":1,"s":"x"})"),
            "2 The field 's' must be an array but is of type string in document {_id: 1}");
  EXPECT_EQ(
      result_of(R"({"$bogus":{"s":1}})", R"({"_id":1})"),
      "9 Unknown modifier: $bogus. Expected a valid update modifier or pipeline-style update specified as an array");
  EXPECT_EQ(
      result_of(R"({"$inc":{"n":1}})", R"({"_id":1,"n":{"$numberLong":"9223372036854775807"}})"),
      "2 Failed to apply $inc operations to current value ((NumberLong)9223372036854775807) for document {_id: 1}");
}

TEST(Update, PositionalOperators) {
  EXPECT_EQ(result_of(R"({"$set":{"a.$":9}})", R"({"_id":1,"a":[1,2,3]})", R"({"a":2})"),
            R"({ "_id" : 1, "a" : [ 1, 9, 3 ] })");
  EXPECT_EQ(result_of(R"({"$inc":{"a.$.n":1}})", R"({"_id":1,"a":[{"k":1,"n":1},{"k":2,"n":1}]})", R"({"a.k":2})"),
            R"({ "_id" : 1, "a" : [ { "k" : 1, "n" : 1 }, { "k" : 2, "n" : 2 } ] })");
  EXPECT_EQ(result_of(R"({"$set":{"a.$":9}})", R"({"_id":1,"a":[1,2,3]})", R"({"_id":1})"),
            "2 The positional operator did not find the match needed from the query.");
  EXPECT_EQ(result_of(R"({"$set":{"a.$":9,"a.1":5}})", R"({"_id":1,"a":[1,2,3]})", R"({"a":2})"),
            "40 Update created a conflict at 'a.1'");
}

TEST(Update, ArrayFilters) {
  EXPECT_EQ(result_of(R"({"$set":{"a.$[x].n":0}})", R"({"_id":1,"a":[{"k":1,"n":1},{"k":2,"n":1},{"k":3,"n":1}]})",
                      "{}", R"([{"x.k":{"$gt":1}}])"),
            R"({ "_id" : 1, "a" : [ { "k" : 1, "n" : 1 }, { "k" : 2, "n" : 0 }, { "k" : 3, "n" : 0 } ] })");
  EXPECT_EQ(result_of(R"({"$set":{"a.$[y]":0}})", R"({"_id":1,"a":[1]})", "{}", R"([{"x":1}])"),
            "2 No array filter found for identifier 'y' in path 'a.$[y]'");
  EXPECT_EQ(result_of(R"({"$set":{"a":0}})", R"({"_id":1,"a":[1]})", "{}", R"([{"x":1}])"),
            "9 The array filter for identifier 'x' was not used in the update { $set: { a: 0 } }");
  EXPECT_EQ(result_of(R"({"$set":{"a.$[]":0}})", R"({"_id":1,"a":1})"),
            "2 Cannot apply array updates to non-array element a: 1");
}

TEST(Update, Pipelines) {
  EXPECT_EQ(result_of(R"([{"$set":{"b":{"$add":["$a",1]}}},{"$unset":"a"}])", R"({"_id":1,"a":1})"),
            R"({ "_id" : 1, "b" : 2 })");
  EXPECT_EQ(result_of(R"([{"$replaceWith":{"x":"$a"}}])", R"({"_id":1,"a":1})"), R"({ "_id" : 1, "x" : 1 })");
  EXPECT_EQ(result_of(R"([{"$match":{}}])", R"({"_id":1})"), "72 $match is not allowed to be used within an update");
}

TEST(Update, UpsertTakesOverEqualities) {
  const Case u(R"({"$set":{"y":1},"$inc":{"n":2}})");
  const auto update = Update::parse(u.statement["u"], u.options);
  ASSERT_TRUE(update);
  const auto matcher = Matcher::parse(doc(R"({"a":7,"b.c":5,"$and":[{"d":1}],"z":{"$gt":3},"_id":4})"));
  const auto made = update->upsert_document(*matcher, {}, [] { return bson::ObjectId{}; });
  ASSERT_TRUE(made);
  EXPECT_EQ(show(*made), R"({ "_id" : 4, "a" : 7, "b" : { "c" : 5 }, "d" : 1, "n" : 2, "y" : 1 })");
}

TEST(Update, SeveralNewFieldsOfOneNewParent) {
  for (const ServerVersion version : {ServerVersion{4, 4, 0}, ServerVersion{6, 0, 0}}) {
    const auto made = Case(R"({"$set":{"n.a":1,"n.b.c":2,"n.b.d":3,"m":1,"z.y":1,"arr.3.p":1,"arr.3.q":2}})", version)
                          .apply(R"({"_id":1,"arr":[0]})");
    ASSERT_TRUE(made);
    EXPECT_EQ(show(made->document), R"({ "_id" : 1, "arr" : [ 0, null, null, { "p" : 1, "q" : 2 } ], "m" : 1, )"
                                    R"("n" : { "a" : 1, "b" : { "c" : 2, "d" : 3 } }, "z" : { "y" : 1 } })");
  }
}

TEST(Update, OplogFormats) {
  const std::string u = R"({"$set":{"a":2,"n.m":1,"b.c":5},"$unset":{"z":1},"$push":{"arr":3}})";
  const std::string old = R"({"_id":1,"a":1,"b":{"c":1},"arr":[1,2],"z":0})";
  const auto v1 = Case(u).apply(old);
  EXPECT_EQ(show(v1->oplog_object),
            R"({ "$v" : 1, "$set" : { "a" : 2, "arr.2" : 3, "b.c" : 5, "n.m" : 1 }, "$unset" : { "z" : true } })");
  const auto v2 = Case(u, {6, 0, 0}).apply(old);
  EXPECT_EQ(
      show(v2->oplog_object),
      R"({ "$v" : 2, "diff" : { "d" : { "z" : false }, "u" : { "a" : 2 }, "i" : { "n" : { "m" : 1 } }, "sarr" : { "a" : true, "u2" : 3 }, "sb" : { "u" : { "c" : 5 } } } })");
}

TEST(Update, EqualNumbersOfOneTypeAreNoChange) {
  const auto modified = [](const std::string& u, const std::string& old) {
    const auto applied = Case(u).apply(old);
    EXPECT_TRUE(applied) << u;
    return applied && applied->modified;
  };
  EXPECT_FALSE(modified(R"({"$inc":{"a":{"$numberDecimal":"0.00"}}})", R"({"a":{"$numberDecimal":"1.0"}})"));
  EXPECT_FALSE(modified(R"({"$mul":{"a":{"$numberDouble":"-1.0"}}})", R"({"a":{"$numberDouble":"0.0"}})"));
  EXPECT_TRUE(modified(R"({"$inc":{"a":{"$numberDouble":"0.0"}}})", R"({"a":{"$numberInt":"1"}})"));
  EXPECT_TRUE(modified(R"({"$inc":{"a":1}})", R"({"a":{"$numberDouble":"NaN"}})"));
}

TEST(Update, ArgumentsOfPop) {
  const auto refusal = [](const std::string& u) {
    const auto applied = Case(u).apply(R"({"a":[1,2]})");
    return applied ? "" : std::to_string(applied.error().server_code) + " " + applied.error().message;
  };
  EXPECT_EQ(refusal(R"({"$pop":{"a":{"$numberDouble":"1.5"}}})"), "9 Expected an integer: a: 1.5");
  EXPECT_EQ(refusal(R"({"$pop":{"a":"x"}})"), "9 Expected a number in: a: \"x\"");
  EXPECT_EQ(refusal(R"({"$pop":{"a":2}})"), "9 $pop expects 1 or -1, found: 2");
}

TEST(Update, PullsWhatIsEqual) {
  EXPECT_EQ(show(Case(R"({"$pull":{"a":{"$eq":2}}})", ServerVersion{5, 0, 0}).apply(R"({"a":[1,2,3]})")->document), R"({ "a" : [ 1, 3 ] })");
}

TEST(Update, SortsItemsByWholeValues) {
  EXPECT_EQ(show(Case(R"({"$push":{"a":{"$each":[],"$sort":{"x":1}}}})").apply(R"({"a":[{"x":[3,1]},{"x":2},{}]})")->document),
            R"({ "a" : [ {  }, { "x" : 2 }, { "x" : [ 3, 1 ] } ] })");
}

TEST(Update, TakesIndexesWithLeadingZeros) {
  for (const auto version : {ServerVersion{4, 4, 0}, ServerVersion{8, 0, 0}}) {
    EXPECT_EQ(show(Case(R"({"$set":{"a.01":9,"a.003":7}})", version).apply(R"({"a":[1,2]})")->document), R"({ "a" : [ 1, 9, null, 7 ] })");
    EXPECT_EQ(show(Case(R"({"$set":{"a.01":9}})", version).apply(R"({"a":{"1":2}})")->document), R"({ "a" : { "1" : 2, "01" : 9 } })");
  }
  EXPECT_EQ(show(Case(R"({"$set":{"a.01":9,"a.1":7}})", ServerVersion{8, 0, 0}).apply(R"({"a":[]})")->document), R"({ "a" : [ null, 7 ] })");
}

}  // namespace
}  // namespace drover::sandbox::query
