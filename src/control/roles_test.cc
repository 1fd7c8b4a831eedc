#include "control/roles.h"

#include <gtest/gtest.h>

namespace drover::control {
namespace {

// One row for each role, one column for each access: organization, own project, another organization.
struct Row {
  const char* role;
  const char* may;  // of kOrgRead kOrgOwn kOrgCreateGroup kGroupRead kGroupOwn: 'y' or '-'
};

class Roles : public ::testing::TestWithParam<Row> {};

TEST_P(Roles, AllowWhatTheyAllowAndNothingElsewhere) {
  const auto& row = GetParam();
  const bool of_org = is_org_role(row.role);
  ASSERT_NE(of_org, is_group_role(row.role));
  const std::vector<Grant> grants{{row.role, of_org ? "o1" : "", of_org ? "" : "g1"}};
  const Access all[] = {Access::kOrgRead, Access::kOrgOwn, Access::kOrgCreateGroup, Access::kGroupRead, Access::kGroupOwn};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(allows(grants, all[i], "o1", "g1"), row.may[i] == 'y') << row.role << " " << i;
    EXPECT_FALSE(allows(grants, all[i], "o2", "g2")) << row.role << " " << i;
    EXPECT_FALSE(allows({}, all[i], "o1", "g1"));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Roles,
                         ::testing::Values(Row{"ORG_OWNER", "yyyyy"}, Row{"ORG_MEMBER", "y----"},
                                           Row{"ORG_GROUP_CREATOR", "y-y--"}, Row{"ORG_BILLING_ADMIN", "y----"},
                                           Row{"ORG_READ_ONLY", "y--y-"}, Row{"GROUP_OWNER", "---yy"},
                                           Row{"GROUP_READ_ONLY", "---y-"}, Row{"GROUP_CLUSTER_MANAGER", "---y-"}));

TEST(RoleNames, UnknownOnesAreNone) {
  EXPECT_FALSE(is_org_role("ORG_GOD"));
  EXPECT_FALSE(is_group_role("ORG_OWNER"));
  EXPECT_FALSE(allows({{"ORG_GOD", "o1", ""}}, Access::kOrgOwn, "o1", ""));
}

}  // namespace
}  // namespace drover::control
