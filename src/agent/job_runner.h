// One job from the moment it is known to the moment it is forgotten. A thread works on it, another reports: so that a step
// that takes long is no silence. Destroying it stops both and leaves the engine alone, unless that is not to outlive the agent.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "agent/host.h"
#include "agent/job.h"
#include "agent/log_shipper.h"
#include "agent/migration_job.h"

namespace drover::agent {

inline constexpr std::chrono::seconds kStepEvery{1};
inline constexpr std::chrono::seconds kReportAtLeastEvery{10};

class JobRunner {
 public:
  // The job's directory is there, and holds what was known of it: a final report goes on to be sent. One that is to be ended has this host's turn at
  // once, where it is free.
  JobRunner(Host& host, Job job);
  ~JobRunner();

  const std::string& id() const { return id_; }
  // What is wanted now. Kept in the directory before it counts. An older revision changes nothing.
  void want(const Job& job);
  // Forgotten, or given up by the site: this object may go.
  bool finished() const { return finished_; }
  // The site has another process for this host: this one must end.
  bool session_replaced() const { return replaced_; }

 private:
  void work(const std::stop_token& stop);
  void take_step(const Job& job, const std::stop_token& stop);
  Turn take_turn();
  void give_turn();
  void settle(const Report& report);
  void forget(const std::stop_token& stop);
  void report(const std::stop_token& stop);
  Status send(const Json::Object& fields, const std::stop_token& stop);
  void ship_log(const std::stop_token& stop);
  void set_aside();

  Host& host_;
  const std::string id_;
  std::unique_ptr<Runtime::Monitor> lock_;
  Job job_;             // under the lock
  Json::Object fields_; // the report, under the lock
  bool final_ = false;  // under the lock
  bool forgotten_ = false;  // its files are gone, under the lock
  std::atomic<bool> finished_{false}, replaced_{false};
  std::unique_ptr<MigrationJob> migration_;
  LogShipper log_;
  std::unique_ptr<Runtime::Thread> worker_, reporter_;
};

}  // namespace drover::agent
