#include "sandbox/query/match_node.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bson/compare.h"
#include "bson/decimal.h"
#include "sandbox/query/match_order.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

// Whether `value` is what null stands for, besides itself.
bool is_like_null(const Element& value, bool undefined_is_null) { return !value.exists() || (undefined_is_null && value.type() == Type::kUndefined); }

// Whether an item that a branch of $or matches counts for the positional operator: of several branches only where they stand for one $in.
bool tells_item(const ListNode& list) {
  if (list.kind() != MatchKind::kOr) return list.kind() == MatchKind::kAnd;
  if (list.children.size() == 1) return true;
  return std::ranges::all_of(list.children, [&](const auto& child) {
    const auto& branch = single(*child);
    if (branch.kind() != MatchKind::kCompare) return false;
    return static_cast<const CompareNode&>(branch).op == Comparison::kEq && path_of(branch) == path_of(single(*list.children.front()));
  });
}

}  // namespace

bool PathNode::matches(View document, MatchState state) const {
  return visit_path(document, path.parts(), leaf, [&](const Element& value, const Element& item) {
    if (!matches_single(value, state)) return false;
    if (state.details && item.exists()) state.details->array_index = std::string(item.key());
    return true;
  });
}

bool ListNode::matches(View document, MatchState state) const {
  if (kind() == MatchKind::kAnd) {
    return std::ranges::all_of(children, [&](const auto& child) { return child->matches(document, state); });
  }
  if (state.details && !tells_item(*this)) state.details = nullptr;
  const bool any = std::ranges::any_of(children, [&](const auto& child) { return child->matches(document, state); });
  return any == (kind() == MatchKind::kOr);
}

bool ListNode::matches_single(const Element& value, MatchState state) const {
  if (kind() == MatchKind::kAnd) {
    return std::ranges::all_of(children, [&](const auto& child) { return child->matches_single(value, state); });
  }
  const bool any =
      std::ranges::any_of(children, [&](const auto& child) { return child->matches_single(value, state); });
  return any == (kind() == MatchKind::kOr);
}

bool NotNode::matches(View document, MatchState state) const {
  state.details = nullptr;
  return !child->matches(document, state);
}

bool NotNode::matches_single(const Element& value, MatchState state) const {
  state.details = nullptr;
  return !child->matches_single(value, state);
}

bool is_nan(const Element& value) {
  if (value.type() == Type::kDouble) return std::isnan(value.double_value());
  return value.type() == Type::kDecimal128 && bson::decimal_is_nan(value.decimal_value());
}

bool equal_values(const Element& a, const Element& b, const bson::Collator* collator) {
  if (a.type() == b.type() && a.type() == Type::kInt32) return a.int32_value() == b.int32_value();
  if (bson::canonical_type(a.type()) != bson::canonical_type(b.type())) return false;
  return bson::compare_values(a, b, collator) == 0;
}

bool CompareNode::matches_single(const Element& value, MatchState) const {
  if (op == Comparison::kEq && value.exists() && value.type() == rhs.type() && value.type() == Type::kInt32) {
    return value.int32_value() == rhs.int32_value();
  }
  const bool either_null = rhs.type() == Type::kNull && is_like_null(value, undefined_is_null);
  if (either_null) return op == Comparison::kEq || op == Comparison::kLte || op == Comparison::kGte;
  int order = 0;
  const bool extreme = rhs.type() == Type::kMinKey || rhs.type() == Type::kMaxKey;
  if (extreme) {
    order = value.type() == rhs.type() ? 0 : rhs.type() == Type::kMinKey ? 1 : -1;
  } else {
    if (!value.exists() || bson::canonical_type(value.type()) != bson::canonical_type(rhs.type())) return false;
    if (is_nan(value) || is_nan(rhs))
      return is_nan(value) && is_nan(rhs) && op != Comparison::kLt && op != Comparison::kGt;
    order = bson::compare_values(value, rhs, collator);
  }
  switch (op) {
    case Comparison::kEq: return order == 0;
    case Comparison::kLt: return order < 0;
    case Comparison::kLte: return order <= 0;
    case Comparison::kGt: return order > 0;
    case Comparison::kGte: return order >= 0;
  }
  return false;
}

bool InNode::matches_single(const Element& value, MatchState) const {
  if (has_null && is_like_null(value, undefined_is_null)) return true;
  if (!value.exists()) return false;
  const auto at =
      std::lower_bound(equalities.begin(), equalities.end(), value,
                       [&](const Element& a, const Element& b) { return bson::compare_values(a, b, collator) < 0; });
  if (at != equalities.end() && equal_values(*at, value, collator)) return true;
  if (regexes.empty()) return false;
  if (value.type() == Type::kString || value.type() == Type::kSymbol) {
    return std::ranges::any_of(regexes, [&](const auto& regex) { return regex->found_in(value.string_value()); });
  }
  if (value.type() != Type::kRegex) return false;
  const auto held = value.regex_value();
  return std::ranges::any_of(
      regexes, [&](const auto& regex) { return regex->pattern() == held.pattern && regex->options() == held.options; });
}

bool RegexNode::matches_single(const Element& value, MatchState) const {
  if (value.type() == Type::kString || value.type() == Type::kSymbol) return regex->found_in(value.string_value());
  if (value.type() != Type::kRegex) return false;
  const auto held = value.regex_value();
  return held.pattern == regex->pattern() && held.options == regex->options();
}

std::optional<std::int64_t> truncated(const Element& number) {
  if (number.type() != Type::kDouble) return is_nan(number) ? std::nullopt : number.to_int64();
  const double value = number.double_value();
  if (!(value >= -9223372036854775808.0 && value < 9223372036854775808.0)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

namespace {

// As the server's numberLong has it: doubles are cut off, decimals rounded, and what does not fit is the smallest one.
std::int64_t number_long(const Element& number) {
  constexpr auto kNone = std::numeric_limits<std::int64_t>::min();
  if (number.type() != Type::kDecimal128) return truncated(number).value_or(kNone);
  const auto rounded = bson::decimal_round(number.decimal_value(), 0, bson::DecimalRounding::kHalfEven);
  return bson::decimal_is_nan(rounded) ? kNone : bson::decimal_to_int64(rounded).value_or(kNone);
}

}  // namespace

bool ModNode::matches_single(const Element& value, MatchState) const {
  if (!value.is_number()) return false;
  if (skips_unusable && !truncated(value)) return false;
  const std::int64_t dividend = skips_unusable ? *truncated(value) : number_long(value);
  const std::int64_t rest = divisor == -1 ? 0 : dividend % divisor;  // INT64_MIN % -1 overflows
  return rest == remainder;
}

bool SizeNode::matches_single(const Element& value, MatchState) const {
  return value.is_array() && static_cast<std::int64_t>(value.document_value().field_count()) == size;
}

bool ElemMatchNode::matches_single(const Element& value, MatchState state) const {
  if (!value.is_array()) return false;
  MatchState inner = state;
  inner.details = nullptr;
  for (const Element& item : value.document_value()) {
    bool hit = false;
    if (kind() == MatchKind::kElemMatchValue) {
      hit = child->matches_single(item, inner);
    } else if (item.is_document() || item.is_array()) {
      hit = child->matches(item.document_value(), inner);
    }
    if (!hit) continue;
    if (state.details) state.details->array_index = std::string(item.key());
    return true;
  }
  return false;
}

bool BitsNode::matches_single(const Element& value, MatchState) const {
  const bool want_set = test == BitTest::kAllSet || test == BitTest::kAnySet;
  const bool want_all = test == BitTest::kAllSet || test == BitTest::kAllClear;
  const auto judge = [&](auto&& is_set) {
    const auto fits = [&](std::uint32_t position) { return is_set(position) == want_set; };
    return want_all ? std::ranges::all_of(positions, fits) : std::ranges::any_of(positions, fits);
  };
  if (value.type() == Type::kBinary) {
    const auto data = value.binary_value().data;
    return judge([&](std::uint32_t p) { return p / 8 < data.size() && (data[p / 8] >> (p % 8) & 1) != 0; });
  }
  if (!value.is_number()) return false;
  if (value.type() == Type::kDouble) {
    const double number = value.double_value();
    if (!(number == std::trunc(number) && number >= -9223372036854775808.0 && number < 9223372036854775808.0)) return false;
  }
  const auto number = number_long(value);
  return judge([&](std::uint32_t p) { return (number >> std::min<std::uint32_t>(p, 63) & 1) != 0; });
}

bool TextNode::matches(bson::View document, MatchState state) const {
  if (!*answer) return false;
  auto found = (*answer)->query.matches(document, (*answer)->index);
  if (found) return *found;
  if (state.failure && !state.failure->error) state.failure->error = std::move(found).error();
  return false;
}

}  // namespace drover::sandbox::query
