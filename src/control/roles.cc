#include "control/roles.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace drover::control {
namespace {

constexpr std::array<std::string_view, 6> kOrgRoles{"ORG_OWNER", "ORG_MEMBER", "ORG_GROUP_CREATOR", "ORG_BILLING_ADMIN", "ORG_BILLING_READ_ONLY", "ORG_READ_ONLY"};

// What each allows besides reading.
struct GroupRole {
  std::string_view name;
  std::initializer_list<Access> may = {};
};
const GroupRole kGroupRoles[] = {
    {"GROUP_OWNER", {Access::kGroupOwn, Access::kGroupClusters, Access::kGroupDatabaseUsers, Access::kGroupDatabaseRoles, Access::kGroupHosts, Access::kGroupKeys}},
    {"GROUP_READ_ONLY"},
    // Atlas's.
    {"GROUP_CLUSTER_MANAGER", {Access::kGroupClusters}},
    {"GROUP_STREAM_PROCESSING_OWNER", {Access::kGroupDatabaseUsers, Access::kGroupDatabaseRoles}},
    {"GROUP_DATABASE_ACCESS_ADMIN", {Access::kGroupDatabaseUsers, Access::kGroupDatabaseRoles}},
    {"GROUP_BACKUP_MANAGER"},
    {"GROUP_OBSERVABILITY_VIEWER"},
    {"GROUP_SEARCH_INDEX_EDITOR"},
    // Of both: data are read in a console, never by the API.
    {"GROUP_DATA_ACCESS_ADMIN"},
    {"GROUP_DATA_ACCESS_READ_WRITE"},
    {"GROUP_DATA_ACCESS_READ_ONLY"},
    // Cloud Manager's.
    {"GROUP_MONITORING_ADMIN", {Access::kGroupHosts}},
    {"GROUP_USER_ADMIN", {Access::kGroupKeys}},
    {"GROUP_AUTOMATION_ADMIN"},
    {"GROUP_BACKUP_ADMIN"},
};

const GroupRole* group_role(std::string_view name) {
  const auto found = std::find_if(std::begin(kGroupRoles), std::end(kGroupRoles), [&](const GroupRole& role) { return role.name == name; });
  return found == std::end(kGroupRoles) ? nullptr : found;
}

bool allows(const Grant& grant, Access access, std::string_view org, std::string_view group) {
  if (!grant.org.empty() && grant.org == org) {
    if (grant.role == "ORG_OWNER") return true;
    switch (access) {
      case Access::kOrgRead: return true;
      case Access::kOrgCreateGroup: return grant.role == "ORG_GROUP_CREATOR";
      case Access::kGroupRead: return grant.role == "ORG_READ_ONLY";
      default: return false;
    }
  }
  if (grant.group.empty() || grant.group != group) return false;
  const auto* role = group_role(grant.role);
  if (role == nullptr) return false;
  return access == Access::kGroupRead || std::find(role->may.begin(), role->may.end(), access) != role->may.end();
}

}  // namespace

bool is_org_role(std::string_view role) { return std::find(kOrgRoles.begin(), kOrgRoles.end(), role) != kOrgRoles.end(); }
bool is_group_role(std::string_view role) { return group_role(role) != nullptr; }

bool allows(const std::vector<Grant>& grants, Access access, std::string_view org, std::string_view group) {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) { return allows(grant, access, org, group); });
}

bool allows_as_much_as(const std::vector<Grant>& grants, std::string_view name, std::string_view org, std::string_view group) {
  const auto* role = group_role(name);
  return role != nullptr && allows(grants, Access::kGroupRead, org, group) &&
         std::all_of(role->may.begin(), role->may.end(), [&](Access access) { return allows(grants, access, org, group); });
}

bool sees_org(const std::vector<Grant>& grants, std::string_view org) {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) { return grant.org == org; });
}

}  // namespace drover::control
