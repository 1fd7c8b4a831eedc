// The commands of single-document writes, with what each does to its document.
#pragma once

#include "workload/writer_link.h"

namespace drover::workload {

Statement insert_statement(const Namespace& ns, const bson::Document& document);
// `update` is a document of operators, a replacement, or a pipeline (as an array's bytes).
enum class UpdateForm { kDocument, kPipeline };
Statement update_statement(const Namespace& ns, const bson::Document& before, const bson::Document& after, bson::View update,
                           UpdateForm form = UpdateForm::kDocument);
Statement delete_statement(const Namespace& ns, const bson::Document& before);

}  // namespace drover::workload
