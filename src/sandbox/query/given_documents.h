// $documents: a pipeline's documents as an expression gives them.
#pragma once

#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/query/expression.h"

namespace drover::sandbox::query {

// 5858203 when it gives no array, 40228 for an item that is no document.
Result<std::vector<bson::Document>> given_documents(const bson::Element& expression, const EvaluationContext& evaluation);

}  // namespace drover::sandbox::query
