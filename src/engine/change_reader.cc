#include "engine/change_reader.h"

#include <algorithm>
#include <utility>

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

Status ChangeReader::follow(ClusterTime& position, const std::stop_token& stop) {
  auto cursor = TRY_WITH(source_.tail_oplog(position), "following the source's changes");
  for (;;) {
    const auto entries = TRY_WITH(cursor->next(kTailWait, stop), "following the source's changes");
    if (stop.stop_requested()) return tl::unexpected(stopped_error());
    ChangeBatch batch;
    batch.upto = position;
    std::size_t bytes = 0;
    for (const auto& entry : entries) {
      auto parsed = TRY(parse_oplog_entry(entry));
      if (parsed.ts <= position) continue;  // the first entry is the one that we know already
      if (parsed.earlier_part) {
        if (batch.upto > position) {
          // Before anything can fail: what was handed on must never come again, for it may be settled.
          position = batch.upto;
          TRY(push(std::move(batch), stop));
        }
        TRY(hand_on_transaction(parsed, stop));
        position = parsed.ts;
        batch = ChangeBatch{{}, position, true};
        bytes = 0;
        continue;
      }
      for (auto& event : parsed.events) {
        bytes += event.bytes();
        batch.events.push_back(std::move(event));
      }
      batch.upto = parsed.ts;
      if (bytes >= kReaderBatchBytes) {
        position = batch.upto;
        TRY(push(std::move(batch), stop));
        batch = ChangeBatch{{}, position, true};
        bytes = 0;
      }
    }
    if (batch.upto > position) {
      position = batch.upto;
      TRY(push(std::move(batch), stop));
    }
  }
}

// A transaction whose oplog entries are several: the earlier ones are found back by their links and read again one at a
// time, so that memory holds one entry, whatever the transaction's size.
Status ChangeReader::hand_on_transaction(const ParsedEntry& last, const std::stop_token& stop) {
  std::vector<ClusterTime> parts;
  for (auto link = last.earlier_part; link;) {
    parts.push_back(*link);
    const auto entry = TRY_WITH(source_.oplog_entry(*link), "reading the earlier part of a transaction");
    link = previous_link(entry);
  }
  std::reverse(parts.begin(), parts.end());
  std::uint32_t index = 0;
  const auto emit = [&](std::vector<ChangeEvent> events, bool final) -> Status {
    ChangeBatch batch;
    batch.upto = last.ts;
    batch.complete = final;
    for (auto& event : events) {
      event.ts = last.ts;
      event.txn_index = index++;
      event.last_of_ts = false;
    }
    if (final && !events.empty()) events.back().last_of_ts = true;
    batch.events = std::move(events);
    return push(std::move(batch), stop);
  };
  for (const auto& part : parts) {
    if (mutant("parts_skipped")) break;
    const auto entry = TRY_WITH(source_.oplog_entry(part), "reading the earlier part of a transaction");
    auto parsed = TRY(parse_oplog_entry(entry, true));
    TRY(emit(std::move(parsed.events), false));
  }
  return emit(last.events, true);
}

Status ChangeReader::push(ChangeBatch batch, const std::stop_token& stop) {
  if (!out_.push(std::move(batch), stop)) return tl::unexpected(stopped_error());
  return {};
}

}  // namespace drover::engine
