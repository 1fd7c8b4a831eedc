// The source's oplog: tailed, looked up, and written to by notes.
#include <fmt/format.h>

#include "bson/builder.h"
#include "cluster/commands.h"
#include "cluster/mongo_deployment_impl.h"
#include "cluster/server_cursor.h"

namespace drover::cluster {
namespace {

constexpr std::string_view kOplog = "local.oplog.rs";
constexpr int kHistoryLost = 286;
constexpr int kLockTimeout = 107;  // appendOplogNote waits 1 ms for its lock
constexpr auto kNoteRetry = std::chrono::milliseconds(5);
constexpr int kNoteAttempts = 400;

tl::unexpected<Error> history_lost(Side side, ClusterTime from) {
  return fail(side_code(side),
              fmt::format("{}: the oplog of the {} no longer reaches back to {}; start the migration again with a larger oplog",
                          side_word(side), side_word(side), from.to_string()),
              kHistoryLost);
}

bson::Document find_at_end(int direction) {
  bson::Builder command;
  command.append("find", "oplog.rs").append("limit", 1).append("singleBatch", true);
  command.open_document("sort").append("$natural", direction);
  command.open_document("projection").append("ts", 1).append("_id", 0);
  append_majority(command, {});
  return std::move(command).finish();
}

// The time of the first entry, or of the last one.
Result<ClusterTime> time_at_end(Pool& pool, int direction) {
  const auto entries = TRY(read_all(pool, find_at_end(direction), {.db = "local", .on = std::string(kOplog)}));
  if (entries.empty()) {
    return fail(ErrorCode::kUnsupported, fmt::format("{}: its oplog is empty; it must be a replica set", side_word(pool.side())));
  }
  // Taken for 0 it would be an oplog that reaches back to anything.
  if (const auto time = entries.front()["ts"].to_timestamp(); time && !time->is_zero()) return *time;
  return tl::unexpected(malformed_reply(pool.side(), {"find", kOplog}, pool.hosts(), "holds an entry without its time (ts)"));
}

class MongoOplogCursor final : public OplogCursor {
 public:
  MongoOplogCursor(Pool& pool, ClusterTime from, std::unique_ptr<ServerCursor> cursor)
      : pool_(pool), from_(from), cursor_(std::move(cursor)) {}

  Result<std::vector<bson::View>> next(std::chrono::milliseconds wait, const std::stop_token& stop) override {
    if (cursor_->at_end()) {
      return fail(ErrorCode::kTemporary, fmt::format("{}: the server closed the cursor on {}", side_word(pool_.side()), kOplog), 43);
    }
    batch_ = TRY(cursor_->next(stop, wait));
    std::vector<bson::View> entries;
    for (const auto& item : batch_.array) entries.push_back(item.document_value());
    if (!started_ && !entries.empty()) {
      // There need be no entry at `from`: the time of a majority read lies just before those of writers that have taken a
      // time and not written yet. Nothing is missing as long as the oldest entry is not newer than `from`.
      const bool exact = entries.front()["ts"].to_timestamp() == from_;
      if (!exact && TRY(time_at_end(pool_, 1)) > from_) return history_lost(pool_.side(), from_);
      started_ = true;
    }
    return entries;
  }

 private:
  Pool& pool_;
  const ClusterTime from_;
  std::unique_ptr<ServerCursor> cursor_;
  DocumentBatch batch_;  // the views point into it
  bool started_ = false;
};

}  // namespace

Result<std::unique_ptr<OplogCursor>> MongoDeployment::tail_oplog(ClusterTime from) {
  bson::Builder command;
  command.append("find", "oplog.rs");
  command.open_document("filter").open_document("ts").append("$gte", from);
  command.append("tailable", true).append("awaitData", true).append("noCursorTimeout", true);
  append_majority(command, {});
  auto cursor =
      TRY(ServerCursor::open(*pool_, std::move(command).finish(), {.db = "local", .on = std::string(kOplog)}));
  return std::make_unique<MongoOplogCursor>(*pool_, from, std::move(cursor));
}

Result<bson::Document> MongoDeployment::oplog_entry(ClusterTime ts) {
  bson::Builder command;
  command.append("find", "oplog.rs");
  command.open_document("filter").append("ts", ts);
  command.append("limit", 1).append("singleBatch", true);
  append_majority(command, {});
  const auto entries =
      TRY(read_all(*pool_, std::move(command).finish(), {.db = "local", .on = std::string(kOplog)}));
  if (entries.empty()) return history_lost(pool_->side(), ts);
  return entries.front();
}

Result<std::pair<ClusterTime, ClusterTime>> MongoDeployment::oplog_window() {
  const auto first = TRY(time_at_end(*pool_, 1));
  return std::pair(first, TRY(time_at_end(*pool_, -1)));
}

Result<ClusterTime> MongoDeployment::append_note(bson::View message) {
  bson::Builder command;
  command.append("appendOplogNote", 1).append("data", message);
  append_majority_write(command);
  const auto document = std::move(command).finish();
  for (int attempt = 1;; ++attempt) {
    auto reply = run("admin", document, "the oplog");
    if (reply) {
      if (const auto time = (*reply)["operationTime"].to_timestamp()) return *time;
      return tl::unexpected(error(ErrorCode::kUnsupported, "replies carry no operationTime; it must be a replica set"));
    }
    if (reply.error().server_code != kLockTimeout) return tl::unexpected(std::move(reply).error());
    if (attempt == kNoteAttempts || !pool_->runtime().sleep(kNoteRetry, pool_->stop())) {
      return tl::unexpected(std::move(reply).error().with_code(ErrorCode::kTemporary));
    }
  }
}

}  // namespace drover::cluster
