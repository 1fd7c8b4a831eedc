#include "sandbox/commands/index_kinds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/query/text_language.h"

namespace drover::sandbox {

namespace {

constexpr int kInvalidOptions = 72;
constexpr std::int64_t kMaxWeight = 1'000'000'000;  // exclusive

tl::unexpected<Error> refused(std::string message) { return server_error(code::kCannotCreateIndex, std::move(message)); }

std::int64_t strings_in(bson::View key) {
  return std::count_if(key.begin(), key.end(), [](const bson::Element& field) { return field.is_string(); });
}

// As the server reads a number where it wants 32 bits.
std::int32_t as_int32(const bson::Element& number) {
  constexpr double kMin = std::numeric_limits<std::int32_t>::min(), kMax = std::numeric_limits<std::int32_t>::max();
  const double value = number.to_double().value_or(0);
  return std::isnan(value) ? 0 : static_cast<std::int32_t>(std::clamp(value, kMin, kMax));
}

Status check_hashed(bson::View spec) {
  const auto key = spec["key"].document_value();
  if (const auto hashed = strings_in(key); hashed > 1) {
    return server_error(31303, fmt::format("A maximum of one index field is allowed to be hashed but found {} for 'key' {}", hashed, bson::to_shell(key)));
  }
  if (spec["unique"].is_truthy()) return server_error(16764, "Currently hashed indexes cannot guarantee uniqueness. Use a regular index.");
  return {};
}

Status check_flat(bson::View spec) {
  const auto key = spec["key"].document_value();
  if (strings_in(key) > 1) return server_error(16800, "can't have 2 geo fields");
  if (!key.first().is_string()) return server_error(16801, "2d has to be first in index");
  if (const auto bits = spec["bits"]; bits && (bits.to_double().value_or(0) < 1 || bits.to_double().value_or(0) > 32)) {
    return server_error(13028, "bits in geo index must be between 1 and 32");
  }
  const auto min = spec["min"].to_double().value_or(-180), max = spec["max"].to_double().value_or(180);
  if (!(min < max) || std::isinf(min) || std::isinf(max)) {
    return server_error(kInvalidOptions, fmt::format("region for hash must be valid and have positive area, but [{}, {}] was specified", min, max));
  }
  return {};
}

Status check_sphere(bson::View spec) {
  const auto version = spec["2dsphereIndexVersion"];
  if (!version) return {};
  const auto shown = "2dsphereIndexVersion: " + bson::to_shell(version);
  const auto about = [&](std::string_view what, std::string_view only) {
    return refused(fmt::format("{} geo index version {{ 2dsphereIndexVersion : {} }}, {}", what, shown, only));
  };
  if (!version.is_number()) return about("Invalid type for", "only versions: [1,2,3] are supported");
  if (version.type() == bson::Type::kDouble && !std::isnormal(version.to_double().value_or(0))) {
    return about("Invalid value for", "only versions: [1,2,3] are supported");
  }
  const auto number = version.to_double().value_or(0);
  if (number < 1 || number >= 4) return about("unsupported", "only support versions: [1,2,3]");
  return {};
}

// Fields before, the text fields in one row, fields behind; or {_fts: "text", _ftsx: 1} in their place.
Status check_text_key(bson::View key) {
  enum class Part { kBefore, kText, kBehind };
  auto part = Part::kBefore;
  bool wants_partner = false;
  for (const auto& field : key) {
    const bool text = field.is_string();
    if (wants_partner) {
      if (field.key() != "_ftsx") return refused("expected _ftsx after _fts");
      if (field.to_int64() != 1) return refused("expecting _ftsx:1");
      wants_partner = false;
      part = Part::kBehind;
    } else if (part == Part::kBefore && text && field.key() == "_fts") {
      wants_partner = true;
    } else if (field.key() == "_fts" || field.key() == "_ftsx") {
      return refused("text index with reserved fields _fts/_ftsx not allowed");
    } else if (text) {
      if (part == Part::kBehind) return refused("'text' fields in index must all be adjacent");
      part = Part::kText;
    } else if (part == Part::kText) {
      part = Part::kBehind;
    }
  }
  if (wants_partner) return refused("expected _ftsx after _fts");
  return {};
}

Status check_weight(const bson::Element& weight) {
  if (!weight.is_number()) return refused("weight for text index needs numeric type");
  const auto value = as_int32(weight);
  if (value <= 0 || value >= kMaxWeight) {
    return refused(fmt::format("text index weight must be in the exclusive interval (0,{}) but found: {}", kMaxWeight, value));
  }
  const auto path = weight.key();
  if (path == "$**") return {};
  if (path.empty()) return refused("weight cannot be on an empty field");
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('.', at), path.size());
    if (end == at) return refused("weight cannot have empty path component");
    if (path[at] == '$') return refused("weight cannot have path component with $ prefix");
    at = end + 1;
  }
  return {};
}

Status check_text(bson::View spec) {
  const auto key = spec["key"].document_value();
  if (const auto version = spec["textIndexVersion"]) {
    if (!version.is_number()) return refused("text index option 'textIndexVersion' must be a number");
    const auto number = as_int32(version);
    if (number < 1 || number > 3) return refused(fmt::format("bad textIndexVersion: {}", number));
  }
  TRY(check_text_key(key));
  const auto weights = spec["weights"];
  if (weights.is_document()) {
    for (const auto& weight : weights.document_value()) TRY(check_weight(weight));
  } else if (weights && weights.to_string_view() != "$**") {
    return refused("text index option 'weights' must be an object");
  }
  if (key["_fts"] && (!weights || (weights.is_document() && weights.document_value().empty()))) {
    return refused("text index option 'weights' must specify fields or the wildcard");
  }
  if (const auto language = spec["default_language"]) {
    if (!language.is_string()) return refused("default_language needs a string type");
    // One that this server knows of without answering in it may be the collection's.
    const auto known = query::text_language(language.string_value());
    if (!known && known.error().server_code == code::kBadValue) return refused("default_language is not valid");
  }
  if (const auto field = spec["language_override"]) {
    if (!field.is_string()) return refused("language_override must be a string");
    const auto name = field.string_value();
    if (name.empty() || name.starts_with('$') || name.find('.') != std::string_view::npos) return refused("language_override is not valid");
  }
  return {};
}

// Since 7.0 other fields may stand beside the one that is a wildcard.
Status check_wildcard(bson::View spec) {
  const auto key = spec["key"].document_value();
  const auto is_wildcard = [](const bson::Element& field) { return field.key() == "$**" || field.key().ends_with(".$**"); };
  if (std::count_if(key.begin(), key.end(), is_wildcard) > 1) return refused("Compound wildcard indexes must have exactly one wildcard field");
  if (key.field_count() == 1) return {};
  const auto wildcard = *std::find_if(key.begin(), key.end(), is_wildcard);
  if (wildcard.key() == "$**") {
    if (spec["wildcardProjection"]) return {};
    return refused("Compound wildcard indexes over all fields must have a 'wildcardProjection' that leaves out the other fields of the key");
  }
  const auto below = wildcard.key().substr(0, wildcard.key().size() - 4);
  for (const auto& field : key) {
    if (is_wildcard(field)) continue;
    const auto path = field.key();
    const auto contains = [](std::string_view outer, std::string_view inner) {
      return inner == outer || (inner.starts_with(outer) && inner[outer.size()] == '.');
    };
    if (contains(path, below) || contains(below, path)) {
      return refused(fmt::format("The field '{}' of a compound wildcard index overlaps with its wildcard '{}'", path, wildcard.key()));
    }
  }
  return {};
}

}  // namespace

Status check_index_kind(const CommandContext& context, bson::View spec, std::string_view plugin) {
  if (plugin == "hashed") return check_hashed(spec);
  if (plugin == "2d") return check_flat(spec);
  if (plugin == "2dsphere") return check_sphere(spec);
  if (plugin == "text") return check_text(spec);
  if (plugin == "wildcard" && context.settings().at_least(7, 0)) return check_wildcard(spec);
  return {};
}

}  // namespace drover::sandbox
