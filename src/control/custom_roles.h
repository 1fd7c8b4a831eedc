// Custom database roles of a project (spec/control-plane.md 3.5): records that are made so on the project's local clusters, before the users that have
// them, and kept as records for registered ones. On a server a role is one of the database admin. Thread-safe; several processes may work on one store.
//
// A role goes only when no user and no other role has it. Whoever removes one marks it (leaving) and looks for them; whoever gives one to a user or a
// role writes that and looks for the mark. By majority writes and reads one of the two sees the other, and takes its own change back. A mark
// that is older than kLeavingFor is taken away by who meets it: whoever made it, if it lives, finds it gone and removes nothing.
#pragma once

#include <chrono>
#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "cluster/deployment.h"
#include "control/applied_records.h"
#include "control/database_roles.h"
#include "control/store.h"

namespace drover::control {

inline constexpr std::int64_t kMaxCustomRoles = 100;  // of a project
inline constexpr std::size_t kMaxActions = 100;       // of a role
inline constexpr std::size_t kMaxResources = 100;     // of an action
inline constexpr std::size_t kMaxResourcesOfRole = 500;  // of all its actions: all roles of a project are listed at once
inline constexpr std::size_t kMaxCollectionBytes = 255;
inline constexpr std::size_t kMaxInherited = 100;     // of a role
inline constexpr std::chrono::minutes kLeavingFor{1};  // then whoever was about to remove a role is taken for dead

struct RoleResource {
  bool cluster = false;
  std::string database, collection;  // empty: every one
  auto operator<=>(const RoleResource&) const = default;
};
struct RoleAction {
  std::string name;  // Atlas's: "COLL_STATS"
  std::vector<RoleResource> resources;
};
struct CustomRole {
  std::string id, group, name;
  std::vector<RoleAction> actions;
  std::vector<DatabaseUserRole> inherited;
  std::int64_t revision = 0;
  bool deleting = false;  // gone for callers; still to be dropped where it is
  std::string leaving;    // who is about to remove it
  std::vector<std::string> present_on, applied_to;  // ids of local clusters
};

// Why a role cannot be so; `code` is the Admin API's.
struct RoleRefusal {
  std::string code, why;
};
// By itself.
std::optional<RoleRefusal> check_custom_role(const CustomRole& role);
// Beside the project's others: what it inherits is there, and is not made of itself. `others` may hold its older self.
std::optional<RoleRefusal> check_inheritance(const CustomRole& role, const std::vector<CustomRole>& others);

class CustomRoles {
 public:
  CustomRoles(Store& store, Runtime& runtime) : store_(store), runtime_(runtime), applied_(store, "customRoles") {}

  // kWrongState: there is one of that name, or too many. The role is one that both checks passed.
  Result<CustomRole> add(CustomRole role);
  Result<std::optional<CustomRole>> find(const std::string& group, const std::string& name);
  Result<std::vector<CustomRole>> of_group(const std::string& group);
  // `role` as it was read, with what is to be changed. False: somebody else was faster.
  Result<bool> change(const CustomRole& role);
  // Whether it may be given: it is there, and nobody is about to remove it.
  Result<bool> may_be_given(const std::string& group, const std::string& name);
  struct Removal {
    bool there = false;
    std::vector<std::string> used_by;  // "the user app", "the role auditor": it stays
  };
  Result<Removal> remove(const std::string& group, const std::string& name);
  // With whatever has it: for one that was just made, and cannot be.
  Status take_back(const CustomRole& role);

  // With their project, which has no clusters any more.
  Status forget_project(const std::string& group);

  // For the reconciler; as in DatabaseUsers.
  Result<std::vector<CustomRole>> deleting();
  Result<std::vector<CustomRole>> not_applied(const std::string& group, const std::string& cluster);
  Result<bool> note_present(const CustomRole& role, const std::string& cluster);
  Result<bool> note_applied(const CustomRole& role, const std::string& cluster);
  Status note_absent(const CustomRole& role, const std::string& cluster);
  Status apply_again(const CustomRole& role);
  Status forget(const CustomRole& role);
  Result<std::optional<CustomRole>> by_id(const std::string& id);

 private:
  // Takes away the mark of a removal that did not come to its end.
  Result<CustomRole> without_old_mark(CustomRole role);
  Result<std::vector<std::string>> users_of(const std::string& group, const std::string& name);

  Store& store_;
  Runtime& runtime_;
  AppliedRecords applied_;
};

// On a deployment: made, or, when it is there, made so. Both may be done again.
Status make_custom_role(cluster::Deployment& deployment, const CustomRole& role);
Status drop_custom_role(cluster::Deployment& deployment, const CustomRole& role);

}  // namespace drover::control
