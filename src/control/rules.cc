#include "control/rules.h"

#include <algorithm>
#include <array>

namespace drover::control {
namespace {

using F = RuleFacts;
using P = Policy;

constexpr ServerVersion kFirstSync{6, 0, 8};

bool is_legacy_fcv(const ServerVersion& fcv) { return (fcv.major == 4 && fcv.minor == 4) || (fcv.major == 5 && fcv.minor == 0); }
bool is_rapid(const ServerVersion& version) { return version.major >= 5 && version.minor != 0; }
bool is_shared(std::string_view tier) { return tier == "M2" || tier == "M5"; }
std::optional<MigrationPath> path(const F& f) { return path_of(f); }
bool private_link(const F& f) { return f.network == Network::kPrivateLink; }
bool sharded_pair(const F& f) { return f.source.topology == Topology::kSharded || f.destination.sharded; }

// From which to which feature compatibility version; major versions, 4.4 as 4.
bool pair_is_known(const F& f) {
  const int from = f.source.fcv.major, to = f.destination.fcv.major;
  if (path(f) == MigrationPath::kLegacy) {
    if (f.source.topology == Topology::kSharded) return from == to;
    return to >= from && to <= 8;
  }
  switch (from) {
    case 6: return to >= 6 && to <= 8;
    case 7: return to == 7 || to == 8;
    case 8: return to == 8;
    default: return true;  // no path: another rule says so
  }
}

// Whoever's login it is: that of monitoring, too.
bool speaks_scram(const F& f) {
  const auto& all = f.source.mechanisms;
  if (all.empty()) return true;
  return std::any_of(all.begin(), all.end(), [](const std::string& name) { return name.starts_with("SCRAM-") || name == "NONE"; });
}

constexpr const char* kModify = "To migrate data from an M0 free cluster or M2/M5 shared cluster to a paid cluster, see Modify a Cluster; as a "
                                "target, use a dedicated cluster, M10 or larger.";

constexpr const char* kEndpointRemedy = "Private endpoints are supported only for live migration of replica sets deployed within a single cloud provider "
                                        "and single region; use the standard connection.";

const Rule kRules[] = {
    {"destination-free", "tier", true, [](const F& f, const P&) { return f.destination.tier != "M0"; },
     "You can't select an M0 free cluster as the target for live migration.", kModify},
    {"destination-shared", "tier", true, [](const F& f, const P&) { return !is_shared(f.destination.tier); },
     "You can't select an M2/M5 shared cluster as the target for live migration.", kModify},
    {"destination-flex", "tier", true, [](const F& f, const P&) { return f.destination.tier != "FLEX"; },
     "You can't select a Flex cluster as the target for live migration.", "Use a dedicated cluster, M10 or larger."},
    {"destination-serverless", "tier", true, [](const F& f, const P&) { return f.destination.tier != "SERVERLESS"; },
     "You can't select a serverless instance as the target for live migration.", "Use a dedicated cluster, M10 or larger."},
    {"destination-global", "topology", true, [](const F& f, const P&) { return f.destination.cluster_type != "GEOSHARDED"; },
     "A Global Cluster can't be the target for live migration.", "Use a replica set or a sharded cluster without zones."},
    {"source-standalone", "topology", true, [](const F& f, const P&) { return f.source.topology != Topology::kStandalone; },
     "Source appears to be a standalone.", "Convert it to a replica set of one member first."},
    {"sharded-to-replica-set", "topology", true,
     [](const F& f, const P&) { return f.source.topology != Topology::kSharded || f.destination.sharded; },
     "You can't live migrate a sharded cluster to a replica set.", "Use a sharded cluster as the target."},
    {"legacy-shard-count", "topology", true,
     [](const F& f, const P&) {
       return path(f) != MigrationPath::kLegacy || f.source.topology != Topology::kSharded || !f.destination.sharded || f.source.shards == f.destination.shards;
     },
     "Sharded clusters of MongoDB 4.4 and 5.0 must have the same number of shards on both sides.", "Add or remove shards on the target."},
    {"sharding-parameters", "topology", true,
     [](const F& f, const P&) { return !f.sharding_asked || (f.source.topology == Topology::kReplicaSet && f.destination.sharded); },
     "Sharding parameters are for migrations from a replica set to a sharded cluster.", "Leave them out."},
    {"sharding-parameters-version", "topology", true, [](const F& f, const P&) { return !f.sharding_asked || f.source.fcv.major >= 6; },
     "Sharding parameters need MongoDB 6.0 or later on the source.", "Leave them out, and shard the collections after the migration."},
    {"fcv-unknown", "versions", true, [](const F& f, const P&) { return f.source.fcv.major > 0; },
     "The feature compatibility version of the source is not known: the monitoring user may not read it.",
     "Give that user the role clusterMonitor on the database admin, and wait for the deployment's next sample."},
    {"no-path", "versions", true, [](const F& f, const P&) { return f.source.fcv.major == 0 || path(f).has_value(); },
     "Live migration is for source clusters of MongoDB 6.0.8 or later, or with the feature compatibility version 4.4 or 5.0.",
     "Upgrade the source to 6.0.8 or later, and set its feature compatibility version."},
    {"source-rapid", "versions", true, [](const F& f, const P&) { return !is_rapid(f.source.version); },
     "The source runs a rapid release.", "Live migration is for major releases; upgrade the source to the next one."},
    {"destination-rapid", "versions", true, [](const F& f, const P&) { return !is_rapid(f.destination.version); },
     "The target runs a rapid or minor release.", "Use a target of a major release."},
    {"destination-old", "versions", true,
     [](const F& f, const P&) { return path(f) != MigrationPath::kSync || f.destination.version >= kFirstSync; },
     "The target must run MongoDB 6.0.8 or later.", "Upgrade the target."},
    {"version-pair", "versions", true, [](const F& f, const P&) { return pair_is_known(f); },
     "The source can't be migrated to a target of this version.", "Use a target of the source's version, or of the next major release."},
    {"matching-versions", "versions", true,
     [](const F& f, const P& p) {
       return !p.matching_versions || path(f) != MigrationPath::kSync ||
              (f.source.fcv.major == f.destination.fcv.major && f.source.fcv.minor == f.destination.fcv.minor);
     },
     "The feature compatibility versions of source and target must be equal.", "Use a target of the source's version."},
    {"continuous-releases", "versions", false, [](const F& f, const P&) { return !f.destination.continuous_releases; },
     "The target follows the latest version with automatic upgrades.", "Use a fixed major version until the migration is complete."},
    {"ops-manager", "versions", true,
     [](const F& f, const P&) { return f.source.monitored_by != "OPS_MANAGER" || path(f) != MigrationPath::kSync; },
     "Source clusters running MongoDB 6.0.8 or later can be monitored in Cloud Manager only, not in Ops Manager.",
     "Add the deployment to Cloud Manager for monitoring."},
    {"macos-source", "platform", true, [](const F& f, const P&) { return f.source.os != "macos"; },
     "You can't live migrate your data from a macOS-based deployment to Atlas.", "Move the source to Linux or Windows first."},
    {"bi-connector", "bi-connector", true, [](const F& f, const P&) { return !f.destination.bi_connector; },
     "The BI Connector is enabled on the target.", "Disable it until the migration is complete."},
    {"db-stats", "db-stats", true, [](const F& f, const P&) { return f.source.collects_db_stats; },
     "Disk storage info unavailable.", "Turn on Collect Database Specific Statistics in the source project's settings."},
    {"mechanism", "mechanism", true, [](const F& f, const P&) { return speaks_scram(f); },
     "The source's users do not log in by SCRAM.", "Make a user with both SCRAM-SHA-1 and SCRAM-SHA-256 credentials for the migration."},
    {"private-endpoint-state", "private-endpoint", true, [](const F& f, const P&) { return !private_link(f) || f.private_endpoint_available; },
     "The private endpoint is not there or not AVAILABLE.", "Choose one in the state AVAILABLE, or use the standard connection."},
    {"private-endpoint-place", "private-endpoint", true,
     [](const F& f, const P&) { return !private_link(f) || !f.private_endpoint_available || f.private_way_in_place; },
     "The private endpoint is of another cloud provider or region than the target.", "Choose one of the target's provider and region, or use the standard connection."},
    {"private-endpoint-sharded", "private-endpoint", true,
     [](const F& f, const P& p) { return !private_link(f) || p.private_endpoints_for_sharded || !sharded_pair(f); },
     "Sharded clusters don't support live migration through private endpoints.", kEndpointRemedy},
    {"private-endpoint-regions", "private-endpoint", true, [](const F& f, const P&) { return !private_link(f) || f.destination.regions.size() <= 1; },
     "Multi-region clusters don't support live migration through private endpoints.", kEndpointRemedy},
    {"private-endpoint-clouds", "private-endpoint", true, [](const F& f, const P&) { return !private_link(f) || f.destination.providers.size() <= 1; },
     "Multi-cloud clusters don't support live migration through private endpoints.", kEndpointRemedy},
    {"peering-state", "private-endpoint", true, [](const F& f, const P&) { return f.network != Network::kVpcPeering || f.peering_available; },
     "The target's project has no VPC peering connection that is AVAILABLE.", "Set one up, or use the standard connection."},
    {"peering-place", "private-endpoint", true,
     [](const F& f, const P&) { return f.network != Network::kVpcPeering || !f.peering_available || f.private_way_in_place; },
     "The project's VPC peering connections are of another cloud provider or region than the target.",
     "Set one up in the target's provider and region, or use the standard connection."},
    {"peering-sharded", "private-endpoint", true,
     [](const F& f, const P&) { return f.network != Network::kVpcPeering || !sharded_pair(f); },
     "Sharded clusters don't support live migration through VPC peering.", "Use the standard connection."},
    {"private-connection-string", "private-endpoint", true,
     [](const F& f, const P&) { return f.network == Network::kPublic || f.private_connection_string; },
     "The target has no connection string for this network.",
     "Give it one as connectionStrings of the registered cluster, or use the standard connection."},
    {"community", "community", false, [](const F& f, const P&) { return !f.source.community; },
     "The source runs MongoDB Community Edition.", "It may be migrated; nothing has to be done."},
};

}  // namespace

const char* name_of(MigrationPath path) { return path == MigrationPath::kLegacy ? "legacy" : "sync"; }

std::optional<MigrationPath> path_of(const RuleFacts& facts) {
  const auto& source = facts.source;
  if (is_legacy_fcv(source.fcv)) return MigrationPath::kLegacy;
  if (source.version >= kFirstSync && source.fcv.major >= 6) return MigrationPath::kSync;
  return std::nullopt;
}

std::span<const Rule> all_rules() { return kRules; }

std::string Objection::text() const { return std::string(rule->what) + " " + rule->remedy; }

std::vector<Objection> judge(const RuleFacts& facts, const Policy& policy) {
  std::vector<Objection> objections;
  for (const auto& rule : kRules)
    if (!rule.holds(facts, policy)) objections.push_back({&rule});
  return objections;
}

bool refused(const std::vector<Objection>& objections) {
  return std::any_of(objections.begin(), objections.end(), [](const Objection& one) { return one.rule->refuses; });
}

}  // namespace drover::control
