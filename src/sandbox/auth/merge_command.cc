// _mergeAuthzCollections: how mongorestore ends a restore of users and roles. It has put them into two collections of their own; here they
// take the place of those of the same name, and with `drop` of all others.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/core.h>

#include "sandbox/auth/internal_command.h"
#include "sandbox/auth/privileges.h"
#include "sandbox/auth/restrictions.h"
#include "sandbox/auth/scram.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox::auth {

void add_merge_command(CommandTable& table);

namespace {

constexpr int kBadValue = 2;
constexpr int kOutdatedClient = 101;
constexpr int kExceededMemoryLimit = 146;
constexpr std::size_t kNodeBytes = 96;  // of a kept name

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
  std::string source;
  Namespace from;
  bson::Document filter;
  bool is_asked_for() const { return !source.empty(); }
};

Result<Merge> parse(const CommandContext& context, const Kind& kind, bson::View filter) {
  Merge merge{.kind = kind, .source = TRY(text_argument(context, kind.field)), .from = {}, .filter = bson::Document(filter)};
  if (!merge.is_asked_for()) return merge;
  const auto ns = Namespace::parse(merge.source);
  if (!ns) return server_error(73, fmt::format("Invalid namespace for {}: {}", kind.field, merge.source));
  merge.from = *ns;
  return merge;
}

// Whether the server could use such a document.
Status check_credentials(bson::View document) {
  const auto credentials = document["credentials"];
  if (!credentials) return {};
  if (!credentials.is_document()) return server_error(kBadValue, "its credentials are no document");
  for (const auto mechanism : {Mechanism::kSha1, Mechanism::kSha256}) {
    const auto stored = credentials.document_value()[mechanism_name(mechanism)];
    if (stored && (!stored.is_document() || !ScramCredentials::parse(stored.document_value()))) {
      return server_error(kBadValue, fmt::format("its credentials for {} are none", mechanism_name(mechanism)));
    }
  }
  return {};
}

Status check_contents(const Kind& kind, bson::View document) {
  const auto roles = document["roles"];
  if (!roles.is_array()) return server_error(kBadValue, "its roles are no array");
  for (const auto& role : roles.document_value()) {
    const auto name = role.to_document().value_or(bson::View());
    if (!name["role"].is_string() || !name["db"].is_string()) return server_error(kBadValue, "a role of it has no role and db");
  }
  if (const auto restrictions = document["authenticationRestrictions"]) {
    if (!restrictions.is_array()) return server_error(kBadValue, "its authenticationRestrictions are no array");
    TRY(checked_restrictions(restrictions.document_value()));
  }
  if (kind.target == kUsers.target) return check_credentials(document);
  if (!document["privileges"].is_array()) return server_error(kBadValue, "its privileges are no array");
  return PrivilegeSet::parse(document["privileges"].document_value()).map([](const PrivilegeSet&) {});
}

Status check_document(const Merge& merge, bson::View document) {
  const auto name = document[merge.kind.name].to_string_view(), db = document["db"].to_string_view();
  if (!name || !db || name->empty() || db->empty() || document["_id"].to_string_view() != fmt::format("{}.{}", *db, *name)) {
    return server_error(kBadValue, fmt::format("{} holds a document that is no {}", merge.source, merge.kind.name));
  }
  auto fits = check_contents(merge.kind, document);
  if (fits) return fits;
  return tl::unexpected(caused_by(fmt::format("{} holds the {} {} of {}, which cannot be used", merge.source, merge.kind.name, *name, *db), std::move(fits).error()));
}

// Every document of it has to be fit for its place before the first is written.
Status check(CommandContext& context, const Merge& merge) {
  if (!merge.is_asked_for()) return {};
  TRY(context.authorize("find", {Resource::Kind::kCollection, merge.from}));
  return for_each_internal(context.services, merge.from, merge.filter, [&](bson::View document) -> Status {
    TRY(check_interrupt(context));
    return check_document(merge, document);
  });
}

Status put(CommandContext& context, const Merge& merge, bson::View document) {
  bson::ArrayBuilder updates;
  {
    auto update = updates.open_document();
    update.open_document("q").append("_id", document["_id"]);
    update.append("u", document).append("upsert", true);
  }
  return run_internal(context.services, "admin", bson::make_document({{"update", merge.kind.target}, {"updates", bson::ArrayView{std::move(updates).finish()}}}))
      .map([](const bson::Document&) {});
}

Status remove(CommandContext& context, const Merge& merge, const bson::Element& id) {
  bson::ArrayBuilder deletes;
  {
    auto one = deletes.open_document();
    one.open_document("q").append("_id", id);
    one.append("limit", 1);
  }
  return run_internal(context.services, "admin", bson::make_document({{"delete", merge.kind.target}, {"deletes", bson::ArrayView{std::move(deletes).finish()}}}))
      .map([](const bson::Document&) {});
}

Status write(CommandContext& context, const Merge& merge, bool drop) {
  if (!merge.is_asked_for()) return {};
  std::set<std::string, std::less<>> kept;
  std::size_t kept_bytes = 0;
  MemoryShare memory(&context.services.memory.work);
  TRY(for_each_internal(context.services, merge.from, merge.filter, [&](bson::View document) -> Status {
    TRY(check_interrupt(context));
    TRY(check_document(merge, document));  // it may have been changed since
    const auto id = document["_id"].string_value();
    kept_bytes += id.size() + kNodeBytes;
    if (drop && !memory.try_grow_to(kept_bytes)) return server_error(kExceededMemoryLimit, "there is not enough memory for the names of all that are merged");
    if (drop) kept.emplace(id);
    return put(context, merge, document);
  }));
  if (!drop) return {};
  return for_each_internal(context.services, {"admin", std::string(merge.kind.target)}, merge.filter, [&](bson::View document) -> Status {
    TRY(check_interrupt(context));
    const auto id = document["_id"];
    return kept.contains(id.to_string_view().value_or("")) ? Status() : remove(context, merge, id);
  });
}

// The database is always named, an empty one for all.
Result<std::string> database_of(const CommandContext& context) {
  if (context.body["db"]) return text_argument(context, "db");
  if (context.settings().at_least(5, 0)) return server_error(code::kMissingField, "BSON field '_mergeAuthzCollections.db' is missing but a required field");
  return server_error(kOutdatedClient, "Missing \"db\" field for _mergeAuthzCollections command. This is most likely due to running an outdated (pre-2.6.4) version "
                                       "of mongorestore.");
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
  const auto db = TRY(database_of(context));
  if (!context.body[kUsers.field] && !context.body[kRoles.field]) {
    return server_error(kBadValue, "Must provide at least one of \"tempUsersCollection\" and \"tempRolescollection\"");
  }
  const auto filter = db.empty() ? bson::Document() : bson::make_document({{"db", db}});
  const auto users = TRY(parse(context, kUsers, filter));
  const auto roles = TRY(parse(context, kRoles, filter));
  for (const auto* merge : {&roles, &users}) TRY(check(context, *merge));
  for (const auto* merge : {&roles, &users}) TRY(write(context, *merge, drop));
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
