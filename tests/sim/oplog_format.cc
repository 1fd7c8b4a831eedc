#include "oplog_format.h"

#include "bson/builder.h"

namespace drover::sim {
namespace {

using bson::Builder;

const char* op_of(const Write& write) {
  switch (write.kind) {
    case Write::Kind::kInsert: return "i";
    case Write::Kind::kDelete: return "d";
    default: return "u";
  }
}

void append_operation(Builder& out, const Write& write) {
  out.append("op", op_of(write)).append("ns", write.ns.to_string()).append("ui", write.uuid);
  switch (write.kind) {
    case Write::Kind::kInsert:
      out.append("o", *write.document);
      break;
    case Write::Kind::kReplace:
      out.append("o", *write.document);
      break;
    case Write::Kind::kUpdate:
    case Write::Kind::kDelete:
      out.append("o", write.change);
      break;
  }
  if (write.kind == Write::Kind::kUpdate || write.kind == Write::Kind::kReplace) {
    auto match = out.open_document("o2");
    match.append("_id", (*write.document)["_id"]);
  }
}

void append_session(Builder& out, const EntrySession& session) {
  {
    auto lsid = out.open_document("lsid");
    lsid.append("id", session.id);
    static constexpr std::uint8_t kUser[32] = {0xe3, 0xb0, 0xc4, 0x42};
    lsid.append("uid", bson::Binary{0, kUser});
  }
  out.append("txnNumber", session.txn_number);
}

void append_times(Builder& out, const EntryContext& context, ClusterTime ts) {
  out.append("ts", ts).append("t", context.term).append("v", std::int64_t{2});
  out.append("wall", bson::DateTime{context.wall_millis});
}

void append_previous(Builder& out, const EntryContext& context, ClusterTime previous) {
  auto link = out.open_document("prevOpTime");
  link.append("ts", previous).append("t", previous.is_zero() ? std::int64_t{-1} : context.term);
}

void append_operations(Builder& command, const std::vector<Write>& writes) {
  auto operations = command.open_array("applyOps");
  for (const auto& write : writes) {
    auto operation = operations.open_document();
    append_operation(operation, write);
  }
}

}  // namespace

bson::Document write_entry(const EntryContext& context, ClusterTime ts, const Write& write,
                           const std::optional<EntrySession>& session, ClusterTime image) {
  Builder out;
  if (session) append_session(out, *session);
  append_operation(out, write);
  append_times(out, context, ts);
  if (session) {
    out.append("stmtId", std::int32_t{0});
    append_previous(out, context, {});
    if (!image.is_zero()) {
      auto link = out.open_document("preImageOpTime");
      link.append("ts", image).append("t", context.term);
    }
  }
  return std::move(out).finish();
}

bson::Document transaction_entry(const EntryContext& context, ClusterTime ts, const std::vector<Write>& writes,
                                 const EntrySession& session, ClusterTime previous, bool partial, int total) {
  Builder out;
  append_session(out, session);
  out.append("op", "c").append("ns", "admin.$cmd");
  {
    auto command = out.open_document("o");
    append_operations(command, writes);
    if (partial) command.append("partialTxn", true);
    if (total > 0) command.append("count", static_cast<std::int64_t>(total));
  }
  append_times(out, context, ts);
  append_previous(out, context, previous);
  return std::move(out).finish();
}

bson::Document prepare_entry(const EntryContext& context, ClusterTime ts, const std::vector<Write>& writes,
                             const EntrySession& session) {
  Builder out;
  append_session(out, session);
  out.append("op", "c").append("ns", "admin.$cmd");
  {
    auto command = out.open_document("o");
    append_operations(command, writes);
    command.append("prepare", true);
  }
  append_times(out, context, ts);
  append_previous(out, context, {});
  return std::move(out).finish();
}

bson::Document decision_entry(const EntryContext& context, ClusterTime ts, const EntrySession& session,
                              ClusterTime prepared, bool commit) {
  Builder out;
  append_session(out, session);
  out.append("op", "c").append("ns", "admin.$cmd");
  {
    auto command = out.open_document("o");
    command.append(commit ? "commitTransaction" : "abortTransaction", std::int32_t{1});
    if (commit) command.append("commitTimestamp", prepared);
  }
  append_times(out, context, ts);
  append_previous(out, context, prepared);
  return std::move(out).finish();
}

bson::Document image_entry(const EntryContext& context, ClusterTime ts, const Write& write, bson::View image,
                           const EntrySession& session) {
  Builder out;
  append_session(out, session);
  out.append("op", "n").append("ns", write.ns.to_string()).append("ui", write.uuid).append("o", image);
  append_times(out, context, ts);
  out.append("stmtId", std::int32_t{0});
  append_previous(out, context, {});
  return std::move(out).finish();
}

bson::Document batch_entry(const EntryContext& context, ClusterTime ts, const std::vector<Write>& writes) {
  Builder out;
  out.append("op", "c").append("ns", "admin.$cmd");
  {
    auto command = out.open_document("o");
    append_operations(command, writes);
  }
  append_times(out, context, ts);
  return std::move(out).finish();
}

bson::Document command_entry(const EntryContext& context, ClusterTime ts, const std::string& db, const Uuid& uuid,
                             bson::View command) {
  Builder out;
  out.append("op", "c").append("ns", db + ".$cmd");
  if (!uuid.is_nil()) out.append("ui", uuid);
  out.append("o", command);
  append_times(out, context, ts);
  return std::move(out).finish();
}

bson::Document note_entry(const EntryContext& context, ClusterTime ts, bson::View message) {
  Builder out;
  out.append("op", "n").append("ns", "").append("o", message);
  append_times(out, context, ts);
  return std::move(out).finish();
}

bson::Document set_field_change(const ServerVersion& version, std::string_view field, const bson::Element& value,
                                bool is_new) {
  Builder out;
  if (version.major < 5) {
    out.append("$v", std::int32_t{1});
    auto set = out.open_document("$set");
    set.append(field, value);
  } else {
    out.append("$v", std::int32_t{2});
    auto diff = out.open_document("diff");
    auto fields = diff.open_document(is_new ? "i" : "u");
    fields.append(field, value);
  }
  return std::move(out).finish();
}

}  // namespace drover::sim
