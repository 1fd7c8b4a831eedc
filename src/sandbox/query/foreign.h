// What $lookup, $graphLookup and $unionWith have in common: documents of other collections.
#pragma once

#include <functional>

#include "sandbox/query/path.h"
#include "sandbox/query/stage.h"

namespace drover::sandbox::query {

Result<DocumentSourcePtr> open_foreign(const PipelineContext& context, ForeignQuery query);
// The documents of `pipeline` over another collection.
Result<DocumentSourcePtr> open_pipeline(const PipelineContext& context, const ForeignQuery& from, bson::View pipeline);

// 5.1+: a pipeline without a collection begins with $documents, which is taken from it.
bool may_give_documents(const PipelineContext& context);
Status take_documents(std::string_view stage, ForeignQuery& from, bson::Document& pipeline);

// What a document is joined by: the values at `path`, of arrays their items. Arrays on the way are entered, numbers address their
// items; what is not there is none. Facts: MongoDB's document_path_support.cpp.
std::vector<bson::Element> joining_values(bson::View document, const FieldPath& path);

}  // namespace drover::sandbox::query
