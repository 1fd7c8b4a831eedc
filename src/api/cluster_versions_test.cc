#include "api/cluster_versions.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "api/cluster_body.h"
#include "base/runtime.h"

namespace drover::api {
namespace {

Json json(const char* text) { return *Json::parse(text); }

std::string at(const Json& object, std::initializer_list<std::string_view> path) {
  const auto* value = &object;
  for (const auto step : path) {
    value = value->as_array() != nullptr ? &value->as_array()->at(static_cast<std::size_t>(step.front() - '0')) : value->find(step);
    if (value == nullptr) return "nothing";
  }
  return value->dump();
}

class ClusterVersions : public ::testing::Test {
 protected:
  // A cluster as it is kept after a body of this shape, and what the shape then tells of it.
  Json kept(const char* body, ClusterShape shape) {
    const auto newest = newest_cluster_body(json(body), json("{}"), shape);
    EXPECT_TRUE(newest) << (newest ? "" : newest.error().detail);
    if (!newest) return json("{}");
    const auto description = parse_cluster_description(*newest, *runtime_);
    EXPECT_TRUE(description) << (description ? "" : description.error().detail);
    return description ? *description : json("{}");
  }
  Json changed(const Json& now, const char* body, ClusterShape shape) {
    const auto newest = newest_cluster_body(json(body), now, shape);
    EXPECT_TRUE(newest) << (newest ? "" : newest.error().detail);
    if (!newest) return json("{}");
    const auto description = parse_cluster_update(*newest, now, "8.0.0", *runtime_);
    EXPECT_TRUE(description) << (description ? "" : description.error().detail);
    return description ? *description : json("{}");
  }
  std::string refused(const char* body, const Json& now, ClusterShape shape) {
    const auto newest = newest_cluster_body(json(body), now, shape);
    return newest ? "" : newest.error().parameters.empty() ? newest.error().code : newest.error().parameters.front();
  }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  // What `atlas clusters create shop --provider AWS --region EU_WEST_1 --tier M30 --diskSizeGB 40` sends.
  static constexpr const char* kOfAtlasCli =
      R"({"clusterType":"REPLICASET","diskSizeGB":40,"groupId":"66ff00000000000000000001","mongoDBMajorVersion":"8.0","name":"shop","replicationSpecs":[{"numShards":1,
      "regionConfigs":[{"electableSpecs":{"instanceSize":"M30","nodeCount":3},"priority":7,"providerName":"AWS","readOnlySpecs":{"instanceSize":"M30","nodeCount":0},
      "regionName":"EU_WEST_1"}],"zoneName":"Zone 1"}],"terminationProtectionEnabled":false})";
};

TEST_F(ClusterVersions, AShardCountedIsThatManyEntries) {
  const auto description = kept(R"({"clusterType":"SHARDED","replicationSpecs":[{"numShards":3,"zoneName":"Z","regionConfigs":[{"providerName":"AWS","regionName":"EU_WEST_1",
      "electableSpecs":{"instanceSize":"M30"}}]}]})", ClusterShape::kCounted);
  EXPECT_EQ(description.find("replicationSpecs")->as_array()->size(), 3u);
  EXPECT_EQ(at(description, {"replicationSpecs", "0", "numShards"}), "nothing");
  const auto told = cluster_in_shape(description, ClusterShape::kCounted);
  EXPECT_EQ(told.find("replicationSpecs")->as_array()->size(), 1u);
  EXPECT_EQ(at(told, {"replicationSpecs", "0", "numShards"}), "3");
  EXPECT_EQ(at(told, {"replicationSpecs", "0", "id"}), at(description, {"replicationSpecs", "0", "id"}));
}

TEST_F(ClusterVersions, ShardsThatAreNotAlikeStayApart) {
  const auto told = cluster_in_shape(json(R"({"replicationSpecs":[{"id":"1","zoneName":"Z","regionConfigs":[{"electableSpecs":{"instanceSize":"M30","diskSizeGB":10}}]},
      {"id":"2","zoneName":"Z","regionConfigs":[{"electableSpecs":{"instanceSize":"M40","diskSizeGB":20}}]}]})"), ClusterShape::kCounted);
  EXPECT_EQ(told.find("replicationSpecs")->as_array()->size(), 2u);
  EXPECT_EQ(at(told, {"diskSizeGB"}), "nothing");
  EXPECT_EQ(at(told, {"replicationSpecs", "1", "regionConfigs", "0", "electableSpecs", "diskSizeGB"}), "20");
}

TEST_F(ClusterVersions, TheDiskOfTheClusterIsThatOfEachInstance) {
  const auto description = kept(kOfAtlasCli, ClusterShape::kCounted);
  EXPECT_EQ(at(description, {"replicationSpecs", "0", "regionConfigs", "0", "electableSpecs", "diskSizeGB"}), "40");
  EXPECT_EQ(at(description, {"diskSizeGB"}), "nothing");
  const auto told = cluster_in_shape(description, ClusterShape::kCounted);
  EXPECT_EQ(at(told, {"diskSizeGB"}), "40");
  EXPECT_EQ(at(told, {"replicationSpecs", "0", "regionConfigs", "0", "electableSpecs"}), R"({"instanceSize":"M30","nodeCount":3})");
  // Alone, or with what was read before: nothing else changes.
  EXPECT_EQ(at(cluster_in_shape(changed(description, R"({"diskSizeGB":80.5})", ClusterShape::kCounted), ClusterShape::kCounted), {"diskSizeGB"}), "80.5");
  const auto back = std::string(R"({"replicationSpecs":)") + told.find("replicationSpecs")->dump() + "}";
  EXPECT_EQ(changed(description, back.c_str(), ClusterShape::kCounted).find("replicationSpecs")->dump(), description.find("replicationSpecs")->dump());
  EXPECT_EQ(refused(R"({"diskSizeGB":0})", description, ClusterShape::kCounted), "diskSizeGB");
  EXPECT_EQ(refused(R"({"diskSizeGB":10})", json("{}"), ClusterShape::kCounted), "replicationSpecs");
}

TEST_F(ClusterVersions, AZoneKeepsItsId) {
  const auto description = kept(kOfAtlasCli, ClusterShape::kCounted);
  const auto body = R"({"replicationSpecs":[{"id":)" + at(description, {"replicationSpecs", "0", "id"}) +
                    R"(,"numShards":1,"zoneName":"Zone 1","regionConfigs":[{"providerName":"AWS","regionName":"EU_WEST_1","electableSpecs":{"instanceSize":"M40","nodeCount":3}}]}]})";
  const auto after = changed(description, body.c_str(), ClusterShape::kCounted);
  EXPECT_EQ(at(after, {"replicationSpecs", "0", "zoneId"}), at(description, {"replicationSpecs", "0", "zoneId"}));
  EXPECT_EQ(instance_size(after), "M40");
  EXPECT_EQ(at(after, {"replicationSpecs", "0", "regionConfigs", "0", "electableSpecs", "diskSizeGB"}), "40") << "the size that is, as a client of this version means it";
}

TEST_F(ClusterVersions, ShardsOfAZoneKeepTheirIdsAndShareTheZones) {
  const auto ids = [](const Json& description, const char* field) {
    std::vector<std::string> all;
    for (const auto& spec : *description.find("replicationSpecs")->as_array()) all.push_back(spec.find(field)->dump());
    return all;
  };
  const std::string region = R"("regionConfigs":[{"providerName":"AWS","regionName":"EU_WEST_1","electableSpecs":{"instanceSize":"M40"}}])";
  const auto description = kept((R"({"clusterType":"SHARDED","replicationSpecs":[{"numShards":3,"zoneName":"Z",)" + region + "}]}").c_str(), ClusterShape::kCounted);
  const auto shards = ids(description, "id"), zones = ids(description, "zoneId");
  EXPECT_EQ(zones, std::vector<std::string>(3, zones.front())) << "one zone, one id";
  // With the id of its entry, as it is told; and without, by the zone's name.
  for (const auto& named : {R"("id":)" + shards.front() + ",", std::string()}) {
    const auto after = changed(description, (R"({"replicationSpecs":[{)" + named + R"("numShards":3,"zoneName":"Z",)" + region + "}]}").c_str(), ClusterShape::kCounted);
    EXPECT_EQ(ids(after, "id"), shards) << named;
    EXPECT_EQ(ids(after, "zoneId"), zones) << named;
  }
  const auto more = changed(description, (R"({"replicationSpecs":[{"id":)" + shards[1] + R"(,"numShards":4,"zoneName":"Z",)" + region + "}]}").c_str(), ClusterShape::kCounted);
  EXPECT_EQ(ids(more, "zoneId"), std::vector<std::string>(4, zones.front()));
  auto all = ids(more, "id");
  EXPECT_EQ(all.front(), shards[1]);
  EXPECT_EQ(all[1], shards[0]);
  EXPECT_EQ(all[2], shards[2]);
  EXPECT_EQ(std::count(shards.begin(), shards.end(), all[3]), 0);
  const auto legacy = changed(description, R"({"replicationSpecs":[{"numShards":3,"zoneName":"Z","regionsConfig":{"EU_WEST_1":{"electableNodes":3}}}]})", ClusterShape::kLegacy);
  EXPECT_EQ(ids(legacy, "id"), shards);
  EXPECT_EQ(ids(legacy, "zoneId"), zones);
}

// What an older version kept, and this one would refuse, is in nobody's way.
TEST_F(ClusterVersions, AnotherDiskSizeAloneJudgesNothingElseOfTheCluster) {
  const auto old = json(R"({"clusterType":"REPLICASET","replicationSpecs":[{"id":"66dd00000000000000000001","zoneId":"66dd00000000000000000002","zoneName":"Zone 1","regionConfigs":[
      {"providerName":"AWS","regionName":"EU_WEST_1","autoScaling":{"compute":{"enabled":true}},"colour":"blue","electableSpecs":{"instanceSize":"M30","nodeCount":3,"diskSizeGB":10,"volume":1}}]}]})");
  const auto after = changed(old, R"({"diskSizeGB":20})", ClusterShape::kCounted);
  EXPECT_EQ(at(after, {"replicationSpecs", "0", "regionConfigs"}),
            R"([{"providerName":"AWS","regionName":"EU_WEST_1","autoScaling":{"compute":{"enabled":true}},"colour":"blue",)"
            R"("electableSpecs":{"instanceSize":"M30","nodeCount":3,"volume":1,"diskSizeGB":20}}])");
  EXPECT_EQ(at(after, {"replicationSpecs", "0", "zoneId"}), R"("66dd00000000000000000002")");
  EXPECT_EQ(at(after, {"diskSizeGB"}), "nothing");
  EXPECT_EQ(refused(R"({"diskSizeGB":20})", old, ClusterShape::kNewest), "diskSizeGB") << "each instance has its own there";
}

TEST_F(ClusterVersions, AZoneWithoutANameIsZoneOne) {
  const auto description = kept(kOfAtlasCli, ClusterShape::kCounted);
  for (const auto* name : {R"("zoneName":"",)", ""}) {
    const auto body = std::string(R"({"replicationSpecs":[{)") + name +
                      R"("numShards":1,"regionConfigs":[{"providerName":"AWS","regionName":"EU_WEST_1","electableSpecs":{"instanceSize":"M40","nodeCount":3}}]}]})";
    for (const auto shape : {ClusterShape::kCounted, ClusterShape::kNewest}) {
      const auto after = changed(description, body.c_str(), shape);
      EXPECT_EQ(at(after, {"replicationSpecs", "0", "zoneName"}), R"("Zone 1")") << name;
      if (shape == ClusterShape::kNewest) continue;  // its clients name the ids
      EXPECT_EQ(at(after, {"replicationSpecs", "0", "zoneId"}), at(description, {"replicationSpecs", "0", "zoneId"})) << name;
      EXPECT_EQ(at(after, {"replicationSpecs", "0", "id"}), at(description, {"replicationSpecs", "0", "id"})) << name;
    }
    const auto legacy = std::string(R"({"replicationSpecs":[{)") + name + R"("numShards":1,"regionsConfig":{"EU_WEST_1":{"electableNodes":3}}}]})";
    EXPECT_EQ(at(changed(description, legacy.c_str(), ClusterShape::kLegacy), {"replicationSpecs", "0", "zoneId"}), at(description, {"replicationSpecs", "0", "zoneId"})) << name;
  }
}

TEST_F(ClusterVersions, NothingThatAsksForScalingIsKeptOrLeftOut) {
  const auto with = [](const std::string& scaling) {
    return R"({"replicationSpecs":[{"regionConfigs":[{"providerName":"AWS","regionName":"EU_WEST_1","electableSpecs":{"instanceSize":"M30"})" + scaling + "}]}]}";
  };
  const auto why = [&](const std::string& body) {
    const auto read = parse_cluster_description(json(body.c_str()), *runtime_);
    return read ? std::string() : read.error().parameters.front();
  };
  EXPECT_EQ(why(with("")), "");
  EXPECT_EQ(why(with(R"(,"autoScaling":{"compute":{"enabled":false,"scaleDownEnabled":false},"diskGB":{"enabled":false}})")), "");
  EXPECT_EQ(why(with(R"(,"autoScaling":{"compute":{"enabled":true}})")), "autoScaling");
  EXPECT_EQ(why(with(R"(,"analyticsAutoScaling":{"diskGB":{"enabled":true}})")), "analyticsAutoScaling");
  EXPECT_EQ(why(with(R"(,"autoScaling":{"colour":"blue"})")), "colour");
  EXPECT_EQ(why(with(R"(,"autoScaling":{"compute":{"colour":"blue"}})")), "colour");
  EXPECT_EQ(why(with(R"(,"colour":"blue")")), "colour");
  EXPECT_EQ(refused(R"({"autoScaling":{"colour":"blue"}})", json("{}"), ClusterShape::kLegacy), "colour");
  EXPECT_EQ(refused(R"({"autoScaling":{"diskGBEnabled":true}})", json("{}"), ClusterShape::kLegacy), "autoScaling");
  EXPECT_EQ(refused(R"({"providerSettings":{"providerName":"AWS","instanceSizeName":"M30","regionName":"EU_WEST_1","autoScaling":{"compute":{"colour":1}}}})", json("{}"), ClusterShape::kLegacy),
            "colour");
}

TEST_F(ClusterVersions, TheLegacyShapeIsReadAndTold) {
  const auto description = kept(R"({"name":"shop","diskSizeGB":40,"numShards":1,"replicationFactor":3,"providerBackupEnabled":false,"autoScaling":{"diskGBEnabled":false},
      "providerSettings":{"providerName":"AWS","instanceSizeName":"M30","regionName":"EU_WEST_1"}})", ClusterShape::kLegacy);
  EXPECT_EQ(at(description, {"replicationSpecs", "0", "regionConfigs"}),
            R"([{"providerName":"AWS","regionName":"EU_WEST_1","priority":7,"electableSpecs":{"instanceSize":"M30","nodeCount":3,"diskSizeGB":40}}])");
  const auto told = cluster_in_shape(description, ClusterShape::kLegacy);
  EXPECT_EQ(at(told, {"providerSettings"}), R"({"providerName":"AWS","instanceSizeName":"M30","regionName":"EU_WEST_1"})");
  EXPECT_EQ(at(told, {"replicationSpecs", "0", "regionsConfig"}), R"({"EU_WEST_1":{"electableNodes":3,"readOnlyNodes":0,"analyticsNodes":0,"priority":7}})");
  for (const auto& [field, value] : {std::pair{"diskSizeGB", "40"}, {"numShards", "1"}, {"replicationFactor", "3"}, {"providerBackupEnabled", "false"}})
    EXPECT_EQ(at(told, {field}), value) << field;
  // A part of it changes that part.
  const auto larger = changed(description, R"({"providerSettings":{"instanceSizeName":"M40"}})", ClusterShape::kLegacy);
  EXPECT_EQ(at(larger, {"replicationSpecs", "0", "regionConfigs"}),
            R"([{"providerName":"AWS","regionName":"EU_WEST_1","priority":7,"electableSpecs":{"instanceSize":"M40","nodeCount":3,"diskSizeGB":40}}])");
  EXPECT_EQ(at(larger, {"replicationSpecs", "0", "id"}), at(description, {"replicationSpecs", "0", "id"}));
  const auto wider = changed(description, R"({"replicationSpecs":[{"numShards":1,"zoneName":"Z","regionsConfig":{"EU_WEST_1":{"electableNodes":2,"priority":7},
      "EU_WEST_2":{"electableNodes":1,"priority":6,"readOnlyNodes":1}}}]})", ClusterShape::kLegacy);
  EXPECT_EQ(wider.find("replicationSpecs")->as_array()->front().find("regionConfigs")->as_array()->size(), 2u);
  EXPECT_EQ(at(cluster_in_shape(wider, ClusterShape::kLegacy), {"providerSettings", "regionName"}), "nothing");
  EXPECT_EQ(changed(description, R"({"labels":[{"key":"k","value":"v"}]})", ClusterShape::kLegacy).find("replicationSpecs")->dump(), description.find("replicationSpecs")->dump());
}

TEST_F(ClusterVersions, TheLegacyShapeRefusesWhatItCannotSay) {
  const auto none = json("{}");
  EXPECT_EQ(refused(R"({"providerSettings":{"providerName":"AWS","instanceSizeName":"M30"}})", none, ClusterShape::kLegacy), "providerSettings.regionName");
  EXPECT_EQ(refused(R"({"diskSizeGB":10})", none, ClusterShape::kLegacy), "providerSettings");
  EXPECT_EQ(refused(R"({"providerBackupEnabled":true})", none, ClusterShape::kLegacy), "providerBackupEnabled");
  EXPECT_EQ(refused(R"({"autoScaling":{"compute":{"enabled":true}}})", none, ClusterShape::kLegacy), "autoScaling");
  EXPECT_EQ(refused(R"({"providerSettings":{"providerName":"AWS","instanceSizeName":"M30","colour":"blue"}})", none, ClusterShape::kLegacy), "colour");
  EXPECT_EQ(refused(R"({"replicationSpecs":[{"regionsConfig":{}}],"providerSettings":{"providerName":"AWS","instanceSizeName":"M30"}})", none, ClusterShape::kLegacy),
            "replicationSpecs[].regionsConfig");
  EXPECT_EQ(refused(R"({"replicationSpecs":[{"numShards":51,"regionConfigs":[]}]})", none, ClusterShape::kCounted), "numShards");
  const auto both = kept(R"({"replicationSpecs":[{"regionConfigs":[{"providerName":"AWS","regionName":"EU_WEST_1","electableSpecs":{"instanceSize":"M30"}},
      {"providerName":"GCP","regionName":"WESTERN_EUROPE","electableSpecs":{"instanceSize":"M30"}}]}]})", ClusterShape::kNewest);
  EXPECT_EQ(refused(R"({"diskSizeGB":10})", both, ClusterShape::kLegacy), "MULTI_CLOUD_CLUSTER_UNSUPPORTED");
  EXPECT_EQ(at(cluster_in_shape(both, ClusterShape::kLegacy), {"providerSettings"}), "nothing");
}

TEST_F(ClusterVersions, ANewClusterIsNotSilentlyWithoutWhatIsNotDone) {
  EXPECT_TRUE(check_new_cluster(*newest_cluster_body(json(kOfAtlasCli), json("{}"), ClusterShape::kCounted)));
  for (const auto* body : {R"({"backupEnabled":true})", R"({"pitEnabled":true})", R"({"encryptionAtRestProvider":"AWS"})", R"({"advancedConfiguration":{}})"})
    EXPECT_FALSE(check_new_cluster(json(body))) << body;
  EXPECT_TRUE(check_new_cluster(json(R"({"backupEnabled":false,"encryptionAtRestProvider":"NONE","acceptDataRisksAndForceReplicaSetReconfig":null})")));
}

}  // namespace
}  // namespace drover::api
