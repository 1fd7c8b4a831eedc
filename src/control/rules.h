// Which deployments may be migrated to which clusters, and how: the restrictions of the founding document and of the pages
// around it (spec/control-plane.md 5), as one table of data. Judges facts; connects to nothing.
//
// Where sources disagree a policy flag chooses; its default is the founding document's reading.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/server_version.h"

namespace drover::control {

enum class Topology { kStandalone, kReplicaSet, kSharded };
enum class Network { kPublic, kVpcPeering, kPrivateLink };

struct RuleFacts {
  struct Source {
    Topology topology = Topology::kReplicaSet;
    ServerVersion version{6, 0, 17};
    ServerVersion fcv{6, 0, 0};
    std::string os = "linux";              // "linux", "windows", "macos"
    std::string monitored_by = "CLOUD_MANAGER";  // or "OPS_MANAGER"
    bool community = false;
    bool collects_db_stats = true;
    std::vector<std::string> mechanisms;   // that its users may log in with; empty: not told
    int shards = 1;
  } source;
  struct Destination {
    std::string tier = "M30";
    std::string cluster_type = "REPLICASET";
    std::set<std::string> providers{"AWS"};
    std::set<std::string> regions{"AWS/EU_WEST_1"};  // "provider/region"
    ServerVersion version{7, 0, 13};
    ServerVersion fcv{7, 0, 0};
    int shards = 1;
    bool sharded = false;                  // as it was found, not as it is called
    bool bi_connector = false;
    bool continuous_releases = false;
  } destination;
  Network network = Network::kPublic;
  bool private_endpoint_available = false;
  bool peering_available = false;
  bool private_way_in_place = true;        // it is of the provider and region of the target
  bool private_connection_string = true;   // the target has one for this network
  bool sharding_asked = false;             // sharding parameters in the request
};

struct Policy {
  bool private_endpoints_for_sharded = false;  // newer pages allow them; multi-region and multi-cloud stay refused
  bool matching_versions = false;              // the strict reading of the 6.0.8 era: both of one feature compatibility version
  bool one_migration_per_link = false;         // the connecting page: one at a time for each link-token
};

enum class MigrationPath { kLegacy, kSync };
const char* name_of(MigrationPath path);  // "legacy", "sync"
// 4.4 and 5.0 by feature compatibility version: legacy. 6.0.8 and later: sync. Others have none.
std::optional<MigrationPath> path_of(const RuleFacts& facts);

struct Rule {
  const char* id;     // "tier-free"
  const char* check;  // under which it is reported: "tier", "versions", "topology", ...
  bool refuses;       // else it warns
  bool (*holds)(const RuleFacts&, const Policy&);  // true: there is nothing to object
  const char* what;
  const char* remedy;
};
std::span<const Rule> all_rules();

struct Objection {
  const Rule* rule;
  std::string text() const;  // what, and the remedy
};
// In the table's order.
std::vector<Objection> judge(const RuleFacts& facts, const Policy& policy);
bool refused(const std::vector<Objection>& objections);

}  // namespace drover::control
