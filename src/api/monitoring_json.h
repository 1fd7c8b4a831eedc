// What is monitored, in the shapes of Cloud Manager's public API (spec/control-plane.md 6.2 to 6.4). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/rest.h"
#include "control/agents.h"
#include "control/deployments.h"

namespace drover::api {

std::string iso_of_millis(std::int64_t millis);
std::optional<std::int64_t> millis_of_iso(std::string_view text);   // "2026-02-01T09:10:00Z"
std::optional<std::int64_t> millis_of_duration(std::string_view text);  // "PT1H", "P1DT12H"

Json host_json(const RestRequest& request, const control::MonitoredHost& host, const control::MonitoredDeployment* deployment);
Json cluster_json(const RestRequest& request, const control::MonitoredDeployment& deployment);
// `type`: MONITORING, AUTOMATION.
Json agent_json(const RestRequest& request, const control::Agent& agent, std::string_view type, bool active);

// The one of `open` that the path names by {alertId}, or 404.
RestResult<RestReply> alert_named(const RestRequest& request, Json::Array open);

// What is measured: a process, one of its databases, the disk that its data is on.
enum class Measured { kHost, kDatabase, kDisk };

struct MeasurementQuery {
  std::int64_t start = 0, end = 0, step = 0;  // milliseconds
  std::string granularity;
  std::vector<std::string> names;  // empty: all
};
// The answer's start, end, granularity and measurements: a point for each step, null where nothing was measured.
Json::Object measurements_json(Measured what, const MeasurementQuery& query, const std::vector<control::MeasuredPoint>& points);
// Nothing: no such measurement.
std::optional<std::string_view> units_of(Measured what, std::string_view measurement);

// granularity, period or start and end, and any number of m. `now`: milliseconds since 1970.
RestResult<MeasurementQuery> parse_measurement_query(Measured what, const RestRequest& request, std::int64_t now);

}  // namespace drover::api
