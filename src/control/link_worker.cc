#include "control/link_worker.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/backoff.h"

namespace drover::control {
namespace {

// Above all that agents use, whose numbers hold their epoch.
constexpr std::int64_t kLastSequence = std::int64_t{1} << 62;

std::string text_in(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}

Json host_json(const Agent& agent, bool busy) {
  return Json::Object{{"hostname", agent.hostname},
                      {"agentVersion", agent.version},
                      {"platform", Json::Object{{"os", agent.platform.os},
                                                {"arch", agent.platform.arch},
                                                {"distribution", agent.platform.distribution},
                                                {"version", agent.platform.version}}},
                      {"externalAddress", agent.address},
                      {"available", agent.alive},
                      {"busy", busy}};
}

Json deployment_json(const MonitoredDeployment& one) {
  Json::Array mechanisms;
  for (const auto& name : one.mechanisms) mechanisms.emplace_back(name);
  return Json::Object{{"name", one.name},
                      {"clusterId", one.id},
                      {"mongoDBVersion", one.version},
                      {"featureCompatibilityVersion", one.fcv},
                      {"managed", false},
                      {"sharded", one.topology == "SHARDED"},
                      {"shardsSize", one.shards},
                      {"tlsEnabled", one.tls_enabled},
                      {"dbSizeBytes", one.db_bytes},
                      {"oplogSizeMB", one.oplog_bytes / (1 << 20)},
                      {"agentVersion", one.agent_version},
                      {"topology", one.topology},
                      {"community", one.community ? Json(*one.community) : Json()},
                      {"os", one.os},
                      {"authMechanisms", std::move(mechanisms)},
                      {"collectsDbStats", one.collects_db_stats},
                      {"dataSizeBytes", one.data_bytes},
                      {"monitoredBy", "CLOUD_MANAGER"}};
}

}  // namespace

void LinkWorker::run(const std::stop_token& stop) {
  std::map<std::string, std::unique_ptr<Runtime::Thread>> followed;  // each ends, and joins, with its entry
  while (runtime_.sleep(kWorkerStep, stop)) {
    const auto links = parts_.links.all();
    if (!links) {
      log_.warn("links cannot be read", {{"error", links.error().message}});
      continue;
    }
    std::erase_if(followed, [&](const auto& entry) {
      return std::none_of(links->begin(), links->end(), [&](const SiteLink& link) { return link.link == entry.first; });
    });
    for (const auto& link : *links) {
      if (followed.contains(link.link)) continue;
      if (followed.size() >= kMaxFollowedLinks) {
        log_.error("too many links for one process; this one waits", {{"link", link.link}});
        continue;
      }
      followed[link.link] = runtime_.spawn("server.link", [this, org = link.org, id = link.link](std::stop_token own) { follow(org, id, own); });
    }
  }
}

void LinkWorker::follow(const std::string& org, const std::string& id, const std::stop_token& stop) {
  Pace pace;
  while (runtime_.sleep(kWorkerStep, stop)) {
    if (runtime_.now() < pace.next_poll) continue;
    const auto link = parts_.links.of_org(org);
    if (!link) continue;
    if (!*link || (*link)->link != id) continue;  // gone: so is this thread soon
    attend(**link, pace, stop);
  }
}

void LinkWorker::attend(const SiteLink& link, Pace& pace, const std::stop_token& stop) {
  const auto now = runtime_.now();
  std::chrono::seconds pause{5};
  Status done;
  if (!link.claimed) done = claim_now(link, stop);
  if (done && link.claimed) done = take_work(link, pause, stop);
  if (done && link.claimed) done = relay(link, stop);
  if (done && link.claimed) {
    const auto metadata = metadata_of(link.org);
    std::string text;
    if (metadata)
      for (const auto& [id, project] : *metadata) text += id + Json(project).dump();
    if (metadata && (now >= pace.next_sync || text != pace.metadata)) {
      done = sync_now(link, stop);
      if (done) {
        pace.metadata = std::move(text);
        pace.next_sync = now + kSyncEvery;
      }
    } else if (!metadata) {
      done = tl::unexpected(metadata.error());
    }
  }
  if (done) {
    pace.failures = 0;
    pace.next_poll = now + pause;
    return;
  }
  ++pace.failures;
  pace.next_poll = now + pause_after(pace.failures, runtime_.random());
  if (pace.failures == 1 && !stop.stop_requested())
    log_.warn("a link's other site", {{"link", link.link}, {"error", done.error().message}});
  if (const auto kept = parts_.links.failed(link, done.error().message); !kept)
    log_.warn("a link's failure cannot be kept", {{"link", link.link}, {"error", kept.error().message}});
}

Status LinkWorker::claim_now(SiteLink link, const std::stop_token& stop) {
  if (link.claimed) return {};
  const auto org = TRY(parts_.identity.organization(link.org));
  const auto site = TRY(parts_.links.site_id());
  const auto claimed = AtlasClient(link, options_).claim(site, org ? org->name : link.org, stop);
  if (claimed) {
    log_.info("connected to the destination's site", {{"org", link.org}, {"link", link.link}});
    return parts_.links.claimed(link, claimed->org, claimed->org_name);
  }
  // The token opens nothing: it is used, expired, deleted, or somebody else's. What was begun is undone.
  const auto code = claimed.error().code;
  if (code == ErrorCode::kUsage || code == ErrorCode::kWrongState) TRY(parts_.links.remove(link));
  return tl::unexpected(claimed.error());
}

Status LinkWorker::sync_now(const SiteLink& link, const std::stop_token& stop) {
  const AtlasClient atlas(link, options_);
  const auto revision = TRY(parts_.links.next_projects_revision(link.org));
  const auto metadata = TRY(metadata_of(link.org));
  std::vector<std::string> ids;
  for (const auto& [id, project] : metadata) {
    TRY(atlas.put_project(id, project, revision, stop));
    ids.push_back(id);
  }
  TRY(atlas.finish_sync(revision, ids, stop));
  return parts_.links.synced(link);
}

Status LinkWorker::disconnect(const SiteLink& link, const std::stop_token& stop) {
  if (link.claimed) {
    const auto removed = AtlasClient(link, options_).remove_link(stop);
    // Unknown there: it was deleted there first.
    if (!removed && removed.error().code != ErrorCode::kUsage) return removed;
  }
  TRY(parts_.jobs.remove_of_link(link.link));
  return parts_.links.remove(link);
}

Result<std::map<std::string, Json::Object>> LinkWorker::metadata_of(const std::string& org) {
  std::map<std::string, Json::Object> metadata;
  const std::vector<Grant> everything{{"ORG_OWNER", org, ""}};
  for (const auto& project : TRY(parts_.identity.projects(org, everything, {1, 500})).items)
    metadata.emplace(project.id, TRY(project_metadata(project)));
  return metadata;
}

// The real monitoring knows of a deployment only what a sample said; before the first one it is not told of.
Result<Json::Object> LinkWorker::project_metadata(const Project& project) {
  const auto jobs = TRY(parts_.jobs.open_of_project(project.id));
  Json::Array hosts, deployments;
  for (const auto& agent : TRY(parts_.agents.of_project(project.id))) {
    if (!agent.cloud_migration || !agent.alive || !agent.leaving.empty()) continue;
    const bool busy = std::any_of(jobs.begin(), jobs.end(), [&](const AgentJob& job) {
      return job.hostname == agent.hostname && job.kind == "migration" && job.desired != "FORGET";
    });
    hosts.push_back(host_json(agent, busy));
  }
  for (const auto& one : TRY(parts_.deployments.of_project(project.id)))
    if (one.last_ping_millis != 0 && one.leaving.empty()) deployments.push_back(deployment_json(one));
  return Json::Object{{"name", project.name}, {"migrationHosts", std::move(hosts)}, {"deployments", std::move(deployments)}};
}

Status LinkWorker::take_work(const SiteLink& link, std::chrono::seconds& pause, const std::stop_token& stop) {
  const auto work = TRY(AtlasClient(link, options_).work(stop));
  pause = std::chrono::seconds(std::min<std::int64_t>(work.poll_seconds, 60));
  return take_items(link, work, stop);
}

std::vector<AgentJob> LinkWorker::look_for_work(const std::string& group) {
  std::vector<AgentJob> coming;
  const auto look = [&]() -> Status {
    const auto project = TRY(parts_.identity.project(group));
    const auto link = project ? TRY(parts_.links.of_org(project->org)) : std::optional<SiteLink>();
    if (!link || !link->claimed) return {};
    const auto work = TRY(AtlasClient(*link, options_).work({}, kLookPatience));
    for (const auto& one : work.coming) {
      AgentJob job;
      job.id = text_in(one, "id");
      job.kind = text_in(one, "kind");
      job.group = text_in(one, "sourceGroupId");
      job.hostname = text_in(one, "migrationHost");
      job.cluster = text_in(one, "sourceClusterName");
      if (job.group == group) coming.push_back(std::move(job));
    }
    return take_items(*link, work, {});
  };
  if (const auto looked = look(); !looked) log_.warn("a link's other site, before a removal", {{"project", group}, {"error", looked.error().message}});
  return coming;
}

Status LinkWorker::take_items(const SiteLink& link, const AtlasClient::Work& work, const std::stop_token& stop) {
  if (work.items.size() > static_cast<std::size_t>(kMaxOpenJobs))
    return fail(ErrorCode::kUnsupported, fmt::format("{} items of work at once; at most {} are open for a link", work.items.size(), kMaxOpenJobs));
  for (const auto& item : work.items) TRY(take_item(link, item, stop));
  return {};
}

Status LinkWorker::take_item(const SiteLink& link, const Json& item, const std::stop_token& stop) {
  const auto id = text_in(item, "id");
  if (!is_id(id)) return fail(ErrorCode::kUnsupported, "an item of work without an id");
  const bool known = TRY(parts_.jobs.find(id)).has_value();
  const bool taken = TRY(parts_.jobs.take(link.link, item));
  const auto job = TRY(parts_.jobs.find(id));
  const bool forget = text_in(item, "desired") == "FORGET";
  if (!taken || (job && forget && TRY(nobody_to_forget(*job)))) {
    TRY(AtlasClient(link, options_).report(id, kLastSequence, Json::Object{{"state", "FORGOTTEN"}}, stop));
    return parts_.jobs.remove(id);
  }
  // Also one that another process has taken and not decided on: it may have died.
  if (!job || !job->undecided()) return {};
  if (!known) log_.info("work from the destination's site", {{"item", id}, {"kind", text_in(item, "kind")}, {"desired", text_in(item, "desired")}});
  const auto refused = TRY(refuses_host(item));
  if (!refused) return parts_.jobs.accept(id);
  Json::Array checks;
  checks.push_back(Json::Object{{"id", "migration-host"}, {"status", "FAILED"}, {"title", "The migration host cannot be used"}, {"detail", *refused}});
  const bool validation = text_in(item, "kind") == "validation";
  return parts_.jobs.refuse(id, Json::Object{{"state", validation ? "DONE" : "FAILED"},
                                                  {"error", validation ? Json() : Json(*refused)},
                                                  {"checks", std::move(checks)}});
}

// No agent ever was to do it, or the one that was is gone for good: it is forgotten already.
Result<bool> LinkWorker::nobody_to_forget(const AgentJob& job) {
  if (!job.accepted) return true;
  const auto agent = TRY(parts_.agents.by_hostname(job.group, job.hostname));
  return !agent || (!agent->leaving.empty() && !agent->alive);
}

// Why no agent can do it: then this site says so itself. The job is kept before: see SourceRemovals.
Result<std::optional<std::string>> LinkWorker::refuses_host(const Json& item) {
  const auto* source = item.find("source");
  const auto hostname = text_in(item, "migrationHost");
  const auto group = source ? text_in(*source, "groupId") : "";
  const auto kind = text_in(item, "kind");
  if (kind != "validation" && kind != "migration") return std::optional(fmt::format("this manager does not know the kind {}", kind));
  const auto agent = TRY(parts_.agents.by_hostname(group, hostname));
  if (!agent) return std::optional(fmt::format("no agent is registered on {}; provision it as a migration host", hostname));
  if (!agent->leaving.empty()) return std::optional(fmt::format("{} is no migration host any more: it was unprovisioned; provision it again", hostname));
  if (!agent->cloud_migration)
    return std::optional(fmt::format("the agent on {} is no migration host; set agentFeatureCloudMigrationEnabled=true there and start it again", hostname));
  if (!agent->alive) return std::optional(fmt::format("the agent on {} does not answer; start it", hostname));
  const auto name = source ? text_in(*source, "clusterName") : "";
  const auto deployment = TRY(parts_.deployments.by_name(group, name));
  if (!deployment) return std::optional(fmt::format("the project monitors no deployment named {}", name));
  if (!deployment->leaving.empty()) return std::optional(fmt::format("the deployment {} is being removed from monitoring", name));
  return std::optional<std::string>();
}

Status LinkWorker::relay(const SiteLink& link, const std::stop_token& stop) {
  const AtlasClient atlas(link, options_);
  for (const auto& job : TRY(parts_.jobs.of_link(link.link))) {
    if (job.sequence <= job.relayed_sequence) continue;
    const auto kept = TRY(atlas.report(job.id, job.sequence, job.report, stop));
    const bool forgotten = job.report.find("state") && text_in(job.report, "state") == "FORGOTTEN";
    if (!kept || forgotten) {
      TRY(parts_.jobs.remove(job.id));
      continue;
    }
    TRY(parts_.jobs.relayed(job.id, job.sequence));
  }
  return {};
}

}  // namespace drover::control
