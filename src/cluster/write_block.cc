// Keeping users from writing, and seeing who still does.
#include <algorithm>

#include "bson/builder.h"
#include "cluster/mongo_deployment_impl.h"

namespace drover::cluster {
namespace {

constexpr ServerVersion kFirstWithBlock{6, 0, 0};
// serverStatus().repl.userWriteBlockMode
constexpr int kBlockEnabled = 2;

bool is_internal(std::string_view ns) { return is_internal_database(ns.substr(0, ns.find('.'))); }

bool writes_by_aggregation(bson::View command) {
  const auto pipeline = command["pipeline"].to_array();
  if (!pipeline) return false;
  for (const auto& stage : *pipeline) {
    if (!stage.is_document()) continue;
    const auto name = stage.document_value().first().key();
    if (name == "$out" || name == "$merge") return true;
  }
  return false;
}

bool is_writing_command(bson::View command) {
  static constexpr std::string_view kWriting[] = {"insert",        "update",      "delete",          "findAndModify",
                                                  "findandmodify", "bulkWrite",   "create",          "drop",
                                                  "createIndexes", "dropIndexes", "renameCollection", "collMod",
                                                  "dropDatabase",  "mapReduce",   "mapreduce",       "convertToCapped",
                                                  "applyOps",      "cloneCollectionAsCapped"};
  const auto name = command.first().key();
  return std::find(std::begin(kWriting), std::end(kWriting), name) != std::end(kWriting) ||
         writes_by_aggregation(command);
}

// A transaction that may still write when it commits: prepared, or holding the lock that its first write took.
bool is_writing_transaction(bson::View operation) {
  if (!operation["transaction"].exists()) return false;
  if (operation.at_path("transaction.timePreparedMicros").exists()) return true;
  const auto lock = operation.at_path("locks.Global").to_string_view().value_or("");
  return lock == "w" || lock == "W";
}

bool is_user_write(bson::View operation) {
  if (is_internal(operation["ns"].to_string_view().value_or(""))) return false;
  if (is_writing_transaction(operation)) return true;
  if (!operation["active"].is_truthy()) return false;
  const auto op = operation["op"].to_string_view().value_or("");
  if (op == "insert" || op == "update" || op == "remove") return true;
  return op == "command" && is_writing_command(operation["command"].to_document().value_or(bson::View()));
}

}  // namespace

Result<WriteBlock> MongoDeployment::write_block() {
  const auto facts = TRY(this->facts());
  WriteBlock block;
  block.supported = facts.version >= kFirstWithBlock && facts.fcv >= kFirstWithBlock;
  block.effective = block.supported && facts.authorization;
  if (!block.supported) return block;
  const auto status = TRY(run("admin", bson::make_document({{"serverStatus", 1}}), "admin"));
  block.enabled = status.view().at_path("repl.userWriteBlockMode").to_int64() == kBlockEnabled;
  return block;
}

Status MongoDeployment::set_write_block(bool enabled) {
  TRY(pool_->run({.db = "admin",
                  .command = bson::make_document({{"setUserWriteBlockMode", 1}, {"global", enabled}}),
                  .on = "the cluster"}));
  return {};
}

Result<int> MongoDeployment::running_user_writes() {
  auto operations = current_operations(true, true, bson::View());
  if (!operations) return tl::unexpected(std::move(operations).error());
  return static_cast<int>(std::count_if(operations->begin(), operations->end(),
                                        [](const auto& operation) { return is_user_write(operation); }));
}

}  // namespace drover::cluster
