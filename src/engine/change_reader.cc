#include "engine/change_reader.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/mutants.h"
#include "engine/retry.h"

namespace drover::engine {
namespace {
inline constexpr std::chrono::milliseconds kTailWait{500};
}  // namespace

Error ChangeReader::run(ClusterTime position, std::stop_token stop) {
  ClusterTime before = position;
  const auto moved = [&] { return std::exchange(before, position) != position; };
  const auto result = retry_temporary(runtime_, stop, [&]() -> Status {
    Status status = follow(position, stop);
    if (!status && status.error().code == ErrorCode::kTemporary) {
      log_.warn("the source's oplog cursor was lost; opening it again",
                {{"position", position.to_string()}, {"reason", status.error().message}});
    }
    return status;
  }, moved);
  return result ? stopped_error() : result.error();
}

// Gathers events into batches and hands them on, however many one oplog time has. The last event of a time is kept back until
// the time ends, for it is marked.
class ChangeReader::Hand {
 public:
  // `position` is moved as soon as times are handed on: what was handed on must never come again, for it may be settled.
  Hand(ChangeReader& reader, ClusterTime& position, const std::stop_token& stop)
      : reader_(reader), position_(position), stop_(stop), ended_(position) {}

  ClusterTime ended() const { return ended_; }

  Status add(ChangeEvent event, ClusterTime ts) {
    if (last_) gather(std::move(*last_));
    event.ts = ts;
    event.txn_index = index_++;
    event.last_of_ts = false;
    last_ = std::move(event);
    return bytes_ >= kReaderBatchBytes ? push(ts, false) : Status();
  }
  Status end(ClusterTime ts) {
    if (last_) {
      last_->last_of_ts = true;
      gather(std::move(*last_));
      last_.reset();
    }
    index_ = 0;
    ended_ = ts;
    return bytes_ >= kReaderBatchBytes ? push(ts, true) : Status();
  }
  // Everything that has ended.
  Status flush() { return ended_ > position_ ? push(ended_, true) : Status(); }

 private:
  void gather(ChangeEvent event) {
    bytes_ += event.bytes();
    batch_.events.push_back(std::move(event));
  }
  Status push(ClusterTime upto, bool complete) {
    position_ = ended_;
    batch_.upto = upto;
    batch_.complete = complete;
    batch_.grant = reader_.budget_.admit(bytes_, stop_);
    if (!batch_.grant || !reader_.out_.push(std::move(batch_), stop_)) return tl::unexpected(stopped_error());
    batch_ = {};
    bytes_ = 0;
    return {};
  }

  ChangeReader& reader_;
  ClusterTime& position_;
  const std::stop_token& stop_;
  ClusterTime ended_;
  ChangeBatch batch_;
  std::size_t bytes_ = 0;
  std::optional<ChangeEvent> last_;
  std::uint32_t index_ = 0;
};

Status ChangeReader::follow(ClusterTime& position, const std::stop_token& stop) {
  auto cursor = TRY_WITH(source_.tail_oplog(position), "following the source's changes");
  Hand hand(*this, position, stop);
  ClusterTime seen;  // of this cursor
  for (;;) {
    const auto entries = TRY_WITH(cursor->next(kTailWait, stop), "following the source's changes");
    if (stop.stop_requested()) return tl::unexpected(stopped_error());
    for (const auto& entry : entries) {
      const auto head = TRY(parse_oplog_head(entry));
      if (head.ts <= std::exchange(seen, head.ts)) {  // what is passed over as known would not be
        return fail(ErrorCode::kSource, fmt::format("following the source's changes: the oplog's entry at {} does not come after the one before it", head.ts.to_string()));
      }
      if (head.ts <= hand.ended()) continue;  // the first entry is the one that we know already
      const auto add = [&](ChangeEvent event) { return hand.add(std::move(event), head.ts); };
      if (head.earlier_part) {
        TRY(hand.flush());  // before anything can fail
        TRY(earlier_parts(*head.earlier_part, add));
      }
      if (head.has_events) TRY(parse_oplog_events(entry, add));
      TRY(hand.end(head.ts));
    }
    TRY(hand.flush());
  }
}

// A transaction whose oplog entries are several: the earlier ones are found back by their links and read again one at a
// time, so that memory holds one entry, whatever the transaction's size.
Status ChangeReader::earlier_parts(ClusterTime last, const EventSink& add) {
  std::vector<ClusterTime> parts;
  for (std::optional<ClusterTime> link = last; link;) {
    parts.push_back(*link);
    const auto entry = TRY_WITH(source_.oplog_entry(*link), "reading the earlier part of a transaction");
    link = TRY(previous_link(entry));
  }
  std::reverse(parts.begin(), parts.end());
  for (const auto& part : parts) {
    if (mutant("parts_skipped")) break;
    const auto entry = TRY_WITH(source_.oplog_entry(part), "reading the earlier part of a transaction");
    TRY(parse_oplog_head(entry, true));
    TRY(parse_oplog_events(entry, add));
  }
  return {};
}

}  // namespace drover::engine
