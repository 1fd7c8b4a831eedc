// Filters as the server's planner prints them in its errors: one node a line, in the order of its normalised tree.
#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/match_order.h"

namespace drover::sandbox::query {

namespace {

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
  void list(const MatchNode& n, std::string_view name, int level) {
    text += fmt::format("{}\n", name);
    for (const MatchNode* child : ordered_children(n)) node(*child, level + 1);
  }

  static std::string leaf(const MatchNode& n) {
    const std::string& path = path_of(n);
    switch (n.kind()) {
      case MatchKind::kCompare: {
        const auto& compare = static_cast<const CompareNode&>(n);
        return fmt::format("{} {} {}", path, operator_name(compare.op), bson::to_shell(compare.rhs));
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
      case MatchKind::kWhere: return "$where";
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
