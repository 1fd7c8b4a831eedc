#include "engine/job_state.h"

#include <fmt/format.h>

namespace drover::engine {

Result<bool> is_state_of_job(const LoadState& load, std::string_view job) {
  if (job.empty()) return true;
  if (const auto removal = TRY(preflight::unfinished_removal(load))) return removal->job == job;
  if (!TRY(load("x_control")).empty()) return TRY(preflight::job_of_state(load)) == job;
  return TRY(load("x_migration")).empty();
}

Status check_job_of_state(const LoadState& load, std::string_view job) {
  if (const auto removal = TRY(preflight::unfinished_removal(load))) {
    return fail(ErrorCode::kWrongState,
                fmt::format("the destination holds the rest of an earlier migration's state, whose removal was interrupted; this one has copied nothing. Finish the removal "
                            "with `drover migrate --cleanup`, empty the destination{}, then start again",
                            removal->committed ? " if it is not in use (that migration was committed)" : ""));
  }
  const auto migrations = TRY(load("x_migration"));
  if (migrations.empty() || job.empty()) return {};
  const auto owner = TRY(preflight::job_of_state(load));
  if (owner == job) return {};
  const bool committed = migrations.front()["phase"].to_string_view() == std::string_view("committed");
  return fail(ErrorCode::kWrongState,
              fmt::format("the destination holds the {} of another migration{}; this one has copied nothing. Empty the destination and remove that state "
                          "with `drover migrate --cleanup`, then start again",
                          committed ? "record of the commit" : "unfinished state", owner.empty() ? "" : fmt::format(" ({})", owner)));
}

}  // namespace drover::engine
