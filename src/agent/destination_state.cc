#include "agent/destination_state.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "bson/builder.h"
#include "preflight/checks.h"
#include "preflight/found_migration.h"
#include "preflight/removal.h"

namespace drover::agent {
namespace {

constexpr std::array<std::string_view, 4> kOwnDatabases{"admin", "local", "config", "__mdb_internal_mongosync"};

}  // namespace

Result<DestinationState> look_at_destination(cluster::Deployment& destination, const std::string& job) {
  DestinationState state;
  const auto load = [&](const std::string& collection) { return destination.load_state(collection); };
  bool committed = false;
  if (const auto removal = TRY(preflight::unfinished_removal(load))) {
    state.owner = removal->job;
    committed = removal->committed;
    state.half_removed = true;
  } else {
    const auto migrations = TRY(load("x_migration"));
    if (migrations.empty()) return state;
    committed = migrations.front()["phase"].to_string_view() == std::string_view("committed");
    state.owner = TRY(preflight::job_of_state(load));
  }
  state.holds = state.owner == job ? Holds::kOurs : committed ? Holds::kCommitted : Holds::kUnfinished;
  return state;
}

std::string refusal_of(const DestinationState& state, bool drop_was_given) {
  const auto whose = state.owner.empty() ? std::string() : fmt::format(" ({})", state.owner);
  if (state.holds == Holds::kCommitted)
    return fmt::format("the destination holds what an earlier migration{} has committed, and the record of it; it may be in use, and nothing of this migration has been copied. "
                       "{} the destination first: then the record goes by itself", whose, drop_was_given ? "Empty" : "Start again with dropDestinationData, or empty");
  return fmt::format("the destination holds what another migration{} has begun and not finished; nothing of this one has been copied. {} "
                     "its state with `drover migrate --cleanup` and that migration's source, and empty the destination", whose,
                     drop_was_given ? "Remove" : "Start again with dropDestinationData, or remove");
}

Result<std::optional<Error>> refusal_before_dropping(cluster::Deployment& source, cluster::Deployment& destination, Holds holds) {
  static constexpr std::array<std::string_view, 3> kDropped{"destination-not-empty", "destination-other-migration", "destination-half-removed"};
  auto report = TRY(preflight::check(source, destination, {}));
  std::erase_if(report.findings, [&](const preflight::Finding& finding) {
    if (holds == Holds::kUnfinished && finding.id == "destination-write-blocked") return true;
    return std::find(kDropped.begin(), kDropped.end(), finding.id) != kDropped.end();
  });
  if (const auto verdict = report.verdict(); !verdict) return std::optional(verdict.error());
  return std::optional<Error>();
}

Result<bool> is_empty(cluster::Deployment& destination) { return TRY(preflight::list_all(destination)).empty(); }

Result<std::vector<std::string>> drop_databases(cluster::Deployment& destination) {
  const auto listed = TRY(destination.run_command("admin", bson::make_document({{"listDatabases", 1}, {"nameOnly", true}})));
  const auto databases = listed["databases"].to_array();
  if (!databases) return fail(ErrorCode::kTemporary, "listDatabases answers no list");
  std::vector<std::string> dropped;
  for (const auto& item : *databases) {
    const std::string name(item.to_document().value_or(bson::View())["name"].to_string_view().value_or(""));
    if (name.empty() || std::find(kOwnDatabases.begin(), kOwnDatabases.end(), name) != kOwnDatabases.end()) continue;
    bson::Builder command;
    command.append("dropDatabase", 1);
    command.open_document("writeConcern").append("w", "majority");
    TRY_WITH(destination.run_command(name, std::move(command).finish()), "dropping the database " + name);
    dropped.push_back(name);
  }
  return dropped;
}

}  // namespace drover::agent
