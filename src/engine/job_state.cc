#include "engine/job_state.h"

#include <fmt/format.h>

namespace drover::engine {

Status check_job_of_state(const LoadState& load, std::string_view job) {
  if (job.empty()) return {};
  const auto migrations = TRY(load("x_migration"));
  if (migrations.empty()) return {};
  std::string owner;
  for (const auto& control : TRY(load("x_control"))) owner = control["job"].to_string_view().value_or("");
  if (owner == job) return {};
  const bool committed = migrations.front()["phase"].to_string_view() == std::string_view("committed");
  return fail(ErrorCode::kWrongState,
              fmt::format("the destination holds the {} of another migration{}; this one has copied nothing. Empty the destination and remove that state "
                          "with `drover migrate --cleanup`, then start again",
                          committed ? "record of the commit" : "unfinished state", owner.empty() ? "" : fmt::format(" ({})", owner)));
}

}  // namespace drover::engine
