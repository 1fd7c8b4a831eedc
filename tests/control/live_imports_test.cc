// Timers, silence and races of validations and migrations, on an embedded store and destination, with a clock that is moved.
#include "control/live_import_reconciler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "cluster/mongo_deployment.h"
#include "control/agent_jobs.h"
#include "control/agents.h"
#include "control/database_users.h"
#include "control/deployments.h"
#include "control/event_log.h"
#include "control/events.h"
#include "control/fields.h"
#include "control/identity.h"
#include "control/import_attention.h"
#include "control/live_import_intake.h"
#include "control/service_accounts.h"
#include "control/site_links.h"
#include "control/store_key.h"
#include "sandbox/server/sandbox.h"

namespace drover::control {
namespace {

class MovedClock final : public Runtime {
 public:
  SteadyTime now() override { return real_->now(); }
  std::chrono::system_clock::time_point wall_time() override { return real_->wall_time() + std::chrono::milliseconds(ahead_.load()); }
  std::uint64_t random() override { return real_->random(); }
  bool sleep(Duration duration, const std::stop_token& stop) override { return real_->sleep(duration, stop); }
  std::unique_ptr<Thread> spawn(std::string name, std::function<void(std::stop_token)> body) override {
    return real_->spawn(std::move(name), std::move(body));
  }
  std::unique_ptr<Monitor> make_monitor() override { return real_->make_monitor(); }
  void reached(std::string_view point) override { real_->reached(point); }
  void move(std::chrono::milliseconds by) { ahead_ += by.count(); }

 private:
  std::unique_ptr<Runtime> real_ = make_real_runtime();
  std::atomic<std::int64_t> ahead_{0};
};

std::string path_of(const char* name) {
  return (std::filesystem::temp_directory_path() / ("drover control " + std::to_string(::getpid()) + name)).string();
}

template <typename T>
T good(Result<T> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return std::move(*result);
}
void good(const Status& status) { EXPECT_TRUE(status) << (status ? "" : status.error().message); }

class ControlPlane : public ::testing::Test {
 protected:
  void SetUp() override {
    sandbox_ = good(sandbox::Sandbox::start({.dbpath = path_of("data"), .port = 0, .version = {8, 0, 4}}, clock_, *log_));
    const auto connect = [this](const std::string& uri) { return cluster::connect({.uri = uri}, clock_, {}); };
    deployment_ = good(connect(sandbox_->uri()));
    keys_ = std::make_unique<SealedKeys>(good(SealedKeys::open(path_of("key"))));
    store_ = std::make_unique<Store>(*deployment_, clock_);
    good(store_->open());
    links_ = std::make_unique<Links>(*store_, *keys_, clock_);
    clusters_ = std::make_unique<Clusters>(*store_, *keys_, clock_, connect);
    access_lists_ = std::make_unique<AccessLists>(*store_, clock_);
    networks_ = std::make_unique<NetworkRecords>(*store_, clock_);
    imports_ = std::make_unique<LiveImports>(*store_, *keys_, clock_, *clusters_, LiveImports::Options{});
    intake_ = std::make_unique<LiveImportIntake>(*links_, *clusters_, *access_lists_, *networks_, *imports_, Policy{});
    reconciler_ = std::make_unique<LiveImportReconciler>(*imports_, *clusters_, *links_, clock_, *log_);
    good(clusters_->register_deployment(kGroup, "shop", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
    const auto token = good(decode_token(good(links_->create_token(kOrg, {}, "http://127.0.0.1:1"))));
    link_ = good(links_->claim(token.link, token.secret, {"site", "org", "Org", std::string(64, 'a'), "127.0.0.1"}))->id;
    const auto project = good(Json::parse(R"({"name": "p", "migrationHosts": [{"hostname": "mig01"}], "deployments": [
      {"name": "src", "mongoDBVersion": "6.0.17", "featureCompatibilityVersion": "6.0", "managed": false, "sharded": false, "tlsEnabled": false}]})"));
    good(links_->put_project(link_, kSource, 1, project));
  }
  void TearDown() override {
    deployment_.reset();
    sandbox_.reset();
    std::filesystem::remove_all(path_of("data"));
    std::filesystem::remove(path_of("key"));
  }

  LiveImportRequest request() {
    LiveImportRequest request;
    request.source_group = kSource;
    request.source_cluster = "src";
    request.destination_group = kGroup;
    request.destination_cluster = "shop";
    request.host = "mig01";
    return request;
  }
  std::string begin(ImportKind kind) {
    const auto taken = intake_->take(kind, kOrg, request());
    EXPECT_TRUE(taken) << (taken ? "" : taken.error().error.message);
    good(reconciler_->step());
    return taken ? taken->id : "";
  }
  LiveImport see(ImportKind kind, const std::string& id) { return *good(imports_->find(kind, kGroup, id)); }
  LiveImport migration(const std::string& id) { return see(ImportKind::kMigration, id); }
  void report(const std::string& id, const char* state, const char* more = "") {
    const auto json = good(Json::parse("{\"sequence\": " + std::to_string(++sequence_) + ", \"state\": \"" + state + "\"" + more + "}"));
    EXPECT_TRUE(good(imports_->report(link_, id, json)));
  }
  void ready(const std::string& id) { report(id, "RUNNING", R"(, "canCommit": true, "lagTimeSeconds": 2)"); }
  void after(std::chrono::milliseconds time) {
    clock_.move(time);
    good(reconciler_->step());
  }
  std::vector<std::string> open() {
    std::vector<std::string> ids;
    good(imports_->each_open(bson::View(), [&](const LiveImport& one) -> Status {
      ids.push_back(one.id);
      return {};
    }));
    return ids;
  }
  std::vector<std::string> events() {
    std::vector<std::string> names;
    for (const auto& event : good(store_->find("events", bson::make_document({{"groupId", kGroup}})))) names.push_back(text_of(event, "eventTypeName"));
    return names;
  }

  const std::string kOrg = std::string(24, '1'), kGroup = std::string(24, '2'), kSource = std::string(24, '3');
  MovedClock clock_;
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<sandbox::Sandbox> sandbox_;
  std::unique_ptr<cluster::Deployment> deployment_;
  std::unique_ptr<SealedKeys> keys_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Links> links_;
  std::unique_ptr<Clusters> clusters_;
  std::unique_ptr<AccessLists> access_lists_;
  std::unique_ptr<NetworkRecords> networks_;
  std::unique_ptr<LiveImports> imports_;
  std::unique_ptr<LiveImportIntake> intake_;
  std::unique_ptr<LiveImportReconciler> reconciler_;
  std::string link_;
  std::int64_t sequence_ = 0;
};

using std::chrono::hours;
using std::chrono::minutes;

TEST_F(ControlPlane, TheTimerRunsFor120HoursAndIsExtended) {
  const auto id = begin(ImportKind::kMigration);
  after(hours(500));  // nothing runs before it is ready
  EXPECT_EQ(migration(id).state, ImportState::kWorking);
  ready(id);
  const auto end = migration(id).timer_end;
  EXPECT_NEAR(static_cast<double>(end - imports_->now_millis()), 120.0 * 3600 * 1000, 60'000);
  report(id, "RUNNING", R"(, "canCommit": true, "lagTimeSeconds": 500)");
  EXPECT_FALSE(migration(id).ready());
  after(hours(95));
  EXPECT_EQ(migration(id).reminded_hours, 0);
  after(hours(2));
  EXPECT_EQ(migration(id).reminded_hours, 24);
  after(hours(20));
  EXPECT_EQ(migration(id).reminded_hours, 4);
  EXPECT_EQ(good(imports_->extend(id, hours(24))).timer_end, end + 24 * 3600 * 1000);
  after(hours(10));
  EXPECT_EQ(migration(id).state, ImportState::kWorking);
  EXPECT_EQ(migration(id).reminded_hours, 24);  // again: it has been extended
  after(hours(20));
  EXPECT_EQ(migration(id).state, ImportState::kStopping);
  EXPECT_FALSE(imports_->cutover(id));
  EXPECT_FALSE(imports_->extend(id, hours(24)));
  report(id, "STOPPED");
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kExpired);
  after({});
  EXPECT_EQ(events(), (std::vector<std::string>{"CLUSTER_IMPORT_STARTED", "X_CLUSTER_IMPORT_EXPIRES_SOON", "X_CLUSTER_IMPORT_EXPIRES_SOON",
                                                "CLUSTER_IMPORT_EXTENDED", "X_CLUSTER_IMPORT_EXPIRES_SOON", "CLUSTER_IMPORT_EXPIRED"}));
}

TEST_F(ControlPlane, NothingExpiresOnceTheCutoverWasAskedFor) {
  const auto id = begin(ImportKind::kMigration);
  ready(id);
  good(imports_->cutover(id));
  after(hours(1000));
  EXPECT_EQ(migration(id).state, ImportState::kCutover);
  EXPECT_STREQ(migration(id).public_status(), "WORKING");
  report(id, "COMMITTED");
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kComplete);
}

TEST_F(ControlPlane, AStopThatNobodyConfirmsEndsAfterTenMinutes) {
  const auto id = begin(ImportKind::kMigration);
  good(imports_->cancel(id));
  after(minutes(9));
  EXPECT_EQ(migration(id).state, ImportState::kStopping);
  after(minutes(2));
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  EXPECT_NE(migration(id).error.find("did not confirm"), std::string::npos);
  begin(ImportKind::kMigration);  // the locks are free
  // What was committed all the same is said.
  report(id, "COMMITTED");
  EXPECT_EQ(migration(id).outcome, "COMPLETE");
}

// What a host that died left on the destination: said by name, and removed by it when it comes back.
class LeftBehind : public ControlPlane {
 protected:
  std::string left() {
    const auto taken = intake_->take(ImportKind::kMigration, kOrg, [&] {
      auto wanted = request();
      wanted.username = "migrator";
      wanted.password = "source password";
      return wanted;
    }());
    EXPECT_TRUE(taken);
    good(reconciler_->step());
    report(taken->id, "RUNNING");
    good(imports_->cancel(taken->id));
    after(minutes(11));
    after({});
    EXPECT_EQ(migration(taken->id).state, ImportState::kFailed);
    return taken->id;
  }
  Json item(const std::string& id) {
    for (const auto& one : good(imports_->work_of(link_)))
      if (*one.find("id")->as_string() == id) return one;
    return Json();
  }
  std::string desired(const std::string& id) {
    const auto found = item(id);
    return found.is_null() ? "" : *found.find("desired")->as_string();
  }
  bson::Document stored(const std::string& id) { return *good(store_->find_one("liveImports", bson::make_document({{"_id", id}}))); }
};

TEST_F(LeftBehind, AHostThatComesBackRemovesIt) {
  const auto id = left();
  EXPECT_EQ(migration(id).outcome, "CANCELLED");
  for (const auto* said : {"did not confirm", "write block", "__mdb_internal_mongosync", "comes back within 24 hours", "drover migrate --cleanup --job", "dropDestinationData"})
    EXPECT_NE(migration(id).error.find(said), std::string::npos) << said << ": " << migration(id).error;
  const auto attention = attention_of(migration(id), good(links_->find(link_)), imports_->now_millis());
  EXPECT_NE(attention.find("may still hold a write block"), std::string::npos) << attention;
  EXPECT_EQ(desired(id), "STOP");
  EXPECT_EQ(*item(id).find("source")->find("password")->as_string(), "source password") << "what it needs for that";
  // Nothing is kept from a new one meanwhile.
  EXPECT_FALSE(stored(id)["locks"].exists());
  after(hours(20));
  EXPECT_EQ(desired(id), "STOP");
  report(id, "STOPPED");
  EXPECT_EQ(desired(id), "FORGET");
  EXPECT_NE(migration(id).error.find("has come back since, and has removed"), std::string::npos) << migration(id).error;
  EXPECT_FALSE(stored(id)["sealedPassword"].exists());
  EXPECT_FALSE(stored(id)["sealedDestination"].exists());
  EXPECT_EQ(attention_of(migration(id), good(links_->find(link_)), imports_->now_millis()), "");
  report(id, "FORGOTTEN");
  after({});
  after({});
  EXPECT_EQ(open(), std::vector<std::string>{});
  const auto told = events();
  EXPECT_NE(std::find(told.begin(), told.end(), "X_CLUSTER_IMPORT_LEFT"), told.end());
  EXPECT_EQ(std::find(told.begin(), told.end(), "X_CLUSTER_IMPORT_USER_LEFT"), told.end());
}

TEST_F(LeftBehind, ItIsNotWaitedForForEver) {
  const auto id = left();
  after(kLeftPatience + minutes(1));
  after({});
  EXPECT_EQ(desired(id), "FORGET");
  EXPECT_FALSE(stored(id)["sealedPassword"].exists());
  EXPECT_FALSE(stored(id)["sealedDestination"].exists());
  EXPECT_NE(migration(id).error.find("not waited for any more"), std::string::npos);
  EXPECT_NE(migration(id).error.find("drover migrate --cleanup --job " + id), std::string::npos) << "the way out stays";
  // One that comes back later still is told what to do with it.
  report(id, "STOPPED");
  EXPECT_EQ(desired(id), "FORGET");
}

TEST_F(LeftBehind, WhatWasCommittedOrCouldNotBeRemovedIsSaid) {
  const auto committed = left();
  report(committed, "COMMITTED");
  EXPECT_EQ(migration(committed).outcome, "COMPLETE");
  EXPECT_EQ(desired(committed), "FORGET");
  const auto failed = left();
  report(failed, "FAILED", R"(, "error": "the destination is full")");
  EXPECT_EQ(desired(failed), "FORGET");
  EXPECT_NE(migration(failed).error.find("could not remove what was left: the destination is full"), std::string::npos) << migration(failed).error;
}

TEST_F(LeftBehind, WithoutItsClusterOrItsLinkNobodyWaits) {
  const auto id = left();
  good(clusters_->remove(kGroup, "shop"));
  after({});
  EXPECT_EQ(desired(id), "FORGET");
}

TEST_F(ControlPlane, OneThatIsCancelledWhileItIsNewWaitsForNoHost) {
  const auto taken = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_TRUE(taken);
  const auto cancelled = good(imports_->cancel(taken->id));
  EXPECT_EQ(cancelled.state, ImportState::kCleaning);
  EXPECT_EQ(cancelled.error, "The migration was cancelled.");
  after({});
  EXPECT_EQ(migration(taken->id).state, ImportState::kFailed);
  EXPECT_EQ(migration(taken->id).outcome, "CANCELLED");
  EXPECT_FALSE(migration(taken->id).left_behind);
  begin(ImportKind::kMigration);  // the locks are free
}

TEST_F(ControlPlane, AMigrationTellsThatItsHostIsSilent) {
  const auto attention = [&](const std::string& id) { return attention_of(migration(id), good(links_->find(link_)), imports_->now_millis()); };
  const auto id = begin(ImportKind::kMigration);
  good(links_->finish_sync(link_, 1, {kSource}));
  ready(id);
  const auto heard = migration(id).heard_millis;
  after(kHostSilentAfter - std::chrono::seconds(5));
  EXPECT_EQ(migration(id).host_silent_since, 0);
  EXPECT_TRUE(migration(id).ready());
  EXPECT_EQ(attention(id), "");
  after(std::chrono::seconds(10));
  EXPECT_EQ(migration(id).host_silent_since, heard);
  EXPECT_STREQ(migration(id).public_status(), "WORKING");
  // What it last said is not so any more, as far as anybody knows.
  EXPECT_FALSE(migration(id).ready());
  EXPECT_FALSE(migration(id).lag_seconds());
  EXPECT_NE(attention(id).find("mig01 has been silent since "), std::string::npos) << attention(id);
  EXPECT_NE(attention(id).find("drover host provision mig01"), std::string::npos) << attention(id);
  EXPECT_EQ(attention(id).find("manager site (organization"), std::string::npos) << "its site was heard of";
  const auto refused = imports_->cutover(id);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("silent since"), std::string::npos) << refused.error().message;
  after(minutes(6));
  EXPECT_NE(attention(id).find("manager site (organization Org) has not been heard of since 2"), std::string::npos) << attention(id);
  ready(id);
  EXPECT_TRUE(migration(id).ready());
  EXPECT_EQ(attention(id), "");
  // In its cutover it waits, and nobody can cancel it.
  good(imports_->cutover(id));
  after(minutes(2));
  EXPECT_NE(attention(id).find("keep the applications' writes stopped"), std::string::npos) << attention(id);
  EXPECT_NE(imports_->cancel(id).error().message.find("silent since"), std::string::npos);
  report(id, "COMMITTED");
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kComplete);
  after(minutes(5));
  EXPECT_EQ(migration(id).host_silent_since, 0) << "nothing is asked of it";
}

TEST_F(ControlPlane, ACutoverWhoseHostIsLostIsGivenUpByForce) {
  const auto force = [&](const std::string& id) { return imports_->cancel(id, {}, LiveImports::Cancel::kForced); };
  const auto id = begin(ImportKind::kMigration);
  ready(id);
  good(imports_->cutover(id));
  EXPECT_FALSE(force(id)) << "its host has just been heard of";
  after(minutes(50));
  EXPECT_FALSE(force(id));
  after(minutes(15));
  EXPECT_FALSE(imports_->cancel(id));
  good(force(id));
  EXPECT_EQ(migration(id).state, ImportState::kStopping);
  after(minutes(11));
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  EXPECT_EQ(migration(id).outcome, "CANCELLED");
  EXPECT_NE(migration(id).error.find("whether it was committed"), std::string::npos);
  begin(ImportKind::kMigration);  // the locks are free
  report(id, "COMMITTED");
  EXPECT_EQ(migration(id).outcome, "COMPLETE");
}

TEST_F(ControlPlane, ProjectsKeysAndAccountsOfAnOrganizationAreBounded) {
  Identity identity(*store_, *keys_, clock_);
  ServiceAccounts accounts(*store_, *keys_, clock_);
  const auto org = good(identity.create_organization("o")).id, other = good(identity.create_organization("other")).id;
  for (int i = 0; i < kMaxProjectsOfOrganization; ++i) good(identity.create_project(org, "p" + std::to_string(i)));
  const auto project = identity.create_project(org, "one more");
  ASSERT_FALSE(project);
  EXPECT_EQ(project.error().message, "an organization has at most 250 projects; delete one first");
  for (int i = 0; i < kMaxKeysOfOrganization; ++i) good(store_->insert("apiKeys", bson::make_document({{"_id", "k" + std::to_string(i)}, {"orgId", org}, {"publicKey", "k" + std::to_string(i)}})));
  const auto key = identity.create_key(org, "one more", {"ORG_OWNER"});
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().message, "an organization has at most 500 API keys; delete one first");
  EXPECT_FALSE(identity.create_project_key(Project{std::string(24, 'a'), org, "p", ""}, "one more", {"GROUP_OWNER"}));
  for (int i = 0; i < kMaxAccountsOfOrganization; ++i) good(store_->insert("serviceAccounts", bson::make_document({{"_id", "a" + std::to_string(i)}, {"orgId", org}})));
  EXPECT_FALSE(accounts.create(org, "one more", "d", {"ORG_OWNER"}, 24));
  good(identity.create_project(other, "p"));
  good(identity.create_key(other, "d", {"ORG_OWNER"}));
  good(accounts.create(other, "n", "d", {"ORG_OWNER"}, 24));
}

TEST_F(ControlPlane, WhatIsOverIsKeptOnlySoLong) {
  LiveImports few(*store_, *keys_, clock_, *clusters_, {.kept_validations = 4, .kept_migrations = 2});
  const auto going_on = begin(ImportKind::kMigration);
  const auto over = [&](int number) {
    const auto id = fmt::format("0000000000000000000000{:02}", number);
    good(store_->insert("liveImports", bson::make_document({{"_id", id}, {"kind", "validation"}, {"orgId", kOrg}, {"groupId", kGroup}, {"state", "FAILED"}})));
    return id;
  };
  std::vector<std::string> ids;
  for (int i = 10; i < 17; ++i) ids.push_back(over(i));
  LiveImport next;
  next.kind = ImportKind::kValidation;
  next.state = ImportState::kFailed;
  next.org = kOrg;
  next.group = kGroup;
  good(few.create(next, ""));
  const auto kept = [&](const char* kind, const std::string& group) { return good(store_->count("liveImports", bson::make_document({{"groupId", group}, {"kind", kind}}))); };
  EXPECT_EQ(kept("validation", kGroup), 4);
  EXPECT_EQ(migration(going_on).state, ImportState::kWorking) << "what goes on stays";
  EXPECT_FALSE(good(imports_->find(ImportKind::kValidation, kGroup, ids.front())));
  EXPECT_TRUE(good(imports_->find(ImportKind::kValidation, kGroup, ids.back()))) << "the oldest go first";
  next.group = kSource;  // of the same organization
  for (int i = 0; i < 6; ++i) good(few.create(next, ""));
  EXPECT_EQ(kept("validation", kGroup), 4) << "others' are others'";
  EXPECT_EQ(kept("validation", kSource), 4);
  // No validation drives a migration out, nor is one that events tell of deleted: then no new one is begun.
  report(going_on, "FAILED");
  after({});
  report(going_on, "FORGOTTEN");
  after(minutes(3));
  after({});
  EXPECT_TRUE(open().empty());
  LiveImport another;
  another.kind = ImportKind::kMigration;
  another.org = kOrg;
  another.group = kGroup;
  another.link = link_;
  another.request = request();
  const auto second = good(few.create(another, "")).id;
  another.request.destination_cluster = another.request.source_cluster = another.request.host = "other";
  const auto refused = few.create(another, "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("2 migrations of the project"), std::string::npos) << refused.error().message;
  EXPECT_EQ(kept("migration", kGroup), 2);
  clock_.move(kEventsKept + hours(24));
  good(few.create(another, ""));
  EXPECT_FALSE(good(imports_->find(ImportKind::kMigration, kGroup, going_on))) << "nobody is told of it any more";
  EXPECT_TRUE(good(imports_->find(ImportKind::kMigration, kGroup, second))) << "it goes on, however old it is";
}

TEST_F(ControlPlane, ClustersAreCountedByProject) {
  const auto other = std::string(24, '5'), none = std::string(24, '6');
  good(clusters_->register_deployment(kGroup, "second", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
  good(clusters_->register_deployment(other, "shop", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
  EXPECT_EQ(good(clusters_->count_by_group({kGroup, none})), (std::map<std::string, std::int64_t>{{kGroup, 2}}));
  EXPECT_EQ(good(clusters_->count_by_group({kGroup, other, none})), (std::map<std::string, std::int64_t>{{kGroup, 2}, {other, 1}}));
}

TEST_F(ControlPlane, AllHostsOfAProjectAreListed) {
  EventLog events(*store_, clock_);
  Deployments deployments(*store_, *keys_, events, clock_);
  for (int i = 0; i < 620; ++i)
    good(store_->insert("hosts", bson::make_document({{"_id", fmt::format("h{:04}", i)}, {"groupId", kGroup}, {"deploymentId", i % 2 ? "a" : "b"}, {"hostname", "h"}, {"port", i}})));
  EXPECT_EQ(good(deployments.hosts(kGroup)).size(), 620u);
  EXPECT_EQ(good(deployments.hosts(kGroup, "a")).size(), 310u);
}

TEST_F(ControlPlane, WhoeverHasAnAgentKeyNamesOnlySoManyHosts) {
  EventLog events(*store_, clock_);
  Deployments deployments(*store_, *keys_, events, clock_);
  const auto deployment = good(deployments.add(kGroup, "", {"h0.example.net:27017"}, {}));
  const auto sample = [&](int from, int to) {
    Json::Array hosts;
    for (int i = from; i < to; ++i) hosts.push_back(Json::Object{{"host", fmt::format("h{}.example.net:27017", i)}, {"reached", false}});
    return deployments.take_sample(kGroup, "v", Json(Json::Object{{"deploymentId", deployment.id}, {"hosts", std::move(hosts)}}));
  };
  good(sample(1, 151));
  good(sample(151, 301));
  EXPECT_EQ(good(deployments.hosts(kGroup)).size(), kMaxHostsOfDeployment);
  good(sample(1, 1001));  // one that is too long is taken as far
  EXPECT_EQ(good(deployments.hosts(kGroup)).size(), kMaxHostsOfDeployment);
  EXPECT_LE(good(deployments.find(kGroup, deployment.id))->hosts.size(), kMaxHostsOfDeployment);
}

TEST_F(ControlPlane, ALinkThatCannotBeReadKeepsNoOtherFromBeingServed) {
  SiteLinks site_links(*store_, *keys_, clock_);
  const auto one = std::string(24, '7'), other = std::string(24, '8');
  for (const auto& org : {one, other}) good(site_links.begin(org, good(links_->create_token(kOrg, {}, "http://127.0.0.1:1"))));
  good(store_->update("siteLinks", bson::make_document({{"_id", one}}), bson::make_document({{"$set", bson::make_document({{"sealedSecret", "bm90IHNlYWxlZA=="}})}})));
  std::map<std::string, std::string> unreadable;
  const auto all = good(site_links.all(unreadable));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all.front().org, other);
  ASSERT_EQ(unreadable.size(), 1u);
  EXPECT_EQ(unreadable.begin()->first, one);
  EXPECT_FALSE(unreadable.begin()->second.empty());
}

TEST_F(ControlPlane, HostNamesThatAreGoneMakeRoom) {
  Agents agents(*store_, clock_);
  const auto hello = [&](int number) {
    Hello one;
    one.agent_id = "a";
    one.hostname = "h" + std::to_string(number);
    return agents.hello(kGroup, one);
  };
  for (int i = 0; i < kMaxAgentsOfProject; ++i) good(hello(i));
  EXPECT_FALSE(hello(1000)) << "all of them live";
  good(store_->insert("agentJobs", bson::make_document({{"_id", "job"}, {"groupId", kGroup}, {"hostname", "h0"}})));
  clock_.move(kAgentDownAfter + minutes(1));
  good(hello(2));
  good(hello(1000));
  EXPECT_TRUE(good(agents.by_hostname(kGroup, "h0"))) << "it has a job";
  EXPECT_FALSE(good(agents.by_hostname(kGroup, "h1")));
  EXPECT_TRUE(good(agents.by_hostname(kGroup, "h2"))) << "it lives";
}

TEST_F(ControlPlane, OfTwoOwnersKeysThatAreDeletedAtOnceOneStays) {
  Identity identity(*store_, *keys_, clock_);
  for (int round = 0; round < 5; ++round) {
    const auto org = good(identity.create_organization("o" + std::to_string(round)));
    std::vector<std::string> keys;
    for (int i = 0; i < 2; ++i) keys.push_back(good(identity.create_key(org.id, "owner", {"ORG_OWNER"})).id);
    {
      std::vector<std::jthread> threads;
      for (const auto& key : keys) threads.emplace_back([&] { static_cast<void>(identity.delete_key(org.id, key)); });
    }
    EXPECT_GE(good(identity.keys(org.id, {})).total, 1);
    // Who is left is the last one, also when nobody won; the other one can go.
    int gone = 0;
    for (const auto& key : keys) {
      const auto deleted = identity.delete_key(org.id, key);
      gone += deleted && *deleted ? 1 : 0;
    }
    EXPECT_LE(gone, 1);
    EXPECT_EQ(good(identity.keys(org.id, {})).total, 1);
  }
}

TEST_F(ControlPlane, ACancelThatWaitsForItsHostSaysSo) {
  const auto attention = [&](const std::string& id) { return attention_of(migration(id), good(links_->find(link_)), imports_->now_millis()); };
  const auto id = begin(ImportKind::kMigration);
  report(id, "RUNNING");
  after(minutes(3));
  good(imports_->cancel(id));
  EXPECT_EQ(*stop_given_up_at(migration(id)), migration(id).stop_asked + 10 * 60 * 1000);
  for (const auto* said : {"The migration was cancelled. It waits for the migration host mig01", "silent since", "Once it is back it stops", "ends at "})
    EXPECT_NE(attention(id).find(said), std::string::npos) << said << ": " << attention(id);
  EXPECT_STREQ(migration(id).public_status(), "WORKING");
  report(id, "STOPPED");
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  EXPECT_EQ(migration(id).outcome, "CANCELLED");
  EXPECT_EQ(attention(id), "");
}

TEST_F(ControlPlane, WhatNobodyForgetsIsNotWaitedForForEver) {
  const auto id = begin(ImportKind::kMigration);
  report(id, "FAILED");
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  after(kForgetPatience - hours(1));
  EXPECT_EQ(open().size(), 1u);
  EXPECT_EQ(good(imports_->work_of(link_)).size(), 1u);
  after(hours(2));
  EXPECT_TRUE(open().empty());
  EXPECT_TRUE(good(imports_->work_of(link_)).empty());
  report(id, "FORGOTTEN");  // its host is back all the same
}

// A manager site that never asks leaves them: they do not keep what is active from being looked at, and new ones are refused before they would.
TEST_F(ControlPlane, ManyThatAreNotForgottenHoldNothingUp) {
  for (int batch = 0; batch < 10; ++batch) {
    bson::Builder command;
    command.append("insert", "liveImports");
    {
      auto documents = command.open_array("documents");
      for (int i = 0; i < 1001; ++i)
        documents.append(bson::make_document({{"_id", "0000000000000000" + std::to_string(10'000'000 + batch * 10'000 + i)}, {"open", true}, {"state", "FAILED"}, {"linkId", "gone"}}));
    }
    good(deployment_->run_command(kStoreDatabase, std::move(command).finish()));
  }
  const auto taken = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_TRUE(taken) << taken.error().error.message;
  const auto all = open();
  EXPECT_EQ(all.size(), 10'011u);
  EXPECT_EQ(all.back(), taken->id);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST_F(ControlPlane, UnforgottenOnesAreCountedWhenANewOneIsAskedFor) {
  bson::Builder command;
  command.append("insert", "liveImports");
  {
    auto documents = command.open_array("documents");
    for (int i = 0; i < kMaxUnforgottenOfLink; ++i)
      documents.append(bson::make_document({{"_id", "0000000000000000" + std::to_string(10'000'000 + i)}, {"open", true}, {"state", "FAILED"}, {"linkId", link_}}));
  }
  good(deployment_->run_command(kStoreDatabase, std::move(command).finish()));
  const auto refused = intake_->take(ImportKind::kValidation, kOrg, request());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ImportRefusal::Kind::kTooMany);
  good(store_->remove("liveImports", bson::make_document({{"_id", "000000000000000010000000"}})));
  EXPECT_TRUE(intake_->take(ImportKind::kValidation, kOrg, request()));
}

TEST_F(ControlPlane, OneThatIsToBeForgottenIsListedWithoutItsCluster) {
  const auto id = begin(ImportKind::kMigration);
  report(id, "FAILED");
  after({});
  good(clusters_->remove(kGroup, "shop"));
  const auto work = good(imports_->work_of(link_));
  ASSERT_EQ(work.size(), 1u);
  EXPECT_EQ(*work[0].find("id")->as_string(), id);
  EXPECT_EQ(*work[0].find("desired")->as_string(), "FORGET");
  EXPECT_EQ(work[0].find("destination"), nullptr);
  report(id, "FORGOTTEN");
  after({});
  EXPECT_TRUE(open().empty());
}

TEST_F(ControlPlane, AJobThatIsGoneDoesNotComeBackFromAListThatIsOld) {
  AgentJobs jobs(*store_, *keys_, clock_);
  const auto id = std::string(24, '7'), other = std::string(24, '8');
  const auto item = [](const std::string& of, const char* desired, int revision) {
    return Json(Json::Object{{"id", of}, {"kind", "migration"}, {"desired", desired}, {"revision", revision}, {"migrationHost", "mig01"},
                             {"source", Json::Object{{"groupId", std::string(24, '3')}, {"clusterName", "src"}}}});
  };
  EXPECT_TRUE(good(jobs.take(link_, item(id, "RUN", 1))));
  good(jobs.accept(id));
  ASSERT_EQ(good(jobs.for_agent(kSource, "mig01")).size(), 1u);
  good(jobs.remove(id));
  const auto gone = [&] {
    EXPECT_FALSE(good(jobs.find(id)));
    EXPECT_TRUE(good(jobs.of_link(link_)).empty());
    EXPECT_TRUE(good(jobs.open_of_project(kSource)).empty());
    EXPECT_TRUE(good(jobs.for_agent(kSource, "mig01")).empty());
    EXPECT_FALSE(good(jobs.report(kSource, "mig01", id, 100, Json(Json::Object{{"state", "RUNNING"}}))));
  };
  gone();
  // As another process has read it before.
  EXPECT_TRUE(good(jobs.take(link_, item(id, "CUTOVER", 2))));
  good(jobs.accept(id));
  gone();
  EXPECT_FALSE(good(jobs.take(link_, item(id, "FORGET", 3)))) << "to be told again that it is forgotten";
  good(jobs.remove(id));
  gone();
  EXPECT_EQ(good(store_->count("agentJobs", bson::Document())), 1);
  clock_.move(kRemovedKept + minutes(1));
  good(jobs.remove(other));
  EXPECT_EQ(good(store_->count("agentJobs", bson::Document())), 0);
}

TEST_F(ControlPlane, WhatALinkTellsIsBounded) {
  const auto project = [](std::size_t size) { return Json(Json::Object{{"name", std::string(size, 'x')}}); };
  EXPECT_FALSE(links_->put_project(link_, std::string(24, 'a'), 2, project(10), kMaxProjectBytes + 1));
  int taken = 0;
  for (int i = 10; i < 60; ++i) taken += links_->put_project(link_, "0000000000000000000000" + std::to_string(i), 2, project(10), kMaxProjectBytes) ? 1 : 0;
  EXPECT_EQ(taken, kMaxProjectsBytes / static_cast<std::int64_t>(kMaxProjectBytes));
  // The same again, and smaller ones, are taken; so is more once others are gone.
  good(links_->put_project(link_, "000000000000000000000010", 3, project(10), kMaxProjectBytes));
  EXPECT_FALSE(links_->put_project(link_, std::string(24, 'b'), 3, project(10), kMaxProjectBytes));
  good(links_->put_project(link_, "000000000000000000000010", 4, project(10), 10));
  good(links_->put_project(link_, std::string(24, 'b'), 4, project(10), kMaxProjectBytes - 10));
  good(links_->finish_sync(link_, 5, {}));
  good(links_->put_project(link_, std::string(24, 'c'), 5, project(10), kMaxProjectBytes));
}

TEST_F(ControlPlane, AnotherKeyThanTheStoresIsRefused) {
  good(bind_key(*store_, *keys_));
  good(bind_key(*store_, *keys_));
  const auto other = good(SealedKeys::open(path_of("other key")));
  std::filesystem::remove(path_of("other key"));
  const auto refused = bind_key(*store_, other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("--key-file"), std::string::npos);
  good(bind_key(*store_, *keys_));
}

TEST_F(ControlPlane, EventsOfMigrationsTellWhoAskedForThem) {
  const Asker owner{"abcdefgh", std::string(24, '9'), "203.0.113.7"};
  const auto taken = intake_->take(ImportKind::kMigration, kOrg, request(), owner);
  ASSERT_TRUE(taken);
  good(reconciler_->step());
  ready(taken->id);
  good(imports_->extend(taken->id, hours(1), owner));
  good(imports_->cutover(taken->id, owner));
  report(taken->id, "FAILED");
  after({});
  after({});
  std::vector<std::string> told;
  for (const auto& event : good(store_->find("events", bson::make_document({{"groupId", kGroup}}))))
    told.push_back(text_of(event, "eventTypeName") + " " + text_of(event, "publicKey") + text_of(event, "apiKeyId") + text_of(event, "remoteAddress"));
  const auto by = owner.public_key + owner.key_id + owner.address;
  EXPECT_EQ(told, (std::vector<std::string>{"CLUSTER_IMPORT_STARTED " + by, "CLUSTER_IMPORT_EXTENDED " + by, "CLUSTER_IMPORT_CUTOVER " + by, "X_CLUSTER_IMPORT_FAILED "}));
}

TEST_F(ControlPlane, AStoreThatHangsHoldsACallerNoLongerThanItsLimit) {
  const auto impatient = good(cluster::connect({.uri = sandbox_->uri(), .app_name = "impatient", .reply_limit = std::chrono::milliseconds(300)}, clock_, {}));
  Store store(*impatient, clock_);
  const auto hang = [&](const char* command, int times) {
    good(deployment_->run_command("admin", good(bson::from_ejson(fmt::format(
        R"({{"configureFailPoint": "failCommand", "mode": {{"times": {}}}, "data": {{"failCommands": ["{}"], "blockConnection": true, "blockTimeMS": 4000, "appName": "impatient"}}}})", times, command)))));
  };
  const auto begun = clock_.now();
  hang("find", 1);
  EXPECT_TRUE(good(store.find_one("meta", bson::make_document({{"_id", "schema"}}))));
  // A write whose reply is lost so is done once.
  hang("insert", 1);
  EXPECT_TRUE(good(store.insert("orgs", bson::make_document({{"_id", "once"}}))));
  hang("find", 100);
  const auto refused = store.find_one("meta", bson::make_document({{"_id", "schema"}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTemporary) << refused.error().message;
  EXPECT_LT(clock_.now() - begun, std::chrono::seconds(12));
  hang("find", 0);
}

TEST_F(ControlPlane, ASilentValidationFails) {
  const auto id = begin(ImportKind::kValidation);
  after(minutes(9));
  EXPECT_EQ(see(ImportKind::kValidation, id).state, ImportState::kWorking);
  report(id, "RUNNING");
  after(minutes(9));
  EXPECT_EQ(see(ImportKind::kValidation, id).state, ImportState::kWorking);
  after(minutes(2));
  after({});
  EXPECT_STREQ(see(ImportKind::kValidation, id).public_status(), "FAILED");
  EXPECT_NE(see(ImportKind::kValidation, id).error.find("did not answer"), std::string::npos);
}

TEST_F(ControlPlane, ATokenExpires) {
  const auto token = good(decode_token(good(links_->create_token(kOrg, {}, "http://h"))));
  clock_.move(hours(24 * 7) + minutes(1));
  EXPECT_FALSE(good(links_->claim(token.link, token.secret, {"s", "o", "O", std::string(64, 'b'), "127.0.0.1"})));
  EXPECT_EQ(good(links_->of_org(kOrg)).size(), 2u);
  good(links_->create_token(kOrg, {}, "http://h"));
  EXPECT_EQ(good(links_->of_org(kOrg)).size(), 2u);  // the expired one is gone; the claimed one stays
  EXPECT_TRUE(good(links_->exists(link_)));
}

TEST_F(ControlPlane, ADeletedLinkEndsWhatItCarried) {
  const auto id = begin(ImportKind::kMigration);
  good(links_->remove(link_));
  after({});
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  after({});
  after({});
  EXPECT_TRUE(open().empty());
}

TEST_F(ControlPlane, EventsAreForgottenWhenTheyAreOld) {
  EventLog log(*store_, clock_);
  Events events(*store_, clock_);
  const auto count = [&] { return good(events.list(Events::Of::kGroup, kGroup, "", {1, 1})).total; };
  for (int i = 0; i < kSweepBatch + 20; ++i) good(log.tell(kGroup, "X_OLD"));
  clock_.move(hours(24));
  good(log.tell(kGroup, "X_NEW"));
  EXPECT_EQ(good(events.forget_older_than(kEventsKept)), 0);
  clock_.move(kEventsKept - hours(12));
  EXPECT_EQ(good(events.forget_older_than(kEventsKept)), kSweepBatch) << "a bounded number at a time";
  EXPECT_EQ(count(), 21);
  std::stop_source once;
  once.request_stop();
  events.keep_for(kEventsKept, *log_, once.get_token());
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(*good(events.list(Events::Of::kGroup, kGroup, "", {1, 1})).items.front().find("eventTypeName")->as_string(), "X_NEW");
}

TEST_F(ControlPlane, AnOlderStoreIsBroughtToThisSchema) {
  const auto schema = [&] { return number_of(*good(store_->find_one("meta", bson::make_document({{"_id", "schema"}}))), "version"); };
  const auto put = [&](int version) {
    good(store_->update("meta", bson::make_document({{"_id", "schema"}}), bson::make_document({{"$set", bson::make_document({{"version", version}})}})));
  };
  EXPECT_EQ(schema(), kStoreSchema);
  bson::Builder old;
  old.append("createIndexes", "orgLinks");
  {
    auto indexes = old.open_array("indexes");
    auto spec = indexes.open_document();
    spec.append("key", bson::make_document({{"tokenHash", 1}})).append("name", "token").append("unique", true);
  }
  good(deployment_->run_command(kStoreDatabase, std::move(old).finish()));
  put(1);
  Store again(*deployment_, clock_);
  good(again.open());
  EXPECT_EQ(schema(), kStoreSchema);
  const auto indexes = good(deployment_->run_command(kStoreDatabase, bson::make_document({{"listIndexes", "orgLinks"}})));
  for (const auto& index : *indexes.view().at_path("cursor.firstBatch").to_array()) EXPECT_NE(text_of(index.document_value(), "name"), "token");
  good(again.open());
  put(kStoreSchema + 1);
  const auto refused = again.open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
}

// A destination that asks for a login.
class GuardedDestination : public ControlPlane {
 protected:
  void SetUp() override {
    ControlPlane::SetUp();
    start(0);
    bson::Builder command;
    command.append("createUser", "root").append("pwd", "pw");
    command.open_array("roles").append("root");
    good(good(cluster::connect({.uri = guarded_->uri()}, clock_, {}))->run_command("admin", std::move(command).finish()));
    uri_ = "mongodb://root:pw@" + guarded_->uri().substr(std::string_view("mongodb://").size()) + "&authSource=admin&serverSelectionTimeoutMS=300";
    good(clusters_->register_deployment(kGroup, "guarded", uri_, Json(Json::Object{}), Json(Json::Object{})));
  }
  void TearDown() override {
    guarded_.reset();
    ControlPlane::TearDown();
    std::filesystem::remove_all(path_of("guarded"));
  }
  void start(int port) {
    guarded_ = good(sandbox::Sandbox::start({.dbpath = path_of("guarded"), .port = port, .auth = true, .version = {8, 0, 4}}, clock_, *log_));
    port_ = guarded_->port();
  }
  bool has(const std::string& user) {
    const auto reply = good(good(cluster::connect({.uri = uri_}, clock_, {}))->run_command("admin", bson::make_document({{"usersInfo", user}})));
    return !reply.view()["users"].to_array()->empty();
  }
  std::string begin_here() {
    auto asked = request();
    asked.destination_cluster = "guarded";
    const auto taken = intake_->take(ImportKind::kMigration, kOrg, asked);
    EXPECT_TRUE(taken) << (taken ? "" : taken.error().error.message);
    good(reconciler_->step());
    return taken ? taken->id : "";
  }
  // What has failed is tried again after a second or so.
  void after_a_pause(std::chrono::milliseconds time) {
    clock_.move(time);
    std::this_thread::sleep_for(std::chrono::milliseconds(2100));
    good(reconciler_->step());
  }

  std::unique_ptr<sandbox::Sandbox> guarded_;
  std::string uri_;
  int port_ = 0;
};

TEST_F(GuardedDestination, AUserThatIsMadeAfterTheEndIsDroppedToo) {
  const auto id = begin_here(), user = "drover-import-" + id;
  EXPECT_TRUE(has(user));
  EXPECT_TRUE(migration(id).user_may_exist);
  report(id, "FAILED");
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  EXPECT_FALSE(has(user));
  // As by another process that was stopped while it made the user, and has died since.
  bson::Builder late;
  late.append("createUser", user).append("pwd", "left behind");
  late.open_array("roles").append("readAnyDatabase");
  good(good(cluster::connect({.uri = uri_}, clock_, {}))->run_command("admin", std::move(late).finish()));
  report(id, "FORGOTTEN");
  after({});
  EXPECT_EQ(open().size(), 1u);
  after(minutes(3));
  EXPECT_FALSE(has(user));
  after({});
  EXPECT_TRUE(open().empty());
}

// What still runs there, or wakes up with what was wanted before, must not write: another migration may be committed there by then.
TEST_F(GuardedDestination, AHostThatLeftSomethingIsGivenAnotherUserToRemoveIt) {
  const auto id = begin_here(), user = "drover-import-" + id;
  report(id, "RUNNING");
  const auto destination = [&] {
    for (const auto& one : good(imports_->work_of(link_)))
      if (*one.find("id")->as_string() == id) return *one.find("destination")->find("connectionString")->as_string();
    return std::string();
  };
  const auto before = destination();
  good(imports_->cancel(id));
  EXPECT_EQ(destination(), before);
  after(minutes(11));
  after({});
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  EXPECT_FALSE(has(user)) << "what it has may be in use by an engine that is cut off";
  EXPECT_TRUE(has(user + "-end")) << "it has to log in to remove anything";
  const auto after_it = destination();
  EXPECT_NE(after_it.find(user + "-end:"), std::string::npos);
  const auto password = [](const std::string& uri) { return uri.substr(uri.rfind(':', uri.find('@')), uri.find('@') - uri.rfind(':', uri.find('@'))); };
  EXPECT_NE(password(after_it), password(before));
  EXPECT_TRUE(cluster::connect({.uri = after_it}, clock_, {}).value()->run_command("admin", bson::make_document({{"ping", 1}})));
  report(id, "STOPPED");
  after({});
  EXPECT_FALSE(has(user + "-end"));
  report(id, "FORGOTTEN");
  after(minutes(3));
  after({});
  EXPECT_TRUE(open().empty());
  // Nor for ever.
  const auto other = begin_here();
  good(imports_->cancel(other));
  after(minutes(11));
  after({});
  after(hours(23));
  EXPECT_TRUE(has("drover-import-" + other + "-end"));
  after(hours(2));
  after({});
  EXPECT_FALSE(has("drover-import-" + other + "-end"));
  const auto told = events();
  EXPECT_EQ(std::find(told.begin(), told.end(), "X_CLUSTER_IMPORT_USER_LEFT"), told.end());
}

TEST_F(GuardedDestination, ADestinationThatIsAwayHoldsNothingUpAndKeepsNoUser) {
  const auto id = begin_here(), user = "drover-import-" + id;
  report(id, "FAILED");
  guarded_.reset();
  EXPECT_TRUE(reconciler_->step());
  EXPECT_EQ(migration(id).state, ImportState::kCleaning);
  after_a_pause(minutes(11));
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  EXPECT_TRUE(migration(id).user_may_exist);
  report(id, "FORGOTTEN");
  start(port_);
  EXPECT_TRUE(has(user));
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  after_a_pause({});
  EXPECT_FALSE(has(user));
  after(minutes(3));
  after({});
  EXPECT_TRUE(open().empty());
}

TEST_F(GuardedDestination, OneThatIsGivenUpIsTold) {
  const auto id = begin_here();
  report(id, "FAILED");
  guarded_.reset();
  EXPECT_TRUE(reconciler_->step());
  after_a_pause(minutes(11));
  report(id, "FORGOTTEN");
  good(clusters_->remove(kGroup, "guarded"));
  after_a_pause({});
  after({});
  after({});
  EXPECT_TRUE(open().empty());
  const auto told = events();
  EXPECT_NE(std::find(told.begin(), told.end(), "X_CLUSTER_IMPORT_USER_LEFT"), told.end());
}

TEST_F(ControlPlane, AClusterThatChangesWhileItIsAskedForIsJudgedAgain) {
  const auto taken = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_TRUE(taken);
  const auto cluster = *good(clusters_->cluster(kGroup, "shop"));
  EXPECT_TRUE(good(clusters_->change(cluster, Json(Json::Object{{"clusterType", "GEOSHARDED"}}), Json(Json::Object{}))));
  EXPECT_FALSE(good(clusters_->change(cluster, Json(Json::Object{}), Json(Json::Object{}))));  // as it was read it is no more
  after({});
  after({});
  EXPECT_EQ(migration(taken->id).state, ImportState::kFailed);
  EXPECT_NE(migration(taken->id).error.find("was changed"), std::string::npos);
  EXPECT_FALSE(intake_->take(ImportKind::kMigration, kOrg, request()));
}

TEST_F(ControlPlane, RecordsOfNetworksAreCountedAndConditional) {
  NetworkContainer wanted;
  wanted.group = kGroup;
  wanted.provider = "AWS";
  wanted.region = "EU_WEST_1";
  const auto container = good(networks_->add_container(wanted));
  EXPECT_FALSE(networks_->add_container(wanted));
  EXPECT_TRUE(good(networks_->available_peers(kGroup)).empty());
  const auto peer = good(networks_->add_peer({"", kGroup, "AWS", container.id, "EU_WEST_1", "INITIATING", "", Json(Json::Object{})}));
  EXPECT_FALSE(networks_->remove_container(kGroup, container.id));
  good(networks_->set_peer_status(kGroup, peer.id, "AVAILABLE", ""));
  ASSERT_EQ(good(networks_->available_peers(kGroup)).size(), 1u);
  const auto service = good(networks_->add_service({"", kGroup, "AWS", "EU_WEST_1", "AVAILABLE", "", Json(Json::Object{}), {}}));
  std::atomic<int> added = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        added += good(networks_->change_service(kGroup, "AWS", service.id, [i](EndpointService& one) -> Status {
          one.endpoints.push_back({"vpce-" + std::to_string(i), i % 2 == 0 ? "AVAILABLE" : "PENDING", "", Json(Json::Object{})});
          return {};
        })) ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(added, 8);
  EXPECT_EQ(good(networks_->service(kGroup, "AWS", service.id))->endpoints.size(), 8u);
  EXPECT_EQ(good(networks_->available_endpoints(kGroup, service.id)).size(), 4u);
  EXPECT_EQ(good(networks_->available_endpoints(kGroup, "vpce-2")).size(), 1u);
  EXPECT_TRUE(good(networks_->available_endpoints(kGroup, "vpce-3")).empty());
  EXPECT_FALSE(networks_->remove_service(kGroup, "AWS", service.id));
  EXPECT_FALSE(good(networks_->service(std::string(24, '9'), "AWS", service.id)));
}

TEST_F(ControlPlane, DatabaseUsersAreRememberedUntilTheyAreNowhere) {
  DatabaseUsers users(*store_, *keys_, clock_);
  DatabaseUser wanted;
  wanted.group = kGroup;
  wanted.database = "admin";
  wanted.name = "app";
  wanted.roles = {{"readWrite", "shop"}};
  wanted.labels = Json(Json::Array());
  const auto user = good(users.add(wanted, "a good password"));
  EXPECT_FALSE(users.add(wanted, "a good password"));
  EXPECT_EQ(good(users.password(user)), "a good password");
  ASSERT_EQ(good(users.not_applied(kGroup, "c1")).size(), 1u);
  EXPECT_TRUE(good(users.note_present(user, "c1")));
  EXPECT_TRUE(good(users.note_applied(user, "c1")));
  EXPECT_TRUE(good(users.not_applied(kGroup, "c1")).empty());
  // A change is to be applied anew, and who read the user before it is told so.
  auto changed = *good(users.find(kGroup, "admin", "app"));
  changed.roles = {{"read", "shop"}};
  EXPECT_TRUE(good(users.change(changed, "")));
  EXPECT_FALSE(good(users.change(changed, "")));
  EXPECT_FALSE(good(users.note_applied(user, "c1")));
  EXPECT_EQ(good(users.not_applied(kGroup, "c1")).size(), 1u);
  EXPECT_TRUE(good(users.remove(kGroup, "admin", "app")));
  EXPECT_FALSE(good(users.remove(kGroup, "admin", "app")));
  EXPECT_FALSE(good(users.find(kGroup, "admin", "app")));
  EXPECT_EQ(good(users.count(kGroup)), 0);
  auto going = good(users.deleting());
  ASSERT_EQ(going.size(), 1u);
  EXPECT_EQ(going[0].present_on, std::vector<std::string>{"c1"});
  good(users.forget(going[0]));
  ASSERT_EQ(good(users.deleting()).size(), 1u);  // it is somewhere yet
  // One of the same name becomes it.
  const auto again = good(users.add(wanted, "another password"));
  EXPECT_EQ(again.id, user.id);
  EXPECT_EQ(good(users.password(*good(users.find(kGroup, "admin", "app")))), "another password");
  EXPECT_TRUE(good(users.deleting()).empty());
  EXPECT_TRUE(good(users.remove(kGroup, "admin", "app")));
  going = good(users.deleting());
  good(users.note_absent(going[0], "c1"));
  good(users.forget(going[0]));
  EXPECT_TRUE(good(users.deleting()).empty());
  // A time that has come ends one.
  wanted.delete_after = iso_time(clock_);
  good(users.add(wanted, "a good password"));
  clock_.move(minutes(1));
  good(users.expire());
  EXPECT_EQ(good(users.count(kGroup)), 0);
  // They go with their project, those that are being deleted too, and no other's.
  wanted.delete_after.clear();
  wanted.group = kSource;
  good(users.add(wanted, "a good password"));
  good(users.forget_project(kGroup));
  EXPECT_TRUE(good(users.deleting()).empty());
  EXPECT_EQ(good(users.count(kSource)), 1);
}

// As many processes on one store would: of many at a time exactly one wins.
TEST_F(ControlPlane, OfManyAtATimeOneWins) {
  std::atomic<int> taken = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] { taken += intake_->take(ImportKind::kMigration, kOrg, request()) ? 1 : 0; });
  }
  EXPECT_EQ(taken, 1);
  const auto id = good(imports_->migrations_of(kGroup, {}))[0].id;
  good(reconciler_->step());
  ready(id);
  std::atomic<int> cancelled = 0, cut_over = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] { cancelled += imports_->cancel(id) ? 1 : 0; });
      threads.emplace_back([&] { cut_over += imports_->cutover(id) ? 1 : 0; });
      threads.emplace_back([&] { good(reconciler_->step()); });
    }
  }
  EXPECT_TRUE((cancelled == 4 && cut_over == 0) || (cancelled == 0 && cut_over == 4)) << cancelled << " " << cut_over;
  // Reports of one sequence from two processes: one counts.
  std::atomic<int> seen = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const auto json = good(Json::parse("{\"sequence\": 1000, \"state\": \"RUNNING\", \"appliedEvents\": " + std::to_string(i) + "}"));
        seen += good(imports_->report(link_, id, json))->sequence == 1000 ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(seen, 8);
  EXPECT_EQ(migration(id).sequence, 1000);
}

}  // namespace
}  // namespace drover::control
