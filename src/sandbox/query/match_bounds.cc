// What an index may be asked: each predicate of the top-level conjunction as intervals within its type's bracket.
#include <algorithm>
#include <cmath>
#include <limits>

#include "bson/builder.h"
#include "bson/compare.h"
#include "sandbox/query/match_node.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::Value;

namespace {

template <typename T>
Value value_of(T&& value) {
  bson::Builder builder;
  builder.append("", std::forward<T>(value));
  return Value(std::move(builder).finish().view().first());
}

struct Bracket {
  Value low;
  Value high;
  bool high_inclusive = true;
};

// The smallest and largest values of `type`'s bracket. Nothing for types that only compare for equality.
std::optional<Bracket> bracket_of(Type type) {
  switch (type) {
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDouble:
    case Type::kDecimal128:
      return Bracket{value_of(-std::numeric_limits<double>::infinity()),
                     value_of(std::numeric_limits<double>::infinity())};
    case Type::kString:
    case Type::kSymbol: return Bracket{value_of(""), value_of(bson::make_document()), false};
    case Type::kDocument: {
      return Bracket{value_of(bson::make_document()), value_of(bson::ArrayView{bson::View()}), false};
    }
    case Type::kBinary: return Bracket{value_of(bson::Binary{}), value_of(bson::ObjectId{}), false};
    case Type::kObjectId: {
      bson::ObjectId highest;
      highest.bytes.fill(0xff);
      return Bracket{value_of(bson::ObjectId{}), value_of(highest)};
    }
    case Type::kBool: return Bracket{value_of(false), value_of(true)};
    case Type::kDateTime:
      return Bracket{value_of(bson::DateTime{std::numeric_limits<std::int64_t>::min()}),
                     value_of(bson::DateTime{std::numeric_limits<std::int64_t>::max()})};
    case Type::kTimestamp:
      return Bracket{value_of(bson::Timestamp{}), value_of(bson::Timestamp{0xffffffff, 0xffffffff})};
    default: return std::nullopt;
  }
}

Interval point(const Element& value) { return {Value(value), Value(value), true, true}; }

std::optional<PathBounds> bounds_of(const CompareNode& node) {
  PathBounds bounds{node.path.text(), {}, false};
  const Element& rhs = node.rhs;
  const bool points = node.op == Comparison::kEq || rhs.is_null() || is_nan(rhs);
  if (points && (node.op == Comparison::kLt || node.op == Comparison::kGt)) return std::nullopt;
  if (rhs.is_array()) return std::nullopt;  // an index over arrays holds the items
  if (points) {
    bounds.points = true;
    if (rhs.is_null()) bounds.intervals.push_back(point(value_of(bson::Undefined{}).element()));
    bounds.intervals.push_back(point(rhs));
    return bounds;
  }
  auto bracket = bracket_of(rhs.type());
  if (!bracket) return std::nullopt;
  const bool from_rhs = node.op == Comparison::kGt || node.op == Comparison::kGte;
  const bool inclusive = node.op == Comparison::kGte || node.op == Comparison::kLte;
  if (from_rhs) {
    bounds.intervals.push_back({Value(rhs), bracket->high, inclusive, bracket->high_inclusive});
  } else {
    bounds.intervals.push_back({bracket->low, Value(rhs), true, inclusive});
  }
  return bounds;
}

std::optional<PathBounds> bounds_of(const InNode& node) {
  if (!node.regexes.empty()) return std::nullopt;
  PathBounds bounds{node.path.text(), {}, true};
  if (node.has_null) bounds.intervals.push_back(point(value_of(bson::Undefined{}).element()));
  for (const Element& value : node.equalities) {
    if (value.is_array()) return std::nullopt;
    bounds.intervals.push_back(point(value));
  }
  if (bounds.intervals.empty()) return std::nullopt;
  return bounds;
}

// /^abc/ without options, its prefix of plain characters; empty when there is none.
std::string literal_prefix(const CompiledRegex& regex) {
  const std::string& pattern = regex.pattern();
  if (!regex.options().empty() || !pattern.starts_with('^') || pattern.find('|') != std::string::npos) return {};
  std::string prefix;
  for (std::size_t i = 1; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == ' ' || c == '_' || c == '-' || c == '/' ||
                       c == ':' || c == ',' || c == '@' || c == '"' || c == '\'' || c == '=' || c == '%' || c == '&';
    const bool escaped_punctuation =
        c == '\\' && i + 1 < pattern.size() && std::ispunct(static_cast<unsigned char>(pattern[i + 1]));
    if (escaped_punctuation) {
      prefix.push_back(pattern[++i]);
    } else if (plain) {
      prefix.push_back(c);
    } else {
      if ((c == '*' || c == '?' || c == '{') && !prefix.empty()) prefix.pop_back();  // the last one is optional
      break;
    }
  }
  return prefix;
}

std::optional<PathBounds> bounds_of(const RegexNode& node, const bson::Collator* collator) {
  std::string low = collator ? std::string() : literal_prefix(*node.regex);
  if (low.empty()) return std::nullopt;
  std::string high = low;
  high.back() = static_cast<char>(high.back() + 1);  // plain ASCII: never overflows
  PathBounds bounds{node.path.text(), {{value_of(low), value_of(high), true, false}}, false};
  bounds.intervals.push_back(point(value_of(bson::Regex{node.regex->pattern(), node.regex->options()}).element()));
  return bounds;
}

void collect(const MatchNode& node, const bson::Collator* collator, std::vector<PathBounds>& out) {
  std::optional<PathBounds> bounds;
  switch (node.kind()) {
    case MatchKind::kAnd:
      for (const auto& child : static_cast<const ListNode&>(node).children) collect(*child, collator, out);
      return;
    case MatchKind::kOr: {
      const auto& children = static_cast<const ListNode&>(node).children;
      if (children.size() == 1) collect(*children[0], collator, out);
      return;
    }
    case MatchKind::kCompare: bounds = bounds_of(static_cast<const CompareNode&>(node)); break;
    case MatchKind::kIn: bounds = bounds_of(static_cast<const InNode&>(node)); break;
    case MatchKind::kRegex: bounds = bounds_of(static_cast<const RegexNode&>(node), collator); break;
    default: return;
  }
  if (bounds) out.push_back(std::move(*bounds));
}

bool all_have_bounds(const MatchNode& node) {
  switch (node.kind()) {
    case MatchKind::kAnd: return std::ranges::all_of(static_cast<const ListNode&>(node).children, [](const auto& child) { return all_have_bounds(*child); });
    case MatchKind::kCompare: return bounds_of(static_cast<const CompareNode&>(node)).has_value();
    case MatchKind::kIn: return bounds_of(static_cast<const InNode&>(node)).has_value();
    default: return false;
  }
}

}  // namespace

bool Matcher::is_told_by_bounds() const { return !parsed_ || all_have_bounds(*parsed_->root); }

std::vector<PathBounds> Matcher::bounds() const {
  std::vector<PathBounds> out;
  if (parsed_) collect(*parsed_->root, parsed_->collator.get(), out);
  return out;
}

}  // namespace drover::sandbox::query
