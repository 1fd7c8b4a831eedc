// Switches of a project (spec/control-plane.md 2.1, the Admin API's GroupSettings): what of them means something here. Thread-safe; several processes may
// work on one store.
#pragma once

#include <string>

#include "base/error.h"
#include "control/store.h"

namespace drover::control {

struct ProjectSettings {
  bool collects_db_stats = true;  // "Collect Database Specific Statistics": agents ask the project's deployments for dbStats
};

class ProjectSettingsRecords {
 public:
  explicit ProjectSettingsRecords(Store& store) : store_(store) {}

  Result<ProjectSettings> of(const std::string& group);  // the defaults, where nothing was set
  Status set(const std::string& group, const ProjectSettings& settings);
  Status forget(const std::string& group);

 private:
  Store& store_;
};

}  // namespace drover::control
