// collMod: validators, views, pre-images, and what can change of an index. Facts: corpus insert/validator, changestream/ddl.
#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/collection_options.h"
#include "sandbox/commands/index_rules.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/timeseries.h"
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

bson::Value flag_value(bool flag) { return bson::Value(bson::make_document({{"", flag}}).view().first()); }
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

tl::unexpected<Error> mistyped_option(const bson::Element& field, std::string_view expected) {
  return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.index.{}' is the wrong type '{}', expected type{} {}", field.key(), bson::type_name(field.type()),
                                                       expected.starts_with("'[") ? "s" : "", expected));
}

// Which index is meant: one way or the other.
Status check_index_named(const bson::Element& name, const bson::Element& key) {
  if (name && key) return bad_option("Cannot specify both key pattern and name.");
  if (!name && !key) return bad_option("Must specify either index name or key pattern.");
  if (name && !name.is_string()) return bad_option("Index name must be a string.");
  if (key && !key.is_document()) return bad_option("Key pattern must be an object.");
  return {};
}

// Since 5.0 it is parsed as any struct is. Facts: MongoDB's coll_mod.idl.
Status check_index_fields(const CommandContext& context, bson::View request) {
  for (const auto& field : request) {
    const auto name = field.key();
    const bool flag = name == "hidden" || ((name == "unique" || name == "prepareUnique") && context.settings().at_least(6, 0));
    if (name == "name" && !field.is_string()) return mistyped_option(field, "'string'");
    if (name == "keyPattern" && !field.is_document()) return mistyped_option(field, "'object'");
    if (name == "expireAfterSeconds" && !field.is_number()) return mistyped_option(field, "'[long, int, decimal, double']");
    if (flag && field.type() != bson::Type::kBool && !field.is_number()) return mistyped_option(field, "'[bool, long, int, decimal, double']");
    if (flag || name == "name" || name == "keyPattern" || name == "expireAfterSeconds") continue;
    return server_error(code::kUnknownField, fmt::format("BSON field 'collMod.index.{}' is an unknown field.", name));
  }
  return {};
}

Status check_index_request(const CommandContext& context, bson::View request) {
  const auto unique = request["unique"], hidden = request["hidden"], seconds = request["expireAfterSeconds"];
  if (context.settings().at_least(5, 0)) {
    TRY(check_index_fields(context, request));
  } else {
    for (const auto& field : request) {
      const auto name = field.key();
      if (name == "name" || name == "keyPattern" || name == "expireAfterSeconds" || name == "hidden") continue;
      return bad_option(fmt::format("BSON field 'collMod.index.{}' is an unknown field.", name));
    }
  }
  TRY(check_index_named(request["name"], request["keyPattern"]));
  if (!seconds && !hidden && !unique && !request["prepareUnique"]) {
    return bad_option(context.settings().at_least(6, 0) ? "no expireAfterSeconds, hidden, unique, or prepareUnique field" : "no expireAfterSeconds or hidden field");
  }
  if (unique && !unique.is_truthy()) return server_error(code::kBadValue, "'unique: false' option is not supported");
  if (seconds && !seconds.is_number()) return bad_option("expireAfterSeconds field must be a number");
  if (hidden && hidden.type() != bson::Type::kBool && !context.settings().at_least(5, 0)) return bad_option("hidden field must be a boolean");
  return {};
}

bool is_timeseries(const CollectionInfo& collection) { return collection.options["timeseries"].is_document(); }  // of the buckets

Result<bson::View> index_request(const bson::Element& field) {
  if (field.is_document()) return field.document_value();
  return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.index' is the wrong type '{}', expected type 'object'", bson::type_name(field.type())));
}

Result<IndexChange> index_change(const CommandContext& context, const CollectionInfo& collection, bson::View request) {
  TRY(check_index_request(context, request));
  if (request["expireAfterSeconds"] && is_timeseries(collection)) {
    return bad_option("TTL indexes are not supported for time-series collections. Please refer to the documentation and use the top-level "
                      "'expireAfterSeconds' option instead");
  }
  const auto* index = TRY(named_index(collection, request));
  const bson::View spec = index->spec;
  IndexChange change{.name = index->name};
  std::map<std::string, bson::Value> changes;
  if (const auto seconds = request["expireAfterSeconds"]) {
    if (!spec["expireAfterSeconds"] && !context.settings().at_least(5, 1)) return bad_option("no expireAfterSeconds field to update");
    if (index->is_id() || index->fields.size() != 1) return bad_option("TTL indexes are single-field indexes, compound indexes do not support TTL");
    const auto after = seconds.to_int64().value_or(-1);
    if (after < 0) return bad_option("TTL index 'expireAfterSeconds' option must be within an acceptable range");
    if (after > longest_expiry(context)) {
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
      changes["hidden"] = before ? bson::Value() : flag_value(true);
    }
  }
  if (const auto prepare = request["prepareUnique"]) {
    if (index->is_id()) return bad_option("the _id index is unique already");
    const bool was = spec["prepareUnique"].is_truthy();
    if (was != prepare.is_truthy()) {
      change.prepare_unique_before = was;
      change.prepare_unique = !was;
      changes["prepareUnique"] = was ? bson::Value() : flag_value(true);
    }
  }
  if (const auto unique = request["unique"]; unique && !index->is_id() && !spec["unique"].is_truthy()) {
    const bool prepared = change.prepare_unique ? *change.prepare_unique : spec["prepareUnique"].is_truthy();
    if (!prepared) return bad_option("Cannot make index unique with 'prepareUnique=false'. Run collMod to set it first.");
    change.makes_unique = true;
    changes["unique"] = flag_value(true);
    changes["prepareUnique"] = bson::Value();
  }
  change.spec = with_options(spec, changes);
  return change;
}

// What collMod may change, and of what.
struct Option {
  enum class Of { kView, kCollection, kOrdinary, kTimeseries, kAny };  // kOrdinary: but for time-series collections
  std::string_view name;
  Of of;
  ServerVersion since = {}, removed = {999, 0, 0};
};
constexpr Option kOptions[] = {
    {"viewOn", Option::Of::kView},
    {"pipeline", Option::Of::kView},
    {"index", Option::Of::kCollection},
    {"validator", Option::Of::kOrdinary},
    {"validationLevel", Option::Of::kOrdinary},
    {"validationAction", Option::Of::kOrdinary},
    {"recordPreImages", Option::Of::kOrdinary, {}, {6, 0, 0}},
    {"expireAfterSeconds", Option::Of::kCollection, {5, 0, 0}},
    {"timeseries", Option::Of::kTimeseries, {5, 0, 0}},
    {"changeStreamPreAndPostImages", Option::Of::kOrdinary, {6, 0, 0}},
    {"cappedSize", Option::Of::kCollection, {6, 0, 0}},
    {"cappedMax", Option::Of::kCollection, {6, 0, 0}},
    {"dryRun", Option::Of::kAny, {6, 0, 0}},
    {"collectionUUID", Option::Of::kAny, {6, 0, 0}},  // target_collection compares it
};

// `collection`: of a time-series collection the buckets.
Status check_options(const CommandContext& context, const CollectionInfo& collection) {
  const auto version = context.settings().version;
  bool first = true;
  for (const auto& field : context.body) {
    const auto name = field.key();
    if (std::exchange(first, false) || is_generic_field(name)) continue;
    const auto* const option = std::find_if(std::begin(kOptions), std::end(kOptions), [&](const Option& one) { return one.name == name; });
    if (option == std::end(kOptions) || version < option->since || version >= option->removed) {
      if (context.settings().at_least(5, 0)) return server_error(code::kUnknownField, fmt::format("BSON field 'collMod.{}' is an unknown field.", name));
      return bad_option(fmt::format("unknown option to collMod: {}", name));
    }
    const auto of = option->of;
    if (of == Option::Of::kAny) continue;
    if (of == Option::Of::kView && !collection.is_view()) return bad_option(fmt::format("'{}' option only supported on a view", name));
    if (of == Option::Of::kTimeseries && !is_timeseries(collection)) return bad_option(fmt::format("option only supported on a time-series collection: {}", name));
    if (of != Option::Of::kView && collection.is_view()) return bad_option(fmt::format("option not supported on a view: {}", name));
    if (of == Option::Of::kOrdinary && is_timeseries(collection)) return bad_option(fmt::format("option not supported on a time-series collection: {}", name));
  }
  return {};
}

Status check_choice(const CommandContext& context, const bson::Element& field, std::initializer_list<std::string_view> choices, std::string_view what) {
  const auto value = field.to_string_view();
  const bool idl = context.settings().at_least(5, 0);
  if (!value && idl) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.{}' is the wrong type '{}', expected type 'string'", field.key(), bson::type_name(field.type())));
  }
  for (const auto choice : choices) {
    if (value == choice) return {};
  }
  if (idl) return server_error(code::kBadValue, fmt::format("Enumeration value '{}' for field 'collMod.{}' is not a valid value.", *value, field.key()));
  return server_error(code::kBadValue, fmt::format("invalid validation {}: {}", what, value.value_or(bson::type_name(field.type()))));
}

// Of a capped collection (6.0+). The oldest documents over a smaller limit go with the next insert.
Status add_capped_limits(const CommandContext& context, const CollectionInfo& collection, std::map<std::string, bson::Value>& changes) {
  constexpr std::int64_t kMost = std::int64_t{1} << 50;
  const auto size = context.body["cappedSize"], max = context.body["cappedMax"];
  const auto kept = [](bson::Builder&& out) { return bson::Value(std::move(out).finish().view().first()); };
  for (const auto& limit : {size, max}) {
    if (!limit || limit.is_number()) continue;
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.{}' is the wrong type '{}', expected types '[long, int, decimal, double']", limit.key(), bson::type_name(limit.type())));
  }
  if ((size || max) && !collection.capped) return bad_option("Collection must be capped.");
  if (size) {
    const auto bytes = size.to_int64().value_or(0);
    if (bytes < 1 || bytes > kMost) return server_error(51024, fmt::format("BSON field 'cappedSize' value must be >= 1 and <= {}, actual value '{}'", kMost, bytes));
    bson::Builder out;
    append_capped_size(context, out, bytes);
    changes["size"] = kept(std::move(out));
  }
  if (max) {
    const auto number = max.to_int64().value_or(0);
    if (number >= INT32_MAX) return server_error(51024, fmt::format("BSON field 'cappedMax' value must be < {}, actual value '{}'", INT32_MAX, number));
    bson::Builder out;
    append_capped_max(out, number);
    changes["max"] = kept(std::move(out));
  }
  return {};
}

// Of a collection that is kept in the order of _id.
Status add_expiry(const CommandContext& context, const CollectionInfo& collection, std::map<std::string, bson::Value>& changes) {
  const auto given = context.body["expireAfterSeconds"];
  if (!given) return {};
  if (!given.is_string() && !given.is_number()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.expireAfterSeconds' is the wrong type '{}', expected types '[string, long, int, decimal, double']",
                                                         bson::type_name(given.type())));
  }
  if (!collection.is_clustered()) return bad_option("'expireAfterSeconds' option is only supported on collections clustered by _id");
  if (given.is_string() && given.string_value() != "off") {
    return bad_option(fmt::format("Invalid string value for the 'clusteredIndex::expireAfterSeconds' option. Got: '{}'. Accepted value is 'off'", given.string_value()));
  }
  if (given.is_string()) {
    changes["expireAfterSeconds"] = bson::Value();
    return {};
  }
  changes["expireAfterSeconds"] = bson::Value(bson::make_document({{"", TRY(clustered_expiry(context, given))}}).view().first());
  return {};
}

// What the server keeps for itself has no validators.
Status check_validated(const CollectionInfo& collection) {
  const auto& ns = collection.ns;
  if (ns.collection.starts_with("system.buckets.")) return {};
  if (ns.collection.starts_with("system.")) {
    return bad_option(fmt::format("Document validators not allowed on system collection {} with UUID {}", ns.to_string(), collection.uuid.to_string()));
  }
  if (ns.db != "admin" && ns.db != "local" && ns.db != "config") return {};
  return bad_option(fmt::format("Document validators are not allowed on collection {} with UUID {} in the {} internal database", ns.to_string(), collection.uuid.to_string(), ns.db));
}

Result<std::map<std::string, bson::Value>> option_changes(const CommandContext& context, const CollectionInfo& collection) {
  std::map<std::string, bson::Value> changes;
  const auto body = context.body;
  if (const auto validator = body["validator"]) {
    if (!validator.is_document()) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.validator' is the wrong type '{}', expected type 'object'",
                                                           bson::type_name(validator.type())));
    }
    if (!validator.document_value().empty()) TRY(check_validated(collection));
    TRY(query::Matcher::parse(validator.document_value(), collection.collator, context.settings().version, validator_context(context),
                              {.text = false, .where = false, .near = false}));
    changes["validator"] = validator.document_value().empty() ? bson::Value() : bson::Value(validator);
  }
  if (const auto level = body["validationLevel"]) {
    TRY(check_choice(context, level, {"off", "strict", "moderate"}, "level"));
    changes["validationLevel"] = bson::Value(level);
  }
  if (const auto action = body["validationAction"]) {
    TRY(check_choice(context, action, {"error", "warn"}, "action"));
    changes["validationAction"] = bson::Value(action);
  }
  // Whichever of the three is given, the server writes all of them.
  if (!changes.empty()) {
    if (!collection.options["validationLevel"]) changes.emplace("validationLevel", text_value("strict"));
    if (!collection.options["validationAction"]) changes.emplace("validationAction", text_value("error"));
  }
  TRY(add_capped_limits(context, collection, changes));
  TRY(add_expiry(context, collection, changes));
  if (const auto timeseries = body["timeseries"]) {
    const auto changed = TRY(changed_timeseries(context, collection.options["timeseries"].document_value(), timeseries));
    changes["timeseries"] = bson::Value(bson::make_document({{"", changed}}).view().first());
  }
  if (const auto images = body["recordPreImages"]) {
    if (images.type() != bson::Type::kBool && !context.settings().at_least(5, 0)) return bad_option("recordPreImages must be a boolean");
    changes["recordPreImages"] = TRY(bool_field(context, "recordPreImages")) ? flag_value(true) : bson::Value();
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
  {
    auto old = o2.open_document("collectionOptions_old");
    old.append("uuid", collection.uuid).append_all(collection.options);
  }
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

// Whether an index could be made unique (6.0+): 359 if not. Nothing is changed.
Status try_unique(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection) {
  const auto index = context.body["index"];
  if (!index) return bad_option("dry run mode requires an valid index modification.");
  const auto request = TRY(index_request(index));
  if (!request["unique"].is_truthy()) return bad_option("dry run mode requires an index modification with unique: true.");
  if (context.apply_depth > 0) return bad_option("dry run mode is not applicable to oplog application or applyOps");
  if (collection->is_view()) return bad_option("option not supported on a view: index");
  const auto change = TRY(index_change(context, *collection, request));
  const auto asked = std::count_if(request.begin(), request.end(), [](const bson::Element& field) { return field.key() != "name" && field.key() != "keyPattern"; });
  const auto options = std::count_if(std::next(context.body.begin()), context.body.end(), [](const bson::Element& field) {
    return !is_generic_field(field.key()) && field.key() != "dryRun" && field.key() != "collectionUUID";
  });
  if (asked > 1 || options > 1) return bad_option("unique: true cannot be combined with any other modification in dry run mode.");
  return change.makes_unique ? check_unique(context, unit, collection, change.name) : Status();
}

// The index that a time-series collection's command names by its key, in terms of buckets.
Result<bson::Document> index_of_buckets(const CommandContext& context, const CollectionInfo& view, bson::View request) {
  const auto key = request["keyPattern"].to_document();
  if (!key) return bson::Document(request);
  const auto translated = bucket_index(context, TimeseriesOptions::of(view.timeseries), bson::make_document({{"key", *key}}));
  if (!translated) return server_error(code::kIndexNotFound, fmt::format("cannot find index {} for ns {}: {}", bson::to_shell(*key), view.ns.to_string(), translated.error().message));
  return with_options(request, {{"keyPattern", bson::Value((*translated)["key"])}});
}

// `request`: the command's `index`, or empty.
Result<bson::Document> modify(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, bson::View request) {
  std::optional<IndexChange> change;
  std::map<std::string, bson::Document> specs;
  if (context.body["index"]) {
    change = TRY(index_change(context, *collection, request));
    if (change->makes_unique) TRY(check_unique(context, unit, collection, change->name));
    specs.emplace(change->name, change->spec);
  }
  const auto options = canonical_options(with_options(collection->options, TRY(option_changes(context, *collection))));
  TRY(unit.modify_collection(collection, options, specs, oplog_object(context, *collection, change), oplog_before(*collection, change)));
  return reply_of(change);
}

// The buckets are changed, and before them the view where it says how long they may be: with a span that is too short it would miss
// measurements.
Result<bson::Document> modify_timeseries(CommandContext& context, WriteUnit& unit, const CollectionInfo& view) {
  const auto buckets = unit.catalog().find(Namespace{view.ns.db, view.view_on});
  TRY(check_options(context, *buckets));
  if (const auto timeseries = context.body["timeseries"]) {
    const auto stored = buckets->options["timeseries"].document_value();
    const auto changed = TRY(changed_timeseries(context, stored, timeseries));
    if (!changed.view().same_bytes(stored)) TRY(replace_view(context, unit, view.ns, timeseries_view(view.ns, changed)));
  }
  const auto index = context.body["index"];
  return modify(context, unit, buckets, index ? TRY(index_of_buckets(context, view, TRY(index_request(index)))) : bson::Document());
}

Result<bson::Document> coll_mod(CommandContext& context) {
  const bool dry_run = context.settings().at_least(6, 0) && TRY(bool_field(context, "dryRun"));
  bson::Document reply;
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto target = TRY(target_collection(context, unit.catalog()));
    if (!target.collection) return server_error(code::kNamespaceNotFound, "ns does not exist");
    const auto& collection = *target.collection;
    if (collection.ns.collection.starts_with(kBucketsPrefix) && context.settings().at_least(6, 0) && context.apply_depth == 0) {
      return server_error(code::kInvalidNamespace, "collMod on a time-series collection's underlying buckets collection is not supported.");
    }
    TRY(check_write_allowed(context, unit, target.ns));
    if (!collection.is_timeseries()) TRY(check_options(context, collection));
    if (dry_run) return try_unique(context, unit, target.collection);
    if (collection.is_timeseries()) {
      reply = TRY(modify_timeseries(context, unit, collection));
      return {};
    }
    if (collection.is_view()) return modify_view(context, unit, collection);
    const auto index = context.body["index"];
    reply = TRY(modify(context, unit, target.collection, index ? TRY(index_request(index)) : bson::View()));
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
