#include "api/cluster_body.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace drover::api {
namespace {

constexpr std::array<std::string_view, 7> kProviders{"AWS", "GCP", "AZURE", "TENANT", "FLEX", "SERVERLESS", "SELF_MANAGED"};
constexpr std::array<std::string_view, 3> kTypes{"REPLICASET", "SHARDED", "GEOSHARDED"};
constexpr std::array<std::string_view, 36> kSizes{
    "M0",  "M2",  "M5",  "FLEX", "SERVERLESS", "M10", "M20", "M30", "M40", "M50", "M60", "M80", "M90", "M100", "M140",
    "M200", "M250", "M300", "M400", "R40", "R50", "R60", "R80", "R200", "R300", "R400", "R600", "R700", "M40_NVME", "M50_NVME", "M60_NVME",
    "M80_NVME", "M200_NVME", "M300_NVME", "M400_NVME", "M600_NVME"};
constexpr std::size_t kMaxSpecs = 50;
constexpr std::size_t kMaxRegions = 50;

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
  auto region = *given.as_object();
  if (given.find("providerName") == nullptr) return bad("replicationSpecs[].regionConfigs[].providerName", "must not be blank");
  TRY_BODY(one_of(given, "providerName", kProviders, ""));
  TRY_BODY(required_text(given, "regionName"));
  const auto* specs = given.find("electableSpecs");
  if (specs == nullptr || specs->as_object() == nullptr) return bad("replicationSpecs[].regionConfigs[].electableSpecs", "must be an object");
  TRY_BODY(required_text(*specs, "instanceSize"));
  TRY_BODY(one_of(*specs, "instanceSize", kSizes, ""));
  return Json(std::move(region));
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
  Json::Array read;
  for (const auto& one : specs) {
    if (one.as_object() == nullptr) return bad("replicationSpecs", "must be an array of objects");
    const auto* regions = one.find("regionConfigs");
    if (regions == nullptr || regions->as_array() == nullptr || regions->as_array()->empty() || regions->as_array()->size() > kMaxRegions)
      return bad("replicationSpecs[].regionConfigs", fmt::format("must be an array of 1 to {} objects", kMaxRegions));
    Json::Array configs;
    for (const auto& region : *regions->as_array()) configs.push_back(TRY_BODY(region_of(region)));
    Json::Object spec{{"id", control::new_id(runtime)}, {"regionConfigs", std::move(configs)}, {"zoneId", control::new_id(runtime)}};
    const auto* zone = one.find("zoneName");
    spec.emplace_back("zoneName", zone != nullptr && zone->as_string() != nullptr ? *zone : Json("Zone 1"));
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
    description.emplace_back(field, value == nullptr || value->is_null() ? Json(Json::Array()) : *value);
  }
  const auto* protection = body.find("terminationProtectionEnabled");
  if (protection != nullptr && !protection->is_null() && protection->as_bool() == nullptr)
    return bad("terminationProtectionEnabled", "must be true or false");
  description.emplace_back("terminationProtectionEnabled", protection != nullptr && protection->as_bool() != nullptr && *protection->as_bool());
  return Json(std::move(description));
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
