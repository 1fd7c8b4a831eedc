// The parsed form of filters: a tree of predicates. Private to the matcher; the planner's view of it is PathBounds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "sandbox/query/geometry.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/path.h"
#include "sandbox/query/regex.h"
#include "sandbox/query/text_search.h"
#include "sandbox/query/type_set.h"

namespace drover::sandbox::query {

enum class MatchKind {
  kAnd,
  kOr,
  kNor,
  kNot,
  kAlways,
  kCompare,
  kIn,
  kRegex,
  kExists,
  kType,
  kMod,
  kSize,
  kBits,
  kElemMatchObject,
  kElemMatchValue,
  kExpr,
  kSchema,
  kText,
  kNear,
  kGeo,
  kWhere,
};

// The first error of a $expr met while matching.
struct MatchFailure {
  std::optional<Error> error;
};

struct MatchState {
  MatchDetails* details = nullptr;
  MatchFailure* failure = nullptr;
};

class MatchNode {
 public:
  explicit MatchNode(MatchKind kind) : kind_(kind) {}
  virtual ~MatchNode() = default;
  MatchKind kind() const { return kind_; }
  virtual bool matches(bson::View document, MatchState state) const = 0;
  // The predicate on one value, its path ignored: what $elemMatch asks of items.
  virtual bool matches_single(const bson::Element& value, MatchState state) const = 0;

 private:
  MatchKind kind_;
};
using MatchNodePtr = std::unique_ptr<MatchNode>;

struct ListNode final : MatchNode {  // $and, $or, $nor
  explicit ListNode(MatchKind kind) : MatchNode(kind) {}
  bool matches(bson::View document, MatchState state) const override;
  bool matches_single(const bson::Element& value, MatchState state) const override;
  std::vector<MatchNodePtr> children;
};

struct NotNode final : MatchNode {
  explicit NotNode(MatchNodePtr inner) : MatchNode(MatchKind::kNot), child(std::move(inner)) {}
  bool matches(bson::View document, MatchState state) const override;
  bool matches_single(const bson::Element& value, MatchState state) const override;
  MatchNodePtr child;
};

struct AlwaysNode final : MatchNode {
  explicit AlwaysNode(bool result) : MatchNode(MatchKind::kAlways), answer(result) {}
  bool matches(bson::View, MatchState) const override { return answer; }
  bool matches_single(const bson::Element&, MatchState) const override { return answer; }
  bool answer;
};

// A predicate on the values that a path leads to: true when any of them satisfies it.
struct PathNode : MatchNode {
  PathNode(MatchKind kind, std::string_view path_text, LeafArrays leaf_arrays)
      : MatchNode(kind), path(path_text), leaf(leaf_arrays) {}
  bool matches(bson::View document, MatchState state) const override;
  FieldPath path;
  LeafArrays leaf;
};

// $text, which only an index can answer: matches nothing before it has one's definition.
struct TextAnswer {
  TextIndex index;
  TextQuery query;
};
struct TextNode final : MatchNode {
  TextNode(bson::View spec, std::string text) : MatchNode(MatchKind::kText), asked(spec), shown(std::move(text)) {}
  bool matches(bson::View document, MatchState state) const override;
  bool matches_single(const bson::Element&, MatchState) const override { return false; }
  bson::View asked;
  std::string shown;  // as the planner prints it
  // Filled once, before the first document: Matcher::answer_text_by.
  std::shared_ptr<std::optional<TextAnswer>> answer = std::make_shared<std::optional<TextAnswer>>();
};

// $near and $nearSphere: what is near enough. The order is the reader's to make, by distance().
struct NearNode final : PathNode {
  NearNode(std::string_view p, NearPoint near_point) : PathNode(MatchKind::kNear, p, LeafArrays::kTraverse), point(std::move(near_point)) {}
  bool matches_single(const bson::Element& value, MatchState state) const override;
  NearPoint point;
};

// $where: a client's function.
struct WhereNode final : MatchNode {
  WhereNode(std::string_view text, std::shared_ptr<const EvaluationContext> c) : MatchNode(MatchKind::kWhere), source(text), context(std::move(c)) {}
  bool matches(bson::View document, MatchState state) const override;
  bool matches_single(const bson::Element&, MatchState) const override { return false; }
  std::string source;
  std::shared_ptr<const EvaluationContext> context;
};

enum class Comparison { kEq, kLt, kLte, kGt, kGte };

struct CompareNode final : PathNode {
  CompareNode(std::string_view p, Comparison c, const bson::Element& value, const bson::Collator* order)
      : PathNode(MatchKind::kCompare, p, LeafArrays::kTraverse), op(c), rhs(value), collator(order) {}
  bool matches_single(const bson::Element& value, MatchState state) const override;
  Comparison op;
  bson::Element rhs;
  const bson::Collator* collator;
  bool undefined_is_null = true;  // since 8.0 it is not
};

struct InNode final : PathNode {
  explicit InNode(std::string_view p) : PathNode(MatchKind::kIn, p, LeafArrays::kTraverse) {}
  bool matches_single(const bson::Element& value, MatchState state) const override;
  std::vector<bson::Element> equalities;  // sorted, without duplicates
  std::vector<std::shared_ptr<const CompiledRegex>> regexes;
  bool has_null = false;
  bool undefined_is_null = true;  // since 8.0 it is not
  const bson::Collator* collator = nullptr;
};

struct RegexNode final : PathNode {
  RegexNode(std::string_view p, std::shared_ptr<const CompiledRegex> r)
      : PathNode(MatchKind::kRegex, p, LeafArrays::kTraverse), regex(std::move(r)) {}
  bool matches_single(const bson::Element& value, MatchState state) const override;
  std::shared_ptr<const CompiledRegex> regex;
};

struct ExistsNode final : PathNode {
  explicit ExistsNode(std::string_view p) : PathNode(MatchKind::kExists, p, LeafArrays::kTraverse) {}
  bool matches_single(const bson::Element& value, MatchState) const override { return value.exists(); }
};

struct TypeNode final : PathNode {
  TypeNode(std::string_view p, TypeSet set)
      : PathNode(MatchKind::kType, p, LeafArrays::kTraverse), types(std::move(set)) {}
  bool matches_single(const bson::Element& value, MatchState) const override { return types.contains(value.type()); }
  TypeSet types;
};

struct ModNode final : PathNode {
  explicit ModNode(std::string_view p) : PathNode(MatchKind::kMod, p, LeafArrays::kTraverse) {}
  bool matches_single(const bson::Element& value, MatchState state) const override;
  std::int64_t divisor = 1;
  std::int64_t remainder = 0;
  bool skips_unusable = false;  // 5.0+: what no 64-bit number represents never matches
};

struct SizeNode final : PathNode {
  SizeNode(std::string_view p, std::int64_t n) : PathNode(MatchKind::kSize, p, LeafArrays::kKeep), size(n) {}
  bool matches_single(const bson::Element& value, MatchState state) const override;
  std::int64_t size;
};

enum class BitTest { kAllSet, kAllClear, kAnySet, kAnyClear };

struct BitsNode final : PathNode {
  BitsNode(std::string_view p, BitTest t) : PathNode(MatchKind::kBits, p, LeafArrays::kTraverse), test(t) {}
  bool matches_single(const bson::Element& value, MatchState state) const override;
  BitTest test;
  std::vector<std::uint32_t> positions;
};

struct ElemMatchNode final : PathNode {
  ElemMatchNode(MatchKind kind, std::string_view p, MatchNodePtr inner)
      : PathNode(kind, p, LeafArrays::kKeep), child(std::move(inner)) {}
  bool matches_single(const bson::Element& value, MatchState state) const override;
  MatchNodePtr child;
};

// The whole parse, kept alive by every copy of a Matcher. Elements in the tree point into `filter`.
struct Matcher::Parsed {
  bson::Document filter;
  std::shared_ptr<const bson::Collator> collator;
  std::shared_ptr<const EvaluationContext> context;
  MatchNodePtr root;
  const NearNode* near = nullptr;  // in `root`
  const TextNode* text = nullptr;  // in `root`
};

struct MatchParser {
  const bson::Collator* collator;
  ServerVersion version;
  std::shared_ptr<const EvaluationContext> context;
  MatchFeatures allowed;
  bool below_top = false;  // within $elemMatch

  Result<MatchNodePtr> parse_document(bson::View filter) const;
  // {$gt: 1, $lt: 5} over `path`.
  Status parse_operators(std::string_view path, bson::View operators, std::vector<MatchNodePtr>& out) const;
};

Result<MatchNodePtr> make_expr_node(const bson::Element& expression, const MatchParser& parser);  // match_expr.cc
Result<MatchNodePtr> make_where_node(const bson::Element& function, const MatchParser& parser);  // match_where.cc
Result<MatchNodePtr> make_geo_node(std::string_view path, const bson::Element& e);                 // match_geo.cc
Result<MatchNodePtr> make_schema_node(const bson::Element& schema, const MatchParser& parser);    // json_schema.cc

// Whether `value` satisfies a schema that has been parsed before; what does not parse is not satisfied.
bool schema_accepts(bson::View schema, const bson::Element& value, ServerVersion version);
// An item that an array holds twice as schemas compare, or nothing.
bson::Element schema_duplicate(bson::View array);

bool is_operator_document(const bson::Element& value);
// Operators that stand below a field name, besides $not. Before 5.0 the server left $eq out of its list.
bool takes_path(std::string_view name, ServerVersion version);
bool is_nan(const bson::Element& value);
// Rounded towards zero. Nothing for NaN, infinities and what does not fit.
std::optional<std::int64_t> truncated(const bson::Element& number);
// A number that is a whole one of 64 bits, as numeric arguments have to be; refused in the server's words.
Result<std::int64_t> whole_number(const bson::Element& e);
// Equality as $eq and $in see it.
bool equal_values(const bson::Element& a, const bson::Element& b, const bson::Collator* collator);

}  // namespace drover::sandbox::query
