// What happened in a project, in the words of the public API's event types (spec/control-plane.md 6.3). Told once, after what it
// tells of is kept; a crash in between loses the telling, never the thing.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "control/store.h"

namespace drover::control {

class EventLog {
 public:
  EventLog(Store& store, Runtime& runtime) : store_(store), runtime_(runtime) {}

  Status tell(const std::string& group, std::string_view type, const std::string& hostname = {}, int port = 0, const std::string& detail = {});
  // With its eventTypeName, its organization or project, and what else there is to tell; `_id` and `created` are made here.
  Status tell(const Json::Object& event);

 private:
  Store& store_;
  Runtime& runtime_;
};

}  // namespace drover::control
