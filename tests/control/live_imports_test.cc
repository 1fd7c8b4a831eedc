// Timers, silence and races of validations and migrations, on an embedded store and destination, with a clock that is moved.
#include "control_plane.h"

#include <limits>
#include <thread>

#include "control/import_attention.h"
#include "interposed.h"

namespace drover::control {
namespace {

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
  EXPECT_EQ(attention(id).find("has not been heard of"), std::string::npos) << "its site was heard of";
  EXPECT_NE(attention(id).find("manager site (organization Org) told of itself last at "), std::string::npos) << attention(id);
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

TEST_F(ControlPlane, AMigrationTellsThatItsEngineIsSilentOrPaused) {
  const auto attention = [&](const std::string& id) { return attention_of(migration(id), good(links_->find(link_)), imports_->now_millis()); };
  const auto silent_since = [](std::int64_t millis) { return R"(, "canCommit": false, "lagTimeSeconds": 0, "warnings": ["kept"], "engineSilentSince": )" + std::to_string(millis); };
  const auto id = begin(ImportKind::kMigration);
  ready(id);
  EXPECT_EQ(migration(id).engine_silent_since, 0);
  after(std::chrono::seconds(30));
  const auto since = imports_->now_millis() - 20'000;
  report(id, "RUNNING", silent_since(since).c_str());
  EXPECT_EQ(migration(id).engine_silent_since, since);
  EXPECT_FALSE(migration(id).lag_seconds()) << "also where the host tells the lag of then";
  EXPECT_FALSE(migration(id).ready());
  EXPECT_NE(attention(id).find("mig01 has not answered since 2"), std::string::npos) << attention(id);
  EXPECT_NE(attention(id).find("After five minutes the agent ends it and starts it again"), std::string::npos) << attention(id);
  EXPECT_EQ(attention(id).find("keep the applications' writes stopped"), std::string::npos) << attention(id);
  // By a clock that is before this one's, or tells nonsense.
  for (const std::int64_t nonsense : {std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::min()}) {
    report(id, "RUNNING", silent_since(nonsense).c_str());
    EXPECT_GE(migration(id).engine_silent_since, migration(id).created_millis);
    EXPECT_LE(migration(id).engine_silent_since, migration(id).heard_millis);
  }
  // Of a host that is silent itself nothing more is known.
  after(kHostSilentAfter + std::chrono::seconds(1));
  EXPECT_EQ(migration(id).engine_silent_since, 0);
  EXPECT_EQ(attention(id).find("has not answered since"), std::string::npos) << attention(id);
  report(id, "RUNNING", R"(, "canCommit": false, "enginePaused": true)");
  EXPECT_TRUE(migration(id).engine_paused);
  EXPECT_NE(attention(id).find("Somebody has paused its engine on the migration host mig01"), std::string::npos) << attention(id);
  ready(id);
  EXPECT_EQ(attention(id), "");
  good(imports_->cutover(id));
  report(id, "RUNNING", silent_since(since).c_str());
  EXPECT_NE(attention(id).find("keep the applications' writes stopped"), std::string::npos) << attention(id);
}

TEST_F(ControlPlane, ACutoverThatIsNotReadySaysWhatItWaitsFor) {
  const auto id = begin(ImportKind::kMigration);
  const auto said = [&] {
    const auto refused = imports_->cutover(id);
    return refused ? std::string("it was cut over") : refused.error().message;
  };
  EXPECT_EQ(said(), "its migration host has not reported on it yet");
  report(id, "RUNNING", R"(, "canCommit": false, "phase": "COLLECTION_COPY")");
  EXPECT_EQ(said(), "the initial copy has not ended yet") << "an older agent";
  report(id, "RUNNING", R"(, "canCommit": false, "phase": "COLLECTION_COPY", "cannotCommitBecause": "shop.orders is still being copied")");
  EXPECT_EQ(said(), "shop.orders is still being copied");
  report(id, "RUNNING", R"(, "canCommit": true, "lagTimeSeconds": 70)");
  EXPECT_EQ(said(), "source and destination are not nearly in sync yet; the lag is 70 seconds");
  ready(id);
  // The engine has ended: the copy has, too.
  report(id, "RUNNING", R"(, "canCommit": false, "phase": "INITIALIZING", "cannotCommitBecause": "the engine has ended and is started again: the destination deployment: gone.")");
  EXPECT_EQ(said(), "the engine has ended and is started again: the destination deployment: gone");
  report(id, "RUNNING", R"(, "canCommit": false, "phase": "INITIALIZING")");
  EXPECT_EQ(said().find("initial copy"), std::string::npos) << said();
}

TEST_F(ControlPlane, MigrationsAreListedByTheirPublicStatus) {
  const auto id = begin(ImportKind::kMigration);
  const auto listed = [&](const char* status) {
    const auto found = good(imports_->migrations_of(kGroup, {}, status));
    EXPECT_EQ(good(imports_->count_migrations(kGroup, status)), static_cast<std::int64_t>(found.size()));
    return found.size();
  };
  EXPECT_EQ(listed("WORKING"), 1u);
  ready(id);
  good(imports_->cutover(id));
  EXPECT_EQ(listed("WORKING"), 1u) << "CUTOVER is shown as WORKING";
  EXPECT_EQ(listed("FAILED"), 0u);
  report(id, "FAILED", R"(, "error": "x")");
  after({});
  EXPECT_EQ(listed("FAILED"), 1u);
  EXPECT_EQ(listed("WORKING"), 0u);
  EXPECT_EQ(listed(""), 1u);
}

TEST_F(ControlPlane, AValidationThatAMigrationOvertakesSaysSo) {
  const auto validation = intake_->take(ImportKind::kValidation, kOrg, request()), migration = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_TRUE(validation && migration);
  after({});
  after({});
  EXPECT_EQ(see(ImportKind::kMigration, migration->id).state, ImportState::kWorking);
  const auto ended = see(ImportKind::kValidation, validation->id);
  EXPECT_STREQ(ended.public_status(), "FAILED");
  EXPECT_NE(ended.error.find("The live migration " + migration->id + " into shop was begun"), std::string::npos) << ended.error;
}

TEST_F(ControlPlane, ACutoverThatItsHostHasGivenUpIsOverUntilItIsAskedForAgain) {
  const auto attention = [&](const std::string& id) { return attention_of(migration(id), good(links_->find(link_)), imports_->now_millis()); };
  const auto given_up = [&](const std::string& id, int request) {
    report(id, "RUNNING", (R"(, "canCommit": true, "lagTimeSeconds": 2, "cutoverGivenUp": {"request": )" + std::to_string(request) + R"(, "because": "somebody writes to app.c"})").c_str());
  };
  const auto item = [&](const std::string& id, const char* field) {
    for (const auto& one : good(imports_->work_of(link_)))
      if (*one.find("id")->as_string() == id) return one.find(field)->dump();
    return std::string();
  };
  const auto id = begin(ImportKind::kMigration);
  ready(id);
  EXPECT_EQ(item(id, "cutoverRequest"), "0");
  good(imports_->cutover(id));
  EXPECT_EQ(item(id, "cutoverRequest"), "1");
  EXPECT_EQ(item(id, "desired"), "\"CUTOVER\"");
  after(hours(119));
  given_up(id, 0);  // of none that was asked for
  EXPECT_EQ(migration(id).state, ImportState::kCutover);
  given_up(id, 1);
  EXPECT_EQ(migration(id).state, ImportState::kWorking);
  EXPECT_STREQ(migration(id).public_status(), "WORKING");
  EXPECT_TRUE(migration(id).ready());
  EXPECT_EQ(item(id, "desired"), "\"RUN\"");
  EXPECT_NE(attention(id).find("somebody writes to app.c"), std::string::npos) << attention(id);
  EXPECT_NE(attention(id).find("ask for the cutover again"), std::string::npos) << attention(id);
  EXPECT_GE(migration(id).timer_end - imports_->now_millis(), std::chrono::milliseconds(hours(23)).count()) << "time is left to ask again";
  after({});
  const auto told = events();
  EXPECT_EQ(std::count(told.begin(), told.end(), "X_CLUSTER_IMPORT_CUTOVER_GIVEN_UP"), 1);
  // The report is repeated until there is another one: a new request is not what it tells of.
  given_up(id, 1);
  good(imports_->cutover(id));
  EXPECT_EQ(item(id, "cutoverRequest"), "2");
  EXPECT_EQ(attention(id), "");
  given_up(id, 1);
  EXPECT_EQ(migration(id).state, ImportState::kCutover);
  given_up(id, 2);
  EXPECT_EQ(migration(id).state, ImportState::kWorking);
  good(imports_->cancel(id));
  EXPECT_EQ(migration(id).state, ImportState::kStopping);
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

TEST_F(ControlPlane, TheNextLinkOfTheSameSiteCarriesOnWhatAnotherHad) {
  const auto id = begin(ImportKind::kMigration);
  ready(id);
  const auto next_link = [&](const char* site, const char* org, char secret) {
    const auto token = good(decode_token(good(links_->create_token(kOrg, {}, "http://127.0.0.1:1"))));
    return *good(links_->claim(token.link, token.secret, {site, org, "Org", std::string(64, secret), "127.0.0.1"}));
  };
  const std::vector<FormerLink> proof{{link_, succession_proof(std::string(64, 'a'))}}, wrong{{link_, succession_proof(std::string(64, 'b'))}};
  EXPECT_TRUE(good(links_->succeeded_by(next_link("another", "org", 'c'), proof)).empty());
  EXPECT_TRUE(good(links_->succeeded_by(next_link("site", "another", 'd'), proof)).empty());
  const auto next = next_link("site", "org", 'e');
  EXPECT_TRUE(good(links_->succeeded_by(next, wrong)).empty());
  ASSERT_EQ(good(links_->succeeded_by(next, proof)), std::vector<std::string>{link_});
  good(links_->succeed(link_, next.id));
  good(imports_->move_to_link(link_, next.id));
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kWorking);
  EXPECT_EQ(migration(id).link, next.id);
  const auto work = good(imports_->work_of(next.id));
  ASSERT_EQ(work.size(), 1u);
  EXPECT_GT(migration(id).sequence, 0);
  EXPECT_EQ(*work[0].find("sequence")->as_int(), migration(id).sequence) << "what the manager site reports itself is numbered above it";
  // Its locks are the new link's: the same source is not begun twice by that.
  const auto project = good(Json::parse(R"({"name": "p", "migrationHosts": [{"hostname": "mig01"}, {"hostname": "mig02"}], "deployments": [
      {"name": "src", "mongoDBVersion": "6.0.17", "featureCompatibilityVersion": "6.0", "managed": false, "sharded": false, "tlsEnabled": false}]})"));
  good(links_->put_project(next.id, kSource, 1, project));
  auto locks = texts_of(*good(store_->find_one("liveImports", bson::make_document({{"_id", id}}))), "locks");
  EXPECT_NE(std::find(locks.begin(), locks.end(), fmt::format("source {}/{}/src", next.id, kSource)), locks.end());
  EXPECT_TRUE(std::none_of(locks.begin(), locks.end(), [&](const std::string& lock) { return lock.find(link_) != std::string::npos; }));
  link_ = next.id;
  good(imports_->cutover(id));
  report(id, "COMMITTED");
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kComplete);
}

TEST_F(ControlPlane, TwoFormerLinksWhoseMigrationsShareAHostAreBothCarriedOn) {
  const auto migrates = [&](const std::string& link, const std::string& cluster) {
    LiveImport one;
    one.kind = ImportKind::kMigration;
    one.org = kOrg;
    one.group = kGroup;
    one.link = link;
    one.request = request();
    one.request.destination_cluster = one.deployment = cluster;
    return imports_->create(one, "");
  };
  const auto locks = [&](const std::string& id) { return texts_of(*good(store_->find_one("liveImports", bson::make_document({{"_id", id}}))), "locks"); };
  const auto earlier = claimed('b'), next = claimed('c');
  const std::string first = good(migrates(link_, "one")).id, second = good(migrates(earlier.id, "two")).id;
  const auto proof = [](const std::string& link, char secret) { return FormerLink{link, succession_proof(std::string(64, secret))}; };
  const auto former = good(links_->succeeded_by(next, {proof(earlier.id, 'b'), proof(link_, 'a'), proof(earlier.id, 'b')}));
  ASSERT_EQ(former, (std::vector{link_, earlier.id})) << "the oldest first, each once";
  for (int repeated = 0; repeated < 2; ++repeated)
    for (const auto& link : former) good(imports_->move_to_link(link, next.id));
  EXPECT_EQ(good(imports_->active_of_link(next.id)).size(), 2u);
  EXPECT_EQ(locks(first).size(), 4u);
  EXPECT_EQ(locks(second), (std::vector<std::string>{fmt::format("destination {}/two", kGroup), "deployment two"})) << "the first has the others";
  // When the first is over the host and the source are the second's all the same.
  bson::Builder over;
  over.append("$set", bson::make_document({{"state", "COMPLETE"}}));
  over.open_document("$unset").append("locks", "").append("open", "");
  EXPECT_TRUE(good(store_->update("liveImports", bson::make_document({{"_id", first}}), std::move(over).finish())));
  const auto third = migrates(next.id, "three");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::kWrongState);
}

// What a migration copies from is written by none, whatever it is registered as.
TEST_F(ControlPlane, ASourceIsNobodysDestination) {
  const auto set = good(deployment_->run_command("admin", bson::make_document({{"replSetGetConfig", 1}}))).view().at_path("config.settings.replicaSetId").object_id_value().to_string();
  const auto tell = [&](const std::string& first, const std::string& second, std::int64_t revision) {
    const auto one = [](const char* name, const std::string& id) {
      return fmt::format(R"({{"name": "{}", "mongoDBVersion": "6.0.17", "featureCompatibilityVersion": "6.0", "managed": false, "sharded": false, "tlsEnabled": false, "replicaSetId": "{}"}})", name, id);
    };
    good(links_->put_project(link_, kSource, revision, good(Json::parse(fmt::format(R"({{"name": "p", "migrationHosts": [{{"hostname": "mig01"}}, {{"hostname": "mig02"}}], "deployments": [{}, {}]}})",
                                                                                  one("src", first), one("src2", second))))));
  };
  const std::string other(24, 'a');
  // Its own destination.
  tell(set, other, 2);
  const auto itself = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_FALSE(itself);
  EXPECT_EQ(itself.error().kind, ImportRefusal::Kind::kNotSupported);
  EXPECT_NE(itself.error().error.message.find("the same replica set"), std::string::npos) << itself.error().error.message;
  // Another one's.
  tell(other, set, 3);
  const auto id = begin(ImportKind::kMigration);
  auto second = request();
  second.destination_cluster = "elsewhere";
  second.source_cluster = "src2";
  second.host = "mig02";
  const auto elsewhere = good(sandbox::Sandbox::start({.dbpath = path_of("elsewhere"), .port = 0, .version = {8, 0, 4}}, clock_, *log_));
  good(clusters_->register_deployment(kGroup, "elsewhere", elsewhere->uri(), Json(Json::Object{}), Json(Json::Object{})));
  const auto refused = intake_->take(ImportKind::kMigration, kOrg, second);
  ASSERT_FALSE(refused) << "what is written now is no source";
  EXPECT_EQ(refused.error().kind, ImportRefusal::Kind::kBusy);
  EXPECT_NE(refused.error().error.message.find("as its source or its destination"), std::string::npos) << refused.error().error.message;
  good(imports_->cancel(id));
  report(id, "STOPPED");
  after({});
  ASSERT_TRUE(intake_->take(ImportKind::kMigration, kOrg, second));
  const auto back = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_FALSE(back) << "what is read now is no destination";
  EXPECT_EQ(back.error().kind, ImportRefusal::Kind::kBusy);
}

TEST_F(ControlPlane, APrivateNetworkDoesNotGoWhileAMigrationThroughItBegins) {
  const auto uri = sandbox_->uri();
  const auto description = good(Json::parse(R"({"replicationSpecs": [{"regionConfigs": [{"providerName": "AWS", "regionName": "EU_WEST_1"}]}]})"));
  const auto connections = good(Json::parse(fmt::format(R"({{"privateEndpoint": [{{"connectionString": "{}", "endpoints": [{{"endpointId": "vpce-1"}}]}}]}})", uri)));
  good(clusters_->register_deployment(kGroup, "inside", uri, description, connections));
  const PrivateEndpoint endpoint{"vpce-1", kAvailable, "", Json(Json::Object{})};
  const auto service = good(networks_->add_service({"", kGroup, "AWS", "EU_WEST_1", kAvailable, "", Json(Json::Object{}), {endpoint}}));
  Interposed between(*deployment_);
  Store store(between, clock_);
  LiveImports imports(store, *keys_, clock_, *clusters_, {});
  LiveImportIntake intake(*links_, *clusters_, *access_lists_, *networks_, imports, Policy{});
  auto inside = request();
  inside.destination_cluster = "inside";
  inside.schema = "PRIVATE_LINK";
  inside.private_link = "vpce-1";
  const auto removed = [&](EndpointService& now) -> Status {
    if (good(imports_->uses_network(kGroup, "PRIVATE_LINK"))) return fail(ErrorCode::kWrongState, "a migration goes through it");
    now.endpoints.clear();
    return {};
  };
  // Taken away after the migration was judged, before it is there.
  const auto before_it_is_there = [&](const std::function<void()>& act) {
    between.before = [act, done = false](bson::View command) mutable {
      if (command["insert"].to_string_view() != std::string_view("liveImports") || std::exchange(done, true)) return;
      act();
    };
  };
  before_it_is_there([&] { EXPECT_TRUE(good(networks_->change_service(kGroup, "AWS", service.id, removed))); });
  const auto refused = intake.take(ImportKind::kMigration, kOrg, inside);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().error.message.find("private network was changed"), std::string::npos) << refused.error().error.message;
  after({});
  after({});
  EXPECT_FALSE(good(imports_->uses_network(kGroup, "PRIVATE_LINK"))) << "it is over";
  // Whoever takes it away has looked before the migration was there, and writes when it is: he looks again.
  EXPECT_TRUE(good(networks_->change_service(kGroup, "AWS", service.id, [&](EndpointService& now) -> Status {
    now.endpoints = {endpoint};
    return {};
  })));
  int looked = 0;
  const auto late = networks_->change_service(kGroup, "AWS", service.id, [&](EndpointService& now) -> Status {
    const auto may = removed(now);
    if (++looked == 1) {
      EXPECT_TRUE(intake.take(ImportKind::kMigration, kOrg, inside));
    }
    return may;
  });
  EXPECT_EQ(looked, 2);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kWrongState);
  EXPECT_EQ(good(networks_->available_endpoints(kGroup, "vpce-1")).size(), 1u);
}

// Whoever was to move it has died; or it was begun by somebody who had read of the former link before.
TEST_F(ControlPlane, WhatASucceededLinkHasFollowsItWhoeverDies) {
  const auto id = begin(ImportKind::kMigration), validation = begin(ImportKind::kValidation);
  const auto next = claimed('b'), last = claimed('c');
  ASSERT_TRUE(good(links_->authenticate(link_, std::string(64, 'a'))));
  good(links_->succeed(link_, next.id));
  EXPECT_FALSE(good(links_->authenticate(link_, std::string(64, 'a')))) << "it is none any more";
  EXPECT_FALSE(good(links_->find(link_)));
  EXPECT_EQ(good(links_->of_org(kOrg)).size(), 2u);
  EXPECT_FALSE(good(links_->project_of_org(kOrg, kSource))) << "nothing new is begun on it";
  after({});
  EXPECT_EQ(migration(id).link, next.id);
  EXPECT_EQ(migration(id).state, ImportState::kWorking);
  EXPECT_EQ(see(ImportKind::kValidation, validation).link, next.id);
  good(store_->update("liveImports", bson::make_document({{"_id", validation}}), bson::make_document({{"$set", bson::make_document({{"linkId", link_}})}})));
  after({});
  EXPECT_EQ(see(ImportKind::kValidation, validation).link, next.id);
  EXPECT_EQ(see(ImportKind::kValidation, validation).state, ImportState::kWorking);
  // From one to the next, and the proof of the first still counts.
  EXPECT_EQ(good(links_->succeeded_by(last, {{link_, succession_proof(std::string(64, 'a'))}})), std::vector<std::string>{link_});
  good(links_->succeed(next.id, last.id));
  after({});
  EXPECT_EQ(migration(id).link, last.id);
  // One that is deleted has no successor, and what was kept of the others goes.
  good(links_->remove(last.id));
  after({});
  after({});
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  clock_.move(kSucceededKept + minutes(1));
  good(links_->create_token(kOrg, {}, "http://127.0.0.1:1"));
  EXPECT_FALSE(good(links_->successor_of(link_)));
}

TEST_F(ControlPlane, OneDeploymentUnderTwoNamesIsMigratedIntoOnce) {
  good(clusters_->register_deployment(kGroup, "alias", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
  const auto project = good(Json::parse(R"({"name": "p", "migrationHosts": [{"hostname": "mig01"}, {"hostname": "mig02"}], "deployments": [
      {"name": "src", "mongoDBVersion": "6.0.17", "featureCompatibilityVersion": "6.0", "managed": false, "sharded": false, "tlsEnabled": false},
      {"name": "src2", "mongoDBVersion": "6.0.17", "featureCompatibilityVersion": "6.0", "managed": false, "sharded": false, "tlsEnabled": false}]})"));
  good(links_->put_project(link_, kSource, 2, project));
  const auto id = begin(ImportKind::kMigration);
  auto second = request();
  second.destination_cluster = "alias";
  second.source_cluster = "src2";
  second.host = "mig02";
  const auto refused = intake_->take(ImportKind::kMigration, kOrg, second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ImportRefusal::Kind::kBusy);
  EXPECT_NE(refused.error().error.message.find("the same deployment, under another name"), std::string::npos) << refused.error().error.message;
  EXPECT_TRUE(intake_->take(ImportKind::kValidation, kOrg, second)) << "validations stand in nobody's way";
  good(imports_->cancel(id));
  report(id, "STOPPED");
  after({});
  EXPECT_TRUE(intake_->take(ImportKind::kMigration, kOrg, second));
}

TEST_F(ControlPlane, AProjectIsOfferedOnceByTheLinkThatLives) {
  const auto project = good(links_->projects_of_org(kOrg)).front().metadata;
  const auto other_link = [&](const char* site, char secret) {
    const auto token = good(decode_token(good(links_->create_token(kOrg, {}, "http://127.0.0.1:1"))));
    const auto id = good(links_->claim(token.link, token.secret, {site, "org", "Org", std::string(64, secret), "127.0.0.1"}))->id;
    good(links_->put_project(id, kSource, 1, project));
    good(links_->finish_sync(id, 1, {kSource}));
    return id;
  };
  const auto served = [&] {
    const auto all = good(links_->projects_of_org(kOrg));
    EXPECT_EQ(all.size(), 1u);
    return all.front();
  };
  EXPECT_EQ(served().link, link_) << "the only one, though it is not synchronised";
  const auto second = other_link("site", 'c');
  EXPECT_EQ(served().link, second);
  const auto third = other_link("site", 'd');
  EXPECT_EQ(served().link, third) << "the newest";
  clock_.move(minutes(6));
  good(links_->finish_sync(second, 2, {kSource}));
  EXPECT_EQ(served().link, second) << "the one that lives";
  EXPECT_TRUE(served().rivals.empty());
  begin(ImportKind::kValidation);
  // One of another site may be the source, or may pretend to.
  const auto stranger = other_link("stranger", 'e');
  EXPECT_EQ(served().rivals.size(), 3u);
  const auto refused = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ImportRefusal::Kind::kAmbiguous);
  EXPECT_NE(refused.error().error.message.find(stranger), std::string::npos) << refused.error().error.message;
  good(links_->remove(stranger));
  begin(ImportKind::kMigration);
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

// Whoever has read the cluster before the migration was there neither changes nor removes it; and one of the same name is another one.
TEST_F(ControlPlane, AMigrationCountsOnTheClusterThatItWasAskedFor) {
  const auto before = *good(clusters_->cluster(kGroup, "shop"));
  const auto validation = intake_->take(ImportKind::kValidation, kOrg, request());
  ASSERT_TRUE(validation);
  EXPECT_EQ(good(clusters_->cluster(kGroup, "shop"))->revision, before.revision) << "a validation keeps nothing";
  const auto taken = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_TRUE(taken);
  EXPECT_FALSE(good(clusters_->remove(before)));
  EXPECT_FALSE(good(clusters_->change(before, Json(Json::Object{}), Json(Json::Object{}))));
  good(reconciler_->step());
  EXPECT_EQ(migration(taken->id).state, ImportState::kWorking);
}

TEST_F(ControlPlane, AClusterOfTheSameNameIsAnotherOne) {
  const auto taken = intake_->take(ImportKind::kMigration, kOrg, request());
  ASSERT_TRUE(taken);
  const auto counted = *good(clusters_->cluster(kGroup, "shop"));
  EXPECT_TRUE(good(clusters_->remove(counted)));
  good(clusters_->register_deployment(kGroup, "shop", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
  good(store_->update("clusters", bson::make_document({{"name", "shop"}}), bson::make_document({{"$set", bson::make_document({{"revision", counted.revision}})}})));
  good(reconciler_->step());
  good(reconciler_->step());
  EXPECT_EQ(migration(taken->id).state, ImportState::kFailed);
  EXPECT_NE(migration(taken->id).error.find("was changed"), std::string::npos);
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
