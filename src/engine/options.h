#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/runtime.h"
#include "bson/document.h"
#include "engine/cutover.h"
#include "engine/hold_queue.h"
#include "engine/planner.h"
#include "model/namespace_filter.h"

namespace drover::engine {

enum class CommitPolicy {
  kWhenReady,  // as soon as the commit gate opens
  kManual,     // when Options::may_commit says so
  kNever,      // follow the source until stopped
};

// What is compared before the cutover, besides the catalogs.
enum class VerificationMode {
  kNone,       // the simulation, where no safety net is to hide a fault
  kCounts,     // how many documents both sides say they have
  kDocuments,  // that, and every document byte by byte
};

struct Options {
  NamespaceFilter filter;
  bson::Document source;  // what tells it from other deployments (preflight::Report), kept with the migration
  std::string destination_user;  // who writes there (preflight::Report)
  bool resuming = false;  // a migration was found to go on with (preflight::Report): nobody looked whether the destination is empty
  CommitPolicy commit = CommitPolicy::kWhenReady;
  std::function<bool()> may_commit;             // asked again and again while the gate is open (kManual)
  // A cutover that may_commit ordered has ended for what only the operator can mend (Cutover::Options::given_up): to be recorded, so that whoever goes on
  // does not try it again. Once that is done the run goes on following the source; without it, or when it fails, the run ends.
  std::function<Status(const Error& why, const std::stop_token& stop)> commit_given_up;
  // The source's time of the order that may_commit lets pass, whichever process has taken it: since when nobody should write to a source that is not
  // blocked (Cutover::Options::quiet_since). None, or empty: not known.
  std::function<ClusterTime()> ordered_at;
  std::function<Status()> before_cutover;       // stops the application's writes; must succeed before the fence
  // Once the destination takes writes. Called until it has succeeded once, by later runs too; `again` says that an earlier
  // call may have done all or part of it.
  std::function<Status(bool again)> after_cutover;
  int copiers = 4;
  int lanes = 8;
  int verifiers = 2;
  VerificationMode verification = VerificationMode::kCounts;
  std::string spool_directory = "/tmp";
  std::size_t held_memory = kHeldMemoryBytes;
  std::uint64_t held_disk = kHeldDiskBytes;
  std::int64_t partition_bytes = kPartitionBytes;  // aim of one partition
  Duration checkpoint_every = std::chrono::milliseconds(500);
  Duration cutover_deadline = kCutoverDeadline;
  // What a front keeps with the migration (Migration::save_control): recorded as soon as this process is the only writer,
  // then told.
  std::optional<bson::Document> control;
  std::function<void()> control_saved;
  std::string job;  // whose state it may go on with (job_state.h); `control` holds it. Empty: any
  bool block_destination = true;                // users cannot write it until the cutover, where the server can do that
};

// `--load-level` 1..4.
void set_load_level(Options& options, int level);

}  // namespace drover::engine
