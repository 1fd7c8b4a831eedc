// The control plane of the demo as processes: a manager site, an Atlas site and agents; or all of it in one process.
// Belongs to the main thread. Destroying it ends them, in a bounded time.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/runtime.h"
#include "cli/child_process.h"
#include "cli/demo_shell.h"
#include "cli/demo_watch.h"

namespace drover::cli {

inline constexpr const char* kMigrationHost = "mig01";

class DemoSites {
 public:
  DemoSites(const DemoDirectory& directory, DemoShell& shell, DemoWatch& watch, Runtime& runtime, bool one_process)
      : directory_(directory), shell_(shell), watch_(watch), runtime_(runtime), one_process_(one_process) {}
  ~DemoSites() { end(); }
  DemoSites(const DemoSites&) = delete;

  bool one_process() const { return one_process_; }
  // The first organizations with their owners' keys, then the servers; from here on the terminals are logged in.
  Status start();
  // An agent that only monitors, beside the deployment; before there is a migration host.
  Status start_monitoring(const std::string& config);
  // In one process the server takes the configuration up by itself.
  Status start_migration_host(const std::string& config);
  // In order: the agent ends its engine.
  void end_migration_host();
  // Whatever is left.
  void end();

  // Terminals of people: the source's site, the destination's, the migration host.
  DemoShell::Terminal& manager() { return manager_; }
  DemoShell::Terminal& atlas() { return atlas_; }
  const DemoShell::Terminal& host() const { return host_; }
  // Of the migration host, where its jobs are.
  std::string host_data() const;

 private:
  Status start_server(DemoShell::Terminal& terminal, const std::string& role, const std::string& more, std::optional<ChildProcess>& process);
  Status start_agent(const std::string& config, const std::string& name, std::optional<ChildProcess>& process);
  Result<int> port_of(const std::string& name);
  void keep_watch(const ChildProcess& process, const std::string& what, const std::string& name);

  const DemoDirectory& directory_;
  DemoShell& shell_;
  DemoWatch& watch_;
  Runtime& runtime_;
  const bool one_process_;
  DemoShell::Terminal manager_{"manager", {}}, atlas_{"atlas", {}}, host_{kMigrationHost, {}}, monitored_{"db1", {}};
  std::optional<ChildProcess> manager_server_, atlas_server_, monitoring_, migration_host_;
};

}  // namespace drover::cli
