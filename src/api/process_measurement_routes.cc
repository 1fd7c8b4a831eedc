#include <algorithm>

#include <fmt/format.h>

#include "api/monitoring_json.h"
#include "api/process_routes.h"
#include "api/route_adder.h"

namespace drover::api {
namespace {

using control::Access;
using control::MeasuredProcess;

class ProcessMeasurementRoutes {
 public:
  explicit ProcessMeasurementRoutes(ProcessServices services) : services_(services) {}

  RestResult<RestReply> of_process(const RestRequest& request) const {
    const auto process = TRY_BODY(found(request));
    const auto query = TRY_BODY(parse_measurement_query(Measured::kHost, request, now_millis()));
    return measured(request, Measured::kHost, query, TRY_REST(figures().of_host(process.id, query.start, query.end)), {});
  }

  RestResult<RestReply> databases(const RestRequest& request) const { return parts(request, "databaseName", "databases", TRY_BODY(found(request)).databases); }
  RestResult<RestReply> database(const RestRequest& request) const {
    TRY_BODY(found_database(request));
    return RestReply{200, part(request, "databaseName", "databases", request.name("databaseName"))};
  }
  RestResult<RestReply> of_database(const RestRequest& request) const {
    const auto process = TRY_BODY(found_database(request));
    const auto& name = request.name("databaseName");
    const auto query = TRY_BODY(parse_measurement_query(Measured::kDatabase, request, now_millis()));
    return measured(request, Measured::kDatabase, query, TRY_REST(figures().of_database(process.id, name, query.start, query.end)), {"databaseName", name});
  }

  RestResult<RestReply> disks(const RestRequest& request) const {
    return parts(request, "partitionName", "disks", TRY_BODY(found(request)).tells_disk ? std::vector<std::string>{control::kDataPartition} : std::vector<std::string>());
  }
  RestResult<RestReply> disk(const RestRequest& request) const {
    TRY_BODY(found_disk(request));
    return RestReply{200, part(request, "partitionName", "disks", request.name("partitionName"))};
  }
  RestResult<RestReply> of_disk(const RestRequest& request) const {
    const auto process = TRY_BODY(found_disk(request));
    const auto query = TRY_BODY(parse_measurement_query(Measured::kDisk, request, now_millis()));
    return measured(request, Measured::kDisk, query, TRY_REST(figures().of_disk(process.id, query.start, query.end)), {"partitionName", request.name("partitionName")});
  }

 private:
  control::Measurements& figures() const { return services_.monitor.measurements(); }
  std::int64_t now_millis() const { return services_.imports.now_millis(); }

  // One that is a member of a cluster and was not measured has no figures.
  RestResult<MeasuredProcess> found(const RestRequest& request) const {
    const auto &group = request.name("groupId"), &host = request.name("processId");
    const auto clusters = TRY_REST(services_.clusters.of_group(group, {1, kMaxClustersOfAnswer}));
    if (auto process = TRY_REST(services_.monitor.find(group, host)))
      if (std::ranges::any_of(clusters, [&](const control::Cluster& one) { return one.id == process->cluster; })) return std::move(*process);
    for (const auto& of_cluster : services_.processes.of(clusters))
      for (const auto& one : of_cluster)
        if (one.host == host) return MeasuredProcess{"", "", host, {}, false};
    return refuse(404, "HOSTNAME_AND_PORT_NOT_FOUND", fmt::format("No process {} exists in group {}.", host, group), {host, group});
  }
  RestResult<MeasuredProcess> found_database(const RestRequest& request) const {
    auto process = TRY_BODY(found(request));
    const auto& name = request.name("databaseName");
    if (std::ranges::find(process.databases, name) == process.databases.end()) return missing("database", name, process);
    return process;
  }
  RestResult<MeasuredProcess> found_disk(const RestRequest& request) const {
    auto process = TRY_BODY(found(request));
    const auto& name = request.name("partitionName");
    if (!process.tells_disk || name != control::kDataPartition) return missing("partition", name, process);
    return process;
  }
  static tl::unexpected<RestError> missing(const char* what, const std::string& name, const MeasuredProcess& process) {
    return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("No {} {} is known of the process {}.", what, name, process.host), {name, process.host});
  }

  static std::string path_of(const RestRequest& request) {
    return fmt::format("/groups/{}/processes/{}", request.name("groupId"), control::percent_encoded(request.name("processId")));
  }
  static Json part(const RestRequest& request, const char* field, const char* path, const std::string& name) {
    return Json::Object{{field, name}, {"links", self_link(request, fmt::format("{}/{}/{}", path_of(request), path, control::percent_encoded(name)))}};
  }
  static RestReply parts(const RestRequest& request, const char* field, const char* path, const std::vector<std::string>& names) {
    Json::Array all;
    for (const auto& name : names) all.push_back(part(request, field, path, name));
    const auto total = static_cast<std::int64_t>(all.size());
    const auto first = std::min<std::int64_t>(total, static_cast<std::int64_t>(request.page.number - 1) * request.page.items);
    const auto last = std::min<std::int64_t>(total, first + request.page.items);
    return {200, page_of(request, Json::Array(all.begin() + first, all.begin() + last), total)};
  }
  // In Atlas a process's id is its host and port, and so is that of its host.
  static RestReply measured(const RestRequest& request, Measured what, const MeasurementQuery& query, const std::vector<control::MeasuredPoint>& points,
                            const std::pair<std::string, std::string>& about) {
    auto body = measurements_json(what, query, points);
    body.emplace_back("groupId", request.name("groupId"));
    body.emplace_back("hostId", request.name("processId"));
    body.emplace_back("processId", request.name("processId"));
    if (!about.first.empty()) body.emplace_back(about.first, about.second);
    const auto part = what == Measured::kHost ? std::string() : fmt::format("/{}/{}", what == Measured::kDisk ? "disks" : "databases", control::percent_encoded(about.second));
    body.emplace_back("links", self_link(request, path_of(request) + part + "/measurements"));
    return {200, Json(std::move(body))};
  }

  const ProcessServices services_;
};

}  // namespace

void add_process_measurement_routes(RouteTable& table, ProcessServices services) {
  RouteAdder<ProcessMeasurementRoutes> add(table, std::make_shared<const ProcessMeasurementRoutes>(services), {Family::kAtlasV2, Family::kAtlasV1});
  const std::string one = "/groups/{groupId}/processes/{processId}", databases = one + "/databases", disks = one + "/disks";
  add("GET", one + "/measurements", Access::kGroupRead, &ProcessMeasurementRoutes::of_process);
  add("GET", databases, Access::kGroupRead, &ProcessMeasurementRoutes::databases);
  add("GET", databases + "/{databaseName}", Access::kGroupRead, &ProcessMeasurementRoutes::database);
  add("GET", databases + "/{databaseName}/measurements", Access::kGroupRead, &ProcessMeasurementRoutes::of_database);
  add("GET", disks, Access::kGroupRead, &ProcessMeasurementRoutes::disks);
  add("GET", disks + "/{partitionName}", Access::kGroupRead, &ProcessMeasurementRoutes::disk);
  add("GET", disks + "/{partitionName}/measurements", Access::kGroupRead, &ProcessMeasurementRoutes::of_disk);
}

}  // namespace drover::api
