// getLastError and resetError, until 5.0: how the connection's last write ended. What it tells is taken from that write's reply.
#include <fmt/format.h>

#include "sandbox/commands/error_codes.h"
#include "sandbox/commands/support.h"
#include "sandbox/server/server_state.h"
#include "sandbox/storage/engine.h"
#include "sandbox/storage/oplog_entry.h"

namespace drover::sandbox {

namespace {

constexpr int kUnsatisfiable = 100;
constexpr ServerVersion kLastErrorRemoved{5, 1, 0};

void append_outcome(bson::Builder& out, const LastWrite& write) {
  if (write.code != 0 || !write.message.empty()) {
    out.append("err", write.message).append("code", write.code).append("codeName", error_code_name(write.code));
  }
  if (write.updated_existing) out.append("updatedExisting", *write.updated_existing);
  if (write.upserted) out.append("upserted", write.upserted->element());
  out.append("n", static_cast<std::int32_t>(write.n));
}

Result<bson::Document> get_last_error(CommandContext& context) {
  auto& connection = client_connection(context);
  const auto body = context.body;
  // Only the command right before counts.
  const auto write = connection.last_write && connection.last_write->age == 1 ? *connection.last_write : LastWrite();
  bson::Builder out;
  if (!write.at.is_zero()) out.open_document("lastOp").append("ts", write.at).append("t", context.engine().term());
  out.append("connectionId", static_cast<std::int32_t>(connection.id));
  append_outcome(out, write);
  if (write.code != 0) return std::move(out).finish();
  const auto w = body["w"];
  if (w && !w.is_number() && !w.is_string()) return server_error(code::kFailedToParse, "w has to be a number or a string");
  if (w.is_string() && w.string_value() != "majority") {
    return server_error(79, fmt::format("No write concern mode named '{}' found in replica set configuration", w.string_value()));
  }
  if (w.is_number() && w.to_int64().value_or(0) > 1) return server_error(kUnsatisfiable, "Not enough data-bearing nodes");
  if (body["j"].is_truthy() || body["fsync"].is_truthy() || w.is_string()) TRY(context.engine().make_durable());
  out.append("syncMillis", 0).append("writtenTo", bson::Null{}).append("err", bson::Null{});
  return std::move(out).finish();
}

Result<bson::Document> reset_error(CommandContext& context) {
  client_connection(context).last_write.reset();
  return bson::Document();
}

}  // namespace

void note_last_write(ClientConnection& connection, const Command& command, bson::View reply, bson::Timestamp at) {
  if (connection.last_write) ++connection.last_write->age;
  if (command.name == "getLastError" && connection.last_write) --connection.last_write->age;
  const bool is_update = command.name == "update", is_modify = command.name == "findAndModify";
  if (command.name != "insert" && command.name != "delete" && !is_update && !is_modify) return;
  LastWrite write{.age = 1, .at = at};
  const auto failed = reply.at_path("writeErrors.0").to_document();
  if (failed || !reply["ok"].is_truthy()) {
    const auto error = failed.value_or(reply);
    write.code = static_cast<int>(error["code"].to_int64().value_or(8));
    write.message = error["errmsg"].to_string_view().value_or("");
  } else if (is_modify) {
    const auto last = reply["lastErrorObject"].to_document().value_or(bson::View());
    write.n = last["n"].to_int64().value_or(0);
    if (last["updatedExisting"]) write.updated_existing = last["updatedExisting"].is_truthy();
    if (last["upserted"]) write.upserted = bson::Value(last["upserted"]);
  } else {
    // An insert tells no number, as ever.
    write.n = command.name == "insert" ? 0 : reply["n"].to_int64().value_or(0);
    if (is_update) {
      const auto upserted = reply.at_path("upserted.0._id");
      if (upserted) write.upserted = bson::Value(upserted);
      write.updated_existing = write.n > 0 && !upserted;
    }
  }
  connection.last_write = std::move(write);
}

void add_last_error_commands(CommandTable& table) {
  static const Command kRows[] = {
      {.name = "getLastError", .resource = ResourceKind::kAuthenticated, .handler = get_last_error, .help = "how the last write of this connection ended",
       .alias = "getlasterror", .removed = kLastErrorRemoved},
      {.name = "resetError", .resource = ResourceKind::kAuthenticated, .handler = reset_error, .help = "forgets how the last write of this connection ended",
       .alias = "reseterror", .removed = kLastErrorRemoved},
  };
  table.add(kRows);
}

}  // namespace drover::sandbox
