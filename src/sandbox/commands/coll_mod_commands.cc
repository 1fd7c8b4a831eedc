// collMod: validators, views, pre-images, and what can change of an index. Facts: corpus insert/validator, changestream/ddl.
#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/collection_options.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/views.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox {

namespace {

constexpr int kAmbiguousIndexKeyPattern = 86;

tl::unexpected<Error> bad_option(std::string message) { return server_error(code::kInvalidOptions, std::move(message)); }

// `options` with some fields replaced; one without a value (kEnd) goes away.
bson::Document with_options(bson::View options, const std::map<std::string, bson::Value>& changes) {
  bson::Builder out;
  for (const auto& option : options) {
    const auto change = changes.find(std::string(option.key()));
    if (change == changes.end()) out.append_raw(option);
    else if (change->second.element()) out.append(change->first, change->second);
  }
  for (const auto& [name, value] : changes) {
    if (!options[name] && value.element()) out.append(name, value);
  }
  return std::move(out).finish();
}

bson::Value text_value(std::string_view text) { return bson::Value(bson::make_document({{"", text}}).view().first()); }

// What `index` asks for.
struct IndexChange {
  std::string name;
  std::optional<std::int64_t> seconds_before, seconds;
  std::optional<bool> hidden_before, hidden;
  std::optional<bool> prepare_unique_before, prepare_unique;
  bool makes_unique = false;
  bson::Document spec;  // afterwards
};

Result<const IndexInfo*> named_index(const CollectionInfo& collection, bson::View request) {
  const auto name = request["name"];
  const auto key = request["keyPattern"];
  if (name && key) return bad_option("Cannot specify both key pattern and name.");
  if (!name && !key) return bad_option("Must specify either index name or key pattern.");
  if (name && !name.is_string()) return bad_option("Index name must be a string.");
  if (key && !key.is_document()) return bad_option("Key pattern must be an object.");
  if (name) {
    const auto* index = collection.index(name.string_value());
    if (index && index->ready) return index;
    return server_error(code::kIndexNotFound, fmt::format("cannot find index {} for ns {}", name.string_value(), collection.ns.to_string()));
  }
  const IndexInfo* found = nullptr;
  int matches = 0;
  for (const auto& index : collection.indexes) {
    if (!index->ready || bson::compare_documents(index->key_pattern(), key.document_value()) != 0) continue;
    found = index.get();
    ++matches;
  }
  if (matches == 0) {
    return server_error(code::kIndexNotFound,
                        fmt::format("cannot find index {} for ns {}", bson::to_shell(key.document_value()), collection.ns.to_string()));
  }
  if (matches > 1) {
    return server_error(kAmbiguousIndexKeyPattern, fmt::format("index keyPattern {} matches {} indexes, must use index name.",
                                                               bson::to_shell(key.document_value()), matches));
  }
  return found;
}

Status check_index_request(const CommandContext& context, bson::View request) {
  for (const auto& field : request) {
    const auto name = field.key();
    if (name == "name" || name == "keyPattern" || name == "expireAfterSeconds" || name == "hidden") continue;
    if ((name == "unique" || name == "prepareUnique") && context.settings().at_least(6, 0)) {
      if (field.type() != bson::Type::kBool) return bad_option(fmt::format("'{}' option must be a boolean", name));
      if (name == "unique" && !field.is_truthy()) return bad_option("'unique: false' option is not supported");
      continue;
    }
    return bad_option(fmt::format("BSON field 'collMod.index.{}' is an unknown field.", name));
  }
  const bool unique = request["unique"].exists() || request["prepareUnique"].exists();
  if (!request["expireAfterSeconds"] && !request["hidden"] && !unique) {
    return bad_option(context.settings().at_least(6, 0) ? "no expireAfterSeconds, hidden, unique, or prepareUnique field" : "no expireAfterSeconds or hidden field");
  }
  if (const auto seconds = request["expireAfterSeconds"]; seconds && !seconds.is_number()) {
    return bad_option("expireAfterSeconds field must be a number");
  }
  if (const auto hidden = request["hidden"]; hidden && hidden.type() != bson::Type::kBool) return bad_option("hidden field must be a boolean");
  return {};
}

Result<IndexChange> index_change(const CommandContext& context, const CollectionInfo& collection, const bson::Element& field) {
  if (!field.is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.index' is the wrong type '{}', expected type 'object'",
                                                         bson::type_name(field.type())));
  }
  const auto request = field.document_value();
  TRY(check_index_request(context, request));
  const auto* index = TRY(named_index(collection, request));
  const bson::View spec = index->spec;
  IndexChange change{.name = index->name};
  std::map<std::string, bson::Value> changes;
  if (const auto seconds = request["expireAfterSeconds"]) {
    if (!spec["expireAfterSeconds"] && !context.settings().at_least(5, 1)) return bad_option("no expireAfterSeconds field to update");
    if (index->is_id() || index->fields.size() != 1) return bad_option("TTL indexes are single-field indexes, compound indexes do not support TTL");
    const auto after = seconds.to_int64().value_or(-1);
    if (after < 0) return bad_option("TTL index 'expireAfterSeconds' option must be within an acceptable range");
    if (after > wall_millis(context.services.runtime) / 1000) {
      return bad_option("TTL index 'expireAfterSeconds' option must be within an acceptable range, try a lower number");
    }
    change.seconds_before = spec["expireAfterSeconds"].to_int64();
    change.seconds = after;
    changes["expireAfterSeconds"] = bson::Value(bson::make_document({{"", after}}).view().first());
  }
  if (const auto hidden = request["hidden"]) {
    if (index->is_id()) return server_error(code::kBadValue, "can't hide _id index");
    const bool before = spec["hidden"].is_truthy();
    // Said again it changes nothing, and the reply does not speak of it.
    if (before != hidden.is_truthy()) {
      change.hidden_before = before;
      change.hidden = !before;
      changes["hidden"] = before ? bson::Value() : bson::Value(hidden);
    }
  }
  if (const auto prepare = request["prepareUnique"]) {
    if (index->is_id()) return bad_option("the _id index is unique already");
    const bool was = spec["prepareUnique"].is_truthy();
    if (was != prepare.is_truthy()) {
      change.prepare_unique_before = was;
      change.prepare_unique = !was;
      changes["prepareUnique"] = was ? bson::Value() : bson::Value(prepare);
    }
  }
  if (const auto unique = request["unique"]; unique && !index->is_id() && !spec["unique"].is_truthy()) {
    const bool prepared = change.prepare_unique ? *change.prepare_unique : spec["prepareUnique"].is_truthy();
    if (!prepared) return bad_option("Cannot make index unique with 'prepareUnique=false'. Run collMod to set it first.");
    change.makes_unique = true;
    changes["unique"] = bson::Value(unique);
    changes["prepareUnique"] = bson::Value();
  }
  change.spec = with_options(spec, changes);
  return change;
}

Status check_options(const CommandContext& context, const CollectionInfo& collection) {
  bool first = true;
  for (const auto& field : context.body) {
    const auto name = field.key();
    if (std::exchange(first, false) || is_generic_field(name)) continue;
    if (name == "collectionUUID" && context.settings().at_least(6, 0)) continue;  // target_collection compares it
    const bool of_view = name == "viewOn" || name == "pipeline";
    const bool of_collection = name == "index" || name == "validator" || name == "validationLevel" || name == "validationAction" ||
                               (name == "recordPreImages" && !context.settings().at_least(6, 0)) || ((name == "changeStreamPreAndPostImages" || name == "cappedSize" || name == "cappedMax") &&
                                context.settings().at_least(6, 0));
    if (!of_view && !of_collection) {
      if (context.settings().at_least(5, 0)) return server_error(code::kUnknownField, fmt::format("BSON field 'collMod.{}' is an unknown field.", name));
      return bad_option(fmt::format("unknown option to collMod: {}", name));
    }
    if (of_view && !collection.is_view()) return bad_option(fmt::format("'{}' option only supported on a view", name));
    if (of_collection && collection.is_view()) return bad_option(fmt::format("option not supported on a view: {}", name));
  }
  return {};
}

Status check_choice(const bson::Element& field, std::initializer_list<std::string_view> choices, std::string_view what) {
  const auto value = field.to_string_view();
  for (const auto choice : choices) {
    if (value == choice) return {};
  }
  return server_error(code::kBadValue, fmt::format("invalid validation {}: {}", what, value.value_or(bson::type_name(field.type()))));
}

// Of a capped collection (6.0+). The oldest documents over a smaller limit go with the next insert.
Status add_capped_limits(const CommandContext& context, const CollectionInfo& collection, std::map<std::string, bson::Value>& changes) {
  constexpr std::int64_t kMost = std::int64_t{1} << 50;
  const auto size = context.body["cappedSize"], max = context.body["cappedMax"];
  const auto kept = [](bson::Builder&& out) { return bson::Value(std::move(out).finish().view().first()); };
  if ((size || max) && !collection.capped) return bad_option("Collection must be capped.");
  if (size) {
    const auto bytes = size.is_number() ? size.to_int64().value_or(0) : 0;
    if (bytes < 1 || bytes > kMost) return server_error(51024, fmt::format("BSON field 'cappedSize' value must be >= 1 and <= {}, actual value '{}'", kMost, bytes));
    bson::Builder out;
    append_capped_size(context, out, bytes);
    changes["size"] = kept(std::move(out));
  }
  if (max) {
    const auto number = max.is_number() ? max.to_int64().value_or(0) : 0;
    if (number >= INT32_MAX) return server_error(51024, fmt::format("BSON field 'cappedMax' value must be < {}, actual value '{}'", INT32_MAX, number));
    bson::Builder out;
    append_capped_max(out, number);
    changes["max"] = kept(std::move(out));
  }
  return {};
}

Result<std::map<std::string, bson::Value>> option_changes(const CommandContext& context, const CollectionInfo& collection) {
  std::map<std::string, bson::Value> changes;
  const auto body = context.body;
  if (const auto validator = body["validator"]) {
    if (!validator.is_document()) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.validator' is the wrong type '{}', expected type 'object'",
                                                           bson::type_name(validator.type())));
    }
    TRY(query::Matcher::parse(validator.document_value(), collection.collator, context.settings().version, nullptr,
                              {.text = false, .where = false, .near = false}));
    changes["validator"] = validator.document_value().empty() ? bson::Value() : bson::Value(validator);
  }
  if (const auto level = body["validationLevel"]) {
    TRY(check_choice(level, {"off", "strict", "moderate"}, "level"));
    changes["validationLevel"] = bson::Value(level);
  }
  if (const auto action = body["validationAction"]) {
    TRY(check_choice(action, {"error", "warn"}, "action"));
    changes["validationAction"] = bson::Value(action);
  }
  // Whichever of the three is given, the server writes all of them.
  if (!changes.empty()) {
    if (!collection.options["validationLevel"]) changes.emplace("validationLevel", text_value("strict"));
    if (!collection.options["validationAction"]) changes.emplace("validationAction", text_value("error"));
  }
  TRY(add_capped_limits(context, collection, changes));
  if (const auto images = body["recordPreImages"]) {
    if (images.type() != bson::Type::kBool) return bad_option("recordPreImages must be a boolean");
    changes["recordPreImages"] = images.is_truthy() ? bson::Value(images) : bson::Value();
  }
  if (const auto images = body["changeStreamPreAndPostImages"]) {
    TRY(check_image_option(context, images));
    static const auto kEnabled = bson::make_document({{"", bson::make_document({{"enabled", true}})}});
    changes["changeStreamPreAndPostImages"] =
        images.document_value()["enabled"].is_truthy() ? bson::Value(kEnabled.view().first()) : bson::Value();
  }
  return changes;
}

// The entry names the index by its name, whatever the command did.
bson::Document oplog_object(const CommandContext& context, const CollectionInfo& collection, const std::optional<IndexChange>& change) {
  bson::Builder o;
  o.append("collMod", collection.ns.collection);
  bool first = true;
  for (const auto& field : context.body) {
    if (std::exchange(first, false) || is_generic_field(field.key())) continue;
    if (field.key() != "index") {
      o.append_raw(field);
      continue;
    }
    auto index = o.open_document("index");
    index.append("name", change->name);
    if (change->seconds) index.append("expireAfterSeconds", *change->seconds);
    if (change->hidden) index.append("hidden", *change->hidden);
    if (change->makes_unique) index.append("unique", true);
    if (change->prepare_unique) index.append("prepareUnique", *change->prepare_unique);
  }
  return std::move(o).finish();
}

bson::Document oplog_before(const CollectionInfo& collection, const std::optional<IndexChange>& change) {
  bson::Builder o2;
  o2.append("collectionOptions_old", collection.options);
  if (change) {
    auto old = o2.open_document("indexOptions_old");
    if (change->seconds_before) old.append("expireAfterSeconds", *change->seconds_before);
    if (change->hidden_before) old.append("hidden", *change->hidden_before);
    if (change->prepare_unique_before) old.append("prepareUnique", *change->prepare_unique_before);
  }
  return std::move(o2).finish();
}

bson::Document reply_of(const std::optional<IndexChange>& change) {
  bson::Builder reply;
  if (change && change->seconds) {
    if (change->seconds_before) reply.append("expireAfterSeconds_old", *change->seconds_before);
    reply.append("expireAfterSeconds_new", *change->seconds);
  }
  if (change && change->hidden) reply.append("hidden_old", *change->hidden_before).append("hidden_new", *change->hidden);
  if (change && change->makes_unique) reply.append("unique_new", true);
  if (change && change->prepare_unique) {
    reply.append("prepareUnique_old", *change->prepare_unique_before).append("prepareUnique_new", *change->prepare_unique);
  }
  return std::move(reply).finish();
}

Status modify_view(CommandContext& context, WriteUnit& unit, const CollectionInfo& view) {
  std::map<std::string, bson::Value> changes;
  if (const auto on = context.body["viewOn"]) {
    if (!on.is_string()) return bad_option("'viewOn' option must be a string");
    changes["viewOn"] = bson::Value(on);
  }
  if (const auto pipeline = context.body["pipeline"]) {
    if (!pipeline.is_array()) return bad_option("'pipeline' option must be an array");
    changes["pipeline"] = bson::Value(pipeline);
  }
  if (changes.empty()) return {};
  return replace_view(context, unit, view.ns, with_options(view.options, changes));
}

constexpr int kCannotConvertIndexToUnique = 359;

Status check_unique(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, const std::string& index) {
  std::vector<bson::Document> violations;
  TRY(unit.check_can_be_unique(collection, *collection->index(index), violations));
  if (violations.empty()) return {};
  bson::Builder extra;
  {
    auto list = extra.open_array("violations");
    for (const auto& violation : violations) list.append(violation);
  }
  context.error_extra = std::move(extra).finish();
  return server_error(kCannotConvertIndexToUnique,
                      "Cannot convert the index to unique. Please resolve conflicting documents before running collMod again.");
}

Result<bson::Document> coll_mod(CommandContext& context) {
  bson::Document reply;
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto target = TRY(target_collection(context, unit.catalog()));
    if (!target.collection) return server_error(code::kNamespaceNotFound, "ns does not exist");
    TRY(check_write_allowed(context, unit, target.ns));
    const auto& collection = *target.collection;
    TRY(check_options(context, collection));
    if (collection.is_view()) return modify_view(context, unit, collection);
    std::optional<IndexChange> change;
    std::map<std::string, bson::Document> specs;
    if (const auto index = context.body["index"]) {
      change = TRY(index_change(context, collection, index));
      if (change->makes_unique) TRY(check_unique(context, unit, target.collection, change->name));
      specs.emplace(change->name, change->spec);
    }
    const auto options = canonical_options(with_options(collection.options, TRY(option_changes(context, collection))));
    reply = reply_of(change);
    TRY(unit.modify_collection(target.collection, options, specs, oplog_object(context, collection, change), oplog_before(collection, change)));
    return {};
  }));
  return reply;
}

}  // namespace

std::span<const Command> coll_mod_commands() {
  static const Command kRows[] = {
      {.name = "collMod", .flags = kWrite | kUserBlocked, .resource = ResourceKind::kCollection, .action = "collMod", .also = authorize_coll_mod, .handler = coll_mod,
       .help = "changes a collection's options, a view, or an index's expiry and visibility"},
  };
  return kRows;
}

}  // namespace drover::sandbox
