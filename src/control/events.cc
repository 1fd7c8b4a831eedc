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

Result<Listed<Json>> Events::list(Of of, const std::string& owner, const Wanted& wanted, Page page) {
  bson::Builder builder;
  builder.append(field_of(of), owner);
  const auto append_all = [](bson::Builder& to, const char* verb, const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    auto list = to.open_array(verb);
    for (const auto& text : texts) list.append(text);
  };
  if (!wanted.types.empty() || !wanted.not_types.empty()) {
    auto type = builder.open_document("eventTypeName");
    append_all(type, "$in", wanted.types);
    append_all(type, "$nin", wanted.not_types);
  }
  if (!wanted.clusters.empty()) {
    auto cluster = builder.open_document("clusterName");
    append_all(cluster, "$in", wanted.clusters);
  }
  if (!wanted.from.empty() || !wanted.to.empty()) {
    auto created = builder.open_document("created");
    if (!wanted.from.empty()) created.append("$gte", wanted.from);
    if (!wanted.to.empty()) created.append("$lte", wanted.to);
  }
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

// An event's id begins with the time of its making, and the store's own order is that of ids: no index more is needed, and none that a clock
// of the store would empty.
Result<std::int64_t> Events::forget_older_than(std::chrono::hours age) {
  bson::Builder older;
  older.open_document("_id").append("$lt", first_id_of(runtime_.wall_time() - age));
  const auto old = TRY(store_.find(kEvents, std::move(older).finish(), {1, kSweepBatch}));
  if (old.empty()) return 0;
  bson::Builder these;
  these.open_document("_id").append("$lte", old.back()["_id"].to_string_view().value_or(""));
  return store_.remove(kEvents, std::move(these).finish());
}

void Events::keep_for(std::chrono::hours age, Log& log, const std::stop_token& stop) {
  do {
    std::int64_t all = 0;
    for (;;) {
      const auto gone = forget_older_than(age);
      if (!gone) log.warn("old events cannot be deleted; it is tried again in an hour", {{"error", gone.error().message}});
      if (gone) all += *gone;
      if (!gone || *gone < kSweepBatch || stop.stop_requested()) break;
    }
    if (all > 0) log.info("old events are deleted", {{"events", all}, {"olderThanDays", age.count() / 24}});
  } while (runtime_.sleep(kSweepEvery, stop));
}

}  // namespace drover::control
