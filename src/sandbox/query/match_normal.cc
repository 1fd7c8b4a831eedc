// Filters as explain shows them: the normalised tree as a filter again, {a: 1, b: {$gt: 2}} as {$and: [{a: {$eq: 1}}, {b: {$gt: 2}}]}.
#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/match_order.h"

namespace drover::sandbox::query {

namespace {

using bson::Builder;

std::string_view operator_name(BitTest test) {
  switch (test) {
    case BitTest::kAllSet: return "$bitsAllSet";
    case BitTest::kAllClear: return "$bitsAllClear";
    case BitTest::kAnySet: return "$bitsAnySet";
    case BitTest::kAnyClear: return "$bitsAnyClear";
  }
  return "";
}

// False for what the tree does not keep in the form of a filter ($expr, $jsonSchema, $text, places).
bool append_node(Builder& out, const MatchNode& n);

bool append_list(Builder& out, const MatchNode& n, std::string_view name) {
  auto list = out.open_array(name);
  for (const MatchNode* child : ordered_children(n)) {
    auto item = list.open_document();
    if (!append_node(item, *child)) return false;
  }
  return true;
}

void append_regex(Builder& out, const CompiledRegex& regex) {
  out.append("$regex", regex.pattern());
  if (!regex.options().empty()) out.append("$options", regex.options());
}

void append_in(Builder& out, const InNode& in) {
  if (in.regexes.empty() && in.equalities.size() == 1) {
    out.append("$eq", in.equalities.front());
    return;
  }
  if (in.equalities.empty() && in.regexes.size() == 1) return append_regex(out, *in.regexes.front());
  auto list = out.open_array("$in");
  for (const auto& value : in.equalities) list.append(value);
  for (const auto& regex : in.regexes) list.append(bson::Regex{regex->pattern(), regex->options()});
}

void append_types(Builder& out, const TypeSet& set) {
  auto list = out.open_array("$type");
  if (set.all_numbers) list.append("number");
  for (const auto type : set.types) list.append(static_cast<std::int32_t>(static_cast<std::int8_t>(type)));
}

// What stands below a field's name.
bool append_operator(Builder& out, const MatchNode& n) {
  switch (n.kind()) {
    case MatchKind::kCompare: {
      const auto& compare = static_cast<const CompareNode&>(n);
      out.append(operator_name(compare.op), compare.rhs);
      return true;
    }
    case MatchKind::kIn: append_in(out, static_cast<const InNode&>(n)); return true;
    case MatchKind::kRegex: append_regex(out, *static_cast<const RegexNode&>(n).regex); return true;
    case MatchKind::kExists: out.append("$exists", true); return true;
    case MatchKind::kType: append_types(out, static_cast<const TypeNode&>(n).types); return true;
    case MatchKind::kMod: {
      auto list = out.open_array("$mod");
      list.append(static_cast<const ModNode&>(n).divisor);
      list.append(static_cast<const ModNode&>(n).remainder);
      return true;
    }
    case MatchKind::kSize: out.append("$size", static_cast<std::int32_t>(static_cast<const SizeNode&>(n).size)); return true;
    case MatchKind::kBits: {
      const auto& bits = static_cast<const BitsNode&>(n);
      auto list = out.open_array(operator_name(bits.test));
      for (const auto position : bits.positions) list.append(static_cast<std::int32_t>(position));
      return true;
    }
    case MatchKind::kElemMatchObject: {
      auto inner = out.open_document("$elemMatch");
      return append_node(inner, single(*static_cast<const ElemMatchNode&>(n).child));
    }
    case MatchKind::kElemMatchValue: {
      auto inner = out.open_document("$elemMatch");
      const auto& child = single(*static_cast<const ElemMatchNode&>(n).child);
      if (child.kind() != MatchKind::kAnd) return append_operator(inner, child);
      for (const MatchNode* each : ordered_children(child)) {
        if (!append_operator(inner, *each)) return false;
      }
      return true;
    }
    case MatchKind::kNot: {
      auto inner = out.open_document("$not");
      return append_operator(inner, single(*static_cast<const NotNode&>(n).child));
    }
    default: return false;
  }
}

bool append_not(Builder& out, const NotNode& n) {
  const auto& child = single(*n.child);
  if (const auto& path = path_of(child); !path.empty()) {
    auto field = out.open_document(path);
    auto inner = field.open_document("$not");
    return append_operator(inner, child);
  }
  auto list = out.open_array("$nor");
  auto item = list.open_document();
  return append_node(item, child);
}

bool append_node(Builder& out, const MatchNode& n) {
  switch (n.kind()) {
    case MatchKind::kAnd: return static_cast<const ListNode&>(n).children.empty() || append_list(out, n, "$and");
    case MatchKind::kOr: return append_list(out, n, "$or");
    case MatchKind::kNor: return append_list(out, n, "$nor");
    case MatchKind::kNot: return append_not(out, static_cast<const NotNode&>(n));
    case MatchKind::kWhere: out.append("$where", bson::Code{static_cast<const WhereNode&>(n).source}); return true;
    case MatchKind::kAlways: out.append(static_cast<const AlwaysNode&>(n).answer ? "$alwaysTrue" : "$alwaysFalse", 1); return true;
    default: {
      const auto& path = path_of(n);
      if (path.empty()) return false;
      auto field = out.open_document(path);
      return append_operator(field, n);
    }
  }
}

}  // namespace

bson::Document Matcher::normal_form() const {
  if (!parsed_) return bson::Document();
  bson::Builder out;
  if (append_node(out, single(*parsed_->root))) return std::move(out).finish();
  return parsed_->filter;
}

}  // namespace drover::sandbox::query
