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

}  // namespace
}  // namespace drover::sandbox
