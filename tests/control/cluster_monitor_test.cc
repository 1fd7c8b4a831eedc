// What the atlas site measures of its clusters, on an embedded store and an embedded server as the cluster.
#include "control/cluster_monitor.h"

#include <thread>

#include "control_plane.h"

namespace drover::control {
namespace {

class Measuring : public ControlPlane {
 protected:
  void SetUp() override {
    ControlPlane::SetUp();
    monitor_ = std::make_unique<ClusterMonitor>(*store_, *clusters_, clock_, *log_);
    host_ = good(clusters_->cluster(kGroup, "shop"))->shown_uri;
    host_ = good(split_uri(host_)).hosts;
  }
  // As a process does that has just started.
  void step() { good(ClusterMonitor(*store_, *clusters_, clock_, *log_).step()); }
  std::vector<MeasuredPoint> points() {
    const auto process = good(monitor_->find(kGroup, host_));
    if (!process) return {};
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.wall_time().time_since_epoch()).count();
    return good(monitor_->measurements().of_host(process->id, now - std::int64_t{48} * 3600 * 1000, now));
  }
  static bool has(const MeasuredPoint& point, std::string_view name) {
    return std::any_of(point.values.begin(), point.values.end(), [&](const auto& value) { return value.first == name; });
  }

  std::unique_ptr<ClusterMonitor> monitor_;
  std::string host_;
};

TEST_F(Measuring, AClusterIsAskedOnceAMinute) {
  EXPECT_FALSE(good(monitor_->find(kGroup, host_)));
  step();
  ASSERT_EQ(points().size(), 1u);
  EXPECT_TRUE(has(points().front(), "CONNECTIONS"));
  EXPECT_FALSE(has(points().front(), "OPCOUNTER_QUERY")) << "a rate needs two";
  EXPECT_FALSE(good(monitor_->find(kGroup, host_))->databases.empty());
  // Another process has just asked; a minute later it is due again.
  clock_.move(std::chrono::seconds(20));
  const auto before = good(store_->find("clusterHosts", bson::Document())).front()["lastPing"].to_int64();
  step();
  EXPECT_EQ(good(store_->find("clusterHosts", bson::Document())).front()["lastPing"].to_int64(), before);
  clock_.move(std::chrono::seconds(70));
  step();
  ASSERT_EQ(points().size(), 2u);
  EXPECT_TRUE(has(points().back(), "OPCOUNTER_QUERY"));
  // One whose clock was far ahead keeps nobody from it.
  good(store_->update("clusterHosts", bson::make_document({{"groupId", kGroup}}), bson::make_document({{"$set", bson::make_document({{"lastPing", *before + 86'400'000}})}})));
  clock_.move(std::chrono::seconds(70));
  step();
  EXPECT_EQ(points().size(), 3u);
}

TEST_F(Measuring, SizesComeEveryTwentyMinutes) {
  const auto sized = [&] { return good(store_->count("databaseMeasurements", bson::Document())); };
  step();
  EXPECT_EQ(sized(), 1);
  clock_.move(minutes(2));
  step();
  EXPECT_EQ(sized(), 1);
  clock_.move(minutes(19));
  step();
  EXPECT_EQ(sized(), 2);
}

TEST_F(Measuring, WhatIsOldOrOfNothingGoes) {
  step();
  clock_.move(minutes(2));
  step();
  good(monitor_->forget_project(kSource));
  EXPECT_EQ(points().size(), 2u);
  good(monitor_->forget_project(kGroup));
  for (const auto* collection : {"clusterHosts", "measurements", "databaseMeasurements"}) EXPECT_EQ(good(store_->count(collection, bson::Document())), 0) << collection;
  clock_.move(minutes(2));
  step();
  good(clusters_->remove(kGroup, "shop"));
  clock_.move(kMeasurementsKept + hours(1));
  step();
  for (const auto* collection : {"clusterHosts", "measurements", "databaseMeasurements"}) EXPECT_EQ(good(store_->count(collection, bson::Document())), 0) << collection;
}

TEST_F(Measuring, AClusterThatDoesNotAnswerKeepsNoOther) {
  good(store_->update("clusters", bson::make_document({{"name", "shop"}}), bson::make_document({{"$set", bson::make_document({{"name", "a first one"}, {"sealedUri", "bm90IHNlYWxlZA=="}})}})));
  good(clusters_->register_deployment(kGroup, "shop", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
  step();
  EXPECT_EQ(points().size(), 1u);
}

// After a start nobody has asked yet: what was measured the last time is asked apart from what may be silent, and silent ones leave room for those that are new.
class AfterAStart : public Measuring {
 protected:
  void measure_beside(int silent_ones, bool measured_before) {
    std::atomic<bool> silent = false, ended = false;
    std::atomic<int> asked = 0;
    const auto connect = [&](const std::string& uri) -> Result<std::unique_ptr<cluster::Deployment>> {
      if (!silent || uri.find("silent") == std::string::npos) return cluster::connect({.uri = uri}, clock_, {});
      ++asked;
      while (!ended) clock_.sleep(std::chrono::milliseconds(10), {});
      return fail(ErrorCode::kTemporary, "no answer");
    };
    Clusters clusters(*store_, *keys_, clock_, connect);
    good(clusters_->remove(kGroup, "shop"));
    for (int i = 0; i < silent_ones; ++i)
      good(clusters.register_deployment(kGroup, fmt::format("silent{}", i), sandbox_->uri() + "&appName=silent", Json(Json::Object{}), Json(Json::Object{})));
    silent = true;
    good(clusters.register_deployment(kGroup, "shop", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
    if (measured_before) {
      const auto hours_ago = std::chrono::duration_cast<std::chrono::milliseconds>((clock_.wall_time() - hours(3)).time_since_epoch()).count();
      good(store_->insert("clusterHosts", bson::make_document({{"_id", "shop's"}, {"clusterId", good(clusters_->cluster(kGroup, "shop"))->id}, {"lastPing", hours_ago}})));
    }
    ClusterMonitor monitor(*store_, clusters, clock_, *log_);
    std::jthread measuring([&](const std::stop_token& stop) { monitor.run(stop); });
    for (int i = 0; i < 1000 && (points().empty() || asked < std::min(silent_ones, kFirstAtOnce)); ++i) clock_.sleep(std::chrono::milliseconds(20), {});
    EXPECT_EQ(points().size(), 1u) << "while none of the others has answered";
    EXPECT_EQ(asked, std::min(silent_ones, kFirstAtOnce));
    ended = true;
  }
};

TEST_F(AfterAStart, WhatAnsweredBeforeWaitsForNobody) { measure_beside(kFirstAtOnce + 1, true); }
TEST_F(AfterAStart, WhatIsNewWaitsForNoSilentOne) { measure_beside(kFirstAtOnce - 1, false); }

// They come first, and leave room for one more.
TEST_F(AfterAStart, ClustersThatAreSilentForLongHoldUpNoOther) { measure_beside(kMeasuredAtOnce - 1, false); }

TEST(MeasurePause, GrowsForWhatDoesNotAnswer) {
  EXPECT_EQ(measure_pause(1), kMeasureEvery);
  EXPECT_EQ(measure_pause(2), 2 * kMeasureEvery);
  EXPECT_EQ(measure_pause(3), 4 * kMeasureEvery);
  EXPECT_EQ(measure_pause(4), kLongestMeasurePause);
  EXPECT_EQ(measure_pause(1'000'000), kLongestMeasurePause);
}

}  // namespace
}  // namespace drover::control
