// Why a document does not satisfy a validator, as servers since 5.0 tell it: the `errInfo` of error 121. Walks the validator as
// it was written (not its parsed form), and asks the matcher about each of its clauses; so it costs something only when a
// document has failed.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "bson/collation.h"
#include "bson/document.h"
#include "model/server_version.h"

namespace drover::sandbox::query {

struct EvaluationContext;  // expression.h

// {failingDocumentId, details: {operatorName, ...}}; {failingDocumentId, truncated: true, details} without the values when those
// take more than kMaxFailureBytes, and {failingDocumentId, note} when even that is too much.
bson::Document explain_validation_failure(bson::View validator, bson::View document, const std::shared_ptr<const bson::Collator>& collator,
                                          const std::shared_ptr<const EvaluationContext>& context);

inline constexpr std::size_t kMaxFailureBytes = 12 << 20;

// What may still be told of one failure. Shared by the parts below.
struct FailureBudget {
  std::size_t left = kMaxFailureBytes;
  bool brief = false;  // neither the validator's parts nor the document's values
  bool exhausted() const { return left == 0; }
  void take(std::size_t bytes) { left -= bytes < left ? bytes : left; }
};
// {operatorName: "$jsonSchema", schemaRulesNotSatisfied: [...]}: schema_failure.cc. `clause` is {$jsonSchema: schema}.
bson::Document explain_schema_failure(bson::View clause, bson::View document, ServerVersion version, FailureBudget& budget);

}  // namespace drover::sandbox::query
