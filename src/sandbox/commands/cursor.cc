#include "sandbox/commands/cursor.h"

#include <fmt/core.h>

#include "sandbox/commands/authorize.h"
#include "sandbox/commands/command.h"
#include "sandbox/commands/in_hand.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

class ListCursor : public CommandCursor {
 public:
  explicit ListCursor(std::vector<bson::Document> documents) : documents_(std::move(documents)) {}
  Status next_batch(CommandContext&, CursorBatch& batch) override {
    while (!exhausted() && !batch.full() && batch.append(documents_[at_])) ++at_;
    return {};
  }
  bool exhausted() const override { return at_ >= documents_.size(); }

 private:
  std::vector<bson::Document> documents_;
  std::size_t at_ = 0;
};

tl::unexpected<Error> no_memory_for_cursors() {
  return server_error(146, "The memory for open cursors, sorts and groups of all clients is used up. Close cursors, or start the server with more --memory.");
}

// Growth is asked for in pieces, so that many small documents ask seldom.
constexpr std::size_t kReplyStep = 256 << 10;

}  // namespace

bool CursorBatch::has_memory(std::size_t bytes) {
  if (request_.memory == nullptr || bytes <= kUncountedReplyBytes) return true;
  const auto wanted = kReplyCopies * bytes;
  if (wanted <= request_.memory->bytes()) return true;
  if (request_.memory->try_grow_to(wanted + kReplyStep) || request_.memory->try_grow_to(wanted)) return true;
  if (documents_.count() > 0 && !request_.whole) return false;
  const auto patience = request_.command ? request_.command->patience() : kNoTimeout;
  gave_up_ = !request_.memory->grow_to(wanted, request_.stop, patience);
  return !gave_up_;
}

std::unique_ptr<CommandCursor> make_list_cursor(std::vector<bson::Document> documents) {
  return std::make_unique<ListCursor>(std::move(documents));
}

Error caused_by(std::string_view what, Error error) {
  error.message = fmt::format("{} :: caused by :: {}", what, error.message);
  return error;
}

Result<bson::Document> first_batch_reply(CommandContext& context, std::unique_ptr<CommandCursor> cursor, Namespace ns,
                                         const CursorReplyOptions& options) {
  auto request = options.request;
  request.memory = context.reply_memory;
  request.command = &context;
  request.whole = options.single_batch;
  CursorBatch batch(request);
  if (auto filled = cursor->next_batch(context, batch); !filled) {
    auto error = std::move(filled).error();
    if (options.failing.empty() || !context.settings().at_least(5, 0)) return tl::unexpected(std::move(error));
    return tl::unexpected(caused_by(options.failing, std::move(error)));
  }
  if (batch.gave_up()) return interrupted_wait(context);
  std::int64_t id = 0;
  const auto name = ns.to_string();
  if (!cursor->exhausted() && !options.single_batch) {
    MemoryShare memory(&context.services.memory.work);
    if (!memory.try_grow_to(kCursorBytes + kCursorCommandCopies * context.body.size())) return no_memory_for_cursors();
    CursorEntry entry{.cursor = std::move(cursor), .ns = std::move(ns), .session = context.session, .no_timeout = options.no_timeout};
    if (context.transaction) entry.txn_number = context.txn_number;
    entry.time_left = context.time_left();
    entry.users = user_names(context);
    entry.granted = context.granted;
    entry.also_reads = also_read(context);
    entry.api = context.api;
    entry.memory = std::move(memory);
    if (context.operation) entry.origin = context.operation->command;
    TRY(rest_between_batches(context, entry));
    id = context.services.cursors.add(std::move(entry));
  }
  auto token = std::move(batch.post_batch_resume_token);
  const auto documents = std::move(batch).finish_documents();
  bson::Builder out;
  out.reserve(documents.size() + kReplyFrameBytes);
  {
    auto body = out.open_document("cursor");
    if (options.list_order) body.append("id", id).append("ns", name);
    body.append("firstBatch", bson::ArrayView{documents});
    if (token) body.append("postBatchResumeToken", *token);
    if (options.at_cluster_time) body.append("atClusterTime", *options.at_cluster_time);
    if (!options.list_order) body.append("id", id).append("ns", name);
  }
  return std::move(out).finish();
}

Status rest_between_batches(CommandContext& context, CursorEntry& entry) {
  auto& cursor = *entry.cursor;
  cursor.rest();
  const auto kept = cursor.kept_bytes();
  entry.kept = MemoryShare(&context.services.memory.work);
  if (kept <= kUncountedKeptBytes || entry.kept.try_grow_to(kept) || cursor.give_up_kept()) return {};
  return no_memory_for_cursors();
}

}  // namespace drover::sandbox
