#include "sandbox/query/match_order.h"

#include <algorithm>

namespace drover::sandbox::query {

namespace {

// The server's order of siblings: kinds first, then paths.
int rank(const MatchNode& node) {
  switch (node.kind()) {
    case MatchKind::kAnd: return 0;
    case MatchKind::kOr: return 1;
    case MatchKind::kElemMatchObject: return 2;
    case MatchKind::kElemMatchValue: return 3;
    case MatchKind::kSize: return 4;
    case MatchKind::kCompare: {
      switch (static_cast<const CompareNode&>(node).op) {
        case Comparison::kEq: return 5;
        case Comparison::kLte: return 6;
        case Comparison::kLt: return 7;
        case Comparison::kGt: return 8;
        case Comparison::kGte: return 9;
      }
      return 9;
    }
    case MatchKind::kRegex: return 10;
    case MatchKind::kMod: return 11;
    case MatchKind::kExists: return 12;
    case MatchKind::kIn: return 13;
    case MatchKind::kBits: return 14;
    case MatchKind::kNot: return 15;
    case MatchKind::kNor: return 16;
    case MatchKind::kType: return 17;
    case MatchKind::kAlways: return 18;
    case MatchKind::kExpr: return 19;
    case MatchKind::kSchema: return 20;
    case MatchKind::kText: return 21;
    case MatchKind::kNear: return 23;
    case MatchKind::kGeo: return 22;
    case MatchKind::kWhere: return 24;
  }
  return 20;
}

// Lists within lists of their own kind are one.
void gather(const MatchNode& n, MatchKind kind, std::vector<const MatchNode*>& out) {
  for (const auto& child : static_cast<const ListNode&>(n).children) {
    const MatchNode& inner = single(*child);
    if (inner.kind() == kind && kind != MatchKind::kNor) {
      gather(inner, kind, out);
    } else {
      out.push_back(&inner);
    }
  }
}

}  // namespace

std::string_view operator_name(Comparison op) {
  switch (op) {
    case Comparison::kEq: return "$eq";
    case Comparison::kLt: return "$lt";
    case Comparison::kLte: return "$lte";
    case Comparison::kGt: return "$gt";
    case Comparison::kGte: return "$gte";
  }
  return "";
}

const std::string& path_of(const MatchNode& node) {
  static const std::string kNone;
  const auto* with_path = dynamic_cast<const PathNode*>(&node);
  return with_path ? with_path->path.text() : kNone;
}

const MatchNode& single(const MatchNode& node) {
  if (node.kind() != MatchKind::kAnd && node.kind() != MatchKind::kOr) return node;
  const auto& children = static_cast<const ListNode&>(node).children;
  return children.size() == 1 ? single(*children.front()) : node;
}

std::vector<const MatchNode*> ordered_children(const MatchNode& list) {
  std::vector<const MatchNode*> children;
  gather(list, list.kind(), children);
  std::ranges::stable_sort(children, [](const MatchNode* a, const MatchNode* b) {
    return rank(*a) != rank(*b) ? rank(*a) < rank(*b) : path_of(*a) < path_of(*b);
  });
  return children;
}

}  // namespace drover::sandbox::query
