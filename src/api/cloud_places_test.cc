#include "api/cloud_places.h"

#include <gtest/gtest.h>

namespace drover::api {
namespace {

std::string said(const RestResult<int>& result) { return result ? "" : result.error().code + ": " + result.error().detail; }

TEST(CloudPlaces, RegionsAreTheProviders) {
  for (const auto& [provider, region] : {std::pair{"AWS", "EU_WEST_1"}, {"AWS", "eu-west-1"}, {"AZURE", "EUROPE_WEST"}, {"AZURE", "US_EAST_2"}, {"GCP", "WESTERN_EUROPE"}, {"SELF_MANAGED", "cellar"},
                                         {"TENANT", "EU_WEST_1"}, {"FLEX", "WESTERN_EUROPE"}})
    EXPECT_EQ(said(check_region(provider, region)), "") << provider << " " << region;
  EXPECT_EQ(said(check_region("AWS", "EUROPE_WEST")), "INVALID_REGION: No region EUROPE_WEST exists for provider AWS.");
  EXPECT_EQ(said(check_region("GCP", "EU_WEST_1")), "INVALID_REGION: No region EU_WEST_1 exists for provider GCP.");
  EXPECT_EQ(said(check_region("FLEX", "MOON_1")), "INVALID_REGION: No region MOON_1 exists for provider FLEX.");
  EXPECT_EQ(said(check_region("TENANT", "EU_WEST_1", "AZURE")), "INVALID_REGION: No region EU_WEST_1 exists for provider AZURE.");
  EXPECT_EQ(said(check_region("AWS", "")), "INVALID_REGION: No region  exists for provider AWS.");
}

TEST(CloudPlaces, SizesAreTheProviders) {
  for (const auto& [provider, size] : {std::pair{"AWS", "M10"}, {"AWS", "R700"}, {"AZURE", "M90"}, {"AZURE", "M600_NVME"}, {"GCP", "M250"}, {"TENANT", "M0"}, {"FLEX", "FLEX"}, {"SERVERLESS", "SERVERLESS"},
                                       {"SELF_MANAGED", "M10"}, {"SELF_MANAGED", "M0"}})
    EXPECT_EQ(said(check_instance_size(provider, size, "instanceSize")), "") << provider << " " << size;
  for (const auto& [provider, size] : {std::pair{"AWS", "M7"}, {"AWS", "M90"}, {"AWS", "M0"}, {"GCP", "M40_NVME"}, {"TENANT", "M10"}, {"SELF_MANAGED", "M7"}, {"MOON", "M10"}, {"AWS", ""}})
    EXPECT_EQ(said(check_instance_size(provider, size, "instanceSize")).substr(0, 18), "INVALID_ENUM_VALUE") << provider << " " << size;
}

}  // namespace
}  // namespace drover::api
