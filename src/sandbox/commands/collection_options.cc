#include "sandbox/commands/collection_options.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/write_support.h"

namespace drover::sandbox {

bson::Document canonical_options(bson::View options) {
  static constexpr std::string_view kOrder[] = {"capped", "size", "max", "autoIndexId", "temp", "recordPreImages", "changeStreamPreAndPostImages",
                                                "storageEngine", "validator", "validationLevel", "validationAction", "indexOptionDefaults",
                                                "viewOn", "pipeline", "collation", "clusteredIndex", "expireAfterSeconds", "timeseries"};
  bson::Builder out;
  for (const auto name : kOrder) {
    if (const auto option = options[name]) out.append_raw(option);
  }
  for (const auto& option : options) {
    if (std::find(std::begin(kOrder), std::end(kOrder), option.key()) == std::end(kOrder)) out.append_raw(option);
  }
  return std::move(out).finish();
}

void append_capped_size(const CommandContext& context, bson::Builder& out, std::int64_t size) {
  constexpr std::int64_t kPiece = 256;
  append_count(out, "size", context.settings().at_least(6, 2) ? size : (size + kPiece - 1) / kPiece * kPiece);
}

void append_capped_max(bson::Builder& out, std::int64_t max) {
  append_count(out, "max", max > 0 ? max : INT32_MAX);
}

Result<std::int64_t> clustered_expiry(const CommandContext& context, const bson::Element& seconds) {
  const auto given = seconds.to_int64().value_or(-1);
  if (given < 0) return server_error(code::kInvalidOptions, "TTL index 'expireAfterSeconds' option cannot be less than 0");
  if (given > wall_millis(context.services.runtime) / 1000) {
    return server_error(code::kInvalidOptions, "TTL index 'expireAfterSeconds' option must be within an acceptable range, try a lower number");
  }
  return given;
}

Status check_storage_engine(bson::View engines) {
  for (const auto& engine : engines) {
    if (!engine.is_document()) return server_error(code::kBadValue, fmt::format("'storageEngine.{}' has to be an embedded document.", engine.key()));
    if (engine.key() != "wiredTiger") {
      return server_error(code::kInvalidOptions, fmt::format("{} is not a registered storage engine for this server", engine.key()));
    }
  }
  return {};
}

namespace {

// What a collection is made of, without what is so anyhow.
bson::Document essence(bson::View options) {
  bson::Builder out;
  for (const auto& option : options) {
    const bool usual = (option.key() == "validationLevel" && option.to_string_view() == "strict") ||
                       (option.key() == "validationAction" && option.to_string_view() == "error");
    if (!usual) out.append_raw(option);
  }
  return std::move(out).finish();
}

tl::unexpected<Error> exists_otherwise(const CollectionInfo& there, std::string how) {
  return server_error(code::kNamespaceExists, fmt::format("namespace {} already exists, but {}", there.ns.to_string(), how));
}

}  // namespace

Status check_same_collection(const CollectionInfo& there, bson::View options) {
  if (!there.is_view() && essence(there.options) == essence(options)) return {};
  if (there.is_view()) return exists_otherwise(there, fmt::format("is a view on {}.{} rather than {}.", there.ns.db, there.view_on, there.ns.db));
  bson::Builder shown;
  shown.append("uuid", there.uuid).append_all(there.options);
  return exists_otherwise(there, "with different options: " + bson::to_shell(std::move(shown).finish()));
}

Status check_same_view(const CollectionInfo& there, std::string_view on, bson::View pipeline, const bson::Collator* collator) {
  if (!there.is_view()) return check_same_collection(there, bson::make_document({{"viewOn", on}}));
  if (there.view_on != on) {
    return exists_otherwise(there, fmt::format("is a view on {0}.{1} rather than {0}.{2}", there.ns.db, there.view_on, on));
  }
  if (!there.view_pipeline.view().same_bytes(pipeline)) {
    const auto shown = [](bson::View stages) { return bson::to_shell(bson::make_document({{"", bson::ArrayView{stages}}}).view().first()); };
    return exists_otherwise(there, fmt::format("with pipeline {} rather than {}", shown(there.view_pipeline), shown(pipeline)));
  }
  if (bson::same_collation(there.collator.get(), collator)) return {};
  const auto shown = [](const bson::Collator* one) { return one ? bson::to_shell(one->spec()) : std::string("{ locale: \"simple\" }"); };
  return exists_otherwise(there, fmt::format("with collation: {} rather than {}", shown(there.collator.get()), shown(collator)));
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
