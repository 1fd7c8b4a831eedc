// The roles that exist without being created, as tables of actions on resources. Source: the server's
// builtin_roles.cpp and its manual's "Built-In Roles"; actions of features that no version served here has are left out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/server_version.h"
#include "sandbox/auth/privileges.h"

namespace drover::sandbox::auth {

// What `role` of `db` grants; nothing when there is no such built-in role there.
std::optional<PrivilegeSet> builtin_role(std::string_view role, const std::string& db, ServerVersion version);
// Names of the built-in roles of a database, for rolesInfo with showBuiltinRoles.
std::vector<std::string> builtin_role_names(std::string_view db);

}  // namespace drover::sandbox::auth
