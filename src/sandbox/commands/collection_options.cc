#include "sandbox/commands/collection_options.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

bson::Document canonical_options(bson::View options) {
  static constexpr std::string_view kOrder[] = {"capped", "size", "max", "autoIndexId", "temp", "recordPreImages", "changeStreamPreAndPostImages",
                                                "storageEngine", "validator", "validationLevel", "validationAction", "indexOptionDefaults",
                                                "viewOn", "pipeline", "collation"};
  bson::Builder out;
  for (const auto name : kOrder) {
    if (const auto option = options[name]) out.append_raw(option);
  }
  for (const auto& option : options) {
    if (std::find(std::begin(kOrder), std::end(kOrder), option.key()) == std::end(kOrder)) out.append_raw(option);
  }
  return std::move(out).finish();
}

Status check_image_option(const CommandContext& context, const bson::Element& option) {
  const auto command = context.command->name;
  const auto wrong_type = [&](std::string_view path, const bson::Element& field, std::string_view wanted) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{}.{}' is the wrong type '{}', expected type '{}'", command, path,
                                                         bson::type_name(field.type()), wanted));
  };
  if (!option.is_document()) return wrong_type("changeStreamPreAndPostImages", option, "object");
  const auto enabled = option.document_value()["enabled"];
  if (!enabled) {
    return server_error(code::kMissingField, fmt::format("BSON field '{}.changeStreamPreAndPostImages.enabled' is missing but a required field", command));
  }
  if (enabled.type() != bson::Type::kBool && !enabled.is_number()) return wrong_type("changeStreamPreAndPostImages.enabled", enabled, "bool");
  for (const auto& field : option.document_value()) {
    if (field.key() == "enabled") continue;
    return server_error(code::kUnknownField, fmt::format("BSON field '{}.changeStreamPreAndPostImages.{}' is an unknown field.", command, field.key()));
  }
  const auto db = context.database;
  if (enabled.is_truthy() && (db == "admin" || db == "config" || db == "local")) {
    return server_error(code::kInvalidOptions,
                        fmt::format("changeStreamPreAndPostImages collection option is not supported on the {} database", db));
  }
  return {};
}

}  // namespace drover::sandbox
