#include "api/cloud_places.h"

#include <algorithm>
#include <span>
#include <string>

#include <fmt/format.h>

#include "control/network_records.h"

namespace drover::api {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kAwsRegions[] = {
    "AF_SOUTH_1",     "AP_EAST_1",      "AP_EAST_2",      "AP_NORTHEAST_1", "AP_NORTHEAST_2", "AP_NORTHEAST_3", "AP_SOUTHEAST_1", "AP_SOUTHEAST_2", "AP_SOUTHEAST_3",
    "AP_SOUTHEAST_4", "AP_SOUTHEAST_5", "AP_SOUTHEAST_6", "AP_SOUTHEAST_7", "AP_SOUTH_1",     "AP_SOUTH_2",     "CA_CENTRAL_1",   "CA_WEST_1",      "CN_NORTHWEST_1",
    "CN_NORTH_1",     "EU_CENTRAL_1",   "EU_CENTRAL_2",   "EU_NORTH_1",     "EU_SOUTH_1",     "EU_SOUTH_2",     "EU_WEST_1",      "EU_WEST_2",      "EU_WEST_3",
    "IL_CENTRAL_1",   "ME_CENTRAL_1",   "ME_SOUTH_1",     "MX_CENTRAL_1",   "SA_EAST_1",      "US_EAST_1",      "US_EAST_2",      "US_GOV_EAST_1",  "US_GOV_WEST_1",
    "US_WEST_1",      "US_WEST_2"};
constexpr std::string_view kAzureRegions[] = {
    "ASIA_EAST",         "ASIA_SOUTH_EAST", "AUSTRALIA_CENTRAL",  "AUSTRALIA_CENTRAL_2", "AUSTRALIA_EAST",     "AUSTRALIA_SOUTH_EAST", "BRAZIL_SOUTH",       "BRAZIL_SOUTHEAST",
    "CANADA_CENTRAL",    "CANADA_EAST",     "CHILE_CENTRAL",      "CHINA_EAST",          "CHINA_NORTH",        "EUROPE_NORTH",         "EUROPE_WEST",        "FRANCE_CENTRAL",
    "FRANCE_SOUTH",      "GERMANY_CENTRAL", "GERMANY_NORTH",      "GERMANY_NORTH_EAST",  "GERMANY_WEST_CENTRAL", "INDIA_CENTRAL",      "INDIA_SOUTH",        "INDIA_WEST",
    "INDONESIA_CENTRAL", "ISRAEL_CENTRAL",  "ITALY_NORTH",        "JAPAN_EAST",          "JAPAN_WEST",         "KOREA_CENTRAL",        "KOREA_SOUTH",        "MALAYSIA_WEST",
    "MEXICO_CENTRAL",    "NEW_ZEALAND_NORTH", "NORWAY_EAST",      "NORWAY_WEST",         "POLAND_CENTRAL",     "QATAR_CENTRAL",        "SOUTH_AFRICA_NORTH", "SOUTH_AFRICA_WEST",
    "SPAIN_CENTRAL",     "SWEDEN_CENTRAL",  "SWEDEN_SOUTH",       "SWITZERLAND_NORTH",   "SWITZERLAND_WEST",   "UAE_CENTRAL",          "UAE_NORTH",          "UK_SOUTH",
    "UK_WEST",           "US_CENTRAL",      "US_EAST",            "US_EAST_2",           "US_NORTH_CENTRAL",   "US_SOUTH_CENTRAL",     "US_WEST",            "US_WEST_2",
    "US_WEST_3",         "US_WEST_CENTRAL"};
constexpr std::string_view kGcpRegions[] = {
    "AFRICA_SOUTH_1",        "ASIA_EAST_2",           "ASIA_NORTHEAST_2",          "ASIA_NORTHEAST_3",          "ASIA_SOUTHEAST_2",      "ASIA_SOUTH_1",         "ASIA_SOUTH_2",
    "AUSTRALIA_SOUTHEAST_1", "AUSTRALIA_SOUTHEAST_2", "CENTRAL_US",                "EASTERN_ASIA_PACIFIC",      "EASTERN_US",            "EUROPE_CENTRAL_2",     "EUROPE_NORTH_1",
    "EUROPE_SOUTHWEST_1",    "EUROPE_WEST_10",        "EUROPE_WEST_12",            "EUROPE_WEST_2",             "EUROPE_WEST_3",         "EUROPE_WEST_4",        "EUROPE_WEST_6",
    "EUROPE_WEST_8",         "EUROPE_WEST_9",         "MIDDLE_EAST_CENTRAL_1",     "MIDDLE_EAST_CENTRAL_2",     "MIDDLE_EAST_WEST_1",    "NORTHEASTERN_ASIA_PACIFIC", "NORTH_AMERICA_NORTHEAST_1",
    "NORTH_AMERICA_NORTHEAST_2", "NORTH_AMERICA_SOUTH_1", "SOUTHEASTERN_ASIA_PACIFIC", "SOUTH_AMERICA_EAST_1",  "SOUTH_AMERICA_WEST_1",  "US_EAST_4",            "US_EAST_5",
    "US_SOUTH_1",            "US_WEST_2",             "US_WEST_3",                 "US_WEST_4",                 "WESTERN_EUROPE",        "WESTERN_US"};

constexpr std::string_view kAwsSizes[] = {"M10",  "M20",  "M30", "M40", "M50", "M60",  "M80",  "M100", "M140", "M200",     "M300",     "R40",      "R50",
                                          "R60",  "R80",  "R200", "R300", "R400", "R700", "M40_NVME", "M50_NVME", "M60_NVME", "M80_NVME", "M200_NVME", "M400_NVME"};
constexpr std::string_view kAzureSizes[] = {"M10",  "M20",  "M30",  "M40",  "M50",      "M60",      "M80",       "M90",       "M200",      "R40",      "R50",
                                            "R60",  "R80",  "R200", "R300", "R400", "M60_NVME", "M80_NVME", "M200_NVME", "M300_NVME", "M400_NVME", "M600_NVME"};
constexpr std::string_view kGcpSizes[] = {"M10",  "M20",  "M30",  "M40", "M50", "M60", "M80",  "M140", "M200", "M250",
                                          "M300", "M400", "R40",  "R50", "R60", "R80", "R200", "R300", "R400", "R600"};
constexpr std::string_view kTenantSizes[] = {"M0", "M2", "M5"};
constexpr std::string_view kFlexSizes[] = {"FLEX"};
constexpr std::string_view kServerlessSizes[] = {"SERVERLESS"};

struct Cloud {
  std::string_view provider;
  Names regions, sizes;
};
constexpr Cloud kClouds[] = {{"AWS", kAwsRegions, kAwsSizes}, {"AZURE", kAzureRegions, kAzureSizes}, {"GCP", kGcpRegions, kGcpSizes}};
constexpr Cloud kShared[] = {{"TENANT", {}, kTenantSizes}, {"FLEX", {}, kFlexSizes}, {"SERVERLESS", {}, kServerlessSizes}};

const Cloud* find(std::span<const Cloud> among, std::string_view provider) {
  const auto found = std::ranges::find(among, provider, &Cloud::provider);
  return found == among.end() ? nullptr : &*found;
}

bool has(Names names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

bool offers(Names sizes, std::string_view provider, std::string_view size) {
  if (provider != "SELF_MANAGED") return has(sizes, size);
  return std::ranges::any_of(kClouds, [&](const Cloud& one) { return has(one.sizes, size); }) ||
         std::ranges::any_of(kShared, [&](const Cloud& one) { return has(one.sizes, size); });
}

}  // namespace

RestResult<int> check_region(std::string_view provider, std::string_view region, std::string_view backing) {
  if (provider == "SELF_MANAGED") return 0;
  const auto name = control::atlas_region(std::string(region));
  const auto* own = find(kClouds, backing.empty() ? provider : backing);
  const bool there = own != nullptr ? has(own->regions, name) : std::ranges::any_of(kClouds, [&](const Cloud& one) { return has(one.regions, name); });
  if (there) return 0;
  const auto whose = own != nullptr ? own->provider : provider;
  return refuse(400, "INVALID_REGION", fmt::format("No region {} exists for provider {}.", region, whose), {std::string(region), std::string(whose)});
}

RestResult<int> check_instance_size(std::string_view provider, std::string_view size, std::string_view field) {
  const auto* cloud = find(kClouds, provider);
  if (cloud == nullptr) cloud = find(kShared, provider);
  if (offers(cloud == nullptr ? Names() : cloud->sizes, provider, size)) return 0;
  return refuse(400, "INVALID_ENUM_VALUE", fmt::format("{}: an invalid enumeration value {} was specified; provider {} has no such size.", field, size, provider), {std::string(field)});
}

}  // namespace drover::api
