#include "model/catalog_meaning.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "bson/builder.h"

namespace drover {
namespace {

enum class Kind {
  kIgnored,     // says nothing about what is stored or answered
  kFlag,        // true or not there; any number that is not zero is true
  kFlagWithin,  // {enabled: true} or not there
  kOnByDefault, // false or not there
  kNumber,      // by value: 1, 1.0 and NumberLong(1)
  kSeconds,     // whole seconds; NaN and what is too large are "never", as newer servers write them
  kText,
  kDocument,    // by its bytes; an empty one is as none
  kNumbers,     // a document in any order, numbers by value
  kKey,         // in its order; of numbers only the direction counts
  kProjection,  // {a: {b: 1}} and {"a.b": true}, in any order
  kCollation,   // without the version, which is the server's own; "simple" is as none
};

struct Rule {
  std::string_view field;
  Kind kind;
  std::string_view default_text = {};
  std::optional<double> default_number = {};
};

constexpr Rule kOptions[] = {
    {"capped", Kind::kFlag},
    {"size", Kind::kNumber},
    {"max", Kind::kNumber},
    {"temp", Kind::kFlag},
    {"autoIndexId", Kind::kOnByDefault},
    {"flags", Kind::kIgnored},              // of a storage engine that is no more
    {"usePowerOf2Sizes", Kind::kIgnored},
    {"validator", Kind::kDocument},
    {"validationLevel", Kind::kText, "strict"},
    {"validationAction", Kind::kText, "error"},
    {"collation", Kind::kCollation},
    {"recordPreImages", Kind::kFlag},
    {"changeStreamPreAndPostImages", Kind::kFlagWithin},
    {"expireAfterSeconds", Kind::kSeconds},
    {"storageEngine", Kind::kDocument},
    {"indexOptionDefaults", Kind::kDocument},
};

constexpr Rule kIndex[] = {
    {"v", Kind::kIgnored},                  // how its entries are laid out on disk
    {"ns", Kind::kIgnored},                 // until 4.2
    {"background", Kind::kIgnored},         // how it was built
    {"dropDups", Kind::kIgnored},           // likewise, until 2.6
    {"safe", Kind::kIgnored},               // old drivers' own
    {"key", Kind::kKey},
    {"name", Kind::kText},
    {"unique", Kind::kFlag},
    {"sparse", Kind::kFlag},
    {"hidden", Kind::kFlag},
    {"prepareUnique", Kind::kFlag},
    {"clustered", Kind::kFlag},
    {"expireAfterSeconds", Kind::kSeconds},
    {"partialFilterExpression", Kind::kDocument},
    {"collation", Kind::kCollation},
    {"wildcardProjection", Kind::kProjection},
    {"storageEngine", Kind::kDocument},
    {"weights", Kind::kNumbers},
    {"default_language", Kind::kText, "english"},
    {"language_override", Kind::kText, "language"},
    {"textIndexVersion", Kind::kNumber},
    {"2dsphereIndexVersion", Kind::kNumber},
    {"bits", Kind::kNumber, {}, 26},
    {"min", Kind::kNumber, {}, -180},
    {"max", Kind::kNumber, {}, 180},
    {"bucketSize", Kind::kNumber},
    {"coarsestIndexedLevel", Kind::kNumber},
    {"finestIndexedLevel", Kind::kNumber},
};

constexpr Rule kCollation[] = {
    {"locale", Kind::kText},
    {"version", Kind::kIgnored},
    {"caseLevel", Kind::kFlag},
    {"caseFirst", Kind::kText, "off"},
    {"strength", Kind::kNumber, {}, 3},
    {"numericOrdering", Kind::kFlag},
    {"alternate", Kind::kText, "non-ignorable"},
    {"maxVariable", Kind::kText, "punct"},
    {"normalization", Kind::kFlag},
    {"backwards", Kind::kFlag},
};

template <typename T>
bson::Value value_of(const T& value) {
  return bson::Value(bson::make_document({{"", value}}).view().first());
}

bson::Value number_value(const bson::Element& field) {
  const auto whole = field.to_int64();
  const auto number = field.to_double();
  if (whole && number && static_cast<double>(*whole) == *number) return value_of(*whole);
  return number ? value_of(*number) : bson::Value(field);
}

bson::Value seconds_value(const bson::Element& field) {
  constexpr std::int64_t kNever = std::numeric_limits<std::int32_t>::max();
  const auto number = field.to_double();
  if (!field.is_number() || !number) return bson::Value(field);
  if (std::isnan(*number) || *number >= static_cast<double>(kNever)) return value_of(kNever);
  return value_of(static_cast<std::int64_t>(*number));
}

bson::Value key_value(const bson::Element& field) {
  const auto key = field.to_document();
  if (!key) return bson::Value(field);
  bson::Builder out;
  for (const auto& part : *key) {
    const auto number = part.is_number() ? part.to_double() : std::nullopt;
    if (number && !std::isnan(*number) && *number != 0) {
      out.append(part.key(), std::int64_t{*number < 0 ? -1 : 1});
    } else {
      out.append_raw(part);
    }
  }
  return value_of(std::move(out).finish());
}

bson::Value to_value(const Meaning& meaning) {
  bson::Builder out;
  for (const auto& [name, value] : meaning) out.append(name, value);
  return value_of(std::move(out).finish());
}

void flatten(bson::View projection, const std::string& prefix, Meaning& paths) {
  for (const auto& field : projection) {
    const auto path = prefix + std::string(field.key());
    if (const auto within = field.to_document()) {
      flatten(*within, path + ".", paths);
    } else {
      paths[path] = value_of(field.is_truthy());
    }
  }
}

Meaning meaning_of(bson::View document, std::span<const Rule> rules);

// Nothing: the field says no more than its absence.
std::optional<bson::Value> canonical(const Rule& rule, const bson::Element& field) {
  const auto within = field.to_document();
  switch (rule.kind) {
    case Kind::kIgnored: return std::nullopt;
    case Kind::kFlag: return field.is_truthy() ? std::optional(value_of(true)) : std::nullopt;
    case Kind::kFlagWithin:
      if (!within) return bson::Value(field);
      return (*within)["enabled"].is_truthy() ? std::optional(value_of(true)) : std::nullopt;
    case Kind::kOnByDefault: return field.is_truthy() ? std::nullopt : std::optional(value_of(false));
    case Kind::kNumber:
      if (!field.is_number() || (rule.default_number && field.to_double() == rule.default_number))
        return field.is_number() ? std::nullopt : std::optional(bson::Value(field));
      return number_value(field);
    case Kind::kSeconds: return seconds_value(field);
    case Kind::kText:
      if (!rule.default_text.empty() && field.to_string_view() == rule.default_text) return std::nullopt;
      return bson::Value(field);
    case Kind::kDocument: return within && within->empty() ? std::nullopt : std::optional(bson::Value(field));
    case Kind::kNumbers: {
      if (!within) return bson::Value(field);
      Meaning numbers;
      for (const auto& one : *within) numbers[std::string(one.key())] = number_value(one);
      return numbers.empty() ? std::nullopt : std::optional(to_value(numbers));
    }
    case Kind::kKey: return key_value(field);
    case Kind::kProjection: {
      if (!within) return bson::Value(field);
      Meaning paths;
      flatten(*within, "", paths);
      return paths.empty() ? std::nullopt : std::optional(to_value(paths));
    }
    case Kind::kCollation:
      if (!within) return bson::Value(field);
      if (within->empty() || (*within)["locale"].to_string_view() == std::string_view("simple")) return std::nullopt;
      return to_value(meaning_of(*within, kCollation));
  }
  return bson::Value(field);
}

Meaning meaning_of(bson::View document, std::span<const Rule> rules) {
  Meaning meaning;
  for (const auto& field : document) {
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& one) { return one.field == field.key(); });
    auto value = rule == rules.end() ? std::optional(bson::Value(field)) : canonical(*rule, field);
    if (value) meaning[std::string(field.key())] = std::move(*value);
  }
  return meaning;
}

}  // namespace

Meaning meaning_of_options(bson::View options) { return meaning_of(options, kOptions); }
Meaning meaning_of_index(bson::View spec) { return meaning_of(spec, kIndex); }

bool is_known_index_field(std::string_view field) {
  return std::ranges::any_of(kIndex, [&](const Rule& rule) { return rule.field == field; });
}

}  // namespace drover
