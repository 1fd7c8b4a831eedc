#include "control/live_import_intake.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "net/address_range.h"

namespace drover::control {
namespace {

using Kind = ImportRefusal::Kind;

tl::unexpected<ImportRefusal> refuse(Kind kind, std::string message) {
  return tl::unexpected(ImportRefusal{kind, Error{ErrorCode::kUsage, std::move(message), 0, {}}});
}
tl::unexpected<ImportRefusal> failed(Error error) { return tl::unexpected(ImportRefusal{Kind::kOther, std::move(error)}); }

// As TRY, for the store's errors.
#define TRY_STORE(expression)                                          \
  ({                                                                   \
    auto try_result_ = (expression);                                   \
    if (!try_result_) return failed(std::move(try_result_).error());   \
    ::drover::detail::take(try_result_);                               \
  })

const Json* named(const Json& object, std::string_view list, std::string_view field, std::string_view name) {
  const auto* all = object.find(list);
  if (all == nullptr || all->as_array() == nullptr) return nullptr;
  for (const auto& one : *all->as_array()) {
    const auto* value = one.find(field);
    if (value != nullptr && value->as_string() != nullptr && *value->as_string() == name) return &one;
  }
  return nullptr;
}

std::string names_in(const Json& object, std::string_view list, std::string_view field) {
  std::string names;
  const auto* all = object.find(list);
  if (all == nullptr || all->as_array() == nullptr) return "none";
  for (const auto& one : *all->as_array()) {
    const auto* value = one.find(field);
    if (value == nullptr || value->as_string() == nullptr) continue;
    names += (names.empty() ? "" : ", ") + *value->as_string();
  }
  return names.empty() ? "none" : names;
}

std::string text_at(const Json* object, std::string_view field, std::string_view otherwise = "") {
  const auto* value = object == nullptr ? nullptr : object->find(field);
  return std::string(value == nullptr || value->as_string() == nullptr ? otherwise : *value->as_string());
}

bool flag_at(const Json* object, std::string_view field, bool otherwise) {
  const auto* value = object == nullptr ? nullptr : object->find(field);
  return value == nullptr || value->as_bool() == nullptr ? otherwise : *value->as_bool();
}

void read_regions(const Json& description, RuleFacts::Destination& destination) {
  destination.providers.clear();
  destination.regions.clear();
  const auto* specs = description.find("replicationSpecs");
  if (specs == nullptr || specs->as_array() == nullptr) return;
  destination.shards = static_cast<int>(specs->as_array()->size());
  bool first = true;
  for (const auto& spec : *specs->as_array()) {
    const auto* regions = spec.find("regionConfigs");
    if (regions == nullptr || regions->as_array() == nullptr) continue;
    for (const auto& region : *regions->as_array()) {
      const auto provider = text_at(&region, "providerName");
      destination.providers.insert(provider);
      destination.regions.insert(provider + "/" + text_at(&region, "regionName"));
      if (first) destination.tier = provider == "FLEX" || provider == "SERVERLESS" ? provider : text_at(region.find("electableSpecs"), "instanceSize");
      first = false;
    }
  }
}

// Of each check that the rules make: what they object to, or that it is passed.
Json checks_of(const std::vector<Objection>& objections) {
  Json::Array checks;
  std::set<std::string_view> told;
  for (const auto& objection : objections) {
    told.insert(objection.rule->check);
    checks.push_back(check_json(objection.rule->check, objection.rule->refuses ? "FAILED" : "WARNING", objection.text(), ""));
  }
  for (const auto& rule : all_rules())
    if (told.insert(rule.check).second) checks.push_back(check_json(rule.check, "PASSED", "", ""));
  return checks;
}

bool is_flex(const std::vector<Objection>& objections) {
  return std::any_of(objections.begin(), objections.end(), [](const Objection& one) { return std::string_view(one.rule->id) == "destination-flex"; });
}

}  // namespace

RuleFacts facts_of(const Json& deployment, const Cluster& cluster, const LiveImportRequest& request) {
  RuleFacts facts;
  auto& source = facts.source;
  const auto topology = text_at(&deployment, "topology");
  source.topology = topology == "STANDALONE"                                              ? Topology::kStandalone
                    : topology == "SHARDED" || flag_at(&deployment, "sharded", false) ? Topology::kSharded
                                                                                          : Topology::kReplicaSet;
  source.version = ServerVersion::parse(text_at(&deployment, "mongoDBVersion")).value_or(ServerVersion{});
  source.fcv = ServerVersion::parse(text_at(&deployment, "featureCompatibilityVersion")).value_or(ServerVersion{});
  source.os = text_at(&deployment, "os", "linux");
  source.monitored_by = text_at(&deployment, "monitoredBy", "CLOUD_MANAGER");
  source.community = flag_at(&deployment, "community", false);
  source.collects_db_stats = flag_at(&deployment, "collectsDbStats", true);
  if (const auto* shards = deployment.find("shardsSize"); shards != nullptr && shards->as_int() != nullptr)
    source.shards = static_cast<int>(*shards->as_int());
  if (const auto* mechanisms = deployment.find("authMechanisms"); mechanisms != nullptr && mechanisms->as_array() != nullptr)
    for (const auto& one : *mechanisms->as_array())
      if (one.as_string() != nullptr) source.mechanisms.push_back(*one.as_string());
  auto& destination = facts.destination;
  read_regions(cluster.description, destination);
  destination.cluster_type = text_at(&cluster.description, "clusterType", "REPLICASET");
  destination.version = ServerVersion::parse(cluster.version).value_or(ServerVersion{});
  destination.fcv = ServerVersion::parse(cluster.fcv).value_or(ServerVersion{});
  destination.sharded = cluster.sharded;
  destination.bi_connector = flag_at(cluster.description.find("biConnector"), "enabled", false);
  destination.continuous_releases = text_at(&cluster.description, "versionReleaseSystem") == "CONTINUOUS";
  facts.network = request.schema == "PRIVATE_LINK"   ? Network::kPrivateLink
                  : request.schema == "VPC_PEERING" ? Network::kVpcPeering
                                                      : Network::kPublic;
  facts.sharding_asked = !request.sharding.is_null();
  return facts;
}

// A private endpoint may be named by its service: then it is the one that the target has a connection string for.
Status LiveImportIntake::read_networks(const Cluster& cluster, LiveImportRequest& request, RuleFacts& facts) {
  if (facts.network == Network::kPublic) return {};
  const bool link = facts.network == Network::kPrivateLink;
  auto ways = link ? TRY(networks_.available_endpoints(request.destination_group, request.private_link)) : TRY(networks_.available_peers(request.destination_group));
  (link ? facts.private_endpoint_available : facts.peering_available) = !ways.empty();
  const auto elsewhere = [&](const PrivateWay& way) {
    return std::none_of(facts.destination.regions.begin(), facts.destination.regions.end(), [&](const std::string& place) {
      const auto slash = place.find('/');
      return way.reaches(place.substr(0, slash), atlas_region(place.substr(slash + 1)));
    });
  };
  std::erase_if(ways, elsewhere);
  facts.private_way_in_place = !ways.empty();
  if (!link) {
    request.private_uri = private_uri(cluster);
    facts.private_connection_string = !request.private_uri.empty();
    return {};
  }
  const auto way = std::find_if(ways.begin(), ways.end(), [&](const PrivateWay& one) { return !endpoint_uri(cluster, one.endpoint).empty(); });
  // Where there is no way to it, that is what is to be said.
  facts.private_connection_string = ways.empty() || way != ways.end();
  if (way != ways.end()) {
    request.private_link = way->endpoint;
    request.private_uri = endpoint_uri(cluster, way->endpoint);
  }
  return {};
}

tl::expected<LiveImport, ImportRefusal> LiveImportIntake::take(ImportKind kind, const std::string& org, const LiveImportRequest& asked, const Asker& by) {
  auto request = asked;
  auto cluster = TRY_STORE(clusters_.cluster(request.destination_group, request.destination_cluster));
  if (!cluster) return refuse(Kind::kNoCluster, fmt::format("No cluster named {} exists in group {}.", request.destination_cluster, request.destination_group));
  const auto project = TRY_STORE(links_.project_of_org(org, request.source_group));
  if (!project)
    return refuse(Kind::kNoSource, fmt::format("No linked organization has a project {}. Connect it with a link-token, or refresh the link; availableProjects lists "
                                               "those that there are.", request.source_group));
  if (!project->rivals.empty())
    return refuse(Kind::kAmbiguous, fmt::format("The project {} is told of by links of different sites or organizations: {}, and {} before it. Which of them is the source cannot be told. Look at "
                                           "them (drover link list), and end the one that is not (drover link delete LINK).", request.source_group, project->link,
                                           fmt::join(project->rivals, ", ")));
  const auto* deployment = named(project->metadata, "deployments", "name", request.source_cluster);
  if (deployment == nullptr)
    return refuse(Kind::kNoSource, fmt::format("The project {} has no deployment {}. It has: {}.", request.source_group, request.source_cluster,
                                               names_in(project->metadata, "deployments", "name")));
  const auto* host = named(project->metadata, "migrationHosts", "hostname", request.host);
  if (host == nullptr)
    return refuse(Kind::kNoHost, fmt::format("{} is not a provisioned migration host of the project {}. A migration host is a machine with an agent that has "
                                             "agentFeatureCloudMigrationEnabled=true, not a member of the source. There are: {}.",
                                             request.host, request.source_group, names_in(project->metadata, "migrationHosts", "hostname")));
  Json::Array checks;
  if (!flag_at(host, "available", true))
    checks.push_back(check_json("migration-host", "FAILED", fmt::format("The agent of the migration host {} does not answer. Start it, or choose another host.", request.host), ""));
  const auto address = text_at(host, "externalAddress");
  if (request.schema == "PUBLIC" && !address.empty() && !net::is_loopback(address) && !TRY_STORE(access_lists_.allows(request.destination_group, address)))
    checks.push_back(check_json("access-list", "FAILED",
                                fmt::format("The external IP address {} of the migration host is not in the project's IP access list. Add it.", address), ""));
  const bool idle = cluster->state == "IDLE";
  if (auto seen = idle ? clusters_.refresh(*cluster) : Result<Cluster>(*cluster)) cluster = std::move(*seen);
  else checks.push_back(check_json("destination-reachable", "FAILED", "Could not reach the destination cluster", seen.error().message));
  if (!idle) checks.push_back(check_json("destination-reachable", "FAILED", fmt::format("The destination cluster is {}. Wait until it is IDLE.", cluster->state), ""));
  auto facts = facts_of(*deployment, *cluster, request);
  TRY_STORE(read_networks(*cluster, request, facts));
  const auto objections = judge(facts, policy_);
  const auto by_rule = checks_of(objections);
  checks.insert(checks.end(), by_rule.as_array()->begin(), by_rule.as_array()->end());
  LiveImport import;
  import.kind = kind;
  import.org = org;
  import.group = request.destination_group;
  import.link = project->link;
  import.request = request;
  const bool migrates = kind == ImportKind::kMigration;
  import.cluster_id = cluster->id;
  import.deployment = cluster->deployment;
  if (const auto id = text_at(deployment, "replicaSetId"); is_id(id)) import.source_deployment = deployment_of_set(id);
  if (!import.source_deployment.empty() && import.source_deployment == import.deployment) {
    checks.push_back(check_json("same-deployment", "FAILED", "The source and the destination are the same replica set. Choose another destination.", ""));
  }
  import.cluster_revision = cluster->revision + (migrates ? 1 : 0);
  import.checks = checks;
  import.error = failures_of(import.checks);
  if (!import.error.empty()) {
    if (kind == ImportKind::kMigration) return refuse(is_flex(objections) ? Kind::kFlex : Kind::kNotSupported, import.error);
    import.state = ImportState::kFailed;
  } else {
    import.path = name_of(*path_of(facts));
    if (TRY_STORE(imports_.active_of_link(project->link)).size() >= kMaxOpenImportsOfLink)
      return refuse(Kind::kTooMany, fmt::format("{} validations and migrations are active for this link already; wait until some have ended.", kMaxOpenImportsOfLink));
    if (TRY_STORE(imports_.count_open_of_link(project->link)) >= kMaxUnforgottenOfLink)
      return refuse(Kind::kTooMany, fmt::format("{} validations and migrations of this link have ended and wait for its manager site, or its migration hosts, to forget them. Bring those back, "
                                                "or wait: after {} days they are not waited for.", kMaxUnforgottenOfLink, kForgetPatience.count() / 24));
  }
  auto made = imports_.create(std::move(import), request.password, by);
  if (!made && made.error().code == ErrorCode::kWrongState) return refuse(Kind::kBusy, made.error().message);
  if (!made && made.error().code == ErrorCode::kUnsupported) return refuse(Kind::kTooMany, made.error().message);
  if (!made) return failed(std::move(made.error()));
  if (!migrates) return std::move(*made);
  // Whoever changes or removes the cluster has not seen this. If it was changed before, the migration ends as soon as it is looked at.
  TRY_STORE(clusters_.count_on(*cluster));
  if (facts.network == Network::kPublic) return std::move(*made);
  // The same of its private networks.
  TRY_STORE(networks_.count_on(made->group, request.schema));
  TRY_STORE(read_networks(*cluster, request, facts));
  if (facts.private_way_in_place && request.private_uri == made->request.private_uri) return std::move(*made);
  TRY_STORE(imports_.cancel(made->id, by));
  return refuse(Kind::kChanged, "The private network was changed while the migration was asked for. Ask for it again.");
}

}  // namespace drover::control
