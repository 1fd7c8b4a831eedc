// From filter documents to the tree of match_node.h. Which operators exist and what is wrong with an argument follows
// the server's expression_parser; messages are 4.4's unless a later version words them otherwise.
#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/core.h>

#include "bson/compare.h"
#include "bson/decimal.h"
#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/match_node.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

std::string shown(const Element& e) { return fmt::format("{}: {}", e.key(), bson::to_shell(e)); }

constexpr std::string_view kDollarHint =
    ". If you have a field name that starts with a '$' symbol, consider using $getField or $setField.";

// The server's numberLong of what no 64-bit number represents.
constexpr std::int64_t kNoLong = std::numeric_limits<std::int64_t>::min();
constexpr int kQueryFeatureNotAllowed = 224;

std::string not_a_long(const Element& e) {
  const bool nan = is_nan(e);
  const bool infinite = !nan && std::isinf(e.to_double().value_or(0));
  return fmt::format("{}: {}", nan ? "NaN not allowed" : infinite ? "Infinity not allowed" : "Out of range", shown(e));
}

bool undefined_is_null(const MatchParser& parser) { return parser.version < ServerVersion{8, 0, 0}; }

Result<MatchNodePtr> compare(const MatchParser& parser, std::string_view path, Comparison op, const Element& rhs) {
  if (rhs.type() == Type::kRegex && op != Comparison::kEq) {
    return bad(code::kBadValue, fmt::format("Can't have RegEx as arg to predicate over field '{}'.", path));
  }
  if (rhs.type() == Type::kUndefined) return bad(code::kBadValue, "cannot compare to undefined");
  auto node = std::make_unique<CompareNode>(path, op, rhs, parser.collator);
  node->undefined_is_null = undefined_is_null(parser);
  return node;
}

Result<MatchNodePtr> regex_node(const MatchParser& parser, std::string_view path, bson::Regex regex) {
  return std::make_unique<RegexNode>(path, TRY(CompiledRegex::compile(regex.pattern, regex.options, parser.version)));
}

// {$regex: p, $options: o} in either order; both elements are seen here when the first of them is met.
Result<MatchNodePtr> regex_operator(const MatchParser& parser, std::string_view path, View operators) {
  std::string_view pattern;
  std::string_view options;
  bool options_in_regex = false;
  for (const Element& e : operators) {
    if (e.key() == "$regex") {
      if (e.is_string()) {
        pattern = e.string_value();
      } else if (e.type() == Type::kRegex) {
        pattern = e.regex_value().pattern;
        if (!e.regex_value().options.empty()) {
          if (!options.empty()) return bad(51074, "options set in both $regex and $options");
          options = e.regex_value().options;
          options_in_regex = true;
        }
      } else {
        return bad(code::kBadValue, "$regex has to be a string");
      }
    } else if (e.key() == "$options") {
      if (!e.is_string()) return bad(code::kBadValue, "$options has to be a string");
      if (options_in_regex) return bad(51075, "options set in both $regex and $options");
      options = e.string_value();
    }
  }
  if (pattern.find('\0') != std::string_view::npos) return bad(code::kBadValue, "Regular expression cannot contain an embedded null byte");
  // Servers with PCRE2 find it among the flags.
  if (options.find('\0') != std::string_view::npos && parser.version < ServerVersion{6, 1, 0}) {
    return bad(code::kBadValue, "Regular expression options string cannot contain an embedded null byte");
  }
  return regex_node(parser, path, {pattern, options});
}

Result<MatchNodePtr> in_list(const MatchParser& parser, std::string_view path, const Element& list) {
  auto node = std::make_unique<InNode>(path);
  node->collator = parser.collator;
  node->undefined_is_null = undefined_is_null(parser);
  for (const Element& item : list.document_value()) {
    if (is_operator_document(item)) return bad(code::kBadValue, "cannot nest $ under $in");
    if (item.type() == Type::kUndefined) {
      return bad(code::kBadValue, "InMatchExpression equality cannot be undefined");
    }
    if (item.type() == Type::kRegex) {
      const auto regex = item.regex_value();
      node->regexes.push_back(TRY(CompiledRegex::compile(regex.pattern, regex.options, parser.version)));
    } else {
      node->equalities.push_back(item);
    }
    node->has_null |= item.is_null();
  }
  const auto less = [&](const Element& a, const Element& b) { return bson::compare_values(a, b, parser.collator) < 0; };
  std::stable_sort(node->equalities.begin(), node->equalities.end(), less);
  const auto same = [&](const Element& a, const Element& b) { return equal_values(a, b, parser.collator); };
  node->equalities.erase(std::unique(node->equalities.begin(), node->equalities.end(), same), node->equalities.end());
  return node;
}

// Of numbers that may not be negative, since 5.0 in other words.
std::string below_zero(const MatchParser& parser, const Element& e) {
  return fmt::format("Expected a {} number in: {}", parser.version < ServerVersion{5, 0, 0} ? "positive" : "non-negative", shown(e));
}

Result<MatchNodePtr> size_node(const MatchParser& parser, std::string_view path, const Element& e) {
  if (parser.version >= ServerVersion{5, 0, 0}) {
    const auto refused = [](std::string_view why) { return bad(code::kBadValue, fmt::format("Failed to parse $size. {}", why)); };
    const auto size = whole_number(e);
    if (!size) return refused(size.error().message);
    if (*size != static_cast<std::int32_t>(*size)) return refused(fmt::format("Cannot represent {} in an int", shown(e)));
    if (*size < 0) return refused(below_zero(parser, e));
    return std::make_unique<SizeNode>(path, *size);
  }
  if (!e.is_number() || e.type() == Type::kDecimal128) return bad(code::kBadValue, "$size needs a number");
  const auto whole = e.to_int64();
  const bool fits = whole && *whole == static_cast<std::int32_t>(*whole);
  if (e.type() == Type::kDouble && (!fits || e.double_value() != static_cast<double>(*whole))) {
    return bad(code::kBadValue, "$size must be a whole number");
  }
  if (!fits) return bad(code::kBadValue, "$size must be representable as a 32-bit integer");
  if (*whole < 0) return bad(code::kBadValue, "$size may not be negative");
  return std::make_unique<SizeNode>(path, *whole);
}

// Up to 5.0 the remainder is not looked at, and what is no 64-bit number becomes the smallest one.
Result<MatchNodePtr> mod_node(const MatchParser& parser, std::string_view path, const Element& e) {
  if (!e.is_array()) return bad(code::kBadValue, "malformed mod, needs to be an array");
  std::vector<Element> items;
  for (const Element& item : e.document_value()) items.push_back(item);
  if (items.empty()) return bad(code::kBadValue, "malformed mod, not enough elements");
  if (!items[0].is_number()) return bad(code::kBadValue, "malformed mod, divisor not a number");
  if (items.size() < 2) return bad(code::kBadValue, "malformed mod, not enough elements");
  const bool strict = parser.version >= ServerVersion{5, 0, 0};
  if (!items[1].is_number() && strict) return bad(code::kBadValue, "malformed mod, remainder not a number");
  if (items.size() > 2) return bad(code::kBadValue, "malformed mod, too many elements");
  const auto unusable = [](const Element& item) { return !truncated(item); };
  if (strict && unusable(items[0])) {
    return bad(code::kBadValue, fmt::format("malformed mod, divisor value is invalid :: caused by :: {}", not_a_long(items[0])));
  }
  if (strict && unusable(items[1])) {
    return bad(code::kBadValue, fmt::format("malformed mod, remainder value is invalid :: caused by :: {}", not_a_long(items[1])));
  }
  auto node = std::make_unique<ModNode>(path);
  node->skips_unusable = strict;
  node->divisor = truncated(items[0]).value_or(kNoLong);
  node->remainder = items[1].is_number() ? truncated(items[1]).value_or(kNoLong) : 0;
  if (node->divisor == 0) return bad(code::kBadValue, "divisor cannot be 0");
  return node;
}

Result<std::uint32_t> bit_position(const Element& item) {
  const auto refused = [&](std::string_view what) {
    return bad(code::kBadValue, fmt::format("bit positions {}: {}", what, shown(item)));
  };
  if (!item.is_number()) return refused("must be an integer but got");
  const double number = item.to_double().value_or(0);
  if (std::isnan(number)) return refused("cannot take a NaN");
  if (number > 2147483647.0 || number < -2147483648.0) return refused("cannot be represented as a 32-bit signed integer");
  if (item.type() == Type::kDouble && number != std::trunc(number)) return refused("must be an integer but got");
  if (number <= -1) return refused("must be >= 0 but got");
  return static_cast<std::uint32_t>(number);
}

Status bit_positions(const MatchParser& parser, std::string_view path, const Element& e, BitsNode& node) {
  if (e.is_array()) {
    for (const Element& item : e.document_value()) node.positions.push_back(TRY(bit_position(item)));
    return {};
  }
  if (e.type() == Type::kBinary) {
    const auto data = e.binary_value().data;
    for (std::uint32_t bit = 0; bit < data.size() * 8; ++bit) {
      if (data[bit / 8] >> (bit % 8) & 1) node.positions.push_back(bit);
    }
    return {};
  }
  if (!e.is_number()) {
    return bad(code::kBadValue,
               fmt::format("{} takes an Array, a number, or a BinData but received: {}", path, shown(e)));
  }
  const std::int64_t mask = TRY(whole_number(e));
  if (mask < 0) return bad(code::kFailedToParse, below_zero(parser, e));
  for (std::uint32_t bit = 0; bit < 63; ++bit) {
    if (mask >> bit & 1) node.positions.push_back(bit);
  }
  return {};
}

Result<MatchNodePtr> bits_node(const MatchParser& parser, std::string_view path, BitTest test, const Element& e) {
  auto node = std::make_unique<BitsNode>(path, test);
  TRY(bit_positions(parser, path, e, *node));
  return node;
}

// Operators that stand where a field name could.
bool is_pathless(std::string_view name) {
  static constexpr std::string_view kNames[] = {"$and", "$or", "$nor", "$expr", "$where", "$text", "$comment", "$jsonSchema",
                                                "$alwaysTrue", "$alwaysFalse", "$ref", "$id", "$db", "$sampleRate"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

Result<MatchNodePtr> elem_match(const MatchParser& parser, std::string_view path, const Element& e) {
  if (!e.is_document()) return bad(code::kBadValue, "$elemMatch needs an Object");
  const View object = e.document_value();
  MatchParser inside = parser;
  inside.below_top = true;
  if (is_operator_document(e) && !is_pathless(object.first().key())) {
    auto both = std::make_unique<ListNode>(MatchKind::kAnd);
    TRY(inside.parse_operators("", object, both->children));
    return std::make_unique<ElemMatchNode>(MatchKind::kElemMatchValue, path, std::move(both));
  }
  if (object["$where"]) return bad(code::kBadValue, "$elemMatch cannot contain $where expression");
  return std::make_unique<ElemMatchNode>(MatchKind::kElemMatchObject, path, TRY(inside.parse_document(object)));
}

Result<MatchNodePtr> all_node(const MatchParser& parser, std::string_view path, const Element& e) {
  if (!e.is_array()) return bad(code::kBadValue, "$all needs an array");
  const View items = e.document_value();
  if (items.empty()) return std::make_unique<AlwaysNode>(false);
  auto both = std::make_unique<ListNode>(MatchKind::kAnd);
  const auto is_elem_match = [](const Element& item) {
    return item.is_document() && item.document_value().first().key() == "$elemMatch";
  };
  const bool elem_matches = is_elem_match(items.first());
  for (const Element& item : items) {
    if (elem_matches) {
      if (!is_elem_match(item)) return bad(code::kBadValue, "$all/$elemMatch has to be consistent");
      both->children.push_back(TRY(elem_match(parser, path, item.document_value().first())));
    } else if (item.type() == Type::kRegex) {
      both->children.push_back(TRY(regex_node(parser, path, item.regex_value())));
    } else if (item.is_document() && takes_path(item.document_value().first().key(), parser.version)) {
      return bad(code::kBadValue, "no $ expressions in $all");
    } else {
      both->children.push_back(TRY(compare(parser, path, Comparison::kEq, item)));
    }
  }
  return both;
}

Result<MatchNodePtr> not_node(const MatchParser& parser, std::string_view path, const Element& e) {
  if (e.type() == Type::kRegex) return std::make_unique<NotNode>(TRY(regex_node(parser, path, e.regex_value())));
  if (!e.is_document()) return bad(code::kBadValue, "$not needs a regex or a document");
  if (e.document_value().empty()) return bad(code::kBadValue, "$not cannot be empty");
  auto both = std::make_unique<ListNode>(MatchKind::kAnd);
  TRY(parser.parse_operators(path, e.document_value(), both->children));
  return std::make_unique<NotNode>(std::move(both));
}

Result<MatchNodePtr> negated(Result<MatchNodePtr> inner) { return std::make_unique<NotNode>(TRY(std::move(inner))); }

Result<MatchNodePtr> near_node(const MatchParser& parser, std::string_view path, View all) {
  if (!parser.allowed.near) {
    return bad(parser.version >= ServerVersion{5, 0, 0} ? 5626500 : code::kBadValue, "$geoNear, $near, and $nearSphere are not allowed in this context");
  }
  return std::make_unique<NearNode>(path, TRY(NearPoint::parse(all)));
}

Result<MatchNodePtr> text_node(const Element& e) {
  if (!e.is_document()) return bad(code::kTypeMismatch, fmt::format("\"$text\" had the wrong type. Expected object, found {}", bson::type_name(e.type())));
  const View spec = e.document_value();
  const auto text = spec["$search"];
  if (!text) return bad(4, "Missing expected field \"$search\"");
  if (!text.is_string()) return bad(code::kTypeMismatch, fmt::format("\"$search\" had the wrong type. Expected string, found {}", bson::type_name(text.type())));
  const auto flag = [&](std::string_view name) { return spec[name].is_truthy() ? 1 : 0; };
  for (const Element& option : spec) {
    if (option.key() == "$search" || option.key() == "$language") continue;
    if (option.key() != "$caseSensitive" && option.key() != "$diacriticSensitive") return bad(code::kBadValue, "extra fields in $text");
    if (option.type() != Type::kBool) {
      return bad(code::kTypeMismatch, fmt::format("\"{}\" had the wrong type. Expected bool, found {}", option.key(), bson::type_name(option.type())));
    }
  }
  auto shown = fmt::format("TEXT : query={}, language={}, caseSensitive={}, diacriticSensitive={}, tag=NULL", text.string_value(),
                           spec["$language"].to_string_view().value_or("english"), flag("$caseSensitive"), flag("$diacriticSensitive"));
  return std::make_unique<TextNode>(spec, std::move(shown));
}

Result<MatchNodePtr> one_operator(const MatchParser& parser, std::string_view path, View all, const Element& e) {
  const std::string_view name = e.key();
  if (name == "$eq") return compare(parser, path, Comparison::kEq, e);
  if (name == "$lt") return compare(parser, path, Comparison::kLt, e);
  if (name == "$lte") return compare(parser, path, Comparison::kLte, e);
  if (name == "$gt") return compare(parser, path, Comparison::kGt, e);
  if (name == "$gte") return compare(parser, path, Comparison::kGte, e);
  if (name == "$ne") {
    if (e.type() == Type::kRegex) return bad(code::kBadValue, "Can't have regex as arg to $ne.");
    return negated(compare(parser, path, Comparison::kEq, e));
  }
  if (name == "$in" || name == "$nin") {
    if (!e.is_array()) return bad(code::kBadValue, fmt::format("{} needs an array", name));
    return name == "$in" ? in_list(parser, path, e) : negated(in_list(parser, path, e));
  }
  if (name == "$exists") {
    MatchNodePtr node = std::make_unique<ExistsNode>(path);
    if (!e.is_truthy()) node = std::make_unique<NotNode>(std::move(node));
    return node;
  }
  if (name == "$type") return std::make_unique<TypeNode>(path, TRY(parse_type_set(e, path)));
  if (name == "$mod") return mod_node(parser, path, e);
  if (name == "$size") return size_node(parser, path, e);
  if (name == "$regex") return regex_operator(parser, path, all);
  if (name == "$elemMatch") return elem_match(parser, path, e);
  if (name == "$all") return all_node(parser, path, e);
  if (name == "$not") return not_node(parser, path, e);
  if (name == "$bitsAllSet") return bits_node(parser, path, BitTest::kAllSet, e);
  if (name == "$bitsAllClear") return bits_node(parser, path, BitTest::kAllClear, e);
  if (name == "$bitsAnySet") return bits_node(parser, path, BitTest::kAnySet, e);
  if (name == "$bitsAnyClear") return bits_node(parser, path, BitTest::kAnyClear, e);
  if (name == "$near" || name == "$nearSphere" || name == "$geoNear") {
    if (all.first().key() != name) {
      return bad(code::kBadValue, fmt::format("near must be first in: {}", bson::to_shell(all)));
    }
    return near_node(parser, path, all);
  }
  if (name == "$where") return bad(code::kBadValue, "$where cannot be applied to a field");
  if (name == "$geoWithin" || name == "$within" || name == "$geoIntersects") {
    return make_geo_node(path, e);
  }
  return bad(code::kBadValue, fmt::format("unknown operator: {}", name));
}

Result<MatchNodePtr> logical_list(const MatchParser& parser, MatchKind kind, const Element& e) {
  const std::string_view name = e.key();
  if (!e.is_array()) return bad(code::kBadValue, fmt::format("{} must be an array", name));
  if (e.document_value().empty()) return bad(code::kBadValue, "$and/$or/$nor must be a nonempty array");
  auto node = std::make_unique<ListNode>(kind);
  for (const Element& item : e.document_value()) {
    if (!item.is_document()) return bad(code::kBadValue, "$or/$and/$nor entries need to be full objects");
    node->children.push_back(TRY(parser.parse_document(item.document_value())));
  }
  return node;
}

Status check_allowed(const MatchParser& parser, std::string_view name) {
  const bool top_only = name == "$expr" || name == "$text" || (name == "$sampleRate" && parser.version >= ServerVersion{4, 4, 2});
  if (top_only && parser.below_top) return bad(code::kBadValue, fmt::format("{} can only be applied to the top-level document", name));
  if (name == "$expr" && !parser.allowed.expr) return bad(kQueryFeatureNotAllowed, "$expr is not allowed in this context");
  if (name == "$jsonSchema" && !parser.allowed.schema) return bad(kQueryFeatureNotAllowed, "$jsonSchema is not allowed in this context");
  if (name == "$text" && !parser.allowed.text) return bad(code::kBadValue, "$text is not allowed in this context");
  if (name == "$where" && !parser.allowed.where) return bad(code::kBadValue, "$where is not allowed in this context");
  return {};
}

Result<MatchNodePtr> constant_node(const Element& e) {
  if (TRY(whole_number(e)) != 1) return bad(code::kFailedToParse, fmt::format("{} must be an integer value of 1", e.key()));
  return std::make_unique<AlwaysNode>(e.key() == "$alwaysTrue");
}

// A document is taken with the probability named: {$expr: {$lt: [{$rand: {}}, rate]}}.
Result<MatchNodePtr> sample_rate_node(const MatchParser& parser, const Element& e) {
  if (!e.is_number()) return bad(code::kBadValue, "argument to $sampleRate must be a numeric type");
  const double rate = as_double(Datum::borrow(e));
  if (!(rate >= 0 && rate <= 1)) return bad(code::kBadValue, "numeric argument to $sampleRate must be in [0, 1]");
  const bson::Document random = bson::make_document({{"$rand", bson::View()}});
  bson::ArrayBuilder operands;
  operands.append(random.view());
  operands.append(rate);
  const bson::Document list = std::move(operands).finish();
  const bson::Document less = bson::make_document({{"$lt", bson::ArrayView{list.view()}}});
  const bson::Document wrapped = bson::make_document({{"$expr", less.view()}});
  return make_expr_node(wrapped.view().first(), parser);
}

Result<MatchNodePtr> top_level_operator(const MatchParser& parser, const Element& e) {
  const std::string_view name = e.key();
  TRY(check_allowed(parser, name));
  if (name == "$and") return logical_list(parser, MatchKind::kAnd, e);
  if (name == "$or") return logical_list(parser, MatchKind::kOr, e);
  if (name == "$nor") return logical_list(parser, MatchKind::kNor, e);
  if (name == "$expr") return make_expr_node(e, parser);
  if (name == "$jsonSchema") return make_schema_node(e, parser);
  if (name == "$alwaysTrue" || name == "$alwaysFalse") return constant_node(e);
  if (name == "$sampleRate" && parser.version >= ServerVersion{4, 4, 2}) return sample_rate_node(parser, e);
  if (name == "$ref" || name == "$id" || name == "$db") {  // part of a reference, as a field
    return std::make_unique<CompareNode>(name, Comparison::kEq, e, name == "$id" ? parser.collator : nullptr);
  }
  if (name == "$where") return make_where_node(e, parser);
  if (name == "$text") return text_node(e);
  const bool hint = parser.version >= ServerVersion{5, 0, 0};
  return bad(code::kBadValue, fmt::format("unknown top level operator: {}{}", name, hint ? kDollarHint : ""));
}

// Documents that begin with $ are operators unless they are references.
bool is_db_ref(View object) { return object["$ref"].exists() && object["$id"].exists(); }

}  // namespace

bool takes_path(std::string_view name, ServerVersion version) {
  static constexpr std::string_view kNames[] = {
      "$all", "$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet", "$elemMatch", "$exists", "$geoIntersects",
      "$geoNear", "$geoWithin", "$gt", "$gte", "$in", "$lt", "$lte", "$mod", "$ne", "$near", "$nearSphere", "$nin",
      "$options", "$regex", "$size", "$type", "$within"};
  if (name == "$eq") return version >= ServerVersion{5, 0, 0};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

Result<std::int64_t> whole_number(const Element& e) {
  const auto refused = [&](std::string_view what) { return bad(code::kFailedToParse, fmt::format("{}: {}", what, shown(e))); };
  if (!e.is_number()) return refused("Expected a number in");
  if (e.type() == Type::kDouble) {
    const double number = e.double_value();
    if (std::isnan(number)) return refused("Expected an integer, but found NaN in");
    if (number >= 9223372036854775808.0 || number < -9223372036854775808.0) return refused("Cannot represent as a 64-bit integer");
    if (number != std::trunc(number)) return refused("Expected an integer");
    return static_cast<std::int64_t>(number);
  }
  const auto whole = truncated(e);
  const bool exact = whole && (e.type() != Type::kDecimal128 ||
                               bson::decimal_compare(bson::decimal_from_int64(*whole), e.decimal_value()) == 0);
  if (!exact) return refused("Cannot represent as a 64-bit integer");
  return *whole;
}

bool is_operator_document(const Element& value) {
  if (!value.is_document()) return false;
  const View object = value.document_value();
  return !object.empty() && object.first().key().starts_with('$') && !is_db_ref(object);
}

Status MatchParser::parse_operators(std::string_view path, View operators, std::vector<MatchNodePtr>& out) const {
  for (const Element& e : operators) {
    if (e.key() == "$options") {
      if (!operators["$regex"]) return bad(code::kBadValue, "$options needs a $regex");
      continue;
    }
    const std::string_view first = operators.first().key();
    const bool of_near = first == "$near" || first == "$nearSphere" || first == "$geoNear";
    if (of_near && e.key() != first) continue;  // read with it
    out.push_back(TRY(one_operator(*this, path, operators, e)));
  }
  return {};
}

Result<MatchNodePtr> MatchParser::parse_document(View filter) const {
  auto root = std::make_unique<ListNode>(MatchKind::kAnd);
  for (const Element& e : filter) {
    if (e.key() == "$comment") continue;
    if (e.key().starts_with('$')) {
      root->children.push_back(TRY(top_level_operator(*this, e)));
    } else if (is_operator_document(e)) {
      TRY(parse_operators(e.key(), e.document_value(), root->children));
    } else if (e.type() == Type::kRegex) {
      root->children.push_back(TRY(regex_node(*this, e.key(), e.regex_value())));
    } else {
      root->children.push_back(TRY(compare(*this, e.key(), Comparison::kEq, e)));
    }
  }
  if (root->children.size() == 1) return std::move(root->children.front());
  return root;
}

}  // namespace drover::sandbox::query
