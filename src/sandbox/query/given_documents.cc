#include "sandbox/query/given_documents.h"

#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

Result<std::vector<bson::Document>> given_documents(const bson::Element& expression, const EvaluationContext& evaluation) {
  const auto parsed = TRY(parse_expression(expression, Scope(evaluation)));
  const bson::Document nothing;
  Variables variables(nothing, evaluation);
  const auto value = TRY(parsed->evaluate(variables));
  const auto array = value.element().to_array();
  if (!array) return bad(5858203, "an array is expected for $documents");
  std::vector<bson::Document> documents;
  for (const auto& item : *array) {
    const auto document = item.to_document();
    if (!document) return bad(40228, "$documents takes an array of objects");
    documents.emplace_back(*document);
  }
  return documents;
}

}  // namespace drover::sandbox::query
