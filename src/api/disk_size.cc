#include "api/disk_size.h"

#include <algorithm>
#include <array>

#include "api/body_fields.h"

namespace drover::api {
namespace {

constexpr std::array<const char*, 3> kSpecs{"electableSpecs", "readOnlySpecs", "analyticsSpecs"};

const Json::Array& regions_of(const Json& spec) {
  static const Json::Array kNone;
  const auto* regions = spec.find("regionConfigs");
  return regions == nullptr || regions->as_array() == nullptr ? kNone : *regions->as_array();
}

// 0: it is no number.
double number_of(const Json* value) {
  if (value == nullptr) return 0;
  return value->as_double() != nullptr ? *value->as_double() : value->as_int() != nullptr ? static_cast<double>(*value->as_int()) : 0;
}

double size_of(const Json& region) {
  const auto* specs = region.find("electableSpecs");
  return specs == nullptr ? 0 : number_of(specs->find("diskSizeGB"));
}

// The object with this field, in its place or behind the others.
Json::Object with(const Json& object, std::string_view field, Json value) {
  auto changed = *object.as_object();
  const auto known = std::find_if(changed.begin(), changed.end(), [&](const auto& one) { return one.first == field; });
  if (known == changed.end()) changed.emplace_back(field, std::move(value));
  else known->second = std::move(value);
  return changed;
}

Json region_with_size(const Json& region, double size) {
  if (region.as_object() == nullptr) return region;
  Json changed = region;
  for (const auto* field : kSpecs) {
    const auto* specs = region.find(field);
    if (specs == nullptr || specs->as_object() == nullptr) continue;
    auto instance = *specs->as_object();
    std::erase_if(instance, [](const auto& one) { return one.first == "diskSizeGB"; });
    if (size > 0) instance.emplace_back("diskSizeGB", size);
    changed = with(changed, field, std::move(instance));
  }
  return changed;
}

}  // namespace

double size_of_all(const Json::Array& specs) {
  double size = 0;
  bool first = true;
  for (const auto& spec : specs) {
    for (const auto& region : regions_of(spec)) {
      if (!first && size_of(region) != size) return 0;
      size = size_of(region);
      first = false;
    }
  }
  return size;
}

Json spec_with_size(const Json& spec, double size) {
  if (spec.as_object() == nullptr || spec.find("regionConfigs") == nullptr) return spec;
  Json::Array regions;
  for (const auto& region : regions_of(spec)) regions.push_back(region_with_size(region, size));
  return with(spec, "regionConfigs", std::move(regions));
}

RestResult<double> asked_size(const Json& body) {
  const auto* size = body.find("diskSizeGB");
  if (size == nullptr || size->is_null()) return 0.0;
  const double value = number_of(size);
  if (!(value > 0)) return bad_field("INVALID_ATTRIBUTE", "diskSizeGB", "must be a number above 0");
  return value;
}

}  // namespace drover::api
