#include "api/cluster_body.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include <fmt/format.h>

#include "control/names.h"

#include "api/body_fields.h"
#include "api/cloud_places.h"
#include "api/disk_size.h"
#include "api/network_shapes.h"
#include "control/clusters.h"

namespace drover::api {
namespace {

constexpr std::array<std::string_view, 7> kProviders{"AWS", "GCP", "AZURE", "TENANT", "FLEX", "SERVERLESS", "SELF_MANAGED"};
constexpr std::array<std::string_view, 3> kClouds{"AWS", "AZURE", "GCP"};
constexpr std::array<std::string_view, 3> kTypes{"REPLICASET", "SHARDED", "GEOSHARDED"};
constexpr std::size_t kMaxLabelText = 255;  // characters of a key, of a value
constexpr std::array<std::string_view, 7> kChangeableFields{"clusterType", "replicationSpecs", "biConnector", "versionReleaseSystem", "labels", "tags",
                                                            "terminationProtectionEnabled"};
// A client that reads a cluster, changes it and sends it back sends these too.
constexpr std::array<std::string_view, 10> kToldFields{"id", "groupId", "name", "createDate", "stateName", "links", "mongoDBVersion",
                                                       "featureCompatibilityVersion", "connectionStrings", "rootCertType"};
constexpr std::size_t kMaxPrivateStrings = 50;
constexpr std::size_t kMaxSpecs = 50;
constexpr std::size_t kMaxRegions = 50;
constexpr std::int64_t kMaxNodes = 50;

template <std::size_t N>
bool among(const std::array<std::string_view, N>& known, std::string_view value) {
  return !value.empty() && std::find(known.begin(), known.end(), value) != known.end();
}

tl::unexpected<RestError> bad(std::string_view field, std::string_view why) {
  RestError error{400, "INVALID_ATTRIBUTE", fmt::format("{} {}.", field, why), {std::string(field)}, {}};
  error.fields.emplace_back(field, why);
  return tl::unexpected(std::move(error));
}

template <std::size_t N>
RestResult<std::string> one_of(const Json& object, std::string_view field, const std::array<std::string_view, N>& known, std::string_view otherwise) {
  const auto* value = object.find(field);
  if (value == nullptr || value->is_null()) return std::string(otherwise);
  if (value->as_string() == nullptr || !among(known, *value->as_string()))
    return refuse(400, "INVALID_ENUM_VALUE", fmt::format("{}: an invalid enumeration value was specified.", field), {std::string(field)});
  return *value->as_string();
}

RestResult<Json> region_of(const Json& given) {
  if (given.as_object() == nullptr) return bad("replicationSpecs[].regionConfigs[]", "must be an object");
  TRY_BODY(only(given, {"analyticsAutoScaling", "analyticsSpecs", "autoScaling", "backingProviderName", "electableSpecs", "priority", "providerName", "readOnlySpecs", "regionName"}));
  for (const auto* field : {"autoScaling", "analyticsAutoScaling"})
    if (const auto* scaling = given.find(field); scaling != nullptr && !scaling->is_null()) TRY_BODY(check_auto_scaling(field, *scaling));
  for (const auto* field : {"electableSpecs", "readOnlySpecs", "analyticsSpecs"})
    if (const auto* specs = given.find(field); specs != nullptr && specs->as_object() != nullptr)
      TRY_BODY(only(*specs, {"diskIOPS", "diskSizeGB", "ebsVolumeType", "instanceSize", "nodeCount"}));
  auto region = *given.as_object();
  if (given.find("providerName") == nullptr) return bad("replicationSpecs[].regionConfigs[].providerName", "must not be blank");
  const auto provider = TRY_BODY(one_of(given, "providerName", kProviders, ""));
  TRY_BODY(check_region(provider, TRY_BODY(required_text(given, "regionName")), TRY_BODY(one_of(given, "backingProviderName", kClouds, ""))));
  const auto* specs = given.find("electableSpecs");
  if (specs == nullptr || specs->as_object() == nullptr) return bad("replicationSpecs[].regionConfigs[].electableSpecs", "must be an object");
  TRY_BODY(required_text(*specs, "instanceSize"));
  for (const auto* field : {"electableSpecs", "readOnlySpecs", "analyticsSpecs"}) {
    const auto* one = given.find(field);
    const auto* size = one == nullptr ? nullptr : one->find("instanceSize");
    if (size == nullptr || size->is_null()) continue;
    if (size->as_string() == nullptr) return refuse(400, "INVALID_ENUM_VALUE", "instanceSize: an invalid enumeration value was specified.", {"instanceSize"});
    TRY_BODY(check_instance_size(provider, *size->as_string(), "instanceSize"));
  }
  for (const auto& [object, field] : {std::pair{&given, "priority"}, {specs, "nodeCount"}}) {
    const auto* number = object->find(field);
    if (number != nullptr && (number->as_int() == nullptr || *number->as_int() < 0 || *number->as_int() > kMaxNodes))
      return bad(fmt::format("replicationSpecs[].regionConfigs[].{}", field), fmt::format("must be a whole number up to {}", kMaxNodes));
  }
  return Json(std::move(region));
}

// The one that a client sends back of what it was told; else a new one.
std::string kept_id(const Json& spec, const char* field, Runtime& runtime) {
  const auto* id = spec.find(field);
  return id != nullptr && id->as_string() != nullptr && control::is_id(*id->as_string()) ? *id->as_string() : control::new_id(runtime);
}

RestResult<Json> specs_of(const Json& body, Runtime& runtime) {
  const auto* given = body.find("replicationSpecs");
  Json::Array specs;
  if (given == nullptr || given->is_null()) {
    specs.push_back(Json::Object{
        {"regionConfigs", Json::Array{Json::Object{{"providerName", "SELF_MANAGED"},
                                                   {"regionName", "LOCAL"},
                                                   {"priority", 7},
                                                   {"electableSpecs", Json::Object{{"instanceSize", "M10"}, {"nodeCount", 1}}}}}}});
  } else if (given->as_array() == nullptr || given->as_array()->empty() || given->as_array()->size() > kMaxSpecs) {
    return bad("replicationSpecs", fmt::format("must be an array of 1 to {} objects", kMaxSpecs));
  } else {
    specs = *given->as_array();
  }
  // The shards of one zone have its id, whichever of them names it.
  std::map<std::string, std::string> zones;
  for (const auto& one : specs) {
    if (one.as_object() == nullptr) return bad("replicationSpecs", "must be an array of objects");
    if (const auto* id = one.find("zoneId"); id != nullptr && id->as_string() != nullptr && control::is_id(*id->as_string())) zones.try_emplace(zone_name(one), *id->as_string());
  }
  Json::Array read;
  for (const auto& one : specs) {
    const auto* regions = one.find("regionConfigs");
    if (regions == nullptr || regions->as_array() == nullptr || regions->as_array()->empty() || regions->as_array()->size() > kMaxRegions)
      return bad("replicationSpecs[].regionConfigs", fmt::format("must be an array of 1 to {} objects", kMaxRegions));
    Json::Array configs;
    for (const auto& region : *regions->as_array()) configs.push_back(TRY_BODY(region_of(region)));
    const auto name = zone_name(one);
    if (!zones.contains(name)) zones.emplace(name, control::new_id(runtime));
    const auto* zone = one.find("zoneId");
    const bool has_zone = zone != nullptr && zone->as_string() != nullptr && control::is_id(*zone->as_string());
    Json::Object spec{{"id", kept_id(one, "id", runtime)}, {"regionConfigs", std::move(configs)}, {"zoneId", has_zone ? *zone->as_string() : zones[name]}, {"zoneName", name}};
    if (const auto* shards = one.find("numShards"); shards != nullptr && shards->as_int() != nullptr) spec.emplace_back("numShards", *shards);
    read.push_back(std::move(spec));
  }
  return Json(std::move(read));
}

const Json* first_region(const Json& description) {
  const auto* specs = description.find("replicationSpecs");
  if (specs == nullptr || specs->as_array() == nullptr || specs->as_array()->empty()) return nullptr;
  const auto* regions = specs->as_array()->front().find("regionConfigs");
  return regions == nullptr || regions->as_array() == nullptr || regions->as_array()->empty() ? nullptr : &regions->as_array()->front();
}

std::string text_at(const Json* object, std::string_view field) {
  const auto* value = object == nullptr ? nullptr : object->find(field);
  return value == nullptr || value->as_string() == nullptr ? "" : *value->as_string();
}

}  // namespace

std::string zone_name(const Json& spec) {
  const auto* name = spec.find("zoneName");
  return name != nullptr && name->as_string() != nullptr && !name->as_string()->empty() ? *name->as_string() : "Zone 1";
}

RestResult<int> check_auto_scaling(std::string_view field, const Json& value) {
  if (value.as_object() == nullptr) return bad(field, "must be an object");
  TRY_BODY(only(value, {"autoIndexingEnabled", "compute", "diskGB", "diskGBEnabled"}));
  const auto check = [&](const Json& object, std::initializer_list<std::string_view> flags) -> RestResult<int> {
    for (const auto flag : flags)
      if (TRY_BODY(optional_flag(object, flag, false))) return bad(field, "must be off: clusters here are not scaled by this server");
    return 0;
  };
  TRY_BODY(check(value, {"autoIndexingEnabled", "diskGBEnabled"}));
  for (const auto* part : {"compute", "diskGB"}) {
    const auto* of = value.find(part);
    if (of == nullptr || of->is_null()) continue;
    if (of->as_object() == nullptr) return bad(fmt::format("{}.{}", field, part), "must be an object");
    TRY_BODY(only(*of, {"enabled", "maxInstanceSize", "minInstanceSize", "predictiveEnabled", "scaleDownEnabled"}));
    TRY_BODY(check(*of, {"enabled", "predictiveEnabled", "scaleDownEnabled"}));
  }
  return 0;
}

RestResult<Json> parse_cluster_description(const Json& body, Runtime& runtime) {
  constexpr std::array<std::string_view, 2> kReleases{"LTS", "CONTINUOUS"};
  Json::Object description;
  description.emplace_back("clusterType", TRY_BODY(one_of(body, "clusterType", kTypes, "REPLICASET")));
  description.emplace_back("versionReleaseSystem", TRY_BODY(one_of(body, "versionReleaseSystem", kReleases, "LTS")));
  description.emplace_back("replicationSpecs", TRY_BODY(specs_of(body, runtime)));
  bool bi = false;
  if (const auto* connector = body.find("biConnector"); connector != nullptr && !connector->is_null()) {
    const auto* enabled = connector->find("enabled");
    if (connector->as_object() == nullptr || (enabled != nullptr && !enabled->is_null() && enabled->as_bool() == nullptr))
      return bad("biConnector.enabled", "must be true or false");
    bi = enabled != nullptr && enabled->as_bool() != nullptr && *enabled->as_bool();
  }
  description.emplace_back("biConnector", Json::Object{{"enabled", bi}, {"readPreference", "secondary"}});
  for (const auto* field : {"labels", "tags"}) {
    const auto* value = body.find(field);
    if (value != nullptr && !value->is_null() && value->as_array() == nullptr) return bad(field, "must be an array");
    if (value != nullptr && value->as_array() != nullptr) {
      for (const auto& one : *value->as_array()) {
        const auto *key = one.find("key"), *text = one.find("value");
        const bool pair = one.as_object() != nullptr && one.as_object()->size() == 2 && key != nullptr && key->as_string() != nullptr && text != nullptr && text->as_string() != nullptr;
        if (!pair) return bad(field, "must hold objects of key and value, both strings");
        TRY_REST(control::check_text(fmt::format("{}[].key", field), *key->as_string(), kMaxLabelText));
        if (!text->as_string()->empty()) TRY_REST(control::check_text(fmt::format("{}[].value", field), *text->as_string(), kMaxLabelText));
      }
    }
    description.emplace_back(field, value == nullptr || value->is_null() ? Json(Json::Array()) : *value);
  }
  const auto* protection = body.find("terminationProtectionEnabled");
  if (protection != nullptr && !protection->is_null() && protection->as_bool() == nullptr)
    return bad("terminationProtectionEnabled", "must be true or false");
  description.emplace_back("terminationProtectionEnabled", protection != nullptr && protection->as_bool() != nullptr && *protection->as_bool());
  return Json(std::move(description));
}

namespace {

// A field beside the description's own. Null and false ask for nothing.
RestResult<int> check_other_field(const std::string& name, const Json& value) {
  const bool off = value.is_null() || (value.as_bool() != nullptr && !*value.as_bool());
  const auto says = [&](std::string_view otherwise) { return value.as_string() != nullptr && *value.as_string() == otherwise; };
  if (off) return 0;
  if (name == "paused" || name == "backupEnabled" || name == "pitEnabled") return bad(name, "must be false: clusters here are neither paused nor backed up");
  if (name == "encryptionAtRestProvider" && says("NONE")) return 0;
  if (name == "diskWarmingMode" && says("FULLY_WARMED")) return 0;
  if (name == "encryptionAtRestProvider") return bad(name, "must be NONE");
  if (name == "diskWarmingMode") return bad(name, "must be FULLY_WARMED");
  return bad(name, "cannot be set here");
}

}  // namespace

RestResult<int> check_new_cluster(const Json& body) {
  for (const auto& [name, value] : *body.as_object()) {
    if (among(kChangeableFields, name) || among(kToldFields, name) || name == "mongoDBMajorVersion" || name == "connectionString") continue;
    TRY_BODY(check_other_field(name, value));
  }
  return 0;
}

RestResult<Json> parse_cluster_update(const Json& body, const Json& now, const std::string& version, Runtime& runtime) {
  Json::Object merged;
  if (now.as_object() != nullptr) merged = *now.as_object();
  for (const auto& [name, value] : *body.as_object()) {
    if (value.is_null() || among(kToldFields, name) || name == "diskSizeGB") continue;
    if (among(kChangeableFields, name)) {
      std::erase_if(merged, [&, &known = name](const auto& field) { return field.first == known; });
      merged.emplace_back(name, value);
    } else if (name == "mongoDBMajorVersion") {
      if (value.as_string() == nullptr || *value.as_string() != version.substr(0, version.rfind('.'))) return bad(name, "cannot be changed here: upgrade the deployment itself");
    } else {
      TRY_BODY(check_other_field(name, value));
    }
  }
  // What it is made of, and is not to be changed, is not judged again: an older version may have kept more of it.
  const auto* changed = body.find("replicationSpecs");
  const auto* specs = changed == nullptr || changed->is_null() ? now.find("replicationSpecs") : nullptr;
  if (specs == nullptr) return parse_cluster_description(Json(std::move(merged)), runtime);
  const auto is_specs = [](const auto& field) { return field.first == "replicationSpecs"; };
  std::erase_if(merged, is_specs);
  auto description = *TRY_BODY(parse_cluster_description(Json(std::move(merged)), runtime)).as_object();
  auto& kept = std::find_if(description.begin(), description.end(), is_specs)->second;
  const auto size = TRY_BODY(asked_size(body));
  Json::Array sized;
  for (const auto& spec : specs->as_array() == nullptr ? Json::Array() : *specs->as_array()) sized.push_back(size > 0 ? spec_with_size(spec, size) : spec);
  kept = std::move(sized);
  return Json(std::move(description));
}

namespace {

RestResult<std::string> connection_string(const Json& object, const char* field) {
  const auto text = TRY_BODY(optional_text(object, field));
  if (text.empty()) return text;
  const auto parts = control::split_uri(text);
  if (!parts) return bad(field, parts.error().message);
  if (!parts->login.empty()) return bad(field, "must have no user and password: they are the cluster's own");
  if (const auto files = control::check_no_keys(*parts); !files) return bad(field, files.error().message);
  return control::uri_for(*parts, "", "");
}

}  // namespace

RestResult<Json> parse_private_connections(const Json& body) {
  Json::Object read;
  const auto* given = body.find("connectionStrings");
  if (given == nullptr || given->is_null()) return Json(std::move(read));
  TRY_BODY(only(*given, {"private", "privateEndpoint"}));
  if (auto text = TRY_BODY(connection_string(*given, "private")); !text.empty()) read.emplace_back("private", std::move(text));
  const auto* list = given->find("privateEndpoint");
  if (list == nullptr || list->is_null()) return Json(std::move(read));
  if (list->as_array() == nullptr || list->as_array()->size() > kMaxPrivateStrings)
    return bad("connectionStrings.privateEndpoint", fmt::format("must be an array of at most {} objects", kMaxPrivateStrings));
  Json::Array all;
  for (const auto& one : *list->as_array()) {
    TRY_BODY(only(one, {"connectionString", "endpoints", "type"}));
    auto text = TRY_BODY(connection_string(one, "connectionString"));
    if (text.empty()) return bad("connectionStrings.privateEndpoint[].connectionString", "must not be blank");
    const auto* endpoints = one.find("endpoints");
    if (endpoints == nullptr || endpoints->as_array() == nullptr || endpoints->as_array()->empty() || endpoints->as_array()->size() > kMaxPrivateStrings)
      return bad("connectionStrings.privateEndpoint[].endpoints", fmt::format("must be an array of 1 to {} objects", kMaxPrivateStrings));
    Json::Array named;
    for (const auto& endpoint : *endpoints->as_array()) {
      TRY_BODY(only(endpoint, {"endpointId", "providerName", "region"}));
      auto id = TRY_BODY(needed_text(endpoint, "endpointId"));
      auto provider = TRY_BODY(one_of(endpoint, "providerName", std::span<const std::string_view>(kCloudProviders)));
      auto region = control::atlas_region(TRY_BODY(needed_text(endpoint, "region")));
      named.push_back(Json::Object{{"endpointId", std::move(id)}, {"providerName", std::move(provider)}, {"region", std::move(region)}});
    }
    all.push_back(Json::Object{{"connectionString", std::move(text)}, {"endpoints", std::move(named)}});
  }
  read.emplace_back("privateEndpoint", std::move(all));
  return Json(std::move(read));
}

std::string instance_size(const Json& description) {
  const auto* region = first_region(description);
  const auto* specs = region == nullptr ? nullptr : region->find("electableSpecs");
  return text_at(specs, "instanceSize");
}

bool is_flex(const Json& description) {
  return text_at(first_region(description), "providerName") == "FLEX" || instance_size(description) == "FLEX";
}

}  // namespace drover::api
