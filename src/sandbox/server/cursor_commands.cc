// getMore and killCursors. Facts: corpus find/cursors; MongoDB's getmore_cmd.cpp and getmore_request.cpp.
#include <algorithm>
#include <limits>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/fail_points.h"
#include "sandbox/commands/support.h"
#include "sandbox/server/server_state.h"

namespace drover::sandbox {

namespace {

constexpr std::int64_t kDefaultAwaitMillis = 1000;
constexpr int kCursorKilled = 237;

struct GetMore {
  std::int64_t id = 0;
  Namespace ns;
  std::optional<std::int64_t> batch_size;
  std::optional<std::int64_t> max_time_ms;
};

bool is_generic(std::string_view field) {
  return field.starts_with('$') || field == "lsid" || field == "txnNumber" || field == "autocommit" ||
         field == "startTransaction" || field == "comment" || field == "term" || field == "lastKnownCommittedOpTime" ||
         field == "maxTimeMSOpOnly" || field == "apiVersion" || field == "apiStrict" || field == "apiDeprecationErrors" ||
         field == "readConcern" || field == "writeConcern";
}

// Up to 4.4 getMore had a parser of its own.
tl::unexpected<Error> mistyped(const CommandContext& context, const bson::Element& field, std::string_view before, std::string_view since) {
  if (!context.settings().at_least(5, 0)) return server_error(14, fmt::format("Field '{}' must be {} in: {}", field.key(), before, bson::to_shell(context.body)));
  return server_error(14, fmt::format("BSON field 'getMore.{}' is the wrong type '{}', {}", field.key(), bson::type_name(field.type()), since));
}

Status check_batch_size(const CommandContext& context, std::int64_t size) {
  if (size > 0 || (size == 0 && context.settings().at_least(6, 0))) return {};
  if (context.settings().at_least(6, 0)) return server_error(51024, fmt::format("BSON field 'batchSize' value must be >= 0, actual value '{}'", size));
  return server_error(2, fmt::format("Batch size for getMore must be positive, but received: {}", size));
}

Result<GetMore> parse_get_more(CommandContext& context) {
  constexpr std::string_view kNumbers = "expected types '[long, int, decimal, double']";
  GetMore request;
  const bool idl = context.settings().at_least(5, 0);
  const auto shown = [&] { return bson::to_shell(context.body); };
  request.ns.db = context.database;
  bool collection_seen = false;
  for (const auto& field : context.body) {
    const auto key = field.key();
    if (key == "getMore") {
      if (field.type() != bson::Type::kInt64) return mistyped(context, field, "of type long", "expected type 'long'");
      request.id = field.int64_value();
    } else if (key == "collection") {
      const auto name = field.to_string_view();
      if (!name) return mistyped(context, field, "of type string", "expected type 'string'");
      request.ns.collection = *name;
      collection_seen = true;
    } else if (key == "batchSize") {
      if (!field.is_number()) return mistyped(context, field, "a number", kNumbers);
      request.batch_size = field.to_int64();
    } else if (key == "maxTimeMS") {
      if (!field.is_number() && idl) return mistyped(context, field, "a number", kNumbers);
      if (!field.is_number()) return server_error(2, "maxTimeMS must be a number");
      request.max_time_ms = field.to_int64();
      if (*request.max_time_ms < 0 || *request.max_time_ms > std::numeric_limits<std::int32_t>::max()) {
        return server_error(2, fmt::format("{} value for maxTimeMS is out of range", *request.max_time_ms));
      }
    } else if (!is_generic(key)) {
      if (idl) return server_error(40415, fmt::format("BSON field 'getMore.{}' is an unknown field.", key));
      return server_error(9, fmt::format("Failed to parse: {}. Unrecognized field '{}'.", shown(), key));
    }
  }
  if (!collection_seen && idl) return server_error(40414, "BSON field 'getMore.collection' is missing but a required field");
  if (!collection_seen) return server_error(9, "Field 'collection' missing in: " + shown());
  if (request.id == 0) return server_error(2, "Cursor id for getMore must be non-zero");
  if (request.ns.collection.empty()) return server_error(73, idl ? "Collection names cannot be empty" : fmt::format("Invalid namespace for getMore: {}.", request.ns.db));
  TRY(check_collection_name(context, request.ns));
  if (request.batch_size) {
    TRY(check_batch_size(context, *request.batch_size));
    if (*request.batch_size == 0) request.batch_size.reset();  // no limit
  }
  return request;
}

// A cursor belongs to the session, the transaction and the users that made it.
Status check_owner(CommandContext& context, const GetMore& request, const CursorEntry& entry) {
  const auto id = request.id;
  if (entry.ns != request.ns) {
    return server_error(13, fmt::format("Requested getMore on namespace '{}', but cursor belongs to a different namespace {}",
                                        request.ns.to_string(), entry.ns.to_string()));
  }
  if (context.authorization.enabled()) {
    if (!is_coauthorized(context, entry.users)) {
      return server_error(13, fmt::format("cursor id {} was not created by the authenticated user", id));
    }
    for (const auto& [action, resource] : entry.granted) {
      if (!context.authorization.is_allowed(action, resource)) {
        return server_error(13, fmt::format("not authorized for getMore with cursor id {}", id));
      }
    }
  }
  if (context.session && !entry.session) {
    return server_error(50736, fmt::format("Cannot run getMore on cursor {}, which was not created in a session, in session {}",
                                           id, context.session->to_string()));
  }
  if (!context.session && entry.session) {
    return server_error(50737, fmt::format("Cannot run getMore on cursor {}, which was created in session {}, without an lsid",
                                           id, entry.session->to_string()));
  }
  if (context.session != entry.session) {
    return server_error(50738, fmt::format("Cannot run getMore on cursor {}, which was created in session {}, in session {}", id,
                                           entry.session->to_string(), context.session->to_string()));
  }
  const auto txn = context.transaction != nullptr ? context.txn_number : std::nullopt;
  if (txn && !entry.txn_number) {
    return server_error(50739, fmt::format("Cannot run getMore on cursor {}, which was not created in a transaction, in transaction {}", id, *txn));
  }
  if (!txn && entry.txn_number) {
    return server_error(50740, fmt::format("Cannot run getMore on cursor {}, which was created in transaction {}, without a txnNumber",
                                           id, *entry.txn_number));
  }
  if (txn != entry.txn_number) {
    return server_error(50741, fmt::format("Cannot run getMore on cursor {}, which was created in transaction {}, in transaction {}",
                                           id, *entry.txn_number, *txn));
  }
  return {};
}

Result<BatchRequest> batch_request(CommandContext& context, const GetMore& request, const CommandCursor& cursor) {
  BatchRequest batch;
  batch.max_documents = request.batch_size.value_or(std::numeric_limits<std::int64_t>::max());
  batch.stop = context.stop;
  batch.memory = context.reply_memory;
  batch.command = &context;
  if (cursor.awaits_data()) {
    const auto millis = request.max_time_ms.value_or(0) == 0 ? kDefaultAwaitMillis : *request.max_time_ms;
    batch.await = std::chrono::milliseconds(millis);
  } else if (request.max_time_ms) {
    return server_error(2, "cannot set maxTimeMS on getMore command for a non-awaitData cursor");
  }
  return batch;
}

// A getMore has no maxTimeMS of its own, but for cursors that await data: it goes on with what the command that made the cursor,
// and the batches since, have left. It may have begun to run while the getMore waited for its place.
Status limit_time(CommandContext& context, const CursorEntry& entry) {
  if (!entry.time_left || entry.cursor->awaits_data()) return {};
  if (context.services.fail_points.max_time_never_time_out.hit()) {
    context.deadline.reset();
    return {};
  }
  if (!context.deadline) context.deadline = context.services.runtime.now() + *entry.time_left;
  const bool over = context.patience() == Duration::zero() || context.services.fail_points.max_time_always_time_out.hit();
  return over ? Status(server_error(50, "operation exceeded time limit")) : Status();
}

// Returns a checked-out cursor to the registry however the command ends.
class CheckedOut {
 public:
  CheckedOut(CursorRegistry& cursors, std::int64_t id, CursorEntry entry)
      : cursors_(cursors), id_(id), entry_(std::move(entry)) {}
  ~CheckedOut() {
    if (ended_) {
      cursors_.drop(id_);
    } else {
      cursors_.check_in(id_, std::move(entry_));
    }
  }
  CursorEntry& entry() { return entry_; }
  void end() { ended_ = true; }

 private:
  CursorRegistry& cursors_;
  std::int64_t id_;
  CursorEntry entry_;
  bool ended_ = false;
};

Result<bson::Document> get_more(CommandContext& context) {
  const auto request = TRY(parse_get_more(context));
  CheckedOut checked_out(context.services.cursors, request.id, TRY(context.services.cursors.check_out(request.id, context.operation->killed)));
  auto& entry = checked_out.entry();
  TRY(check_owner(context, request, entry));
  TRY(check_same_api("getMore", context.api, "the cursor-creating command", entry.api));
  context.reads_change_stream = entry.cursor->is_change_stream();
  if (const auto data = context.services.fail_points.fail_get_more_after_cursor_checkout.hit()) {
    checked_out.end();
    context.close_connection = (*data)["closeConnection"].is_truthy();
    const auto failure = static_cast<int>((*data)["errorCode"].to_int64().value_or(1));
    return server_error(failure, "Hit the 'failGetMoreAfterCursorCheckout' fail point");
  }
  const auto batch_options = TRY(batch_request(context, request, *entry.cursor));
  CursorBatch batch(batch_options);
  auto filled = limit_time(context, entry);
  if (filled) filled = entry.cursor->next_batch(context, batch);
  if (filled && batch.gave_up()) filled = interrupted_wait(context);
  // Who waited for data in vain was not answered by there being none.
  if (filled && batch.count() == 0 && entry.cursor->awaits_data() && context.stop.stop_requested()) filled = interrupted_wait(context);
  if (context.deadline) entry.time_left = context.time_left();
  if (!filled) {
    auto error = std::move(filled).error();
    if (error.server_code == code::kInterrupted && context.services.cursors.was_killed(request.id)) error.server_code = kCursorKilled;
    checked_out.end();
    if (!context.settings().at_least(5, 0)) return tl::unexpected(std::move(error));
    const auto where = context.settings().at_least(7, 0) ? ": " + entry.ns.to_string() : std::string();
    return tl::unexpected(caused_by("Executor error during getMore" + where, std::move(error)));
  }
  const bool ended = entry.cursor->exhausted();
  if (ended) checked_out.end();
  if (!ended) {
    if (auto rested = rest_between_batches(context, entry); !rested) {
      checked_out.end();
      return tl::unexpected(std::move(rested).error());
    }
  }
  const auto token = std::move(batch.post_batch_resume_token);
  const auto documents = std::move(batch).finish_documents();
  bson::Builder out;
  out.reserve(documents.size() + kReplyFrameBytes);
  auto cursor = out.open_document("cursor");
  cursor.append("nextBatch", bson::ArrayView{documents});
  if (token) cursor.append("postBatchResumeToken", *token);
  cursor.append("id", ended ? std::int64_t{0} : request.id).append("ns", entry.ns.to_string());
  cursor.close();
  return std::move(out).finish();
}

// Since 5.0 in the words that all commands have.
Status check_kill_cursors(const CommandContext& context) {
  if (!context.settings().at_least(5, 0)) return {};
  const auto wrong = [](const std::string& field, const bson::Element& value, std::string_view expected) {
    return server_error(14, fmt::format("BSON field 'killCursors.{}' is the wrong type '{}', expected type '{}'", field, bson::type_name(value.type()), expected));
  };
  for (const auto& field : context.body) {
    if (field.key() == "killCursors" || field.key() == "maxTimeMS" || is_generic(field.key())) continue;
    if (field.key() != "cursors") return server_error(40415, fmt::format("BSON field 'killCursors.{}' is an unknown field.", field.key()));
    if (!field.is_array()) return wrong("cursors", field, "array");
    for (const auto& item : field.document_value()) {
      if (item.type() != bson::Type::kInt64) return wrong(fmt::format("cursors.{}", item.key()), item, "long");
    }
  }
  if (!context.body["cursors"]) return server_error(40414, "BSON field 'killCursors.cursors' is missing but a required field");
  return {};
}

Result<bson::Document> kill_cursors(CommandContext& context) {
  TRY(check_kill_cursors(context));
  const auto shown = [&] { return bson::to_shell(context.body); };
  const auto collection = context.body.first().to_string_view();
  if (!collection) {
    return server_error(9, fmt::format("Failed to parse: killCursors: {}. 'killCursors' field must be of BSON type string.",
                                       bson::to_shell(context.body.first())));
  }
  const auto listed = context.body["cursors"];
  if (!listed) return server_error(9, "Field 'cursors' missing in: " + shown());
  if (!listed.is_array()) {
    return server_error(9, fmt::format("Field 'cursors' must be of type array in: {}", shown()));
  }
  std::vector<std::int64_t> wanted, killed, unknown;
  for (const auto& item : listed.document_value()) {
    if (item.type() != bson::Type::kInt64) {
      return server_error(9, fmt::format("Field 'cursors' contains an element that is not of type long: {}", bson::to_shell(item)));
    }
    wanted.push_back(item.int64_value());
  }
  for (const auto id : wanted) {
    const bool found = context.services.cursors.kill(id) == CursorRegistry::Kill::kKilled;
    (found ? killed : unknown).push_back(id);
  }
  if (killed.empty() && unknown.empty()) {
    return server_error(2, "Must specify at least one cursor id in: " + shown());
  }
  bson::Builder out;
  const auto append = [&](const char* name, const std::vector<std::int64_t>& ids) {
    auto array = out.open_array(name);
    for (const auto id : ids) array.append(id);
  };
  append("cursorsKilled", killed);
  append("cursorsNotFound", unknown);
  append("cursorsAlive", {});
  append("cursorsUnknown", {});
  return std::move(out).finish();
}

}  // namespace

void add_cursor_commands(CommandTable& table) {
  static constexpr Command kRows[] = {
      {.name = "getMore", .flags = kInTransaction, .resource = ResourceKind::kAuthenticated, .handler = get_more, .help = "the next batch of a cursor"},
      {.name = "killCursors", .flags = kInTransaction, .resource = ResourceKind::kCustom, .also = authorize_kill_cursors, .handler = kill_cursors,
       .help = "closes cursors"},
  };
  table.add(kRows);
}

}  // namespace drover::sandbox
