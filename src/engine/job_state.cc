#include "engine/job_state.h"

#include <fmt/format.h>

namespace drover::engine {

namespace {

Result<std::string> owner_of(const LoadState& load) {
  std::string owner;
  for (const auto& control : TRY(load("x_control"))) owner = control["job"].to_string_view().value_or("");
  return owner;
}

}  // namespace

Result<bool> is_state_of_job(const LoadState& load, std::string_view job) {
  if (job.empty()) return true;
  if (!TRY(load("x_control")).empty()) return TRY(owner_of(load)) == job;
  return TRY(load("x_migration")).empty() && !TRY(preflight::is_half_removed(load));
}

Status check_job_of_state(const LoadState& load, std::string_view job) {
  const auto migrations = TRY(load("x_migration"));
  if (migrations.empty()) {
    if (!TRY(preflight::is_half_removed(load))) return {};
    return fail(ErrorCode::kWrongState,
                "the destination holds the rest of an earlier migration's state, whose removal was interrupted; this one has copied nothing. Finish the removal "
                "with `drover migrate --cleanup`, empty the destination, then start again");
  }
  if (job.empty()) return {};
  const auto owner = TRY(owner_of(load));
  if (owner == job) return {};
  const bool committed = migrations.front()["phase"].to_string_view() == std::string_view("committed");
  return fail(ErrorCode::kWrongState,
              fmt::format("the destination holds the {} of another migration{}; this one has copied nothing. Empty the destination and remove that state "
                          "with `drover migrate --cleanup`, then start again",
                          committed ? "record of the commit" : "unfinished state", owner.empty() ? "" : fmt::format(" ({})", owner)));
}

}  // namespace drover::engine
