#include "cli/cleanup.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/job_state.h"
#include "engine/retry.h"
#include "preflight/found_migration.h"
#include "preflight/preflight.h"

namespace drover::cli {
namespace {

// The connections of a process that was killed are gone as soon as the server has noticed.
inline constexpr std::chrono::milliseconds kGonePoll{500};
inline constexpr int kGonePolls = 8;

Status nobody_is_at_it(cluster::Deployment& destination, Runtime& runtime, const std::stop_token& stop) {
  std::vector<std::string> who;
  for (int i = 0; i < kGonePolls; ++i) {
    who = TRY(preflight::who_migrates(destination));
    if (who.empty()) return {};
    if (!runtime.sleep(kGonePoll, stop)) return fail(ErrorCode::kInterrupted, "nothing was removed");
  }
  return fail(ErrorCode::kWrongState,
              fmt::format("somebody is at work on this destination right now ({}); stop that process first. Nothing was removed",
                          fmt::join(who, ", ")));
}

tl::unexpected<Error> not_committed() {
  return fail(ErrorCode::kWrongState, "the destination does not hold the record of a commit, but a migration that was begun; only that of a commit was to be removed. Nothing was removed");
}

}  // namespace

Result<Cleaned> clean_up_migration(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
                                   const std::function<Status(const std::string& question)>& confirmed,
                                   const std::stop_token& stop, const std::string& job, engine::CleanUp::Only only) {
  using engine::CleanedUp;
  using preflight::MigrationPhase;
  using Only = engine::CleanUp::Only;
  const auto found = TRY_WITH(
      engine::retry_temporary(runtime, stop, [&] { return preflight::find_migration(source, destination); }),
      "seeing whose migration it is");
  if (found.phase == MigrationPhase::kNone) {
    fmt::print(stderr, "The destination holds no state of a migration; nothing was changed. Whether an earlier --cleanup has removed one, and whether that one was committed, "
                       "cannot be told: look before you drop anything.\n");
    return Cleaned::kNothing;
  }
  const auto of_another = [&] {
    fmt::print(stderr, "The destination holds the state of another migration than {}; nothing was changed.\n", job);
    return Cleaned::kNothing;
  };
  const auto commit_stays = [] {
    fmt::print(stderr, "The migration was committed: its data is in use, and the record of it stays. Nothing was removed.\n");
    return Cleaned::kCommitStays;
  };
  const auto waits = [](const std::string& why) { fmt::print(stderr, "note: {}\n", why); };
  const auto load = [&](const std::string& collection) { return engine::retry_temporary(runtime, stop, [&] { return destination.load_state(collection); }); };
  // Now, before anybody is shut out for it, and once more under the epoch.
  if (!TRY(engine::is_state_of_job(load, job))) return of_another();
  const bool committed = found.phase == MigrationPhase::kCommitted;
  if (!found.of_this_source && !(committed && only == Only::kCommitted)) {
    return fail(ErrorCode::kWrongState,
                fmt::format("the destination holds the migration of another source{}; give that one as --source. Nothing was removed",
                            found.source.empty() ? "" : ", " + found.source));
  }
  if (found.phase == MigrationPhase::kDecided) return Cleaned::kDecided;
  if (committed && only == Only::kBegun) return commit_stays();
  if (!committed && only == Only::kCommitted) return not_committed();
  TRY(nobody_is_at_it(destination, runtime, stop));
  TRY(confirmed(committed            ? "This migration was committed: the destination is what the applications use now. Remove the record of "
                                       "it? The data stays."
                : found.half_removed ? "The removal of a migration's state from the destination was interrupted. Finish it? The data that it copied stays there."
                                     : "Remove the state of the migration from the destination? It cannot be continued then. The data that it "
                                       "copied stays there."));
  // The answer may have taken hours.
  TRY(nobody_is_at_it(destination, runtime, stop));
  const auto user = TRY(engine::retry_temporary(runtime, stop, [&]() -> Result<std::string> {
    return preflight::user_of(destination, TRY(destination.facts()));
  }));
  switch (TRY(engine::clean_up(source, destination, user, runtime, log, stop, 
                                  {.job = job, .only = only, .seen = engine::CleanUp::Seen{found.migration, found.half_removed}, .waits = waits}))) {
    case CleanedUp::kAnothers: return of_another();
    case CleanedUp::kDecided: return Cleaned::kDecided;
    case CleanedUp::kCommitStays: return commit_stays();
    case CleanedUp::kNotCommitted: return not_committed();
    case CleanedUp::kChanged:
      return fail(ErrorCode::kWrongState, "the destination does not hold any more what was looked at: it was removed meanwhile, or another migration has begun; look again. Nothing was removed");
    case CleanedUp::kCommitted:
      fmt::print(stderr, "The migration was committed; the record of it is removed. Its data is in use: drop nothing. A write block "
                         "on the source stays; it is lifted there by setUserWriteBlockMode with global: false.\n");
      return Cleaned::kCommitted;
    case CleanedUp::kRemnant:
      fmt::print(stderr, "What was left of a migration's state is removed. It did not tell how far that one had come: if its removal was interrupted, "
                         "it may have been committed; look before you drop anything.\n");
      return Cleaned::kRemnant;
    case CleanedUp::kBegun: break;
  }
  fmt::print(stderr, "The state of the migration is removed. Drop what it copied before you start anew.\n");
  return Cleaned::kBegun;
}

}  // namespace drover::cli
