// Filters, parsed once and matched many times. Immutable after parse and safe to share between threads. Matching simple
// predicates allocates nothing.
//
// Refused with the server's errors: unknown operators, and $where where the context has no scripts. A filter with $where is matched by an
// operation's own thread (script.h), and takes as long as the function takes. $text matches nothing before answer_text_by(): whoever reads by the filter
// looks at has_text().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "model/server_version.h"

namespace drover::sandbox::query {

class MatchNode;
struct EvaluationContext;  // expression.h

// What a match leaves behind for the positional operator: the index of the array element that matched.
struct MatchDetails {
  std::optional<std::string> array_index;
};

// A closed, half-open or open interval of one BSON type bracket; both ends always exist. For type-bracketed predicates
// the open side is the smallest or largest value of the type ({$gt: 5} ends at Infinity inclusive, {$lt: "x"} begins at "").
struct Interval {
  bson::Value low;
  bson::Value high;
  bool low_inclusive = true;
  bool high_inclusive = true;
};

// One predicate of the filter's top-level conjunction, as what an index over `path` may be asked. A superset: the filter
// itself has still to be matched. Null covers missing fields, which an index holds as null. Strings compare under the
// filter's collation: only an index with the same one may be used when any end is a string (or document).
// On a multikey index use the intervals of one PathBounds only; on others those of one path may be intersected.
struct PathBounds {
  std::string path;
  std::vector<Interval> intervals;  // a union, in ascending order, disjoint for points
  bool points = false;              // every interval is one value ($eq, $in)
};

// Operators that not every place takes: a filter of update's arrays has none, $match has no $where.
struct MatchFeatures {
  bool expr = true;
  bool schema = true;
  bool text = true;
  bool where = true;
  bool near = true;
  static MatchFeatures none() { return {false, false, false, false, false}; }
};

class Matcher {
 public:
  // `filter` is copied. `version` decides what operators exist. `context` supplies $expr with $$NOW, variables of `let`
  // and so on; without one $expr sees the time of parsing.
  static Result<Matcher> parse(bson::View filter, std::shared_ptr<const bson::Collator> collator = nullptr,
                               ServerVersion version = {4, 4, 0},
                               std::shared_ptr<const EvaluationContext> context = nullptr,
                               MatchFeatures allowed = {});
  Matcher();  // matches everything
  Matcher(Matcher&&) noexcept;
  Matcher& operator=(Matcher&&) noexcept;
  Matcher(const Matcher&);  // shares the parsed form
  Matcher& operator=(const Matcher&);
  ~Matcher();

  // A $expr that fails while evaluating makes matches() false; try_matches() gives the error.
  bool matches(bson::View document) const { return matches(document, nullptr); }
  bool matches(bson::View document, MatchDetails* details) const;
  Result<bool> try_matches(bson::View document, MatchDetails* details = nullptr) const;
  // For array elements that are not documents ($pull, array filters): matches {"": value} as `filter` over path "".
  bool matches_value(const bson::Element& value) const;

  bson::View filter() const;
  bool matches_everything() const;
  // No document can match: $alwaysFalse, {$in: []}, or an AND of which one is such, or a $or of nothing else.
  bool matches_nothing() const;
  // Of the $near in the filter, which is there but once: whose path it is about, how far a document is (nothing: not near), and
  // whether an index of a kind ("2d", "2dsphere") gives its order. Documents come nearest first unless a sort is asked for.
  bool has_near() const { return near_path().has_value(); }
  std::optional<std::string> near_path() const;
  bool near_is_answered_by(std::string_view index_kind) const;
  Result<std::optional<double>> distance(bson::View document) const;
  // $text is in the filter.
  bool has_text() const;
  // The text index that answers it, once, before the first document. 2 and 238 for languages that are not known.
  Status answer_text_by(bson::View index_spec) const;
  // {$meta: "textScore"}. Holds nothing of the filter but $text.
  std::function<Result<double>(bson::View)> text_scorer() const;
  const bson::Collator* collator() const;
  // As the server's planner prints it in errors; ends with a line feed.
  std::string debug_string() const;
  // As explain shows it; as it was given when it holds what has no other form ($expr, $jsonSchema, $text, places).
  bson::Document normal_form() const;

  // Whether the values at such paths decide it, as an index keeps them (null for nothing): it compares them with plain values, and asks nothing else.
  bool is_decided_by(const std::function<bool(std::string_view path)>& kept) const;
  // What the top-level AND implies, in the filter's order.
  std::vector<PathBounds> bounds() const;
  // bounds() has all of the filter: it is an AND of predicates that each have their own.
  bool is_told_by_bounds() const;
  // The value of `_id` when the filter is exactly {_id: value} with a value that an _id can have.
  std::optional<bson::Element> is_id_equality() const;
  // The value of `_id` when the top-level AND holds an equality on it, whatever else there is.
  std::optional<bson::Element> id_equality() const;
  // Equalities that an upsert takes over: (path, value) of {a: 1}, {a: {$eq: 1}}, {a: {$all: [1]}}, {a: {$in: [1]}},
  // through $and and one-branched $or.
  std::vector<std::pair<std::string, bson::Element>> equalities() const;

 private:
  struct Parsed;
  std::shared_ptr<const Parsed> parsed_;
};

// Makes {$meta: "textScore"} what the filter's $text says, if there is one.
void read_text_score(const Matcher& filter, const EvaluationContext& context);

}  // namespace drover::sandbox::query
