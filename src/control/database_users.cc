#include "control/database_users.h"

#include <algorithm>
#include <array>

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

constexpr std::array<std::string_view, 7> kAdminRoles{"atlasAdmin", "backup", "clusterMonitor", "dbAdminAnyDatabase", "enableSharding", "readAnyDatabase",
                                                      "readWriteAnyDatabase"};
constexpr std::array<std::string_view, 3> kDatabaseRoles{"dbAdmin", "read", "readWrite"};
// Atlas's own role has no equal on a server: what it may do there.
constexpr std::array<std::string_view, 4> kAtlasAdmin{"readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor", "enableSharding"};

std::string seal_name(const std::string& id) { return "database user " + id; }

bson::Document named(const std::string& group, const std::string& database, const std::string& name) {
  return bson::make_document({{"groupId", group}, {"databaseName", database}, {"username", name}});
}

bson::Document alive(const std::string& group) {
  bson::Builder filter;
  filter.append("groupId", group);
  filter.open_document("deleting").append("$ne", true);
  return std::move(filter).finish();
}

bson::Document as_read(const DatabaseUser& user) { return bson::make_document({{"_id", user.id}, {"revision", user.revision}}); }

DatabaseUser user_of(bson::View document) {
  DatabaseUser user;
  user.id = text_of(document, "_id");
  user.group = text_of(document, "groupId");
  user.database = text_of(document, "databaseName");
  user.name = text_of(document, "username");
  if (const auto roles = document["roles"].to_array())
    for (const auto& item : *roles) user.roles.push_back({text_of(item.document_value(), "roleName"), text_of(item.document_value(), "databaseName")});
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
  for (const auto& role : user.roles)
    if (!is_database_role(role)) return fail(ErrorCode::kUsage, fmt::format("roles: there is no role {} in the database {}", role.name, role.database));
  if (password.empty() && !needed) return {};
  if (password.size() < kMinPasswordBytes || password.size() > kMaxPasswordBytes)
    return fail(ErrorCode::kUsage, fmt::format("password must have {} to {} characters", kMinPasswordBytes, kMaxPasswordBytes));
  return {};
}

bson::Document array_change(const char* verb, const char* field, const std::string& value) {
  bson::Builder update;
  update.open_document(verb).append(field, value);
  return std::move(update).finish();
}

bson::Document user_command(const char* verb, const DatabaseUser& user, const std::string& password) {
  bson::Builder command;
  command.append(verb, user.name).append("pwd", password);
  {
    auto roles = command.open_array("roles");
    for (const auto& role : user.roles) {
      if (role.name != "atlasAdmin") {
        roles.open_document().append("role", role.name).append("db", role.database);
        continue;
      }
      for (const auto part : kAtlasAdmin) roles.open_document().append("role", part).append("db", "admin");
    }
  }
  command.open_document("writeConcern").append("w", "majority");
  return std::move(command).finish();
}

}  // namespace

bool DatabaseUser::is_of(const std::string& cluster) const {
  return clusters.empty() || std::find(clusters.begin(), clusters.end(), cluster) != clusters.end();
}

bool is_database_role(const DatabaseUserRole& role) {
  const auto in = [&](const auto& names) { return std::find(names.begin(), names.end(), role.name) != names.end(); };
  if (in(kAdminRoles)) return role.database == "admin";
  return in(kDatabaseRoles) && !role.database.empty() && role.database.size() < 64 && role.database.find_first_of(std::string_view("/\\. \"$*<>:|?\0", 13)) == std::string::npos;
}

bool is_reserved_user(std::string_view name) { return name == kLocalClusterUser || name.starts_with("drover-"); }

Result<DatabaseUser> DatabaseUsers::add(DatabaseUser user, const std::string& password) {
  TRY(check(user, password, true));
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
    if (!TRY(store_.update(kUsers, as_read(before), std::move(update).finish()))) return taken();
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
  return user;
}

Result<std::optional<DatabaseUser>> DatabaseUsers::find(const std::string& group, const std::string& database, const std::string& name) {
  const auto found = TRY(store_.find_one(kUsers, named(group, database, name)));
  if (!found || flag_of(*found, "deleting")) return std::optional<DatabaseUser>();
  return std::optional(user_of(*found));
}

Result<std::vector<DatabaseUser>> DatabaseUsers::of_group(const std::string& group, Page page) {
  std::vector<DatabaseUser> all;
  for (const auto& document : TRY(store_.find(kUsers, alive(group), page))) all.push_back(user_of(document));
  return all;
}

Result<std::int64_t> DatabaseUsers::count(const std::string& group) { return store_.count(kUsers, alive(group)); }

Result<bool> DatabaseUsers::change(const DatabaseUser& user, const std::string& password) {
  TRY(check(user, password, false));
  bson::Builder set;
  append_wish(set, user);
  if (!password.empty()) set.append("sealedPassword", keys_.seal(seal_name(user.id), password));
  return store_.update(kUsers, as_read(user), bson::make_document({{"$set", std::move(set).finish()}}));
}

Result<bool> DatabaseUsers::remove(const std::string& group, const std::string& database, const std::string& name) {
  bson::Builder filter;
  filter.append_all(named(group, database, name));
  filter.open_document("deleting").append("$ne", true);
  bson::Builder update;
  update.open_document("$set").append("deleting", true);
  update.open_document("$inc").append("revision", 1);
  return store_.update(kUsers, std::move(filter).finish(), std::move(update).finish());
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
  for (const auto& document : TRY(store_.find(kUsers, bson::make_document({{"deleting", true}}), {1, kPage}))) all.push_back(user_of(document));
  return all;
}

Result<std::vector<DatabaseUser>> DatabaseUsers::not_applied(const std::string& group, const std::string& cluster) {
  bson::Builder filter;
  filter.append_all(alive(group));
  filter.open_document("appliedTo").append("$ne", cluster);
  std::vector<DatabaseUser> all;
  for (const auto& document : TRY(store_.find(kUsers, std::move(filter).finish(), {1, kPage}))) all.push_back(user_of(document));
  return all;
}

Result<bool> DatabaseUsers::note_present(const DatabaseUser& user, const std::string& cluster) {
  return store_.update(kUsers, as_read(user), array_change("$addToSet", "presentOn", cluster));
}

Result<bool> DatabaseUsers::note_applied(const DatabaseUser& user, const std::string& cluster) {
  return store_.update(kUsers, as_read(user), array_change("$addToSet", "appliedTo", cluster));
}

Status DatabaseUsers::note_absent(const DatabaseUser& user, const std::string& cluster) {
  TRY(store_.update(kUsers, as_read(user), array_change("$pull", "presentOn", cluster)));
  return {};
}

Status DatabaseUsers::apply_again(const DatabaseUser& user) {
  bson::Builder update;
  update.open_document("$set").open_array("appliedTo");
  TRY(store_.update(kUsers, bson::make_document({{"_id", user.id}}), std::move(update).finish()));
  return {};
}

Status DatabaseUsers::forget(const DatabaseUser& user) {
  bson::Builder filter;
  filter.append_all(as_read(user));
  filter.append("deleting", true);
  filter.open_document("presentOn").append("$size", 0);
  TRY(store_.remove(kUsers, std::move(filter).finish()));
  return {};
}

Result<std::optional<DatabaseUser>> DatabaseUsers::by_id(const std::string& id) {
  const auto found = TRY(store_.find_one(kUsers, bson::make_document({{"_id", id}})));
  if (!found) return std::optional<DatabaseUser>();
  return std::optional(user_of(*found));
}

Result<std::string> DatabaseUsers::password(const DatabaseUser& user) {
  const auto found = TRY(store_.find_one(kUsers, as_read(user)));
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
