#include "control/event_log.h"

#include "control/identity.h"
#include "control/json_document.h"

namespace drover::control {
namespace {

constexpr const char* kEvents = "events";

}  // namespace

Status EventLog::tell(const std::string& group, std::string_view type, const std::string& hostname, int port, const std::string& detail) {
  TRY(store_.insert(kEvents, bson::make_document({{"_id", new_id(runtime_)},
                                                  {"groupId", group},
                                                  {"eventTypeName", type},
                                                  {"created", iso_time(runtime_)},
                                                  {"hostname", hostname},
                                                  {"port", port},
                                                  {"detail", detail}})));
  return {};
}

Status EventLog::tell(const Json::Object& event) {
  bson::Builder document;
  document.append("_id", new_id(runtime_)).append("created", iso_time(runtime_));
  for (const auto& [name, value] : event)
    if (name != "_id" && name != "created") append_json(document, name, value);
  TRY(store_.insert(kEvents, std::move(document).finish()));
  return {};
}

}  // namespace drover::control
