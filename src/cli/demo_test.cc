#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/child_process.h"
#include "cli/demo_directory.h"
#include "cli/demo_report.h"

namespace drover::cli {
namespace {

using ::testing::HasSubstr;

int wait_for(ChildProcess& process) {
  while (process.running()) {}
  return process.exit_code().value_or(-1);
}

class Child : public ::testing::Test {
 protected:
  DemoDirectory directory_ = DemoDirectory::create().value();

  ChildProcess shell(const std::string& script, bool pipe_input = false) {
    return ChildProcess::start({.arguments = {"/bin/sh", "-c", script},
                                .environment = {{"DROVER_DEMO_TEST", "a value"}},
                                .pipe_input = pipe_input,
                                .output = directory_.file("out"),
                                .errors = directory_.file("err")})
        .value();
  }
};

TEST_F(Child, GivesItsOutputEnvironmentAndExitCode) {
  auto child = shell("echo \"$DROVER_DEMO_TEST\"; echo trouble >&2; exit 7");
  EXPECT_EQ(wait_for(child), 7);
  EXPECT_EQ(last_line(directory_.file("out")).value(), "a value");
  EXPECT_EQ(last_line(directory_.file("err")).value(), "trouble");
}

TEST_F(Child, ReadsWhatIsWrittenToIt) {
  auto child = shell("read line; echo \"got $line\"", true);
  child.write_line("commit");
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(last_line(directory_.file("out")).value(), "got commit");
}

TEST_F(Child, DoesNotOutliveItsOwner) {
  pid_t pid = 0;
  {
    auto child = shell("exec sleep 1000");
    pid = child.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(Child, AKilledOneSaysSo) {
  auto child = shell("exec sleep 1000");
  child.kill_now();
  EXPECT_EQ(child.exit_code(), 128 + SIGKILL);
}

TEST_F(Child, AProgramThatIsNotThereEndsWith127) {
  auto child = ChildProcess::start({.arguments = {"/no/such/program"}}).value();
  EXPECT_EQ(wait_for(child), 127);
}

TEST(DemoDirectory, IsRemovedUnlessKept) {
  std::string path;
  {
    const auto directory = DemoDirectory::create().value();
    path = directory.path();
    ASSERT_TRUE(directory.write("uri", "secret"));
    const auto mode = std::filesystem::status(directory.file("uri")).permissions();
    EXPECT_EQ(mode & std::filesystem::perms::group_all, std::filesystem::perms::none);
    EXPECT_THAT(path, HasSubstr(" "));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(DemoReport, JsonIsTheEnginesWithWhatOnlyTheDemoKnows) {
  DemoReport report;
  report.engine = Json::parse(R"({"state":"COMMITTED","documents":5,"maxLagSeconds":2,"writeUnavailableMillis":null,"kills":[],)"
                              R"("verification":null})").value();
  report.max_lag_seconds = 3.5;
  report.write_unavailable_millis = 412.5;
  report.kills = {{"cutover", 900, 4}};
  report.verification = Json::parse(R"({"equal":true,"collections":3,"documents":5,"mismatches":0,"more":1})").value();
  report.writes = {{"insert", 10}};
  EXPECT_EQ(demo_json(report).dump(),
            R"({"state":"COMMITTED","documents":5,"maxLagSeconds":3.5,"writeUnavailableMillis":412.5,)"
            R"("kills":[{"phase":"cutover","atMs":900,"batchesInFlight":4}],)"
            R"("verification":{"equal":true,"collections":3,"documents":5,"mismatches":0},"writes":{"insert":10},)"
            R"("ledger":{"documents":0,"differences":0}})");
  EXPECT_THAT(demo_table(report), HasSubstr("412 ms"));
}

}  // namespace
}  // namespace drover::cli
