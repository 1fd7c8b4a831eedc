#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/child_process.h"
#include "cli/demo_directory.h"
#include "cli/demo_migration_view.h"
#include "cli/demo_report.h"
#include "cli/demo_shell.h"
#include "cli/demo_watch.h"

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

TEST_F(Child, BeginsInItsDirectory) {
  auto child = ChildProcess::start({.arguments = {"/bin/sh", "-c", "pwd"}, .directory = directory_.path(), .output = directory_.file("out")}).value();
  EXPECT_EQ(wait_for(child), 0);
  EXPECT_EQ(std::filesystem::canonical(last_line(directory_.file("out")).value()), std::filesystem::canonical(directory_.path()));
}

TEST_F(Child, AllEndWithinOnePatience) {
  auto orderly = shell("echo orderly; exec sleep 1000");
  while (last_line(directory_.file("out")).value_or("") != "orderly") {}
  auto deaf = shell("trap '' TERM; echo deaf; while :; do sleep 1; done");
  while (last_line(directory_.file("out")).value_or("") != "deaf") {}
  const auto begun = std::chrono::steady_clock::now();
  stop_all(std::array{&deaf, static_cast<ChildProcess*>(nullptr), &orderly}, std::chrono::milliseconds(300));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
  EXPECT_EQ(deaf.exit_code(), 128 + SIGKILL);
  EXPECT_EQ(orderly.exit_code(), 128 + SIGTERM);
}

class Watch : public Child {
 protected:
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::stop_source outer_;
  DemoWatch watch_{*runtime_, outer_.get_token()};

  void add(const ChildProcess& child) { watch_.add({"the server", child.pid(), directory_.file("err"), ErrorCode::kSource}); }
  bool stops_within(std::chrono::seconds limit) {
    const auto deadline = runtime_->now() + limit;
    while (!watch_.stop().stop_requested() && runtime_->now() < deadline) runtime_->sleep(std::chrono::milliseconds(1), {});
    return watch_.stop().stop_requested();
  }
};

TEST_F(Watch, AProcessThatEndsEndsAllWaits) {
  auto child = shell("echo 'no room' >&2; exit 3");
  add(child);
  ASSERT_TRUE(stops_within(std::chrono::seconds(20)));
  ASSERT_TRUE(watch_.failure());
  EXPECT_EQ(watch_.failure()->code, ErrorCode::kSource);
  EXPECT_THAT(watch_.failure()->message, HasSubstr("the server has ended with exit code 3"));
  EXPECT_THAT(watch_.failure()->message, HasSubstr(directory_.file("err") + "\", ends with: no room"));
  EXPECT_TRUE(watch_.cut().stop_requested());
  EXPECT_EQ(wait_for(child), 3) << "it is still its owner's to reap";
}

TEST_F(Watch, ASignalIsNamed) {
  auto child = shell("exec sleep 1000");
  add(child);
  ::kill(child.pid(), SIGKILL);
  ASSERT_TRUE(stops_within(std::chrono::seconds(20)));
  EXPECT_THAT(watch_.failure()->message, HasSubstr("the server was ended by signal 9 (Killed)"));
}

TEST_F(Watch, WhatIsDismissedMayEnd) {
  auto child = shell("exec sleep 1000"), other = shell("exec sleep 1000");
  add(child);
  add(other);
  watch_.dismiss(child.pid());
  child.kill_now();
  EXPECT_FALSE(stops_within(std::chrono::seconds(1)));
  ::kill(other.pid(), SIGKILL);
  EXPECT_TRUE(stops_within(std::chrono::seconds(20)));
}

TEST_F(Watch, AStopRequestIsPassedOnAndCallsMayStillBeAnswered) {
  outer_.request_stop();
  ASSERT_TRUE(stops_within(std::chrono::seconds(20)));
  EXPECT_FALSE(watch_.failure());
  EXPECT_FALSE(watch_.cut().stop_requested());
}

class Shell : public Watch {
 protected:
  DemoShell shell_{directory_, watch_, *runtime_, false};
  const DemoShell::Terminal terminal_{"atlas", {{"DROVER_SITE", "http://127.0.0.1:1"}, {"DROVER_PROJECT", "Shop (prod)"}}};
};

TEST_F(Shell, RunsWhatItShowsInTheDemosDirectory) {
  ::setenv("DROVER_PUBLIC_KEY", "of the person's own terminal", 1);
  testing::internal::CaptureStderr();
  shell_.heading(2, "Stage 2");
  const auto output = shell_.run(terminal_, "sh -c 'echo \"$DROVER_SITE $DROVER_PROJECT $DROVER_PUBLIC_KEY.\"; umask' > said");
  EXPECT_EQ(output.value(), "");
  EXPECT_EQ(shell_.run(terminal_, "cat said").value(), "http://127.0.0.1:1 Shop (prod) .\n0077\n");
  const auto shown = testing::internal::GetCapturedStderr();
  ::unsetenv("DROVER_PUBLIC_KEY");
  EXPECT_THAT(shown, HasSubstr("\nStage 2\n=======\n"));
  EXPECT_THAT(shown, HasSubstr("\natlas$ cat said\n    http://127.0.0.1:1 Shop (prod) .\n"));
  ASSERT_EQ(shell_.steps().size(), 2u);
  EXPECT_EQ(shell_.steps()[1].command, "cat said");
  EXPECT_EQ(shell_.steps()[1].stage, 2);
}

TEST_F(Shell, AFailureIsTheCommandsOwn) {
  testing::internal::CaptureStderr();
  const auto failed = shell_.run(terminal_, "sh -c 'echo \"drover link: the token is used\" >&2; exit 4'");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("    drover link: the token is used\n"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kWrongState);
  EXPECT_THAT(failed.error().message, HasSubstr("ended with 4: drover link: the token is used"));
  EXPECT_EQ(shell_.steps().back().exit_code, 4);
}

TEST_F(Shell, IsQuietWhenItOnlyLooks) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(shell_.run(terminal_, "echo here", {.quiet = true}).value(), "here\n");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_TRUE(shell_.steps().empty());
}

TEST_F(Shell, GivesLinesAsTheyComeAndShortensWhatItShows) {
  testing::internal::CaptureStderr();
  std::vector<std::string> lines;
  EXPECT_TRUE(shell_.run(terminal_, "printf 'one\\ntwo\\n'", {.on_line = [&](const std::string& line) { lines.push_back(line); }}));
  EXPECT_THAT(lines, testing::ElementsAre("one", "two"));
  EXPECT_TRUE(shell_.run(terminal_, "seq 1 10", {.shown_lines = 3}));
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("seq 1 10\n    1\n    2\n    3\n    ... 7 more lines\n"));
}

TEST_F(Shell, WhatTakesTooLongIsEnded) {
  testing::internal::CaptureStderr();
  const auto late = shell_.run(terminal_, "sleep 1000", {.limit = std::chrono::seconds(0)});
  testing::internal::GetCapturedStderr();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kTimedOut);
}

TEST_F(Shell, AStopEndsTheStep) {
  testing::internal::CaptureStderr();
  outer_.request_stop();
  const auto stopped = shell_.run(terminal_, "sleep 1000");
  testing::internal::GetCapturedStderr();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
}

TEST(DemoMigrationView, SaysBytesAndNeverMoreThanIsKnown) {
  const auto migration = Json::parse(R"({"status":"WORKING","phase":"COLLECTION_COPY","copiedBytes":500000,"totalBytes":2000000,"appliedEvents":12,)"
                                     R"("lagTimeSeconds":3})").value();
  EXPECT_EQ(line_of(migration), "collection copy · 500.0 kB of 2.0 MB (25 %) · 12 changes applied · lag 3.0 s");
  const auto view = view_of(migration, "shop-atlas");
  ASSERT_EQ(view.collections.size(), 1u);
  EXPECT_EQ(view.collections[0].ns, "bytes, to shop-atlas");
  EXPECT_EQ(view.collections[0].state, terminal::CollectionProgress::State::kCopying);
  EXPECT_FALSE(view.eta_seconds);
  EXPECT_EQ(line_of(Json::parse(R"({"status":"NEW","lagTimeSeconds":null})").value()), "waiting for the migration host");
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
  report.write_unavailable_millis = 412.4;
  report.kills = {{"cutover", 900, 4}};
  report.verification = Json::parse(R"({"equal":true,"collections":3,"documents":5,"mismatches":0,"more":1})").value();
  report.writes = {{"insert", 10}};
  report.ledger_documents = 4;
  EXPECT_EQ(demo_json(report).dump(),
            R"({"state":"COMMITTED","documents":5,"maxLagSeconds":3.5,"writeUnavailableMillis":412,)"
            R"("kills":[{"phase":"cutover","atMs":900,"batchesInFlight":4}],)"
            R"("verification":{"equal":true,"collections":3,"documents":5,"mismatches":0},"writes":{"insert":10},)"
            R"("ledger":{"documents":4,"differences":0}})");
  EXPECT_THAT(demo_table(report), HasSubstr("412 ms, with an engine killed in its cutover and started again\n"));
  report.kills = {{"collection copy", 900, 4}};
  EXPECT_THAT(demo_table(report), HasSubstr("412 ms\n"));
}

TEST(DemoReport, OfAnEngineThatDidNotComeToItsEndWhatIsKnownIsTold) {
  const auto progress = Json::parse(R"({"message":"progress","state":"RUNNING","phase":"collection copy","documents":5,"bytes":100,)"
                                    R"("changeEventsApplied":7,"lagSeconds":1.5,"restarts":2})").value();
  DemoReport report;
  report.max_lag_seconds = 3.5;
  report.engine = unfinished_engine(Json(), progress, 3.5);
  EXPECT_EQ(demo_json(report).dump(),
            R"({"state":"RUNNING","documents":5,"bytes":100,"copySeconds":null,"changeEventsApplied":7,"maxLagSeconds":3.5,"finalLagSeconds":1.5,)"
            R"("writeUnavailableMillis":null,"restarts":2,"kills":[],"verification":null,"writes":{},"ledger":null})");
  const auto failed = Json::parse(R"({"state":"COMMITTED","documents":5,"error":{"exitCode":1,"message":"a hook"}})").value();
  EXPECT_EQ(unfinished_engine(failed, progress, 3.5).dump(), R"({"state":"COMMITTED","documents":5})");
  EXPECT_TRUE(unfinished_engine(Json(), Json(), 0).is_null());
}

TEST(DemoReport, TheControlPlanesStoryIsAField) {
  DemoReport report;
  report.engine = Json::parse(R"({"state":"COMPLETE","documents":null,"bytes":2000000,"copySeconds":2.0,"verification":null})").value();
  report.control_plane = Json::parse(R"({"processes":"one","readyAfterSeconds":4.5,"steps":[{},{}]})").value();
  EXPECT_THAT(demo_json(report).dump(), HasSubstr(R"("controlPlane":{"processes":"one")"));
  const auto table = demo_table(report);
  EXPECT_THAT(table, HasSubstr("4.5 s after the start"));
  EXPECT_THAT(table, HasSubstr("2.0 MB in 2.0 s (1.0 MB/s)"));
}

}  // namespace
}  // namespace drover::cli
