#include "control/events.h"

#include "bson/builder.h"
#include "control/json_document.h"

namespace drover::control {
namespace {

constexpr const char* kEvents = "events";

const char* field_of(Events::Of of) { return of == Events::Of::kGroup ? "groupId" : "orgId"; }

Json event_of(bson::View document) {
  Json::Object fields;
  const auto kept = json_of(document);
  for (const auto& [name, value] : *kept.as_object()) {
    const bool nothing = (value.as_string() != nullptr && value.as_string()->empty()) || (value.as_int() != nullptr && *value.as_int() == 0);
    if (!nothing) fields.emplace_back(name == "_id" ? "id" : name, value);
  }
  return fields;
}

}  // namespace

Result<Listed<Json>> Events::list(Of of, const std::string& owner, const std::string& type, Page page) {
  bson::Builder builder;
  builder.append(field_of(of), owner);
  if (!type.empty()) builder.append("eventTypeName", type);
  const auto filter = std::move(builder).finish();
  Listed<Json> listed;
  for (const auto& document : TRY(store_.find(kEvents, filter, page, Order::kNewestFirst))) listed.items.push_back(event_of(document));
  listed.total = TRY(store_.count(kEvents, filter));
  return listed;
}

Result<std::optional<Json>> Events::find(Of of, const std::string& owner, const std::string& id) {
  const auto found = TRY(store_.find_one(kEvents, bson::make_document({{"_id", id}, {field_of(of), owner}})));
  if (!found) return std::optional<Json>();
  return std::optional(event_of(*found));
}

}  // namespace drover::control
