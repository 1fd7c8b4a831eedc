#include "sandbox/storage/oplog_entry.h"

#include <cstring>

namespace drover::sandbox {

namespace {

void append_head(bson::Builder& out, const OplogEntry& entry) {
  out.append("op", entry.op).append("ns", entry.ns);
  if (entry.uuid) out.append("ui", *entry.uuid);
}

void append_statements(bson::Builder& out, const OplogEntry& entry) {
  if (entry.statements.empty()) {
    if (entry.statement) out.append("stmtId", *entry.statement);
    return;
  }
  auto list = out.open_array("stmtId");
  for (const auto statement : entry.statements) list.append(statement);
}

void append_time(bson::Builder& out, std::string_view key, bson::Timestamp ts) {
  auto time = out.open_document(key);
  time.append("ts", ts).append("t", ts.is_zero() ? std::int64_t{-1} : kTerm);
}

// The fields of `head`, {o: o} and the fields of `tail`, in one piece of memory of the right size: `o` may be large.
bson::Document join(bson::View head, bson::View o, bson::View tail) {
  static constexpr std::uint8_t kFieldO[] = {static_cast<std::uint8_t>(bson::Type::kDocument), 'o', 0};
  std::vector<std::uint8_t> bytes;
  bytes.reserve(head.size() + sizeof kFieldO + o.size() + tail.size());
  bytes.insert(bytes.end(), head.data(), head.data() + head.size() - 1);
  bytes.insert(bytes.end(), std::begin(kFieldO), std::end(kFieldO));
  bytes.insert(bytes.end(), o.data(), o.data() + o.size());
  bytes.insert(bytes.end(), tail.data() + 4, tail.data() + tail.size());
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(bytes.data(), &size, sizeof size);
  return bson::Document(std::move(bytes));
}

}  // namespace

bson::Document to_operation(const OplogEntry& entry) {
  bson::Builder head, tail;
  append_head(head, entry);
  if (entry.o2) tail.append("o2", *entry.o2);
  return join(std::move(head).finish(), entry.o, std::move(tail).finish());
}

bson::Document to_document(const OplogEntry& entry, ServerVersion version) {
  bson::Builder head, tail;
  if (entry.lsid) head.append("lsid", *entry.lsid).append("txnNumber", entry.txn_number);
  append_head(head, entry);
  if (entry.o2) tail.append("o2", *entry.o2);
  // Since 5.3 the statement belongs to the operation, not to the entry.
  const bool statement_first = version >= ServerVersion{5, 3, 0};
  if (statement_first) append_statements(tail, entry);
  if (!entry.retry_image.empty() && statement_first) tail.append("needsRetryImage", entry.retry_image);
  tail.append("ts", entry.ts).append("t", kTerm).append("v", std::int64_t{2}).append("wall", entry.wall);
  if (!statement_first) append_statements(tail, entry);
  if (!entry.retry_image.empty() && !statement_first) tail.append("needsRetryImage", entry.retry_image);
  if (entry.previous) append_time(tail, "prevOpTime", *entry.previous);
  if (entry.pre_image) append_time(tail, "preImageOpTime", *entry.pre_image);
  if (entry.post_image) append_time(tail, "postImageOpTime", *entry.post_image);
  return join(std::move(head).finish(), entry.o, std::move(tail).finish());
}

}  // namespace drover::sandbox
