// Who may do what. The names and what they allow are Atlas's and Cloud Manager's (spec/control-plane.md 1, 3.2, 5.6; "Atlas User Roles", "Cloud
// Manager Roles"): a role is held in one organization or in one project; an organization's owner owns its projects, its read-only role reads them.
// What a role allows of what is not done here (backups, search indexes, the data explorer, automation) it does not allow otherwise: it reads.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drover::control {

struct Grant {
  std::string role;   // "ORG_OWNER"
  std::string org;    // one of these two is empty
  std::string group;
};

// What a request asks for, of an organization or of a project. Whoever owns a project may do all that is asked for of it.
enum class Access {
  kOrgRead,
  kOrgOwn,
  kOrgCreateGroup,
  kGroupRead,
  kGroupOwn,
  kGroupClusters,       // to change clusters, not to make or delete them
  kGroupDatabaseUsers,  // to make, change and delete database users
  kGroupDatabaseRoles,  // the same of custom database roles
  kGroupHosts,          // what is monitored
  kGroupKeys,           // who else has roles in the project; an owner only by an owner
};

bool is_org_role(std::string_view role);
bool is_group_role(std::string_view role);
// `group` is of `org`.
bool allows(const std::vector<Grant>& grants, Access access, std::string_view org, std::string_view group);
// All that a role of the project allows.
bool allows_as_much_as(const std::vector<Grant>& grants, std::string_view group_role, std::string_view org, std::string_view group);
// Whether the holder sees that the organization exists.
bool sees_org(const std::vector<Grant>& grants, std::string_view org);

}  // namespace drover::control
