// The rest of a migration's state whose removal was interrupted: Deployment::drop_state has the order, in which x_migration is the first.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bson/document.h"

namespace drover::preflight {

using LoadState = std::function<Result<std::vector<bson::Document>>(const std::string& collection)>;

// Of a destination without x_migration.
Result<bool> is_half_removed(const LoadState& load);

}  // namespace drover::preflight
