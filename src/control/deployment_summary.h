// What the members of a deployment say, taken together. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "control/deployments.h"

namespace drover::control {

struct SampleSummary {
  bool reached = false;               // a member has answered
  MonitoredDeployment next;           // only the fields of the last sample
  std::vector<std::string> members;   // that the answering ones are, by the names that the sample used
};
// What no member says this time is as it was.
SampleSummary summary_of(const MonitoredDeployment& before, const Json::Array& hosts);

bson::Document summary_document(const MonitoredDeployment& deployment);
void read_summary(bson::View document, MonitoredDeployment& deployment);

// What is kept of a host of a sample: without figures and databases, nothing that is not known here.
Json facts_of(const Json& host);
// Of a sample that has the databases' sizes; of all but `local`, uncompressed.
std::optional<HostSizes> sizes_told(const Json& host);
// Event types of what has changed in a member between two samples; nothing before the first.
std::vector<std::string> events_of(bson::View before, const Json& facts);
// Metrics as they are, counters by second since `before`; nothing where a counter went backwards (the server began anew) or
// `elapsed_millis` is 0. Sizes of the databases, when the sample has them.
Json figures_of(const Json& host, bson::View before, std::int64_t elapsed_millis);
// The sample's counters, as they are kept: numbers that are called as figures are, and no more than kMaxFigures.
inline constexpr std::size_t kMaxFigures = 100;
Json counters_of(const Json& host);

// The databases of a host of a sample, and the partition that they are on, as measurements of the public API.
struct DatabaseSizes {
  std::vector<std::pair<std::string, Json>> databases;  // name, and {"DATABASE_DATA_SIZE": …}; at most kMaxDatabasesOfHost
  Json disk;                                            // {"DISK_PARTITION_SPACE_USED": …}; null: not told
};
DatabaseSizes sizes_by_database(const Json& host);

}  // namespace drover::control
