#include "control/source_removals.h"

#include <algorithm>

namespace drover::control {
namespace {

constexpr std::chrono::milliseconds kLookEvery{50};
constexpr int kAttempts = 5;

template <typename Marked>
auto uses(const Marked& marked) {
  return [&marked](const AgentJob& job) {
    return std::any_of(marked.agents.begin(), marked.agents.end(), [&](const Agent& agent) { return agent.hostname == job.hostname; }) ||
           std::any_of(marked.deployments.begin(), marked.deployments.end(), [&](const MonitoredDeployment& one) { return one.name == job.cluster; });
  };
}

}  // namespace

Result<std::vector<Agent>> SourceRemovals::users_of_key(const std::string& group, const std::string& key) {
  auto agents = TRY(parts_.agents.of_project(group));
  // Which key an older session is of was not told: it may be this one.
  std::erase_if(agents, [&](const Agent& agent) { return !agent.key.empty() && agent.key != key; });
  return agents;
}

Result<SourceRemovals::Marked> SourceRemovals::mark(const std::string& by, std::vector<Agent> agents, std::vector<MonitoredDeployment> deployments) {
  Marked marked{{}, std::move(deployments)};
  for (auto& agent : agents)
    if (TRY(parts_.agents.take_away(agent, by))) marked.agents.push_back(std::move(agent));
  for (const auto& deployment : marked.deployments) TRY(parts_.deployments.take_away(deployment, by));
  return marked;
}

Status SourceRemovals::unmark(const std::string& by, const Marked& marked) {
  for (const auto& agent : marked.agents)
    if (agent.leaving.empty() || agent.leaving == by) TRY(parts_.agents.give_back(agent, by));  // else it had been taken away before
  for (const auto& deployment : marked.deployments) TRY(parts_.deployments.give_back(deployment, by));
  return {};
}

// Of what is marked already.
Result<std::vector<AgentJob>> SourceRemovals::needing(const std::string& group, const Uses& uses, const std::vector<AgentJob>& coming) {
  std::vector<AgentJob> found;
  for (const auto until = runtime_.now() + kDecisionPatience; runtime_.now() < until;) {
    found = TRY(parts_.jobs.open_of_project(group));
    std::erase_if(found, [&](const AgentJob& job) { return !job.needs_source() || !uses(job); });
    if (std::none_of(found.begin(), found.end(), [](const AgentJob& job) { return job.undecided() && job.held.empty(); })) break;  // what is held has no decision to wait for
    if (!runtime_.sleep(kLookEvery, {})) break;
  }
  for (const auto& job : coming)
    if (uses(job)) found.push_back(job);
  return found;
}

Result<SourceRemovals::Removed> SourceRemovals::remove_key(const std::string& group, const std::string& id, How how) {
  const auto record = TRY(parts_.keys.record(group, id));
  if (!record) return Removed{};
  const auto by = new_id(runtime_);
  const auto coming = parts_.worker.look_for_work(group);
  const auto before = TRY(mark(by, TRY(users_of_key(group, id)), {}));
  if (how == How::kUnlessNeeded) {
    if (auto needed_by = TRY(needing(group, uses(before), coming)); !needed_by.empty()) {
      TRY(unmark(by, before));
      return Removed{true, std::move(needed_by)};
    }
  }
  const bool there = TRY(parts_.keys.remove(group, id));
  // An agent may have registered meanwhile, and work may have come to it. From here on the key lets nobody in.
  auto after = TRY(mark(by, TRY(users_of_key(group, id)), {}));
  if (how == How::kUnlessNeeded) {
    if (auto needed_by = TRY(needing(group, uses(after), {})); !needed_by.empty()) {
      TRY(parts_.keys.put_back(*record));
      std::erase_if(after.agents, [&](const Agent& agent) {
        return std::any_of(before.agents.begin(), before.agents.end(), [&](const Agent& one) { return one.id == agent.id && one.epoch == agent.epoch && !one.leaving.empty(); });
      });
      TRY(unmark(by, after));
      return Removed{true, std::move(needed_by)};
    }
  }
  return Removed{there, {}};
}

Result<SourceRemovals::Removed> SourceRemovals::remove_host(const std::string& group, const std::string& id, Deployments::Last last) {
  const auto coming = parts_.worker.look_for_work(group);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto host = TRY(parts_.deployments.host(group, id));
    if (!host) return Removed{};
    const auto by = new_id(runtime_);
    Marked marked;
    if (const auto deployment = TRY(parts_.deployments.find(group, host->deployment))) marked = TRY(mark(by, {}, {*deployment}));
    if (auto needed_by = TRY(needing(group, uses(marked), coming)); !needed_by.empty()) {
      TRY(unmark(by, marked));
      return Removed{true, std::move(needed_by)};
    }
    const auto removed = TRY(parts_.deployments.remove_host(group, id, by, last));
    TRY(unmark(by, marked));  // others of its hosts stay
    if (removed == Deployments::Removal::kLast) return Removed{true, {}, true};
    if (removed != Deployments::Removal::kNotMarked) return Removed{removed == Deployments::Removal::kDone, {}};
  }
  return fail(ErrorCode::kWrongState, "the host's deployment changes all the time; try again");
}

Result<std::vector<AgentJob>> SourceRemovals::needing_project(const std::string& group) {
  const auto coming = parts_.worker.look_for_work(group);
  return needing(group, [](const AgentJob&) { return true; }, coming);
}

// The keys first: from then on nobody registers.
Status SourceRemovals::forget_project(const std::string& group) {
  TRY(parts_.keys.forget_project(group));
  TRY(parts_.agents.forget_project(group));
  return parts_.deployments.forget_project(group);
}

}  // namespace drover::control
