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

// A transaction whose commit would make writes seen: prepared, about to commit, or holding the lock that its first write took.
// A retryable write has a transaction number too; it commits by itself.
bool is_writing_transaction(bson::View operation) {
  const auto transaction = operation["transaction"].to_document();
  if (!transaction) return false;
  if ((*transaction)["timePreparedMicros"].exists()) return true;
  if (!transaction->at_path("parameters.autocommit").exists()) return false;
  const auto command = operation["command"].to_document().value_or(bson::View());
  if (!command.empty() && command.first().key() == "commitTransaction") return true;
  const auto lock = operation.at_path("locks.Global").to_string_view().value_or("");
  return lock == "w" || lock == "W";
}

bool is_writing(bson::View operation) {
  if (is_internal(operation["ns"].to_string_view().value_or(""))) return false;
  const auto op = operation["op"].to_string_view().value_or("");
  if (op == "insert" || op == "update" || op == "remove") return true;
  return op == "command" && is_writing_command(operation["command"].to_document().value_or(bson::View()));
}

RunningWrites::Transaction transaction_of(bson::View operation) {
  RunningWrites::Transaction transaction;
  const auto session = operation.at_path("lsid.id").to_uuid().value_or(Uuid{});
  const auto number = operation.at_path("transaction.parameters.txnNumber").to_int64().value_or(0);
  transaction.id = session.to_string() + ":" + std::to_string(number);
  transaction.open = std::chrono::microseconds(operation.at_path("transaction.timeOpenMicros").to_int64().value_or(0));
  return transaction;
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
                  .on = "the cluster",
                  .once = true}));  // whoever repeats it asks first who owns the migration
  return {};
}

// A transaction that commits at this moment is an operation on admin.$cmd: its writes are elsewhere.
Result<RunningWrites> MongoDeployment::running_writes() {
  const auto operations = TRY(current_operations(true, true, bson::View()));
  RunningWrites running;
  for (const auto& operation : operations) {
    const bson::View view = operation;
    if (is_writing_transaction(view)) {
      running.transactions.push_back(transaction_of(view));
    } else if (view["active"].is_truthy()) {
      const auto command = view["command"].to_document().value_or(bson::View());
      if (!command.empty() && command.first().key() == "setUserWriteBlockMode") ++running.block_changes;
      if (is_writing(view)) ++running.others;
    }
  }
  return running;
}

}  // namespace drover::cluster
