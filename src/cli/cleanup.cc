#include "cli/cleanup.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/job_state.h"
#include "engine/migration.h"
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

}  // namespace

Result<Cleaned> clean_up_migration(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, Log& log,
                                   const std::function<Status(const std::string& question)>& confirmed,
                                   const std::stop_token& stop, const std::string& job) {
  using preflight::MigrationPhase;
  const auto found = TRY_WITH(
      engine::retry_temporary(runtime, stop, [&] { return preflight::find_migration(source, destination); }),
      "seeing whose migration it is");
  if (found.phase == MigrationPhase::kNone) {
    fmt::print(stderr, "The destination holds no state of a migration; nothing was changed.\n");
    return Cleaned::kNothing;
  }
  const auto of_another = [&] {
    fmt::print(stderr, "The destination holds the state of another migration than {}; nothing was changed.\n", job);
    return Cleaned::kNothing;
  };
  const auto load = [&](const std::string& collection) { return engine::retry_temporary(runtime, stop, [&] { return destination.load_state(collection); }); };
  // Now, before anybody is shut out for it, and once more under the epoch.
  if (!TRY(engine::is_state_of_job(load, job))) return of_another();
  if (!found.of_this_source) {
    return fail(ErrorCode::kWrongState,
                fmt::format("the destination holds the migration of another source{}; give that one as --source. Nothing was removed",
                            found.source.empty() ? "" : ", " + found.source));
  }
  if (found.phase == MigrationPhase::kDecided) return Cleaned::kDecided;
  TRY(nobody_is_at_it(destination, runtime, stop));
  TRY(confirmed(found.phase == MigrationPhase::kCommitted ? "This migration was committed: the destination is what the applications use now. Remove the record of "
                            "it? The data stays."
                          : "Remove the state of the migration from the destination? It cannot be continued then. The data that it "
                            "copied stays there."));
  const auto user = TRY(engine::retry_temporary(runtime, stop, [&]() -> Result<std::string> {
    return preflight::user_of(destination, TRY(destination.facts()));
  }));
  switch (TRY(engine::clean_up(source, destination, user, runtime, log, stop, job))) {
    case engine::CleanedUp::kAnothers: return of_another();
    case engine::CleanedUp::kDecided: return Cleaned::kDecided;
    case engine::CleanedUp::kCommitted:
      fmt::print(stderr, "The migration was committed; the record of it is removed. Its data is in use: drop nothing. A write block "
                         "on the source stays; it is lifted there by setUserWriteBlockMode with global: false.\n");
      return Cleaned::kCommitted;
    case engine::CleanedUp::kBegun: break;
  }
  if (found.phase == MigrationPhase::kRemnant) {
    fmt::print(stderr, "What was left of a migration's state is removed. It did not tell how far that one had come: if its removal was interrupted, "
                       "it may have been committed; look before you drop anything.\n");
    return Cleaned::kBegun;
  }
  fmt::print(stderr, "The state of the migration is removed. Drop what it copied before you start anew.\n");
  return Cleaned::kBegun;
}

}  // namespace drover::cli
