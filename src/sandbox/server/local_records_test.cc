// What a member keeps of itself in `local`: its configuration and its starts.
#include <filesystem>

#include <unistd.h>

#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class LocalRecordsTest : public SandboxClientTest {
 protected:
  ~LocalRecordsTest() override {
    client_.reset();
    sandbox_.reset();
    std::filesystem::remove_all(path_);
  }
  void start_again(ServerVersion version) { start(SandboxOptions{.dbpath = path_.string(), .version = version}); }
  bson::Document configuration() { return bson::Document(run("admin", R"({"replSetGetConfig": 1})")["config"].document_value()); }
  void expect_recorded() {
    const auto recorded = find("local", "system.replset");
    ASSERT_EQ(recorded.size(), 1u);
    EXPECT_EQ(text(recorded.front()), text(configuration()));
  }
  const std::filesystem::path path_ = std::filesystem::temp_directory_path() / ("drover_local_records_" + std::to_string(::getpid()));
};

TEST_F(LocalRecordsTest, TheConfigurationIsThatOfTheTerm) {
  for (const auto version : {kTest44, kTest80}) {
    client_.reset();
    sandbox_.reset();
    std::filesystem::remove_all(path_);
    start_again(version);
    expect_recorded();
    EXPECT_EQ(configuration()["term"].to_int64(), 1);
    // It may be elected again by itself: then it is told so.
    while (code("admin", R"({"replSetStepDown": 60, "force": true})") != 0) {}
    ASSERT_EQ(code("admin", R"({"replSetFreeze": 0})"), 0);
    EXPECT_EQ(configuration()["term"].to_int64(), 2);
    expect_recorded();
    start_again(version);
    EXPECT_EQ(configuration()["term"].to_int64(), 2);
    expect_recorded();
    EXPECT_EQ(find("local", "oplog.rs", R"({"ns": {"$regex": "^local"}})").size(), 0u);
    EXPECT_EQ(code("local", R"({"drop": "system.replset"})"), 20);
    expect_recorded();
  }
}

TEST_F(LocalRecordsTest, EachStartIsRecorded) {
  start_again(kTest50);
  EXPECT_EQ(find("local", "startup_log").size(), 1u);
  start_again(kTest60);
  const auto starts = find("local", "startup_log");
  ASSERT_EQ(starts.size(), 2u);
  std::string fields;
  for (const auto& field : starts.back()) fields += std::string(field.key()) + " ";
  EXPECT_EQ(fields, "_id hostname startTime startTimeLocal cmdLine pid buildinfo ");
  const auto& last = starts.back();
  const auto time = last["startTime"].date_value().millis;
  EXPECT_EQ(last["_id"].to_string_view(), std::string(last["hostname"].string_value()) + "-" + std::to_string(time));
  EXPECT_EQ(last["pid"].to_int64(), ::getpid());
  EXPECT_EQ(last.view().at_path("buildinfo.version").to_string_view(), "6.0.20");
  EXPECT_EQ(last.view().at_path("cmdLine.replication.replSet").to_string_view(), "rs0");
  EXPECT_EQ(last["startTimeLocal"].string_value().size(), std::string_view("Mon Nov 30 17:33:54.123").size());
  const auto listed = batch(run("local", R"({"listCollections": 1, "filter": {"name": "startup_log"}})"));
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(text(listed.front()["options"]), R"({"capped":true,"size":10485760})");
}

// As in the server, what clients put beside it stays, and does not make an election read it.
TEST_F(LocalRecordsTest, OtherDocumentsAreLeftAlone) {
  start_again(kTest80);
  const auto insert = [&](int first, int count) {
    bson::Builder command;
    command.append("insert", "system.replset");
    {
      auto documents = command.open_array("documents");
      for (int i = first; i < first + count; ++i) documents.open_document().append("_id", i);
    }
    return code("local", std::move(command).finish().view());
  };
  ASSERT_EQ(insert(0, 1000), 0);
  const auto elect = [&] {
    ASSERT_EQ(code("admin", R"({"replSetStepDown": 60, "force": true})"), 0);
    ASSERT_EQ(code("admin", R"({"replSetFreeze": 0})"), 0);
  };
  elect();
  EXPECT_EQ(find("local", "system.replset").size(), 1001u);
  EXPECT_EQ(text(find("local", "system.replset", R"({"_id": "rs0"})").at(0)), text(configuration()));
  // Without its document one of theirs makes room, as the server's singleton is whichever is first.
  ASSERT_EQ(code("local", R"({"delete": "system.replset", "deletes": [{"q": {"_id": "rs0"}, "limit": 1}]})"), 0);
  elect();
  EXPECT_EQ(find("local", "system.replset").size(), 1000u);
  EXPECT_EQ(text(find("local", "system.replset", R"({"_id": "rs0"})").at(0)), text(configuration()));
}

TEST_F(LocalRecordsTest, AViewInTheLogsPlaceHarmsNoStart) {
  for (const auto version : {kTest44, kTest80}) {
    client_.reset();
    sandbox_.reset();
    std::filesystem::remove_all(path_);
    start_again(version);
    ASSERT_EQ(code("local", R"({"drop": "startup_log"})"), 0);
    ASSERT_EQ(code("local", R"({"create": "startup_log", "viewOn": "other", "pipeline": []})"), 0);
    start_again(version);
    expect_recorded();
    EXPECT_EQ(find("local", "startup_log").size(), 0u);
    ASSERT_EQ(code("local", R"({"drop": "startup_log"})"), 0);
    start_again(version);
    EXPECT_EQ(find("local", "startup_log").size(), 1u);
  }
}

}  // namespace
}  // namespace drover::sandbox
