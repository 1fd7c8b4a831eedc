// What Atlas offers at each cloud provider: its regions, by their names there, and its instance sizes (the Admin API's OpenAPI document). A name that is none of
// them would be kept, and be no region of any network. Pure.
#pragma once

#include <string_view>

#include "api/rest.h"

namespace drover::api {

// "EU_WEST_1", or in small letters with dashes, "eu-west-1". `provider`: AWS, AZURE, GCP; TENANT, FLEX and SERVERLESS have those of `backing`, or of all three where that is
// empty; SELF_MANAGED, which is ours, has any name. INVALID_REGION.
RestResult<int> check_region(std::string_view provider, std::string_view region, std::string_view backing = {});
// INVALID_ENUM_VALUE, as Atlas answers for a size of another provider too. `field`: its name in the body.
RestResult<int> check_instance_size(std::string_view provider, std::string_view size, std::string_view field);

}  // namespace drover::api
