#include "sandbox/auth/connection_auth.h"

#include <algorithm>

#include "net/address_range.h"

namespace drover::sandbox::auth {

namespace {

// What the first client on this machine may do before any user exists.
bool allowed_by_exception(std::string_view action, const Resource& resource) {
  if (resource.kind == Resource::Kind::kCluster) {
    return action == "addShard" || action == "replSetConfigure" || action == "replSetGetStatus" ||
           action == "replSetGetConfig" || action == "appendOplogNote";
  }
  if (resource.ns.db == "admin") return action == "createUser" || action == "grantRole";
  return resource.ns.db == "$external" && action == "createUser";
}

}  // namespace

bool ConnectionAuth::is_allowed(std::string_view action, const Resource& resource) const {
  if (!enabled_) return true;
  for (const auto& user : users_) {
    if (user->privileges.allows(action, resource)) return true;
  }
  return allowed_by_exception(action, resource) && localhost_exception();
}

bool ConnectionAuth::may_anything_on(const Namespace& collection) const {
  return !enabled_ || std::any_of(users_.begin(), users_.end(), [&](const auto& user) { return user->privileges.any_on(collection); });
}

bool ConnectionAuth::may_anything_in(std::string_view db) const {
  return !enabled_ || std::any_of(users_.begin(), users_.end(), [&](const auto& user) { return user->privileges.any_in(db); });
}

std::vector<Authorization::User> ConnectionAuth::users() const {
  std::vector<User> out;
  for (const auto& user : users_) out.push_back({user->name.user, user->name.db});
  return out;
}

void ConnectionAuth::refresh() {
  const auto generation = directory_.generation();
  if (generation_ == generation) return;
  generation_ = generation;
  std::vector<ResolvedUserPtr> again;
  for (const auto& user : users_) {
    auto found = directory_.user(user->name);
    if (found && *found && (*found)->is_same_as(*user) && (*found)->may_authenticate(ends_)) again.push_back(std::move(*found));
  }
  users_ = std::move(again);
}

void ConnectionAuth::set_ends(std::string_view client, std::string_view server) {
  ends_ = {.client = net::host_of_peer(client), .server = net::host_of_peer(server)};
}

bool ConnectionAuth::log_in(ResolvedUserPtr user) {
  if (!user->may_authenticate(ends_)) return false;
  log_out(user->name.db);
  users_.push_back(std::move(user));
  return true;
}

void ConnectionAuth::log_out(std::string_view db) {
  std::erase_if(users_, [&](const ResolvedUserPtr& user) { return user->name.db == db; });
}

AuthConnection& auth_connection(CommandContext& context) {
  // The dispatcher owns the connection and runs one command at a time on it; the context's const is for other handlers.
  return static_cast<AuthConnection&>(const_cast<Connection&>(context.connection));
}

}  // namespace drover::sandbox::auth
