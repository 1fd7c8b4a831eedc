#include "control/agents.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/fields.h"

namespace drover::control {
namespace {

constexpr const char* kCollection = "agents";
constexpr int kAttempts = 20;

}  // namespace

std::int64_t Agents::now_millis() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
}

// Seconds of this century's clock, small enough for numbers of 32 bits more.
std::int64_t Agents::epoch_of_now() const {
  constexpr std::chrono::sys_days kBegin{std::chrono::January / 1 / std::chrono::year(2024)};
  constexpr std::int64_t kMost = (std::int64_t{1} << 30) - (std::int64_t{1} << 24);  // of a clock that is wrong; the rest is for counting on
  return std::clamp<std::int64_t>(std::chrono::floor<std::chrono::seconds>(runtime_.wall_time() - kBegin).count(), 1, kMost);
}

Agent Agents::agent_of(bson::View document) const {
  Agent agent;
  agent.id = text_of(document, "_id");
  agent.group = text_of(document, "groupId");
  agent.agent_id = text_of(document, "agentId");
  agent.hostname = text_of(document, "hostname");
  agent.version = text_of(document, "version");
  const auto platform = object_of(document, "platform");
  agent.platform = {text_of(platform, "os"), text_of(platform, "arch"), text_of(platform, "distribution"), text_of(platform, "version")};
  agent.monitoring = flag_of(document, "monitoring");
  agent.cloud_migration = flag_of(document, "cloudMigration");
  agent.epoch = number_of(document, "epoch");
  agent.polls = number_of(document, "polls");
  agent.last_poll_millis = number_of(document, "lastPoll");
  agent.pings = number_of(document, "pings");
  agent.last_ping_millis = number_of(document, "lastPing");
  agent.address = text_of(document, "address");
  agent.key = text_of(document, "keyId");
  agent.leaving = text_of(document, "leaving");
  const auto life = std::chrono::duration_cast<std::chrono::milliseconds>(kAgentDownAfter).count();
  agent.alive = now_millis() - agent.last_poll_millis < life;
  return agent;
}

Result<Registered> Agents::hello(const std::string& group, const Hello& hello) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto known = TRY(store_.find_one(kCollection, bson::make_document({{"groupId", group}, {"hostname", hello.hostname}})));
    const auto last = known ? number_of(*known, "epoch") : 0;
    const auto epoch = std::max(last + 1, epoch_of_now());
    if (known && hello.only_if_free && agent_of(*known).alive)
      return fail(ErrorCode::kWrongState, fmt::format("another agent of {} is registered, and lives", hello.hostname));
    bson::Builder fields;
    fields.append("agentId", hello.agent_id).append("version", hello.version).append("address", hello.address);
    fields.append("keyId", hello.key).append("leaving", "");
    fields.append("platform", bson::make_document({{"os", hello.platform.os},
                                                   {"arch", hello.platform.arch},
                                                   {"distribution", hello.platform.distribution},
                                                   {"version", hello.platform.version}}));
    fields.append("monitoring", hello.monitoring).append("cloudMigration", hello.cloud_migration);
    fields.append("epoch", epoch).append("polls", std::int64_t{0}).append("pings", std::int64_t{0}).append("lastPoll", now_millis());
    const auto set = std::move(fields).finish();
    if (known) {
      bson::Builder still;
      still.append("_id", text_of(*known, "_id")).append("epoch", last);
      if (hello.only_if_free) still.append("lastPoll", number_of(*known, "lastPoll"));  // it may have come back
      if (TRY(store_.update(kCollection, std::move(still).finish(), bson::make_document({{"$set", set}})))) return Registered{epoch, false};
      continue;
    }
    if (TRY(store_.count(kCollection, bson::make_document({{"groupId", group}}))) >= kMaxAgentsOfProject && !TRY(make_room(group)))
      return fail(ErrorCode::kWrongState, fmt::format("the project has {} agents already, each of which lives or has a job", kMaxAgentsOfProject));
    bson::Builder document;
    document.append("_id", new_id(runtime_)).append("groupId", group).append("hostname", hello.hostname);
    document.append_all(set);
    if (TRY(store_.insert(kCollection, std::move(document).finish()))) return Registered{epoch, true};
  }
  return fail(ErrorCode::kTemporary, "registering the agent: others register under its name at the same time");
}

// Names of hosts come and go. The one that is silent longest goes, unless it has a job, which is its to end.
Result<bool> Agents::make_room(const std::string& group) {
  auto agents = TRY(of_project(group));
  std::erase_if(agents, [](const Agent& agent) { return agent.alive; });
  std::sort(agents.begin(), agents.end(), [](const Agent& a, const Agent& b) { return a.last_poll_millis < b.last_poll_millis; });
  for (const auto& agent : agents) {
    if (TRY(store_.find_one("agentJobs", bson::make_document({{"groupId", group}, {"hostname", agent.hostname}})))) continue;
    return TRY(store_.remove(kCollection, bson::make_document({{"_id", agent.id}, {"epoch", agent.epoch}}))) > 0;
  }
  return false;
}

Result<std::optional<Agent>> Agents::beat(const std::string& group, const std::string& agent_id, std::int64_t epoch,
                                          const std::string& address, const std::string& key, Beat what) {
  const auto filter = bson::make_document({{"groupId", group}, {"agentId", agent_id}, {"epoch", epoch}});
  const auto found = TRY(store_.find_one(kCollection, filter));
  if (!found) return std::optional<Agent>();
  auto agent = agent_of(*found);
  if (what == Beat::kOther) return std::optional(std::move(agent));
  const bool poll = what == Beat::kPoll;
  const auto set = bson::make_document({{poll ? "lastPoll" : "lastPing", now_millis()}, {"address", address}, {"keyId", key}});
  const auto inc = bson::make_document({{poll ? "polls" : "pings", 1}});
  if (!TRY(store_.update(kCollection, filter, bson::make_document({{"$set", set}, {"$inc", inc}})))) return std::optional<Agent>();
  if (poll) agent.alive = true;
  return std::optional(std::move(agent));
}

Result<std::vector<Agent>> Agents::of_project(const std::string& group) {
  std::vector<Agent> agents;
  for (const auto& document : TRY(store_.find(kCollection, bson::make_document({{"groupId", group}})))) agents.push_back(agent_of(document));
  return agents;
}

Status Agents::each_of(const std::vector<std::string>& groups, const std::function<void(const Agent&)>& see) {
  return store_.each(kCollection, of_any_group(groups), [&](bson::View document) -> Status {
    see(agent_of(document));
    return {};
  });
}

Result<std::optional<Agent>> Agents::by_hostname(const std::string& group, const std::string& hostname) {
  const auto found = TRY(store_.find_one(kCollection, bson::make_document({{"groupId", group}, {"hostname", hostname}})));
  if (!found) return std::optional<Agent>();
  return std::optional(agent_of(*found));
}

Result<bool> Agents::monitors(const Agent& agent) { return monitors(agent, TRY(of_project(agent.group))); }

bool Agents::monitors(const Agent& agent, const std::vector<Agent>& of_project) {
  for (const auto& one : of_project)
    if (one.monitoring && (one.id == agent.id || (one.alive && one.leaving.empty()))) return one.id == agent.id;
  return false;
}

Result<bool> Agents::take_away(const Agent& agent, const std::string& mark) {
  return store_.update(kCollection, bson::make_document({{"_id", agent.id}, {"epoch", agent.epoch}}), bson::make_document({{"$set", bson::make_document({{"leaving", mark}})}}));
}

Status Agents::give_back(const Agent& agent, const std::string& mark) {
  TRY(store_.update(kCollection, bson::make_document({{"_id", agent.id}, {"leaving", mark}}), bson::make_document({{"$set", bson::make_document({{"leaving", ""}})}})));
  return {};
}

Status Agents::forget_project(const std::string& group) {
  TRY(store_.remove(kCollection, bson::make_document({{"groupId", group}})));
  return {};
}

}  // namespace drover::control
