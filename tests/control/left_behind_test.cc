// What a host that died left on the destination: said by name, and removed by it when it comes back.
#include "control_plane.h"

#include "control/import_attention.h"

namespace drover::control {
namespace {

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

TEST_F(LeftBehind, WhatItsManagerSiteHoldsIsSaidAndCanBeEnded) {
  const auto id = begin(ImportKind::kMigration);
  ready(id);
  EXPECT_TRUE(migration(id).ready());
  const auto revision = migration(id).revision;
  for (int i = 0; i < 2; ++i) EXPECT_EQ(good(imports_->held(link_, id, "no agent is registered on mig01"))->desired, "RUN");
  EXPECT_EQ(migration(id).revision, revision + 1) << "the same again changes nothing";
  EXPECT_FALSE(good(imports_->held(std::string(24, '0'), id, "another link")));
  EXPECT_EQ(migration(id).state, ImportState::kWorking);
  EXPECT_FALSE(migration(id).ready());
  EXPECT_FALSE(imports_->cutover(id));
  EXPECT_NE(attention_of(migration(id), std::nullopt, imports_->now_millis()).find("no agent is registered on mig01"), std::string::npos);
  bool in_item = false;
  for (const auto& item : good(imports_->work_of(link_))) in_item = in_item || item.find("heldBecause")->as_string() != nullptr;
  EXPECT_TRUE(in_item);
  after({});
  const auto told = events();
  EXPECT_EQ(std::count(told.begin(), told.end(), "X_CLUSTER_IMPORT_HELD"), 1);
  // It is cancelled as any other, and what is left is named.
  good(imports_->cancel(id));
  after(kReportPatience + minutes(1));
  after({});
  after({});
  EXPECT_TRUE(is_terminal(migration(id).state));
  EXPECT_NE(migration(id).error.find("no agent is registered on mig01"), std::string::npos) << migration(id).error;
  EXPECT_NE(attention_of(migration(id), std::nullopt, imports_->now_millis()).find("no agent is registered on mig01"), std::string::npos);
}

TEST_F(LeftBehind, AReportEndsWhatWasHeld) {
  const auto id = begin(ImportKind::kMigration);
  good(imports_->held(link_, id, "no agent is registered on mig01"));
  ready(id);
  EXPECT_EQ(migration(id).held_because, "");
  EXPECT_TRUE(migration(id).ready());
  EXPECT_EQ(attention_of(migration(id), std::nullopt, imports_->now_millis()), "");
}

TEST_F(LeftBehind, WithoutItsClusterOrItsLinkNobodyWaits) {
  const auto id = left();
  good(clusters_->remove(kGroup, "shop"));
  after({});
  EXPECT_EQ(desired(id), "FORGET");
}

}  // namespace
}  // namespace drover::control
