// One migration on this host: starts and watches its engine and brings it to the state that is wanted. Every step can be
// taken again by another process: what must not be done twice leaves a mark in the job's directory first.
//
// First the destination is looked at (destination_state.h): what another migration left there is refused, or removed where that is asked for.
// RUN and CUTOVER: the engine runs. When it ends it is started again, with a growing pause: its state is on the destination. What the
// engine itself calls hopeless, several times in a row, is FAILED, and so is what ends again and again for an hour without having moved
// (restart_policy.h); the error names the cause. A request for the cutover that the engine has given up (a writer was seen on the source) is not made
// again: the report says so, and the migration goes on until another one comes; only where requests have no number it is. But a full disk of this host is waited for. STOP: the engine is ended, its state
// removed, the source as it was found; a cutover that was decided is carried to its end instead. A removal that this process's end
// interrupts is carried on by the next one, which says so first (report_at_first); so is a failure whose removal has not ended.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "agent/engine_process.h"
#include "agent/host.h"
#include "agent/job.h"
#include "agent/restart_policy.h"
#include "agent/sync_client.h"

namespace drover::agent {

inline constexpr std::chrono::minutes kEngineSilence{5};   // running, without an answer: it is killed, and started again
inline constexpr std::chrono::seconds kEngineSilentAfter{20};  // likewise: it is told
inline constexpr std::chrono::minutes kHealthyAfter{1};    // of running, with something done: earlier ends are forgotten
inline constexpr std::chrono::seconds kEngineFarewell{20};
inline constexpr std::chrono::minutes kCommitPatience{2};  // with a cutover that runs when it is to be stopped
inline constexpr std::chrono::minutes kCleanupLimit{10};  // whoever wrote there last may have been another user, whose requests are waited for (engine::kOtherUserGoneAfter)
inline constexpr std::chrono::minutes kConfirmedFor{1};
inline constexpr std::chrono::seconds kCommitAgain{15};  // after a request without a number that was given up

inline constexpr std::chrono::minutes kUnansweredStop{10};  // of a job without a file that says it was begun: then the host is free again

// What there is to say of a job before this process has taken a step: what an earlier one did not bring to its end.
Report report_at_first(const std::string& job_directory);
// An engine of it was told to start: it may have left something.
bool was_begun(const std::string& job_directory);

class MigrationJob {
 public:
  MigrationJob(Host& host, const Job& job);

  // One step; what there is to say afterwards. A final state is the last one: the engine has ended then.
  Report step(const Job& job, const std::stop_token& stop);
  // It is to be forgotten, or its files are about to go: no engine is left.
  void end_engine(const std::stop_token& stop);

 private:
  std::optional<Error> refusal(const Job& job) const;
  Report follow(const Job& job, const std::stop_token& stop);
  Report wind_up(const Job& job, const std::stop_token& stop);
  Report keep_running(const Job& job, const std::stop_token& stop);
  Report watch(const Job& job, const std::stop_token& stop);
  Status begin(const Job& job, int port, const std::stop_token& stop);
  void note_recorded(const Job& job);
  Result<std::optional<Error>> prepare(const Job& job, const std::stop_token& stop);
  Status is_wanted_now(const Job& job) const;
  Result<bool> has_begun(const Job& job, const std::stop_token& stop);
  // Nothing was there; it was begun, and is gone; it was committed; its cutover is decided, and nothing is removed.
  enum class Removed { kNothing, kBegun, kCommitted, kDecided };
  Result<Removed> clean_up(const Job& job, const std::stop_token& stop);
  // `only`: "begun", and a commit stays with its record; "committed", and anything else does (kWrongState).
  Result<Removed> remove_state(const Job& job, const std::string& owner, const char* only, const std::stop_token& stop);
  Report failed(const Job& job, const Error& why, const std::stop_token& stop);
  Report still(JobState state, std::string warning = {});
  Report unanswered(SteadyTime now) const;
  bool has_mark(const char* name) const;
  Status set_mark(const char* name) const;
  void remove_mark(const char* name) const;
  static RestartPolicy::End kind_of(const EngineProcess::LastWords& words, const Job& job);
  Report fruitless(const Job& job, RestartPolicy::End how, std::string because, const std::string& while_waiting, const std::stop_token& stop);
  void note_moves(const SyncProgress& progress, SteadyTime now);
  void cut_over(const Job& job, const SyncProgress& progress, int port, std::vector<std::string>& warnings, const std::stop_token& stop);

  SteadyTime stop_asked_{};  // since when a stop waits for the destination's answer
  Host& host_;
  const std::string directory_;
  EngineProcess engine_;
  Report last_;
  bool started_ = false;      // by this process, or found running: its end is to be looked at
  bool forward_ = false;      // the cutover is decided: whatever is wanted, it is finished
  RestartPolicy restarts_;
  std::string ended_because_;
  std::optional<Error> given_up_;  // what it left on the destination is still to be removed
  std::int64_t copied_ = 0, applied_ = 0;  // as far as it has come
  int cleanups_ = 0;
  SteadyTime next_cleanup_{};
  SteadyTime running_since_{};
  SteadyTime answered_{};
  SteadyTime committing_since_{};
  SteadyTime commit_asked_{};
};

}  // namespace drover::agent
