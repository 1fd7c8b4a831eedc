#include "sandbox/server/legacy_operations.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/server/frame_bytes.h"

namespace drover::sandbox {

namespace {

constexpr int kCursorNotFoundCode = 43;
// OP_QUERY's flags.
constexpr std::int32_t kTailable = 1 << 1, kSecondaryOk = 1 << 2, kOplogReplay = 1 << 3, kNoCursorTimeout = 1 << 4, kAwaitData = 1 << 5,
                       kExhaust = 1 << 6, kPartial = 1 << 7;
// OP_REPLY's.
constexpr std::int32_t kCursorNotFound = 1 << 0, kQueryFailure = 1 << 1, kAwaitCapable = 1 << 3;
constexpr std::int32_t kContinueOnError = 1 << 0;              // OP_INSERT
constexpr std::int32_t kUpsert = 1 << 0, kMultiUpdate = 1 << 1;  // OP_UPDATE
constexpr std::int32_t kSingleRemove = 1 << 0;                 // OP_DELETE

struct Name {
  std::string_view db, collection;
};
Name split(std::string_view ns) {
  const auto dot = std::min(ns.find('.'), ns.size());
  return {ns.substr(0, dot), ns.substr(std::min(dot + 1, ns.size()))};
}

Status nothing_left(std::span<const std::uint8_t> rest) {
  if (!rest.empty()) return malformed("bytes behind its end");
  return {};
}

Status parse_insert(LegacyOperation& operation, std::span<const std::uint8_t> rest) {
  const auto flags = TRY(take_number<std::int32_t>(rest));
  operation.ns = TRY(take_cstring(rest));
  DocumentSequence documents{.name = "documents"};
  TRY(take_documents(documents, rest));
  operation.sequences.push_back(std::move(documents));
  const auto [db, collection] = split(operation.ns);
  operation.command = bson::make_document({{"insert", collection}, {"ordered", (flags & kContinueOnError) == 0}, {"$db", db}});
  return {};
}

Status parse_update(LegacyOperation& operation, std::span<const std::uint8_t> rest) {
  TRY(take_number<std::int32_t>(rest));
  operation.ns = TRY(take_cstring(rest));
  const auto flags = TRY(take_number<std::int32_t>(rest));
  const auto filter = TRY(take_document(rest));
  const auto update = TRY(take_document(rest));
  TRY(nothing_left(rest));
  const auto [db, collection] = split(operation.ns);
  bson::Builder out;
  out.append("update", collection);
  {
    auto updates = out.open_array("updates");
    updates.open_document().append("q", filter).append("u", update).append("multi", (flags & kMultiUpdate) != 0).append("upsert", (flags & kUpsert) != 0);
  }
  out.append("$db", db);
  operation.command = std::move(out).finish();
  return {};
}

Status parse_delete(LegacyOperation& operation, std::span<const std::uint8_t> rest) {
  TRY(take_number<std::int32_t>(rest));
  operation.ns = TRY(take_cstring(rest));
  const auto flags = TRY(take_number<std::int32_t>(rest));
  const auto filter = TRY(take_document(rest));
  TRY(nothing_left(rest));
  const auto [db, collection] = split(operation.ns);
  bson::Builder out;
  out.append("delete", collection);
  {
    auto deletes = out.open_array("deletes");
    deletes.open_document().append("q", filter).append("limit", (flags & kSingleRemove) != 0 ? 1 : 0);
  }
  out.append("$db", db);
  operation.command = std::move(out).finish();
  return {};
}

// A query's document is the filter, or has it under $query (or query) with options of find beside it. What is not known there is left out, as
// servers left it out.
struct Query {
  bson::View filter;
  bson::View around;  // empty: there are no options
};
Query query_of(bson::View document) {
  for (const char* name : {"query", "$query"}) {
    if (const auto field = document[name]; field.is_document()) return {field.document_value(), document};
  }
  return {document, bson::View()};
}

void append_modifiers(bson::Builder& find, bson::View around) {
  static constexpr struct {
    std::string_view legacy, option;
  } kModifiers[] = {{"$orderby", "sort"},         {"orderby", "sort"},     {"$hint", "hint"},           {"$min", "min"},
                    {"$max", "max"},              {"$comment", "comment"}, {"$returnKey", "returnKey"}, {"$showDiskLoc", "showRecordId"},
                    {"$maxTimeMS", "maxTimeMS"}};
  bool sorted = false;
  for (const auto& field : around) {
    const auto known = std::ranges::find(kModifiers, field.key(), [](const auto& row) { return row.legacy; });
    if (known == std::end(kModifiers)) continue;
    if (known->option == "sort" && std::exchange(sorted, true)) continue;
    if (known->option == "returnKey" || known->option == "showRecordId") {
      find.append(known->option, field.is_truthy());
    } else {
      find.append(known->option, field);
    }
  }
}

// numberToReturn: negative, or 1, is a limit after which the cursor is closed; else it is the size of a batch, and 0 the server's own.
void append_size(bson::Builder& find, std::int32_t to_return) {
  if (to_return == 1 || to_return < 0) {
    find.append("limit", std::abs(static_cast<std::int64_t>(to_return))).append("singleBatch", true);
  } else if (to_return > 0) {
    find.append("batchSize", static_cast<std::int64_t>(to_return));
  }
}

void append_flags(bson::Builder& find, std::int32_t flags) {
  static constexpr struct {
    std::int32_t flag;
    std::string_view option;
  } kOptions[] = {{kTailable, "tailable"}, {kOplogReplay, "oplogReplay"}, {kNoCursorTimeout, "noCursorTimeout"}, {kAwaitData, "awaitData"},
                  {kPartial, "allowPartialResults"}};
  for (const auto& row : kOptions) {
    if ((flags & row.flag) != 0) find.append(row.option, true);
  }
}

Status parse_query(LegacyOperation& operation, std::span<const std::uint8_t> rest) {
  const auto flags = TRY(take_number<std::int32_t>(rest));
  operation.ns = TRY(take_cstring(rest));
  const auto skip = TRY(take_number<std::int32_t>(rest));
  operation.to_return = TRY(take_number<std::int32_t>(rest));
  const auto document = TRY(take_document(rest));
  const auto projection = rest.empty() ? bson::View() : TRY(take_document(rest));
  TRY(nothing_left(rest));
  operation.exhaust = (flags & kExhaust) != 0;
  const auto [db, collection] = split(operation.ns);
  const auto [filter, around] = query_of(document);
  operation.explains = around["$explain"].is_truthy();
  bson::Builder find;
  find.append("find", collection).append("filter", filter);
  if (!projection.empty()) find.append("projection", projection);
  if (skip != 0) find.append("skip", static_cast<std::int64_t>(skip));
  append_size(find, operation.to_return);
  append_flags(find, flags);
  append_modifiers(find, around);
  auto command = std::move(find).finish();
  bson::Builder out;
  if (operation.explains) {
    out.append("explain", command).append("verbosity", "allPlansExecution");
  } else {
    out.append_all(command);
  }
  out.append("$db", db);
  if (const auto preference = around["$readPreference"]) {
    out.append_raw(preference);
  } else if ((flags & kSecondaryOk) != 0) {
    out.append("$readPreference", bson::make_document({{"mode", "secondaryPreferred"}}));
  }
  operation.command = std::move(out).finish();
  return {};
}

Status parse_get_more(LegacyOperation& operation, std::span<const std::uint8_t> rest) {
  TRY(take_number<std::int32_t>(rest));
  operation.ns = TRY(take_cstring(rest));
  operation.to_return = TRY(take_number<std::int32_t>(rest));
  operation.cursor_id = TRY(take_number<std::int64_t>(rest));
  TRY(nothing_left(rest));
  const auto [db, collection] = split(operation.ns);
  bson::Builder out;
  out.append("getMore", operation.cursor_id).append("collection", collection);
  if (operation.to_return != 0) out.append("batchSize", std::abs(static_cast<std::int64_t>(operation.to_return)));
  out.append("$db", db);
  operation.command = std::move(out).finish();
  return {};
}

Status parse_kill_cursors(LegacyOperation& operation, std::span<const std::uint8_t> rest) {
  TRY(take_number<std::int32_t>(rest));
  const auto count = TRY(take_number<std::int32_t>(rest));
  if (count < 1 || count > kMaxLegacyKills) return malformed(fmt::format("{} cursors to kill", count));
  if (rest.size() != static_cast<std::size_t>(count) * sizeof(std::int64_t)) return malformed("the number of cursors to kill is not its own");
  for (; !rest.empty(); rest = rest.subspan(sizeof(std::int64_t))) operation.kills.push_back(read_at<std::int64_t>(rest, 0));
  return {};
}

std::vector<std::uint8_t> make_op_reply(std::int32_t to, std::int32_t flags, std::int64_t cursor_id, std::int32_t position,
                                        std::span<const bson::View> documents) {
  auto size = kHeaderBytes + 20;
  for (const auto& document : documents) size += document.size();
  std::vector<std::uint8_t> out;
  out.reserve(size);
  put_header(out, size, next_request_id(), to, OpCode::kReply);
  put(out, flags);
  put(out, cursor_id);
  put(out, position);
  put(out, static_cast<std::int32_t>(documents.size()));
  for (const auto& document : documents) out.insert(out.end(), document.data(), document.data() + document.size());
  return out;
}

// What explain answers, without what only commands have.
bson::Document explanation(bson::View reply) {
  bson::Builder out;
  for (const auto& field : reply) {
    const auto key = field.key();
    if (key != "ok" && key != "operationTime" && !key.starts_with('$')) out.append_raw(field);
  }
  return std::move(out).finish();
}

}  // namespace

bool is_legacy_operation(std::span<const std::uint8_t> frame) {
  switch (static_cast<OpCode>(read_at<std::int32_t>(frame, 12))) {
    case OpCode::kUpdate:
    case OpCode::kInsert:
    case OpCode::kGetMore:
    case OpCode::kDelete:
    case OpCode::kKillCursors: return true;
    case OpCode::kQuery: {
      if (frame.size() < kHeaderBytes + 4) return false;
      auto rest = frame.subspan(kHeaderBytes + 4);
      const auto ns = take_cstring(rest);
      return ns && split(*ns).collection != "$cmd";
    }
    default: return false;
  }
}

Result<LegacyOperation> parse_legacy_operation(std::span<const std::uint8_t> frame) {
  LegacyOperation operation;
  operation.request_id = read_at<std::int32_t>(frame, 4);
  operation.op = static_cast<OpCode>(read_at<std::int32_t>(frame, 12));
  const auto rest = frame.subspan(kHeaderBytes);
  switch (operation.op) {
    case OpCode::kUpdate: TRY(parse_update(operation, rest)); break;
    case OpCode::kInsert: TRY(parse_insert(operation, rest)); break;
    case OpCode::kQuery: TRY(parse_query(operation, rest)); break;
    case OpCode::kGetMore: TRY(parse_get_more(operation, rest)); break;
    case OpCode::kDelete: TRY(parse_delete(operation, rest)); break;
    case OpCode::kKillCursors: TRY(parse_kill_cursors(operation, rest)); break;
    default: return malformed("no legacy operation");
  }
  return operation;
}

LegacyReply make_legacy_reply(const LegacyOperation& operation, bson::View reply, std::int32_t position) {
  const auto to = operation.request_id;
  if (!reply["ok"].is_truthy()) {
    const auto code = static_cast<int>(reply["code"].to_int64().value_or(8));
    if (operation.op == OpCode::kGetMore && code == kCursorNotFoundCode) return {.frame = make_op_reply(to, kCursorNotFound, 0, 0, {})};
    return {.frame = make_legacy_failure(to, reply["errmsg"].to_string_view().value_or(""), code)};
  }
  if (operation.explains) {
    const auto explained = explanation(reply);
    const auto view = explained.view();
    return {.frame = make_op_reply(to, kAwaitCapable, 0, 0, {&view, 1}), .documents = 1};
  }
  const auto cursor = reply["cursor"].to_document().value_or(bson::View());
  const auto batch = cursor[operation.op == OpCode::kQuery ? "firstBatch" : "nextBatch"].to_array().value_or(bson::View());
  std::vector<bson::View> documents;
  for (const auto& item : batch) documents.push_back(item.document_value());
  const auto id = cursor["id"].to_int64().value_or(0);
  return {.frame = make_op_reply(to, kAwaitCapable, id, position, documents), .cursor_id = id, .documents = static_cast<std::int32_t>(documents.size())};
}

std::vector<std::uint8_t> make_legacy_failure(std::int32_t request_id, std::string_view message, int code) {
  const auto failure = bson::make_document({{"$err", message}, {"code", code}, {"ok", 0.0}});
  const auto view = failure.view();
  return make_op_reply(request_id, kQueryFailure, 0, 0, {&view, 1});
}

std::vector<std::uint8_t> make_legacy_get_more(std::int32_t request_id, std::string_view ns, std::int32_t to_return, std::int64_t cursor_id) {
  const auto size = kHeaderBytes + 4 + ns.size() + 1 + 4 + 8;
  std::vector<std::uint8_t> out;
  out.reserve(size);
  put_header(out, size, request_id, 0, OpCode::kGetMore);
  put<std::int32_t>(out, 0);
  out.insert(out.end(), ns.begin(), ns.end());
  out.push_back(0);
  put(out, to_return);
  put(out, cursor_id);
  return out;
}

}  // namespace drover::sandbox
