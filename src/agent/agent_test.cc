// The agent's pure parts and its files: no network, no server.
#include <fstream>
#include <map>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/destination_state.h"
#include "agent/directory.h"
#include "base/backoff.h"
#include "agent/engine_process.h"
#include "agent/job.h"
#include "agent/log_shipper.h"
#include "agent/member_sample.h"
#include "agent/migration_job.h"
#include "agent/monitoring_commands.h"
#include "agent/restart_policy.h"
#include "agent/site.h"
#include "agent/sync_client.h"
#include "agent/validation_job.h"
#include "bson/builder.h"
#include "bson/ejson.h"

namespace drover::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kId = "670000000000000000000002";

Json item(const std::string& fields) {
  return *Json::parse(R"({"id": "670000000000000000000002", "revision": 3, )" + fields + "}");
}
const std::string kSides =
    R"("path": "sync", "source": {"connectionString": "mongodb://u:secret@s/"}, "destination": {"connectionString": "mongodb://d/"})";

TEST(Jobs, AreRead) {
  const auto parsed = parse_job(item(R"("kind": "migration", "desired": "CUTOVER", "dropDestinationData": true, )" + kSides));
  ASSERT_TRUE(parsed.job) << parsed.job.error().message;
  EXPECT_EQ(parsed.job->id, kId);
  EXPECT_EQ(parsed.job->desired, Desired::kCutover);
  EXPECT_EQ(parsed.job->revision, 3);
  EXPECT_FALSE(parsed.job->cutover_request) << "0 is a number: once given up it would be refused for ever";
  EXPECT_EQ(parse_job(item(R"("kind": "migration", "desired": "CUTOVER", "cutoverRequest": 2, )" + kSides)).job->cutover_request, 2);
  EXPECT_TRUE(parsed.job->drop_destination);
  EXPECT_FALSE(parsed.job->sharding);
  EXPECT_EQ(parsed.job->source_uri, "mongodb://u:secret@s/");
}

TEST(Jobs, OneThatIsToBeForgottenNeedsNothingElse) { EXPECT_TRUE(parse_job(item(R"("kind": "migration", "desired": "FORGET")")).job); }

TEST(Jobs, WhatIsNotKnownIsNamedAndNothingIsQuoted) {
  const std::pair<std::string, const char*> rows[] = {
      {R"("kind": "backup", "desired": "RUN", )" + kSides, "backup"},
      {R"("kind": "migration", "desired": "EXPLODE", )" + kSides, "EXPLODE"},
      {R"("kind": "migration", "desired": "RUN", "path": "moon")", "moon"},
      {R"("kind": "migration", "desired": "RUN", "path": "sync")", "source"},
  };
  for (const auto& [fields, says] : rows) {
    const auto parsed = parse_job(item(fields));
    EXPECT_EQ(parsed.id, kId);
    ASSERT_FALSE(parsed.job) << fields;
    EXPECT_THAT(parsed.job.error().message, HasSubstr(says));
    EXPECT_THAT(parsed.job.error().message, ::testing::Not(HasSubstr("secret")));
  }
  // An id names a directory.
  EXPECT_EQ(parse_job(*Json::parse(R"({"id": "../../etc", "kind": "migration", "desired": "RUN"})")).id, "");
}

TEST(Reports, HaveTheProtocolsFields) {
  Report report;
  report.state = JobState::kRunning;
  report.lag_seconds = 4;
  report.checks.push_back({"credentials", "FAILED", "t", "d"});
  const Json json(report_fields(report));
  EXPECT_EQ(json.find("state")->dump(), "\"RUNNING\"");
  EXPECT_EQ(json.find("lagTimeSeconds")->dump(), "4");
  EXPECT_TRUE(json.find("copiedBytes")->is_null());
  EXPECT_TRUE(json.find("phase")->is_null());
  EXPECT_TRUE(json.find("cutoverGivenUp")->is_null());
  report.cutover_given_up = GivenUpCutover{2, "a writer"};
  EXPECT_EQ(Json(report_fields(report)).find("cutoverGivenUp")->dump(), R"({"request":2,"because":"a writer"})");
  report.cutover_given_up = GivenUpCutover{{}, "a writer"};
  EXPECT_EQ(Json(report_fields(report)).find("cutoverGivenUp")->dump(), R"({"request":null,"because":"a writer"})");
  EXPECT_TRUE(json.find("engineSilentSince")->is_null());
  EXPECT_EQ(json.find("enginePaused")->dump(), "false");
  report.engine_silent_since = 17;
  report.engine_paused = true;
  EXPECT_EQ(Json(report_fields(report)).find("engineSilentSince")->dump(), "17");
  EXPECT_EQ(Json(report_fields(report)).find("enginePaused")->dump(), "true");
  EXPECT_EQ(json.find("checks")->dump(), R"([{"id":"credentials","status":"FAILED","title":"t","detail":"d"}])");
}

TEST(Progress, IsReadFromTheEnginesAnswer) {
  const auto progress = parse_progress(*Json::parse(
      R"({"success": true, "progress": {"state": "RUNNING", "canCommit": true, "info": "collection copy", "lagTimeSeconds": 2,
          "collectionCopy": {"estimatedTotalBytes": 10, "estimatedCopiedBytes": 5}, "warnings": ["w"]}})"));
  ASSERT_TRUE(progress);
  EXPECT_TRUE(progress->can_commit);
  EXPECT_EQ(progress->copied_bytes, 5);
  EXPECT_EQ(progress->lag_seconds, 2);
  EXPECT_THAT(progress->warnings, ElementsAre("w"));
  EXPECT_FALSE(progress->commit_given_up);
  const auto given_up = parse_progress(*Json::parse(R"({"progress": {"state": "RUNNING", "x": {"commitGivenUp": {"request": 3, "because": "a writer"}}}})"));
  ASSERT_TRUE(given_up && given_up->commit_given_up);
  EXPECT_EQ(given_up->commit_given_up->request, 3);
  EXPECT_EQ(given_up->commit_given_up->because, "a writer");
  EXPECT_FALSE(parse_progress(*Json::parse(R"({"error": 404})")));
}

TEST(Pauses, DoubleUpToAMinuteAndHaveChance) {
  using std::chrono::milliseconds;
  for (const std::uint64_t random : {0ull, 1ull, 12345678901ull}) {
    EXPECT_GE(pause_after(1, random), milliseconds(500));
    EXPECT_LE(pause_after(1, random), milliseconds(1000));
    EXPECT_GE(pause_after(3, random), milliseconds(2000));
    EXPECT_LE(pause_after(3, random), milliseconds(4000));
    EXPECT_LE(pause_after(1000, random), milliseconds(60'000));
    EXPECT_GE(pause_after(1000, random), milliseconds(30'000));
  }
}

TEST(Restarts, OfAnEngineThatComesNoFurtherEnd) {
  using End = RestartPolicy::End;
  SteadyTime now{std::chrono::hours(5)};
  RestartPolicy policy;
  EXPECT_FALSE(policy.waits(now));
  int ends = 0;
  // Back-off brings the first twenty to about a quarter of an hour: an outage of minutes is no failure.
  while (!policy.gives_up(now)) {
    policy.ended(End::kOther, now, 0);
    ++ends;
    ASSERT_LT(ends, 1000);
    EXPECT_TRUE(policy.waits(now));
    now += std::chrono::seconds(60);
    EXPECT_FALSE(policy.waits(now));
  }
  EXPECT_GE(ends, kFruitlessEnds);
  EXPECT_GE(policy.since_first(now), kFruitlessTime);
  policy.moved();
  EXPECT_FALSE(policy.gives_up(now));
}

TEST(Restarts, AreCountedNotOnlyTimed) {
  RestartPolicy policy;
  SteadyTime now{std::chrono::hours(5)};
  for (int i = 0; i < kFruitlessEnds - 1; ++i, now += std::chrono::hours(1)) policy.ended(RestartPolicy::End::kOther, now, 0);
  EXPECT_FALSE(policy.gives_up(now));
  policy.ended(RestartPolicy::End::kOther, now, 0);
  EXPECT_TRUE(policy.gives_up(now));
}

TEST(Restarts, OfWhatTheEngineCallsFinalAreFew) {
  RestartPolicy policy;
  const SteadyTime now{std::chrono::hours(5)};
  policy.ended(RestartPolicy::End::kHopeless, now, 0);
  policy.ended(RestartPolicy::End::kHopeless, now, 0);
  policy.ended(RestartPolicy::End::kOther, now, 0);
  policy.ended(RestartPolicy::End::kHopeless, now, 0);
  policy.ended(RestartPolicy::End::kHopeless, now, 0);
  EXPECT_FALSE(policy.gives_up(now));
  policy.ended(RestartPolicy::End::kHopeless, now, 0);
  EXPECT_TRUE(policy.gives_up(now));
}

// To give up is to remove what was copied, for a disk that somebody may clear tomorrow.
TEST(Restarts, BecauseOfTheHostsOwnDiskNeverEnd) {
  using End = RestartPolicy::End;
  RestartPolicy policy;
  SteadyTime now{std::chrono::hours(5)};
  for (int i = 0; i < 10 * kFruitlessEnds; ++i, now += std::chrono::hours(1)) {
    policy.ended(End::kHost, now, 0);
    EXPECT_TRUE(policy.waits(now));
    ASSERT_FALSE(policy.gives_up(now)) << i;
  }
  EXPECT_EQ(policy.ends(), 10 * kFruitlessEnds);
  EXPECT_EQ(policy.fruitless(), 0);
  // Nor do they make other ends look like many.
  policy.ended(End::kOther, now, 0);
  policy.ended(End::kHopeless, now, 0);
  policy.ended(End::kHopeless, now, 0);
  EXPECT_FALSE(policy.gives_up(now));
  policy.ended(End::kHopeless, now, 0);
  EXPECT_TRUE(policy.gives_up(now));
}

TEST(MonitoringCommands, NothingThatReadsDocumentsIsInTheList) {
  for (const char* name : {"find", "aggregate", "getMore", "count", "distinct", "insert", "update", "delete", "findAndModify", "create", "drop",
                           "listCollections", "listIndexes", "getLog", "profile", "mapReduce", "eval", "shutdown"}) {
    EXPECT_FALSE(is_monitoring_command("admin", bson::make_document({{name, 1}}))) << name;
    EXPECT_FALSE(is_monitoring_command("shop", bson::make_document({{name, "orders"}}))) << name;
  }
  EXPECT_TRUE(is_monitoring_command("local", bson::make_document({{"collStats", "oplog.rs"}})));
  EXPECT_FALSE(is_monitoring_command("shop", bson::make_document({{"collStats", "oplog.rs"}})));
  EXPECT_FALSE(is_monitoring_command("local", bson::make_document({{"collStats", "startup_log"}})));
  EXPECT_TRUE(is_monitoring_command("shop", bson::make_document({{"dbStats", 1}})));
  EXPECT_FALSE(is_monitoring_command("shop", bson::make_document({{"serverStatus", 1}})));
}

bson::Document ejson(const char* text) { return *bson::from_ejson(text); }

TEST(Samples, AReplicaSetsMember) {
  MemberReplies replies;
  replies.is_master = ejson(R"({"setName": "rs", "ismaster": false, "secondary": true, "me": "b:2", "hosts": ["a:1", "b:2"],
                                "passives": ["c:3"], "arbiters": ["d:4"]})");
  replies.build_info = ejson(R"({"version": "6.0.17", "modules": []})");
  replies.options = ejson(R"({"argv": ["mongod", "--tlsCertificateKeyFilePassword", "secret"],
                              "parsed": {"net": {"tls": {"mode": "requireTLS", "certificateKeyFilePassword": "secret"}},
                                         "security": {"authorization": "enabled"}}})");
  replies.host_info = ejson(R"({"os": {"type": "Darwin"}, "system": {"memSizeMB": 16384, "numCores": 4}})");
  replies.server_status = ejson(R"({"connections": {"current": 7}, "opcounters": {"insert": {"$numberLong": "100"}}})");
  replies.repl_set_status = ejson(R"({"members": [
      {"stateStr": "PRIMARY", "optimeDate": {"$date": "2026-01-01T00:00:09Z"}},
      {"stateStr": "SECONDARY", "self": true, "optimeDate": {"$date": "2026-01-01T00:00:02Z"}}]})");
  const Json json(member_json(replies));
  EXPECT_EQ(json.find("typeName")->dump(), "\"REPLICA_SECONDARY\"");
  EXPECT_EQ(json.find("community")->dump(), "true");
  EXPECT_EQ(json.find("os")->dump(), "\"macos\"");
  EXPECT_EQ(json.find("tlsEnabled")->dump(), "true");
  EXPECT_EQ(json.find("replicaStateName")->dump(), "\"SECONDARY\"");
  EXPECT_EQ(*json.find("metrics")->find("OPLOG_REPLICATION_LAG_TIME")->as_int(), 7);
  EXPECT_EQ(json.find("journalingEnabled")->dump(), "true");
  EXPECT_EQ(json.find("hiddenSecondary")->dump(), "false");
  EXPECT_EQ(json.find("secondaryDelaySecs"), nullptr);
  EXPECT_THAT(json.dump(), ::testing::Not(HasSubstr("secret")));
  EXPECT_THAT(members_named(replies), ElementsAre("a:1", "b:2", "c:3", "d:4"));
  for (const char* name : {"slaveDelay", "secondaryDelaySecs"}) {
    replies.repl_set_config = ejson(fmt::format(R"({{"config": {{"members": [{{"host": "a:1", "{0}": 5}}, {{"host": "b:2", "hidden": true, "{0}": 3600}}]}}}})", name).c_str());
    replies.is_master = ejson(R"({"setName": "rs", "secondary": true, "hidden": true, "me": "b:2"})");
    replies.options = ejson(R"({"parsed": {"storage": {"journal": {"enabled": false}}}})");
    const Json hidden(member_json(replies));
    EXPECT_DOUBLE_EQ(*hidden.find("secondaryDelaySecs")->as_double(), 3600);
    EXPECT_EQ(hidden.find("hiddenSecondary")->dump(), "true");
    EXPECT_EQ(hidden.find("journalingEnabled")->dump(), "false");
  }
  replies.options = {};
  EXPECT_EQ(Json(member_json(replies)).find("journalingEnabled"), nullptr) << "its options are hidden";
}

TEST(Samples, AMongosNamesTheShards) {
  MemberReplies replies;
  replies.is_master = ejson(R"({"msg": "isdbgrid", "ismaster": true})");
  replies.shards = ejson(R"({"shards": [{"_id": "s0", "host": "s0/a:1,b:2"}, {"_id": "s1", "host": "s1/c:3"}]})");
  replies.shard_map = ejson(R"({"map": {"config": "cfg/x:1,y:2"}})");
  EXPECT_EQ(Json(member_json(replies)).find("typeName")->dump(), "\"SHARD_MONGOS\"");
  EXPECT_THAT(members_named(replies), ElementsAre("a:1", "b:2", "c:3", "x:1", "y:2"));
  Json::Array hosts{Json::Object{{"typeName", "SHARD_PRIMARY"}, {"replicaSetName", "set1"}}, Json::Object{{"typeName", "SHARD_CONFIG"}, {"replicaSetName", "cfg"}},
                    Json::Object{{"reached", false}}, Json(), Json::Object{{"typeName", "SHARD_SECONDARY"}, {"replicaSetName", "elsewhere"}}};
  hosts[3] = Json::Object{{"typeName", "SHARD_MONGOS"}, {"shards", Json::Array{Json::Object{{"name", "first"}, {"host", "set1/a:1,b:2"}}, Json::Object{{"name", "config"}, {"host", "cfg/x:1"}}}}};
  name_shards(hosts);
  EXPECT_EQ(hosts[0].find("shardName")->dump(), "\"first\"");
  for (const std::size_t other : {1, 2, 3, 4}) EXPECT_EQ(hosts[other].find("shardName"), nullptr) << other;
}

TEST(Samples, TheRoleOfMonitoringIsChecked) {
  const auto all = ejson(R"({"authInfo": {"authenticatedUserPrivileges": [{"resource": {"cluster": true}, "actions":
      ["serverStatus", "replSetGetStatus", "listDatabases", "hostInfo", "getCmdLineOpts", "getParameter", "connPoolStats", "top"]}]}})");
  EXPECT_THAT(missing_actions(all, true), IsEmpty());
  const auto other = ejson(R"({"authInfo": {"authenticatedUserPrivileges": [{"resource": {"db": "", "collection": ""}, "actions": ["find", "serverStatus"]}]}})");
  EXPECT_THAT(missing_actions(other, true), ::testing::Contains("serverStatus"));
  EXPECT_THAT(missing_actions(other, false), IsEmpty());
}

class Files : public ::testing::Test {
 protected:
  const std::string path_ = ::testing::TempDir() + "agent files " + std::to_string(::getpid());
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  ~Files() override { std::filesystem::remove_all(path_); }
  void append(const std::string& name, const std::string& text) { std::ofstream(path_ + "/" + name, std::ios::app) << text; }
};

TEST_F(Files, ADirectoryIsOneAgents) {
  std::string id;
  {
    auto directory = Directory::open(path_, *runtime_);
    ASSERT_TRUE(directory) << directory.error().message;
    id = directory->agent_id();
    EXPECT_EQ(id.size(), 36u);
    const auto second = Directory::open(path_, *runtime_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kWrongState);
    ASSERT_TRUE(directory->make_job(kId));
    ASSERT_TRUE(write_file(directory->job_path(kId) + "/job.json", "x"));
    struct stat facts {};
    ::stat((directory->job_path(kId) + "/job.json").c_str(), &facts);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
    EXPECT_THAT(directory->job_ids(), ElementsAre(kId));
    directory->remove_job(kId);
    EXPECT_THAT(directory->job_ids(), IsEmpty());
    ASSERT_TRUE(directory->make_job(kId));
    ASSERT_TRUE(write_file(directory->job_path(kId) + "/sync.yaml", "secret"));
    directory->set_job_aside(kId);
    EXPECT_THAT(directory->job_ids(), IsEmpty());
    EXPECT_TRUE(std::filesystem::is_directory(path_ + "/jobs-kept/" + kId));
    EXPECT_FALSE(std::filesystem::exists(path_ + "/jobs-kept/" + kId + "/sync.yaml"));
  }
  EXPECT_EQ(Directory::open(path_, *runtime_)->agent_id(), id);
}

TEST_F(Files, TheLogIsShippedOnceAndInOrderAlsoAcrossRotationsAndRestarts) {
  std::filesystem::create_directories(path_);
  const auto make = [&] { return LogShipper(path_ + "/mongosync.log", path_ + "/kept"); };
  auto first = make();
  EXPECT_THAT(first.pending(), IsEmpty());
  append("mongosync.log", "a\nb\nhal");
  EXPECT_THAT(first.pending(), ElementsAre("a", "b"));
  EXPECT_THAT(first.pending(), ElementsAre("a", "b"));  // not acknowledged yet
  first.acknowledged(1);
  EXPECT_THAT(first.pending(), ElementsAre("b"));
  EXPECT_EQ(first.from(), 1);
  first.acknowledged(2);
  append("mongosync.log", "f\nc\n");
  std::filesystem::rename(path_ + "/mongosync.log", path_ + "/mongosync-2026.log");
  append("mongosync.log", "d\n");
  auto second = make();
  EXPECT_EQ(second.from(), 2);
  EXPECT_THAT(second.pending(), ElementsAre("half", "c"));
  second.acknowledged(4);
  EXPECT_THAT(second.pending(), ElementsAre("d"));
  second.acknowledged(5);
  EXPECT_THAT(second.pending(), IsEmpty());
  EXPECT_THAT(second.recent(), ElementsAre("half", "c", "d"));
}

TEST_F(Files, AnEnginesLastWordsAreItsOwn) {
  std::filesystem::create_directories(path_ + "/log");
  const EngineProcess engine({"/nowhere", path_, "", ""});
  EXPECT_FALSE(engine.running());
  EXPECT_FALSE(engine.last_words());
  append("output", "drover sync: cannot read sync.yaml\n");
  EXPECT_EQ(engine.last_words()->error, "drover sync: cannot read sync.yaml");
  append("log/mongosync.log", "{\"level\":\"info\",\"message\":\"x\"}\n"
                              "{\"time\":\"t\",\"level\":\"fatal\",\"message\":\"m\",\"error\":\"why\",\"exitCode\":5,\"serverCode\":286}\n");
  EXPECT_EQ(engine.last_words()->error, "why");
  EXPECT_EQ(engine.last_words()->exit_code, 5);
  EXPECT_EQ(engine.last_words()->server_code, 286);
  EXPECT_FALSE(engine.last_words()->local_disk);
  append("log/mongosync.log", "{\"level\":\"fatal\",\"error\":\"no room\",\"exitCode\":1,\"serverCode\":0,\"localDisk\":true}\n");
  EXPECT_TRUE(engine.last_words()->local_disk);
}

TEST_F(Files, ADiskIsFullBeforeItsLastByte) {
  std::filesystem::create_directories(path_);
  const auto room = std::filesystem::space(path_).available;
  EXPECT_FALSE(is_full(path_, room / 2));
  EXPECT_TRUE(is_full(path_, 2 * room + 1));
  EXPECT_FALSE(is_full("/nowhere"));
}

TEST_F(Files, APidThatIsAnothersIsNotTheEngine) {
  std::filesystem::create_directories(path_);
  append("pid", std::to_string(::getpid()) + "\n");
  EXPECT_FALSE(EngineProcess({"/nowhere", path_, "", ""}).running());
}

TEST_F(Files, AProgramIsRunToItsEndOrItsLimit) {
  std::filesystem::create_directories(path_);
  EXPECT_EQ(run_to_end({"/bin/sh", "-c", "exit 0"}, std::chrono::seconds(5), path_ + "/out", {}).value(), 0);
  EXPECT_EQ(run_to_end({"/bin/sh", "-c", "echo because >&2; exit 13"}, std::chrono::seconds(5), path_ + "/out", {}).value(), 13);
  EXPECT_EQ(*read_file(path_ + "/out"), "because\n");
  EXPECT_EQ(run_to_end({"/bin/sh", "-c", "exec sleep 60"}, std::chrono::seconds(1), path_ + "/out", {}).error().code, ErrorCode::kTemporary);
}

TEST_F(Files, AStopIsHandedOnToAProgramAndIsBounded) {
  std::filesystem::create_directories(path_);
  const auto stopped = [&](const std::string& script) {
    std::stop_source stop;
    const auto asks = runtime_->spawn("asks", [&](std::stop_token) {
      for (int i = 0; i < 500 && !std::filesystem::exists(path_ + "/begun"); ++i) runtime_->sleep(std::chrono::milliseconds(10), {});
      stop.request_stop();
    });
    const auto begun = runtime_->now();
    const auto ended = run_to_end({"/bin/sh", "-c", script, path_}, std::chrono::minutes(10), path_ + "/out", stop.get_token());
    EXPECT_LT(runtime_->now() - begun, kProgramFarewell + std::chrono::seconds(15));
    std::filesystem::remove(path_ + "/begun");
    return ended;
  };
  const std::string begun = "touch \"$0/begun\"; ";
  EXPECT_EQ(stopped(begun + "exec sleep 600").error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(stopped("trap 'exit 130' TERM; " + begun + "while :; do sleep 0.05; done").error().code, ErrorCode::kInterrupted);
  // What it did before it ended, or in spite of it, counts.
  EXPECT_EQ(stopped("trap 'exit 0' TERM; " + begun + "while :; do sleep 0.05; done").value(), 0);
  EXPECT_EQ(stopped("trap 'exit 4' TERM; " + begun + "while :; do sleep 0.05; done").value(), 4);
  // One that does not listen is killed.
  EXPECT_EQ(stopped("trap '' TERM; " + begun + "while :; do sleep 0.05; done").error().code, ErrorCode::kInterrupted);
}

TEST_F(Files, WhatWasInterruptedIsSaidFirst) {
  std::filesystem::create_directories(path_);
  EXPECT_EQ(report_at_first(path_).state, JobState::kAccepted);
  append("removing", "\n");
  EXPECT_EQ(report_at_first(path_).state, JobState::kRunning);
  EXPECT_THAT(report_at_first(path_).warnings, ElementsAre(HasSubstr("was interrupted")));
}

TEST_F(Files, ACaFileIsLookedAt) {
  std::filesystem::create_directories(path_);
  EXPECT_EQ(check_ca_file(path_ + "/none").status, "FAILED");
  append("ca", "not a certificate");
  EXPECT_EQ(check_ca_file(path_ + "/ca").status, "FAILED");
  append("ca", "\n-----BEGIN CERTIFICATE-----\n");
  EXPECT_EQ(check_ca_file(path_ + "/ca").status, "PASSED");
}

TEST(Checks, AFailureToConnectIsNamedForWhatItIs) {
  using preflight::Side;
  EXPECT_EQ(check_of_failure(Side::kSource, {ErrorCode::kSource, "x", 18, {}}).id, "credentials");
  EXPECT_EQ(check_of_failure(Side::kDestination, {ErrorCode::kDestination, "x", 18, {}}).id, "destination-privileges");
  EXPECT_EQ(check_of_failure(Side::kSource, {ErrorCode::kSource, "failed to resolve h", 0, {}}).title, "Could not resolve hostname");
  EXPECT_EQ(check_of_failure(Side::kSource, {ErrorCode::kSource, "TLS handshake failed", 0, {}}).title, "Invalid SSL options provided");
  EXPECT_EQ(check_of_failure(Side::kSource, {ErrorCode::kSource, "connection refused", 0, {}}).title, "Could not reach specified source");
}

TEST(Checks, ARemedyNamesWhatTheRequestHas) {
  const Error refused{ErrorCode::kSource, "source: certificate verify failed; if an authority of your own made the certificate, name it with tlsCAFile=FILE in the connection string, and so on", 0, {}};
  const auto source = check_of_failure(preflight::Side::kSource, refused), destination = check_of_failure(preflight::Side::kDestination, refused);
  EXPECT_NE(source.detail.find("caCertificatePath (drover migration start --source-tls-ca-path), and so on"), std::string::npos) << source.detail;
  EXPECT_EQ(source.detail.find("tlsCAFile"), std::string::npos) << source.detail;
  EXPECT_NE(destination.detail.find("tlsCAFile"), std::string::npos) << "the registered cluster has a connection string";
}

TEST(Checks, WhoGaveDropDestinationDataIsNotToldToGiveIt) {
  for (const auto holds : {Holds::kCommitted, Holds::kUnfinished}) {
    const DestinationState state{.holds = holds, .owner = "job"};
    EXPECT_NE(refusal_of(state, false).find("dropDestinationData"), std::string::npos);
    EXPECT_EQ(refusal_of(state, true).find("dropDestinationData"), std::string::npos);
  }
}

TEST(Checks, PreflightsFindingsAreGrouped) {
  preflight::Report report;
  report.findings = {{"source-privileges", preflight::Side::kSource, preflight::Severity::kRefuse, ErrorCode::kSource, "its user lacks find", "grant"},
                     {"destination-not-empty", preflight::Side::kDestination, preflight::Severity::kRefuse, ErrorCode::kDestination, "it is not empty", "drop"},
                     {"source-fcv", preflight::Side::kSource, preflight::Severity::kWarn, ErrorCode::kUnsupported, "old", "raise"}};
  const auto checks = checks_of(report, false);
  ASSERT_EQ(checks.size(), 3u);
  EXPECT_EQ(checks[0].id + checks[0].status, "privilegesFAILED");
  EXPECT_EQ(checks[1].id + checks[1].status, "destination-privilegesPASSED");
  EXPECT_EQ(checks[2].id + checks[2].status, "engineFAILED");
  EXPECT_EQ(checks_of(report, true)[2].status, "WARNING");
  EXPECT_EQ(checks_of(report, true)[2].title, "To be known of the source") << "it can be migrated";
  EXPECT_EQ(checks[2].title, "The destination cannot be migrated as it is");
}

TEST(Checks, WhereNobodyHasLoggedInNothingOfALoginIsPassed) {
  preflight::Report report;
  report.findings = {{"source-login", preflight::Side::kSource, preflight::Severity::kRefuse, ErrorCode::kSource, "it asks for a login", "name a user"},
                     {"destination-login", preflight::Side::kDestination, preflight::Severity::kRefuse, ErrorCode::kDestination, "it asks for a login", "name a user"}};
  std::map<std::string, Check> checks;
  for (auto& check : checks_of(report, false)) EXPECT_TRUE(checks.emplace(check.id, check).second) << check.id;
  EXPECT_EQ(checks.at("credentials").status, "FAILED");
  EXPECT_THAT(checks.at("credentials").detail, HasSubstr("managedAuthentication"));
  EXPECT_EQ(checks.at("privileges").status, "SKIPPED");
  EXPECT_EQ(checks.at("destination-privileges").status, "FAILED");
  EXPECT_EQ(checks.at("engine").status, "SKIPPED");
}

TEST(Checks, WhatWasNotLookedAtIsNotPassed) {
  preflight::Report report;
  report.users_checked = false;
  report.findings = {{"source-standalone", preflight::Side::kSource, preflight::Severity::kRefuse, ErrorCode::kUnsupported, "it is none", "make one"},
                     {"source-login", preflight::Side::kSource, preflight::Severity::kRefuse, ErrorCode::kSource, "it asks for a login", "name a user"}};
  std::map<std::string, Check> checks;
  for (auto& check : checks_of(report, false)) EXPECT_TRUE(checks.emplace(check.id, check).second) << check.id;
  EXPECT_EQ(checks.at("engine").status, "FAILED");
  EXPECT_EQ(checks.at("credentials").status, "FAILED");
  EXPECT_EQ(checks.at("privileges").status, "SKIPPED");
  EXPECT_EQ(checks.at("destination-privileges").status, "SKIPPED");
}

TEST(Checks, AUserHasTheCredentialsOfBothMechanisms) {
  EXPECT_EQ(check_mechanisms({"SCRAM-SHA-256", "SCRAM-SHA-1"}).status, "PASSED");
  EXPECT_EQ(check_mechanisms({}).status, "SKIPPED");
  const auto failed = check_mechanisms({"SCRAM-SHA-1"});
  EXPECT_EQ(failed.status, "FAILED");
  EXPECT_NE(failed.detail.find("none for SCRAM-SHA-256;"), std::string::npos) << failed.detail;
}

TEST(Checks, DiskSpace) {
  EXPECT_EQ(check_disk_space(10, 9).status, "FAILED");
  EXPECT_EQ(check_disk_space(10, 10).status, "PASSED");
  EXPECT_EQ(check_disk_space(10, std::nullopt).status, "SKIPPED");
}

}  // namespace
}  // namespace drover::agent
