#include "sandbox/storage/oplog_entry.h"

#include <cstring>

namespace drover::sandbox {

namespace {

// Enough for most, so that they are made in one piece of memory.
constexpr std::size_t kFrameBytes = 320;
constexpr std::size_t kOperationBytes = 64;

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

void append_time(bson::Builder& out, std::string_view key, bson::Timestamp ts, std::int64_t term) {
  auto time = out.open_document(key);
  time.append("ts", ts).append("t", ts.is_zero() ? std::int64_t{-1} : term);
}

}  // namespace

bson::Document to_operation(const OplogEntry& entry) {
  bson::Builder out;
  out.reserve(kOperationBytes + entry.ns.size() + entry.o.size() + (entry.o2 ? entry.o2->size() : 0));
  append_head(out, entry);
  out.append("o", entry.o);
  if (entry.o2) out.append("o2", *entry.o2);
  return std::move(out).finish();
}

OplogFrame frame_of(const OplogEntry& entry, ServerVersion version) {
  bson::Builder out;
  out.reserve(kFrameBytes);
  if (entry.lsid) out.append("lsid", *entry.lsid).append("txnNumber", entry.txn_number);
  append_head(out, entry);
  out.append("o", bson::View());
  const auto o_end = static_cast<std::ptrdiff_t>(out.size()) - 1;  // size() counts the byte that will end the entry
  if (entry.o2) out.append("o2", *entry.o2);
  // Since 5.3 the statement belongs to the operation, not to the entry.
  const bool statement_first = version >= ServerVersion{5, 3, 0};
  if (statement_first) append_statements(out, entry);
  if (!entry.retry_image.empty() && statement_first) out.append("needsRetryImage", entry.retry_image);
  out.append("ts", entry.ts).append("t", entry.term).append("v", std::int64_t{2}).append("wall", entry.wall);
  if (!statement_first) append_statements(out, entry);
  if (!entry.retry_image.empty() && !statement_first) out.append("needsRetryImage", entry.retry_image);
  if (entry.previous) append_time(out, "prevOpTime", *entry.previous, entry.previous_term);
  if (entry.pre_image) append_time(out, "preImageOpTime", *entry.pre_image, entry.term);
  if (entry.post_image) append_time(out, "postImageOpTime", *entry.post_image, entry.term);
  auto bytes = std::move(out).finish().bytes();
  const auto o_at = o_end - static_cast<std::ptrdiff_t>(bson::View().size());
  bytes.erase(bytes.begin() + o_at, bytes.begin() + o_end);
  const auto whole = static_cast<std::uint32_t>(bytes.size() + entry.o.size());
  std::memcpy(bytes.data(), &whole, sizeof whole);
  return {std::move(bytes), static_cast<std::size_t>(o_at)};
}

}  // namespace drover::sandbox
