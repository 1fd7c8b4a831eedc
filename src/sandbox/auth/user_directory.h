// Users and roles as admin.system.users and admin.system.roles hold them, resolved to privileges. Thread-safe. What was
// resolved is kept until `changed` is called; a connection compares generations to know that it has to ask again.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/auth/privileges.h"
#include "sandbox/auth/restrictions.h"
#include "sandbox/auth/scram.h"

namespace drover::sandbox::auth {

struct RoleName {
  std::string role;
  std::string db;
  auto operator<=>(const RoleName&) const = default;
  std::string id() const { return db + "." + role; }
};
struct UserName {
  std::string user;
  std::string db;
  auto operator<=>(const UserName&) const = default;
  std::string id() const { return db + "." + user; }         // as documents are keyed
  std::string full() const { return user + "@" + db; }       // as messages print it
};

struct ResolvedUser {
  UserName name;
  bson::Document document;
  std::vector<RoleName> roles;      // granted directly
  std::vector<RoleName> all_roles;  // with inherited ones
  PrivilegeSet privileges;
  std::vector<bson::Document> restrictions;  // authenticationRestrictions, arrays' bytes: its own, and those of its roles

  // All of them are met.
  bool may_authenticate(const Addresses& addresses) const;
  std::optional<ScramCredentials> credentials(Mechanism mechanism) const;
  // Not another one that was made under the same name.
  bool is_same_as(const ResolvedUser& other) const;
  // Nor has a password been changed.
  bool has_same_credentials_as(const ResolvedUser& other) const;
};
using ResolvedUserPtr = std::shared_ptr<const ResolvedUser>;

class UserDirectory {
 public:
  explicit UserDirectory(ServerVersion version) : version_(version) {}
  // Before anything else; the services must outlive the directory's use.
  void attach(Services& services) { services_ = &services; }

  // Null when there is no such user.
  Result<ResolvedUserPtr> user(const UserName& name);
  // Whether any user exists: else the localhost exception holds.
  bool has_users();
  // Closure over inherited roles, unknown ones left out. Includes `roles` themselves.
  Result<std::vector<RoleName>> expand(const std::vector<RoleName>& roles);
  Result<PrivilegeSet> privileges_of(const std::vector<RoleName>& roles);
  // authenticationRestrictions of those that have any, and of what they inherit.
  Result<std::vector<bson::Document>> restrictions_of(const std::vector<RoleName>& roles);
  Result<bool> role_exists(const RoleName& name);
  Result<std::optional<bson::Document>> custom_role(const RoleName& name);

  void changed();
  std::uint64_t generation() const { return generation_; }
  Services& services() const { return *services_; }

 private:
  Result<ResolvedUserPtr> load(const UserName& name);

  const ServerVersion version_;
  Services* services_ = nullptr;
  std::atomic<std::uint64_t> generation_{1};
  std::mutex mutex_;
  std::map<UserName, ResolvedUserPtr> cache_;
  std::optional<bool> has_users_;
};

// [{role, db}, ...] or names alone, which belong to `db`.
Result<std::vector<RoleName>> parse_roles(bson::View array, std::string_view db, ServerVersion version = {5, 0, 0});
bson::Document roles_array(const std::vector<RoleName>& roles);

}  // namespace drover::sandbox::auth
