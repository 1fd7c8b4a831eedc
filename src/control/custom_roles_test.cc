#include "control/custom_roles.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace drover::control {
namespace {

CustomRole role(std::string name, std::vector<RoleAction> actions = {{"FIND", {{false, "shop", ""}}}}, std::vector<DatabaseUserRole> inherited = {}) {
  CustomRole made;
  made.name = std::move(name);
  made.actions = std::move(actions);
  made.inherited = std::move(inherited);
  return made;
}

std::string code(const std::optional<RoleRefusal>& refusal) { return refusal ? refusal->code : ""; }

TEST(CustomRole, HasANameThatAServerDoesNotHave) {
  for (const auto* name : {"auditor", "Auditor-2", "9_lives"}) EXPECT_EQ(code(check_custom_role(role(name))), "") << name;
  for (const auto* name : {"", "-a", "_a", "a b", "a.b", "a@b", "ä"}) EXPECT_EQ(code(check_custom_role(role(name))), "ATLAS_CUSTOM_ROLE_INVALID_NAME") << name;
  EXPECT_EQ(code(check_custom_role(role(std::string(65, 'a')))), "ATLAS_CUSTOM_ROLE_INVALID_NAME");
  for (const auto* name : {"read", "atlasAdmin", "root", "dbOwner", "userAdminAnyDatabase"})
    EXPECT_EQ(code(check_custom_role(role(name))), "ATLAS_INVALID_CUSTOM_ROLE_RESTRICTED") << name;
  for (const auto* name : {"xgen-a", "drover-import-670000000000000000000001"}) EXPECT_EQ(code(check_custom_role(role(name))), "ATLAS_RESERVED_CUSTOM_ROLE_RESTRICTED") << name;
}

TEST(CustomRole, IsMadeOfActionsWhereTheyMayBe) {
  const RoleResource shop{false, "shop", ""}, whole{true, "", ""};
  EXPECT_EQ(code(check_custom_role(role("a", {{"FIND", {shop, {false, "", ""}, {false, "shop", "orders"}}}, {"SERVER_STATUS", {whole}}}))), "");
  EXPECT_EQ(code(check_custom_role(role("a", {}))), "ATLAS_CUSTOM_ROLE_HAS_NO_PERMISSIONS");
  EXPECT_EQ(code(check_custom_role(role("a", {{"find", {shop}}}))), "INVALID_ENUM_VALUE");
  EXPECT_EQ(code(check_custom_role(role("a", {{"FIND", {}}}))), "MISSING_ATTRIBUTE");
  EXPECT_EQ(code(check_custom_role(role("a", {{"FIND", {shop}}, {"FIND", {whole}}}))), "ATLAS_DUPLICATE_CUSTOM_ROLE_ACTION");
  EXPECT_EQ(code(check_custom_role(role("a", {{"FIND", {shop, shop}}}))), "ATLAS_DUPLICATE_CUSTOM_ROLE_RESOURCE");
  for (const auto& [action, resource] : {std::pair{"FIND", whole}, {"SERVER_STATUS", shop}, {"SERVER_STATUS", {true, "shop", ""}}, {"FIND", {false, "a.b", ""}}, {"OUT_TO_S3", shop}})
    EXPECT_EQ(code(check_custom_role(role("a", {{action, {resource}}}))), "ATLAS_INVALID_RESOURCE") << action;
  EXPECT_EQ(code(check_custom_role(role("a", {{"FIND", {{false, "admin", "system.users"}}}}))), "ATLAS_RESTRICTED_COLLECTION");
}

TEST(CustomRole, IsBounded) {
  std::vector<RoleResource> many;
  for (std::size_t i = 0; i < kMaxResources; ++i) many.push_back({false, "shop", "c" + std::to_string(i)});
  std::vector<RoleAction> actions{{"FIND", many}, {"INSERT", many}, {"REMOVE", many}, {"UPDATE", many}, {"COLL_STATS", many}};
  EXPECT_EQ(code(check_custom_role(role("a", actions))), "");
  actions.push_back({"CREATE_INDEX", {{false, "shop", "one more"}}});
  EXPECT_EQ(code(check_custom_role(role("a", actions))), "INVALID_ATTRIBUTE") << "of all actions together";
  EXPECT_EQ(code(check_custom_role(role("a", {{"FIND", {{false, "shop", std::string(kMaxCollectionBytes, 'c')}}}}))), "");
  EXPECT_EQ(code(check_custom_role(role("a", {{"FIND", {{false, "shop", std::string(kMaxCollectionBytes + 1, 'c')}}}}))), "ATLAS_INVALID_RESOURCE");
}

TEST(CustomRole, InheritsWhatIsThereAndNotItself) {
  std::vector<CustomRole> all{role("a", {}, {{"b", "admin"}}), role("b", {}, {{"c", "admin"}}), role("c"), role("going")};
  all.back().leaving = "somebody";
  EXPECT_EQ(code(check_inheritance(role("d", {}, {{"a", "admin"}, {"readAnyDatabase", "admin"}, {"read", "shop"}}), all)), "");
  EXPECT_EQ(code(check_inheritance(role("c", {}, {{"a", "admin"}}), all)), "ATLAS_INVALID_CUSTOM_ROLE_CIRCULAR_DEPENDENCY");
  EXPECT_EQ(code(check_inheritance(role("a", {}, {{"b", "admin"}, {"c", "admin"}}), all)), "") << "by two ways is no circle";
  EXPECT_EQ(code(check_inheritance(role("d", {}, {{"d", "admin"}}), all)), "ATLAS_INVALID_CUSTOM_ROLE_SELF_REFERENTIAL");
  for (const auto* name : {"nobody", "going", "root"}) EXPECT_EQ(code(check_inheritance(role("d", {}, {{name, "admin"}}), all)), "ATLAS_INVALID_CUSTOM_ROLE_INHERITANCE") << name;
  EXPECT_EQ(code(check_inheritance(role("d", {}, {{"a", "shop"}}), all)), "ATLAS_INVALID_CUSTOM_ROLE_INHERITED_SCOPE");
}

}  // namespace
}  // namespace drover::control
