// What is kept of validations and migrations that are over: until it is forgotten, and how many.
#include "control_plane.h"

#include "control/events.h"

namespace drover::control {
namespace {

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

}  // namespace
}  // namespace drover::control
