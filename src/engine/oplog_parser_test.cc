#include "engine/oplog_parser.h"

#include <gtest/gtest.h>

#include "bson/ejson.h"

namespace drover::engine {
namespace {

ParsedEntry parse(const char* text, bool is_part = false) {
  const auto entry = bson::from_ejson(text);
  EXPECT_TRUE(entry) << text;
  auto parsed = parse_oplog_entry(*entry, is_part);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return std::move(*parsed);
}

constexpr const char* kUi = R"("ui":{"$uuid":"11111111-2222-4333-8444-555555555555"})";

std::string entry(const std::string& rest) {
  return R"({"ts":{"$timestamp":{"t":5,"i":7}},)" + std::string(kUi) + "," + rest + "}";
}

TEST(OplogParser, DocumentsOfEachKind) {
  const auto insert = parse(entry(R"("op":"i","ns":"a.b","o":{"_id":1,"x":2})").c_str());
  ASSERT_EQ(insert.events.size(), 1u);
  EXPECT_EQ(insert.events[0].kind, ChangeKind::kInsert);
  EXPECT_EQ(insert.events[0].ts, (ClusterTime{5, 7}));
  EXPECT_EQ(insert.events[0].ns, (Namespace{"a", "b"}));
  EXPECT_EQ(insert.events[0].uuid.to_string(), "11111111-2222-4333-8444-555555555555");
  EXPECT_TRUE(insert.events[0].last_of_ts);

  EXPECT_EQ(parse(entry(R"("op":"u","ns":"a.b","o2":{"_id":1},"o":{"$v":1,"$set":{"x":3}})").c_str()).events[0].kind,
            ChangeKind::kUpdate);
  EXPECT_EQ(parse(entry(R"("op":"u","ns":"a.b","o2":{"_id":1},"o":{"$v":2,"diff":{"u":{"x":3}}})").c_str()).events[0].kind,
            ChangeKind::kUpdate);
  EXPECT_EQ(parse(entry(R"("op":"u","ns":"a.b","o2":{"_id":1},"o":{"_id":1,"x":3})").c_str()).events[0].kind,
            ChangeKind::kReplace);
  EXPECT_EQ(parse(entry(R"("op":"d","ns":"a.b","o":{"_id":1})").c_str()).events[0].kind, ChangeKind::kDelete);
}

TEST(OplogParser, NoOpsAndInternalDatabasesOnlyMoveThePosition) {
  EXPECT_TRUE(parse(entry(R"("op":"n","ns":"","o":{"msg":"periodic noop"})").c_str()).events.empty());
  EXPECT_TRUE(parse(entry(R"("op":"i","ns":"config.transactions","o":{"_id":1})").c_str()).events.empty());
  EXPECT_TRUE(parse(entry(R"("op":"i","ns":"__mdb_internal_mongosync.x_owner","o":{"_id":1})").c_str()).events.empty());
}

TEST(OplogParser, CatalogChanges) {
  const auto rename = parse(
      entry(R"("op":"c","ns":"a.$cmd","o":{"renameCollection":"a.b","to":"a.c","stayTemp":false,"dropTarget":{"$uuid":"21111111-2222-4333-8444-555555555555"}})").c_str());
  EXPECT_EQ(rename.events[0].kind, ChangeKind::kRename);
  EXPECT_EQ(rename.events[0].target, (Namespace{"a", "c"}));
  EXPECT_FALSE(rename.events[0].drop_target.is_nil());
  EXPECT_EQ(parse(entry(R"("op":"c","ns":"a.$cmd","o":{"create":"b","idIndex":{"v":2,"key":{"_id":1},"name":"_id_"}})").c_str()).events[0].kind,
            ChangeKind::kCreate);
  EXPECT_EQ(parse(entry(R"("op":"c","ns":"a.$cmd","o":{"drop":"b"})").c_str()).events[0].ns, (Namespace{"a", "b"}));
  EXPECT_TRUE(parse(entry(R"("op":"c","ns":"a.$cmd","o":{"startIndexBuild":"b","indexes":[]})").c_str()).events.empty());
  EXPECT_EQ(parse(entry(R"("op":"c","ns":"a.$cmd","o":{"commitIndexBuild":"b","indexes":[]})").c_str()).events[0].kind,
            ChangeKind::kCreateIndexes);
  EXPECT_EQ(parse(entry(R"("op":"i","ns":"a.system.views","o":{"_id":"a.v","viewOn":"b","pipeline":[]})").c_str()).events[0].kind,
            ChangeKind::kViewsChanged);
  EXPECT_EQ(parse(entry(R"("op":"c","ns":"a.$cmd","o":{"convertToCapped":"b","size":4096})").c_str()).events[0].kind,
            ChangeKind::kUnsupported);
}

TEST(OplogParser, TransactionsKeepTheirOrderAndOneTime) {
  const char* last =
      R"("op":"c","ns":"admin.$cmd","txnNumber":{"$numberLong":"3"},"prevOpTime":{"ts":{"$timestamp":{"t":5,"i":6}},"t":{"$numberLong":"1"}},"o":{"applyOps":[{"ui":{"$uuid":"11111111-2222-4333-8444-555555555555"},"op":"i","ns":"a.b","o":{"_id":1}},{"ui":{"$uuid":"11111111-2222-4333-8444-555555555555"},"op":"d","ns":"a.b","o":{"_id":2}}],"count":3})";
  const auto parsed = parse(entry(last).c_str());
  ASSERT_EQ(parsed.events.size(), 2u);
  EXPECT_EQ(parsed.events[0].ts, parsed.events[1].ts);
  EXPECT_FALSE(parsed.events[0].last_of_ts);
  EXPECT_TRUE(parsed.events[1].last_of_ts);
  ASSERT_TRUE(parsed.earlier_part);
  EXPECT_EQ(*parsed.earlier_part, (ClusterTime{5, 6}));

  const char* part =
      R"("op":"c","ns":"admin.$cmd","txnNumber":{"$numberLong":"3"},"prevOpTime":{"ts":{"$timestamp":{"t":0,"i":0}},"t":{"$numberLong":"-1"}},"o":{"applyOps":[{"ui":{"$uuid":"11111111-2222-4333-8444-555555555555"},"op":"i","ns":"a.b","o":{"_id":0}}],"partialTxn":true})";
  EXPECT_TRUE(parse(entry(part).c_str()).events.empty());
  EXPECT_EQ(parse(entry(part).c_str(), true).events.size(), 1u);
  const auto document = bson::from_ejson(entry(part));
  EXPECT_FALSE(previous_link(*document).value());
}

// A write of the server's own that is larger than one entry: linked like a transaction, but without session and number.
TEST(OplogParser, GroupedWritesOfTheServerAreLinkedToo) {
  const std::string group =
      R"("op":"c","ns":"admin.$cmd","prevOpTime":{"ts":{"$timestamp":{"t":5,"i":6}},"t":{"$numberLong":"1"}},"o":{"applyOps":[],"count":3})";
  EXPECT_EQ(parse(entry(group).c_str()).earlier_part, (ClusterTime{5, 6}));
  EXPECT_FALSE(parse(entry(R"("multiOpType":1,"txnNumber":{"$numberLong":"3"},)" + group).c_str()).earlier_part);
  const auto alone = entry(R"("op":"c","ns":"admin.$cmd","prevOpTime":{"ts":{"$timestamp":{"t":0,"i":0}},"t":{"$numberLong":"-1"}},"o":{"applyOps":[]})");
  EXPECT_FALSE(parse(alone.c_str()).earlier_part);
}

TEST(OplogParser, UnknownFormatsAreRefused) {
  // Nobody could say of which collection it is, and dropping it would lose it.
  for (const char* nameless : {R"({"ts":{"$timestamp":{"t":5,"i":7}},"op":"i","ns":"a.b","o":{"_id":1}})",
                               R"({"ts":{"$timestamp":{"t":5,"i":7}},"op":"c","ns":"a.$cmd","o":{"applyOps":[{"op":"d","ns":"a.b","o":{"_id":1}}]}})"})
    EXPECT_FALSE(parse_oplog_entry(*bson::from_ejson(nameless))) << nameless;

  const auto odd = bson::from_ejson(entry(R"("op":"zz","ns":"a.b","o":{})"));
  EXPECT_FALSE(parse_oplog_entry(*odd));
  // What is of no namespace would be passed over; a transaction without a link to its earlier part would lose it; a link that does not
  // lead back would never end.
  for (const char* rest : {
           R"("op":"i","o":{"_id":1})", R"("op":"i","ns":5,"o":{"_id":1})", R"("op":"d","ns":"a","o":{"_id":1})", R"("op":"u","ns":"","o2":{"_id":1},"o":{"_id":1})",
           R"("op":"c","o":{"drop":"b"})", R"("op":"c","ns":"a.$cmd","o":{"drop":5})", R"("op":"c","ns":"a.$cmd","o":{"create":""})",
           R"("op":"c","ns":"a.$cmd","o":{"createIndexes":null})", R"("op":"c","ns":"a.$cmd","o":{"collMod":{}})", R"("op":"c","ns":"a.$cmd","o":{"dropIndexes":[]})",
           R"("op":"c","ns":"a.$cmd","o":{"renameCollection":"a.b"})", R"("op":"c","ns":"a.$cmd","o":{"renameCollection":"a.b","to":"a"})",
           R"("op":"c","ns":"admin.$cmd","prevOpTime":5,"o":{"applyOps":[]})", R"("op":"c","ns":"admin.$cmd","prevOpTime":{},"o":{"applyOps":[]})",
           R"("op":"c","ns":"admin.$cmd","prevOpTime":{"ts":"x"},"o":{"applyOps":[]})",
           R"("op":"c","ns":"admin.$cmd","prevOpTime":{"ts":{"$timestamp":{"t":5,"i":7}}},"o":{"applyOps":[]})",
           R"("op":"c","ns":"admin.$cmd","prevOpTime":{"ts":{"$timestamp":{"t":6,"i":1}}},"o":{"applyOps":[]})",
           R"("op":"c","ns":"admin.$cmd","o":{"commitTransaction":1})",
           R"("op":"c","ns":"admin.$cmd","prevOpTime":{"ts":{"$timestamp":{"t":0,"i":0}},"t":{"$numberLong":"-1"}},"o":{"commitTransaction":1})"}) {
    EXPECT_FALSE(parse_oplog_entry(*bson::from_ejson(entry(rest)))) << rest;
  }
  const auto without_time = bson::from_ejson(R"({"op":"n","o":{}})");
  EXPECT_FALSE(parse_oplog_entry(*without_time));
}

}  // namespace
}  // namespace drover::engine
