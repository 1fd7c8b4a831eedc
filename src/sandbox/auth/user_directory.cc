#include "sandbox/auth/user_directory.h"

#include <algorithm>
#include <set>

#include "bson/compare.h"
#include "sandbox/auth/builtin_roles.h"
#include "sandbox/auth/internal_command.h"

namespace drover::sandbox::auth {

namespace {

bool same_field(bson::View a, bson::View b, std::string_view name) {
  return a[name].exists() == b[name].exists() && (!a[name] || bson::compare_values(a[name], b[name]) == 0);
}

}  // namespace

std::optional<ScramCredentials> ResolvedUser::credentials(Mechanism mechanism) const {
  const auto all = document["credentials"].to_document();
  if (!all) return std::nullopt;
  const auto stored = (*all)[mechanism_name(mechanism)].to_document();
  return stored ? ScramCredentials::parse(*stored) : std::nullopt;
}

bool ResolvedUser::is_same_as(const ResolvedUser& other) const {
  return same_field(document, other.document, "userId");
}

bool ResolvedUser::has_same_credentials_as(const ResolvedUser& other) const {
  return same_field(document, other.document, "credentials");
}

bool ResolvedUser::may_authenticate(const Addresses& addresses) const {
  return std::all_of(restrictions.begin(), restrictions.end(), [&](const bson::Document& one) { return are_met(one, addresses); });
}

Result<ResolvedUserPtr> UserDirectory::user(const UserName& name) {
  const auto generation = generation_.load();
  {
    std::lock_guard lock(mutex_);
    if (const auto found = cache_.find(name); found != cache_.end()) return found->second;
  }
  auto loaded = TRY(load(name));
  std::lock_guard lock(mutex_);
  if (loaded && generation == generation_) cache_[name] = loaded;
  return loaded;
}

Result<ResolvedUserPtr> UserDirectory::load(const UserName& name) {
  if (name.user == "__system") return ResolvedUserPtr();  // needs a keyfile, which a single member does without
  const auto found = TRY(find_internal(*services_, "admin", "system.users", bson::make_document({{"_id", name.id()}})));
  if (found.empty()) return ResolvedUserPtr();
  auto user = std::make_shared<ResolvedUser>();
  user->name = name;
  user->document = found.front();
  const auto roles = user->document["roles"].to_array();
  if (roles) user->roles = TRY(parse_roles(*roles, name.db));
  user->all_roles = TRY(expand(user->roles));
  user->privileges = TRY(privileges_of(user->roles));
  user->restrictions = TRY(restrictions_of(user->roles));
  if (const auto own = user->document["authenticationRestrictions"].to_array()) user->restrictions.emplace_back(*own);
  return ResolvedUserPtr(std::move(user));
}

bool UserDirectory::has_users() {
  const auto generation = generation_.load();
  {
    std::lock_guard lock(mutex_);
    if (has_users_) return *has_users_;
  }
  const auto found = any_internal(*services_, {"admin", "system.users"});
  const bool any = !found || *found;  // when in doubt the exception does not hold
  std::lock_guard lock(mutex_);
  if (found && generation == generation_) has_users_ = any;
  return any;
}

Result<std::optional<bson::Document>> UserDirectory::custom_role(const RoleName& name) {
  auto found = TRY(find_internal(*services_, "admin", "system.roles", bson::make_document({{"_id", name.id()}})));
  if (found.empty()) return std::optional<bson::Document>();
  return std::optional(std::move(found.front()));
}

Result<bool> UserDirectory::role_exists(const RoleName& name) {
  if (builtin_role(name.role, name.db, version_)) return true;
  return TRY(custom_role(name)).has_value();
}

Result<std::vector<RoleName>> UserDirectory::expand(const std::vector<RoleName>& roles) {
  std::vector<RoleName> order;
  std::set<RoleName> seen;
  std::vector<RoleName> open(roles.rbegin(), roles.rend());
  while (!open.empty()) {
    auto role = std::move(open.back());
    open.pop_back();
    if (!seen.insert(role).second) continue;
    order.push_back(role);
    if (builtin_role(role.role, role.db, version_)) continue;
    const auto document = TRY(custom_role(role));
    if (!document) {
      order.pop_back();
      continue;
    }
    if (const auto inherited = (*document)["roles"].to_array()) {
      for (auto& name : TRY(parse_roles(*inherited, role.db))) open.push_back(std::move(name));
    }
  }
  return order;
}

Result<PrivilegeSet> UserDirectory::privileges_of(const std::vector<RoleName>& roles) {
  PrivilegeSet set;
  for (const auto& role : TRY(expand(roles))) {
    if (const auto builtin = builtin_role(role.role, role.db, version_)) {
      set.merge(*builtin);
      continue;
    }
    const auto document = TRY(custom_role(role));
    if (!document) continue;
    if (const auto privileges = (*document)["privileges"].to_array()) set.merge(TRY(PrivilegeSet::parse(*privileges)));
  }
  return set;
}

Result<std::vector<bson::Document>> UserDirectory::restrictions_of(const std::vector<RoleName>& roles) {
  std::vector<bson::Document> all;
  for (const auto& role : TRY(expand(roles))) {
    if (builtin_role(role.role, role.db, version_)) continue;
    const auto document = TRY(custom_role(role));
    const auto restrictions = document ? (*document)["authenticationRestrictions"].to_array() : std::nullopt;
    if (restrictions && !restrictions->empty()) all.emplace_back(*restrictions);
  }
  return all;
}

void UserDirectory::changed() {
  std::lock_guard lock(mutex_);
  cache_.clear();
  has_users_.reset();
  ++generation_;
}

Result<std::vector<RoleName>> parse_roles(bson::View array, std::string_view db, ServerVersion version) {
  std::vector<RoleName> roles;
  for (const auto& item : array) {
    RoleName name;
    if (const auto text = item.to_string_view()) {
      name = {std::string(*text), std::string(db)};
    } else if (const auto object = item.to_document()) {
      const auto role = (*object)["role"].to_string_view();
      const auto role_db = (*object)["db"].to_string_view();
      if (!role || !role_db) {
        return server_error(4, "Missing expected field \"" + std::string(role ? "db" : "role") + "\"");
      }
      name = {std::string(*role), std::string(*role_db)};
    } else {
      return server_error(2, version >= ServerVersion{5, 0, 0} ? "Role names must be either strings or objects" : "User and role names must be either strings or objects");
    }
    if (std::find(roles.begin(), roles.end(), name) == roles.end()) roles.push_back(std::move(name));
  }
  return roles;
}

bson::Document roles_array(const std::vector<RoleName>& roles) {
  bson::ArrayBuilder out;
  for (const auto& role : roles) out.open_document().append("role", role.role).append("db", role.db);
  return std::move(out).finish();
}

}  // namespace drover::sandbox::auth
