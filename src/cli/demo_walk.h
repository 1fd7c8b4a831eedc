// `drover demo --control-plane`: all three stages of a live migration as Cloud Manager and Atlas have them, step by step, as
// they would be done by hand. What is done stands in demo_walk.cc in the order in which a person does it; the processes are
// DemoSites', the printing and running of commands DemoShell's. Belongs to the main thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "cli/demo_directory.h"
#include "cli/demo_shell.h"
#include "cli/demo_sites.h"
#include "cli/demo_watch.h"
#include "workload/live_workload.h"

namespace drover::cli {

class DemoWalk {
 public:
  struct Options {
    std::string source_host;       // "127.0.0.1:27017"
    std::string source_uri;        // of the administrators
    std::string destination_uri;
    bool gated = false;            // the source cannot refuse writes: at the cutover its writers are stopped
    bool one_process = false;
    bool headless = false;
  };
  // The connection strings of the administrators stand in source.uri and destination.uri of the directory, too.
  DemoWalk(const DemoDirectory& directory, DemoWatch& watch, Runtime& runtime, Options options);

  Status start_sites();
  void introduce_application() { shell_.heading(0, "The application: real data in the source, and writers that go on through all that follows"); }
  // What is there before a migration: projects, keys, a deployment that is monitored, a destination cluster.
  Status prepare();
  // Stages 1 to 3, until the migration is COMPLETE.
  Status link();
  Status connect();
  Status migrate(workload::LiveWorkload& workload);
  // What `drover verify --json` printed. kMismatch when it found a difference.
  Result<Json> verify();
  Status clean_up();

  // During all waits from now on an error of this ends them.
  void look_at(std::function<Status()> healthy) { shell_.look_at(std::move(healthy)); }
  // Servers and agents, in a bounded time.
  void end() { sites_.end(); }

  // The figures in the words of the ordinary demo's object; what a control plane does not tell is null.
  Json figures() const;
  // {"processes", "readyAfterSeconds", "migration", "steps"}
  Json story() const;

 private:
  Status team_key(DemoShell::Terminal& terminal, const std::string& file);
  Status project(DemoShell::Terminal& terminal, const std::string& name);
  Status as_administrator(const std::string& uri, const std::string& command, const std::string& user);
  Status monitor();
  Status migration_user();
  Status await_migration_host();
  Status await_offer();
  Status validate_and_start();
  Status follow();
  Status cut_over(workload::LiveWorkload& workload);
  Status check_users();
  Status await_forgotten();
  // Asks again, quietly, until `found` says so.
  Status await(const DemoShell::Terminal& terminal, const std::string& command, const std::function<bool(const Json&)>& found,
               const std::string& what);

  const DemoDirectory& directory_;
  DemoWatch& watch_;
  Runtime& runtime_;
  const Options options_;
  DemoShell shell_;
  DemoSites sites_;
  std::string deployment_;       // how the manager site calls the source
  SteadyTime started_{};         // of the migration
  std::optional<double> copy_seconds_, ready_seconds_;
  double max_lag_ = 0;
  Json migration_;               // as it was shown last
};

}  // namespace drover::cli
