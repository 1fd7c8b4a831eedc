#include "remote/thing.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "base/check.h"
#include "remote/answer_error.h"
#include "remote/json_path.h"
#include "remote/migration_line.h"
#include "terminal/table.h"

namespace drover::remote {
namespace {

constexpr std::size_t kMaxCandidates = 20;  // of those that a message lists

const std::array<ThingFacts, 11>& table() {
  static const std::array<ThingFacts, 11> kThings{{
      {Thing::kOrg, "organization", Api::kEither, "/orgs", "id", {"name"}, 24, "drover org list"},
      {Thing::kProject, "project", Api::kEither, "/groups", "id", {"name"}, 24, "drover project list"},
      {Thing::kKey, "API key", Api::kEither, "/orgs/{orgId}/apiKeys", "id", {"publicKey", "desc"}, 24, "drover key list"},
      {Thing::kAccount, "service account", Api::kAtlas, "/orgs/{orgId}/serviceAccounts", "clientId", {"name"}, 0, "drover service-account list"},
      {Thing::kAgentKey, "agent key", Api::kManager, "/groups/{groupId}/agentapikeys", "_id", {"desc"}, 24, "drover agent-key list"},
      {Thing::kDeployment, "deployment", Api::kManager, "/groups/{groupId}/clusters", "id", {"clusterName"}, 24, "drover deployment list"},
      {Thing::kHost, "host", Api::kManager, "/groups/{groupId}/hosts", "id", {"{hostname}:{port}"}, 32, "drover host list"},
      {Thing::kCluster, "cluster", Api::kAtlas, "/groups/{groupId}/clusters", "name", {"id"}, 0, "drover cluster list"},
      {Thing::kDatabaseUser, "database user", Api::kAtlas, "/groups/{groupId}/databaseUsers", "username", {"username"}, 0, "drover database-user list"},
      {Thing::kSourceProject, "source project", Api::kAtlas, "/orgs/{orgId}/liveMigrations/availableProjects", "projectId", {"name"}, 24, "drover link projects"},
      {Thing::kMigration, "migration", Api::kExt, "/groups/{groupId}/liveMigrations", "_id", {"destination.clusterName"}, 24, "drover migration list",
       [](const Json& migration) { return !has_ended(migration); }, "{status}, of {created}"},
  }};
  return kThings;
}

std::string shown(const ThingFacts& facts, const Json& one) {
  auto text = text_at(one, facts.sent);
  const auto name = expand(one, facts.names.front());
  if (!facts.told.empty()) text += fmt::format(" ({}, {})", name, expand(one, facts.told));
  else if (!name.empty() && name != text) text += fmt::format(" ({})", name);
  return terminal::printable(text);
}

std::string listed(const ThingFacts& facts, const std::vector<const Json*>& some) {
  std::string text;
  for (std::size_t i = 0; i < std::min(some.size(), kMaxCandidates); ++i) text += (i == 0 ? "" : ", ") + shown(facts, *some[i]);
  if (some.size() > kMaxCandidates) text += fmt::format(", and {} more ({})", some.size() - kMaxCandidates, facts.list);
  return text;
}

std::vector<const Json*> where(const std::vector<Json>& all, std::string_view pattern, std::string_view value) {
  std::vector<const Json*> found;
  for (const auto& one : all)
    if (expand(one, pattern) == value) found.push_back(&one);
  return found;
}

const Json* newest(const std::vector<const Json*>& some) {
  return *std::max_element(some.begin(), some.end(), [](const Json* a, const Json* b) { return text_at(*a, "created") < text_at(*b, "created"); });
}

std::vector<const Json*> pointers(const std::vector<Json>& all) {
  std::vector<const Json*> found;
  for (const auto& one : all) found.push_back(&one);
  return found;
}

}  // namespace

const ThingFacts& facts_of(Thing thing) {
  const auto& all = table();
  const auto found = std::find_if(all.begin(), all.end(), [&](const ThingFacts& facts) { return facts.thing == thing; });
  CHECK(found != all.end(), "every Thing but kNone has a row");
  return *found;
}

bool is_sendable(const ThingFacts& facts, std::string_view given) {
  return facts.id_digits != 0 && given.size() == static_cast<std::size_t>(facts.id_digits) &&
         given.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::string> pick(const ThingFacts& facts, const std::vector<Json>& all, std::string_view given, PickFor what) {
  auto found = where(all, facts.sent, given);
  for (const auto name : facts.names)
    if (found.empty()) found = where(all, name, given);
  if (found.size() > 1 && facts.is_current != nullptr) {
    std::vector<const Json*> current;
    std::copy_if(found.begin(), found.end(), std::back_inserter(current), [&](const Json* one) { return facts.is_current(*one); });
    if (current.empty() && what == PickFor::kChange)
      return fail(ErrorCode::kWrongState, fmt::format("no {} \"{}\" goes on; there were {}: {}. An id names one that has ended", facts.word, given, found.size(), listed(facts, found)));
    if (current.empty()) current = {newest(found)};
    if (current.size() == 1) found = std::move(current);
  }
  if (found.size() == 1) return text_at(*found.front(), facts.sent);
  if (found.size() > 1)
    return fail(ErrorCode::kUsage, fmt::format("\"{}\" is the name of {} {}s: {}. Name one by its id", given, found.size(), facts.word, listed(facts, found)));
  return tl::unexpected(not_found(all.empty() ? fmt::format("there is no {} \"{}\", nor any other that this key sees", facts.word, given)
                                              : fmt::format("there is no {} \"{}\"; there are: {}", facts.word, given, listed(facts, pointers(all)))));
}

Result<std::string> pick_only(const ThingFacts& facts, const std::vector<Json>& all, std::string_view flag) {
  if (all.size() == 1) return text_at(all.front(), facts.sent);
  if (all.empty()) return tl::unexpected(not_found(fmt::format("this key sees no {}", facts.word)));
  return fail(ErrorCode::kUsage, fmt::format("which {}? Say it with {}; there are: {}", facts.word, flag, listed(facts, pointers(all))));
}

}  // namespace drover::remote
