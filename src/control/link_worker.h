// The manager site's part of every link: claims what was begun, tells the atlas site of projects, deployments and migration hosts,
// asks for work, hands it to agents, and passes their reports on. One step for one link; whoever runs it — a thread of each
// server process — may run it at the same time as another: every change is conditional, every call may be repeated.
#pragma once

#include <map>
#include <stop_token>
#include <string>

#include "base/log.h"
#include "base/runtime.h"
#include "control/agent_jobs.h"
#include "control/agents.h"
#include "control/atlas_client.h"
#include "control/deployments.h"
#include "control/identity.h"
#include "control/site_links.h"

namespace drover::control {

inline constexpr std::chrono::seconds kSyncEvery{60};
inline constexpr std::chrono::seconds kWorkerStep{1};
inline constexpr std::chrono::seconds kLookPatience{5};
inline constexpr std::size_t kMaxFollowedLinks = 200;  // of one process

class LinkWorker {
 public:
  struct Parts {
    SiteLinks& links;
    Identity& identity;
    Agents& agents;
    Deployments& deployments;
    AgentJobs& jobs;
  };
  LinkWorker(Parts parts, AtlasOptions options, Runtime& runtime, Log& log)
      : parts_(parts), options_(std::move(options)), runtime_(runtime), log_(log) {}

  // Until stopped. A thread for each link, so that a site that does not answer keeps nobody else waiting.
  void run(const std::stop_token& stop);

  // For who asks for it now. Thread-safe. What the answer of the other site was is the result; a link that it does not know any
  // more is removed here, and is kUsage.
  Status claim_now(SiteLink link, const std::stop_token& stop);
  Status sync_now(const SiteLink& link, const std::stop_token& stop);
  // Takes the work that the organization's link has for the project now. The answer: validations and migrations of it that the other site
  // has begun and not given out yet. A site that does not answer within kLookPatience has none.
  std::vector<AgentJob> look_for_work(const std::string& group);
  // Ends the link on both sites. kWrongState: a migration is active.
  Status disconnect(const SiteLink& link, const std::stop_token& stop);

 private:
  struct Pace {
    SteadyTime next_poll{}, next_sync{};
    int failures = 0;
    std::string metadata;  // as it was sent last
  };
  void follow(const std::string& org, const std::string& link, const std::stop_token& stop);
  void attend(const SiteLink& link, Pace& pace, const std::stop_token& stop);
  Status take_work(const SiteLink& link, std::chrono::seconds& pause, const std::stop_token& stop);
  Status take_items(const SiteLink& link, const AtlasClient::Work& work, const std::stop_token& stop);
  Status take_item(const SiteLink& link, const Json& item, const std::stop_token& stop);
  Result<bool> nobody_to_forget(const AgentJob& job);
  Status relay(const SiteLink& link, const std::stop_token& stop);
  Result<std::map<std::string, Json::Object>> metadata_of(const std::string& org);
  Result<Json::Object> project_metadata(const Project& project);
  Result<std::optional<std::string>> refuses_host(const Json& item);

  Parts parts_;
  const AtlasOptions options_;
  Runtime& runtime_;
  Log& log_;
};

}  // namespace drover::control
