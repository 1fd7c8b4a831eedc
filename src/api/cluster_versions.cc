#include "api/cluster_versions.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/cluster_body.h"
#include "api/disk_size.h"
#include "control/clusters.h"

namespace drover::api {
namespace {

constexpr std::int64_t kMaxShards = 50;
constexpr std::int64_t kMaxNodesOfRegion = 50;
constexpr std::int64_t kDefaultNodes = 3;
constexpr std::int64_t kDefaultPriority = 7;
constexpr std::array<const char*, 3> kSpecs{"electableSpecs", "readOnlySpecs", "analyticsSpecs"};
constexpr std::array<const char*, 3> kNodes{"electableNodes", "readOnlyNodes", "analyticsNodes"};
// Of the legacy shape: those that say what the cluster is made of.
constexpr std::array<std::string_view, 6> kMadeOf{"providerSettings", "replicationSpecs", "replicationSpec", "replicationFactor", "numShards", "diskSizeGB"};
// Of the legacy shape: those that only tell something.
constexpr std::array<std::string_view, 5> kToldByLegacy{"mongoURI", "mongoURIUpdated", "mongoURIWithOptions", "srvAddress", "serverlessBackupOptions"};

template <std::size_t N>
bool among(const std::array<std::string_view, N>& known, std::string_view name) {
  return std::find(known.begin(), known.end(), name) != known.end();
}

const Json* given(const Json& object, std::string_view field) {
  const auto* value = object.find(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void put(Json::Object& object, std::string_view field, Json value) {
  std::erase_if(object, [&](const auto& one) { return one.first == field; });
  object.emplace_back(field, std::move(value));
}

Json::Object without(const Json& object, std::initializer_list<std::string_view> fields) {
  Json::Object rest;
  if (object.as_object() == nullptr) return rest;
  for (const auto& field : *object.as_object())
    if (std::find(fields.begin(), fields.end(), field.first) == fields.end()) rest.push_back(field);
  return rest;
}

const Json::Array& list_in(const Json& object, std::string_view field) {
  static const Json::Array kNone;
  const auto* value = object.find(field);
  return value == nullptr || value->as_array() == nullptr ? kNone : *value->as_array();
}

std::string text_in(const Json& object, std::string_view field) {
  const auto* value = object.find(field);
  return value == nullptr || value->as_string() == nullptr ? std::string() : *value->as_string();
}

RestResult<std::int64_t> number_in(const Json& object, std::string_view field, std::int64_t otherwise, std::int64_t least, std::int64_t most) {
  const auto* value = given(object, field);
  if (value == nullptr) return otherwise;
  if (value->as_int() == nullptr || *value->as_int() < least || *value->as_int() > most)
    return bad_field("INVALID_ATTRIBUTE", field, fmt::format("must be a whole number from {} to {}", least, most));
  return *value->as_int();
}

std::int64_t shards_of(const Json& spec) {
  const auto* number = spec.find("numShards");
  return number == nullptr || number->as_int() == nullptr ? 1 : *number->as_int();
}

// ---- 2023-02-01

// An entry for each zone; those of one zone that are not alike stay apart.
Json::Array counted(const Json::Array& specs) {
  struct Zone {
    std::string alike;
    Json::Object fields;
    std::int64_t shards = 0;
  };
  std::vector<Zone> zones;
  for (const auto& spec : specs) {
    const auto alike = Json(without(spec, {"id", "zoneId", "numShards"})).dump();
    auto zone = std::find_if(zones.begin(), zones.end(), [&](const Zone& one) { return one.alike == alike; });
    if (zone == zones.end()) zone = zones.insert(zones.end(), Zone{alike, without(spec, {"numShards"}), 0});
    zone->shards += shards_of(spec);
  }
  Json::Array all;
  for (auto& zone : zones) {
    zone.fields.emplace_back("numShards", zone.shards);
    all.emplace_back(std::move(zone.fields));
  }
  return all;
}

// The zone's id goes with the entry's; clients of these versions know the latter only. Of an entry without an id it is that of the zone of its name.
std::string zone_id_of(const Json& spec, const Json& now) {
  if (const auto id = text_in(spec, "zoneId"); !id.empty()) return id;
  const auto id = text_in(spec, "id"), name = zone_name(spec);
  const auto& known = list_in(now, "replicationSpecs");
  for (const auto& one : known)
    if (!id.empty() && text_in(one, "id") == id && !text_in(one, "zoneId").empty()) return text_in(one, "zoneId");
  for (const auto& one : known)
    if (zone_name(one) == name && !text_in(one, "zoneId").empty()) return text_in(one, "zoneId");
  return "";
}

// The ids of shards that there are, by zone, in their order, without those that entries name: each is given to one of them.
class ShardIds {
 public:
  ShardIds(const Json::Array& specs, const Json& now) {
    for (const auto& known : list_in(now, "replicationSpecs")) {
      const auto id = text_in(known, "id");
      const bool named = std::any_of(specs.begin(), specs.end(), [&](const Json& spec) { return text_in(spec, "id") == id; });
      if (!named && !id.empty()) free_.emplace_back(text_in(known, "zoneId"), id);
    }
  }
  // Empty: none is left.
  std::string next(const std::string& zone) {
    const auto found = std::find_if(free_.begin(), free_.end(), [&](const auto& one) { return one.first == zone; });
    if (zone.empty() || found == free_.end()) return "";
    auto id = std::move(found->second);
    free_.erase(found);
    return id;
  }

 private:
  std::vector<std::pair<std::string, std::string>> free_;
};

// An entry for each shard.
RestResult<Json> uncounted(const Json::Array& specs, const Json& now) {
  Json::Array all;
  for (const auto& spec : specs)
    if (spec.as_object() == nullptr) return bad_field("INVALID_ATTRIBUTE", "replicationSpecs", "must be an array of objects");
  ShardIds ids(specs, now);
  for (const auto& spec : specs) {
    const auto shards = TRY_BODY(number_in(spec, "numShards", 1, 1, kMaxShards));
    if (static_cast<std::int64_t>(all.size()) + shards > kMaxShards)
      return bad_field("INVALID_ATTRIBUTE", "replicationSpecs[].numShards", fmt::format("must be {} on all at most", kMaxShards));
    const auto zone = zone_id_of(spec, now);
    const auto common = without(spec, {"id", "numShards", "zoneId"});
    for (std::int64_t shard = 0; shard < shards; ++shard) {
      auto fields = common;
      const auto named = shard == 0 ? text_in(spec, "id") : std::string();
      if (const auto id = named.empty() ? ids.next(zone) : named; !id.empty()) fields.emplace_back("id", id);
      if (!zone.empty()) fields.emplace_back("zoneId", zone);
      all.emplace_back(std::move(fields));
    }
  }
  return Json(std::move(all));
}

RestResult<Json> newest_of_counted(const Json& body, const Json& now) {
  auto newest = without(body, {"diskSizeGB", "replicationSpecs"});
  const auto size = TRY_BODY(asked_size(body));
  const auto* specs = given(body, "replicationSpecs");
  if (specs == nullptr && size == 0) return Json(std::move(newest));
  if (specs != nullptr && specs->as_array() == nullptr) return bad_field("INVALID_ATTRIBUTE", "replicationSpecs", "must be an array of objects");
  if (specs == nullptr && list_in(now, "replicationSpecs").empty()) return bad_field("MISSING_ATTRIBUTE", "replicationSpecs", "must be given with diskSizeGB");
  if (specs == nullptr) {
    // What else the cluster is made of is not to be changed: parse_cluster_update puts the size into it.
    newest.emplace_back("diskSizeGB", size);
    return Json(std::move(newest));
  }
  const auto shards = TRY_BODY(uncounted(*specs->as_array(), now));
  // A client that sends replicationSpecs without a size means the one that is.
  const auto wanted = size > 0 ? size : size_of_all(list_in(now, "replicationSpecs"));
  Json::Array sized;
  for (const auto& shard : *shards.as_array()) sized.push_back(wanted > 0 ? spec_with_size(shard, wanted) : shard);
  newest.emplace_back("replicationSpecs", std::move(sized));
  return Json(std::move(newest));
}

Json counted_of_newest(const Json& newest) {
  const auto& specs = list_in(newest, "replicationSpecs");
  const auto size = size_of_all(specs);
  auto body = without(newest, {"replicationSpecs"});
  Json::Array sized;
  for (const auto& spec : specs) sized.push_back(size > 0 ? spec_with_size(spec, 0) : spec);
  body.emplace_back("replicationSpecs", counted(sized));
  if (size > 0) body.emplace_back("diskSizeGB", size);
  return Json(std::move(body));
}

// ---- 2023-01-01 and v1.0

std::int64_t nodes_of(const Json& region, const char* specs) {
  const auto* instance = region.find(specs);
  const auto* count = instance == nullptr ? nullptr : instance->find("nodeCount");
  return count == nullptr || count->as_int() == nullptr ? 0 : *count->as_int();
}

Json legacy_region(const Json& region) {
  Json::Object nodes;
  for (std::size_t i = 0; i < kNodes.size(); ++i) nodes.emplace_back(kNodes[i], nodes_of(region, kSpecs[i]));
  const auto* priority = region.find("priority");
  nodes.emplace_back("priority", priority == nullptr ? Json(kDefaultPriority) : *priority);
  return Json(std::move(nodes));
}

bool of_one_provider(const Json::Array& specs) {
  std::string provider;
  for (const auto& spec : specs) {
    for (const auto& region : list_in(spec, "regionConfigs")) {
      const auto name = text_in(region, "providerName");
      if (!provider.empty() && provider != name) return false;
      provider = name;
    }
  }
  return true;
}

Json provider_settings(const Json::Array& specs) {
  const auto& regions = list_in(specs.front(), "regionConfigs");
  if (regions.empty()) return {};
  const auto& first = regions.front();
  Json::Object settings{{"providerName", text_in(first, "providerName")}};
  const auto* instance = first.find("electableSpecs");
  if (instance != nullptr) settings.emplace_back("instanceSizeName", text_in(*instance, "instanceSize"));
  for (const auto& [field, own] : {std::pair{"diskIOPS", "diskIOPS"}, {"ebsVolumeType", "volumeType"}})
    if (const auto* value = instance == nullptr ? nullptr : instance->find(field)) settings.emplace_back(own, *value);
  if (const auto backing = text_in(first, "backingProviderName"); !backing.empty()) settings.emplace_back("backingProviderName", backing);
  if (specs.size() == 1 && regions.size() == 1) settings.emplace_back("regionName", text_in(first, "regionName"));
  return Json(std::move(settings));
}

// What the cluster is made of, without what is the same in all shapes.
Json::Object legacy_parts(const Json& newest) {
  const auto& shards = list_in(newest, "replicationSpecs");
  Json::Object parts;
  if (const auto size = size_of_all(shards); size > 0) parts.emplace_back("diskSizeGB", size);
  const auto zones = counted(shards);
  Json::Array specs;
  std::int64_t all_shards = 0, electable = 0;
  for (const auto& zone : zones) {
    Json::Object regions;
    std::int64_t nodes = 0;
    for (const auto& region : list_in(zone, "regionConfigs")) {
      nodes += nodes_of(region, kSpecs[0]);
      put(regions, text_in(region, "regionName"), legacy_region(region));
    }
    if (specs.empty()) electable = nodes;
    all_shards += shards_of(zone);
    specs.push_back(Json::Object{{"id", text_in(zone, "id")}, {"numShards", shards_of(zone)}, {"zoneName", text_in(zone, "zoneName")}, {"regionsConfig", std::move(regions)}});
  }
  parts.emplace_back("replicationSpecs", std::move(specs));
  parts.emplace_back("numShards", all_shards);
  parts.emplace_back("replicationFactor", electable);
  if (!zones.empty() && of_one_provider(zones)) parts.emplace_back("providerSettings", provider_settings(zones));
  return parts;
}

Json legacy_of_newest(const Json& newest) {
  auto body = without(newest, {"replicationSpecs"});
  for (auto& part : legacy_parts(newest)) body.push_back(std::move(part));
  body.emplace_back("autoScaling", Json::Object{{"compute", Json::Object{{"enabled", false}, {"scaleDownEnabled", false}}}, {"diskGBEnabled", false}});
  body.emplace_back("providerBackupEnabled", false);
  const auto* strings = newest.find("connectionStrings");
  if (strings == nullptr) return Json(std::move(body));
  if (const auto srv = text_in(*strings, "standardSrv"); !srv.empty()) body.emplace_back("srvAddress", srv);
  const auto uri = text_in(*strings, "standard");
  if (const auto parts = control::split_uri(uri); !uri.empty() && parts) {
    body.emplace_back("mongoURI", parts->scheme + parts->hosts);
    body.emplace_back("mongoURIWithOptions", uri);
    body.emplace_back("mongoURIUpdated", text_in(newest, "createDate"));
  }
  return Json(std::move(body));
}

struct Made {
  std::string provider, size, backing, region;
  double disk = 0;
  Json extra;  // diskIOPS and the like, in the newest shape's words
};

RestResult<Json> newest_region(const std::string& name, const Json& nodes, const Made& made) {
  if (nodes.as_object() == nullptr) return bad_field("INVALID_ATTRIBUTE", "replicationSpecs[].regionsConfig", "must hold objects");
  TRY_BODY(only(nodes, {"analyticsNodes", "electableNodes", "priority", "readOnlyNodes"}));
  Json::Object region{{"providerName", made.provider}, {"regionName", name}};
  region.emplace_back("priority", TRY_BODY(number_in(nodes, "priority", kDefaultPriority, 0, kDefaultPriority)));
  for (std::size_t i = 0; i < kNodes.size(); ++i) {
    const auto count = TRY_BODY(number_in(nodes, kNodes[i], 0, 0, kMaxNodesOfRegion));
    if (count == 0 && i > 0) continue;
    auto instance = without(made.extra, {});
    instance.emplace_back("instanceSize", made.size);
    instance.emplace_back("nodeCount", count);
    if (made.disk > 0) instance.emplace_back("diskSizeGB", made.disk);
    region.emplace_back(kSpecs[i], std::move(instance));
  }
  if (!made.backing.empty()) region.emplace_back("backingProviderName", made.backing);
  return Json(std::move(region));
}

RestResult<Made> made_of(const Json& parts) {
  Made made;
  const auto* settings = given(parts, "providerSettings");
  if (settings == nullptr) return bad_field("MISSING_ATTRIBUTE", "providerSettings", "must not be blank");
  TRY_BODY(only(*settings, {"autoScaling", "backingProviderName", "diskIOPS", "diskTypeName", "encryptEBSVolume", "instanceSizeName", "providerName", "regionName", "volumeType"}));
  made.provider = TRY_BODY(needed_text(*settings, "providerName"));
  made.size = TRY_BODY(needed_text(*settings, "instanceSizeName"));
  made.backing = TRY_BODY(optional_text(*settings, "backingProviderName"));
  made.region = TRY_BODY(optional_text(*settings, "regionName"));
  made.disk = TRY_BODY(asked_size(parts));
  Json::Object extra;
  if (const auto* iops = given(*settings, "diskIOPS")) extra.emplace_back("diskIOPS", *iops);
  if (const auto* volume = given(*settings, "volumeType")) extra.emplace_back("ebsVolumeType", *volume);
  made.extra = Json(std::move(extra));
  return made;
}

// The zones, each with its regions; of one region where only that one is named.
RestResult<Json::Array> zones_of(const Json& parts, const Made& made) {
  const auto* specs = given(parts, "replicationSpecs");
  if (specs != nullptr && specs->as_array() == nullptr) return bad_field("INVALID_ATTRIBUTE", "replicationSpecs", "must be an array of objects");
  if (specs != nullptr) return *specs->as_array();
  Json::Object zone{{"numShards", TRY_BODY(number_in(parts, "numShards", 1, 1, kMaxShards))}};
  if (const auto* regions = given(parts, "replicationSpec")) {
    zone.emplace_back("regionsConfig", *regions);
  } else {
    if (made.region.empty()) return bad_field("MISSING_ATTRIBUTE", "providerSettings.regionName", "must not be blank");
    const auto nodes = TRY_BODY(number_in(parts, "replicationFactor", kDefaultNodes, 1, kMaxNodesOfRegion));
    zone.emplace_back("regionsConfig", Json::Object{{made.region, Json::Object{{"electableNodes", nodes}, {"priority", kDefaultPriority}}}});
  }
  return Json::Array{Json(std::move(zone))};
}

// The object of `parts` with the fields of `value` put into it.
Json overlaid(const Json::Object& parts, std::string_view field, const Json& value) {
  if (value.as_object() == nullptr) return value;
  Json::Object object;
  for (const auto& [name, part] : parts)
    if (name == field && part.as_object() != nullptr) object = *part.as_object();
  for (const auto& [name, one] : *value.as_object()) put(object, name, one);
  return Json(std::move(object));
}

RestResult<Json> newest_of_legacy(const Json& body, const Json& now) {
  Json::Object newest;
  bool remade = false;
  for (const auto& [name, value] : *body.as_object()) {
    if (value.is_null() || among(kToldByLegacy, name)) continue;
    if (among(kMadeOf, name)) remade = true;
    else if (name == "autoScaling") TRY_BODY(check_auto_scaling(name, value));
    else if (name != "providerBackupEnabled") newest.emplace_back(name, value);
    else if (value.as_bool() == nullptr || *value.as_bool()) return bad_field("INVALID_ATTRIBUTE", name, "must be false: clusters here are not backed up by this server");
  }
  if (!remade) return Json(std::move(newest));
  if (const auto* settings = given(body, "providerSettings"); settings != nullptr && given(*settings, "autoScaling") != nullptr)
    TRY_BODY(check_auto_scaling("providerSettings.autoScaling", *given(*settings, "autoScaling")));
  Json::Object parts;
  if (!list_in(now, "replicationSpecs").empty()) {
    if (!of_one_provider(list_in(now, "replicationSpecs")))
      return refuse(400, "MULTI_CLOUD_CLUSTER_UNSUPPORTED", "The cluster has several providers: use a version of the Admin API from 2023-02-01 on.");
    parts = legacy_parts(now);
  }
  for (const auto field : kMadeOf) {
    const auto* value = given(body, field);
    if (value == nullptr) continue;
    put(parts, field, field == "providerSettings" ? overlaid(parts, field, *value) : *value);
  }
  // A region, a number of nodes or of shards alone means the cluster's zones anew.
  const bool zones_given = given(body, "replicationSpecs") != nullptr;
  const auto* settings = given(body, "providerSettings");
  const bool moved = settings != nullptr && given(*settings, "regionName") != nullptr;
  if (!zones_given && (moved || given(body, "numShards") != nullptr || given(body, "replicationFactor") != nullptr || given(body, "replicationSpec") != nullptr))
    std::erase_if(parts, [](const auto& part) { return part.first == "replicationSpecs"; });
  const Json all(std::move(parts));
  const auto made = TRY_BODY(made_of(all));
  Json::Array specs;
  for (const auto& zone : TRY_BODY(zones_of(all, made))) {
    const auto* regions = zone.find("regionsConfig");
    if (regions == nullptr || regions->as_object() == nullptr || regions->as_object()->empty())
      return bad_field("INVALID_ATTRIBUTE", "replicationSpecs[].regionsConfig", "must be an object with a region at least");
    Json::Array configs;
    for (const auto& [name, nodes] : *regions->as_object()) configs.push_back(TRY_BODY(newest_region(name, nodes, made)));
    auto spec = without(zone, {"regionsConfig"});
    spec.emplace_back("regionConfigs", std::move(configs));
    specs.emplace_back(std::move(spec));
  }
  newest.emplace_back("replicationSpecs", TRY_BODY(uncounted(specs, now)));
  return Json(std::move(newest));
}

}  // namespace

ClusterShape cluster_shape(const RestRequest& request) {
  if (request.family == Family::kAtlasV1) return ClusterShape::kLegacy;
  if (request.family != Family::kAtlasV2 || request.version >= "2024-08-05") return ClusterShape::kNewest;
  return request.version >= "2023-02-01" ? ClusterShape::kCounted : ClusterShape::kLegacy;
}

RestResult<Json> newest_cluster_body(const Json& body, const Json& now, ClusterShape shape) {
  switch (shape) {
    case ClusterShape::kNewest:
      if (given(body, "diskSizeGB") != nullptr) return bad_field("INVALID_ATTRIBUTE", "diskSizeGB", "cannot be set here: each instance has its own");
      return body;
    case ClusterShape::kCounted: return newest_of_counted(body, now);
    case ClusterShape::kLegacy: return newest_of_legacy(body, now);
  }
  return body;
}

Json cluster_in_shape(Json newest, ClusterShape shape) {
  switch (shape) {
    case ClusterShape::kNewest: return newest;
    case ClusterShape::kCounted: return counted_of_newest(newest);
    case ClusterShape::kLegacy: return legacy_of_newest(newest);
  }
  return newest;
}

}  // namespace drover::api
