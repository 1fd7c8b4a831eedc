#include <algorithm>
#include <set>

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

// The migration's catalog knows the source's collections by UUID, which no other deployment has.
Result<bool> belongs_to(cluster::Deployment& destination, const std::vector<CollectionInfo>& source_collections) {
  std::set<Uuid> known;
  const auto catalog = TRY(destination.load_state("x_catalog"));
  for (const auto& document : catalog) {
    if (const auto uuid = document["_id"].to_uuid(); uuid && !document["gone"].is_truthy()) known.insert(*uuid);
  }
  if (known.empty()) return true;
  return std::any_of(source_collections.begin(), source_collections.end(),
                     [&](const CollectionInfo& info) { return known.contains(info.uuid); });
}

// Users are not migrated; those that are there belong to something that lives on the destination. With authorization on, the
// users in admin are how it is reached at all.
Status check_users(cluster::Deployment& destination, const cluster::Facts& facts, Findings& findings) {
  bson::Builder command;
  command.open_document("usersInfo").append("forAllDBs", true);
  const auto reply = destination.run_command("admin", std::move(command).finish());
  if (!reply) {
    const auto code = reply.error().server_code;
    if (code == kUnauthorized || code == kCommandNotFound) return {};  // nobody may be asked
    return tl::unexpected(reply.error());
  }
  std::vector<std::string> names;
  for (const auto& item : (*reply)["users"].to_array().value_or(bson::View())) {
    const auto user = item.document_value();
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

Result<DestinationContent> check_destination_content(cluster::Deployment& destination, const cluster::Facts& facts,
                                                     const std::vector<CollectionInfo>& source_collections,
                                                     Findings& findings) {
  const auto migration = TRY(destination.load_state("x_migration"));
  if (!migration.empty()) {
    if (TRY(belongs_to(destination, source_collections))) return DestinationContent{true};
    refuse("destination-other-migration", ErrorCode::kWrongState, "it holds the migration of another source",
           fmt::format("finish that one, or remove its state with --cleanup (it is the database {})", kStateDatabase), findings);
    return DestinationContent{};
  }
  std::vector<std::string> names;
  for (const auto& info : TRY(list_all(destination))) names.push_back(info.ns.to_string());
  if (!names.empty()) {
    refuse("destination-not-empty", ErrorCode::kDestination, fmt::format("it is not empty: it holds {}", joined(names)),
           "drop them, or give an empty deployment (were source and destination swapped?)", findings);
  }
  TRY(check_users(destination, facts, findings));
  return DestinationContent{};
}

}  // namespace drover::preflight
