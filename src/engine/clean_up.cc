#include "engine/clean_up.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/cutover.h"
#include "engine/job_state.h"
#include "engine/mutants.h"
#include "engine/retry.h"
#include "engine/server_codes.h"
#include "engine/state_store.h"

namespace drover::engine {
namespace {

// x_migration first, since nobody goes on without it; for builds that do not know of the record in x_owner, whether it was committed (x_cutover) and
// whose it was (x_control) late; x_owner last, and before it x_fences, which each take-over makes again.
std::ptrdiff_t place_of(std::string_view collection) {
  constexpr std::array<std::string_view, 5> kLast{"x_cutover", "x_hooks", "x_control", "x_fences", "x_owner"};
  if (collection == "x_migration") return -2;
  const auto last = std::find(kLast.begin(), kLast.end(), collection);
  return last == kLast.end() ? -1 : last - kLast.begin();
}

class StateRemoval {
 public:
  StateRemoval(cluster::Deployment& destination, StateStore& state, Runtime& runtime, const std::function<void(const std::string&)>& waits, const std::stop_token& stop)
      : destination_(destination), state_(state), runtime_(runtime), waits_(waits), stop_(stop) {}

  // `carried_on`: another process had begun it, and may have sent what has not arrived yet.
  Status run(bool carried_on) {
    const auto facts = TRY(retry_temporary(runtime_, stop_, [&] { return destination_.facts(); }));
    drops_by_uuid_ = facts.fcv >= ServerVersion{6, 0, 0};
    auto infos = TRY(retry_temporary(runtime_, stop_, [&] { return destination_.list_collections(std::string(kStateDatabase)); }));
    std::stable_sort(infos.begin(), infos.end(), [](const auto& a, const auto& b) { return place_of(a.ns.collection) < place_of(b.ns.collection); });
    for (const auto& info : infos) {
      if (carried_on && info.ns.collection == "x_owner") TRY(await_late_drops("a removal that was interrupted is carried on"));
      if (auto dropped = drop(info); !dropped) {
        auto error = std::move(dropped).error().with_context("removing " + info.ns.to_string());
        if (dropped_any_) error.message += "; the state may be removed in part: run --cleanup again to remove the rest. If it finds nothing any more, this one had removed everything";
        return tl::unexpected(std::move(error));
      }
      dropped_any_ = true;
      runtime_.reached("cleanup.after_drop");
    }
    return {};
  }
  bool dropped_any() const { return dropped_any_; }  // or may have

 private:
  Status await_late_drops(const char* because) {
    if (drops_by_uuid_ || mutant("late_drop_not_awaited")) return {};
    waits_(fmt::format("{}; waiting {} s, until nothing can arrive late any more", because, std::chrono::seconds(kLateDrop).count()));
    if (!runtime_.sleep(kLateDrop, stop_)) return tl::unexpected(stopped_error());
    return {};
  }

  Status drop(const CollectionInfo& info) {
    bool awaited = true, looked = true;
    return retry_temporary(runtime_, stop_, [&]() -> Status {
      if (!awaited) TRY(await_late_drops("the answer to a drop is lost"));
      awaited = true;
      // Looked at before ownership is asked for: with x_owner that may be gone too.
      if (!looked && !TRY(destination_.find_collection(info.ns.db, info.uuid))) return {};
      looked = true;
      TRY(state_.confirm_owner(stop_, true));
      auto done = destination_.drop_collection(info.ns, {.collection = info.uuid});
      if (!done && done.error().server_code == kServerUuidMismatch) return {};  // gone, and the name is somebody else's
      const bool unanswered = !done && (done.error().code == ErrorCode::kTemporary || done.error().code == ErrorCode::kInterrupted);
      awaited = looked = !unanswered;
      dropped_any_ = dropped_any_ || unanswered;
      return done;
    });
  }

  cluster::Deployment& destination_;
  StateStore& state_;
  Runtime& runtime_;
  const std::function<void(const std::string&)>& waits_;
  const std::stop_token stop_;
  bool drops_by_uuid_ = false;
  bool dropped_any_ = false;
};

}  // namespace

Result<CleanedUp> clean_up(cluster::Deployment& source, cluster::Deployment& destination, std::string_view user, Runtime& runtime, Log& log,
                           const std::stop_token& stop, const CleanUp& what) {
  std::vector<Uuid> sessions;
  for (int i = 0; i < StateStore::kSessions + 1; ++i) sessions.push_back(Uuid::random(runtime));
  StateStore state(destination, runtime, sessions);
  destination.use_session_for_catalog(sessions[StateStore::kSessions]);
  const std::function<void(const std::string&)> waits = [&](const std::string& why) {
    log.warn(why);
    if (what.waits) what.waits(why);
  };
  const auto for_another = [&] { waits("an earlier process wrote as another user of the destination; waiting until it must have stopped"); };
  TRY(state.take_over(sessions, user, for_another, stop));
  runtime.reached("cleanup.after_takeover");
  const auto load = [&](const auto& collection) { return state.load(collection, stop); };
  const auto leave = [&](CleanedUp how) -> Result<CleanedUp> {
    TRY(state.release(stop));  // whoever was shut out begins again, and waits for nobody
    return how;
  };
  if (!TRY(is_state_of_job(load, what.job))) return leave(CleanedUp::kAnothers);
  const auto earlier = TRY(preflight::unfinished_removal(load));
  auto removal = earlier.value_or(preflight::Removal{});
  CleanUp::Seen here{.half_removed = earlier.has_value()};
  bool blocked = false;
  if (!earlier) {
    for (const auto& found : TRY(load("x_migration"))) {
      here.migration = found["uuid"].to_uuid().value_or(Uuid{});
      removal.committed = found["phase"].to_string_view() == std::string_view("committed");
      blocked = found["destinationBlocked"].is_truthy() && !removal.committed;
    }
    removal.job = TRY(preflight::job_of_state(load));
  }
  if (what.seen && (what.seen->migration != here.migration || what.seen->half_removed != here.half_removed)) return leave(CleanedUp::kChanged);
  if (removal.committed && what.only == CleanUp::Only::kBegun) return leave(CleanedUp::kCommitStays);
  if (!removal.committed && what.only == CleanUp::Only::kCommitted) return leave(CleanedUp::kNotCommitted);
  if (!earlier && !removal.committed && TRY(recover_cutover(source, runtime, log, state, stop)) == CutoverFound::kDecided) return leave(CleanedUp::kDecided);
  if (blocked) TRY(retry_temporary(runtime, stop, [&] { return destination.set_write_block(false); }));
  runtime.reached("cleanup.before_record");
  if (!removal.recorded && !mutant("removal_unrecorded")) TRY(state.record_removal(removal, stop));
  runtime.reached("cleanup.after_record");
  StateRemoval rest(destination, state, runtime, waits, stop);
  if (auto done = rest.run(removal.recorded); !done) {
    // Refused at the first, for want of a right: it can be gone on with.
    if (!earlier && !rest.dropped_any() && done.error().code != ErrorCode::kInterrupted && done.error().code != ErrorCode::kWrongState) (void)state.record_removal(std::nullopt, stop);
    return tl::unexpected(std::move(done).error());
  }
  if (removal.committed) return CleanedUp::kCommitted;
  return removal.recorded || !here.migration.is_nil() ? CleanedUp::kBegun : CleanedUp::kRemnant;
}

}  // namespace drover::engine
