// validateDBMetadata (5.0+): what of the catalog the versioned API does not know.
#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/plan.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"

namespace drover::sandbox {

namespace {

constexpr int kApiStrictError = 323;
// The reply is cut off beyond this, and says so.
constexpr std::size_t kMaxReplyBytes = 16 << 20;

struct ApiParameters {
  std::string version;
  bool strict = false;
};

Result<ApiParameters> parse_parameters(const CommandContext& context) {
  const auto parameters = context.body["apiParameters"];
  if (!parameters) return server_error(code::kMissingField, "BSON field 'validateDBMetadata.apiParameters' is missing but a required field");
  if (!parameters.is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'validateDBMetadata.apiParameters' is the wrong type '{}', expected type 'object'",
                                                         bson::type_name(parameters.type())));
  }
  ApiParameters out;
  for (const auto& field : parameters.document_value()) {
    if (field.key() == "version") out.version = std::string(field.to_string_view().value_or(""));
    else if (field.key() == "strict") out.strict = field.is_truthy();
    else if (field.key() != "deprecationErrors") {
      return server_error(code::kUnknownField, fmt::format("BSON field 'validateDBMetadata.apiParameters.{}' is an unknown field.", field.key()));
    }
  }
  if (out.version != "1") return server_error(322, "API version must be \"1\"");
  return out;
}

bson::Document index_error(const CollectionInfo& collection, const IndexInfo& index) {
  bson::Builder out;
  out.append("ns", collection.ns.to_string()).append("code", kApiStrictError).append("codeName", "APIStrictError");
  out.append("errmsg", fmt::format("The index with name {} is not allowed in API version 1.", index.name));
  return std::move(out).finish();
}

Result<bson::Document> validate_db_metadata(CommandContext& context) {
  TRY(check_fields(context, {"apiParameters", "db", "collection"}));
  const auto parameters = TRY(parse_parameters(context));
  const auto db = context.body["db"].to_string_view();
  const auto name = context.body["collection"].to_string_view();
  TRY(context.authorize("validate", {Resource::Kind::kDatabase, {std::string(db.value_or("")), ""}}));
  bson::Builder reply;
  bool more = false;
  {
    auto errors = reply.open_array("apiVersionErrors");
    for (const auto& collection : context.engine().view()->catalog->all()) {
      if ((db && collection->ns.db != *db) || (name && collection->ns.collection != *name)) continue;
      for (const auto& index : collection->indexes) {
        if (!parameters.strict || is_in_stable_api(*index) || more) continue;
        errors.append(index_error(*collection, *index));
        more = errors.size() > kMaxReplyBytes;
      }
    }
  }
  reply.append("hasMoreErrors", more);
  return std::move(reply).finish();
}

}  // namespace

std::span<const Command> metadata_commands() {
  static constexpr Command kRows[] = {
      {.name = "validateDBMetadata", .resource = ResourceKind::kCustom, .handler = validate_db_metadata,
       .help = "what of the catalog the versioned API does not know", .since = {5, 0, 0}},
  };
  return kRows;
}

}  // namespace drover::sandbox
