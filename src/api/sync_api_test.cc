#include <gtest/gtest.h>

#include "api/start_body.h"
#include "api/sync_progress.h"

namespace drover::api {
namespace {

constexpr auto kPlain = R"("source":"cluster0","destination":"cluster1")";

Result<StartBody> parse(const std::string& more) {
  return parse_start_body("{" + std::string(kPlain) + (more.empty() ? "" : ",") + more + "}");
}

TEST(StartBody, NamesTheDirection) {
  const auto there = parse_start_body(R"({"source":"cluster0","destination":"cluster1"})");
  ASSERT_TRUE(there);
  EXPECT_EQ(there->request.source, 0);
  const auto back = parse_start_body(R"({"Source":"cluster1","DESTINATION":"cluster0"})");
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->request.source, 1);
  for (const auto* wrong : {R"({"source":"cluster0","destination":"cluster0"})", R"({"source":"cluster0"})",
                            R"({"source":"cluster2","destination":"cluster1"})", R"({"source":0,"destination":"cluster1"})"}) {
    const auto refused = parse_start_body(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  }
}

TEST(StartBody, AnExactKeyWinsOverAFoldedOneAndTheLastOfEquals) {
  const auto body = parse_start_body(
      R"({"source":"cluster0","SOURCE":"cluster1","destination":"cluster0","destination":"cluster1"})");
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(body->request.source, 0);
}

TEST(StartBody, MalformedBodiesAreUsageErrors) {
  for (const auto* wrong : {"", "[]", "{", "null", "\"start\"", R"({"source":"cluster0","destination":"cluster1","sorce":1})"}) {
    const auto refused = parse_start_body(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage) << wrong << refused.error().message;
  }
  EXPECT_NE(parse(R"("sorce":1)").error().message.find("\"sorce\""), std::string::npos);
}

TEST(StartBody, WhatIsNotDoneIsRefusedByName) {
  for (const auto* name : {R"("reversible":true)", R"("verification":{"enabled":true})", R"("detectRandomId":true)",
                           R"("buildIndexes":"never")", R"("preExistingDestinationData":true)",
                           R"("copyInNaturalOrder":[])", R"("documentFilter":{})",
                           R"("includeNamespaces":[{"databaseRegex":{"pattern":"a"}}])"}) {
    const auto refused = parse(name);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported) << name;
    const auto key = std::string(name).substr(1, std::string(name).find('"', 1) - 1);
    EXPECT_NE(refused.error().message.find(key == "includeNamespaces" ? "databaseRegex" : key), std::string::npos)
        << refused.error().message;
  }
  for (const auto* fine : {R"("reversible":false)", R"("verification":{"enabled":false})", R"("verification":false)",
                           R"("buildIndexes":"afterDataCopy")", R"("detectRandomId":null)"})
    EXPECT_TRUE(parse(fine)) << fine;
}

TEST(StartBody, Filters) {
  const auto body = parse(
      R"("includeNamespaces":[{"database":"sales","collections":["a","b.c"]},{"database":"hr"}],"excludeNamespaces":[{"database":"hr","collections":["x"]}])");
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(body->request.includes, (std::vector<std::string>{"sales.a", "sales.b.c", "hr"}));
  EXPECT_EQ(body->request.excludes, std::vector<std::string>{"hr.x"});
  for (const auto* wrong : {R"("includeNamespaces":{})", R"("includeNamespaces":[{}])", R"("includeNamespaces":["a"])",
                            R"("includeNamespaces":[{"database":"a","collections":[]}])",
                            R"("includeNamespaces":[{"database":"a.b"}])", R"("includeNamespaces":[{"database":"admin"}])",
                            R"("includeNamespaces":[{"database":"a","collections":["b"]}],"excludeNamespaces":[{"database":"a"}])"})
    EXPECT_FALSE(parse(wrong)) << wrong;
}

TEST(StartBody, OldWriteBlockingModesAreAccepted) {
  EXPECT_FALSE(parse(R"("enableUserWriteBlocking":"none")")->request.block_destination);
  EXPECT_TRUE(parse(R"("enableUserWriteBlocking":"destinationOnly")")->request.block_destination);
  EXPECT_TRUE(parse(R"("enableUserWriteBlocking":true)")->warnings.empty());
  EXPECT_FALSE(parse(R"("enableUserWriteBlocking":"source")"));
}

std::string field(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  return value == nullptr ? "absent" : value->dump();
}

TEST(Progress, IdleIsNulls) {
  engine::SyncProgress progress;
  progress.state = engine::SyncState::kIdle;
  const auto json = progress_json(progress, {});
  EXPECT_EQ(field(json, "state"), "\"IDLE\"");
  EXPECT_EQ(field(json, "canCommit"), "false");
  EXPECT_EQ(field(json, "info"), "null");
  EXPECT_EQ(field(json, "lagTimeSeconds"), "null");
  EXPECT_EQ(field(json, "collectionCopy"), "null");
  EXPECT_EQ(field(json, "mongosyncID"), "\"coordinator\"");
}

TEST(Progress, RunningHasWhatClientsRead) {
  engine::SyncProgress progress;
  progress.state = engine::SyncState::kRunning;
  progress.source = 1;
  progress.migration.phase = "change event application";
  progress.migration.lag_seconds = 1.2;
  progress.migration.can_commit = true;
  progress.migration.bytes = 5;
  progress.migration.bytes_expected = 7;
  progress.ping_millis[0] = 12;
  const auto json = progress_json(progress, {{"a:1", "b:2"}});
  EXPECT_EQ(field(json, "info"), "\"change event application\"");
  EXPECT_EQ(field(json, "lagTimeSeconds"), "2");
  EXPECT_EQ(field(json, "canCommit"), "true");
  EXPECT_EQ(field(json, "canWrite"), "false");
  EXPECT_EQ(field(json, "collectionCopy"), R"({"estimatedTotalBytes":7,"estimatedCopiedBytes":5})");
  EXPECT_EQ(field(json, "directionMapping"), R"({"Source":"cluster1: b:2","Destination":"cluster0: a:1"})");
  EXPECT_EQ(field(json, "source"), R"({"pingLatencyMs":12})");
  EXPECT_EQ(field(json, "destination"), "absent");
}

TEST(Progress, CommittedCanWrite) {
  engine::SyncProgress progress;
  progress.state = engine::SyncState::kCommitted;
  progress.source = 0;
  const auto json = progress_json(progress, {});
  EXPECT_EQ(field(json, "info"), "\"commit completed\"");
  EXPECT_EQ(field(json, "canWrite"), "true");
  EXPECT_EQ(field(json, "lagTimeSeconds"), "0");
}

}  // namespace
}  // namespace drover::api
