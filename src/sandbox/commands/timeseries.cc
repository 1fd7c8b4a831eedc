#include "sandbox/commands/timeseries.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/collection_options.h"
#include "sandbox/commands/views.h"

namespace drover::sandbox {

namespace {

constexpr ServerVersion kCustomSpansSince{6, 3, 0};
constexpr ServerVersion kMeasurementIndexesSince{6, 0, 0};
constexpr ServerVersion kExpiringIndexesSince{6, 3, 0};
constexpr std::int64_t kLongestSpan = 31536000;  // a year

tl::unexpected<Error> invalid(std::string message) { return server_error(code::kInvalidOptions, std::move(message)); }

struct Granularity {
  std::string_view name;
  std::int32_t span, rounding;
};
constexpr Granularity kGranularities[] = {{"seconds", 3600, 60}, {"minutes", 86400, 3600}, {"hours", 2592000, 86400}};

Result<std::string> field_name(bson::View spec, std::string_view which) {
  const auto field = spec[which];
  if (!field.is_string()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'create.timeseries.{}' is the wrong type '{}', expected type 'string'", which,
                                                         bson::type_name(field.type())));
  }
  const std::string name(field.string_value());
  if (name.find('\0') != std::string::npos) return server_error(code::kBadValue, "The 'timeField' or the 'metaField' cannot contain embedded null bytes");
  if (name.find('.') != std::string::npos || name.empty()) {
    return invalid(fmt::format("'{}' must be a top-level field and not contain a '.'", which));
  }
  return name;
}

// Both or none, and equal.
Result<std::optional<std::int32_t>> custom_span(const CommandContext& context, bson::View spec) {
  const auto span = spec["bucketMaxSpanSeconds"], rounding = spec["bucketRoundingSeconds"];
  if (!span && !rounding) return std::optional<std::int32_t>();
  if (context.settings().version < kCustomSpansSince) {
    if (rounding) return server_error(code::kUnknownField, "BSON field 'create.timeseries.bucketRoundingSeconds' is an unknown field.");
    return std::optional<std::int32_t>();
  }
  if (!span || !rounding || span.to_int64() != rounding.to_int64()) {
    return invalid("'bucketMaxSpanSeconds' and 'bucketRoundingSeconds' must be set to the same value");
  }
  const auto seconds = span.to_int64().value_or(0);
  if (seconds < 1 || seconds > kLongestSpan) {
    return server_error(code::kBadValue, fmt::format("BSON field 'bucketMaxSpanSeconds' value must be between 1 and {}, actual value '{}'", kLongestSpan, seconds));
  }
  return std::optional(static_cast<std::int32_t>(seconds));
}

void append_bounds_schema(bson::Builder& out, std::string_view which, const std::string& time) {
  auto bound = out.open_document(which);
  bound.append("bsonType", "object");
  bound.open_array("required").append(time);
  auto properties = bound.open_document("properties");
  properties.open_document(time).append("bsonType", "date");
}

// What the server lets into system.buckets.*.
bson::Document buckets_validator(const std::string& time) {
  bson::Builder out;
  auto schema = out.open_document("$jsonSchema");
  schema.append("bsonType", "object");
  schema.open_array("required").append("_id").append("control").append("data");
  {
    auto properties = schema.open_document("properties");
    properties.open_document("_id").append("bsonType", "objectId");
    {
      auto control = properties.open_document("control");
      control.append("bsonType", "object");
      control.open_array("required").append("version").append("min").append("max");
      auto parts = control.open_document("properties");
      parts.open_document("version").append("bsonType", "number");
      append_bounds_schema(parts, "min", time);
      append_bounds_schema(parts, "max", time);
      parts.open_document("closed").append("bsonType", "bool");
      parts.open_document("count").append("bsonType", "number").append("minimum", 1);
    }
    properties.open_document("data").append("bsonType", "object");
    properties.append("meta", bson::View());
  }
  schema.append("additionalProperties", false);
  schema.close();
  return std::move(out).finish();
}

bool starts_path(std::string_view path, const std::string& field) {
  return !field.empty() && path.starts_with(field) && (path.size() == field.size() || path[field.size()] == '.');
}

std::string under_meta(std::string_view path, const std::string& meta_field) { return "meta" + std::string(path.substr(meta_field.size())); }

tl::unexpected<Error> not_on_meta(const TimeseriesOptions& options) {
  if (options.meta_field.empty()) {
    return invalid("Cannot perform an update or delete on a time-series collection that does not have a metaField");
  }
  return invalid(fmt::format("Cannot perform an update or delete on a time-series collection when querying on a field that is not the metaField '{}'",
                             options.meta_field));
}

const Granularity* granularity_named(std::string_view name) {
  const auto* const found = std::find_if(std::begin(kGranularities), std::end(kGranularities), [&](const Granularity& one) { return one.name == name; });
  return found == std::end(kGranularities) ? nullptr : found;
}

// What collMod's `timeseries` may say.
struct SpanChange {
  const Granularity* granularity = nullptr;
  std::optional<std::int64_t> span, rounding;
};

Result<SpanChange> parse_change(const CommandContext& context, const bson::Element& given) {
  if (!given.is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.timeseries' is the wrong type '{}', expected type 'object'", bson::type_name(given.type())));
  }
  SpanChange change;
  for (const auto& field : given.document_value()) {
    const auto key = field.key();
    const bool custom = key == "bucketMaxSpanSeconds" || key == "bucketRoundingSeconds";
    if (key != "granularity" && !(custom && context.settings().version >= kCustomSpansSince)) {
      return server_error(code::kUnknownField, fmt::format("BSON field 'collMod.timeseries.{}' is an unknown field.", key));
    }
    if (!custom) {
      if (!field.is_string()) {
        return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.timeseries.granularity' is the wrong type '{}', expected type 'string'", bson::type_name(field.type())));
      }
      change.granularity = granularity_named(field.string_value());
      if (!change.granularity) {
        return server_error(code::kBadValue, fmt::format("Enumeration value '{}' for field 'collMod.timeseries.granularity' is not a valid value.", field.string_value()));
      }
      continue;
    }
    if (!field.is_number()) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'collMod.timeseries.{}' is the wrong type '{}', expected types '[long, int, decimal, double']", key,
                                                           bson::type_name(field.type())));
    }
    const auto seconds = field.to_int64().value_or(0);
    if (seconds < 1) return server_error(51024, fmt::format("BSON field '{}' value must be >= 1, actual value '{}'", key, seconds));
    if (seconds > kLongestSpan) return server_error(51024, fmt::format("BSON field '{}' value must be <= {}, actual value '{}'", key, kLongestSpan, seconds));
    (key == "bucketMaxSpanSeconds" ? change.span : change.rounding) = seconds;
  }
  return change;
}

Status check_granularity(const SpanChange& change, std::string_view current) {
  if (change.span && *change.span != change.granularity->span) {
    return invalid("Timeseries 'bucketMaxSpanSeconds' is not configurable to a value other than the default for the provided granularity");
  }
  if (change.rounding) return invalid("Timeseries 'bucketRoundingSeconds' is not configurable alongside the granularity parameter");
  const auto* before = granularity_named(current);
  if (!before || before->span <= change.granularity->span) return {};
  return invalid("Invalid transition for timeseries.granularity. Can only transition from 'seconds' to 'minutes' or 'minutes' to 'hours'.");
}

Status check_seconds(const SpanChange& change) {
  if (!change.span || !change.rounding) {
    return invalid("Timeseries 'bucketMaxSpanSeconds' and 'bucketRoundingSeconds' need to be set alongside each other");
  }
  if (change.span != change.rounding) return invalid("Timeseries 'bucketRoundingSeconds' needs to be equal to 'bucketMaxSpanSeconds'");
  return {};
}

}  // namespace

bson::Document timeseries_view(const Namespace& ns, bson::View timeseries) {
  bson::Builder out;
  out.append("viewOn", std::string(kBucketsPrefix) + ns.collection);
  {
    auto pipeline = out.open_array("pipeline");
    auto stage = pipeline.open_document();
    auto unpack = stage.open_document("$_internalUnpackBucket");
    for (const auto name : {"timeField", "metaField", "bucketMaxSpanSeconds"}) {
      if (timeseries[name]) unpack.append_raw(timeseries[name]);
    }
  }
  return std::move(out).finish();
}

// Source: MongoDB's timeseries_options.cpp.
Result<bson::Document> changed_timeseries(const CommandContext& context, bson::View stored, const bson::Element& given) {
  const auto change = TRY(parse_change(context, given));
  if (!change.granularity && !change.span && !change.rounding) return bson::Document(stored);
  const auto current = stored["granularity"].to_string_view().value_or("");
  if (change.granularity) {
    TRY(check_granularity(change, current));
    if (change.granularity->name == current) return bson::Document(stored);
  } else {
    TRY(check_seconds(change));
  }
  const auto before = TimeseriesOptions::of(stored);
  const std::int64_t span = change.granularity ? change.granularity->span : *change.span;
  const std::int64_t rounding = change.granularity ? change.granularity->rounding : *change.rounding;
  if (span == before.max_span_seconds && rounding == before.rounding_seconds) return bson::Document(stored);
  if (span < before.max_span_seconds) return invalid("Timeseries 'bucketMaxSpanSeconds' needs to be equal or greater to transition");
  if (rounding < before.rounding_seconds) return invalid("Timeseries 'bucketRoundingSeconds' needs to be equal or greater to transition");
  bson::Builder out;
  for (const auto name : {"timeField", "metaField"}) {
    if (stored[name]) out.append_raw(stored[name]);
  }
  if (change.granularity) out.append("granularity", change.granularity->name);
  else out.append("bucketRoundingSeconds", static_cast<std::int32_t>(rounding));
  out.append("bucketMaxSpanSeconds", static_cast<std::int32_t>(span));
  return std::move(out).finish();
}

Result<bson::Document> timeseries_option(const CommandContext& context, const bson::Element& option) {
  if (!option.is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'create.timeseries' is the wrong type '{}', expected type 'object'",
                                                         bson::type_name(option.type())));
  }
  const auto spec = option.document_value();
  for (const auto& field : spec) {
    const auto key = field.key();
    if (key != "timeField" && key != "metaField" && key != "granularity" && key != "bucketMaxSpanSeconds" && key != "bucketRoundingSeconds") {
      return server_error(code::kUnknownField, fmt::format("BSON field 'create.timeseries.{}' is an unknown field.", key));
    }
  }
  if (!spec["timeField"]) return server_error(code::kMissingField, "BSON field 'create.timeseries.timeField' is missing but a required field");
  bson::Builder out;
  const auto time = TRY(field_name(spec, "timeField"));
  if (time == "_id") return invalid("'timeField' cannot be \"_id\"");
  out.append("timeField", time);
  if (spec["metaField"]) {
    const auto meta = TRY(field_name(spec, "metaField"));
    if (meta == "_id" || meta == time) return invalid("'metaField' cannot be \"_id\" or the same as 'timeField'");
    out.append("metaField", meta);
  }
  const auto span = TRY(custom_span(context, spec));
  if (span && !spec["granularity"]) {
    out.append("bucketRoundingSeconds", *span).append("bucketMaxSpanSeconds", *span);
    return std::move(out).finish();
  }
  const auto wanted = spec["granularity"] ? spec["granularity"].to_string_view().value_or("") : std::string_view("seconds");
  if (const auto* granularity = granularity_named(wanted)) {
    out.append("granularity", granularity->name).append("bucketMaxSpanSeconds", granularity->span);
    return std::move(out).finish();
  }
  return server_error(code::kBadValue, fmt::format("Enumeration value '{}' for field 'create.timeseries.granularity' is not a valid value.", wanted));
}

Status create_timeseries(CommandContext& context, WriteUnit& unit, const Namespace& ns, bson::View timeseries, const bson::Element& expire_after) {
  const Namespace buckets{ns.db, std::string(kBucketsPrefix) + ns.collection};
  if (unit.catalog().find(ns)) {
    return server_error(code::kNamespaceExists, fmt::format("Collection {} already exists.", ns.to_string()));
  }
  bson::Builder options;
  options.append("validator", buckets_validator(std::string(timeseries["timeField"].string_value()))).append("clusteredIndex", true);
  if (expire_after) options.append("expireAfterSeconds", expire_after.to_int64().value_or(0));
  options.append("timeseries", timeseries);
  auto collection = TRY(unit.create_collection(buckets, canonical_options(std::move(options).finish()), default_id_index(nullptr)));
  TRY(create_view(context, unit, ns, timeseries_view(ns, timeseries)));
  const auto parsed = TimeseriesOptions::of(timeseries);
  if (parsed.meta_field.empty() || context.settings().version < kCustomSpansSince) return {};
  bson::Builder index;
  index.append("v", 2);
  index.open_document("key").append("meta", 1).append("control.min." + parsed.time_field, 1).append("control.max." + parsed.time_field, 1);
  index.append("name", fmt::format("{}_1_{}_1", parsed.meta_field, parsed.time_field));
  TRY(unit.create_indexes(collection, {std::move(index).finish()}));
  return {};
}

namespace {

// The time field's least value, which says when a bucket began. Source: MongoDB's timeseries_commands_conversion_helper.cpp.
Result<bson::Document> expiring_key(const TimeseriesOptions& options, bson::View key) {
  if (key.field_count() != 1) {
    return server_error(code::kCannotCreateIndex, "TTL indexes are single-field indexes, compound indexes do not support TTL. Index spec: " + bson::to_shell(key));
  }
  if (key.first().key() != options.time_field) return invalid("TTL indexes on non-time fields are not supported on time-series collections");
  return bson::make_document({{"control.min." + options.time_field, key.first()}});
}

Result<bson::Document> bucket_key(const CommandContext& context, const TimeseriesOptions& options, bson::View key) {
  bson::Builder out;
  for (const auto& part : key) {
    const std::string path(part.key());
    if (starts_path(path, options.meta_field)) {
      out.append(under_meta(path, options.meta_field), part);
      continue;
    }
    if (path != options.time_field && context.settings().version < kMeasurementIndexesSince) {
      return server_error(code::kCannotCreateIndex, fmt::format("Invalid index spec for time-series collection: Indexes on measurement fields are not "
                                                                "supported, found: {}", path));
    }
    if (!part.is_number()) return server_error(code::kCannotCreateIndex, fmt::format("Invalid index spec for time-series collection: {}", path));
    const bool descending = part.to_double().value_or(1) < 0;
    out.append((descending ? "control.max." : "control.min.") + path, part).append((descending ? "control.min." : "control.max.") + path, part);
  }
  return std::move(out).finish();
}

// What of a filter on measurements cannot be asked of a bucket's least and greatest values. Source: MongoDB's bucket_unpacker.cpp,
// createPredicatesOnBucketLevelField and createComparisonPredicate.
std::string_view ineligible(const TimeseriesOptions& options, std::string_view path, const bson::Element& asked) {
  const auto operators = asked.to_document();
  if (asked.is_array() || (operators && !operators->first().key().starts_with('$'))) return "operand can't be an object or array";
  const auto equal = bson::make_document({{"$eq", asked}});
  for (const auto& each : operators ? *operators : equal.view()) {
    const auto name = each.key();
    if (name == "$exists") continue;
    if (name != "$eq" && name != "$gt" && name != "$gte" && name != "$lt" && name != "$lte") return "can't handle this predicate";
    if (each.is_document() || each.is_array()) return "operand can't be an object or array";
    if (each.type() == bson::Type::kNull) return "can't handle {$eq: null}";
    if (path == options.time_field && each.type() != bson::Type::kDateTime) return "This predicate will never be true, because the time field always contains a Date";
  }
  return "";
}

Status check_predicates(const TimeseriesOptions& options, bson::View filter) {
  for (const auto& field : filter) {
    const auto key = field.key();
    if (starts_path(key, options.meta_field)) continue;
    if (key == "$and" || key == "$or") {
      for (const auto& item : field.to_array().value_or(bson::View())) TRY(check_predicates(options, item.to_document().value_or(bson::View())));
      continue;
    }
    const auto why = key.starts_with('$') ? std::string_view("can't handle this predicate") : ineligible(options, key, field);
    const auto shown = bson::to_shell(bson::make_document({{std::string(key), field}}));
    if (!why.empty()) return server_error(5916301, fmt::format("Error translating non-metadata time-series predicate to operate on buckets: {}: {}", why, shown));
    return server_error(238, fmt::format("this server indexes series by a partialFilterExpression on the metaField alone, not measurements: {}", shown));
  }
  return {};
}

// Source: MongoDB's makeTimeseriesCreateIndexesCommand.
Status check_partial_filter(const CommandContext& context, const TimeseriesOptions& options, bson::View filter, bson::View spec) {
  if (context.settings().version < kMeasurementIndexesSince) return invalid("Partial indexes are not supported on time-series collections");
  if (spec["collation"]) return server_error(86, "On a time-series collection, partialFilterExpression and collation arguments are incompatible");
  return check_predicates(options, filter);
}

}  // namespace

Result<bson::Document> bucket_index(const CommandContext& context, const TimeseriesOptions& options, bson::View spec) {
  if (spec["unique"].is_truthy()) return invalid("Unique indexes are not supported on time-series collections");
  if (spec["sparse"].is_truthy()) return invalid("Sparse indexes are not supported on time-series collections");
  const bool expires = spec["expireAfterSeconds"].exists();
  const auto partial = spec["partialFilterExpression"].to_document();
  const auto of_series = partial ? bucket_filter(options, *partial) : Result<bson::Document>(bson::Document());
  if (expires && context.settings().version < kExpiringIndexesSince) return invalid("TTL indexes are not supported on time-series collections");
  if (expires && (!partial || partial->empty() || !of_series)) {
    return invalid("TTL indexes on time-series collections require a partialFilterExpression on the metaField");
  }
  if (partial) TRY(check_partial_filter(context, options, *partial, spec));
  bson::Builder out;
  for (const auto& field : spec) {
    if (field.key() == "key" && field.is_document()) {
      const auto key = field.document_value();
      out.append("key", expires ? TRY(expiring_key(options, key)) : TRY(bucket_key(context, options, key)));
    } else if (partial && field.key() == "partialFilterExpression") {
      out.append("partialFilterExpression", *of_series);
    } else {
      out.append_raw(field);
    }
  }
  return std::move(out).finish();
}

// Source: MongoDB's isHintIndexKey and ResolvedView::asExpandedViewAggregation, which keeps a hint that it cannot convert.
bson::Document bucket_hint(const CommandContext& context, const TimeseriesOptions& options, const bson::Element& hint) {
  const auto key = hint.to_document();
  bson::Builder out;
  if (key && !key->empty() && key->first().key() != "$natural") {
    if (const auto translated = bucket_key(context, options, *key)) {
      out.append("", *translated);
      return std::move(out).finish();
    }
  }
  out.append("", hint);
  return std::move(out).finish();
}

namespace {

// A filter on buckets' series, in terms of measurements.
bson::Document measurement_filter(const TimeseriesOptions& options, bson::View filter) {
  bson::Builder out;
  for (const auto& field : filter) {
    const auto key = field.key();
    if (starts_path(key, "meta") && !options.meta_field.empty()) {
      out.append(options.meta_field + std::string(key.substr(4)), field);
    } else if ((key == "$and" || key == "$or" || key == "$nor") && field.is_array()) {
      auto list = out.open_array(key);
      for (const auto& item : field.document_value()) list.append(measurement_filter(options, item.to_document().value_or(bson::View())));
    } else {
      out.append_raw(field);
    }
  }
  return std::move(out).finish();
}

}  // namespace

bson::Document measurement_index(const TimeseriesOptions& options, bson::View spec) {
  bson::Builder out;
  for (const auto& field : spec) {
    if (field.key() == "partialFilterExpression" && field.is_document()) {
      out.append("partialFilterExpression", measurement_filter(options, field.document_value()));
      continue;
    }
    if (field.key() != "key" || !field.is_document()) {
      out.append_raw(field);
      continue;
    }
    auto key = out.open_document("key");
    bool second_of_pair = false;
    for (const auto& part : field.document_value()) {
      const auto path = part.key();
      if (starts_path(path, "meta") && !options.meta_field.empty()) {
        key.append(options.meta_field + std::string(path.substr(4)), part);
      } else if (path.starts_with("control.m")) {
        if (!second_of_pair) key.append(path.substr(std::string_view("control.min.").size()), part);
        second_of_pair = !second_of_pair;
      } else {
        key.append_raw(part);
      }
    }
  }
  return std::move(out).finish();
}

Result<bson::Document> bucket_filter(const TimeseriesOptions& options, bson::View filter) {
  bson::Builder out;
  for (const auto& field : filter) {
    const auto key = field.key();
    if (starts_path(key, options.meta_field)) {
      out.append(under_meta(key, options.meta_field), field);
    } else if ((key == "$and" || key == "$or" || key == "$nor") && field.is_array()) {
      auto list = out.open_array(key);
      for (const auto& item : field.document_value()) list.append(TRY(bucket_filter(options, item.to_document().value_or(bson::View()))));
    } else {
      return not_on_meta(options);
    }
  }
  return std::move(out).finish();
}

Result<bson::Document> bucket_change(const TimeseriesOptions& options, const bson::Element& update) {
  if (update.is_array()) return invalid("Cannot perform an update on a time-series collection using a pipeline update");
  const auto operators = update.to_document().value_or(bson::View());
  if (!operators.first().key().starts_with('$')) return invalid("Cannot perform a replacement update on a time-series collection");
  const auto other = [&](std::string_view path) {
    return invalid(fmt::format("Cannot perform an update on a time-series collection which updates a field that is not the metaField '{}': {}", options.meta_field, path));
  };
  bson::Builder out;
  auto changed = out.open_document("u");
  for (const auto& each : operators) {
    if (!each.is_document()) {
      changed.append_raw(each);  // refused where it is parsed
      continue;
    }
    auto fields = changed.open_document(each.key());
    for (const auto& field : each.document_value()) {
      if (!starts_path(field.key(), options.meta_field)) return other(field.key());
      const auto path = under_meta(field.key(), options.meta_field);
      const auto renamed = each.key() == "$rename" ? field.to_string_view() : std::nullopt;
      if (renamed && !starts_path(*renamed, options.meta_field)) return other(*renamed);
      renamed ? fields.append(path, under_meta(*renamed, options.meta_field)) : fields.append(path, field);
    }
  }
  changed.close();
  return std::move(out).finish();
}

bson::Document series_part(const TimeseriesOptions& options, bson::View filter) {
  bson::Builder out;
  for (const auto& field : filter) {
    if (starts_path(field.key(), options.meta_field)) out.append(under_meta(field.key(), options.meta_field), field);
  }
  return std::move(out).finish();
}

std::int64_t measurements_in(const TimeseriesOptions& options, bson::View bucket) {
  const auto times = bucket["data"].to_document().value_or(bson::View())[options.time_field].to_document();
  return times ? static_cast<std::int64_t>(times->field_count()) : 0;
}

tl::unexpected<Error> refuse_on_view(const CollectionInfo& view, std::string_view what) {
  if (!view.is_timeseries()) {
    return server_error(code::kCommandNotSupportedOnView, fmt::format("Namespace {} is a view, not a collection", view.ns.to_string()));
  }
  return invalid(fmt::format("Cannot perform {} on the time-series collection {}: this server changes one by the commands delete, and update of its metaField "
                             "with multi: true", what, view.ns.to_string()));
}

}  // namespace drover::sandbox
