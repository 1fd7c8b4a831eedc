// Filters as the server's planner prints them in its errors: one node a line, in the order of its normalised tree.
#include <algorithm>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/match_node.h"

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
  }
  return 20;
}

const std::string& path_of(const MatchNode& node) {
  static const std::string kNone;
  const auto* with_path = dynamic_cast<const PathNode*>(&node);
  return with_path ? with_path->path.text() : kNone;
}

std::string_view name_of(Comparison op) {
  switch (op) {
    case Comparison::kEq: return "$eq";
    case Comparison::kLt: return "$lt";
    case Comparison::kLte: return "$lte";
    case Comparison::kGt: return "$gt";
    case Comparison::kGte: return "$gte";
  }
  return "";
}

class Printer {
 public:
  std::string text;

  void node(const MatchNode& n, int level) {
    for (int i = 0; i < level; ++i) text += "    ";
    switch (n.kind()) {
      case MatchKind::kAnd: return list(n, "$and", level);
      case MatchKind::kOr: return list(n, "$or", level);
      case MatchKind::kNor: return list(n, "$nor", level);
      case MatchKind::kNot:
        text += "$not\n";
        return node(single(*static_cast<const NotNode&>(n).child), level + 1);
      case MatchKind::kElemMatchObject:
      case MatchKind::kElemMatchValue: {
        text += path_of(n) + (n.kind() == MatchKind::kElemMatchObject ? " $elemMatch (obj)\n" : " $elemMatch (value)\n");
        return node(single(*static_cast<const ElemMatchNode&>(n).child), level + 1);
      }
      default: text += leaf(n) + "\n";
    }
  }

 private:
  // One child stands for the list that holds it alone.
  static const MatchNode& single(const MatchNode& n) {
    if (n.kind() != MatchKind::kAnd && n.kind() != MatchKind::kOr) return n;
    const auto& children = static_cast<const ListNode&>(n).children;
    return children.size() == 1 ? single(*children.front()) : n;
  }

  void list(const MatchNode& n, std::string_view name, int level) {
    text += fmt::format("{}\n", name);
    std::vector<const MatchNode*> children;
    gather(n, n.kind(), children);
    std::ranges::stable_sort(children, [](const MatchNode* a, const MatchNode* b) {
      return rank(*a) != rank(*b) ? rank(*a) < rank(*b) : path_of(*a) < path_of(*b);
    });
    for (const MatchNode* child : children) node(*child, level + 1);
  }

  // Lists within lists of their own kind are one.
  static void gather(const MatchNode& n, MatchKind kind, std::vector<const MatchNode*>& out) {
    for (const auto& child : static_cast<const ListNode&>(n).children) {
      const MatchNode& inner = single(*child);
      if (inner.kind() == kind && kind != MatchKind::kNor) {
        gather(inner, kind, out);
      } else {
        out.push_back(&inner);
      }
    }
  }

  static std::string leaf(const MatchNode& n) {
    const std::string& path = path_of(n);
    switch (n.kind()) {
      case MatchKind::kCompare: {
        const auto& compare = static_cast<const CompareNode&>(n);
        return fmt::format("{} {} {}", path, name_of(compare.op), bson::to_shell(compare.rhs));
      }
      case MatchKind::kIn: {
        const auto& in = static_cast<const InNode&>(n);
        std::string values;
        for (const auto& value : in.equalities) values += bson::to_shell(value) + " ";
        for (const auto& regex : in.regexes) values += fmt::format("/{}/{} ", regex->pattern(), regex->options());
        return fmt::format("{} $in [ {}]", path, values);
      }
      case MatchKind::kRegex: {
        const auto& regex = *static_cast<const RegexNode&>(n).regex;
        return fmt::format("{} regex /{}/{}", path, regex.pattern(), regex.options());
      }
      case MatchKind::kExists: return path + " exists";
      case MatchKind::kMod: {
        const auto& mod = static_cast<const ModNode&>(n);
        return fmt::format("{} mod {} % x == {}", path, mod.divisor, mod.remainder);
      }
      case MatchKind::kSize: return fmt::format("{} $size : {}", path, static_cast<const SizeNode&>(n).size);
      case MatchKind::kAlways: return static_cast<const AlwaysNode&>(n).answer ? "$alwaysTrue: 1" : "$alwaysFalse: 1";
      case MatchKind::kType: return path + " $type";
      case MatchKind::kExpr: return "$expr";
      case MatchKind::kSchema: return "$jsonSchema";
      case MatchKind::kText: return static_cast<const TextNode&>(n).shown;
      case MatchKind::kNear: return static_cast<const NearNode&>(n).point.shown(path);
      default: return path;
    }
  }
};

}  // namespace

std::string Matcher::debug_string() const {
  if (!parsed_) return "$and\n";
  Printer printer;
  printer.node(*parsed_->root, 0);
  return std::move(printer.text);
}

}  // namespace drover::sandbox::query
