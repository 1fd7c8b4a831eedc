// What find, aggregate, listCollections, listIndexes and change streams have in common: a source of batches that getMore
// continues. A cursor is used by one thread at a time (the registry checks it out), and owns all that it reads from.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/memory_budget.h"
#include "base/runtime.h"
#include "base/uuid.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "model/namespace.h"
#include "sandbox/commands/api_parameters.h"
#include "sandbox/commands/memory.h"
#include "sandbox/commands/resource.h"
#include "sandbox/commands/session_id.h"

namespace drover::sandbox {

struct CommandContext;

// The documents of one reply are at most this many bytes, unless a single one is larger.
inline constexpr std::size_t kMaxBatchBytes = 16777216;
inline constexpr std::int64_t kDefaultFirstBatch = 101;

struct BatchRequest {
  std::int64_t max_documents = kDefaultFirstBatch;  // 0: nothing but open the cursor
  std::size_t max_bytes = kMaxBatchBytes;
  // How long a tailable awaitData cursor or change stream waits for the first document; zero: it does not.
  Duration await{};
  std::stop_token stop;  // connection closed, killOp, shutdown
  MemoryShare* memory = nullptr;  // the reply's
  const CommandContext* command = nullptr;  // whose time is over when it says so; null: it waits as long as it takes
  bool whole = false;             // there is no getMore for the rest: waits for memory rather than to end early
};

// A batch under construction.
class CursorBatch {
 public:
  explicit CursorBatch(const BatchRequest& request) : request_(request) {}
  bool full() const {
    return short_of_memory_ || static_cast<std::int64_t>(documents_.count()) >= request_.max_documents || documents_.size() >= request_.max_bytes;
  }
  // False, and nothing appended, when `document` would make the reply too large, for the protocol or for the memory that
  // there is now: the cursor keeps it for the next batch. Also when the command's wait for memory was cut short: gave_up().
  bool append(bson::View document) {
    if (documents_.count() > 0 && documents_.size() + document.size() + 16 > request_.max_bytes) return false;
    if (!has_memory(documents_.size() + document.size())) {
      short_of_memory_ = true;
      return false;
    }
    // A large batch gets its final size at once, so that it is not copied while it grows.
    if (documents_.size() > kLargeBatchBytes && !std::exchange(reserved_, true)) documents_.reserve(request_.max_bytes + kLargeBatchBytes);
    documents_.append(document);
    return true;
  }
  const BatchRequest& request() const { return request_; }
  // It waited for memory, and was stopped or ran out of time: what it has is not an answer.
  bool gave_up() const { return gave_up_; }
  std::size_t count() const { return documents_.count(); }
  bson::Document finish_documents() && { return std::move(documents_).finish(); }

  // Change streams: {_data: "..."}; absent elsewhere.
  std::optional<bson::Document> post_batch_resume_token;

 private:
  static constexpr std::size_t kLargeBatchBytes = 1 << 20;
  bool has_memory(std::size_t bytes);

  const BatchRequest& request_;
  bson::ArrayBuilder documents_;
  bool short_of_memory_ = false;
  bool gave_up_ = false;
  bool reserved_ = false;
};

class CommandCursor {
 public:
  virtual ~CommandCursor() = default;
  // Fills `batch` until it is full, the end, or (tailable) there is nothing more for now. After an error the cursor is
  // closed. Called again only while !exhausted(). `context` is the command that asks (find, or this getMore).
  virtual Status next_batch(CommandContext& context, CursorBatch& batch) = 0;
  virtual bool exhausted() const = 0;
  // Between batches: gives up what can be had again (iterators pin write buffers and blocks of the store).
  virtual void rest() {}
  // Documents that it keeps for the next batch, in bytes; and giving them up, to read them again then. False: they cannot be had again.
  virtual std::size_t kept_bytes() const { return 0; }
  virtual bool give_up_kept() { return false; }
  virtual bool awaits_data() const { return false; }
  virtual bool is_change_stream() const { return false; }
};

// The registry's record of a cursor. What getMore must agree with.
struct CursorEntry {
  std::unique_ptr<CommandCursor> cursor;
  Namespace ns;                          // "db.coll", or db with "$cmd.listCollections", "$cmd.aggregate"
  std::optional<SessionId> session;      // of the creator
  std::optional<std::int64_t> txn_number;  // created inside this transaction
  std::vector<std::string> users;        // "name@db" authenticated when it was made
  std::vector<Grant> granted;            // what the command that made it was allowed
  MemoryShare memory;                    // of what it keeps beside documents; stays with the registry
  MemoryShare kept;                      // of the documents that it keeps for the next batch; goes with the cursor
  bool no_timeout = false;
  // Of the maxTimeMS of the command that made it: what no batch has used yet. The time between batches does not count.
  std::optional<Duration> time_left;
  std::vector<Namespace> also_reads;     // the collections of a pipeline
  bson::Document origin;                 // the command, for currentOp
  ApiParameters api;                     // of the command
};

// Implemented by the server. Thread-safe.
class CursorRegistry {
 public:
  virtual ~CursorRegistry() = default;
  // A new random positive id.
  virtual std::int64_t add(CursorEntry entry) = 0;
  // Takes the cursor for one getMore: 43 CursorNotFound ("cursor id N not found"), 12051 CursorInUse. `interrupt` is stopped when the cursor
  // is killed meanwhile.
  virtual Result<CursorEntry> check_out(std::int64_t id, std::stop_source interrupt = std::stop_source(std::nostopstate)) = 0;
  // Whether one that is checked out was killed since.
  virtual bool was_killed(std::int64_t id) const = 0;
  // Gives it back under the same id. If it was killed meanwhile it is destroyed.
  virtual void check_in(std::int64_t id, CursorEntry entry) = 0;
  // Ends a checkout whose cursor is exhausted or failed.
  virtual void drop(std::int64_t id) = 0;
  enum class Kill { kKilled, kNotFound };
  virtual Kill kill(std::int64_t id) = 0;
  // Nothing when there is no such cursor.
  virtual std::optional<std::vector<std::string>> users_of(std::int64_t id) const = 0;
  virtual std::optional<Namespace> namespace_of(std::int64_t id) const = 0;
  // What a getMore has to know before it has its place. Nothing when there is none, or another has it.
  struct Waiting {
    std::optional<Duration> time_left;  // of its maxTimeMS; not of a cursor that awaits data
    std::vector<Namespace> also_reads;
  };
  virtual std::optional<Waiting> look_at(std::int64_t id) const = 0;
  // Looks at every cursor once, however many sessions are meant.
  virtual std::size_t kill_of_sessions(const WhichSessions& which) = 0;
  virtual std::size_t kill_of_transaction(const SessionId& session, std::int64_t txn_number) = 0;
  struct Counts {
    std::int64_t open = 0, open_no_timeout = 0, pinned = 0, total_opened = 0, timed_out = 0;
  };
  virtual Counts counts() const = 0;
  // {cursorId, ns, lsid, createdDate, lastAccessDate, originatingCommand, ...} for $currentOp {idleCursors: true}.
  // Of those users alone, when there are some.
  virtual std::vector<bson::Document> describe(const std::vector<std::string>& of_users = {}) const = 0;
};

// {cursor: {firstBatch|nextBatch, postBatchResumeToken?, atClusterTime?, id, ns}}: the reply that all of them give. Runs
// the first batch; registers the cursor unless it is exhausted or `single_batch`.
struct CursorReplyOptions {
  BatchRequest request;
  std::string failing;  // what the server says was going on when the first batch fails, since 5.0
  bool single_batch = false;
  bool no_timeout = false;
  std::optional<bson::Timestamp> at_cluster_time;  // snapshot reads, 5.0+
  bool list_order = false;  // {id, ns, firstBatch}, as listCollections and a find on nothing have it
};
Result<bson::Document> first_batch_reply(CommandContext& context, std::unique_ptr<CommandCursor> cursor, Namespace ns,
                                         const CursorReplyOptions& options);

// After every batch of a cursor that goes on: it gives up what can be had again, and what it keeps is counted. 146 when there is no memory
// for that.
Status rest_between_batches(CommandContext& context, CursorEntry& entry);

// "what :: caused by :: message".
Error caused_by(std::string_view what, Error error);

// Over documents already at hand (listIndexes, listCollections).
std::unique_ptr<CommandCursor> make_list_cursor(std::vector<bson::Document> documents);

}  // namespace drover::sandbox
