#include "control/link_worker.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/backoff.h"

namespace drover::control {
namespace {

// Above all that agents use, whose numbers hold their epoch.
constexpr std::int64_t kLastSequence = std::int64_t{1} << 62;
constexpr std::string_view kMigration = "migration";

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
                      {"replicaSetId", one.replica_set_id},
                      {"community", one.community ? Json(*one.community) : Json()},
                      {"os", one.os},
                      {"authMechanisms", std::move(mechanisms)},
                      {"collectsDbStats", one.collects_db_stats},
                      {"dataSizeBytes", one.data_bytes},
                      {"monitoredBy", "CLOUD_MANAGER"}};
}

std::string source_group(const Json& item) {
  const auto* source = item.find("source");
  return source ? text_in(*source, "groupId") : std::string();
}

// What this site reports itself of an item that no agent can do.
Json refusal_of(const Json& item, const std::string& why) {
  Json::Array checks;
  checks.push_back(Json::Object{{"id", "migration-host"}, {"status", "FAILED"}, {"title", "The migration host cannot be used"}, {"detail", why}});
  const bool validation = text_in(item, "kind") == "validation";
  return Json::Object{{"state", validation ? "DONE" : "FAILED"}, {"error", validation ? Json() : Json(why)}, {"checks", std::move(checks)}};
}

// Above what the other site has heard of it already: a lower one would not count.
std::int64_t own_sequence(const Json& item) {
  const auto* heard = item.find("sequence");
  return heard && heard->as_int() ? std::clamp<std::int64_t>(*heard->as_int(), 0, kLastSequence - 1 - kOwnReport) + kOwnReport : kOwnReport;
}

// What the other site has a report of has begun, whatever this one has lost.
bool was_heard_of(const Json& item) {
  const auto* heard = item.find("sequence");
  return heard && heard->as_int() && *heard->as_int() > 0;
}

// Of what was sent, not of who sends it or of when.
bool is_refusal_of_one(const Error& error) {
  const auto status = error.server_code;
  return status >= 400 && status < 500 && status != 401 && status != 403 && status != 429;
}

}  // namespace

void LinkWorker::run(const std::stop_token& stop) {
  std::map<std::string, std::unique_ptr<Runtime::Thread>> followed;  // each ends, and joins, with its entry
  std::map<std::string, std::string> told;  // of those that cannot be read
  bool silent = false;                      // the store: that is told once
  SteadyTime next_sweep{};
  while (runtime_.sleep(kWorkerStep, stop)) {
    std::map<std::string, std::string> unreadable;
    const auto links = parts_.links.all(unreadable);
    if (!links) {
      if (!std::exchange(silent, true)) log_.warn("links cannot be read", {{"error", links.error().message}});
      continue;
    }
    silent = false;
    if (runtime_.now() >= next_sweep) {
      next_sweep = runtime_.now() + kJobSweepEvery;
      if (const auto swept = sweep(); !swept) log_.warn("jobs of links that are gone cannot be removed", {{"error", swept.error().message}});
    }
    for (const auto& [org, why] : unreadable)
      if (!told.contains(org)) log_.error("a link cannot be read; the others go on without it", {{"org", org}, {"error", why}});
    told = std::move(unreadable);
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
  if (done && link.claimed) {
    done = take_work(link, pace, pause, stop);
    // Work that is wrong holds no report up.
    if (done || done.error().code == ErrorCode::kUnsupported || done.error().code == ErrorCode::kUsage) {
      const auto relayed = relay(link, stop);
      if (done) done = relayed;
    }
  }
  if (done && link.claimed) {
    const auto metadata = metadata_of(link.org);
    std::string text;
    if (metadata)
      for (const auto& [id, project] : *metadata) text += id + Json(project).dump();
    const bool asked = asked_.with([&](auto& links) { return links.erase(link.link) != 0; });
    if (metadata && (asked || now >= pace.next_sync || text != pace.metadata)) {
      done = sync(link, std::nullopt, stop);
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
  if (const auto kept = parts_.links.failed(link, done.error()); !kept)
    log_.warn("a link's failure cannot be kept", {{"link", link.link}, {"error", kept.error().message}});
}

Status LinkWorker::claim_now(SiteLink link, const std::stop_token& stop) {
  if (link.claimed) return {};
  const auto org = TRY(parts_.identity.organization(link.org));
  const auto site = TRY(parts_.links.site_id());
  const auto former = TRY(parts_.links.former_of(link));
  TRY(parts_.links.trying(link));
  // A claim takes kMaxFormerLinks of them; with more it is repeated, by the same secret, until all were shown: none counts as heard before.
  Result<AtlasClient::Claimed> claimed = fail(ErrorCode::kFailure, "");
  for (std::size_t shown = 0; shown == 0 || (claimed && shown < former.size()); shown += kMaxFormerLinks) {
    const auto begin = former.begin() + static_cast<std::ptrdiff_t>(shown);
    const auto size = std::min(kMaxFormerLinks, former.size() - shown);
    claimed = AtlasClient(link, options_).claim(site, org ? org->name : link.org, {begin, begin + static_cast<std::ptrdiff_t>(size)}, stop);
  }
  if (claimed) {
    log_.info("connected to the destination's site", {{"org", link.org}, {"link", link.link}});
    return parts_.links.claimed(link, claimed->org, claimed->org_name);
  }
  // The token opens nothing: it is used, expired, deleted, or somebody else's. What was begun is undone.
  const auto code = claimed.error().code;
  if (code == ErrorCode::kUsage || code == ErrorCode::kWrongState) TRY(parts_.links.remove(link));
  return tl::unexpected(claimed.error());
}

Status LinkWorker::give_up_claim(const SiteLink& link) {
  if (link.tried) TRY(remember_begun(link));  // it was tried before, where another site may have answered
  return parts_.links.remove(link);
}

// The claim may have come there, its answer not here: then it has what an earlier link had.
Status LinkWorker::remember_begun(SiteLink link) {
  link.peer_org = link.token_org;
  return parts_.links.remember(link);
}

Status LinkWorker::sync_for_caller(const SiteLink& link) {
  if (!refreshing_.with([&](auto& links) { return links.insert(link.link).second; }))
    return fail(ErrorCode::kTemporary, "the link is being refreshed already; ask again in a few seconds");
  const auto done = sync(link, runtime_.now() + kSyncPatience, {});
  refreshing_.with([&](auto& links) { links.erase(link.link); });
  // What could not be waited for is done all the same.
  if (!done && done.error().code == ErrorCode::kTemporary) asked_.with([&](auto& links) { links.insert(link.link); });
  return done;
}

Status LinkWorker::sync(const SiteLink& link, std::optional<SteadyTime> until, const std::stop_token& stop) {
  const AtlasClient atlas(link, options_);
  const auto patience = [&]() -> Result<std::chrono::seconds> {
    if (!until) return kAtlasPatience;
    const auto left = std::chrono::ceil<std::chrono::seconds>(*until - runtime_.now());
    if (left <= std::chrono::seconds(0))
      return fail(ErrorCode::kTemporary, fmt::format("the destination's site takes longer than {} seconds; this goes on by itself", kSyncPatience.count()));
    return std::min(left, kAtlasPatience);
  };
  const auto revision = TRY(parts_.links.next_projects_revision(link.org));
  const auto metadata = TRY(metadata_of(link.org));
  std::vector<std::string> ids;
  for (const auto& [id, project] : metadata) {
    TRY(atlas.put_project(id, project, revision, stop, TRY(patience())));
    ids.push_back(id);
  }
  TRY(atlas.finish_sync(revision, ids, stop, TRY(patience())));
  return parts_.links.synced(link);
}

Status LinkWorker::disconnect(const SiteLink& link, How how, const std::stop_token& stop) {
  if (link.claimed) {
    const auto removed = AtlasClient(link, options_).remove_link(stop);
    // Unknown there: it was deleted there first.
    const bool gone = removed || removed.error().code == ErrorCode::kUsage;
    if (!gone && (how == How::kBoth || removed.error().code == ErrorCode::kWrongState)) return removed;
    // What it carries goes on when the organization is connected to that site again.
    if (!gone) TRY(parts_.links.remember(link));
    if (!gone) log_.warn("the link is removed here alone", {{"link", link.link}, {"error", removed.error().message}});
  } else if (link.tried) {
    TRY(remember_begun(link));
  }
  // The link first: without it its jobs are swept by whoever finds them; a link without its jobs would be followed, and give out nothing.
  TRY(parts_.links.remove(link));
  if (const auto gone = parts_.jobs.remove_of_link(link.link); !gone)
    log_.warn("jobs of a link that is gone are removed later", {{"link", link.link}, {"error", gone.error().message}});
  return {};
}

Status LinkWorker::sweep() {
  for (const auto& link : TRY(parts_.jobs.links())) {
    if (TRY(parts_.links.exists(link))) continue;
    TRY(parts_.jobs.remove_of_link(link));
    log_.info("jobs of a link that is gone are removed", {{"link", link}});
  }
  return {};
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

Status LinkWorker::take_work(const SiteLink& link, Pace& pace, std::chrono::seconds& pause, const std::stop_token& stop) {
  const auto work = TRY(AtlasClient(link, options_).work(stop));
  pause = std::chrono::seconds(std::min<std::int64_t>(work.poll_seconds, 60));
  const auto waiting = TRY(take_items(link, work, stop));
  if (waiting != 0 && pace.waiting == 0)
    log_.warn("a link has more work than is open at once; the rest waits", {{"link", link.link}, {"open", kMaxOpenJobs}, {"waiting", static_cast<std::int64_t>(waiting)}});
  pace.waiting = waiting;
  return {};
}

Result<SiteLink> LinkWorker::begin(const std::string& org, const std::string& token) {
  auto link = TRY(parts_.links.begin(org, token));
  if (TRY(parts_.identity.stays(Tenant::kOrganization, org))) return link;
  TRY(parts_.links.remove(link));
  return fail(ErrorCode::kWrongState, "the organization was deleted meanwhile");
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
    TRY(take_items(*link, work, {}));
    return {};
  };
  if (const auto looked = look(); !looked) log_.warn("a link's other site, before a removal", {{"project", group}, {"error", looked.error().message}});
  return coming;
}

// How many new ones wait: what is known already, and what is to be forgotten, is never kept waiting. One that is wrong keeps no other from being
// taken; it is the error afterwards.
Result<std::size_t> LinkWorker::take_items(const SiteLink& link, const AtlasClient::Work& work, const std::stop_token& stop) {
  if (work.items.size() > kMaxListedItems)
    return fail(ErrorCode::kUnsupported, fmt::format("{} items of work at once; at most {} are looked at", work.items.size(), kMaxListedItems));
  std::map<std::string, AgentJob> known;
  for (auto& job : TRY(parts_.jobs.of_link(link.link))) known.emplace(job.id, std::move(job));
  // What is to be ended, or to be forgotten, keeps no new one waiting, however long its host is away; of all together there is a limit too.
  const auto counts = [](std::string_view desired) { return desired != "FORGET" && desired != "STOP"; };
  auto open = std::count_if(known.begin(), known.end(), [&](const auto& entry) { return counts(entry.second.desired); });
  auto all = known.size();
  std::size_t waiting = 0;
  Status done;
  for (const auto& item : work.items) {
    const auto job = known.find(text_in(item, "id"));
    const bool is_new = job == known.end() && text_in(item, "desired") != "FORGET";
    const bool more = is_new && counts(text_in(item, "desired"));
    if ((more && open >= kMaxOpenJobs) || (is_new && all >= kMaxListedItems)) {
      ++waiting;
      continue;
    }
    const auto taken = take_item(link, item, job == known.end() ? nullptr : &job->second, stop);
    if (taken) {
      open += more ? 1 : 0;
      all += is_new ? 1 : 0;
      continue;
    }
    const auto code = taken.error().code;
    if (code != ErrorCode::kUnsupported && code != ErrorCode::kUsage) return tl::unexpected(taken.error());
    if (done) done = taken;
  }
  TRY(done);
  return waiting;
}

Status LinkWorker::take_item(const SiteLink& link, const Json& item, const AgentJob* known, const std::stop_token& stop) {
  const auto id = text_in(item, "id");
  if (!is_id(id)) return fail(ErrorCode::kUnsupported, "an item of work without an id");
  const bool forget = text_in(item, "desired") == "FORGET";
  const auto* number = item.find("revision");
  const auto revision = number && number->as_int() ? *number->as_int() : 0;
  if (known && !forget && !known->undecided() && known->item_revision >= revision) return {};
  if (!forget) {
    // The hosts of another organization are none of this link's: nothing of the item is kept.
    const auto group = source_group(item);
    const auto project = is_id(group) ? TRY(parts_.identity.project(group)) : std::optional<Project>();
    if (!project || project->org != link.org) {
      const auto why = fmt::format("the organization has no project {}", group);
      const bool begun = was_heard_of(item) || TRY(parts_.jobs.left_begun(id));
      return begun && text_in(item, "kind") == kMigration ? hold(link, item, nullptr, why, stop) : report_refused(link, item, why, stop);
    }
  }
  const bool taken = TRY(parts_.jobs.take(link.link, item));
  const auto job = TRY(parts_.jobs.find(id));
  if (!taken || (job && forget && TRY(nobody_to_forget(*job)))) {
    TRY(AtlasClient(link, options_).report(id, kLastSequence, Json::Object{{"state", "FORGOTTEN"}}, stop));
    return parts_.jobs.remove(id);
  }
  // Also one that another process has taken and not decided on: it may have died.
  if (!job || !job->undecided()) return {};
  if (!known) log_.info("work from the destination's site", {{"item", id}, {"kind", text_in(item, "kind")}, {"desired", text_in(item, "desired")}});
  auto refused = TRY(refuses_host(item, job->begun));
  if (!refused && !TRY(parts_.identity.stays(Tenant::kProject, job->group))) refused = fmt::format("the project {} is gone", job->group);
  if (!refused) {
    told_held_.with([&](auto& all) { all.erase(id); });
    return parts_.jobs.accept(id);
  }
  if ((job->begun || was_heard_of(item)) && job->kind == kMigration) return hold(link, item, &*job, *refused, stop);
  return parts_.jobs.refuse(id, refusal_of(item, *refused), own_sequence(item));
}

// What is missing here is a record; an engine may run, and be about to cut over. Whether it is to end is the operator's to say, who is told on both sites. It stays
// undecided, so that whatever comes back here lets it go on, or stop; a stop that nobody confirms ends by the other site's patience.
Status LinkWorker::hold(const SiteLink& link, const Json& item, const AgentJob* job, const std::string& why, const std::stop_token& stop) {
  const auto id = text_in(item, "id");
  const bool kept = job && TRY(parts_.jobs.hold(id, why));
  if (text_in(item, "heldBecause") == why) return {};  // it is known there
  const bool before = was_told_held(id, why);
  if (kept || (!job && !before)) log_.warn("a migration that had begun cannot go on here, and is not ended by that", {{"item", id}, {"link", link.link}, {"because", why}});
  if (before) return {};
  const auto told = AtlasClient(link, options_).held(id, why, stop);
  if (!told && !is_refusal_of_one(told.error())) return told;
  told_held_.with([&](auto& all) {
    if (all.size() >= kMaxToldHeld) all.clear();
    all.insert_or_assign(id, Held{why, runtime_.now()});
  });
  return {};
}

// Lately, by this process. A site that is older refuses to hear it, or does not keep it.
bool LinkWorker::was_told_held(const std::string& item, const std::string& why) {
  return told_held_.with([&](const auto& all) {
    const auto found = all.find(item);
    return found != all.end() && found->second.because == why && runtime_.now() - found->second.at < kHeldAgain;
  });
}

Status LinkWorker::report_refused(const SiteLink& link, const Json& item, const std::string& why, const std::stop_token& stop) {
  const auto id = text_in(item, "id");
  const auto kept = AtlasClient(link, options_).report(id, own_sequence(item), refusal_of(item, why), stop);
  if (!kept) return tl::unexpected(kept.error());
  log_.debug("work from the destination's site is refused", {{"item", id}, {"link", link.link}, {"because", why}});
  return {};
}

// No agent ever was to do it, or the one that was is gone for good: it is forgotten already.
Result<bool> LinkWorker::nobody_to_forget(const AgentJob& job) {
  if (!job.accepted) return true;
  const auto agent = TRY(parts_.agents.by_hostname(job.group, job.hostname));
  return !agent || (!agent->leaving.empty() && !agent->alive);
}

// Why no agent can do it: then this site says so itself. The job is kept before: see SourceRemovals. What had begun waits for a host that is away.
Result<std::optional<std::string>> LinkWorker::refuses_host(const Json& item, bool begun) {
  const auto* source = item.find("source");
  const auto hostname = text_in(item, "migrationHost");
  const auto group = source_group(item);
  const auto kind = text_in(item, "kind");
  if (kind != "validation" && kind != "migration") return std::optional(fmt::format("this manager does not know the kind {}", kind));
  const auto agent = TRY(parts_.agents.by_hostname(group, hostname));
  if (!agent) return std::optional(fmt::format("no agent is registered on {}; provision it as a migration host", hostname));
  if (!agent->leaving.empty()) return std::optional(fmt::format("{} is no migration host any more: it was unprovisioned; provision it again", hostname));
  if (!agent->cloud_migration)
    return std::optional(fmt::format("the agent on {} is no migration host; set agentFeatureCloudMigrationEnabled=true there and start it again", hostname));
  if (!agent->alive && !begun) return std::optional(fmt::format("the agent on {} does not answer; start it", hostname));
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
    const auto told = atlas.report(job.id, job.sequence, job.report, stop);
    if (!told && is_refusal_of_one(told.error())) {
      // The same again would be refused again, and keep the reports of the others waiting.
      log_.error("the destination's site does not take a report", {{"item", job.id}, {"link", link.link}, {"error", told.error().message}});
      TRY(parts_.jobs.relayed(job.id, job.sequence));
      continue;
    }
    const auto kept = TRY(told);
    const bool forgotten = job.report.find("state") && text_in(job.report, "state") == "FORGOTTEN";
    if (!kept || forgotten) {
      TRY(parts_.jobs.remove(job.id));
      continue;
    }
    TRY(parts_.jobs.relayed(job.id, job.sequence));
    if (kept->desired == "FORGET" && job.desired != "FORGET") TRY(parts_.jobs.forget(job.id));
  }
  return {};
}

}  // namespace drover::control
