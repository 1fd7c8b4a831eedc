// One range, both sides, document by document.
#pragma once

#include <functional>
#include <stop_token>

#include "base/error.h"
#include "cluster/deployment.h"
#include "verifier/range_planner.h"
#include "verifier/report.h"

namespace drover::verifier {

struct Sides {
  cluster::Deployment& source;
  cluster::Deployment& destination;
  // What was acknowledged on a side before the comparison began is in what is read of it.
  ClusterTime source_time;
  ClusterTime destination_time;
};

struct RangeResult {
  Volume source;
  Volume destination;
  std::uint64_t mismatch_count = 0;
  std::vector<Mismatch> mismatches;  // at most the limit
};

// How far a comparison that failed on the way has come. What it compared need not be compared again.
struct RangePosition {
  bson::Value last;  // the _id, last in the order of reading, up to which all was compared
  bool on_destination = false;  // with a collation: the source was read through, `last` is of the destination's reading
  RangeResult so_far;

  std::uint64_t compared() const { return so_far.source.documents + so_far.destination.documents; }
};

struct RangeOptions {
  std::size_t max_mismatches = 100;
  RangePosition* position = nullptr;  // goes on from there, and keeps it up to date; without one the range is begun anew
  std::function<void(Volume)> read;  // called after each batch with what it held; may be empty
};

// A merge of two streams in _id order; memory for one reply of each side. Collections with a collation are compared by
// looking up each side's documents on the other instead, since their order is the server's own affair.
Result<RangeResult> compare_range(const Sides& sides, const Range& range, const RangeOptions& options,
                                  const std::stop_token& stop);

}  // namespace drover::verifier
