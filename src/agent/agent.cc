#include "agent/agent.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/engine_process.h"
#include "agent/lifeline.h"
#include "agent/migration_job.h"
#include "agent/platform.h"
#include "base/backoff.h"

namespace drover::agent {
namespace {

std::chrono::seconds seconds_of(const Json& answer, std::string_view key, std::int64_t otherwise) {
  const auto* value = answer.find(key);
  const auto* number = value ? value->as_int() : nullptr;
  return std::chrono::seconds(number && *number >= 1 && *number <= 3600 ? *number : otherwise);
}

Json platform_json(const HostPlatform& platform) {
  return Json::Object{{"os", platform.os}, {"arch", platform.arch}, {"distribution", platform.distribution}, {"version", platform.version}};
}

// In the order in which they have this host's turn: what runs goes on, then what is to be ended, and what was begun before what was not.
int rank_of(const Host& host, const Job& job) {
  const auto directory = host.directory.job_path(job.id);
  if (EngineProcess({host.program, directory, "", ""}).running()) return 0;
  const bool begun = was_begun(directory), leaves = job.desired == Desired::kStop;
  return begun ? (leaves ? 1 : 2) : leaves ? 3 : 4;
}

// Ends when any of the two is asked to.
class EitherStop {
 public:
  EitherStop(const std::stop_token& outer) : on_outer_(outer, [this] { source_.request_stop(); }) {}
  std::stop_token token() { return source_.get_token(); }
  void request_stop() { source_.request_stop(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> on_outer_;
};

}  // namespace

Status Agent::run(const std::stop_token& stop) {
  auto directory = TRY(Directory::open(options_.data, runtime_));
  auto site = TRY(Site::open(options_.config, directory.agent_id(), options_.version));
  std::optional<Lifeline> lifeline;
  if (options_.end_engines && lifeline.emplace().reading_end() < 0) return fail(ErrorCode::kFailure, "--end-engines: there is no descriptor left");
  Host host{runtime_, log_, site, directory, options_.program, this_platform(), options_.config.server_selection_timeout,
            lifeline ? lifeline->reading_end() : -1};
  if (options_.config.cloud_migration) {
    if (const auto why = refuses_host(host.platform)) return fail(ErrorCode::kUnsupported, *why);
    if (const auto why = refuses_host(host.platform, MigrationPath::kSync)) log_.warn("legacy migrations only: " + *why);
  }
  monitor_ = std::make_unique<Monitor>(host);
  // What was wanted last is wanted still, whether or not the site can be reached.
  if (!options_.only_if_free) take_up_known_jobs(host);
  const auto status = serve(host, stop);
  jobs_.clear();
  monitor_.reset();
  return status;
}

void Agent::take_up_known_jobs(Host& host) {
  std::vector<Job> known;
  for (const auto& id : host.directory.job_ids()) {
    const auto text = read_file(host.directory.job_path(id) + "/job.json");
    const auto json = text ? Json::parse(*text) : Result<Json>(fail(ErrorCode::kFailure, "not there"));
    auto parsed = json ? parse_job(*json) : ParsedJob{id, fail(ErrorCode::kFailure, "not readable")};
    if (!parsed.job) {
      log_.error("a job of the directory cannot be read; the site gives it again", {{"job", id}, {"error", parsed.job.error().message}});
      continue;
    }
    known.push_back(std::move(*parsed.job));
  }
  std::vector<std::pair<int, std::size_t>> order;  // looked at once: an engine may end meanwhile
  for (std::size_t i = 0; i < known.size(); ++i) order.emplace_back(rank_of(host, known[i]), i);
  std::ranges::sort(order);
  for (const auto& [rank, index] : order) {
    auto& job = known[index];
    log_.info("taking up a job", {{"job", job.id}, {"desired", name_of(job.desired)}});
    const auto id = job.id;
    jobs_[id] = std::make_unique<JobRunner>(host, std::move(job));
  }
}

// Until the site takes it. With the reasons in the log.
Result<Json> Agent::register_host(Host& host, const std::stop_token& stop) {
  Json::Array features{Json("monitoring")};
  if (options_.config.cloud_migration) features.emplace_back("cloudMigration");
  const auto hostname = options_.hostname.empty() ? this_hostname() : options_.hostname;
  for (int failures = 0;;) {
    Json::Array known;
    for (const auto& id : host.directory.job_ids()) known.emplace_back(id);
    auto answer = host.site.hello({{"hostname", hostname},
                                   {"version", options_.version},
                                   {"platform", platform_json(host.platform)},
                                   {"features", features},
                                   {"known", std::move(known)}},
                                  options_.only_if_free ? Site::Place::kIfFree : Site::Place::kAnyhow, stop);
    if (answer) {
      log_.info("registered", {{"epoch", host.site.epoch()}});
      contact_.registered(hostname);
      return answer;
    }
    const auto& error = answer.error();
    if (error.code == ErrorCode::kInterrupted) return answer;
    ++failures;
    const bool refused = error.code != ErrorCode::kTemporary, taken = options_.only_if_free && error.code == ErrorCode::kWrongState;
    if (!taken) contact_.failed(error);
    if ((refused && !taken) || failures == 1) log_.error("registering with the manager", {{"error", error.message}});
    const auto pause = refused ? std::chrono::milliseconds(kRefusedPause) : pause_after(failures, runtime_.random());
    if (!runtime_.sleep(pause, stop)) return fail(ErrorCode::kInterrupted, "stopped");
  }
}

Status Agent::serve(Host& host, const std::stop_token& stop) {
  const auto registered = register_host(host, stop);
  if (!registered) return registered.error().code == ErrorCode::kInterrupted ? Status() : tl::unexpected(registered.error());
  EitherStop ended(stop);
  const auto interval = seconds_of(*registered, "monitoringSeconds", 60);
  const auto sampling = runtime_.spawn("agent.monitor", [&](std::stop_token own) {
    const std::stop_callback both(own, [&] { ended.request_stop(); });
    monitor_->run(ended.token(), interval);
  });
  auto pause = seconds_of(*registered, "pollSeconds", 5);
  for (int failures = 0; !stop.stop_requested();) {
    const auto polled = poll_once(host, pause, stop);
    if (!polled && polled.error().code == ErrorCode::kWrongState) {
      ended.request_stop();
      return fail(ErrorCode::kWrongState, "another agent has taken this host's session over; this one ends, and leaves the engines alone");
    }
    if (!polled && polled.error().code != ErrorCode::kInterrupted && (failures++ == 0 || polled.error().code != ErrorCode::kTemporary))
      log_.warn("polling the manager", {{"error", polled.error().message}});
    if (polled) contact_.answered();
    else contact_.failed(polled.error());
    if (polled) failures = 0;
    std::chrono::milliseconds wait = pause;
    if (!polled) wait = polled.error().code == ErrorCode::kTemporary ? pause_after(failures, runtime_.random()) : std::chrono::milliseconds(kRefusedPause);
    runtime_.sleep(wait, stop);
  }
  ended.request_stop();
  return {};
}

Status Agent::poll_once(Host& host, std::chrono::seconds& pause, const std::stop_token& stop) {
  TRY(check_session());
  const auto answer = TRY(host.site.poll(stop));
  pause = seconds_of(answer, "pollSeconds", pause.count());
  std::erase_if(jobs_, [](const auto& job) { return job.second->finished(); });
  if (const auto* jobs = answer.find("jobs")) take_jobs(host, *jobs, stop);
  if (const auto* list = answer.find("monitor")) take_monitored(*list);
  return {};
}

Status Agent::check_session() const {
  for (const auto& [id, job] : jobs_)
    if (job->session_replaced()) return fail(ErrorCode::kWrongState, "");
  return {};
}

void Agent::take_jobs(Host& host, const Json& jobs, const std::stop_token& stop) {
  if (jobs.as_array() == nullptr) return;
  for (const auto& item : *jobs.as_array()) {
    auto [id, job] = parse_job(item);
    if (id.empty()) {
      log_.error("the site wants something that has no id");
      continue;
    }
    if (!job) {
      const auto* revision = item.find("revision");
      refuse(host, id, revision && revision->as_int() ? *revision->as_int() : 0, job.error(), stop);
      continue;
    }
    job->confirmed = runtime_.now();
    if (const auto known = jobs_.find(id); known != jobs_.end()) {
      known->second->want(*job);
      continue;
    }
    if (jobs_.size() >= kMaxJobs) {
      log_.error("too many jobs at once; this one waits", {{"job", id}});
      continue;
    }
    const auto made = host.directory.make_job(id);
    const auto kept = made && job->desired != Desired::kForget ? write_file(host.directory.job_path(id) + "/job.json", job->text) : made;
    if (!kept) {
      log_.error("a job cannot be kept; it waits", {{"job", id}, {"error", kept.error().message}});
      continue;
    }
    log_.info("a job is wanted", {{"job", id}, {"desired", name_of(job->desired)}});
    jobs_[id] = std::make_unique<JobRunner>(host, std::move(*job));
  }
}

// Told once for each revision: the site makes it FAILED, with the name of what is not known here.
void Agent::refuse(Host& host, const std::string& id, std::int64_t revision, const Error& why, const std::stop_token& stop) {
  if (const auto told = refused_.find(id); told != refused_.end() && told->second == revision) return;
  log_.error("a job cannot be done", {{"job", id}, {"error", why.message}});
  Report report;
  report.state = JobState::kFailed;
  report.error = why.message;
  auto fields = report_fields(report);
  fields.emplace_back("sequence", host.site.next_sequence());
  fields.emplace_back("revision", revision);
  if (refused_.size() > kMaxJobs) refused_.clear();
  if (host.site.report(id, std::move(fields), stop)) refused_[id] = revision;
}

void Agent::take_monitored(const Json& list) {
  if (list.as_array() == nullptr) return;
  std::vector<MonitoredDeployment> wanted;
  for (const auto& entry : *list.as_array()) {
    auto deployment = parse_monitored(entry);
    if (deployment) wanted.push_back(std::move(*deployment));
    else log_.error("a deployment cannot be monitored", {{"error", deployment.error().message}});
  }
  monitor_->want(std::move(wanted));
}

}  // namespace drover::agent
