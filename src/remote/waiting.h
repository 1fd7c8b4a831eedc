// Looking again until something is so: within a time, through short absences of the site.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string_view>

#include "remote/session.h"

namespace drover::remote {

inline constexpr std::chrono::seconds kLookEvery{1};
inline constexpr std::chrono::minutes kAbsence{5};  // that a site may not answer while somebody waits

// Calls `look` until it answers something. `within`: how long; 0: without end. kTimedOut then: "`what`: not within 120 s". A kTemporary
// error of `look` is told once, and is an error after kAbsence of nothing else.
Result<Json> wait_for(const Session& session, std::chrono::seconds within, std::string_view what,
                      const std::function<Result<std::optional<Json>>()>& look);

}  // namespace drover::remote
