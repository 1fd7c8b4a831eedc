// The manager site's part of every link: claims what was begun, tells the atlas site of projects, deployments and migration hosts,
// asks for work, hands it to agents, and passes their reports on. One step for one link; whoever runs it — a thread of each
// server process — may run it at the same time as another: every change is conditional, every call may be repeated.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "base/guarded.h"
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
inline constexpr std::chrono::seconds kJobSweepEvery{10};
inline constexpr std::chrono::seconds kLookPatience{5};
inline constexpr std::chrono::seconds kSyncPatience{10};  // of somebody who waits for it
inline constexpr std::chrono::minutes kHeldAgain{10};
inline constexpr std::size_t kMaxToldHeld = 10000;  // then all are told once more
inline constexpr std::size_t kMaxFollowedLinks = 200;  // of one process
inline constexpr std::size_t kMaxListedItems = 5000;   // of one answer; an Atlas site lists 1,000 at most

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

  // Takes a token, as SiteLinks::begin; a link keeps its organization from being deleted. kWrongState also: it was deleted meanwhile.
  Result<SiteLink> begin(const std::string& org, const std::string& token);
  // For who asks for it now. Thread-safe. What the answer of the other site was is the result; a link that it does not know any
  // more is removed here, and is kUsage.
  Status claim_now(SiteLink link, const std::stop_token& stop);
  // Undoes a begin whose claim was refused, not because of its token: what answered may be another site than it names, or this one may not be let in.
  Status give_up_claim(const SiteLink& link);
  // Within kSyncPatience, one at a time for each link; what takes longer the link's thread does afterwards, and this is kTemporary.
  Status sync_for_caller(const SiteLink& link);
  // Takes the work that the organization's link has for the project now. The answer: validations and migrations of it that the other site
  // has begun and not given out yet. A site that does not answer within kLookPatience has none.
  std::vector<AgentJob> look_for_work(const std::string& group);
  // Takes away the jobs of links that are gone: whoever removed one may have died before it came to them, or have been overtaken by a list of work that was read before.
  Status sweep();
  // Ends the link on both sites. kWrongState: a migration is active. kForced: here alone, when the other site does not answer or refuses otherwise.
  enum class How { kBoth, kForced };
  Status disconnect(const SiteLink& link, How how, const std::stop_token& stop);

 private:
  struct Pace {
    SteadyTime next_poll{}, next_sync{};
    int failures = 0;
    std::string metadata;  // as it was sent last
    std::size_t waiting = 0;  // items that are more than are open at once
  };
  Status sync(const SiteLink& link, std::optional<SteadyTime> until, const std::stop_token& stop);
  Status remember_begun(SiteLink link);
  void follow(const std::string& org, const std::string& link, const std::stop_token& stop);
  void attend(const SiteLink& link, Pace& pace, const std::stop_token& stop);
  Status take_work(const SiteLink& link, Pace& pace, std::chrono::seconds& pause, const std::stop_token& stop);
  Result<std::size_t> take_items(const SiteLink& link, const AtlasClient::Work& work, const std::stop_token& stop);
  Status take_item(const SiteLink& link, const Json& item, const AgentJob* known, const std::stop_token& stop);
  Status report_refused(const SiteLink& link, const Json& item, const std::string& why, const std::stop_token& stop);
  bool was_told_held(const std::string& item, const std::string& why);
  Status hold(const SiteLink& link, const Json& item, const AgentJob* job, const std::string& why, const std::stop_token& stop);
  Result<bool> nobody_to_forget(const AgentJob& job);
  Status relay(const SiteLink& link, const std::stop_token& stop);
  Result<std::map<std::string, Json::Object>> metadata_of(const std::string& org);
  Result<Json::Object> project_metadata(const Project& project);
  Result<std::optional<std::string>> refuses_host(const Json& item, bool begun);

  Parts parts_;
  const AtlasOptions options_;
  Runtime& runtime_;
  Log& log_;
  Guarded<std::set<std::string>> refreshing_;  // links that a caller of this process waits for
  Guarded<std::set<std::string>> asked_;       // links that are to be told of everything as soon as can be
  // What the other sites were told of items that are held here, by item: one that does not keep it is told again after kHeldAgain, not at each look.
  struct Held {
    std::string because;
    SteadyTime at{};
  };
  Guarded<std::map<std::string, Held>> told_held_;
};

}  // namespace drover::control
