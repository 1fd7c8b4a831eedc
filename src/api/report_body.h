// A report of a validation or migration, as both protocols have it (docs/design/control-plane.md): what one site takes, the other one does as
// well, so that no report is kept that cannot be passed on.
#pragma once

#include <cstdint>

#include "api/rest.h"
#include "base/json.h"

namespace drover::api {

inline constexpr std::size_t kReportMargin = 128;  // for what a site that passes a report on writes otherwise: its number among it

// The sequence of a report that is `bytes` long; or what is wrong with it.
RestResult<std::int64_t> check_report(const Json& report, std::size_t bytes, std::size_t max_bytes);
// Takes the oldest lines of `log` away, as many as make it no longer than `max_bytes`. What is too long without them stays so. The length.
std::size_t cut_log(Json::Object& report, std::size_t max_bytes);

}  // namespace drover::api
