// Reads the source's changes from its oplog, in order and without gaps, and hands them to the router in bounded batches.
// Owns nothing durable: after any failure it opens again at the last entry it handed on. Runs on a thread of its own.
#pragma once

#include <stop_token>
#include <vector>

#include "base/bounded_queue.h"
#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/byte_budget.h"
#include "engine/oplog_parser.h"

namespace drover::engine {

inline constexpr std::size_t kReaderBatchBytes = 1 << 20;
inline constexpr std::size_t kReaderQueueBatches = 8;

struct ChangeBatch {
  std::vector<ChangeEvent> events;
  ClusterTime upto;      // every event with ts ≤ upto has been handed on with this batch
  bool complete = true;  // false: more events of `upto`'s oplog time follow in the next batch
  ByteBudget::Grant grant{};
};

class ChangeReader {
 public:
  // Every batch in `out` has its grant from `budget`.
  ChangeReader(cluster::Deployment& source, Runtime& runtime, Log& log, ByteBudget& budget, BoundedQueue<ChangeBatch>& out)
      : source_(source), runtime_(runtime), log_(log), budget_(budget), out_(out) {}

  // Reads from just after `position`, whose entry must still exist, until stopped. Returns only an error.
  Error run(ClusterTime position, std::stop_token stop);

 private:
  class Hand;
  Status follow(ClusterTime& position, const std::stop_token& stop);
  Status earlier_parts(ClusterTime last, const EventSink& add);

  cluster::Deployment& source_;
  Runtime& runtime_;
  Log& log_;
  ByteBudget& budget_;
  BoundedQueue<ChangeBatch>& out_;
};

}  // namespace drover::engine
