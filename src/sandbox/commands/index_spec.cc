#include "sandbox/commands/index_spec.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/query/matcher.h"

namespace drover::sandbox {

namespace {

constexpr int kInvalidIndexSpecificationOption = 197;
constexpr std::size_t kMaxIndexFields = 32;
constexpr std::string_view kKnown[] = {"v", "key", "name", "ns", "background", "unique", "hidden", "partialFilterExpression", "sparse",
                                       "expireAfterSeconds", "storageEngine", "weights", "default_language", "language_override",
                                       "textIndexVersion", "2dsphereIndexVersion", "bits", "min", "max", "bucketSize", "collation",
                                       "wildcardProjection", "dropDups", "_id", "prepareUnique", "clustered"};
constexpr std::string_view kPlugins[] = {"2d", "2dsphere", "2dsphere_bucket", "geoHaystack", "hashed", "text", "wildcard"};

Status bad_key(std::string message) { return server_error(code::kCannotCreateIndex, std::move(message)); }

Status check_key(bson::View key) {
  if (key.empty()) return bad_key("Index keys cannot be an empty object.");
  if (key.field_count() > kMaxIndexFields) return server_error(13103, "too many compound keys");
  for (const auto& field : key) {
    if (field.is_string()) {
      if (std::find(std::begin(kPlugins), std::end(kPlugins), field.string_value()) == std::end(kPlugins))
        return bad_key(fmt::format("Unknown index plugin '{}'", field.string_value()));
    } else if (!field.is_number()) {
      return bad_key(fmt::format("Values in v:2 index key pattern cannot be of type {}. Only numbers > 0, numbers < 0, and strings are allowed.",
                                 bson::type_name(field.type())));
    } else if (field.to_double() == 0.0) {
      return bad_key("Values in the index key pattern cannot be 0.");
    }
    if (field.key().empty() || field.key().front() == '.' || field.key().back() == '.' || field.key().find("..") != std::string_view::npos)
      return bad_key("Index keys cannot contain an empty field.");
    const bool wildcard = field.key() == "$**" || field.key().ends_with(".$**");
    if (field.key().front() == '$' && !wildcard) return bad_key("Index key contains an illegal field name: field name starts with '$'.");
  }
  return {};
}

bool is_kind(bson::View key, std::string_view kind) {
  return std::any_of(key.begin(), key.end(), [&](const bson::Element& field) { return field.is_string() && field.string_value() == kind; });
}

// {a: "text", b: "text", c: 1} → {_fts: "text", _ftsx: 1, c: 1}, with a weight for each text field.
void append_text_key(bson::Builder& out, bson::View key, std::map<std::string, bson::Value>& weights) {
  auto fixed = out.open_document("key");
  bool put = false;
  for (const auto& field : key) {
    if (field.is_string() && field.string_value() == "text") {
      if (field.key() == "_fts") {
        fixed.append_raw(field);
      } else {
        weights.emplace(std::string(field.key()), bson::Value(bson::make_document({{"", 1}}).view().first()));
        if (!std::exchange(put, true)) fixed.append("_fts", "text").append("_ftsx", 1);
      }
    } else {
      fixed.append_raw(field);
    }
  }
}

void append_text_options(bson::Builder& out, bson::View spec, std::map<std::string, bson::Value> weights) {
  if (const auto given = spec["weights"].to_document())
    for (const auto& weight : *given) weights[std::string(weight.key())] = bson::Value(weight);
  {
    auto list = out.open_document("weights");
    for (const auto& [name, weight] : weights) list.append(name, weight);
  }
  if (spec["default_language"]) out.append_raw(spec["default_language"]);
  else out.append("default_language", "english");
  if (spec["language_override"]) out.append_raw(spec["language_override"]);
  else out.append("language_override", "language");
  if (spec["textIndexVersion"]) out.append_raw(spec["textIndexVersion"]);
  else out.append("textIndexVersion", 3);
}

bool is_text_option(std::string_view name) {
  return name == "weights" || name == "default_language" || name == "language_override" || name == "textIndexVersion";
}

Status check_fields_of(bson::View spec) {
  for (const auto& field : spec) {
    if (std::find(std::begin(kKnown), std::end(kKnown), field.key()) == std::end(kKnown)) {
      return server_error(kInvalidIndexSpecificationOption,
                          fmt::format("The field '{}' is not valid for an index specification. Specification: {}", field.key(), bson::to_shell(spec)));
    }
  }
  if (!spec["key"]) return server_error(code::kFailedToParse, "The 'key' field is a required property of an index specification");
  if (!spec["key"].is_document()) {
    return server_error(code::kTypeMismatch, fmt::format("The field 'key' must be an object, but got {}", bson::type_name(spec["key"].type())));
  }
  if (!spec["name"]) return server_error(code::kFailedToParse, "The 'name' field is a required property of an index specification");
  if (!spec["name"].is_string()) {
    return server_error(code::kTypeMismatch, fmt::format("The field 'name' must be a string, but got {}", bson::type_name(spec["name"].type())));
  }
  if (spec["name"].string_value().empty()) return bad_key("index name cannot be empty");
  if (const auto v = spec["v"]; v && v.to_int64() != 2 && v.to_int64() != 1) {
    return bad_key(fmt::format("Invalid index specification {}; cannot create an index with v={}", bson::to_shell(spec), v.to_int64().value_or(-1)));
  }
  if (const auto seconds = spec["expireAfterSeconds"]) {
    if (!seconds.is_number()) return bad_key("TTL index 'expireAfterSeconds' option must be numeric, but received a type of " + std::string(bson::type_name(seconds.type())));
    if (seconds.to_double().value_or(0) < 0) return bad_key("TTL index 'expireAfterSeconds' option must be within an acceptable range, try a different value than " + bson::to_shell(seconds));
    if (spec["key"].document_value().field_count() != 1) return bad_key("TTL indexes are single-field indexes, compound indexes do not support TTL. Index spec: " + bson::to_shell(spec));
  }
  for (const auto name : {"partialFilterExpression", "collation", "wildcardProjection", "storageEngine", "weights"}) {
    if (const auto field = spec[name]; field && !field.is_document())
      return server_error(code::kTypeMismatch, fmt::format("The field '{}' must be an object, but got {}", name, bson::type_name(field.type())));
  }
  return {};
}

bool same_option(bson::View a, bson::View b, std::string_view name) {
  if (!a[name] && !b[name]) return true;
  return a[name] && b[name] && bson::compare_values(a[name], b[name]) == 0;
}

bool same_flag(bson::View a, bson::View b, std::string_view name) { return a[name].is_truthy() == b[name].is_truthy(); }

}  // namespace

Result<bson::Document> normalize_index(const CommandContext& context, bson::View spec, const CollectionInfo* collection) {
  TRY(check_fields_of(spec));
  const auto key = spec["key"].document_value();
  TRY(check_key(key));
  const bool is_id = key.field_count() == 1 && key.first().key() == "_id" && key.first().is_number();
  std::shared_ptr<const bson::Collator> collator;
  if (const auto given = spec["collation"].to_document()) {
    if (given->empty()) return server_error(code::kBadValue, "The field 'collation' cannot be an empty object.");
    collator = TRY(bson::Collator::open(*given));
  } else if (collection) {
    collator = collection->collator;
  }
  if (const auto filter = spec["partialFilterExpression"].to_document())
    TRY(query::Matcher::parse(*filter, collator, context.settings().version));
  const bool text = is_kind(key, "text");
  bson::Builder out;
  if (spec["v"]) out.append("v", static_cast<std::int32_t>(spec["v"].to_int64().value_or(2)));
  else out.append("v", 2);
  if (spec["unique"].is_truthy()) out.append("unique", true);
  if (spec["hidden"].is_truthy()) out.append("hidden", true);
  std::map<std::string, bson::Value> weights;
  if (text) append_text_key(out, key, weights);
  else out.append("key", key);
  out.append("name", is_id ? std::string_view("_id_") : spec["name"].string_value());
  for (const auto& field : spec) {
    const auto name = field.key();
    if (name == "v" || name == "unique" || name == "hidden" || name == "key" || name == "name" || name == "_id" || name == "ns" ||
        name == "dropDups" || name == "collation" || (text && is_text_option(name)))
      continue;
    out.append_raw(field);
  }
  if (text) append_text_options(out, spec, std::move(weights));
  if (is_kind(key, "2dsphere") && !spec["2dsphereIndexVersion"]) out.append("2dsphereIndexVersion", 3);
  if (collator) out.append("collation", collator->spec());
  return std::move(out).finish();
}

Result<IndexMatch> compare_with_existing(const CollectionInfo& collection, bson::View spec) {
  const auto name = spec["name"].string_value();
  const auto key = spec["key"];
  for (const auto& existing : collection.indexes) {
    const bson::View there = existing->spec;
    const bool same_key = existing->key_pattern().field_count() == key.document_value().field_count() &&
                          bson::compare_documents(existing->key_pattern(), key.document_value()) == 0;
    const bool same_signature = same_key && same_option(there, spec, "collation");
    if (existing->is_id() && same_key) return IndexMatch::kExists;
    const bool same_options = same_flag(there, spec, "unique") && same_flag(there, spec, "sparse") &&
                              same_option(there, spec, "partialFilterExpression") && same_option(there, spec, "expireAfterSeconds") &&
                              same_option(there, spec, "weights") && same_option(there, spec, "wildcardProjection");
    if (existing->name == name) {
      if (same_signature && same_options) return IndexMatch::kExists;
      if (same_signature) return server_error(code::kIndexOptionsConflict, fmt::format("Index with name: {} already exists with different options", name));
      return server_error(code::kIndexKeySpecsConflict,
                          fmt::format("Index must have unique name.The existing index: {} has the same name as the requested index: {}",
                                      bson::to_shell(there), bson::to_shell(spec)));
    }
    if (same_signature) {
      return server_error(code::kIndexOptionsConflict,
                          same_options ? fmt::format("Index with name: {} already exists with a different name", name)
                                       : fmt::format("Index: {} already exists with different options: {}", bson::to_shell(spec), bson::to_shell(there)));
    }
  }
  return IndexMatch::kNew;
}

}  // namespace drover::sandbox
