// The events of a stream, one after another, from the oplog. Transactions are unwound when their last entry is met; the
// earlier parts of a large one are read back one entry at a time.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "sandbox/changestream/event_builder.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox::changestream {

class EventSource {
 public:
  // 286 ChangeStreamHistoryLost when the start is before the oplog's oldest entry.
  static Result<std::unique_ptr<EventSource>> open(Engine& engine, Options options);

  // Nothing: the end of the oplog for now, or `scan_until` has passed.
  Result<std::optional<Event>> next(SteadyTime scan_until);
  // The stream has been invalidated and its invalidate event was returned.
  bool ended() const { return ended_; }
  // Where a client may resume so as to miss nothing after the event last returned.
  ResumeToken position() const;
  bson::Timestamp oplog_position() const { return read_to_; }
  void rest() { oplog_->rest(); }
  // Events, and the entry of a transaction that is being unwound.
  std::size_t kept_bytes() const;
  // Another source of the same stream, from behind `token`, which this one or what was made of its events has given.
  Result<std::unique_ptr<EventSource>> again_after(ResumeToken token) const;

 private:
  EventSource(Engine& engine, Options options, bson::Timestamp start);
  Result<std::optional<Event>> next_unfiltered(SteadyTime scan_until);
  Result<bool> take_entry();
  Result<std::optional<Event>> from_transaction();
  Status begin_transaction(bson::View entry);
  Status load_part();
  void queue_invalidate(Event& event, const Operation& operation);
  Result<bool> is_before_resume(const Event& event);

  struct TransactionState {
    std::vector<bson::Timestamp> parts;  // entries still to be read, the next one last
    bson::Document entry;                // the one being read
    bson::Timestamp entry_time;
    std::vector<bson::View> operations;  // of it
    std::size_t next = 0;
    std::int64_t index = 0;              // of the next operation, over all parts
    bson::Document commit;               // the last entry: time, session, wall clock
  };

  Engine& engine_;
  const Options options_;
  Lookups lookups_;
  std::unique_ptr<OplogCursor> oplog_;
  bson::Timestamp start_;
  bson::Timestamp read_to_;                 // everything at or before it was read
  std::optional<TransactionState> transaction_;
  std::deque<Event> ready_;
  std::optional<ResumeToken> last_;         // of the event last returned
  std::optional<std::string> resume_at_;    // hex: events up to it are skipped
  bool resume_inside_ = false;              // but not itself: the client has some fragments of it
  bool ended_ = false;
};

}  // namespace drover::sandbox::changestream
