// The temporary users of migrations, on a destination that asks for a login.
#include "control_plane.h"

#include <thread>

namespace drover::control {
namespace {

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

// That does not pass by itself: nobody waits for it, and there is nothing to be dropped.
TEST_F(GuardedDestination, WhoMayMakeNoUserIsToldAtOnce) {
  const auto as = [&](const std::string& user, std::initializer_list<const char*> roles) {
    bson::Builder command;
    command.append("createUser", user).append("pwd", "pw");
    {
      auto list = command.open_array("roles");
      for (const auto* role : roles) list.append(role);
    }
    good(good(cluster::connect({.uri = uri_}, clock_, {}))->run_command("admin", std::move(command).finish()));
    return "mongodb://" + user + uri_.substr(uri_.find(":pw@"));
  };
  good(clusters_->register_deployment(kGroup, "weak", as("weak", {"readWriteAnyDatabase", "clusterMonitor"}), Json(Json::Object{}), Json(Json::Object{})));
  for (const auto kind : {ImportKind::kValidation, ImportKind::kMigration}) {
    auto asked = request();
    asked.destination_cluster = "weak";
    const auto taken = intake_->take(kind, kOrg, asked);
    ASSERT_TRUE(taken) << taken.error().error.message;
    good(reconciler_->step());
    good(reconciler_->step());
    const auto seen = see(kind, taken->id);
    EXPECT_EQ(seen.state, ImportState::kFailed);
    EXPECT_NE(seen.error.find("of which restore holds those"), std::string::npos) << seen.error;
    EXPECT_FALSE(seen.user_may_exist);
  }
  // What would be judged wrongly is not registered.
  const auto refused = [&](const std::string& uri) {
    const auto made = clusters_->register_deployment(kGroup, "other", uri, Json(Json::Object{}), Json(Json::Object{}));
    EXPECT_FALSE(made);
    return made ? "" : made.error().message;
  };
  EXPECT_NE(refused(guarded_->uri()).find("names no user"), std::string::npos);
  EXPECT_NE(refused(as("blind", {"readWriteAnyDatabase"})).find("clusterMonitor"), std::string::npos);
}

// Whoever may drop no user any more has his outcome all the same; the user is looked for later.
TEST_F(GuardedDestination, ADropThatIsForbiddenHoldsNoOutcomeBack) {
  const auto id = begin_here();
  bson::Builder fewer;
  fewer.append("updateUser", "root");
  {
    auto roles = fewer.open_array("roles");
    for (const auto* role : {"readWriteAnyDatabase", "clusterMonitor"}) roles.append(role);
  }
  good(good(cluster::connect({.uri = uri_}, clock_, {}))->run_command("admin", std::move(fewer).finish()));
  report(id, "FAILED");
  (void)reconciler_->step();
  EXPECT_EQ(migration(id).state, ImportState::kFailed);
  EXPECT_TRUE(migration(id).user_may_exist);
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

}  // namespace
}  // namespace drover::control
