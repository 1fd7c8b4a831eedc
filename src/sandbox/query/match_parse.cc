// From filter documents to the tree of match_node.h. Which operators exist and what is wrong with an argument follows
// the server's expression_parser; messages are 4.4's unless a later version words them otherwise.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "bson/compare.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/match_node.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

constexpr std::string_view kDollarHint =
    ". If you have a field name that starts with a '$' symbol, consider using $getField or $setField.";

Result<MatchNodePtr> compare(const MatchParser& parser, std::string_view path, Comparison op, const Element& rhs) {
  if (rhs.type() == Type::kRegex && op != Comparison::kEq) {
    return bad(code::kBadValue, fmt::format("Can't have RegEx as arg to predicate over field '{}'.", path));
  }
  if (rhs.type() == Type::kUndefined) return bad(code::kBadValue, "cannot compare to undefined");
  return std::make_unique<CompareNode>(path, op, rhs, parser.collator);
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
      if (options_in_regex && !e.string_value().empty()) return bad(51075, "options set in both $regex and $options");
      if (!options_in_regex) options = e.string_value();
    }
  }
  return regex_node(parser, path, {pattern, options});
}

Result<MatchNodePtr> in_list(const MatchParser& parser, std::string_view path, const Element& list) {
  auto node = std::make_unique<InNode>(path);
  node->collator = parser.collator;
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

Result<MatchNodePtr> size_node(std::string_view path, const Element& e) {
  if (!e.is_number()) return bad(code::kBadValue, "$size needs a number");
  const auto whole = e.to_int64();
  const double number = e.to_double().value_or(NAN);
  if (!whole || number != std::trunc(number)) return bad(code::kBadValue, "$size must be a whole number");
  if (*whole != static_cast<std::int32_t>(*whole)) {
    return bad(code::kBadValue, "$size must be representable as a 32-bit integer");
  }
  if (*whole < 0) return bad(code::kBadValue, "$size may not be negative");
  return std::make_unique<SizeNode>(path, *whole);
}

Result<MatchNodePtr> mod_node(const MatchParser& parser, std::string_view path, const Element& e) {
  if (!e.is_array()) return bad(code::kBadValue, "malformed mod, needs to be an array");
  std::vector<Element> items;
  for (const Element& item : e.document_value()) items.push_back(item);
  if (items.size() < 2) return bad(code::kBadValue, "malformed mod, not enough elements");
  if (items.size() > 2) return bad(code::kBadValue, "malformed mod, too many elements");
  if (!items[0].is_number()) return bad(code::kBadValue, "malformed mod, divisor not a number");
  if (!items[1].is_number() && parser.version >= ServerVersion{5, 1, 0}) {
    return bad(code::kBadValue, "malformed mod, remainder not a number");
  }
  auto node = std::make_unique<ModNode>(path);
  node->divisor = items[0].to_int64().value_or(0);
  node->remainder = items[1].is_number() ? items[1].to_int64().value_or(0) : 0;
  if (node->divisor == 0) return bad(code::kBadValue, "divisor cannot be 0");
  return node;
}

Status bit_positions(const Element& e, BitsNode& node) {
  if (e.is_array()) {
    for (const Element& item : e.document_value()) {
      const auto whole = item.is_number() ? item.to_int64() : std::nullopt;
      if (!whole || item.to_double() != static_cast<double>(*whole)) {
        return bad(code::kBadValue, fmt::format("Failed to parse bit position. Expected a number in: {}: {}",
                                                item.key(), bson::type_name(item.type())));
      }
      if (*whole < 0 || *whole > 0x7fffffff) {
        return bad(
            code::kBadValue,
            fmt::format("Failed to parse bit position. Expected a non-negative number in: {}: {}", item.key(), *whole));
      }
      node.positions.push_back(static_cast<std::uint32_t>(*whole));
    }
    return {};
  }
  if (e.type() == Type::kBinary) {
    const auto data = e.binary_value().data;
    for (std::uint32_t bit = 0; bit < data.size() * 8; ++bit) {
      if (data[bit / 8] >> (bit % 8) & 1) node.positions.push_back(bit);
    }
    return {};
  }
  const auto whole = e.is_number() ? e.to_int64() : std::nullopt;
  if (!e.is_number())
    return bad(code::kBadValue, fmt::format("{} takes an Array, a number, or a BinData but received: {}: {}", e.key(),
                                            e.key(), bson::type_name(e.type())));
  if (!whole || e.to_double() != static_cast<double>(*whole)) {
    return bad(code::kBadValue, fmt::format("Expected an integer: {}: {}", e.key(), e.to_double().value_or(0)));
  }
  if (*whole < 0) return bad(code::kBadValue, fmt::format("Expected a positive number in: {}: {}", e.key(), *whole));
  for (std::uint32_t bit = 0; bit < 63; ++bit) {
    if (*whole >> bit & 1) node.positions.push_back(bit);
  }
  return {};
}

Result<MatchNodePtr> bits_node(std::string_view path, BitTest test, const Element& e) {
  auto node = std::make_unique<BitsNode>(path, test);
  TRY(bit_positions(e, *node));
  return node;
}

bool is_logical(std::string_view name) {
  return name == "$and" || name == "$or" || name == "$nor" || name == "$expr" || name == "$where" || name == "$text" ||
         name == "$comment" || name == "$jsonSchema" || name == "$alwaysTrue" || name == "$alwaysFalse";
}

Result<MatchNodePtr> elem_match(const MatchParser& parser, std::string_view path, const Element& e) {
  if (!e.is_document()) return bad(code::kBadValue, "$elemMatch needs an Object");
  const View object = e.document_value();
  if (object["$where"]) return bad(code::kBadValue, "$elemMatch cannot contain $where expression");
  if (is_operator_document(e) && !is_logical(object.first().key())) {
    auto both = std::make_unique<ListNode>(MatchKind::kAnd);
    TRY(parser.parse_operators("", object, both->children));
    return std::make_unique<ElemMatchNode>(MatchKind::kElemMatchValue, path, std::move(both));
  }
  return std::make_unique<ElemMatchNode>(MatchKind::kElemMatchObject, path, TRY(parser.parse_document(object)));
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
    } else if (is_operator_document(item)) {
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
  if (name == "$type") return std::make_unique<TypeNode>(path, TRY(parse_type_set(e)));
  if (name == "$mod") return mod_node(parser, path, e);
  if (name == "$size") return size_node(path, e);
  if (name == "$regex") return regex_operator(parser, path, all);
  if (name == "$elemMatch") return elem_match(parser, path, e);
  if (name == "$all") return all_node(parser, path, e);
  if (name == "$not") return not_node(parser, path, e);
  if (name == "$bitsAllSet") return bits_node(path, BitTest::kAllSet, e);
  if (name == "$bitsAllClear") return bits_node(path, BitTest::kAllClear, e);
  if (name == "$bitsAnySet") return bits_node(path, BitTest::kAnySet, e);
  if (name == "$bitsAnyClear") return bits_node(path, BitTest::kAnyClear, e);
  if (name == "$near" || name == "$nearSphere" || name == "$geoNear") {
    return bad(291, "unable to find index for $geoNear query");
  }
  if (name == "$geoWithin" || name == "$within" || name == "$geoIntersects") {
    return bad(code::kBadValue, fmt::format("{} is not supported by this server: it has no geospatial queries", name));
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

Result<MatchNodePtr> top_level_operator(const MatchParser& parser, const Element& e) {
  const std::string_view name = e.key();
  if (name == "$and") return logical_list(parser, MatchKind::kAnd, e);
  if (name == "$or") return logical_list(parser, MatchKind::kOr, e);
  if (name == "$nor") return logical_list(parser, MatchKind::kNor, e);
  if (name == "$expr") return make_expr_node(e, parser);
  if (name == "$jsonSchema") return make_schema_node(e, parser);
  if (name == "$alwaysTrue" || name == "$alwaysFalse") return std::make_unique<AlwaysNode>(name == "$alwaysTrue");
  if (name == "$where") return bad(code::kBadValue, "no globalScriptEngine in $where parsing");
  if (name == "$text") return bad(27, "text index required for $text query");
  const bool hint = parser.version >= ServerVersion{5, 0, 0};
  return bad(code::kBadValue, fmt::format("unknown top level operator: {}{}", name, hint ? kDollarHint : ""));
}

bool is_db_ref(View object) {
  const std::string_view first = object.first().key();
  return first == "$ref" || first == "$id" || first == "$db";
}

}  // namespace

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
    out.push_back(TRY(one_operator(*this, path, operators, e)));
  }
  return {};
}

Result<MatchNodePtr> MatchParser::parse_document(View filter) const {
  auto root = std::make_unique<ListNode>(MatchKind::kAnd);
  for (const Element& e : filter) {
    if (e.key() == "$comment") continue;
    if (e.key().starts_with('$') && !is_db_ref(filter)) {
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
