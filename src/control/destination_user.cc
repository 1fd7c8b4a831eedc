#include "control/destination_user.h"

#include "bson/builder.h"

namespace drover::control {
namespace {

constexpr int kUserNotFound = 11;
constexpr int kUnauthorized = 13;
constexpr int kRoleNotFound = 31;
constexpr int kRoleExists = 51002;
constexpr int kUserExists = 51003;

// What no built-in role that it should have allows: to see that the destination has no users yet, and to hold its writes back.
bson::Document role_command(const char* verb, const DestinationUser& user) {
  bson::Builder command;
  command.append(verb, user.name);
  {
    auto privileges = command.open_array("privileges");
    auto privilege = privileges.open_document();
    privilege.open_document("resource").append("cluster", true);
    auto actions = privilege.open_array("actions");
    actions.append("viewUser");
    if (user.write_block) actions.append("setUserWriteBlockMode").append("bypassWriteBlockingMode");
  }
  command.open_array("roles");
  command.open_document("writeConcern").append("w", "majority");
  return std::move(command).finish();
}

bson::Document user_command(const char* verb, const DestinationUser& user) {
  bson::Builder command;
  command.append(verb, user.name).append("pwd", user.password);
  {
    auto roles = command.open_array("roles");
    for (const auto* role : {"readWriteAnyDatabase", "restore", "clusterMonitor"}) roles.append(role);
    if (user.drops_data) roles.append("dbAdminAnyDatabase");
    if (user.sharded) roles.append("clusterManager");
    roles.append(user.name);
  }
  command.open_document("writeConcern").append("w", "majority");
  return std::move(command).finish();
}

Status drop(cluster::Deployment& deployment, const char* verb, const std::string& name, int gone) {
  bson::Builder command;
  command.append(verb, name);
  command.open_document("writeConcern").append("w", "majority");
  const auto reply = deployment.run_command("admin", std::move(command).finish());
  if (!reply && reply.error().server_code != gone) return tl::unexpected(reply.error());
  return {};
}

}  // namespace

Status make_destination_user(cluster::Deployment& deployment, const DestinationUser& user, bool& refused_at_once) {
  auto role = deployment.run_command("admin", role_command("createRole", user));
  refused_at_once = !role && role.error().server_code == kUnauthorized;
  if (!role && role.error().server_code != kRoleExists) return tl::unexpected(std::move(role.error()).with_context("making the temporary role"));
  auto reply = deployment.run_command("admin", user_command("createUser", user));
  if (!reply && reply.error().server_code == kUserExists) reply = deployment.run_command("admin", user_command("updateUser", user));
  if (!reply) return tl::unexpected(std::move(reply.error()).with_context("making the temporary user"));
  return {};
}

Status drop_destination_user(cluster::Deployment& deployment, const std::string& name) {
  TRY_WITH(drop(deployment, "dropUser", name, kUserNotFound), "dropping the temporary user");
  TRY_WITH(drop(deployment, "dropRole", name, kRoleNotFound), "dropping the temporary role");
  return {};
}

}  // namespace drover::control
