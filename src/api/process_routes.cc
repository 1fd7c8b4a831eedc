#include "api/process_routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/monitoring_json.h"
#include "api/route_adder.h"
#include "control/deployments.h"
#include "control/import_attention.h"

namespace drover::api {
namespace {

using control::Access;
using control::ClusterProcess;
using control::LiveImport;

constexpr std::int64_t kExpiresSoonMillis = std::int64_t{24} * 3600 * 1000;

Json process_json(const RestRequest& request, const std::string& group, const control::Cluster& cluster, const ClusterProcess& process) {
  const auto [host, port] = control::host_and_port_of(process.host);
  Json::Object body{{"created", cluster.created},
                    {"groupId", group},
                    {"hostname", host},
                    {"id", process.host},
                    {"links", self_link(request, fmt::format("/groups/{}/processes/{}", group, control::percent_encoded(process.host)))},
                    {"port", port},
                    {"typeName", process.type},
                    {"userAlias", host}};
  if (process.last_ping_millis != 0) body.emplace_back("lastPing", iso_of_millis(process.last_ping_millis));
  if (!process.replica_set.empty()) body.emplace_back("replicaSetName", process.replica_set);
  if (!process.version.empty()) body.emplace_back("version", process.version);
  return body;
}

class ProcessRoutes {
 public:
  explicit ProcessRoutes(ProcessServices services) : services_(services) {}

  RestResult<RestReply> list(const RestRequest& request) const { return paged(request, TRY_BODY(all_of(request))); }

  RestResult<RestReply> get(const RestRequest& request) const {
    const auto& id = request.name("processId");
    for (auto& one : TRY_BODY(all_of(request)))
      if (*one.find("id")->as_string() == id) return RestReply{200, std::move(one)};
    return refuse(404, "HOSTNAME_AND_PORT_NOT_FOUND", fmt::format("No process {} exists in group {}.", id, request.name("groupId")), {id, request.name("groupId")});
  }

  RestResult<RestReply> alerts(const RestRequest& request) const {
    constexpr std::string_view kStatuses[] = {"OPEN", "CLOSED", "TRACKING"};
    const auto status = request.query.find("status");
    if (status != request.query.end() && std::find(std::begin(kStatuses), std::end(kStatuses), status->second) == std::end(kStatuses))
      return bad_field("INVALID_ENUM_VALUE", "status", "must be one of OPEN, CLOSED, TRACKING");
    auto all = TRY_BODY(open_alerts(request));
    if (status != request.query.end() && status->second != "OPEN") all.clear();  // what is over is not kept
    return paged(request, std::move(all));
  }

  RestResult<RestReply> alert(const RestRequest& request) const { return alert_named(request, TRY_BODY(open_alerts(request))); }

 private:
  RestResult<Json::Array> all_of(const RestRequest& request) const {
    const auto& group = request.name("groupId");
    Json::Array all;
    const auto clusters = TRY_REST(services_.clusters.of_group(group, {1, kMaxClustersOfAnswer}));
    const auto processes = services_.processes.of(clusters);
    for (std::size_t i = 0; i < clusters.size(); ++i)
      for (const auto& process : processes[i]) all.push_back(process_json(request, group, clusters[i], process));
    return all;
  }

  // An alert is the same one as long as it is so.
  RestResult<Json::Array> open_alerts(const RestRequest& request) const {
    const auto& group = request.name("groupId");
    const auto now = services_.imports.now_millis();
    Json::Array all;
    const auto add = [&](const LiveImport& import, const char* type, std::int64_t since, std::string detail) {
      const auto id = control::Deployments::host_id(group, fmt::format("{}/{}", type, import.id)).substr(0, 24);
      all.push_back(Json::Object{{"clusterName", import.request.destination_cluster},
                                 {"created", iso_of_millis(since)},
                                 {"detail", std::move(detail)},
                                 {"eventTypeName", type},
                                 {"groupId", group},
                                 {"id", id},
                                 {"links", self_link(request, fmt::format("/groups/{}/alerts/{}", group, id))},
                                 {"liveMigrationId", import.id},
                                 {"orgId", request.org},
                                 {"status", "OPEN"},
                                 {"updated", iso_of_millis(now)}});
    };
    std::vector<control::LiveImport> open;
    TRY_REST(services_.imports.each_open(bson::make_document({{"groupId", group}}), [&](const control::LiveImport& import) -> Status {
      open.push_back(import);
      return {};
    }));
    for (const auto& import : open) {
      if (import.kind != control::ImportKind::kMigration) continue;
      if (import.host_silent_since != 0)
        add(import, "X_CLUSTER_IMPORT_HOST_SILENT", import.host_silent_since, control::attention_of(import, TRY_REST(services_.links.find(import.link)), now));
      if (import.engine_silent_since != 0)
        add(import, "X_CLUSTER_IMPORT_ENGINE_SILENT", import.engine_silent_since, control::attention_of(import, std::nullopt, now));
      if (import.state == control::ImportState::kWorking && import.timer_end != 0 && import.timer_end - now <= kExpiresSoonMillis)
        add(import, "X_CLUSTER_IMPORT_EXPIRES_SOON", import.timer_end - kExpiresSoonMillis,
            fmt::format("The live migration {} waits for its cutover, and expires at {}. Cut over, or extend it (drover migration extend).", import.id, iso_of_millis(import.timer_end)));
    }
    return all;
  }

  static RestResult<RestReply> paged(const RestRequest& request, Json::Array all) {
    const auto total = static_cast<std::int64_t>(all.size());
    const auto first = std::min<std::int64_t>(total, static_cast<std::int64_t>(request.page.number - 1) * request.page.items);
    const auto last = std::min<std::int64_t>(total, first + request.page.items);
    return RestReply{200, page_of(request, Json::Array(all.begin() + first, all.begin() + last), total)};
  }

  const ProcessServices services_;
};

}  // namespace

void add_process_routes(RouteTable& table, ProcessServices services) {
  RouteAdder<ProcessRoutes> add(table, std::make_shared<const ProcessRoutes>(services), {Family::kAtlasV2, Family::kAtlasV1});
  add("GET", "/groups/{groupId}/processes", Access::kGroupRead, &ProcessRoutes::list);
  add("GET", "/groups/{groupId}/processes/{processId}", Access::kGroupRead, &ProcessRoutes::get);
  add("GET", "/groups/{groupId}/alerts", Access::kGroupRead, &ProcessRoutes::alerts);
  add("GET", "/groups/{groupId}/alerts/{alertId}", Access::kGroupRead, &ProcessRoutes::alert);
}

}  // namespace drover::api
