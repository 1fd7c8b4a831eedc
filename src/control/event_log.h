// What happened in a project, in the words of the public API's event types (spec/control-plane.md 6.3). Told once, after what it
// tells of is kept; a crash in between loses the telling, never the thing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "control/store.h"

namespace drover::control {

struct Event {
  std::string id;
  std::string group;
  std::string type;      // "HOST_DOWN"
  std::string created;   // ISO 8601
  std::string hostname;  // empty: it is about none
  int port = 0;
  std::string detail;
};

class EventLog {
 public:
  EventLog(Store& store, Runtime& runtime) : store_(store), runtime_(runtime) {}

  Status tell(const std::string& group, std::string_view type, const std::string& hostname = {}, int port = 0, const std::string& detail = {});
  struct Page {
    std::vector<Event> events;  // newest first
    std::int64_t total = 0;
  };
  Result<Page> of_project(const std::string& group, control::Page page);

 private:
  Store& store_;
  Runtime& runtime_;
};

}  // namespace drover::control
