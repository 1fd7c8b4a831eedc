#include "control/project_settings.h"

#include "control/fields.h"

namespace drover::control {
namespace {

constexpr const char* kSettings = "projectSettings";
constexpr const char* kDbStats = "collectDbStats";

bson::Document of_group(const std::string& group) { return bson::make_document({{"_id", group}}); }

}  // namespace

Result<ProjectSettings> ProjectSettingsRecords::of(const std::string& group) {
  ProjectSettings settings;
  const auto found = TRY(store_.find_one(kSettings, of_group(group)));
  if (found && (*found)[kDbStats]) settings.collects_db_stats = flag_of(*found, kDbStats);
  return settings;
}

Status ProjectSettingsRecords::set(const std::string& group, const ProjectSettings& settings) {
  TRY(store_.upsert(kSettings, of_group(group), bson::make_document({{"$set", bson::make_document({{kDbStats, settings.collects_db_stats}})}})));
  return {};
}

Status ProjectSettingsRecords::forget(const std::string& group) {
  TRY(store_.remove(kSettings, of_group(group)));
  return {};
}

}  // namespace drover::control
