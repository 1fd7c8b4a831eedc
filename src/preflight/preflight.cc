#include "preflight/preflight.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "bson/builder.h"
#include "preflight/checks.h"

namespace drover::preflight {
namespace {

std::optional<Finding> login_missing_in(Side side, bson::View connection_status) {
  const auto users = connection_status.at_path("authInfo.authenticatedUsers").to_array();
  if (!users || !users->empty()) return std::nullopt;
  return Finding{fmt::format("{}-login", side_name(side)), side, Severity::kRefuse,
                 side == Side::kSource ? ErrorCode::kSource : ErrorCode::kDestination,
                 "it asks for a login, and the connection string names no user",
                 "give a user in the connection string (its roles: docs/operations/permissions.md)"};
}

Result<Findings> check_user(Side side, cluster::Deployment& deployment, const cluster::Facts& facts) {
  Findings findings;
  if (!facts.authorization) return findings;
  const auto status =
      TRY(deployment.run_command("admin", bson::make_document({{"connectionStatus", 1}, {"showPrivileges", true}})));
  if (auto missing = login_missing_in(side, status)) {
    findings.push_back(std::move(*missing));
    return findings;
  }
  const auto privileges = status.view().at_path("authInfo.authenticatedUserPrivileges").to_array();
  check_privileges(side, privileges.value_or(bson::View()), facts, findings);
  return findings;
}

// A block that is not this migration's would stay after the cutover: the application could write nowhere.
Status check_destination_block(cluster::Deployment& destination, Findings& findings) {
  const auto block = TRY_WITH(destination.write_block(), "looking for a write block on the destination");
  if (!block.effective || !block.enabled) return {};
  findings.push_back({"destination-write-blocked", Side::kDestination, Severity::kRefuse, ErrorCode::kDestination,
                      "writes of users are blocked on it, and nobody would lift that at the cutover",
                      "lift the block there: setUserWriteBlockMode with global: false"});
  return {};
}

// Nothing further can be asked of a deployment that is not a replica set, or of a user who may not look.
bool is_hopeless(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::kRefuse; });
}

}  // namespace

const char* side_name(Side side) { return side == Side::kSource ? "source" : "destination"; }

Result<std::optional<Finding>> missing_login(Side side, cluster::Deployment& deployment) {
  if (!TRY(deployment.facts()).authorization) return std::optional<Finding>();
  return login_missing_in(side, TRY(deployment.run_command("admin", bson::make_document({{"connectionStatus", 1}}))));
}

Status check_login(Side side, cluster::Deployment& deployment) {
  const auto missing = TRY(missing_login(side, deployment));
  if (!missing) return {};
  return fail(missing->code, fmt::format("the {}: {}; {}", side_name(side), missing->what, missing->remedy));
}

Result<std::string> user_of(cluster::Deployment& deployment, const cluster::Facts& facts) {
  std::string user;
  if (!facts.authorization) return user;
  const auto status = TRY(deployment.run_command("admin", bson::make_document({{"connectionStatus", 1}})));
  if (const auto users = status.view().at_path("authInfo.authenticatedUsers").to_array()) {
    for (const auto& entry : *users) {
      const auto one = entry.to_document();
      if (!one) continue;
      user += fmt::format("{}{}@{}", user.empty() ? "" : ", ", (*one)["user"].to_string_view().value_or(""),
                          (*one)["db"].to_string_view().value_or(""));
    }
  }
  return user;
}

bool Report::refused() const { return is_hopeless(findings); }

Status Report::verdict() const {
  std::string text;
  const Finding* first = nullptr;
  for (const auto& finding : findings) {
    if (finding.severity != Severity::kRefuse) continue;
    if (first == nullptr) first = &finding;
    text += fmt::format("\n  {}: {}; {}", side_name(finding.side), finding.what, finding.remedy);
  }
  if (first == nullptr) return {};
  return fail(first->code, "this migration is refused; nothing was written:" + text);
}

Result<Report> check(cluster::Deployment& source, cluster::Deployment& destination, const Options& options) {
  Report report;
  auto& findings = report.findings;
  const auto source_facts = TRY_WITH(source.facts(), "looking at the source");
  const auto destination_facts = TRY_WITH(destination.facts(), "looking at the destination");
  check_topology(Side::kSource, source_facts, findings);
  check_topology(Side::kDestination, destination_facts, findings);
  check_versions(source_facts, destination_facts, findings);
  check_distinct(source_facts, destination_facts, findings);
  report.users_checked = !is_hopeless(findings);
  if (!report.users_checked) return report;
  report.source = identity_of(source_facts);

  std::ranges::move(TRY(check_user(Side::kSource, source, source_facts)), std::back_inserter(findings));
  std::ranges::move(TRY(check_user(Side::kDestination, destination, destination_facts)), std::back_inserter(findings));
  if (is_hopeless(findings)) return report;
  report.destination_user = TRY_WITH(user_of(destination, destination_facts), "asking as whom the destination is written");

  const auto collections = TRY_WITH(list_all(source), "listing the collections of the source");
  const auto found = TRY(find_migration(destination, source_facts, collections));
  if (found.of_this_source && !found.half_removed) report.found = found.phase;
  TRY(check_destination_content(destination, destination_facts, found, findings));
  const auto block = TRY_WITH(source.write_block(), "looking at the source's write block");
  report.source_blocks = block.supported && block.effective;
  if (report.found >= MigrationPhase::kDecided) return report;  // nothing will be read from the source any more
  check_writers(block, source_facts.version, options.writers, findings);
  if (!report.resuming()) {
    check_catalog(collections, destination_facts.version, options.filter, findings);
    check_filter(collections, options.filter, findings);
    TRY(check_destination_block(destination, findings));
  }
  TRY(check_oplog(source, findings));
  return report;
}

}  // namespace drover::preflight
