// Compares two deployments: catalogs first, then every document of every collection, byte by byte, in parallel and in bounded
// memory. Knows nothing of a migration, and shares no code with the engine: it is the proof that the engine is judged by.
//
// Both sides are read with majority, at or after the moment the comparison began. A side that is written to meanwhile shows
// differences that are only a matter of time; a side that fails is an error, never a mismatch.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "base/error.h"
#include "base/runtime.h"
#include "cluster/deployment.h"
#include "verifier/report.h"

namespace drover::verifier {

struct Options {
  std::function<bool(const Namespace&)> included;  // empty: everything that is migrated at all
  // Called when `included` has been asked for every namespace of both sides, before a document is read; its error is the end.
  std::function<Status()> listed;
  int parallelism = 4;
  // For the replies that are compared at a time, both sides of every thread; single documents may exceed their share.
  std::uint64_t max_memory = 64 << 20;
  std::size_t max_mismatches = 100;  // that the report lists; all are counted
  Duration retry_delay = std::chrono::seconds(1);
};

struct Progress {
  std::uint64_t ranges_total = 0;
  std::uint64_t ranges_done = 0;
  Volume compared;  // of the source
  std::uint64_t mismatches = 0;
};

// `progress` is called from the comparing threads, one at a time; it may be empty. After a transient
// failure a range goes on where it was; it is returned when several attempts in a row have not compared one document more.
Result<Report> verify(cluster::Deployment& source, cluster::Deployment& destination, const Options& options,
                      Runtime& runtime, const std::function<void(const Progress&)>& progress, std::stop_token stop);

}  // namespace drover::verifier
