#include "api/project_settings_routes.h"

#include <algorithm>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/route_adder.h"

namespace drover::api {
namespace {

using control::Access;
using control::ProjectSettings;

constexpr const char* kDbStats = "isCollectDatabaseSpecificsStatisticsEnabled";
// Of Atlas's console and its advisors. None of it is here, so none of it can be on.
constexpr const char* kElsewhere[] = {"isDataExplorerEnabled",
                                      "isDataExplorerGenAIFeaturesEnabled",
                                      "isDataExplorerGenAISampleDocumentPassingEnabled",
                                      "isExtendedStorageSizesEnabled",
                                      "isPerformanceAdvisorEnabled",
                                      "isRealtimePerformancePanelEnabled",
                                      "isSchemaAdvisorEnabled"};

RestReply settings_reply(const ProjectSettings& settings) {
  Json::Object body{{kDbStats, settings.collects_db_stats}};
  for (const auto* field : kElsewhere) body.emplace_back(field, false);
  return {200, std::move(body)};
}

class ProjectSettingsRoutes {
 public:
  explicit ProjectSettingsRoutes(control::ProjectSettingsRecords& settings) : settings_(settings) {}

  RestResult<RestReply> get(const RestRequest& request) const { return settings_reply(TRY_REST(settings_.of(request.name("groupId")))); }

  RestResult<RestReply> change(const RestRequest& request) const {
    for (const auto& [name, value] : *request.body.as_object()) {
      const bool elsewhere = std::find(std::begin(kElsewhere), std::end(kElsewhere), name) != std::end(kElsewhere);
      if (name != kDbStats && !elsewhere) return bad_field("INVALID_ATTRIBUTE", name, "is not supported here");
      if (TRY_BODY(optional_flag(request.body, name, false)) && elsewhere)
        return bad_field("INVALID_ATTRIBUTE", name, "must be false: this server has nothing of the kind");
    }
    const auto& group = request.name("groupId");
    auto settings = TRY_REST(settings_.of(group));
    settings.collects_db_stats = TRY_BODY(optional_flag(request.body, kDbStats, settings.collects_db_stats));
    TRY_REST(settings_.set(group, settings));
    return settings_reply(settings);
  }

 private:
  control::ProjectSettingsRecords& settings_;
};

}  // namespace

void add_project_settings_routes(RouteTable& table, control::ProjectSettingsRecords& settings) {
  RouteAdder<ProjectSettingsRoutes> add(table, std::make_shared<const ProjectSettingsRoutes>(settings), {Family::kAtlasV2, Family::kAtlasV1, Family::kCloudManager});
  add("GET", "/groups/{groupId}/settings", Access::kGroupRead, &ProjectSettingsRoutes::get);
  add("PATCH", "/groups/{groupId}/settings", Access::kGroupOwn, &ProjectSettingsRoutes::change, "X_GROUP_SETTINGS_CHANGED");
}

}  // namespace drover::api
