#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "preflight/checks.h"

namespace drover::preflight {
namespace {

constexpr std::size_t kNamesShown = 5;
constexpr int kUnauthorized = 13;
constexpr int kCommandNotFound = 59;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kNamesShown) text += fmt::format(" and {} more", names.size() - kNamesShown);
  return text;
}

void refuse(const char* id, ErrorCode code, std::string what, std::string remedy, Findings& findings) {
  findings.push_back({id, Side::kDestination, Severity::kRefuse, code, std::move(what), std::move(remedy)});
}

// Users are not migrated; those that are there belong to something that lives on the destination. With authorization on, the
// users in admin are how it is reached at all.
Status check_users(cluster::Deployment& destination, const cluster::Facts& facts, Findings& findings) {
  bson::Builder command;
  command.open_document("usersInfo").append("forAllDBs", true);
  const auto reply = destination.run_command("admin", std::move(command).finish());
  if (!reply) {
    const auto code = reply.error().server_code;
    if (code == kCommandNotFound) return {};
    if (code != kUnauthorized) return tl::unexpected(reply.error());
    findings.push_back({"destination-users-unseen", Side::kDestination, Severity::kWarn, ErrorCode::kDestination,
                        "whether it holds users of its own cannot be seen: its user may not list them",
                        "look for yourself, or grant it the action viewUser on the cluster (docs/operations/permissions.md)"});
    return {};
  }
  std::vector<std::string> names;
  for (const auto& item : (*reply)["users"].to_array().value_or(bson::View())) {
    const auto user = item.to_document().value_or(bson::View());
    const auto db = user["db"].to_string_view().value_or("");
    if (facts.authorization && (db == "admin" || db == "$external")) continue;
    names.push_back(fmt::format("{}.{}", db, user["user"].to_string_view().value_or("?")));
  }
  if (!names.empty()) {
    refuse("destination-users", ErrorCode::kDestination, fmt::format("it is not empty: it holds users ({})", joined(names)),
           "drop them, and create them after the migration", findings);
  }
  return {};
}

}  // namespace

Status check_destination_content(cluster::Deployment& destination, const cluster::Facts& facts, const FoundMigration& found,
                                 Findings& findings) {
  if (found.half_removed) {
    refuse("destination-half-removed", ErrorCode::kWrongState, "it holds the rest of an earlier migration's state, whose removal was interrupted",
           found.phase == MigrationPhase::kCommitted ? "that one was committed, and what it copied may be in use; if it is not, finish the removal with --cleanup, then empty it"
                                                     : "finish the removal with --cleanup, then empty it",
           findings);
    return {};
  }
  if (found.phase >= MigrationPhase::kBegun) {
    if (found.of_this_source) return {};
    refuse("destination-other-migration", ErrorCode::kWrongState,
           "it holds the migration of another source" + (found.source.empty() ? "" : ", " + found.source),
           fmt::format("finish that one, or remove its state with --cleanup and that source (it is the database {})", kStateDatabase),
           findings);
    return {};
  }
  std::vector<std::string> names;
  for (const auto& info : TRY(list_all(destination))) names.push_back(info.ns.to_string());
  if (!names.empty()) {
    refuse("destination-not-empty", ErrorCode::kDestination, fmt::format("it is not empty: it holds {}", joined(names)),
           "drop them, or give an empty deployment (were source and destination swapped?)", findings);
  }
  return check_users(destination, facts, findings);
}

}  // namespace drover::preflight
