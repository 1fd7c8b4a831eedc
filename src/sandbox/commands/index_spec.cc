#include "sandbox/commands/index_spec.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "sandbox/commands/index_rules.h"

namespace drover::sandbox {

namespace {

bool is_kind(bson::View key, std::string_view kind) {
  return std::any_of(key.begin(), key.end(), [&](const bson::Element& field) { return field.is_string() && field.string_value() == kind; });
}

// {a: "text", b: "text", c: 1} → {_fts: "text", _ftsx: 1, c: 1}, with a weight for each text field.
void append_text_key(bson::Builder& out, bson::View key, std::map<std::string, std::int32_t>& weights) {
  auto fixed = out.open_document("key");
  bool put = false;
  for (const auto& field : key) {
    if (field.is_string() && field.string_value() == "text") {
      if (field.key() == "_fts") {
        fixed.append_raw(field);
      } else {
        weights.emplace(field.key(), 1);
        if (!std::exchange(put, true)) fixed.append("_fts", "text").append("_ftsx", 1);
      }
    } else {
      fixed.append_raw(field);
    }
  }
}

void append_text_options(bson::Builder& out, bson::View spec, std::map<std::string, std::int32_t> weights) {
  if (const auto given = spec["weights"].to_document())
    for (const auto& weight : *given) weights[std::string(weight.key())] = static_cast<std::int32_t>(weight.to_int64().value_or(1));
  if (spec["weights"].to_string_view() == "$**") weights["$**"] = 1;
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

bool same_option(bson::View a, bson::View b, std::string_view name) {
  if (!a[name] && !b[name]) return true;
  return a[name] && b[name] && bson::compare_values(a[name], b[name]) == 0;
}

bool same_flag(bson::View a, bson::View b, std::string_view name) { return a[name].is_truthy() == b[name].is_truthy(); }

// All that say more than what is indexed, and under which name and version.
bool same_options(bson::View a, bson::View b) {
  static constexpr std::string_view kNot[] = {"key", "ns", "name", "v", "textIndexVersion", "2dsphereIndexVersion", "background", "dropDups",
                                              "sparse", "unique", "hidden", "collation", "prepareUnique"};
  if (!same_flag(a, b, "unique") || !same_flag(a, b, "sparse")) return false;
  for (const auto& [one, other] : {std::pair(a, b), std::pair(b, a)}) {
    for (const auto& field : one) {
      if (std::find(std::begin(kNot), std::end(kNot), field.key()) == std::end(kNot) && !same_option(one, other, field.key())) return false;
    }
  }
  return true;
}

// As the server has it when it looks at the options.
bson::Document as_checked(bson::View spec, const bson::Collator* collator) {
  bson::Builder out;
  for (const auto& field : spec) {
    if (field.key() != "ns" && field.key() != "collation") out.append_raw(field);
  }
  if (!spec["v"]) out.append("v", 2);
  if (collator) out.append("collation", collator->spec());
  return std::move(out).finish();
}

}  // namespace

Status check_id_collation(std::string_view index_name, const bson::Collator* index, const bson::Collator* collection) {
  if (index == collection || (index != nullptr && index->same_as(collection))) return {};
  const auto shown = [](const bson::Collator* one) { return one ? bson::to_shell(one->spec()) : std::string("{ locale: \"simple\" }"); };
  return server_error(code::kBadValue, fmt::format("The {} index must have the same collation as the collection. Index collation: {}, collection collation: {}", index_name,
                                                   shown(index), shown(collection)));
}

Result<bson::Document> normalize_index(const CommandContext& context, bson::View spec, const CollectionInfo* collection) {
  TRY(check_index_form(context, spec));
  TRY(check_index_meaning(context, spec));
  if (spec["expireAfterSeconds"] && collection != nullptr && collection->capped && context.settings().at_least(5, 1)) {
    return server_error(code::kCannotCreateIndex, "Cannot create TTL index on a capped collection");
  }
  const auto key = spec["key"].document_value();
  const bool is_id = key.field_count() == 1 && key.first().key() == "_id" && key.first().is_number();
  std::shared_ptr<const bson::Collator> collator;
  if (const auto given = spec["collation"].to_document()) {
    TRY(check_collation_fields(context, spec["collation"]));
    collator = TRY(bson::Collator::open(*given));
  } else if (collection) {
    collator = collection->collator;
  }
  if (is_id) TRY(check_id_collation("_id", collator.get(), collection ? collection->collator.get() : nullptr));
  TRY(check_index_options(context, as_checked(spec, collator.get())));
  const bool text = is_kind(key, "text"), five = context.settings().at_least(5, 0);
  bson::Builder out;
  if (spec["v"]) out.append("v", static_cast<std::int32_t>(spec["v"].to_int64().value_or(2)));
  else out.append("v", 2);
  if (spec["unique"].is_truthy()) out.append("unique", true);
  if (spec["hidden"].is_truthy()) out.append("hidden", true);
  std::map<std::string, std::int32_t> weights;
  if (text) append_text_key(out, key, weights);
  else out.append("key", key);
  out.append("name", is_id ? std::string_view("_id_") : spec["name"].string_value());
  for (const auto& field : spec) {
    const auto name = field.key();
    if (name == "v" || name == "unique" || name == "hidden" || name == "key" || name == "name" || name == "_id" || name == "ns" ||
        name == "dropDups" || name == "collation" || (text && is_text_option(name)))
      continue;
    const bool never = name == "expireAfterSeconds" && five && std::isnan(field.to_double().value_or(0));
    if (never) out.append(name, INT32_MAX);
    else out.append_raw(field);
  }
  if (text) append_text_options(out, spec, std::move(weights));
  if (is_kind(key, "2dsphere") && !spec["2dsphereIndexVersion"]) out.append("2dsphereIndexVersion", 3);
  if (collator) out.append("collation", collator->spec());
  return std::move(out).finish();
}

namespace {

struct Existing {
  bson::View spec;
  bool ready;

  std::string_view name() const { return spec["name"].string_value(); }
  bson::View key() const { return spec["key"].document_value(); }
};

Result<IndexMatch> compare_with(const CommandContext& context, const std::vector<Existing>& all, bson::View spec) {
  const bool five = context.settings().at_least(5, 0);
  const auto name = spec["name"].string_value();
  const auto key = spec["key"].document_value();
  const auto shown = [](bson::View index) { return bson::to_shell(index); };
  const auto same_key = [&](const Existing& other) {
    return other.key().field_count() == key.field_count() && bson::compare_documents(other.key(), key) == 0;
  };
  // What makes two indexes on the same fields two.
  const auto same_signature = [&](const Existing& other) {
    if (!same_key(other) || !same_option(other.spec, spec, "collation")) return false;
    return !five || (same_flag(other.spec, spec, "unique") && same_flag(other.spec, spec, "sparse") &&
                     same_option(other.spec, spec, "partialFilterExpression"));
  };
  for (const auto& existing : all) {
    if ((existing.name() == "_id_" || existing.spec["clustered"].is_truthy()) && same_key(existing)) return IndexMatch::kExists;
    if (existing.name() != name) continue;
    const bson::View there = existing.spec;
    if (!same_signature(existing)) {
      return server_error(code::kIndexKeySpecsConflict,
                          five ? fmt::format("An existing index has the same name as the requested index. When index names are not specified, they are auto "
                                             "generated and can cause conflicts. Please refer to our documentation. Requested index: {}, existing index: {}",
                                             shown(spec), shown(there))
                               : fmt::format("Index must have unique name.The existing index: {} has the same name as the requested index: {}", shown(there), shown(spec)));
    }
    if (same_options(there, spec)) return existing.ready ? IndexMatch::kExists : IndexMatch::kBuilding;
    return server_error(code::kIndexOptionsConflict,
                        five ? fmt::format("An equivalent index already exists with the same name but different options. Requested index: {}, existing index: {}",
                                           shown(spec), shown(there))
                             : fmt::format("Index with name: {} already exists with different options", name));
  }
  for (const auto& existing : all) {
    if (!same_signature(existing)) continue;
    const bson::View there = existing.spec;
    if (same_options(there, spec)) {
      return server_error(code::kIndexOptionsConflict, five ? fmt::format("Index already exists with a different name: {}", existing.name())
                                                            : fmt::format("Index with name: {} already exists with a different name", name));
    }
    return server_error(code::kIndexOptionsConflict,
                        five ? fmt::format("An equivalent index already exists with a different name and options. Requested index: {}, existing index: {}",
                                           shown(spec), shown(there))
                             : fmt::format("Index: {} already exists with different options: {}", shown(spec), shown(there)));
  }
  if (index_plugin(key) == "text") {
    for (const auto& existing : all) {
      if (index_plugin(existing.key()) != "text") continue;
      return server_error(code::kCannotCreateIndex,
                          fmt::format("only one text index per collection allowed, found existing text index \"{}\"", existing.name()));
    }
  }
  return IndexMatch::kNew;
}

}  // namespace

Result<IndexMatch> compare_with_existing(const CommandContext& context, const CollectionInfo& collection, bson::View spec) {
  std::vector<Existing> all;
  for (const auto& index : collection.indexes) all.push_back({index->spec, index->ready});
  return compare_with(context, all, spec);
}

Status compare_with_others(const CommandContext& context, const std::vector<bson::Document>& others, bson::View spec) {
  std::vector<Existing> all;
  for (const auto& other : others) all.push_back({other, false});
  TRY(compare_with(context, all, spec));
  return {};
}

}  // namespace drover::sandbox
