#include "workload/statements.h"

#include "bson/builder.h"

namespace drover::workload {

Statement insert_statement(const Namespace& ns, const bson::Document& document) {
  bson::Builder command;
  command.append("insert", ns.collection);
  {
    auto documents = command.open_array("documents");
    documents.append(document);
  }
  return {.db = ns.db,
          .command = std::move(command).finish(),
          .changes = {{ns, bson::Value(document["_id"]), std::nullopt, document}}};
}

Statement update_statement(const Namespace& ns, const bson::Document& before, const bson::Document& after, bson::View update,
                           UpdateForm form) {
  bson::Builder command;
  command.append("update", ns.collection);
  {
    auto updates = command.open_array("updates");
    auto one = updates.open_document();
    {
      auto query = one.open_document("q");
      query.append("_id", before["_id"]);
    }
    if (form == UpdateForm::kPipeline) one.append("u", bson::ArrayView{update});
    else one.append("u", update);
    one.append("multi", false);
  }
  return {.db = ns.db, .command = std::move(command).finish(), .changes = {{ns, bson::Value(before["_id"]), before, after}}};
}

Statement delete_statement(const Namespace& ns, const bson::Document& before) {
  bson::Builder command;
  command.append("delete", ns.collection);
  {
    auto deletes = command.open_array("deletes");
    auto one = deletes.open_document();
    {
      auto query = one.open_document("q");
      query.append("_id", before["_id"]);
    }
    one.append("limit", 1);
  }
  return {.db = ns.db, .command = std::move(command).finish(), .changes = {{ns, bson::Value(before["_id"]), before, std::nullopt}}};
}

}  // namespace drover::workload
