#include "control/rules.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

namespace drover::control {
namespace {

// What is changed of an allowed migration, and the rules that object then, in the table's order.
struct Row {
  const char* name;
  std::function<void(RuleFacts&, Policy&)> change;
  std::vector<std::string> objections;
};

using F = RuleFacts;
using P = Policy;
Row tier(const char* name, std::vector<std::string> objections) {
  return {name, [name](F& f, P&) { f.destination.tier = name; }, std::move(objections)};
}
Row versions(ServerVersion from, ServerVersion from_fcv, ServerVersion to, std::vector<std::string> objections, bool matching = false) {
  return {"versions", [=](F& f, P& p) {
            f.source.version = from;
            f.source.fcv = from_fcv;
            f.destination.version = to;
            f.destination.fcv = {to.major, to.minor, 0};
            p.matching_versions = matching;
          }, std::move(objections)};
}
Row pair(Topology from, bool to_sharded, std::vector<std::string> objections) {
  return {"pair", [=](F& f, P&) {
            f.source.topology = from;
            f.destination.sharded = to_sharded;
            f.destination.cluster_type = to_sharded ? "SHARDED" : "REPLICASET";
          }, std::move(objections)};
}
// A private endpoint to a cluster of so many clouds and regions.
Row endpoint(bool sharded, int clouds, int regions, bool newer, std::vector<std::string> objections) {
  return {"endpoint", [=](F& f, P& p) {
            f.network = Network::kPrivateLink;
            f.private_endpoint_available = true;
            f.destination.sharded = sharded;
            f.destination.providers.clear();
            f.destination.regions.clear();
            for (int i = 0; i < clouds; ++i) f.destination.providers.insert(std::to_string(i));
            for (int i = 0; i < regions; ++i) f.destination.regions.insert(std::to_string(i));
            p.private_endpoints_for_sharded = newer;
          }, std::move(objections)};
}
Row one(const char* name, std::function<void(RuleFacts&, Policy&)> change, std::vector<std::string> objections) {
  return {name, std::move(change), std::move(objections)};
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      one("as it is", [](F&, P&) {}, {}),
      // Tiers.
      tier("M0", {"destination-free"}), tier("M2", {"destination-shared"}), tier("M5", {"destination-shared"}), tier("FLEX", {"destination-flex"}),
      tier("SERVERLESS", {"destination-serverless"}), tier("M10", {}), tier("R700", {}), tier("M40_NVME", {}),
      // Topologies.
      pair(Topology::kStandalone, false, {"source-standalone"}), pair(Topology::kStandalone, true, {"source-standalone"}),
      pair(Topology::kReplicaSet, false, {}), pair(Topology::kReplicaSet, true, {}), pair(Topology::kSharded, true, {}),
      pair(Topology::kSharded, false, {"sharded-to-replica-set"}),
      one("global", [](F& f, P&) { f.destination.cluster_type = "GEOSHARDED"; f.destination.sharded = true; }, {"destination-global"}),
      one("shards", [](F& f, P&) {
        f.source.topology = Topology::kSharded;
        f.source.shards = 2;
        f.destination.sharded = true;
        f.destination.shards = 3;
      }, {}),
      one("legacy shards", [](F& f, P&) {
        f.source = {.topology = Topology::kSharded, .version = {5, 0, 9}, .fcv = {5, 0, 0}, .shards = 2};
        f.destination.version = {5, 0, 9};
        f.destination.fcv = {5, 0, 0};
        f.destination.sharded = true;
        f.destination.shards = 3;
      }, {"legacy-shard-count"}),
      one("sharding to a set", [](F& f, P&) { f.sharding_asked = true; }, {"sharding-parameters"}),
      one("sharding to a cluster", [](F& f, P&) { f.sharding_asked = f.destination.sharded = true; }, {}),
      one("sharding from 5.0", [](F& f, P&) {
        f.source.version = {5, 0, 9};
        f.source.fcv = {5, 0, 0};
        f.sharding_asked = f.destination.sharded = true;
      }, {"sharding-parameters-version"}),
      // Versions: the legacy path.
      versions({4, 2, 24}, {4, 2, 0}, {6, 0, 17}, {"no-path"}), versions({4, 4, 1}, {4, 4, 0}, {4, 4, 29}, {}),
      versions({4, 4, 29}, {4, 4, 0}, {6, 0, 17}, {}), versions({4, 4, 29}, {4, 2, 0}, {6, 0, 17}, {"no-path"}),
      versions({5, 0, 9}, {5, 0, 0}, {5, 0, 9}, {}), versions({5, 0, 9}, {5, 0, 0}, {4, 4, 29}, {"version-pair"}),
      versions({5, 0, 9}, {4, 4, 0}, {4, 4, 29}, {}), versions({6, 0, 3}, {5, 0, 0}, {6, 0, 17}, {}),
      versions({5, 0, 9}, {5, 0, 0}, {8, 0, 4}, {}),
      // The sync path.
      versions({6, 0, 7}, {6, 0, 0}, {6, 0, 17}, {"no-path"}), versions({6, 0, 8}, {6, 0, 0}, {6, 0, 8}, {}),
      versions({6, 0, 8}, {6, 0, 0}, {6, 0, 7}, {"destination-old"}), versions({6, 0, 17}, {6, 0, 0}, {5, 0, 31}, {"destination-old", "version-pair"}),
      versions({6, 0, 17}, {6, 0, 0}, {7, 0, 13}, {}), versions({6, 0, 17}, {6, 0, 0}, {8, 0, 4}, {}), versions({7, 0, 13}, {7, 0, 0}, {8, 0, 4}, {}),
      versions({7, 0, 13}, {7, 0, 0}, {6, 0, 17}, {"version-pair"}), versions({8, 0, 4}, {8, 0, 0}, {8, 0, 4}, {}),
      versions({8, 0, 4}, {8, 0, 0}, {7, 0, 13}, {"version-pair"}), versions({8, 0, 4}, {7, 0, 0}, {7, 0, 13}, {}),
      versions({6, 2, 0}, {6, 2, 0}, {7, 0, 13}, {"source-rapid"}), versions({6, 0, 17}, {6, 0, 0}, {7, 1, 0}, {"destination-rapid"}),
      versions({8, 0, 4}, {8, 0, 0}, {8, 2, 0}, {"destination-rapid"}),
      versions({6, 0, 17}, {6, 0, 0}, {7, 0, 13}, {"matching-versions"}, true), versions({7, 0, 13}, {7, 0, 0}, {7, 0, 13}, {}, true),
      versions({4, 4, 1}, {4, 4, 0}, {6, 0, 17}, {}, true),
      one("auto upgrades", [](F& f, P&) { f.destination.continuous_releases = true; }, {"continuous-releases"}),
      // Who monitors.
      one("ops manager, 6.0", [](F& f, P&) { f.source.monitored_by = "OPS_MANAGER"; }, {"ops-manager"}),
      one("ops manager, 5.0", [](F& f, P&) {
        f.source.version = {5, 0, 9};
        f.source.fcv = {5, 0, 0};
        f.source.monitored_by = "OPS_MANAGER";
      }, {}),
      // Platforms.
      one("windows", [](F& f, P&) { f.source.os = "windows"; }, {}), one("macos", [](F& f, P&) { f.source.os = "macos"; }, {"macos-source"}),
      // Settings.
      one("bi", [](F& f, P&) { f.destination.bi_connector = true; }, {"bi-connector"}),
      one("stats", [](F& f, P&) { f.source.collects_db_stats = false; }, {"db-stats"}),
      one("community", [](F& f, P&) { f.source.community = true; }, {"community"}),
      one("fcv not told", [](F& f, P&) { f.source.fcv = {}; }, {"fcv-unknown"}),
      // Mechanisms.
      one("scram", [](F& f, P&) { f.source.mechanisms = {"SCRAM-SHA-1", "SCRAM-SHA-256"}; }, {}),
      one("no login", [](F& f, P&) { f.source.mechanisms = {"NONE"}; }, {}),
      one("x509", [](F& f, P&) { f.source.mechanisms = {"MONGODB-X509"}; }, {"mechanism"}),
      one("ldap", [](F& f, P&) { f.source.mechanisms = {"PLAIN"}; }, {"mechanism"}),
      one("kerberos", [](F& f, P&) { f.source.mechanisms = {"GSSAPI"}; }, {"mechanism"}),
      one("both", [](F& f, P&) { f.source.mechanisms = {"MONGODB-X509", "SCRAM-SHA-256"}; }, {}),
      // Private endpoints: sharded or not, clouds, regions, and the newer pages' reading.
      endpoint(false, 1, 1, false, {}), endpoint(false, 1, 2, false, {"private-endpoint-regions"}),
      endpoint(false, 2, 2, false, {"private-endpoint-regions", "private-endpoint-clouds"}),
      endpoint(true, 1, 1, false, {"private-endpoint-sharded"}),
      endpoint(true, 1, 2, false, {"private-endpoint-sharded", "private-endpoint-regions"}),
      endpoint(true, 2, 2, false, {"private-endpoint-sharded", "private-endpoint-regions", "private-endpoint-clouds"}),
      endpoint(false, 1, 1, true, {}), endpoint(false, 1, 2, true, {"private-endpoint-regions"}),
      endpoint(false, 2, 2, true, {"private-endpoint-regions", "private-endpoint-clouds"}), endpoint(true, 1, 1, true, {}),
      endpoint(true, 1, 2, true, {"private-endpoint-regions"}),
      endpoint(true, 2, 2, true, {"private-endpoint-regions", "private-endpoint-clouds"}),
      one("endpoint elsewhere", [](F& f, P&) {
        f.network = Network::kPrivateLink;
        f.private_endpoint_available = true;
        f.private_way_in_place = false;
      }, {"private-endpoint-place"}),
      one("endpoint without a string", [](F& f, P&) {
        f.network = Network::kPrivateLink;
        f.private_endpoint_available = true;
        f.private_connection_string = false;
      }, {"private-connection-string"}),
      one("peering elsewhere", [](F& f, P&) {
        f.network = Network::kVpcPeering;
        f.peering_available = true;
        f.private_way_in_place = false;
      }, {"peering-place"}),
      one("peering without a string", [](F& f, P&) {
        f.network = Network::kVpcPeering;
        f.peering_available = true;
        f.private_connection_string = false;
      }, {"private-connection-string"}),
      one("public, nothing private", [](F& f, P&) { f.private_way_in_place = f.private_connection_string = false; }, {}),
      one("endpoint away", [](F& f, P&) { f.network = Network::kPrivateLink; }, {"private-endpoint-state"}),
      one("peering", [](F& f, P&) { f.network = Network::kVpcPeering; f.peering_available = true; }, {}),
      one("peering away", [](F& f, P&) { f.network = Network::kVpcPeering; }, {"peering-state"}),
      one("peering, sharded", [](F& f, P&) { f.network = Network::kVpcPeering; f.peering_available = f.destination.sharded = true; }, {"peering-sharded"}),
      one("many clouds, public", [](F& f, P&) {
        f.destination.providers = {"AWS", "GCP"};
        f.destination.regions = {"AWS/A", "GCP/B"};
      }, {}),
  };
  return all;
}

TEST(Rules, ObjectToExactlyWhatTheyAreAbout) {
  for (std::size_t i = 0; i < rows().size(); ++i) {
    const auto& row = rows()[i];
    RuleFacts facts;
    Policy policy;
    row.change(facts, policy);
    std::vector<std::string> found;
    for (const auto& objection : judge(facts, policy)) found.emplace_back(objection.rule->id);
    EXPECT_EQ(found, row.objections) << "row " << i << ", " << row.name;
  }
}

TEST(Rules, EachIsMetByARowAndSaysWhatToDo) {
  std::set<std::string> met, ids;
  for (const auto& row : rows()) met.insert(row.objections.begin(), row.objections.end());
  for (const auto& rule : all_rules()) {
    EXPECT_TRUE(met.contains(rule.id)) << rule.id;
    EXPECT_TRUE(ids.insert(rule.id).second) << rule.id;
    EXPECT_GT(std::string_view(rule.what).size(), 10u) << rule.id;
    EXPECT_GT(std::string_view(rule.remedy).size(), 10u) << rule.id;
  }
}

TEST(Rules, ThePathIsChosenByTheEra) {
  struct {
    ServerVersion version, fcv;
    std::optional<MigrationPath> path;
  } const all[] = {{{4, 4, 1}, {4, 4, 0}, MigrationPath::kLegacy}, {{5, 0, 9}, {5, 0, 0}, MigrationPath::kLegacy},
                   {{6, 0, 17}, {5, 0, 0}, MigrationPath::kLegacy}, {{6, 0, 7}, {6, 0, 0}, std::nullopt},
                   {{6, 0, 8}, {6, 0, 0}, MigrationPath::kSync},    {{8, 0, 4}, {8, 0, 0}, MigrationPath::kSync},
                   {{4, 2, 0}, {4, 2, 0}, std::nullopt}};
  for (const auto& row : all) {
    RuleFacts facts;
    facts.source.version = row.version;
    facts.source.fcv = row.fcv;
    EXPECT_EQ(path_of(facts), row.path) << row.version.to_string();
  }
}

}  // namespace
}  // namespace drover::control
