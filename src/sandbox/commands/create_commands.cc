// create: collections and views. Facts: corpus catalog/create-list-drop, catalog/options.
#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/collection_options.h"
#include "sandbox/commands/index_rules.h"
#include "sandbox/commands/index_spec.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/timeseries.h"
#include "sandbox/commands/views.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox {

namespace {

constexpr std::int64_t kLargestCapped = std::int64_t{1} << 50;  // bytes
constexpr std::int64_t kMostCapped = std::int64_t{1} << 31;     // documents: fewer

Status check_new_name(const CommandContext& context, const Namespace& ns) {
  TRY(check_creatable(context, ns));
  if (ns.to_string().size() > kMaxNamespaceBytes) {
    return server_error(code::kInvalidNamespace, fmt::format("Fully qualified namespace is too long. Namespace: {} Max: {}",
                                                             ns.to_string(), kMaxNamespaceBytes));
  }
  return {};
}

Status check_type(const bson::Element& field, bool fits, std::string_view wanted) {
  if (fits) return {};
  return server_error(code::kTypeMismatch, fmt::format("BSON field 'create.{}' is the wrong type '{}', expected type '{}'", field.key(),
                                                       bson::type_name(field.type()), wanted));
}

Status check_types(const bson::Element& field, bool fits, std::string_view wanted) {
  if (fits) return {};
  return server_error(code::kTypeMismatch, fmt::format("BSON field 'create.{}' is the wrong type '{}', expected types '{}", field.key(),
                                                       bson::type_name(field.type()), wanted));
}

Status check_choice(const bson::Element& field, std::initializer_list<std::string_view> choices) {
  TRY(check_type(field, field.is_string(), "string"));
  for (const auto choice : choices)
    if (field.string_value() == choice) return {};
  return server_error(code::kBadValue, fmt::format("Enumeration value '{}' for field 'create.{}' is not a valid value.",
                                                   field.string_value(), field.key()));
}

// A false is as nothing.
bool is_clustered(bson::View body) {
  const auto option = body["clusteredIndex"];
  return option.exists() && (option.type() != bson::Type::kBool || option.bool_value());
}

// {v: 2, key: {_id: 1}, name, unique: true}, whatever of it was given.
// Codes: MongoDB's jstests/core/clustered_collection_creation.js.
Result<bson::Document> clustered_option(const CommandContext& context, const Namespace& ns) {
  const auto option = context.body["clusteredIndex"];
  if (ns.collection.starts_with("system.buckets.") || option.type() == bson::Type::kBool) {
    return server_error(5979703, "The 'clusteredIndex' legacy format {clusteredIndex: <bool>} is only supported for specific internal collections and vice versa");
  }
  TRY(check_type(option, option.is_document(), "object"));
  const auto spec = option.document_value();
  for (const auto& field : spec) {
    const auto key = field.key();
    if (key == "v" || key == "key" || key == "name" || key == "unique") continue;
    return server_error(code::kUnknownField, fmt::format("BSON field 'create.clusteredIndex.{}' is an unknown field.", key));
  }
  for (const auto name : {"key", "unique"}) {
    if (!spec[name]) return server_error(code::kMissingField, fmt::format("BSON field 'create.clusteredIndex.{}' is missing but a required field", name));
  }
  const auto key = spec["key"].to_document();
  if (!key || key->field_count() != 1 || key->first().key() != "_id" || key->first().to_double() != 1.0) {
    return server_error(197, "The clusteredIndex option requires the index key to be {_id: 1}");
  }
  if (!spec["unique"].is_truthy()) return server_error(5979700, "The clusteredIndex option requires unique: true to be specified");
  if (spec["v"] && spec["v"].to_double() != 2.0) {
    return server_error(5979704, fmt::format("The clusteredIndex option requires v: 2, but got v: {}", bson::to_shell(spec["v"])));
  }
  if (context.body["capped"].is_truthy()) return server_error(6049200, "The 'capped' option is not supported with the 'clusteredIndex' option");
  if (context.body["autoIndexId"] && !context.body["autoIndexId"].is_truthy()) {
    return server_error(6026501, "The 'autoIndexId' option is not supported with the 'clusteredIndex' option");
  }
  for (const auto name : {"idIndex", "max", "size"}) {
    if (context.body[name].is_truthy()) return server_error(code::kInvalidOptions, fmt::format("Cannot use '{}' with the 'clusteredIndex' option", name));
  }
  bson::Builder out;
  out.append("v", 2).append("key", *key).append("name", spec["name"].to_string_view().value_or("_id_")).append("unique", true);
  return std::move(out).finish();
}

// Numbers, and since 5.0 within their bounds whether the collection is capped or not.
Status check_capped_numbers(const CommandContext& context) {
  const auto numbers = [](const bson::Element& field) { return check_types(field, field.is_number(), "[long, int, decimal, double']"); };
  const auto size = context.body["size"], max = context.body["max"];
  if (size) TRY(numbers(size));
  if (max) TRY(numbers(max));
  if (!context.settings().at_least(5, 0)) return {};
  const auto bytes = size.to_int64().value_or(1);
  if (bytes < 1) return server_error(51024, fmt::format("BSON field 'size' value must be >= 1, actual value '{}'", bytes));
  if (bytes > kLargestCapped) return server_error(51024, fmt::format("BSON field 'size' value must be <= {}, actual value '{}'", kLargestCapped, bytes));
  const auto documents = max.to_int64().value_or(0);
  if (documents >= kMostCapped) return server_error(51024, fmt::format("BSON field 'max' value must be < {}, actual value '{}'", kMostCapped, documents));
  return {};
}

Status check_index_defaults(const CommandContext& context, bson::View defaults) {
  for (const auto& field : defaults) {
    if (field.key() != "storageEngine") {
      if (context.settings().at_least(5, 0)) return server_error(code::kUnknownField, fmt::format("BSON field 'create.indexOptionDefaults.{}' is an unknown field.", field.key()));
      return server_error(code::kInvalidOptions, fmt::format("indexOptionDefaults.{} is not a supported option.", field.key()));
    }
    if (!field.is_document()) {
      if (!context.settings().at_least(5, 0)) return server_error(code::kBadValue, "Error in indexOptionDefaults :: caused by :: 'storageEngine' has to be a document.");
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'create.indexOptionDefaults.storageEngine' is the wrong type '{}', expected type 'object'", bson::type_name(field.type())));
    }
    TRY(check_storage_engine(field.document_value()));
  }
  return {};
}

// `create` carries out what a collection is made of; options that mean nothing here yet are refused, never dropped.
Result<bson::Document> collection_options(CommandContext& context, const Namespace& ns) {
  bson::Builder options;
  const auto body = context.body;
  std::optional<bson::Document> clustered;
  if (is_clustered(body)) clustered = TRY(clustered_option(context, ns));
  const bool capped = TRY(bool_field(context, "capped"));
  TRY(check_capped_numbers(context));
  if (capped) {
    const auto size = body["size"].to_int64();
    if (!size) return server_error(code::kInvalidOptions, "the 'size' field is required when 'capped' is true");
    if (*size < 0) return server_error(code::kBadValue, "size has to be >= 0");
    if (*size > kLargestCapped) return server_error(code::kBadValue, "size cannot exceed 1 PB");
    if (body["max"].to_int64().value_or(0) >= kMostCapped) {
      return server_error(code::kBadValue, "max in a capped collection has to be < 2^31 or not set");
    }
    options.append("capped", true);
    append_capped_size(context, options, *size);
    if (const auto max = body["max"].to_int64()) append_capped_max(options, *max);
  } else if (body["size"].exists() || body["max"].exists()) {
    return server_error(code::kInvalidOptions, "the 'capped' field needs to be true when either the 'size' or 'max' fields are present");
  }
  if (clustered) {
    options.append("clusteredIndex", *clustered);
    if (const auto expire = body["expireAfterSeconds"]) options.append("expireAfterSeconds", expire.to_int64().value_or(0));
  }
  for (const auto& field : body) {
    const auto name = field.key();
    if (name == "temp") {
      if (TRY(bool_field(context, name))) options.append("temp", true);
    } else if (name == "storageEngine" || name == "indexOptionDefaults" || name == "validator") {
      TRY(check_type(field, field.is_document(), "object"));
      if (name == "validator") {
        const auto collator = TRY(effective_collation(body, nullptr));
        TRY(query::Matcher::parse(field.document_value(), collator, context.settings().version, validator_context(context), {.text = false, .where = false, .near = false}));
      }
      if (name == "storageEngine") TRY(check_storage_engine(field.document_value()));
      if (name == "indexOptionDefaults") TRY(check_index_defaults(context, field.document_value()));
      if (!field.document_value().empty()) options.append_raw(field);
    } else if (name == "validationLevel") {
      TRY(check_choice(field, {"off", "strict", "moderate"}));
      options.append_raw(field);
    } else if (name == "validationAction") {
      TRY(check_choice(field, {"error", "warn"}));
      options.append_raw(field);
    } else if (name == "recordPreImages") {
      if (context.settings().at_least(6, 0)) return server_error(code::kUnknownField, "BSON field 'create.recordPreImages' is an unknown field.");
      if (TRY(bool_field(context, name))) options.append("recordPreImages", true);
    } else if (name == "changeStreamPreAndPostImages") {
      if (!context.settings().at_least(6, 0)) return server_error(code::kUnknownField, "BSON field 'create.changeStreamPreAndPostImages' is an unknown field.");
      TRY(check_image_option(context, field));
      if (field.document_value()["enabled"].is_truthy()) options.append("changeStreamPreAndPostImages", bson::make_document({{"enabled", true}}));
    } else if (name == "collation") {
      if (field.is_document() && field.document_value().empty()) return server_error(code::kBadValue, "'collation' cannot be an empty document.");
      if (const auto collator = TRY(effective_collation(body, nullptr))) options.append("collation", collator->spec());
    }
  }
  return canonical_options(std::move(options).finish());
}

struct SpecialOption {
  std::string_view name;
  ServerVersion since;
};
constexpr SpecialOption kSpecialOptions[] = {
    {"timeseries", {5, 0, 0}}, {"expireAfterSeconds", {5, 0, 0}}, {"clusteredIndex", {5, 3, 0}}, {"encryptedFields", {6, 0, 0}}};

Status check_special_kinds(const CommandContext& context) {
  for (const auto& [name, since] : kSpecialOptions) {
    if (!context.body[name].exists() || context.settings().version >= since) continue;
    return server_error(code::kUnknownField, fmt::format("BSON field 'create.{}' is an unknown field.", name));
  }
  if (context.body["encryptedFields"].exists()) return server_error(code::kInvalidOptions, "'encryptedFields' is not supported by this server");
  const auto expire = context.body["expireAfterSeconds"];
  if (!expire) return {};
  if (!context.body["timeseries"].exists() && !is_clustered(context.body)) {
    return server_error(code::kInvalidOptions, "'expireAfterSeconds' is only supported on time-series collections or when the 'clusteredIndex' option is specified");
  }
  TRY(check_type(expire, expire.is_number(), "long"));
  return clustered_expiry(context, expire).map([](std::int64_t) {});
}

Result<bson::Document> create_timeseries_command(CommandContext& context, const Namespace& ns) {
  if (context.transaction) {
    return server_error(code::kOperationNotSupportedInTransaction, fmt::format("Cannot create a time-series collection in a multi-document transaction: {}", ns.to_string()));
  }
  for (const auto name : {"capped", "size", "max", "autoIndexId", "idIndex", "validator", "validationLevel", "validationAction", "viewOn", "pipeline",
                          "clusteredIndex", "changeStreamPreAndPostImages", "recordPreImages", "encryptedFields"}) {
    if (context.body[name].exists()) {
      return server_error(code::kInvalidOptions, fmt::format("Time-series collections cannot be created with the option '{}'", name));
    }
  }
  const auto timeseries = TRY(timeseries_option(context, context.body["timeseries"]));
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    TRY(check_write_allowed(context, unit, ns));
    return create_timeseries(context, unit, ns, timeseries, context.body["expireAfterSeconds"]);
  }));
  return bson::Document();
}

// Since 7.0 the same may be created again. Not in a transaction, which would be over.
bool may_be_there(const CommandContext& context) { return context.settings().at_least(7, 0) && !context.transaction; }

Result<bson::Document> create_view_command(CommandContext& context, const Namespace& ns) {
  bson::Builder options;
  TRY(check_type(context.body["viewOn"], context.body["viewOn"].is_string(), "string"));
  options.append_raw(context.body["viewOn"]);
  if (const auto pipeline = context.body["pipeline"]) {
    TRY(check_type(pipeline, pipeline.is_array(), "array"));
    options.append_raw(pipeline);
  } else {
    options.append("pipeline", bson::ArrayView{bson::View()});
  }
  for (const auto name : {"capped", "size", "max", "validator", "idIndex"}) {
    if (context.body[name].exists()) return server_error(code::kInvalidOptions, fmt::format("Cannot use '{}' with a view", name));
  }
  if (context.body["changeStreamPreAndPostImages"].exists()) {
    return server_error(code::kInvalidOptions, "option not supported on a view: changeStreamPreAndPostImages");
  }
  const auto collator = TRY(effective_collation(context.body, nullptr));
  if (collator) options.append("collation", collator->spec());
  const auto definition = std::move(options).finish();
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    TRY(check_write_allowed(context, unit, ns));
    if (const auto there = unit.catalog().find(ns); there && may_be_there(context)) {
      return check_same_view(*there, *definition["viewOn"].to_string_view(), *definition["pipeline"].to_array(), collator.get());
    }
    return create_view(context, unit, ns, definition);
  }));
  return bson::Document();
}

Result<bson::Document> create(CommandContext& context) {
  TRY(check_fields(context, {"capped", "autoIndexId", "idIndex", "size", "max", "flags", "storageEngine", "validator", "validationLevel",
                             "validationAction", "indexOptionDefaults", "viewOn", "pipeline", "collation", "recordPreImages", "temp",
                             "changeStreamPreAndPostImages", "timeseries", "clusteredIndex", "encryptedFields", "expireAfterSeconds"}));
  const auto ns = TRY(named_collection(context));
  TRY(check_new_name(context, ns));
  TRY(check_views(*context.engine().view()->catalog, ns, nullptr));
  TRY(check_special_kinds(context));
  if (context.body["timeseries"].exists()) return create_timeseries_command(context, ns);
  if (context.body["viewOn"].exists() && is_clustered(context.body)) return server_error(6026500, "The 'clusteredIndex' option is not supported with views");
  if (context.body["viewOn"].exists()) return create_view_command(context, ns);
  if (context.body["pipeline"].exists()) return server_error(code::kInvalidOptions, "'pipeline' requires 'viewOn' to also be specified");
  const auto options = TRY(collection_options(context, ns));
  if (!TRY(bool_field(context, "autoIndexId", true)) && ns.db != "local") {
    return server_error(50001, fmt::format("autoIndexId:false is not allowed for collection {} because it can be replicated", ns.to_string()));
  }
  const auto collator = TRY(effective_collation(context.body, nullptr));
  auto id_index = default_id_index(collator.get());
  if (const auto clustered = options["clusteredIndex"].to_document()) {
    bson::Builder listed;
    listed.append_all(*clustered).append("clustered", true);
    if (collator) listed.append("collation", collator->spec());
    id_index = std::move(listed).finish();
  }
  if (const auto option = context.body["idIndex"]) {
    TRY(check_type(option, option.is_document(), "object"));
    const auto given = option.document_value();
    TRY(check_id_index(context, given));
    const auto own = TRY(effective_collation(given, nullptr));
    if (given["collation"]) TRY(check_id_collation("'_id'", own.get(), collator.get()));
  }
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    TRY(check_write_allowed(context, unit, ns));
    const auto same = context.wanted_uuid ? unit.catalog().find(*context.wanted_uuid) : nullptr;
    if (same && same->ns == ns) return {};  // it was done before
    if (same) return server_error(code::kInvalidOptions, fmt::format("the UUID {} is that of {}", same->uuid.to_string(), same->ns.to_string()));
    const auto there = context.wanted_uuid ? nullptr : unit.catalog().find(ns);
    if (there && may_be_there(context)) return check_same_collection(*there, options);
    TRY(unit.create_collection(ns, options, id_index, context.wanted_uuid));
    return {};
  }));
  if (!context.body["autoIndexId"]) return bson::Document();
  return bson::make_document({{"note", "The autoIndexId option is deprecated and will be removed in a future release"}});
}

}  // namespace

std::span<const Command> create_commands() {
  static const Command kRows[] = {
      {.name = "create", .flags = kWrite | kInTransaction | kUserBlocked, .resource = ResourceKind::kCustom, .also = authorize_create,
       .handler = create,
       .help = "makes a collection or a view"},
  };
  return kRows;
}

}  // namespace drover::sandbox
