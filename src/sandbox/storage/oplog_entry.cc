#include "sandbox/storage/oplog_entry.h"

namespace drover::sandbox {

namespace {

void append_operation(bson::Builder& out, const OplogEntry& entry) {
  out.append("op", entry.op).append("ns", entry.ns);
  if (entry.uuid) out.append("ui", *entry.uuid);
  out.append("o", entry.o);
  if (entry.o2) out.append("o2", *entry.o2);
}

void append_time(bson::Builder& out, std::string_view key, bson::Timestamp ts) {
  auto time = out.open_document(key);
  time.append("ts", ts).append("t", ts.is_zero() ? std::int64_t{-1} : kTerm);
}

}  // namespace

bson::Document to_operation(const OplogEntry& entry) {
  bson::Builder out;
  append_operation(out, entry);
  return std::move(out).finish();
}

bson::Document to_document(const OplogEntry& entry, ServerVersion version) {
  bson::Builder out;
  if (entry.lsid) out.append("lsid", *entry.lsid).append("txnNumber", entry.txn_number);
  append_operation(out, entry);
  // Since 5.3 the statement belongs to the operation, not to the entry.
  const bool statement_first = version >= ServerVersion{5, 3, 0};
  if (entry.statement && statement_first) out.append("stmtId", *entry.statement);
  if (!entry.retry_image.empty() && statement_first) out.append("needsRetryImage", entry.retry_image);
  out.append("ts", entry.ts).append("t", kTerm).append("v", std::int64_t{2}).append("wall", entry.wall);
  if (entry.statement && !statement_first) out.append("stmtId", *entry.statement);
  if (!entry.retry_image.empty() && !statement_first) out.append("needsRetryImage", entry.retry_image);
  if (entry.previous) append_time(out, "prevOpTime", *entry.previous);
  if (entry.pre_image) append_time(out, "preImageOpTime", *entry.pre_image);
  if (entry.post_image) append_time(out, "postImageOpTime", *entry.post_image);
  return std::move(out).finish();
}

}  // namespace drover::sandbox
