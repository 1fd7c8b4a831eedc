#include "engine/state_store.h"

#include "bson/builder.h"
#include "engine/state_fields.h"

namespace drover::engine {
namespace {

inline constexpr std::chrono::milliseconds kOldCommandsPoll{50};

Error lost_ownership() {
  return Error{ErrorCode::kWrongState,
               "another drover process has taken over this migration, or its state was removed; this one stops",
               0,
               {}};
}

}  // namespace

bson::Value value_of(std::string_view text) {
  return bson::Value(bson::make_document({{"", text}}).view().first());
}
bson::Value value_of(const Uuid& uuid) { return bson::Value(bson::make_document({{"", uuid}}).view().first()); }

// One writer of a session at a time, without holding a lock over the network. False when stopped before it came.
class StateStore::Turn {
 public:
  Turn(Runtime::Monitor& monitor, bool& busy, const std::stop_token& stop) : monitor_(monitor), busy_(busy) {
    MonitorLock lock(monitor_);
    taken_ = monitor_.wait(stop, {}, [&] { return !busy_; });
    if (taken_) busy_ = true;
  }
  ~Turn() {
    if (!taken_) return;
    MonitorLock lock(monitor_);
    busy_ = false;
    monitor_.notify_all();
  }
  Turn(const Turn&) = delete;
  explicit operator bool() const { return taken_; }

 private:
  Runtime::Monitor& monitor_;
  bool& busy_;
  bool taken_ = false;
};

bson::Document StateStore::owner_document(std::span<const Owned> sessions) const {
  bson::Builder builder;
  builder.append("_id", "owner").append("epoch", epoch_).append("restarts", restarts_);
  {
    auto array = builder.open_array("sessions");
    for (const auto& session : sessions) array.open_document().append("id", session.id).append("user", session.user);
  }
  if (removal_) builder.append("removing", preflight::to_document(*removal_));
  return std::move(builder).finish();
}

// The epoch after the one that is recorded, and the sessions of those who had that one and earlier ones.
Result<std::vector<StateStore::Owned>> StateStore::next_epoch(const std::stop_token& stop) {
  std::vector<Owned> earlier;
  const auto time = TRY(retry_temporary(runtime_, stop, [&] { return destination_.majority_time(); }));
  epoch_ = mutant("epochs_begin_anew") ? 1 : static_cast<std::int64_t>(time.value());
  restarts_ = 0;
  removal_.reset();
  for (const auto& owner : TRY(load("x_owner", stop))) {
    const StateFields fields("x_owner", owner);
    epoch_ = TRY(fields.number("epoch")) + 1;
    restarts_ = owner["restarts"].to_int64().value_or(0) + 1;
    removal_ = preflight::removal_in(owner);
    if (!owner["sessions"].exists()) continue;
    for (const auto& entry : TRY(fields.array("sessions"))) {  // one that cannot be read would not be shut out
      const StateFields session("x_owner", entry.to_document().value_or(bson::View()));
      earlier.push_back({TRY(session.uuid("id")), std::string(entry.document_value()["user"].to_string_view().value_or(""))});
    }
  }
  return earlier;
}

Status StateStore::take_over(std::span<const Uuid> sessions, std::string_view user, const std::function<void()>& waiting,
                             const std::stop_token& stop) {
  std::vector<Owned> ours;
  for (const auto& session : sessions) ours.push_back({session, std::string(user)});
  std::vector<Owned> earlier;
  for (bool won = false; !won;) {
    earlier = TRY(next_epoch(stop));
    // The earlier sessions stay in the document until they are shut out: a crash in between must not forget them.
    std::vector<Owned> all = ours;
    all.insert(all.end(), earlier.begin(), earlier.end());
    won = TRY(owner_session_.save_state("x_owner", owner_document(all), cluster::StateCondition::kEpochBelow, stop));
  }
  ours_ = std::move(ours);
  owner_ = owner_document(ours_);
  if (!mutant("fence_skipped")) TRY(shut_out(earlier, user, waiting, stop));
  return retry_temporary(runtime_, stop, [&] { return confirm_owner(stop, true); });
}

Status StateStore::shut_out(std::span<const Owned> earlier, std::string_view user, const std::function<void()>& waiting,
                            const std::stop_token& stop) {
  std::vector<Uuid> ids;
  bool others = false;
  for (const auto& session : earlier) {
    ids.push_back(session.id);
    others |= session.user != user;
    TRY(retry_temporary(runtime_, stop, [&] { return destination_.fence_session(session.id); }));
  }
  if (others) {
    if (waiting) waiting();
    if (!runtime_.sleep(kOtherUserGoneAfter, stop)) return tl::unexpected(stopped_error());
  }
  while (!ids.empty()) {
    const int running = TRY(retry_temporary(runtime_, stop, [&] { return destination_.running_operations(ids); }));
    if (running == 0) break;
    if (!runtime_.sleep(kOldCommandsPoll, stop)) return tl::unexpected(stopped_error());
  }
  return {};
}

Status StateStore::release(const std::stop_token& stop) {
  const Turn turn(*monitor_, owner_busy_, stop);
  if (!turn) return tl::unexpected(stopped_error());
  owner_ = owner_document({});
  TRY(owner_session_.save_state("x_owner", owner_, cluster::StateCondition::kSameEpoch, stop));
  return {};
}

Status StateStore::record_removal(const std::optional<preflight::Removal>& removal, const std::stop_token& stop) {
  const Turn turn(*monitor_, owner_busy_, stop);
  if (!turn) return tl::unexpected(stopped_error());
  removal_ = removal;
  owner_ = owner_document(ours_);
  const bool saved = TRY_WITH(owner_session_.save_state("x_owner", owner_, cluster::StateCondition::kSameEpoch, stop),
                              "recording that the migration's state is being removed");
  if (!saved) return tl::unexpected(lost_ownership());
  return {};
}

Result<std::vector<bson::Document>> StateStore::load(const std::string& collection, const std::stop_token& stop) {
  return retry_temporary(runtime_, stop, [&] { return destination_.load_state(collection); });
}

Status StateStore::save(const std::string& collection, const bson::Value& id, bson::View fields,
                        const std::stop_token& stop) {
  bson::Builder builder;
  builder.append("_id", id).append("epoch", epoch_).append_all(fields);
  const auto document = std::move(builder).finish();
  const Turn turn(*monitor_, busy_, stop);
  if (!turn) return tl::unexpected(stopped_error());
  const bool saved = TRY_WITH(session_.save_state(collection, document, cluster::StateCondition::kEpochAtMost, stop),
                              "recording the migration's state in " + collection);
  if (!saved) return tl::unexpected(lost_ownership());
  return {};
}

Status StateStore::confirm_owner(const std::stop_token& stop, bool again) {
  if (mutant("owner_not_asked")) return {};
  const Duration since = runtime_.now() - (again ? Duration{} : kOwnerConfirmedFor);
  const auto known = [&] { return Duration(confirmed_) > since; };
  if (known()) return {};
  const Turn turn(*monitor_, owner_busy_, stop);
  if (!turn) return tl::unexpected(stopped_error());
  if (known()) return {};  // another thread has asked meanwhile
  const Duration begun = runtime_.now();
  const bool owned = TRY_WITH(owner_session_.try_save_state("x_owner", owner_, cluster::StateCondition::kSameEpoch),
                              "asking who owns the migration");
  if (!owned) return tl::unexpected(lost_ownership());
  confirmed_ = begun.count();
  return {};
}

Status StateStore::save(const std::string& collection, std::string_view id, bson::View fields,
                        const std::stop_token& stop) {
  return save(collection, value_of(id), fields, stop);
}

Status StateStore::remove(const std::string& collection, std::span<const bson::Value> ids, const std::stop_token& stop) {
  if (ids.empty()) return {};
  const Turn turn(*monitor_, busy_, stop);
  if (!turn) return tl::unexpected(stopped_error());
  return session_.remove_state(collection, ids, epoch_, stop);
}

}  // namespace drover::engine
