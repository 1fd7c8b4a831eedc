// A migration as the control plane tells of it (GET /api/ext/v1/groups/{groupId}/liveMigrations/{id}), as a person is shown it. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "terminal/progress_view.h"

namespace drover::cli {

// A field of an object; empty, or nothing, when it is not there or of another type.
std::string text(const Json& object, std::string_view key);
std::optional<double> number(const Json& object, std::string_view key);

std::string phase_of(const Json& migration);  // "collection copy"
// For a pipe or a file.
std::string line_of(const Json& migration);
// One bar for all: a control plane knows bytes, no collections.
terminal::ProgressView view_of(const Json& migration, std::string_view cluster);

}  // namespace drover::cli
