// The source's side of `drover server`, put together: agents and what they monitor, links to Atlas sites, the work that comes
// over them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/agent_api.h"
#include "api/route_table.h"
#include "control/link_worker.h"
#include "control/source_removals.h"
#include "net/http_message.h"

namespace drover::cli {

class ManagerRole {
 public:
  struct Options {
    std::string link_ca_file;
    int poll_seconds = 5;
    int monitoring_seconds = 60;
  };
  // What is passed by reference outlives this.
  ManagerRole(control::Store& store, const control::SealedKeys& keys, control::Identity& identity, Runtime& runtime, Log& log, Options options);

  void add_routes(api::RouteTable& table);
  // As api::IdentityHooks have them.
  Result<std::map<std::string, Json::Object>> monitored_facts(const std::vector<std::string>& groups);
  Result<std::string> project_of_agent_key(const std::string& key) { return keys_.group_of(key); }
  // A refusal while a validation or migration needs what is in it.
  api::RestResult<int> may_delete_project(const std::string& group);
  // Its keys, agents and deployments go, once it is settled that it does. May be repeated.
  Status forget_project(const std::string& group) { return removals_.forget_project(group); }
  Result<std::vector<std::string>> projects_of_agent_keys() { return keys_.projects(); }
  // A refusal while it is connected to Atlas.
  api::RestResult<int> may_delete_organization(const std::string& org);
  // What it has begun too late goes, once it is settled that it does. May be repeated.
  Status forget_organization(const std::string& org) { return links_.forget_organization(org); }
  // Below api::kAgentPrefix. Thread-safe.
  net::HttpResponse handle_agent(const net::HttpRequest& request) { return agent_api_.handle(request); }
  // Attends to the links on a thread of its own, until this goes.
  void start();

 private:
  Runtime& runtime_;
  control::Identity& identity_;
  control::SiteLinks links_;
  control::AgentKeys keys_;
  control::Agents agents_;
  control::AgentJobs jobs_;
  control::EventLog events_;
  control::Deployments deployments_;
  control::LinkWorker worker_;
  control::SourceRemovals removals_;
  api::AgentApi agent_api_;
  std::unique_ptr<Runtime::Thread> attending_;
};

}  // namespace drover::cli
