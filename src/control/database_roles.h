// What database users may be given: Atlas's roles (spec/control-plane.md 3.5), and the actions that custom roles are made of, with a server's names for
// them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace drover::control {

struct DatabaseUserRole {
  std::string name, database;
  bool operator==(const DatabaseUserRole&) const = default;
};

// Whether Atlas has such a role, and in this database.
bool is_database_role(const DatabaseUserRole& role);
// A server's roles for it: atlasAdmin has no equal there, and is what it may do.
std::vector<DatabaseUserRole> server_roles_of(const DatabaseUserRole& role);
// Whether a server has a role of this name, or Atlas: custom roles have others.
bool is_builtin_role_name(std::string_view name);
// A name that a database can have.
bool is_database_name(std::string_view name);

struct PrivilegeAction {
  std::string_view name;    // "COLL_STATS"
  std::string_view server;  // "collStats"; empty: of data federation and stream processing, which are not a cluster's
  bool of_cluster = false;  // granted on the whole cluster; else on databases and collections
};
// Null: Atlas has none of this name.
const PrivilegeAction* privilege_action(std::string_view name);

}  // namespace drover::control
