#include "control/database_users.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/clusters.h"
#include "control/fields.h"
#include "control/identity.h"
#include "control/json_document.h"

namespace drover::control {
namespace {

constexpr const char* kUsers = "databaseUsers";
constexpr int kPage = 500;
constexpr int kUserNotFound = 11;
constexpr int kUserExists = 51003;
constexpr std::size_t kMaxNameOfUser = 1024;
constexpr std::size_t kMaxPasswordBytes = 1024;
constexpr std::size_t kMaxRoles = 100;

std::string seal_name(const std::string& id) { return "database user " + id; }

bson::Document named(const std::string& group, const std::string& database, const std::string& name) {
  return bson::make_document({{"groupId", group}, {"databaseName", database}, {"username", name}});
}

AppliedRecords::Read as_read(const DatabaseUser& user) { return {user.id, user.revision}; }

DatabaseUser user_of(bson::View document) {
  DatabaseUser user;
  user.id = text_of(document, "_id");
  user.group = text_of(document, "groupId");
  user.database = text_of(document, "databaseName");
  user.name = text_of(document, "username");
  if (const auto roles = document["roles"].to_array())
    for (const auto& item : *roles) user.roles.push_back({text_of(object_in(item), "roleName"), text_of(object_in(item), "databaseName")});
  user.clusters = texts_of(document, "clusters");
  const auto whole = json_of(document);
  if (const auto* labels = whole.find("labels"); labels != nullptr && labels->as_array() != nullptr) user.labels = *labels;
  else user.labels = Json(Json::Array());
  user.description = text_of(document, "description");
  user.delete_after = text_of(document, "deleteAfterDate");
  user.revision = number_of(document, "revision");
  user.deleting = flag_of(document, "deleting");
  user.present_on = texts_of(document, "presentOn");
  user.applied_to = texts_of(document, "appliedTo");
  return user;
}

// What callers may change. It is to be applied everywhere again.
void append_wish(bson::Builder& to, const DatabaseUser& user) {
  {
    auto roles = to.open_array("roles");
    for (const auto& role : user.roles) roles.open_document().append("roleName", role.name).append("databaseName", role.database);
  }
  {
    auto clusters = to.open_array("clusters");
    for (const auto& cluster : user.clusters) clusters.append(cluster);
  }
  append_json(to, "labels", user.labels);
  to.append("description", user.description).append("deleteAfterDate", user.delete_after).append("revision", user.revision + 1);
  to.open_array("appliedTo");
}

Status check(const DatabaseUser& user, const std::string& password, bool needed) {
  TRY(check_text("username", user.name, kMaxNameOfUser));
  if (!user.description.empty()) TRY(check_text("description", user.description, kMaxDescriptionBytes));
  if (is_reserved_user(user.name)) return fail(ErrorCode::kUsage, fmt::format("username: {} is a name that this server uses itself", user.name));
  if (user.database != "admin") return fail(ErrorCode::kUsage, "databaseName must be admin: this server's users log in by password");
  if (user.roles.size() > kMaxRoles) return fail(ErrorCode::kUsage, fmt::format("roles: at most {}", kMaxRoles));
  if (password.empty() && !needed) return {};
  if (password.size() < kMinPasswordBytes || password.size() > kMaxPasswordBytes)
    return fail(ErrorCode::kUsage, fmt::format("password must have {} to {} characters", kMinPasswordBytes, kMaxPasswordBytes));
  return {};
}

bson::Document user_command(const char* verb, const DatabaseUser& user, const std::string& password) {
  bson::Builder command;
  command.append(verb, user.name).append("pwd", password);
  {
    auto roles = command.open_array("roles");
    for (const auto& role : user.roles)
      for (const auto& part : server_roles_of(role)) roles.open_document().append("role", part.name).append("db", part.database);
  }
  command.open_document("writeConcern").append("w", "majority");
  return std::move(command).finish();
}

}  // namespace

bool DatabaseUser::is_of(const std::string& cluster) const {
  return clusters.empty() || std::find(clusters.begin(), clusters.end(), cluster) != clusters.end();
}

bool is_reserved_user(std::string_view name) { return name == kLocalClusterUser || name.starts_with("drover-"); }

Result<DatabaseUser> DatabaseUsers::add(DatabaseUser user, const std::string& password) {
  TRY(check(user, password, true));
  TRY(check_roles(user));
  const auto taken = [&] { return fail(ErrorCode::kWrongState, fmt::format("a user {} of the database {} is there already", user.name, user.database)); };
  const auto found = TRY(store_.find_one(kUsers, named(user.group, user.database, user.name)));
  if (found) {
    // One that is being deleted becomes this one: where it is still there, it is made so.
    const auto before = user_of(*found);
    if (!before.deleting) return taken();
    user.id = before.id;
    user.revision = before.revision;
    bson::Builder update;
    {
      auto set = update.open_document("$set");
      append_wish(set, user);
      set.append("sealedPassword", keys_.seal(seal_name(user.id), password));
    }
    update.open_document("$unset").append("deleting", "");
    if (!TRY(store_.update(kUsers, AppliedRecords::filter_of(as_read(before)), std::move(update).finish()))) return taken();
  } else {
    if (TRY(count(user.group)) >= kMaxDatabaseUsers) return fail(ErrorCode::kWrongState, fmt::format("a project has at most {} database users", kMaxDatabaseUsers));
    user.id = new_id(runtime_);
    user.revision = 0;
    bson::Builder document;
    document.append("_id", user.id).append("groupId", user.group).append("databaseName", user.database).append("username", user.name);
    append_wish(document, user);
    document.open_array("presentOn");
    document.append("sealedPassword", keys_.seal(seal_name(user.id), password));
    if (!TRY(store_.insert(kUsers, std::move(document).finish()))) return taken();
  }
  ++user.revision;
  // One of them may have been removed meanwhile: whoever did that has not seen this user.
  if (const auto there = check_roles(user); !there) {
    TRY(applied_.mark_deleting(named(user.group, user.database, user.name)));
    return tl::unexpected(there.error());
  }
  return user;
}

Status DatabaseUsers::check_roles(const DatabaseUser& user) {
  for (const auto& role : user.roles) {
    if (is_database_role(role)) continue;
    const bool custom = role.database == "admin" && TRY(roles_.may_be_given(user.group, role.name));
    if (!custom) return fail(ErrorCode::kUsage, fmt::format("roles: there is no role {} in the database {}", role.name, role.database));
  }
  return {};
}

Result<std::optional<DatabaseUser>> DatabaseUsers::find(const std::string& group, const std::string& database, const std::string& name) {
  const auto found = TRY(store_.find_one(kUsers, named(group, database, name)));
  if (!found || flag_of(*found, "deleting")) return std::optional<DatabaseUser>();
  return std::optional(user_of(*found));
}

Result<std::vector<DatabaseUser>> DatabaseUsers::of_group(const std::string& group, Page page) {
  std::vector<DatabaseUser> all;
  for (const auto& document : TRY(store_.find(kUsers, AppliedRecords::alive_in(group), page))) all.push_back(user_of(document));
  return all;
}

Result<std::int64_t> DatabaseUsers::count(const std::string& group) { return store_.count(kUsers, AppliedRecords::alive_in(group)); }

Result<bool> DatabaseUsers::change(const DatabaseUser& user, const std::string& password) {
  TRY(check(user, password, false));
  TRY(check_roles(user));
  const auto before = TRY(applied_.by_id(user.id));
  if (!before || !TRY(write(user, password))) return false;
  const auto there = check_roles(user);
  if (there) return true;
  // As in add(): its roles as they were. Who has changed it since has looked as well.
  auto as_it_was = user;
  as_it_was.roles = user_of(*before).roles;
  ++as_it_was.revision;
  TRY(write(as_it_was, ""));
  return tl::unexpected(there.error());
}

Result<bool> DatabaseUsers::write(const DatabaseUser& user, const std::string& password) {
  bson::Builder set;
  append_wish(set, user);
  if (!password.empty()) set.append("sealedPassword", keys_.seal(seal_name(user.id), password));
  return store_.update(kUsers, AppliedRecords::filter_of(as_read(user)), bson::make_document({{"$set", std::move(set).finish()}}));
}

Result<bool> DatabaseUsers::remove(const std::string& group, const std::string& database, const std::string& name) {
  return applied_.mark_deleting(named(group, database, name));
}

Status DatabaseUsers::forget_project(const std::string& group) {
  TRY(store_.remove(kUsers, bson::make_document({{"groupId", group}})));
  return {};
}

// Dates are of one spelling, so that texts compare as times.
Status DatabaseUsers::expire() {
  bson::Builder filter;
  filter.open_document("deleting").append("$ne", true);
  filter.open_document("deleteAfterDate").append("$gt", "").append("$lte", iso_time(runtime_));
  for (const auto& document : TRY(store_.find(kUsers, std::move(filter).finish(), {1, kPage}))) {
    const auto user = user_of(document);
    TRY(remove(user.group, user.database, user.name));
  }
  return {};
}

Result<std::vector<DatabaseUser>> DatabaseUsers::deleting() {
  std::vector<DatabaseUser> all;
  for (const auto& document : TRY(applied_.deleting())) all.push_back(user_of(document));
  return all;
}

Result<std::vector<DatabaseUser>> DatabaseUsers::not_applied(const std::string& group, const std::string& cluster) {
  std::vector<DatabaseUser> all;
  for (const auto& document : TRY(applied_.not_applied(group, cluster))) all.push_back(user_of(document));
  return all;
}

Result<bool> DatabaseUsers::note_present(const DatabaseUser& user, const std::string& cluster) { return applied_.note_present(as_read(user), cluster); }
Result<bool> DatabaseUsers::note_applied(const DatabaseUser& user, const std::string& cluster) { return applied_.note_applied(as_read(user), cluster); }
Status DatabaseUsers::note_absent(const DatabaseUser& user, const std::string& cluster) { return applied_.note_absent(as_read(user), cluster); }
Status DatabaseUsers::apply_again(const DatabaseUser& user) { return applied_.apply_again(user.id); }
Status DatabaseUsers::forget(const DatabaseUser& user) { return applied_.forget(as_read(user)); }

Result<std::optional<DatabaseUser>> DatabaseUsers::by_id(const std::string& id) {
  const auto found = TRY(applied_.by_id(id));
  if (!found) return std::optional<DatabaseUser>();
  return std::optional(user_of(*found));
}

Result<std::string> DatabaseUsers::password(const DatabaseUser& user) {
  const auto found = TRY(store_.find_one(kUsers, AppliedRecords::filter_of(as_read(user))));
  if (!found) return fail(ErrorCode::kWrongState, "the user has changed");
  return keys_.unseal(seal_name(user.id), text_of(*found, "sealedPassword"));
}

Status make_database_user(cluster::Deployment& deployment, const DatabaseUser& user, const std::string& password) {
  auto reply = deployment.run_command("admin", user_command("createUser", user, password));
  if (!reply && reply.error().server_code == kUserExists) reply = deployment.run_command("admin", user_command("updateUser", user, password));
  if (!reply) return tl::unexpected(std::move(reply.error()).with_context(fmt::format("making the database user {}", user.name)));
  return {};
}

Status drop_database_user(cluster::Deployment& deployment, const DatabaseUser& user) {
  bson::Builder command;
  command.append("dropUser", user.name);
  command.open_document("writeConcern").append("w", "majority");
  const auto reply = deployment.run_command("admin", std::move(command).finish());
  if (!reply && reply.error().server_code != kUserNotFound) return tl::unexpected(Error(reply.error()).with_context(fmt::format("dropping the database user {}", user.name)));
  return {};
}

}  // namespace drover::control
