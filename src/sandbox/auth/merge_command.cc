// _mergeAuthzCollections: how mongorestore ends a restore of users and roles. It has put them into two collections of their own; here they
// take the place of those of the same name, and with `drop` of all others.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/core.h>

#include "sandbox/auth/internal_command.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox::auth {

void add_merge_command(CommandTable& table);

namespace {

constexpr int kBadValue = 2;

struct Kind {
  std::string_view field;   // of the command: where they are
  std::string_view target;  // in admin
  std::string_view name;    // of a document: "user" or "role"
};
constexpr Kind kUsers{"tempUsersCollection", "system.users", "user"};
constexpr Kind kRoles{"tempRolesCollection", "system.roles", "role"};

Result<std::string> text_argument(const CommandContext& context, std::string_view field) {
  const auto value = context.body[field];
  if (!value) return std::string();
  if (!value.is_string()) {
    return server_error(14, fmt::format("\"{}\" had the wrong type. Expected string, found {}", field, bson::type_name(value.type())));
  }
  return std::string(value.string_value());
}

struct Merge {
  Kind kind;
  std::vector<bson::Document> documents;
  std::vector<bson::Document> before;  // those that are there
};

// What is to be merged, every document of it fit for its place.
Result<Merge> read(CommandContext& context, const Kind& kind, bson::View filter) {
  Merge merge{kind, {}, {}};
  const auto source = TRY(text_argument(context, kind.field));
  if (source.empty()) return merge;
  const auto ns = Namespace::parse(source);
  if (!ns) return server_error(73, fmt::format("Invalid namespace for {}: {}", kind.field, source));
  TRY(context.authorize("find", {Resource::Kind::kCollection, *ns}));
  merge.documents = TRY(find_internal(context.services, ns->db, ns->collection, filter));
  merge.before = TRY(find_internal(context.services, "admin", kind.target, filter));
  for (const auto& document : merge.documents) {
    const auto name = document[kind.name].to_string_view(), db = document["db"].to_string_view();
    const bool fits = name && db && document["_id"].to_string_view() == fmt::format("{}.{}", *db, *name) && document["roles"].is_array();
    if (!fits) return server_error(kBadValue, fmt::format("{} holds a document that is no {}", source, kind.name));
  }
  return merge;
}

Status write(CommandContext& context, const Merge& merge, bool drop) {
  auto& services = context.services;
  std::set<std::string_view> kept;
  for (const auto& document : merge.documents) {
    const auto id = document["_id"];
    kept.insert(id.string_value());
    bson::ArrayBuilder updates;
    {
      auto update = updates.open_document();
      update.open_document("q").append("_id", id);
      update.append("u", document).append("upsert", true);
    }
    TRY(run_internal(services, "admin", bson::make_document({{"update", merge.kind.target}, {"updates", bson::ArrayView{std::move(updates).finish()}}})));
  }
  if (!drop) return {};
  for (const auto& document : merge.before) {
    const auto id = document["_id"];
    if (kept.contains(id.to_string_view().value_or(""))) continue;
    bson::ArrayBuilder deletes;
    {
      auto one = deletes.open_document();
      one.open_document("q").append("_id", id);
      one.append("limit", 1);
    }
    TRY(run_internal(services, "admin", bson::make_document({{"delete", merge.kind.target}, {"deletes", bson::ArrayView{std::move(deletes).finish()}}})));
  }
  return {};
}

Status authorize_merge(CommandContext& context, bson::View) {
  static constexpr std::array<std::string_view, 6> kActions = {"createUser", "dropUser", "createRole", "dropRole", "grantRole", "revokeRole"};
  for (const auto action : kActions) TRY(context.authorize(action, {Resource::Kind::kAnyNormal, {}}));
  return {};
}

// Running it twice leaves what running it once has left.
Result<bson::Document> merge_users_and_roles(CommandContext& context) {
  TRY(check_fields(context, {kUsers.field, kRoles.field, "db", "drop"}));
  const bool drop = TRY(bool_field(context, "drop"));
  const auto db = TRY(text_argument(context, "db"));
  if (!context.body[kUsers.field] && !context.body[kRoles.field]) {
    return server_error(kBadValue, "Must provide at least one of \"tempUsersCollection\" and \"tempRolescollection\"");
  }
  const auto filter = db.empty() ? bson::Document() : bson::make_document({{"db", db}});
  const auto users = TRY(read(context, kUsers, filter));
  const auto roles = TRY(read(context, kRoles, filter));
  TRY(write(context, roles, drop && context.body[kRoles.field]));
  TRY(write(context, users, drop && context.body[kUsers.field]));
  return bson::Document();
}

}  // namespace

void add_merge_command(CommandTable& table) {
  static constexpr Command kRows[] = {
      {.name = "_mergeAuthzCollections", .flags = kAdminOnly | kWrite | kHidden, .resource = ResourceKind::kCustom, .also = authorize_merge,
       .handler = merge_users_and_roles, .help = "puts users and roles of a restore into their place"},
  };
  table.add(kRows);
}

}  // namespace drover::sandbox::auth
