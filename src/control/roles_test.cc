#include "control/roles.h"

#include <iterator>
#include <string>

#include <gtest/gtest.h>

namespace drover::control {
namespace {

// One row for each role, one column for each access: organization, own project, another organization.
struct Row {
  const char* role;
  const char* may;  // of kOrgRead kOrgOwn kOrgCreateGroup kGroupRead kGroupOwn kGroupClusters …Users …Roles …Hosts …Keys: 'y' or '-'
};

class Roles : public ::testing::TestWithParam<Row> {};

TEST_P(Roles, AllowWhatTheyAllowAndNothingElsewhere) {
  const auto& row = GetParam();
  const bool of_org = is_org_role(row.role);
  ASSERT_NE(of_org, is_group_role(row.role));
  const std::vector<Grant> grants{{row.role, of_org ? "o1" : "", of_org ? "" : "g1"}};
  const Access all[] = {Access::kOrgRead,       Access::kOrgOwn,           Access::kOrgCreateGroup,     Access::kGroupRead,  Access::kGroupOwn,
                        Access::kGroupClusters, Access::kGroupDatabaseUsers, Access::kGroupDatabaseRoles, Access::kGroupHosts, Access::kGroupKeys};
  ASSERT_EQ(std::string(row.may).size(), std::size(all));
  for (std::size_t i = 0; i < std::size(all); ++i) {
    EXPECT_EQ(allows(grants, all[i], "o1", "g1"), row.may[i] == 'y') << row.role << " " << i;
    EXPECT_FALSE(allows(grants, all[i], "o2", "g2")) << row.role << " " << i;
    EXPECT_FALSE(allows({}, all[i], "o1", "g1"));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Roles,
                         ::testing::Values(Row{"ORG_OWNER", "yyyyyyyyyy"}, Row{"ORG_MEMBER", "y---------"}, Row{"ORG_GROUP_CREATOR", "y-y-------"},
                                           Row{"ORG_BILLING_ADMIN", "y---------"}, Row{"ORG_BILLING_READ_ONLY", "y---------"}, Row{"ORG_READ_ONLY", "y--y------"},
                                           Row{"GROUP_OWNER", "---yyyyyyy"}, Row{"GROUP_READ_ONLY", "---y------"}, Row{"GROUP_CLUSTER_MANAGER", "---y-y----"},
                                           Row{"GROUP_STREAM_PROCESSING_OWNER", "---y--yy--"}, Row{"GROUP_DATABASE_ACCESS_ADMIN", "---y--yy--"},
                                           Row{"GROUP_BACKUP_MANAGER", "---y------"}, Row{"GROUP_OBSERVABILITY_VIEWER", "---y------"}, Row{"GROUP_SEARCH_INDEX_EDITOR", "---y------"},
                                           Row{"GROUP_DATA_ACCESS_ADMIN", "---y------"}, Row{"GROUP_DATA_ACCESS_READ_WRITE", "---y------"},
                                           Row{"GROUP_DATA_ACCESS_READ_ONLY", "---y------"}, Row{"GROUP_MONITORING_ADMIN", "---y----y-"}, Row{"GROUP_USER_ADMIN", "---y-----y"},
                                           Row{"GROUP_AUTOMATION_ADMIN", "---y------"}, Row{"GROUP_BACKUP_ADMIN", "---y------"}));

TEST(RoleNames, UnknownOnesAreNone) {
  EXPECT_FALSE(is_org_role("ORG_GOD"));
  EXPECT_FALSE(is_group_role("ORG_OWNER"));
  EXPECT_FALSE(allows({{"ORG_GOD", "o1", ""}}, Access::kOrgOwn, "o1", ""));
}

}  // namespace
}  // namespace drover::control
