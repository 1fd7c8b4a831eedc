#include "cluster/server_cursor.h"

#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/commands.h"
#include "cluster/errors.h"

namespace drover::cluster {
namespace {

constexpr auto kKillReply = std::chrono::seconds(2);
// What a reply may take beyond the wait that was asked for.
constexpr auto kWaitMargin = std::chrono::seconds(30);

}  // namespace

Result<std::unique_ptr<ServerCursor>> ServerCursor::open(Pool& pool, bson::View command, Options options) {
  std::unique_ptr<ServerCursor> cursor(new ServerCursor(pool, std::move(options)));
  cursor->session_ = pool.take_read_session();
  const auto reply = TRY(pool.run({.db = cursor->options_.db,
                             .command = command,
                             .on = cursor->options_.on,
                             .session = &cursor->session_,
                             .stop = cursor->options_.stop}));
  cursor->first_ = TRY(cursor->take(reply, command.first().key(), "firstBatch"));
  return cursor;
}

ServerCursor::~ServerCursor() {
  if (id_ != 0) {
    bson::Builder command;
    command.append("killCursors", collection_);
    command.open_array("cursors").append(id_);
    const auto document = std::move(command).finish();
    // Best effort: the server ends it with its session otherwise.
    static_cast<void>(pool_.run({.db = options_.db,
                                 .command = document,
                                 .on = options_.on,
                                 .session = &session_,
                                 .reply_limit = kKillReply,
                                 .once = true}));
  }
  pool_.return_read_session(session_);
}

Result<DocumentBatch> ServerCursor::next(const std::stop_token& stop, std::optional<std::chrono::milliseconds> wait) {
  if (first_) {
    auto batch = std::move(*first_);
    first_.reset();
    return batch;
  }
  if (id_ == 0) {
    return fail(ErrorCode::kFailure,
                fmt::format("{}: read on {}: asked for more after the end", side_word(pool_.side()), options_.on));
  }
  bson::Builder command;
  command.append("getMore", id_).append("collection", collection_);
  if (options_.batch_documents > 0) command.append("batchSize", options_.batch_documents);
  std::optional<std::chrono::milliseconds> limit;
  if (wait) {
    command.append("maxTimeMS", static_cast<std::int64_t>(wait->count()));
    limit = *wait + kWaitMargin;
  }
  const auto document = std::move(command).finish();
  auto reply = pool_.run({.db = options_.db,
                          .command = document,
                          .on = options_.on,
                          .session = &session_,
                          .stop = stop,
                          .reply_limit = limit});
  if (!reply) {
    if (reply.error().server_code != 0) id_ = 0;  // the server has closed it
    return tl::unexpected(std::move(reply).error());
  }
  return take(*reply, "getMore", "nextBatch");
}

Result<DocumentBatch> ServerCursor::take(const Reply& reply, std::string_view command, std::string_view batch_field) {
  const auto malformed = [&](std::string_view what) {
    return tl::unexpected(malformed_reply(pool_.side(), {command, options_.on}, pool_.hosts(), what));
  };
  const auto cursor = parse_cursor(reply, batch_field);
  if (!cursor) return malformed(fmt::format("holds no cursor with documents ({})", batch_field));
  const auto time = reply["operationTime"].to_timestamp();
  if (!time && options_.timed) return malformed("does not say its time (operationTime)");
  id_ = cursor->id;
  if (!cursor->collection.empty()) collection_ = cursor->collection;
  DocumentBatch batch;
  batch.reply = reply.bytes();
  batch.array = cursor->batch;
  batch.operation_time = time.value_or(ClusterTime{});
  batch.last = id_ == 0;
  return batch;
}

Result<std::vector<bson::Document>> read_all(Pool& pool, bson::View command, ServerCursor::Options options) {
  const std::string on = options.on;
  const auto endless = [&](std::string_view what) {
    return tl::unexpected(malformed_reply(pool.side(), {command.first().key(), on}, pool.hosts(), what));
  };
  auto cursor = TRY(ServerCursor::open(pool, command, std::move(options)));
  std::vector<bson::Document> documents;
  std::size_t bytes = 0;
  int empty = 0;
  for (;;) {
    const auto batch = TRY(cursor->next({}));
    const auto before = documents.size();
    for (const auto& item : batch.array) {
      documents.emplace_back(item.document_value());
      bytes += documents.back().size() + sizeof(bson::Document);
    }
    if (batch.last) return documents;
    if (bytes > kMaxReadAllBytes) return endless(fmt::format("gives more than {} MB where little is expected", kMaxReadAllBytes >> 20));
    empty = documents.size() == before ? empty + 1 : 0;
    if (empty == kMaxEmptyBatches) return endless(fmt::format("gives {} batches of nothing, one after another", empty));
  }
}

}  // namespace drover::cluster
