#include "control/event_log.h"

#include "control/fields.h"
#include "control/identity.h"

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

Result<EventLog::Page> EventLog::of_project(const std::string& group, control::Page page) {
  const auto filter = bson::make_document({{"groupId", group}});
  Page found;
  for (const auto& document : TRY(store_.find(kEvents, filter, page, Order::kNewestFirst))) {
    found.events.push_back({text_of(document, "_id"), text_of(document, "groupId"), text_of(document, "eventTypeName"), text_of(document, "created"),
                            text_of(document, "hostname"), static_cast<int>(number_of(document, "port")), text_of(document, "detail")});
  }
  found.total = TRY(store_.count(kEvents, filter));
  return found;
}

}  // namespace drover::control
