#include "sandbox/auth/internal_command.h"

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/auth/restrictions.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox::auth {

namespace {

class NoAuthorization final : public Authorization {
 public:
  bool enabled() const override { return false; }
  bool is_allowed(std::string_view, const Resource&) const override { return true; }
  bool may_anything_on(const Namespace&) const override { return true; }
  bool may_anything_in(std::string_view) const override { return true; }
  std::vector<User> users() const override { return {}; }
};

constexpr std::int32_t kInternalBatch = 1000;

}  // namespace

Result<bson::Document> run_internal(Services& services, std::string_view db, bson::View body) {
  static const Connection connection{.id = 0, .remote = "internal"};
  static const NoAuthorization authorization;
  bson::Builder whole;
  whole.append_all(body).append("$db", db);
  const auto command = std::move(whole).finish();
  const auto* row = services.commands.find(body.first().key(), services.settings.version);
  if (row == nullptr) return server_error(59, "no such command: '" + std::string(body.first().key()) + "'");
  Operation operation;
  operation.connection = &connection;
  operation.command_name = row->name;
  CommandContext context{.services = services,
                         .command = row,
                         .database = db,
                         .body = command,
                         .sequences = {},
                         .connection = connection,
                         .authorization = authorization,
                         .operation = &operation,
                         .internal = true};
  auto reply = execute(context);
  const auto first_error = reply["writeErrors"].to_array();
  const auto failed = first_error ? first_error->first().document_value() : reply.view();
  if (first_error || !reply["ok"].is_truthy()) {
    return server_error(static_cast<int>(failed["code"].to_int64().value_or(1)),
                        std::string(failed["errmsg"].to_string_view().value_or("internal command failed")));
  }
  return reply;
}

Status for_each_internal(Services& services, const Namespace& ns, bson::View filter, const std::function<Status(bson::View)>& body) {
  auto reply = TRY(run_internal(services, ns.db, bson::make_document({{"find", ns.collection}, {"filter", filter}, {"batchSize", kInternalBatch}})));
  const auto handle = [&](std::string_view batch) -> Status {
    for (const auto& item : reply["cursor"].document_value()[batch].to_array().value_or(bson::View())) TRY(body(item.document_value()));
    return {};
  };
  auto handled = handle("firstBatch");
  for (auto cursor = reply.view().at_path("cursor.id").to_int64().value_or(0); cursor != 0;) {
    if (!handled) {
      services.cursors.kill(cursor);
      break;
    }
    reply = TRY(run_internal(services, ns.db, bson::make_document({{"getMore", cursor}, {"collection", ns.collection}, {"batchSize", kInternalBatch}})));
    cursor = reply.view().at_path("cursor.id").to_int64().value_or(0);
    handled = handle("nextBatch");
  }
  return handled;
}

Result<std::vector<bson::Document>> find_internal(Services& services, std::string_view db, std::string_view collection,
                                                  bson::View filter) {
  std::vector<bson::Document> documents;
  TRY(for_each_internal(services, {std::string(db), std::string(collection)}, filter, [&](bson::View document) -> Status {
    documents.emplace_back(document);
    return {};
  }));
  return documents;
}

Result<bool> any_internal(Services& services, const Namespace& ns) {
  const auto reply = TRY(run_internal(services, ns.db, bson::make_document({{"find", ns.collection}, {"limit", 1}, {"singleBatch", true}})));
  return reply.view().at_path("cursor.firstBatch.0").exists();
}

Status check_arguments(const CommandContext& context, std::initializer_list<std::string_view> known) {
  auto checked = check_fields(context, known);
  if (checked || context.settings().at_least(5, 0)) return checked;
  const std::string& message = checked.error().message;  // BSON field 'createUser.name' is an unknown field.
  const auto from = message.find('.') + 1;
  const auto name = message.substr(from, message.find('\'', from) - from);
  return server_error(2, fmt::format("\"{}\" is not a valid argument to {}", name, context.command->name));
}

Status check_type(const CommandContext& context, std::string_view field, bson::Type type) {
  const auto value = context.body[field];
  if (!value || value.type() == type) return {};
  if (context.settings().at_least(5, 0)) {
    return server_error(14, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type '{}'", context.command->name, field,
                                        bson::type_name(value.type()), bson::type_name(type)));
  }
  return server_error(14, fmt::format("\"{}\" had the wrong type. Expected {}, found {}", field, bson::type_name(type), bson::type_name(value.type())));
}

Result<bson::View> needed_array(const CommandContext& context, std::string_view field) {
  const bool since_50 = context.settings().at_least(5, 0);
  const auto value = context.body[field];
  if (!value && since_50) {
    return server_error(40414, fmt::format("BSON field '{}.{}' is missing but a required field", context.command->name, field));
  }
  if (!value) return server_error(4, fmt::format("Missing expected field \"{}\"", field));
  TRY(check_type(context, field, bson::Type::kArray));
  const auto array = *value.to_array();
  if (!array.empty()) return array;
  const std::string_view quote = since_50 ? "\"" : "";
  return server_error(2, fmt::format("{0}{1}{0} command requires a non-empty \"{2}\" array", quote, context.command->name, field));
}

tl::unexpected<Error> missing_array(const CommandContext& context, std::string_view field) {
  if (context.settings().at_least(5, 0)) return server_error(40414, fmt::format("BSON field '{}.{}' is missing but a required field", context.command->name, field));
  return server_error(2, fmt::format("\"{}\" command requires a \"{}\" array", context.command->name, field));
}

Result<std::optional<bson::Document>> given_restrictions(const CommandContext& context, std::string_view db) {
  TRY(check_type(context, "authenticationRestrictions", bson::Type::kArray));
  const auto given = context.body["authenticationRestrictions"].to_array();
  if (!given) return std::optional<bson::Document>();
  TRY(context.authorize("setAuthenticationRestriction", {Resource::Kind::kDatabase, {std::string(db), ""}}));
  return std::optional(TRY(checked_restrictions(*given)));
}

void append_restrictions(bson::Builder& out, std::string_view name, const std::vector<bson::Document>& all) {
  auto list = out.open_array(name);
  for (const auto& one : all) list.append(bson::ArrayView{one});
}

}  // namespace drover::sandbox::auth
