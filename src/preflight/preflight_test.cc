#include "preflight/preflight.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "cluster/testing/stub_deployment.h"

namespace drover::preflight {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

bson::Document json(const std::string& text) { return bson::from_ejson(text).value(); }

class FakeDeployment : public cluster::StubDeployment {
 public:
  explicit FakeDeployment(const char* set) {
    known.version = known.fcv = {4, 4, 0};
    known.set_name = set;
    known.hosts = {std::string(set) + ":27017"};
    known.is_writable_primary = true;
  }
  CollectionInfo& add(const std::string& ns, const std::string& options = "{}") {
    CollectionInfo info;
    info.ns = *Namespace::parse(ns);
    info.uuid.bytes[0] = static_cast<std::uint8_t>(collections.size() + 1);
    info.options = json(options);
    info.indexes = {json(R"({"v": 2, "key": {"_id": 1}, "name": "_id_"})")};
    collections.push_back(std::move(info));
    return collections.back();
  }

  Result<cluster::Facts> facts() override { return known; }
  Result<std::vector<std::string>> list_databases() override { return std::vector<std::string>{"admin", "d", "local"}; }
  Result<std::vector<CollectionInfo>> list_collections(const std::string& db) override {
    return db == "d" ? collections : std::vector<CollectionInfo>{};
  }
  Result<std::vector<bson::Document>> load_state(const std::string& name) override { return state[name]; }
  Result<std::pair<ClusterTime, ClusterTime>> oplog_window() override { return window; }
  Result<cluster::WriteBlock> write_block() override { return block; }
  Result<bson::Document> run_command(const std::string&, bson::View command) override {
    const auto found = replies.find(std::string(command.first().key()));
    if (forbidden == command.first().key()) return fail(ErrorCode::kDestination, "not authorized", 13);
    if (found == replies.end()) return fail(ErrorCode::kSource, "no such command", 59);
    return found->second;
  }

  std::string forbidden;  // a command
  cluster::Facts known;
  std::vector<CollectionInfo> collections;
  std::map<std::string, std::vector<bson::Document>> state;
  std::map<std::string, bson::Document> replies;
  std::pair<ClusterTime, ClusterTime> window{{1000, 1}, {100'000, 1}};
  cluster::WriteBlock block;
};

class Preflight : public testing::Test {
 protected:
  std::vector<std::string> ids() {
    report = check(source, destination, options).value();
    std::vector<std::string> ids;
    for (const auto& finding : report.findings) ids.push_back(finding.id);
    return ids;
  }
  ErrorCode refusal() {
    const auto status = check(source, destination, options).value().verdict();
    EXPECT_FALSE(status);
    return status ? ErrorCode::kFailure : status.error().code;
  }

  FakeDeployment source{"s"}, destination{"d"};
  Options options;
  Report report;
};

TEST_F(Preflight, NothingIsFoundInAnOrdinaryPair) {
  source.add("d.c");
  EXPECT_THAT(ids(), ElementsAre());
  EXPECT_TRUE(report.verdict());
  EXPECT_FALSE(report.resuming());
}

TEST_F(Preflight, TopologyOfEitherSide) {
  source.known.set_name = "";
  destination.known.is_mongos = true;
  destination.known.set_name = "";
  EXPECT_THAT(ids(), ElementsAre("source-standalone", "destination-mongos"));
  EXPECT_EQ(refusal(), ErrorCode::kUnsupported);
}

TEST_F(Preflight, Versions) {
  source.known.version = source.known.fcv = {4, 2, 0};
  EXPECT_THAT(ids(), ElementsAre("source-version"));
  source.known.version = source.known.fcv = {6, 0, 3};
  EXPECT_THAT(ids(), ElementsAre("destination-older"));
  destination.known.version = {7, 0, 1};
  destination.known.fcv = {6, 0, 0};
  EXPECT_THAT(ids(), ElementsAre("destination-fcv"));
  EXPECT_TRUE(report.verdict());
  destination.known.version = destination.known.fcv = {8, 1, 0};
  EXPECT_THAT(ids(), ElementsAre("destination-version"));
}

TEST_F(Preflight, TheSameSetUnderOtherNames) {
  source.known.replica_set_id.bytes[0] = destination.known.replica_set_id.bytes[0] = 7;
  EXPECT_THAT(ids(), ElementsAre("same-deployment"));
  // Another id decides, whatever the names.
  destination.known = source.known;
  destination.known.replica_set_id.bytes[0] = 8;
  EXPECT_THAT(ids(), ElementsAre());
  destination.known.replica_set_id = {};
  EXPECT_THAT(ids(), ElementsAre("same-deployment"));
}

TEST_F(Preflight, ADestinationThatIsBlockedAlready) {
  destination.block = {.supported = true, .effective = false, .enabled = true};  // binds nobody
  EXPECT_THAT(ids(), ElementsAre());
  destination.block.effective = true;
  EXPECT_THAT(ids(), ElementsAre("destination-write-blocked"));
  EXPECT_EQ(refusal(), ErrorCode::kDestination);
}

TEST_F(Preflight, ADestinationThatIsNotEmpty) {
  destination.add("d.empty");
  EXPECT_THAT(ids(), ElementsAre("destination-not-empty"));
  EXPECT_EQ(refusal(), ErrorCode::kDestination);
  EXPECT_THAT(report.verdict().error().message, HasSubstr("d.empty"));
}

TEST_F(Preflight, ADestinationWithUsers) {
  destination.replies["usersInfo"] = json(R"({"users": [{"user": "app", "db": "shop"}, {"user": "root", "db": "admin"}]})");
  EXPECT_THAT(ids(), ElementsAre("destination-users"));
  destination.known.authorization = true;
  destination.replies["usersInfo"] = json(R"({"users": [{"user": "root", "db": "admin"}]})");
  destination.replies["connectionStatus"] = json(R"({"authInfo": {"authenticatedUserPrivileges": []}})");
  EXPECT_EQ(refusal(), ErrorCode::kDestination);
}

TEST_F(Preflight, ADestinationWhoseUsersCannotBeSeen) {
  destination.forbidden = "usersInfo";
  EXPECT_THAT(ids(), ElementsAre("destination-users-unseen"));
  EXPECT_FALSE(report.refused());
}

TEST_F(Preflight, TheDestinationsUserIsKnown) {
  destination.replies["connectionStatus"] = json(R"({"authInfo": {"authenticatedUsers": [{"user": "drover", "db": "admin"}]}})");
  EXPECT_EQ(user_of(destination, destination.known).value(), "");  // the server does not tell its users apart
  destination.known.authorization = true;
  EXPECT_EQ(user_of(destination, destination.known).value(), "drover@admin");
}

TEST_F(Preflight, AnUnfinishedMigrationOfThisSourceIsResumed) {
  const auto uuid = source.add("d.c").uuid;
  destination.add("d.c");
  destination.state["x_migration"] = {json(R"({"_id": "migration"})")};
  EXPECT_THAT(ids(), ElementsAre());
  EXPECT_TRUE(report.resuming());
  destination.state["x_catalog"] = {bson::make_document({{"_id", uuid}})};
  ids();
  EXPECT_TRUE(report.resuming());
  destination.state["x_catalog"] = {bson::make_document({{"_id", Uuid{}}})};
  EXPECT_THAT(ids(), ElementsAre("destination-other-migration"));
  EXPECT_EQ(refusal(), ErrorCode::kWrongState);
}

TEST_F(Preflight, WhoseMigrationItIsStandsInItsRecord) {
  source.add("d.c");
  source.known.replica_set_id.bytes[0] = 1;
  FakeDeployment other("other");
  other.known.replica_set_id.bytes[0] = 2;
  // All of its collections are others by now: it is the source's all the same.
  destination.state["x_catalog"] = {bson::make_document({{"_id", Uuid{}}})};
  destination.state["x_migration"] = {bson::make_document({{"_id", "migration"}, {"source", identity_of(source.known)}})};
  EXPECT_THAT(ids(), ElementsAre());
  EXPECT_TRUE(report.resuming());
  destination.state["x_migration"] = {bson::make_document({{"_id", "migration"}, {"source", identity_of(other.known)}})};
  EXPECT_THAT(ids(), ElementsAre("destination-other-migration"));
  EXPECT_THAT(report.verdict().error().message, HasSubstr("other (other:27017)"));
}

TEST_F(Preflight, NobodyBeginsOnTheRestOfAState) {
  destination.state["x_control"] = {json(R"({"_id": "control", "job": "a"})")};
  EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kRemnant);
  EXPECT_THAT(ids(), ElementsAre());  // whoever wrote it had begun nothing
  for (const auto* collection : {"x_catalog", "x_checkpoint", "x_cutover", "x_plans", "x_partitions", "x_hooks"}) {
    destination.state[collection] = {json(R"({"_id": "a"})")};
    EXPECT_THAT(ids(), ElementsAre("destination-half-removed")) << collection;
    EXPECT_EQ(report.verdict().error().code, ErrorCode::kWrongState);
    destination.state.erase(collection);
  }
  for (const auto* step : {"decided", "committed"}) {  // nobody can finish the one, and the applications may be there
    destination.state["x_cutover"] = {bson::make_document({{"_id", "cutover"}, {"step", step}})};
    EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kCommitted);
    EXPECT_THAT(ids(), ElementsAre("destination-half-removed"));
  }
}

// That it was committed, and whose it was, is known to the last.
TEST_F(Preflight, ARemovalThatHasBegunIsNotGoneOnWith) {
  destination.state["x_migration"] = {json(R"({"_id": "migration", "phase": "running"})")};
  destination.state["x_owner"] = {json(R"({"_id": "owner", "removing": {"job": "a", "committed": false}})")};
  EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kBegun);
  EXPECT_THAT(ids(), ElementsAre("destination-half-removed"));
  destination.state.erase("x_migration");
  destination.state["x_owner"] = {json(R"({"_id": "owner", "removing": {"job": "a", "committed": true}})")};
  EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kCommitted);
  EXPECT_THAT(ids(), ElementsAre("destination-half-removed"));
  const auto removal = unfinished_removal([&](const std::string& collection) { return destination.load_state(collection); }).value();
  ASSERT_TRUE(removal);
  EXPECT_EQ(removal->job, "a");
  EXPECT_TRUE(removal->committed);
}

TEST_F(Preflight, WhoseAStateIs) {
  const auto job = [&] { return job_of_state([&](const std::string& collection) { return destination.load_state(collection); }).value(); };
  EXPECT_EQ(job(), "");
  destination.state["x_control"] = {json(R"({"_id": "control", "paused": false})")};
  EXPECT_EQ(job(), "");
  destination.state["x_control"] = {json(R"({"_id": "control", "job": "a"})")};
  EXPECT_EQ(job(), "a");
  destination.state["x_control"] = {json(R"({"_id": "control", "job": 7})")};  // nobody's that we know
  EXPECT_EQ(job(), "");
  const auto failed = job_of_state([](const std::string&) -> Result<std::vector<bson::Document>> { return fail(ErrorCode::kTemporary, "away"); });
  EXPECT_FALSE(failed);
}

TEST_F(Preflight, HowFarAMigrationCame) {
  EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kNone);
  destination.state["x_owner"] = {json(R"({"_id": "owner"})")};
  EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kRemnant);
  destination.state["x_migration"] = {json(R"({"_id": "migration", "phase": "running"})")};
  destination.state["x_cutover"] = {json(R"({"_id": "cutover", "step": "intent"})")};
  EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kBegun);
  destination.state["x_cutover"] = {json(R"({"_id": "cutover", "step": "decided"})")};
  EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kDecided);
  destination.state["x_migration"] = {json(R"({"_id": "migration", "phase": "committed"})")};
  EXPECT_EQ(find_migration(source, destination).value().phase, MigrationPhase::kCommitted);
}

TEST_F(Preflight, WhoIsAtItRightNow) {
  EXPECT_FALSE(who_migrates(destination));
  destination.replies["aggregate"] = json(R"({"cursor": {"firstBatch": [
      {"appName": "drover migrate", "client": "10.0.0.7:5001"}, {"appName": "drover migrate", "client": "10.0.0.7:5002"},
      {"appName": "drover sync", "client": "[::1]:77"}]}})");
  EXPECT_THAT(who_migrates(destination).value(), ElementsAre("drover migrate from 10.0.0.7", "drover sync from [::1]"));
}

TEST_F(Preflight, WritersThatNobodyStops) {
  options.writers = Writers::kUnknown;
  EXPECT_THAT(ids(), ElementsAre("source-cannot-block"));
  EXPECT_TRUE(report.verdict());
  options.writers = Writers::kNobody;
  EXPECT_EQ(refusal(), ErrorCode::kUnsupported);
  // Nothing is left to be stopped.
  destination.state["x_migration"] = {json(R"({"_id": "migration", "phase": "committed"})")};
  EXPECT_THAT(ids(), ElementsAre());
  destination.state.clear();
  source.block = {.supported = true, .effective = true};
  EXPECT_THAT(ids(), ElementsAre());
  EXPECT_TRUE(report.source_blocks);
}

TEST_F(Preflight, IncludesThatAreNotThere) {
  source.add("d.c");
  options.filter = NamespaceFilter::parse(std::vector<std::string>{"d.c", "d.misspelt"}, {}).value();
  EXPECT_THAT(ids(), ElementsAre("source-include"));
  EXPECT_TRUE(report.verdict());
  options.filter = NamespaceFilter::parse(std::vector<std::string>{"d.misspelt"}, {}).value();
  EXPECT_THAT(report.findings, testing::SizeIs(1));
  EXPECT_EQ(refusal(), ErrorCode::kUsage);
}

TEST_F(Preflight, ExcludesThatAreNotThereOrLeaveNothing) {
  source.add("d.c");
  source.add("e.c");
  const auto excluding = [&](std::vector<std::string> excludes) {
    options.filter = NamespaceFilter::parse({}, excludes).value();
    return ids();
  };
  EXPECT_THAT(excluding({"d"}), ElementsAre());
  EXPECT_THAT(excluding({"d.misspelt", "d.c"}), ElementsAre("source-exclude"));
  EXPECT_THAT(report.findings.front().what, HasSubstr("d.misspelt (--exclude)"));
  EXPECT_TRUE(report.verdict());
  EXPECT_THAT(excluding({"d", "e.c"}), ElementsAre("source-nothing-left"));
  EXPECT_EQ(refusal(), ErrorCode::kUsage);
  options.filter = NamespaceFilter::parse(std::vector<std::string>{"d"}, std::vector<std::string>{"d.c"}).value();
  EXPECT_THAT(ids(), ElementsAre("source-nothing-left"));
  EXPECT_THAT(report.verdict().error().message, HasSubstr("--include and --exclude leave nothing"));
}

TEST_F(Preflight, AUserWhoMayNotEvenAskForTheVersionIsTold) {
  destination.known.authorization = true;
  destination.known.fcv = {};
  destination.replies["connectionStatus"] = json(R"({"authInfo": {"authenticatedUserPrivileges": []}})");
  ids();
  EXPECT_THAT(report.verdict().error().message, HasSubstr("grant the role clusterMonitor"));
  EXPECT_EQ(report.verdict().error().code, ErrorCode::kDestination);
}

TEST_F(Preflight, WhatIsNotCarriedIsNamed) {
  source.add("d.capped", R"({"capped": true, "size": 1})");
  source.add("d.clustered", R"({"clusteredIndex": {"key": {"_id": 1}}})");
  source.add("d.secret", R"({"encryptedFields": {}})");
  source.add("d.system.js");
  source.add("d.ttl").indexes.push_back(json(R"({"key": {"a": 1}, "name": "a_1", "expireAfterSeconds": 5})"));
  source.add("d.bare").indexes.clear();
  source.add("d.times").kind = CollectionKind::kTimeseries;
  EXPECT_THAT(ids(), ElementsAre("source-capped", "source-clustered", "source-encrypted", "source-system-collection",
                                 "source-ttl", "source-no-id-index", "source-timeseries"));
  EXPECT_THAT(report.verdict().error().message, HasSubstr("index a_1 of d.ttl"));
  options.filter = NamespaceFilter::parse(std::vector<std::string>{"d.capped"}, {}).value();
  EXPECT_THAT(ids(), ElementsAre("source-capped"));
}

TEST_F(Preflight, AnIndexFieldOfOldThatNoServerTakesAnyMore) {
  source.add("d.old").indexes.push_back(json(R"({"v": 1, "key": {"a": 1}, "name": "a_1", "w": 1, "dropDups": true})"));
  EXPECT_THAT(ids(), ElementsAre("source-index-option"));
  EXPECT_THAT(report.verdict().error().message, HasSubstr("index a_1 of d.old has the field 'w'"));
}

TEST_F(Preflight, AMemberThatIsNotThePrimary) {
  destination.known.is_writable_primary = false;
  EXPECT_THAT(ids(), ElementsAre("destination-not-primary"));
  EXPECT_EQ(report.verdict().error().code, ErrorCode::kDestination);
}

TEST_F(Preflight, PreImagesOfOldHaveNoPlaceFrom6On) {
  source.add("d.images", R"({"recordPreImages": true})");
  EXPECT_THAT(ids(), ElementsAre());
  destination.known.version = destination.known.fcv = {6, 0, 20};
  EXPECT_THAT(ids(), ElementsAre("source-record-pre-images"));
}

TEST_F(Preflight, MissingPrivilegesAreNamedWithTheirRole) {
  source.known.authorization = true;
  source.replies["connectionStatus"] = json(R"({"authInfo": {"authenticatedUserPrivileges": [
      {"resource": {"db": "", "collection": ""}, "actions": ["find", "listCollections", "listIndexes", "collStats"]},
      {"resource": {"db": "local", "collection": ""}, "actions": ["find"]},
      {"resource": {"cluster": true}, "actions": ["getParameter", "listDatabases", "useUUID", "inprog", "serverStatus"]}]}})");
  EXPECT_THAT(ids(), ElementsAre("source-privileges"));
  EXPECT_EQ(report.verdict().error().code, ErrorCode::kSource);
  EXPECT_THAT(report.verdict().error().message, testing::AllOf(HasSubstr("appendOplogNote"), HasSubstr("backup")));
}

TEST_F(Preflight, NobodyLoggedInIsSaidRatherThanRolesMissing) {
  source.known.authorization = true;
  source.replies["connectionStatus"] = json(R"({"authInfo": {"authenticatedUsers": [], "authenticatedUserPrivileges": []}})");
  EXPECT_THAT(ids(), ElementsAre("source-login"));
  EXPECT_EQ(report.verdict().error().code, ErrorCode::kSource);
  EXPECT_THAT(report.verdict().error().message, HasSubstr("names no user"));
}

TEST_F(Preflight, WhatTheDeploymentsAreIsRefusedBeforeAnybodyLooksAtTheirUsers) {
  ids();
  EXPECT_TRUE(report.users_checked);
  source.known.authorization = true;
  source.replies["connectionStatus"] = json(R"({"authInfo": {"authenticatedUsers": [], "authenticatedUserPrivileges": []}})");
  ids();
  EXPECT_TRUE(report.users_checked);
  source.known.set_name.clear();
  EXPECT_THAT(ids(), testing::Not(testing::Contains("source-login")));
  EXPECT_FALSE(report.users_checked);
  EXPECT_EQ((*missing_login(Side::kSource, source))->id, "source-login");
}

TEST_F(Preflight, ALoginThatIsMissingCanBeAskedForAlone) {
  EXPECT_TRUE(check_login(Side::kDestination, destination));
  destination.known.authorization = true;
  destination.replies["connectionStatus"] = json(R"({"authInfo": {"authenticatedUsers": [], "authenticatedUserRoles": []}})");
  const auto missing = check_login(Side::kDestination, destination);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kDestination);
  EXPECT_THAT(missing.error().message, HasSubstr("the destination: it asks for a login, and the connection string names no user; give"));
  destination.replies["connectionStatus"] = json(R"({"authInfo": {"authenticatedUsers": [{"user": "u", "db": "admin"}]}})");
  EXPECT_TRUE(check_login(Side::kDestination, destination));
}

TEST_F(Preflight, ASmallFullOplogIsAWarning) {
  source.window = {{1000, 1}, {1600, 1}};
  EXPECT_THAT(ids(), ElementsAre());
  source.replies["collStats"] = json(R"({"size": 95, "maxSize": 100})");
  EXPECT_THAT(ids(), ElementsAre("source-oplog-window"));
  EXPECT_TRUE(report.verdict());
}

}  // namespace
}  // namespace drover::preflight
