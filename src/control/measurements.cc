#include "control/measurements.h"

#include <fmt/format.h>

#include "control/deployment_summary.h"
#include "control/fields.h"
#include "control/json_document.h"

namespace drover::control {
namespace {

constexpr const char* kHosts = "measurements";
constexpr const char* kSizes = "databaseMeasurements";

constexpr std::int64_t kRestartsWithin = 3'600'000;
constexpr std::size_t kMaxRestarts = 100;
constexpr std::int64_t kKeptMillis = std::chrono::duration_cast<std::chrono::milliseconds>(kMeasurementsKept).count();

bson::Document id_of(const std::string& host, std::int64_t minute) { return bson::make_document({{"_id", fmt::format("{}/{}", host, minute)}}); }

MeasuredPoint point_of(bson::View document, bson::View values) {
  MeasuredPoint point;
  const auto at = document["at"];
  point.millis = at.type() == bson::Type::kDateTime ? at.date_value().millis : 0;
  for (const auto& value : values)
    if (const auto number = value.to_double()) point.values.emplace_back(value.key(), *number);
  return point;
}

// Of a process whose time since its start is shorter than it was. Their times are kept for as long as they count.
void add_restarts(Json& figures, const Json& sample, bson::View known, std::int64_t now, bson::Builder& fields) {
  const auto* uptime = sample.find("uptimeMsec");
  const auto millis = uptime == nullptr ? std::nullopt : uptime->as_int() ? std::optional(static_cast<double>(*uptime->as_int())) : uptime->as_double() ? std::optional(*uptime->as_double()) : std::nullopt;
  if (!millis) return;
  std::vector<std::int64_t> restarts;
  if (const auto before = known["restarts"].to_array())
    for (const auto& at : *before)
      if (const auto when = at.to_int64(); when && now - *when < kRestartsWithin && restarts.size() < kMaxRestarts) restarts.push_back(*when);
  if (const auto before = known["uptimeMsec"].to_double(); before && *millis < *before && restarts.size() < kMaxRestarts) restarts.push_back(now);
  fields.append("uptimeMsec", *millis);
  {
    auto kept = fields.open_array("restarts");
    for (const auto at : restarts) kept.append(at);
  }
  auto all = *figures.as_object();
  all.emplace_back("RESTARTS_IN_LAST_HOUR", static_cast<std::int64_t>(restarts.size()));
  figures = Json(std::move(all));
}

}  // namespace

Status Measurements::take(const std::string& host, const Json& sample, bson::View known, std::int64_t now, bson::Builder& fields) {
  fields.append("counters", document_of(counters_of(sample)));
  // A figure for each metric, a rate for each counter that did not begin anew.
  const auto last = number_of(known, "lastPing");
  auto figures = figures_of(sample, object_of(known, "counters"), last == 0 ? 0 : now - last);
  add_restarts(figures, sample, known, now, fields);
  const auto minute = now / 60'000 * 60'000;
  bson::Builder point;
  point.append("hostId", host).append("at", bson::DateTime{minute}).append("values", document_of(figures));
  TRY(store_.upsert(kHosts, id_of(host, minute), bson::make_document({{"$set", std::move(point).finish()}})));
  TRY(take_sizes(host, sample, minute, fields));
  bson::Builder old;
  old.append("hostId", host);
  old.open_document("at").append("$lt", bson::DateTime{now - kKeptMillis});
  const auto filter = std::move(old).finish();
  for (const auto* collection : {kHosts, kSizes}) TRY(store_.remove(collection, filter));
  return {};
}

// One document for all databases of a sample that has their sizes.
Status Measurements::take_sizes(const std::string& host, const Json& sample, std::int64_t minute, bson::Builder& fields) {
  const auto sizes = sizes_by_database(sample);
  if (sizes.databases.empty()) return {};
  {
    auto names = fields.open_array("databases");
    for (const auto& [name, values] : sizes.databases) names.append(name);
  }
  fields.append("tellsDisk", sizes.disk.as_object() != nullptr);
  bson::Builder point;
  point.append("hostId", host).append("at", bson::DateTime{minute});
  {
    // By place, not by name: a name may be anything.
    auto databases = point.open_array("databases");
    for (const auto& [name, values] : sizes.databases) {
      auto one = databases.open_document();
      one.append("name", name);
      append_json(one, "values", values);
    }
  }
  append_json(point, "disk", sizes.disk);
  TRY(store_.upsert(kSizes, id_of(host, minute), bson::make_document({{"$set", std::move(point).finish()}})));
  return {};
}

Result<std::vector<MeasuredPoint>> Measurements::of_host(const std::string& host, std::int64_t from_millis, std::int64_t to_millis) {
  std::vector<MeasuredPoint> points;
  for (const auto& document : TRY(points_of(kHosts, host, from_millis, to_millis))) points.push_back(point_of(document, object_of(document, "values")));
  return points;
}

Result<std::vector<MeasuredPoint>> Measurements::of_database(const std::string& host, const std::string& database, std::int64_t from_millis, std::int64_t to_millis) {
  std::vector<MeasuredPoint> points;
  for (const auto& document : TRY(points_of(kSizes, host, from_millis, to_millis))) {
    const auto databases = document["databases"].to_array();
    if (!databases) continue;
    for (const auto& item : *databases)
      if (text_of(object_in(item), "name") == database) points.push_back(point_of(document, object_of(object_in(item), "values")));
  }
  return points;
}

Result<std::vector<MeasuredPoint>> Measurements::of_disk(const std::string& host, std::int64_t from_millis, std::int64_t to_millis) {
  std::vector<MeasuredPoint> points;
  for (const auto& document : TRY(points_of(kSizes, host, from_millis, to_millis))) points.push_back(point_of(document, object_of(document, "disk")));
  return points;
}

Result<std::vector<bson::Document>> Measurements::points_of(const char* collection, const std::string& host, std::int64_t from_millis, std::int64_t to_millis) {
  bson::Builder filter;
  filter.append("hostId", host);
  {
    auto at = filter.open_document("at");
    at.append("$gte", bson::DateTime{from_millis}).append("$lte", bson::DateTime{to_millis});
  }
  const auto limit = static_cast<int>(std::chrono::duration_cast<std::chrono::minutes>(kMeasurementsKept).count()) + 60;
  return store_.find(collection, std::move(filter).finish(), {1, limit});
}

Status Measurements::forget(const std::string& host) {
  for (const auto* collection : {kHosts, kSizes}) TRY(store_.remove(collection, bson::make_document({{"hostId", host}})));
  return {};
}

}  // namespace drover::control
