#include "sandbox/commands/index_rules.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/collection_options.h"
#include "sandbox/commands/index_kinds.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/projection.h"

namespace drover::sandbox {

namespace {

constexpr int kInvalidIndexSpecificationOption = 197;
constexpr std::size_t kMaxKeyBytes = 2048;
constexpr std::size_t kMaxIndexFields = 32;
constexpr std::string_view kKnown[] = {"v", "key", "name", "ns", "background", "unique", "hidden", "partialFilterExpression", "sparse",
                                       "expireAfterSeconds", "storageEngine", "weights", "default_language", "language_override",
                                       "textIndexVersion", "2dsphereIndexVersion", "bits", "min", "max", "bucketSize", "collation",
                                       "wildcardProjection", "dropDups", "_id", "prepareUnique", "clustered"};
constexpr std::string_view kSince53[] = {"prepareUnique", "clustered"};
constexpr std::string_view kOfIdIndex[] = {"collation", "name", "v", "key", "ns", "_id", "clustered", "unique"};
constexpr std::string_view kPlugins[] = {"2d", "2dsphere", "2dsphere_bucket", "geoHaystack", "hashed", "text", "wildcard"};

bool is_one_of(std::span<const std::string_view> names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }
tl::unexpected<Error> refused(std::string message) { return server_error(code::kCannotCreateIndex, std::move(message)); }
tl::unexpected<Error> wrong_type(std::string_view name, std::string_view wanted, const bson::Element& field) {
  return server_error(code::kTypeMismatch, fmt::format("The field '{}' must be {}, but got {}", name, wanted, bson::type_name(field.type())));
}

// {_id: 1} or {_id: -1}, and nothing else.
bool is_id_pattern(bson::View key) {
  if (key.field_count() != 1 || key.first().key() != "_id" || !key.first().is_number()) return false;
  const auto value = key.first().to_double().value_or(0);
  return std::fabs(value) >= 1 && std::fabs(value) < 2;
}

Status check_key_field(const bson::Element& field, std::string_view plugin, std::size_t fields) {
  if (field.is_number()) {
    const double value = field.to_double().value_or(0);
    if (std::isnan(value)) return refused("Values in the index key pattern cannot be NaN.");
    if (value == 0) return refused("Values in the index key pattern cannot be 0.");
    if (value < 0 && plugin == "wildcard") return refused("A numeric value in a $** index key pattern must be positive.");
  } else if (!field.is_string()) {
    return refused(fmt::format("Values in v:2 index key pattern cannot be of type {}. Only numbers > 0, numbers < 0, and strings are allowed.",
                               bson::type_name(field.type())));
  }
  if (field.is_string() && field.string_value().empty()) return refused("Values in the index key pattern cannot be empty strings.");
  if (field.is_string() && plugin != field.string_value()) return refused("Can't use more than one index plugin for a single index.");
  if (field.is_string() && plugin == "wildcard") return refused("The key pattern value for an 'wildcard' index must be a non-zero number, not a string.");
  if (plugin == "wildcard" && fields != 1) return refused("wildcard indexes do not allow compounding");
  if (field.key().empty()) return refused("Index keys cannot be an empty field.");
  const bool text = field.is_string() && field.string_value() == "text";
  if (field.key() == "$**" && (field.is_number() || text)) return {};
  if (field.key() == "_fts" && !text) return refused("Index key contains an illegal field name: '_fts'");
  std::string_view rest = field.key();
  for (bool first = true;; first = false) {
    const auto dot = rest.find('.');
    const auto part = rest.substr(0, dot);
    if (part.empty()) return refused("Index keys cannot contain an empty field.");
    const bool reference = !first && (part == "$db" || part == "$id" || part == "$ref");
    const bool wildcard = dot == std::string_view::npos && part == "$**" && plugin == "wildcard";
    if (part[0] == '$' && !reference && !wildcard) return refused("Index key contains an illegal field name: field name starts with '$'.");
    if (dot == std::string_view::npos) return {};
    rest.remove_prefix(dot + 1);
  }
}

Status check_key(const CommandContext& context, bson::View key) {
  if (key.size() > kMaxKeyBytes) return refused("Index key pattern too large.");
  if (key.empty()) return refused("Index keys cannot be empty.");
  const auto plugin = index_plugin(key);
  if (!plugin.empty() && !is_one_of(kPlugins, plugin)) return refused(fmt::format("Unknown index plugin '{}'", plugin));
  if (plugin == "geoHaystack" && context.settings().at_least(5, 0)) return refused("GeoHaystack indexes cannot be created in version 4.9 and above");
  const auto fields = key.field_count();
  for (const auto& field : key) {
    // Since 7.0 wildcards may be compound.
    TRY(check_key_field(field, plugin, context.settings().at_least(7, 0) ? 1 : fields));
  }
  if (fields > kMaxIndexFields) return server_error(13103, "too many compound keys");
  return {};
}

Status check_wildcard_projection(const CommandContext& context, bson::View key, const bson::Element& projection) {
  if (index_plugin(key) != "wildcard") return server_error(code::kBadValue, "The field 'wildcardProjection' is only allowed in an 'wildcard' index");
  if (!projection.is_document()) return wrong_type("wildcardProjection", "a non-empty object", projection);
  if (!key["$**"]) return server_error(code::kFailedToParse, "The field 'wildcardProjection' is only allowed when 'key' is {\"$**\": ±1}");
  if (projection.document_value().empty()) return server_error(code::kFailedToParse, "The 'wildcardProjection' field can't be an empty object");
  if (auto parsed = query::Projection::parse(projection.document_value(), nullptr, context.settings().version); !parsed) {
    return tl::unexpected(caused_by("Failed to parse: wildcardProjection", std::move(parsed).error()));
  }
  return {};
}

Status check_version(bson::View spec, const bson::Element& v) {
  if (!v.is_number()) return wrong_type("v", "a number", v);
  const auto number = v.to_double().value_or(0);
  if (number != std::trunc(number) || std::fabs(number) > 2147483647.0) {
    return server_error(code::kBadValue, fmt::format("Index version must be representable as a 32-bit integer, but got {}", bson::to_shell(v)));
  }
  if (number == 1 || number == 2) return {};
  return refused(fmt::format("Invalid index specification {}; cannot create an index with v={}", bson::to_shell(spec), number));
}

bool is_known_option(const CommandContext& context, std::string_view name) {
  return is_one_of(kKnown, name) && (!is_one_of(kSince53, name) || context.settings().at_least(5, 3));
}

Status check_form(const CommandContext& context, bson::View spec) {
  for (const auto& field : spec) {
    if (is_known_option(context, field.key())) continue;
    return server_error(kInvalidIndexSpecificationOption,
                        fmt::format("The field '{}' is not valid for an index specification. Specification: {}", field.key(), bson::to_shell(spec)));
  }
  const auto key = spec["key"].to_document().value_or(bson::View());
  for (const auto& field : spec) {
    const auto name = field.key();
    if (name == "key") {
      if (!field.is_document()) return wrong_type(name, "an object", field);
      std::set<std::string_view> seen;
      for (const auto& part : key) {
        if (seen.insert(part.key()).second) continue;
        return server_error(code::kBadValue, fmt::format("The field '{}' appears multiple times in the index key pattern {}", part.key(), bson::to_shell(key)));
      }
      TRY(check_key(context, key));
    } else if (name == "name") {
      if (!field.is_string()) return wrong_type(name, "a string", field);
    } else if (name == "hidden") {
      if (field.type() != bson::Type::kBool) return wrong_type("name", "a bool", field);  // the server names the wrong field
    } else if ((name == "unique" || name == "sparse" || name == "background") && context.settings().at_least(5, 0)) {
      // The quotation is open in the server's text, too.
      if (field.type() != bson::Type::kBool && !field.is_number()) {
        return server_error(code::kTypeMismatch, fmt::format("The field '{} has value {}: {}, which is not convertible to bool", name, name, bson::to_shell(field)));
      }
    } else if (name == "v") {
      TRY(check_version(spec, field));
    } else if (name == "collation") {
      if (!field.is_document()) return wrong_type(name, "an object", field);
      if (field.document_value().empty()) return server_error(code::kBadValue, "The field 'collation' cannot be an empty object.");
    } else if (name == "partialFilterExpression") {
      if (!field.is_document()) return wrong_type(name, "an object", field);
      TRY(query::Matcher::parse(field.document_value(), nullptr, context.settings().version, nullptr, query::MatchFeatures::none()));
    } else if (name == "wildcardProjection") {
      TRY(check_wildcard_projection(context, key, field));
    } else if (name == "bucketSize" && context.settings().at_least(5, 0)) {
      return refused("The 'bucketSize' parameter is disallowed because geoHaystack indexes are no longer supported in version 4.9 and above");
    }
  }
  for (const auto* name : {"key", "name"}) {
    if (!spec[name]) return server_error(code::kFailedToParse, fmt::format("The '{}' field is a required property of an index specification", name));
  }
  if (spec["collation"] && spec["v"].to_int64() == 1) {
    return refused(fmt::format("Invalid index specification {}; cannot create an index with the 'collation' option and v=1", bson::to_shell(spec)));
  }
  return {};
}

bson::Document with_version(bson::View spec) {
  bson::Builder out;
  for (const auto& field : spec) {
    if (field.key() != "ns") out.append_raw(field);
  }
  if (!spec["v"]) out.append("v", 2);
  return std::move(out).finish();
}

Status check_expiry(const CommandContext& context, bson::View spec) {
  const auto seconds = spec["expireAfterSeconds"];
  if (!seconds) return {};
  const auto shown = bson::to_shell(spec);
  if (!seconds.is_number()) {
    return refused(fmt::format("TTL index 'expireAfterSeconds' option must be numeric, but received a type of '{}'. Index spec: {}",
                               bson::type_name(seconds.type()), shown));
  }
  const double value = seconds.to_double().value_or(0);
  if (value <= -1) return refused("TTL index 'expireAfterSeconds' option cannot be less than 0. Index spec: " + shown);
  if (value > static_cast<double>(longest_expiry(context))) {
    return refused("TTL index 'expireAfterSeconds' option must be within an acceptable range, try a lower number. Index spec: " + shown);
  }
  if (spec["key"].document_value().field_count() != 1) {
    return refused("TTL indexes are single-field indexes, compound indexes do not support TTL. Index spec: " + shown);
  }
  return {};
}

tl::unexpected<Error> not_in_partial(const CommandContext& context, const bson::Element& field, std::string_view operation, const bson::Element& operand) {
  bson::Builder alone;
  if (operation.empty()) alone.append_raw(field);
  else alone.open_document(field.key()).append(operation, operand);
  const auto filter = std::move(alone).finish();
  const auto parsed = query::Matcher::parse(filter, nullptr, context.settings().version, nullptr, query::MatchFeatures::none());
  const auto* opening = context.settings().at_least(5, 0) ? "Expression not supported in partial index: " : "unsupported expression in partial index: ";
  return refused(opening + (parsed ? parsed->debug_string() : std::string(operation)));
}

// Equality, order, $exists: true and $type, and one level of $and. Since 6.0 $in, $or and any level too.
Status check_partial_filter(const CommandContext& context, bson::View filter, int level) {
  static constexpr std::string_view kAllowed[] = {"$eq", "$lt", "$lte", "$gt", "$gte", "$type"};
  const bool six = context.settings().at_least(6, 0);
  for (const auto& field : filter) {
    if (field.key() == "$comment") continue;
    if (field.key() == "$and" || (six && field.key() == "$or")) {
      if (level > 0 && !six) return refused("$and only supported in partialFilterExpression at top level");
      const auto list = field.to_array().value_or(bson::View());
      for (const auto& item : list) TRY(check_partial_filter(context, item.document_value(), level + 1));
      continue;
    }
    if (field.key().starts_with('$') || field.type() == bson::Type::kRegex) return not_in_partial(context, field, "", {});
    if (!field.is_document() || !field.document_value().first().key().starts_with('$')) continue;
    const auto operations = field.document_value();
    if (operations.first().key() == "$ref" || operations.first().key() == "$id") continue;
    for (const auto& operation : operations) {
      const bool exists = operation.key() == "$exists" && operation.is_truthy();
      const bool in = six && (operation.key() == "$in" || operation.key() == "$geoWithin");
      if (!exists && !in && !is_one_of(kAllowed, operation.key())) return not_in_partial(context, field, operation.key(), operation);
    }
  }
  return {};
}

Status check_options(const CommandContext& context, bson::View spec) {
  const auto key = spec["key"].document_value();
  const auto plugin = index_plugin(key);
  const auto name = spec["name"].string_value();
  if (name.find('\0') != std::string_view::npos) return refused("index name cannot contain NUL bytes");
  if (name.empty()) return refused("index name cannot be empty");
  if (const auto collation = spec["collation"]; collation && (plugin == "text" || plugin == "2d" || plugin == "geoHaystack")) {
    return refused(fmt::format("Index type '{}' does not support collation: {}", plugin, bson::to_shell(collation.document_value())));
  }
  const bool sparse = spec["sparse"].is_truthy();
  if (plugin == "wildcard") {
    if (sparse) return refused("Index type 'wildcard' does not support the sparse option");
    if (spec["unique"].is_truthy()) return refused("Index type 'wildcard' does not support the unique option");
    if (spec["expireAfterSeconds"]) return refused("Index type 'wildcard' cannot be a TTL index");
  }
  if (const auto filter = spec["partialFilterExpression"]) {
    if (sparse) return refused("cannot mix \"partialFilterExpression\" and \"sparse\" options");
    TRY(check_partial_filter(context, filter.document_value(), 0));
  }
  if (const auto engine = spec["storageEngine"]) {
    if (!engine.is_document()) return refused("\"storageEngine\" options must be a document if present");
    if (engine.document_value().empty()) return refused("Empty \"storageEngine\" options are invalid. Please remove the field or include valid options.");
    TRY(check_storage_engine(engine.document_value()));
  }
  return {};
}

Status in_specification(bson::View spec, Status status) {
  if (status) return status;
  return tl::unexpected(caused_by("Error in specification " + bson::to_shell(spec), std::move(status).error()));
}

}  // namespace

std::string_view index_plugin(bson::View key) {
  for (const auto& field : key) {
    if (field.is_string()) return field.string_value();
    if (field.key() == "$**" || field.key().ends_with(".$**")) return "wildcard";
  }
  return {};
}

std::int64_t longest_expiry(const CommandContext& context) {
  return context.settings().at_least(5, 0) ? INT32_MAX : wall_millis(context.services.runtime) / 1000;
}

bson::Document known_index_options(const CommandContext& context, bson::View spec) {
  bson::Builder out;
  for (const auto& field : spec) {
    if (is_known_option(context, field.key())) out.append_raw(field);
  }
  return std::move(out).finish();
}

Status check_index_form(const CommandContext& context, bson::View spec) { return in_specification(spec, check_form(context, spec)); }

Status check_id_index(const CommandContext& context, bson::View spec) {
  TRY(check_form(context, spec));
  const auto key = spec["key"].document_value();
  if (is_id_pattern(key)) return check_index_meaning(context, spec);
  return server_error(code::kBadValue, fmt::format("The field 'key' for an _id index must be {{_id: 1}}, but got {}", bson::to_shell(key)));
}

Status check_index_meaning(const CommandContext& context, bson::View spec) {
  const auto key = spec["key"].document_value();
  const auto name = spec["name"].string_value();
  const bool clustered = spec["clustered"].is_truthy();
  if (is_id_pattern(key)) {
    const auto full = with_version(spec);
    for (const auto& field : full) {
      if (is_one_of(kOfIdIndex, field.key()) && (clustered || field.key() != "unique")) continue;
      return server_error(kInvalidIndexSpecificationOption,
                          fmt::format("The field '{}' is not valid for an _id index specification. Specification: {}", field.key(), bson::to_shell(full)));
    }
    if (key.first().to_double() != 1.0) {
      return server_error(code::kBadValue, fmt::format("The field 'key' for an _id index must be {{_id: 1}}, but got {}", bson::to_shell(key)));
    }
  } else if (name == "_id_") {
    return server_error(code::kBadValue, fmt::format("The index name '_id_' is reserved for the _id index, which must have key pattern {{_id: 1}}, found key: {}",
                                                     bson::to_shell(key)));
  } else if (name == "*") {
    return server_error(code::kBadValue, "The index name '*' is not valid.");
  }
  return check_expiry(context, spec);
}

Status check_index_options(const CommandContext& context, bson::View spec) {
  TRY(in_specification(spec, check_options(context, spec)));
  return check_index_kind(context, spec, index_plugin(spec["key"].document_value()));
}

}  // namespace drover::sandbox
