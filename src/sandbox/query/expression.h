// Aggregation expressions: parsed once, evaluated per document. Immutable after parse. Errors as the server's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "model/server_version.h"
#include "sandbox/query/datum.h"

namespace drover::sandbox::query {

class Scripts;  // script.h

// What expressions see of the outside; fixed for one command.
struct EvaluationContext {
  ServerVersion version{4, 4, 0};
  bson::DateTime now;            // $$NOW
  bson::Timestamp cluster_time;  // $$CLUSTER_TIME
  std::shared_ptr<const bson::Collator> collator;
  bson::Document let;              // user variables of the command's `let`, `c`, or a $lookup's, already values
  std::shared_ptr<Scripts> scripts;  // $where, $function, $accumulator; null: they are refused
  bool in_validator = false;       // where $function has no place
  // Of all copies, when all is parsed: functions of expressions are refused beside it.
  std::shared_ptr<bool> has_where = std::make_shared<bool>(false);
  std::function<double()> random;  // $rand, $sample, $sampleRate: [0, 1)
  // Of the first expression of literals alone that has no value, noted while parsing. A server evaluates such once, before it looks
  // at any document, and fails; so does whoever asks this when all is parsed.
  mutable std::optional<Error> literal_failure;
  // The score of $text. kReadable: of the documents as the collection has them, up to and in the first stage that changes them. kCarried: noted in
  // `carried_score` as that stage pulls each document, for those behind it that give documents as they pull them. kLost: documents were made of several.
  // kPassed: a stage is, or was, there that does not say which document it gives.
  enum class TextScore { kNone, kReadable, kCarried, kLost, kPassed };
  mutable TextScore text_score_state = TextScore::kNone;  // while parsing
  mutable std::function<Result<double>(bson::View)> text_score;
  mutable std::optional<double> carried_score;  // while running; nothing: the document came without one, from $unionWith
  // Where the document comes from that passes through the stages: {$meta: "recordId"}, "indexKey", "sortKey". Whoever reads documents, or puts them
  // into an order, notes what was asked for. kNone: $meta is refused. kKnown: every stage so far gives a document as it pulls it. kLost: documents
  // were made of several.
  struct Origin {
    std::optional<std::int64_t> record_id;
    bson::Document index_key;  // {"": key}; empty: no index was used
    bson::Document sort_key;   // {"": [values]}; empty: they are in no order
    std::size_t bytes() const { return sizeof(Origin) + index_key.size() + sort_key.size(); }
  };
  enum class OriginState { kNone, kKnown, kLost };
  struct OriginAsked {
    bool record_id = false, index_key = false, sort_key = false;
    bool any() const { return record_id || index_key || sort_key; }
  };
  mutable OriginState origin_state = OriginState::kNone;  // while parsing
  mutable OriginAsked origin_asked;                       // when all is parsed
  mutable Origin origin;                                  // while running
  Status literals() const { return literal_failure ? Status(tl::unexpected(*literal_failure)) : Status(); }
};

// $$ROOT and the variables bound by $let, $map, ... while one document is evaluated.
class Variables {
 public:
  Variables(bson::View root, const EvaluationContext& context) : root_(root), context_(&context) {}
  bson::View root() const { return root_; }
  const EvaluationContext& context() const { return *context_; }
  Datum slot(std::size_t index) const { return index < slots_.size() ? slots_[index] : Datum(); }
  void set_slot(std::size_t index, Datum value) {
    if (slots_.size() <= index) slots_.resize(index + 1);
    slots_[index] = std::move(value);
  }

 private:
  bson::View root_;
  const EvaluationContext* context_;
  std::vector<Datum> slots_;
};

// Names in scope while parsing. Values are slots of Variables.
class Scope {
 public:
  explicit Scope(const EvaluationContext& context) : context_(&context) {}
  const EvaluationContext& context() const { return *context_; }
  // A scope with `name` bound to a new slot.
  Scope with(std::string_view name, std::size_t* slot) const;
  const std::size_t* find(std::string_view name) const;

 private:
  const EvaluationContext* context_;
  std::map<std::string, std::size_t, std::less<>> slots_;
  std::size_t next_ = 0;
};

class Expression {
 public:
  virtual ~Expression() = default;
  virtual Result<Datum> evaluate(Variables& variables) const = 0;
  // The value when it does not depend on the document.
  virtual const Datum* constant() const { return nullptr; }
  // It was written as a value, or is made of such alone; a constant that is none stands for a variable.
  virtual bool is_literal() const { return false; }
  // "a.b" for the field path "$a.b"; empty for everything else.
  virtual std::string_view field_path() const { return {}; }
};
using ExpressionPtr = std::unique_ptr<const Expression>;

// Any operand: "$path", "$$variable", {$operator: ...}, an object or array of operands, or a constant. What is parsed may
// outlive `operand`.
Result<ExpressionPtr> parse_expression(const bson::Element& operand, const Scope& scope);
// {$operator: ...}, or an object expression.
Result<ExpressionPtr> parse_object_expression(bson::View object, const Scope& scope);
bool is_known_expression(std::string_view operator_name, ServerVersion version);

// The command's `let` evaluated to constants.
Result<bson::Document> evaluate_let(bson::View let, const EvaluationContext& context);

}  // namespace drover::sandbox::query
