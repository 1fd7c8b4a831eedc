#include "agent/job_runner.h"

#include <fmt/format.h>

#include "agent/validation_job.h"
#include "base/backoff.h"

namespace drover::agent {
namespace {

bool is_leaving(const Job& job) { return job.desired == Desired::kStop || job.desired == Desired::kForget; }

// Another one has this host's turn.
Report without_turn(const Job& job, const Turn& turn) {
  if (job.desired == Desired::kStop)
    return {.state = JobState::kRunning, .warnings = {"stopping: this host carries out another migration; what this one left is removed after it"}};
  if (turn.leaving)
    return {.state = JobState::kAccepted, .warnings = {fmt::format("this host is ending another migration ({}); this one begins after it", turn.job)}};
  Report report;
  report.state = JobState::kFailed;
  report.error = fmt::format("this host carries out another migration ({}); it does one at a time", turn.job);
  return report;
}

std::string final_path(const Host& host, const std::string& id) { return host.directory.job_path(id) + "/final.json"; }

}  // namespace

JobRunner::JobRunner(Host& host, Job job)
    : host_(host),
      id_(job.id),
      lock_(host.runtime.make_monitor()),
      job_(std::move(job)),
      fields_(report_fields(report_at_first(host.directory.job_path(id_)))),
      log_(host.directory.job_path(id_) + "/log/mongosync.log", host.directory.job_path(id_) + "/log-sent") {
  if (const auto text = read_file(final_path(host, id_))) {
    if (const auto json = Json::parse(*text); json && json->as_object()) {
      fields_ = *json->as_object();
      final_ = true;
    }
  }
  const auto directory = host.directory.job_path(id_);
  const bool left_something = job_.desired == Desired::kStop || was_begun(directory) || EngineProcess({host.program, directory, "", ""}).running();
  if (job_.kind == JobKind::kMigration && left_something && !final_) take_turn();
  worker_ = host_.runtime.spawn("agent.job", [this](std::stop_token stop) { work(stop); });
  reporter_ = host_.runtime.spawn("agent.report", [this](std::stop_token stop) { report(stop); });
}

JobRunner::~JobRunner() {
  worker_->request_stop();
  reporter_->request_stop();
  reporter_->join();  // first: it may be joining the worker itself
  worker_->join();
  if (host_.lifeline >= 0 && migration_) migration_->end_engine({});  // in order; it would die with us
  give_turn();
}

void JobRunner::want(const Job& job) {
  MonitorLock lock(*lock_);
  if (forgotten_ || job.revision < job_.revision) return;
  if (job.revision == job_.revision && job.text == job_.text) {
    job_.confirmed = job.confirmed;
    return;
  }
  // Before it counts: a new process must not fall back behind it. Without the file it is tried again at the next poll.
  if (job.desired != Desired::kForget) {
    if (const auto kept = write_file(host_.directory.job_path(id_) + "/job.json", job.text); !kept) {
      host_.log.error("a job cannot be kept", {{"job", id_}, {"error", kept.error().message}});
      return;
    }
  }
  // Each report makes a revision of its own.
  if (job.desired != job_.desired || job.cutover_request != job_.cutover_request)
    host_.log.info("wanted", {{"job", id_}, {"desired", name_of(job.desired)}, {"revision", job.revision}});
  job_ = job;
  host_.turn.with([&](Turn& turn) {
    if (turn.job == id_) turn.leaving = is_leaving(job);
  });
  lock_->notify_all();
}

void JobRunner::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Job job;
    bool done = false;
    {
      MonitorLock lock(*lock_);
      job = job_;
      done = final_ || forgotten_;
    }
    if (job.desired == Desired::kForget) {
      if (!forgotten_) forget(stop);
    } else if (!done) {
      take_step(job, stop);
    }
    MonitorLock lock(*lock_);
    lock_->wait(stop, kStepEvery, [&] { return job_.desired != job.desired; });
  }
}

void JobRunner::take_step(const Job& job, const std::stop_token& stop) {
  Report report;
  if (job.kind == JobKind::kValidation) {
    report = job.desired == Desired::kStop ? Report{.state = JobState::kStopped} : validate(host_, job, stop);
  } else if (const auto turn = take_turn(); turn.job != job.id) {
    report = without_turn(job, turn);
  } else {
    if (!migration_) migration_ = std::make_unique<MigrationJob>(host_, job);
    report = migration_->step(job, stop);
  }
  // What was interrupted is not a result.
  if (stop.stop_requested() && !is_final(report.state)) return;
  settle(report);
}

// Whose it is after it was asked for.
Turn JobRunner::take_turn() {
  MonitorLock lock(*lock_);
  return host_.turn.with([&](Turn& turn) {
    if (turn.job.empty()) turn.job = id_;
    if (turn.job == id_) turn.leaving = is_leaving(job_);  // as it is wanted by now
    return turn;
  });
}

void JobRunner::give_turn() {
  host_.turn.with([&](Turn& turn) {
    if (turn.job == id_) turn = {};
  });
}

void JobRunner::settle(const Report& report) {
  auto fields = report_fields(report);
  const bool last = is_final(report.state);
  if (last) {
    // The result must survive: a migration that has failed is not begun again by the next process.
    if (const auto kept = write_file(final_path(host_, id_), Json(fields).dump()); !kept) {
      host_.log.error("a result cannot be kept", {{"job", id_}, {"error", kept.error().message}});
      return;
    }
    give_turn();
  }
  MonitorLock lock(*lock_);
  fields_ = std::move(fields);
  final_ = last;
}

// The files hold secrets and go first; then the site is told until it has heard it.
void JobRunner::forget(const std::stop_token& stop) {
  if (!migration_) {
    Job known;
    known.id = id_;
    migration_ = std::make_unique<MigrationJob>(host_, known);
  }
  migration_->end_engine(stop);
  if (stop.stop_requested()) return;
  host_.directory.remove_job(id_);
  give_turn();
  MonitorLock lock(*lock_);
  forgotten_ = true;
  fields_ = report_fields(Report{.state = JobState::kForgotten});
}

void JobRunner::report(const std::stop_token& stop) {
  SteadyTime sent_at{};
  std::string sent_text;
  int failures = 0;
  while (host_.runtime.sleep(failures == 0 ? std::chrono::milliseconds(kStepEvery) : pause_after(failures, host_.runtime.random()), stop)) {
    Json::Object fields;
    bool forgotten = false;
    {
      MonitorLock lock(*lock_);
      fields = fields_;
      forgotten = forgotten_;
      fields.emplace_back("revision", job_.revision);
    }
    const auto text = Json(fields).dump();
    const auto now = host_.runtime.now();
    if (text != sent_text || now - sent_at >= kReportAtLeastEvery) {
      const auto told = send(fields, stop);
      if (!told && told.error().code == ErrorCode::kWrongState) replaced_ = true;
      if (!told && told.error().code == ErrorCode::kUsage) return set_aside();
      if (told && forgotten) {
        finished_ = true;
        return;
      }
      if (!told && failures == 0)
        host_.log.warn("a report cannot be sent; it is sent later", {{"job", id_}, {"error", told.error().message}});
      failures = told ? 0 : failures + 1;
      if (!told) continue;
      sent_text = text;
      sent_at = now;
    }
    if (!forgotten) ship_log(stop);
  }
}

Status JobRunner::send(const Json::Object& fields, const std::stop_token& stop) {
  auto body = fields;
  body.emplace_back("sequence", host_.site.next_sequence());
  Json::Array log;
  for (const auto& line : log_.recent()) log.emplace_back(line);
  body.emplace_back("log", std::move(log));
  TRY(host_.site.report(id_, std::move(body), stop));
  return {};
}

void JobRunner::ship_log(const std::stop_token& stop) {
  const auto& lines = log_.pending();
  if (lines.empty()) return;
  const auto answer = host_.site.log(id_, log_.from(), lines, stop);
  if (!answer) return;
  if (const auto* next = answer->find("next"); next && next->as_int()) log_.acknowledged(*next->as_int());
}

// The site does not know it any more. It never said STOP, so an engine that runs is left to a person.
void JobRunner::set_aside() {
  worker_->request_stop();
  worker_->join();
  const auto pid = EngineProcess({host_.program, host_.directory.job_path(id_), "", ""}).pid();
  if (!forgotten_) {
    host_.log.warn(pid ? "the site does not know this job any more; its engine is left running, end it with SIGTERM"
                       : "the site does not know this job any more; its files are set aside",
                   {{"job", id_}, {"pid", static_cast<std::int64_t>(pid.value_or(0))}});
    if (!pid) host_.directory.set_job_aside(id_);
  }
  finished_ = true;
}

}  // namespace drover::agent
