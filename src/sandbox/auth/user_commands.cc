// createUser, updateUser, dropUser, dropAllUsersFromDatabase, grantRolesToUser, revokeRolesFromUser, usersInfo.
// Users are documents of admin.system.users, as the server's; see its user_management_commands.cpp for the messages.
#include <algorithm>
#include <optional>
#include <set>

#include <fmt/core.h>

#include "bson/sasl_prep.h"
#include "sandbox/auth/connection_auth.h"
#include "sandbox/auth/internal_command.h"
#include "sandbox/commands/parameters.h"
#include "sandbox/commands/support.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox::auth {

namespace {

constexpr int kBadValue = 2;
constexpr int kUserNotFound = 11;
constexpr int kRoleNotFound = 31;
constexpr int kUserExists = 51003;

const Resource kAnyDatabase{Resource::Kind::kAnyNormal, {}};

Resource database_resource(std::string db) { return {Resource::Kind::kDatabase, {std::move(db), ""}}; }

Result<UserName> named_user(CommandContext& context) {
  const auto name = context.body.first().to_string_view();
  if (!name) {
    return server_error(14, fmt::format("\"{}\" had the wrong type. Expected string, found {}",
                                        context.body.first().key(), bson::type_name(context.body.first().type())));
  }
  if (name->empty()) return server_error(kBadValue, "User document needs 'user' field to be non-empty");
  return UserName{std::string(*name), std::string(context.database)};
}

Status check_roles(CommandContext& context, const std::vector<RoleName>& roles, std::string_view action) {
  for (const auto& role : roles) TRY(context.authorize(action, database_resource(role.db)));
  auto& directory = auth_connection(context).auth.directory();
  for (const auto& role : roles) {
    if (!TRY(directory.role_exists(role))) return server_error(kRoleNotFound, fmt::format("No role named {}@{}", role.role, role.db));
  }
  return {};
}

// {mechanisms: [...], pwd, digestPassword} as credentials.
Result<bson::Document> make_credentials(CommandContext& context, const UserName& name, std::string_view password) {
  const auto digest_element = context.body["digestPassword"];
  const bool server_digests = !digest_element || digest_element.is_truthy();
  std::set<std::string> wanted;
  if (const auto mechanisms = context.body["mechanisms"].to_array()) {
    for (const auto& item : *mechanisms) {
      const auto text = item.to_string_view().value_or("");
      if (!parse_mechanism(text)) return server_error(kBadValue, fmt::format("Unknown auth mechanism '{}'", text));
      wanted.emplace(text);
    }
    if (wanted.empty()) return server_error(kBadValue, "mechanisms field must not be empty");
  } else {
    wanted = {"SCRAM-SHA-1", "SCRAM-SHA-256"};
  }
  if (password.empty()) return server_error(kBadValue, "Password cannot be empty");
  if (!server_digests && wanted.contains("SCRAM-SHA-256")) {
    return server_error(kBadValue, "Use of SCRAM-SHA-256 requires undigested passwords");
  }
  const auto& parameters = context.services.parameters;
  const auto goes_on = [&] { return check_interrupt(context).has_value(); };
  bson::Builder out;
  const auto append = [&](const std::optional<ScramCredentials>& made, std::string_view mechanism) -> Status {
    if (!made) {
      TRY(check_interrupt(context));
      return server_error(code::kInterrupted, "operation was interrupted");
    }
    made->append_to(out, mechanism);
    return {};
  };
  if (wanted.contains("SCRAM-SHA-1")) {
    const auto iterations = parameters.scram_iterations(false);
    TRY(append(server_digests ? ScramCredentials::make(Mechanism::kSha1, name.user, password, iterations, goes_on)
                              : ScramCredentials::make_from_digest(password, iterations, goes_on),
               "SCRAM-SHA-1"));
  }
  if (wanted.contains("SCRAM-SHA-256")) {
    const auto prepared = bson::sasl_prep(password);
    if (!prepared) return server_error(50695, "Error preparing password: " + prepared.error().message);
    TRY(append(ScramCredentials::make(Mechanism::kSha256, name.user, *prepared, parameters.scram_iterations(true), goes_on), "SCRAM-SHA-256"));
  }
  return std::move(out).finish();
}

bson::Document external_credentials() { return bson::make_document({{"external", true}}); }

Result<bson::Document> changed(CommandContext& context) {
  auth_connection(context).auth.directory().changed();
  return bson::Document();
}

Status check_user_fields(const CommandContext& context) {
  return check_arguments(context, {"pwd", "customData", "roles", "digestPassword", "mechanisms", "authenticationRestrictions"});
}

// What the fields of createUser and updateUser may be; the roles, if there are any.
Result<std::optional<std::vector<RoleName>>> parse_user_fields(CommandContext& context, const UserName& name) {
  TRY(check_type(context, "pwd", bson::Type::kString));
  TRY(check_type(context, "customData", bson::Type::kDocument));
  TRY(check_type(context, "roles", bson::Type::kArray));
  const auto roles = context.body["roles"].to_array();
  if (!roles) return std::optional<std::vector<RoleName>>();
  return std::optional(TRY(parse_roles(*roles, name.db, context.settings().version)));
}

Result<bson::Document> create_user(CommandContext& context) {
  TRY(check_user_fields(context));
  const auto name = TRY(named_user(context));
  TRY(context.authorize("createUser", database_resource(name.db)));
  const auto roles_given = TRY(parse_user_fields(context, name));
  if (name.db == "local") return server_error(kBadValue, "Cannot create users in the local database");
  if (name.user.find('\0') != std::string::npos) return server_error(kBadValue, "Username cannot contain NULL characters");
  const auto password = context.body["pwd"].to_string_view();
  const bool external = name.db == "$external";
  if (!password && !external) {
    return server_error(kBadValue,
                        "Must provide a 'pwd' field for all user documents, except those with '$external' as the user's "
                        "source db");
  }
  if (password && external) {
    return server_error(kBadValue, "Cannot set the password for users defined on the '$external' database");
  }
  if (!roles_given) return missing_array(context, "roles");
  const auto& roles = *roles_given;
  const auto credentials = external ? external_credentials() : TRY(make_credentials(context, name, *password));
  bson::Builder user;
  user.append("_id", name.id()).append("userId", Uuid::random(context.services.runtime));
  user.append("user", name.user).append("db", name.db).append("credentials", credentials);
  TRY(check_roles(context, roles, "grantRole"));
  if (const auto data = context.body["customData"].to_document()) user.append("customData", *data);
  user.append("roles", bson::ArrayView{roles_array(roles)});
  const auto restrictions = TRY(given_restrictions(context, name.db));
  if (restrictions && !restrictions->empty()) user.append("authenticationRestrictions", bson::ArrayView{*restrictions});
  const auto document = std::move(user).finish();
  const bson::Document documents[] = {document};
  auto inserted = run_internal(context.services, "admin",
                               bson::make_document({{"insert", "system.users"}, {"documents", bson::ArrayView{bson::make_array(documents)}}}));
  if (!inserted && inserted.error().server_code == 11000) {
    return server_error(kUserExists, fmt::format("User \"{}\" already exists", name.full()));
  }
  TRY(std::move(inserted));
  return changed(context);
}

// Runs `update` on the user's document; an unknown user is an error.
Result<bson::Document> update_document(CommandContext& context, const UserName& name, bson::View update) {
  bson::Builder command;
  command.append("update", "system.users");
  {
    auto updates = command.open_array("updates");
    auto one = updates.open_document();
    one.open_document("q").append("_id", name.id());
    one.append("u", update);
  }
  const auto reply = TRY(run_internal(context.services, "admin", std::move(command).finish()));
  if (reply["n"].to_int64() == 0) return server_error(kUserNotFound, fmt::format("User {} not found", name.full()));
  return changed(context);
}

bool is_self(CommandContext& context, const UserName& name) {
  for (const auto& user : context.authorization.users()) {
    if (user.name == name.user && user.db == name.db) return true;
  }
  return false;
}

// Without a new password, mechanisms can only be taken away: the fields to unset.
Result<bson::Document> dropped_credentials(CommandContext& context, const UserName& name, bson::View mechanisms) {
  const auto user = TRY(auth_connection(context).auth.directory().user(name));
  if (!user) return server_error(kUserNotFound, fmt::format("Could not find user \"{}\" for db \"{}\"", name.user, name.db));
  std::set<std::string> kept;
  for (const auto& item : mechanisms) {
    const auto text = item.to_string_view().value_or("");
    const auto mechanism = parse_mechanism(text);
    if (!mechanism) return server_error(kBadValue, fmt::format("Unknown auth mechanism '{}'", text));
    if (!user->credentials(*mechanism)) return server_error(kBadValue, "mechanisms field must be a subset of previously set mechanisms");
    kept.emplace(text);
  }
  if (kept.empty()) return server_error(kBadValue, "mechanisms field must not be empty");
  bson::Builder unset;
  for (const auto* const stored : {"SCRAM-SHA-1", "SCRAM-SHA-256"}) {
    if (!kept.contains(stored)) unset.append(std::string("credentials.") + stored, "");
  }
  return std::move(unset).finish();
}

Result<bson::Document> update_user(CommandContext& context) {
  TRY(check_user_fields(context));
  const auto name = TRY(named_user(context));
  const auto password = context.body["pwd"].to_string_view();
  const auto data = context.body["customData"].to_document();
  const auto roles = TRY(parse_user_fields(context, name));
  if (!password && !data && !roles && !context.body["mechanisms"] && !context.body["authenticationRestrictions"]) {
    return server_error(kBadValue, "Must specify at least one field to update in updateUser");
  }
  const auto resource = database_resource(name.db);
  const auto may_for_self = [&](std::string_view action, std::string_view own_action) -> Status {
    if (is_self(context, name) && context.authorization.is_allowed(own_action, resource)) return {};
    return context.authorize(action, resource);
  };
  if (password) TRY(may_for_self("changePassword", "changeOwnPassword"));
  if (data) TRY(may_for_self("changeCustomData", "changeOwnCustomData"));
  bson::Builder set;
  if (password) set.append("credentials", TRY(make_credentials(context, name, *password)));
  if (data) set.append("customData", *data);
  if (roles) {
    // Nobody knows what is being taken away: that needs the right to take anything.
    TRY(context.authorize("revokeRole", kAnyDatabase));
    TRY(check_roles(context, *roles, "grantRole"));
    set.append("roles", bson::ArrayView{roles_array(*roles)});
  }
  bson::Builder without;
  if (const auto mechanisms = context.body["mechanisms"].to_array(); mechanisms && !password) {
    TRY(may_for_self("changePassword", "changeOwnPassword"));
    without.append_all(TRY(dropped_credentials(context, name, *mechanisms)));
  }
  if (const auto restrictions = TRY(given_restrictions(context, name.db))) {
    if (restrictions->empty()) without.append("authenticationRestrictions", "");
    else set.append("authenticationRestrictions", bson::ArrayView{*restrictions});
  }
  const auto unset = std::move(without).finish();
  const auto to_set = std::move(set).finish();
  if (to_set.empty() && unset.empty()) return bson::Document();
  bson::Builder update;
  if (!to_set.empty()) update.append("$set", to_set);
  if (!unset.empty()) update.append("$unset", unset);
  return update_document(context, name, std::move(update).finish());
}

Result<std::int64_t> delete_users(CommandContext& context, bson::View filter) {
  bson::Builder command;
  command.append("delete", "system.users");
  {
    auto deletes = command.open_array("deletes");
    deletes.open_document().append("q", filter).append("limit", 0);
  }
  const auto reply = TRY(run_internal(context.services, "admin", std::move(command).finish()));
  auth_connection(context).auth.directory().changed();
  return reply["n"].to_int64().value_or(0);
}

Result<bson::Document> drop_user(CommandContext& context) {
  const auto name = TRY(named_user(context));
  TRY(context.authorize("dropUser", database_resource(name.db)));
  if (TRY(delete_users(context, bson::make_document({{"_id", name.id()}}))) == 0) {
    return server_error(kUserNotFound, fmt::format("User '{}' not found", name.full()));
  }
  return bson::Document();
}

Result<bson::Document> drop_all_users(CommandContext& context) {
  TRY(context.authorize("dropUser", database_resource(std::string(context.database))));
  const auto count = TRY(delete_users(context, bson::make_document({{"db", context.database}})));
  if (!context.settings().at_least(5, 0)) return bson::make_document({{"n", count}});
  return bson::make_document({{"n", static_cast<std::int32_t>(count)}});
}

Result<bson::Document> change_roles(CommandContext& context, bool grant) {
  const auto name = TRY(named_user(context));
  TRY(check_arguments(context, {"roles"}));
  const auto field = TRY(needed_array(context, "roles"));
  const auto roles = TRY(parse_roles(field, name.db, context.settings().version));
  TRY(check_roles(context, roles, grant ? "grantRole" : "revokeRole"));  // first: who may not is not told who is there
  const auto user = TRY(auth_connection(context).auth.directory().user(name));
  if (!user) return server_error(kUserNotFound, fmt::format("Could not find user \"{}\" for db \"{}\"", name.user, name.db));
  auto granted = user->roles;
  for (const auto& role : roles) {
    const bool has = std::find(granted.begin(), granted.end(), role) != granted.end();
    if (!grant) std::erase(granted, role);
    else if (!has) granted.push_back(role);
  }
  bson::Builder update;
  update.open_document("$set").append("roles", bson::ArrayView{roles_array(granted)});
  return update_document(context, name, std::move(update).finish());
}
Result<bson::Document> grant_roles(CommandContext& context) { return change_roles(context, true); }
Result<bson::Document> revoke_roles(CommandContext& context) { return change_roles(context, false); }

// What usersInfo is asked for: 1 for the database, {forAllDBs: true}, a name, {user, db}, or an array of the last two.
Result<bson::Document> users_filter(CommandContext& context, bool& all_databases) {
  const auto wanted = context.body.first();
  bson::Builder filter;
  if (wanted.is_number() && wanted.to_int64() == 1) {
    filter.append("db", context.database);
    return std::move(filter).finish();
  }
  if (wanted.is_document() && wanted.document_value()["forAllDBs"].is_truthy()) {
    all_databases = true;
    return bson::Document();
  }
  auto in = filter.open_document("_id");
  auto ids = in.open_array("$in");
  const auto add = [&](const bson::Element& item) -> Status {
    if (const auto text = item.to_string_view()) {
      ids.append(UserName{std::string(*text), std::string(context.database)}.id());
      return {};
    }
    const auto object = item.to_document();
    const auto user = object ? (*object)["user"].to_string_view() : std::nullopt;
    const auto db = object ? (*object)["db"].to_string_view() : std::nullopt;
    if (!object) {
      const bool since_50 = context.settings().at_least(5, 0);
      return server_error(kBadValue, since_50 ? "User names must be either strings or objects" : "User and role names must be either strings or objects");
    }
    if (!user || !db) return server_error(4, fmt::format("Missing expected field \"{}\"", user ? "db" : "user"));
    ids.append(UserName{std::string(*user), std::string(*db)}.id());
    return {};
  };
  if (wanted.is_array()) {
    for (const auto& item : wanted.document_value()) TRY(add(item));
  } else {
    TRY(add(wanted));
  }
  ids.close();
  in.close();
  return std::move(filter).finish();
}

// Everybody may look at itself; at others by viewUser where they are, and at those of all databases by viewUser on the cluster.
Status authorize_view(CommandContext& context) {
  const auto wanted = context.body.first();
  if (wanted.is_number()) return context.authorize("viewUser", database_resource(std::string(context.database)));
  if (wanted.is_document() && wanted.document_value()["forAllDBs"].is_truthy()) return context.authorize("viewUser", {Resource::Kind::kCluster, {}});
  const auto one = [&](const bson::Element& item) -> Status {
    const auto object = item.to_document();
    const auto user = object ? (*object)["user"].to_string_view() : item.to_string_view();
    const auto db = object ? (*object)["db"].to_string_view() : std::optional(context.database);
    const UserName name{std::string(user.value_or("")), std::string(db.value_or(""))};
    return is_self(context, name) ? Status() : context.authorize("viewUser", database_resource(name.db));
  };
  if (!wanted.is_array()) return one(wanted);
  for (const auto& item : wanted.document_value()) TRY(one(item));
  return {};
}

// With `showPrivileges` or `showAuthenticationRestrictions` all that it has of its roles.
Result<bson::Document> describe_user(CommandContext& context, const bson::Document& document) {
  auto& directory = auth_connection(context).auth.directory();
  const bool restrictions = context.body["showAuthenticationRestrictions"].is_truthy();
  const bool details = context.body["showPrivileges"].is_truthy() || restrictions;
  const bool credentials = context.body["showCredentials"].is_truthy();
  bson::Builder out;
  const auto append_mechanisms = [&] {
    auto mechanisms = out.open_array("mechanisms");
    if (const auto stored = document["credentials"].to_document()) {
      for (const auto& field : *stored) mechanisms.append(field.key());
    }
  };
  for (const auto& field : document) {
    if (details && field.key() == "credentials") append_mechanisms();
    if (field.key() == "credentials" && !credentials) continue;
    if (field.key() != "authenticationRestrictions" || restrictions) out.append_raw(field);
  }
  if (!details) append_mechanisms();
  if (!details) return std::move(out).finish();
  const auto roles = document["roles"].to_array();
  const auto direct = roles ? TRY(parse_roles(*roles, "")) : std::vector<RoleName>();
  out.append("inheritedRoles", bson::ArrayView{roles_array(TRY(directory.expand(direct)))});
  out.append("inheritedPrivileges", bson::ArrayView{TRY(directory.privileges_of(direct)).to_bson()});
  append_restrictions(out, "inheritedAuthenticationRestrictions", TRY(directory.restrictions_of(direct)));
  if (restrictions && !document["authenticationRestrictions"]) out.append("authenticationRestrictions", bson::ArrayView{bson::Document()});
  return std::move(out).finish();
}

Status check_shown(const CommandContext& context, std::string_view field) {
  const auto value = context.body[field];
  if (!value || value.is_number() || value.type() == bson::Type::kBool) return {};
  return server_error(14, fmt::format("Expected boolean or number type for field \"{}\", found {}", field, bson::type_name(value.type())));
}

Result<bson::Document> users_info(CommandContext& context) {
  bool all_databases = false;
  TRY(check_arguments(context, {"showPrivileges", "showCredentials", "showCustomData", "showAuthenticationRestrictions", "filter"}));
  const auto filter = TRY(users_filter(context, all_databases));
  TRY(check_shown(context, "showPrivileges"));
  TRY(check_shown(context, "showCredentials"));
  TRY(check_shown(context, "showAuthenticationRestrictions"));
  TRY(check_type(context, "filter", bson::Type::kDocument));
  TRY(authorize_view(context));
  const auto shown = context.body["filter"].to_document();
  const bool details = context.body["showPrivileges"].is_truthy() || context.body["showAuthenticationRestrictions"].is_truthy();
  if ((all_databases || filter["db"] || shown) && details) {
    return server_error(20, "Privilege or restriction details require exact-match usersInfo queries.");
  }
  std::optional<query::Matcher> matcher;
  if (shown) matcher = TRY(query::Matcher::parse(*shown, nullptr, context.settings().version));
  auto documents = TRY(find_internal(context.services, "admin", "system.users", filter));
  const auto order = [](const bson::Document& user) {
    return std::pair(user["user"].to_string_view().value_or(""), user["db"].to_string_view().value_or(""));
  };
  std::sort(documents.begin(), documents.end(), [&](const bson::Document& a, const bson::Document& b) { return order(a) < order(b); });
  bson::Builder out;
  auto users = out.open_array("users");
  for (const auto& document : documents) {
    const auto user = TRY(describe_user(context, document));
    if (!matcher || matcher->matches(user)) users.append(user);
  }
  users.close();
  return std::move(out).finish();
}

}  // namespace

void add_user_commands(CommandTable& table) {
  constexpr auto kCustom = ResourceKind::kCustom;
  static constexpr Command kRows[] = {
      {.name = "createUser", .flags = kWrite, .resource = kCustom, .handler = create_user, .help = "adds a user"},
      {.name = "updateUser", .flags = kWrite, .resource = kCustom, .handler = update_user, .help = "changes a user"},
      {.name = "dropUser", .flags = kWrite, .resource = kCustom, .handler = drop_user, .help = "removes a user"},
      {.name = "dropAllUsersFromDatabase", .flags = kWrite, .resource = kCustom, .handler = drop_all_users,
       .help = "removes all users of a database"},
      {.name = "grantRolesToUser", .flags = kWrite, .resource = kCustom, .handler = grant_roles, .help = "gives a user roles"},
      {.name = "revokeRolesFromUser", .flags = kWrite, .resource = kCustom, .handler = revoke_roles,
       .help = "takes roles from a user"},
      {.name = "usersInfo", .resource = kCustom, .handler = users_info, .help = "describes users"},
  };
  table.add(kRows);
}

}  // namespace drover::sandbox::auth
