// The engine as a service that is told what to do: start, pause, resume, commit, and asked how far it is. It owns the run of
// one Migration and its state machine (spec/engine.md 3.1); who tells it — HTTP, a test — is not its business.
//
// What was asked is recorded on the destination (x_control) before a call succeeds, so a new process finds it and goes on by
// itself: paused ones stay paused, a commit that was accepted goes on. Calls are thread-safe and take their turns; progress()
// never waits for them. A call that fails has changed nothing.
//
// A commit that ends for what only the operator can mend (a writer that was seen on the source, the deadline) is given up: that is recorded before anything
// else, the state is RUNNING again, and no process commits before it is asked to anew.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.h"
#include "cluster/deployment.h"
#include "engine/migration.h"
#include "engine/options.h"

namespace drover::engine {

enum class SyncState { kInitializing, kIdle, kRunning, kPaused, kCommitting, kCommitted };
const char* name_of(SyncState state);  // "IDLE"

struct SyncRequest {
  int source = 0;  // 0: cluster0 to cluster1; 1: the other way
  std::vector<std::string> includes;  // "db" or "db.collection"
  std::vector<std::string> excludes;
  bool block_destination = true;

  bool operator==(const SyncRequest&) const = default;
};

// The last order to commit.
struct CommitOrder {
  bool asked = false;                   // and neither done nor given up
  std::optional<std::int64_t> request;  // what whoever asked calls it: the same is never carried out again once it was given up
  std::string given_up;                 // why; empty: it was not
  // The source's time when it was accepted (engine/order_time.h): where nothing blocks the source, what was written since is taken for the writer that it is, by whoever goes
  // on with it after a crash, too. None: an older version has accepted it.
  ClusterTime since;
};

struct SyncProgress {
  SyncState state = SyncState::kInitializing;
  std::optional<int> source;  // once started
  Progress migration;
  std::optional<std::int64_t> ping_millis[2];  // of source and destination; -1: it did not answer
  std::optional<std::chrono::seconds> oplog_left;     // until what is needed next falls off the source's oplog
  std::optional<std::chrono::seconds> until_caught_up;  // while the lag is falling
  bool source_blocks = false;  // its writes are, or will be, blocked at the cutover
  CommitOrder commit;
};

class SyncControl {
 public:
  // Answers a deployment for cluster 0 or 1; its errors are those of the part it plays, kNone before that is known.
  enum class Part { kNone, kSource, kDestination };
  using Connect = std::function<Result<std::unique_ptr<cluster::Deployment>>(int cluster, Part part)>;

  // With Options::job only that job's migration is gone on with (job_state.h); without, whose it is stays as it was found.
  SyncControl(Connect connect, Runtime& runtime, Log& log, Options options);
  ~SyncControl();  // as stop()

  // Looks for a migration to go on with; until then INITIALIZING. Blocks; failures are what ends the process.
  Status open(const std::stop_token& stop);
  // kWrongState unless IDLE; the same request again while it is under way succeeds and does nothing. Refusals of preflight
  // leave it IDLE.
  Status start(const SyncRequest& request);
  Status pause();
  Status resume();
  // kWrongState also for a request that was given up before. A source that does not answer for kOrderPatience fails the call.
  Status commit(std::optional<std::int64_t> request = {});

  SyncProgress progress() const;
  // The migration cannot go on: the process should end.
  std::optional<Error> failure() const;
  // Ends the run; everything is recorded.
  void stop();

 private:
  struct Session;
  class Turn;
  Status begin(const SyncRequest& request, const CommitOrder& commit);
  Status commit_given_up(Session& session, const SyncRequest& request, const Error& why, const std::stop_token& stop);
  Status await_record(const std::shared_ptr<Session>& session, const SyncRequest& request);
  Status found(int destination, const bson::Document& control, const std::stop_token& stop);
  Status wrong_state(const char* wanted) const;
  bson::Document control(const SyncRequest& request, bool paused, const CommitOrder& commit) const;
  CommitOrder commit_order() const;
  void run(Session& session);
  void watch(const std::stop_token& stop);
  void look(Session& session, SteadyTime now);
  std::shared_ptr<Session> session() const;
  void enter(SyncState state);

  const Connect connect_;
  Runtime& runtime_;
  Log& log_;
  const Options options_;
  std::string job_;  // of the migration that it goes on with; set by open()
  std::unique_ptr<Runtime::Monitor> lock_;
  bool turn_taken_ = false;
  SyncState state_ = SyncState::kInitializing;
  std::optional<SyncRequest> request_;
  CommitOrder commit_;
  std::shared_ptr<Session> session_;
  Progress found_;  // of a migration that was found paused, until it goes on
  std::optional<Error> failure_;
  std::stop_source stopping_;
  std::unique_ptr<Runtime::Thread> watcher_;
};

}  // namespace drover::engine
