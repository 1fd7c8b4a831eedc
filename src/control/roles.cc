#include "control/roles.h"

#include <algorithm>
#include <array>

namespace drover::control {
namespace {

constexpr std::array<std::string_view, 5> kOrgRoles{"ORG_OWNER", "ORG_MEMBER", "ORG_GROUP_CREATOR", "ORG_BILLING_ADMIN",
                                                    "ORG_READ_ONLY"};
constexpr std::array<std::string_view, 7> kGroupRoles{"GROUP_OWNER",          "GROUP_READ_ONLY",         "GROUP_CLUSTER_MANAGER",
                                                      "GROUP_DATA_ACCESS_ADMIN", "GROUP_DATA_ACCESS_READ_WRITE",
                                                      "GROUP_DATA_ACCESS_READ_ONLY", "GROUP_MONITORING_ADMIN"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& roles, std::string_view role) {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
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
  return access == Access::kGroupRead || (access == Access::kGroupOwn && grant.role == "GROUP_OWNER");
}

}  // namespace

bool is_org_role(std::string_view role) { return contains(kOrgRoles, role); }
bool is_group_role(std::string_view role) { return contains(kGroupRoles, role); }

bool allows(const std::vector<Grant>& grants, Access access, std::string_view org, std::string_view group) {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) { return allows(grant, access, org, group); });
}

bool sees_org(const std::vector<Grant>& grants, std::string_view org) {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) { return grant.org == org; });
}

}  // namespace drover::control
