#include "agent/job.h"

#include <fmt/format.h>

namespace drover::agent {
namespace {

std::string text_of(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}

bool is_true(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* flag = value ? value->as_bool() : nullptr;
  return flag && *flag;
}

Result<Desired> desired_of(const std::string& name) {
  for (const auto one : {Desired::kRun, Desired::kCutover, Desired::kStop, Desired::kForget})
    if (name == name_of(one)) return one;
  return fail(ErrorCode::kUnsupported, fmt::format("this version of the agent does not know the desired state {}", name));
}

bool is_something(const Json* value) { return value != nullptr && !value->is_null(); }

Result<Job> read(const Json& item) {
  Job job;
  job.id = text_of(item, "id");
  if (!is_job_id(job.id)) return fail(ErrorCode::kUnsupported, "an item without an id");
  if (const auto* revision = item.find("revision"); revision && revision->as_int()) job.revision = *revision->as_int();
  const auto kind = text_of(item, "kind");
  if (kind == "validation") job.kind = JobKind::kValidation;
  else if (kind != "migration") return fail(ErrorCode::kUnsupported, fmt::format("this version of the agent does not know the kind {}", kind));
  job.desired = TRY(desired_of(text_of(item, "desired")));
  job.text = item.dump();
  if (job.desired == Desired::kForget) return job;
  const auto path = migration_path_of(text_of(item, "path"));
  if (!path) return fail(ErrorCode::kUnsupported, fmt::format("this version of the agent does not know the path {}", text_of(item, "path")));
  job.path = *path;
  const auto* source = item.find("source");
  const auto* destination = item.find("destination");
  if (source) job.source_uri = text_of(*source, "connectionString");
  if (source) job.ca_path = text_of(*source, "caCertificatePath");
  if (destination) job.destination_uri = text_of(*destination, "connectionString");
  if (job.source_uri.empty()) return fail(ErrorCode::kUnsupported, "the item has no connection string of its source");
  if (job.destination_uri.empty()) return fail(ErrorCode::kUnsupported, "the item has no connection string of its destination");
  if (const auto* request = item.find("cutoverRequest"); request && request->as_int()) job.cutover_request = *request->as_int();
  job.drop_destination = is_true(item, "dropDestinationData");
  job.sharding = is_something(item.find("sharding"));
  return job;
}

}  // namespace

const char* name_of(Desired desired) {
  switch (desired) {
    case Desired::kRun: return "RUN";
    case Desired::kCutover: return "CUTOVER";
    case Desired::kStop: return "STOP";
    case Desired::kForget: return "FORGET";
  }
  return "";
}

const char* name_of(JobState state) {
  switch (state) {
    case JobState::kAccepted: return "ACCEPTED";
    case JobState::kRunning: return "RUNNING";
    case JobState::kCommitting: return "COMMITTING";
    case JobState::kDone: return "DONE";
    case JobState::kCommitted: return "COMMITTED";
    case JobState::kStopped: return "STOPPED";
    case JobState::kFailed: return "FAILED";
    case JobState::kForgotten: return "FORGOTTEN";
  }
  return "";
}

bool is_final(JobState state) { return state >= JobState::kDone; }

bool is_job_id(std::string_view id) {
  return id.size() == 24 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

ParsedJob parse_job(const Json& item) {
  const auto id = text_of(item, "id");
  return {is_job_id(id) ? id : std::string(), read(item)};
}

Json::Object report_fields(const Report& report) {
  Json::Object fields{{"state", name_of(report.state)}, {"error", report.error.empty() ? Json() : Json(report.error)}};
  fields.emplace_back("phase", report.phase.empty() ? Json() : Json(report.phase));
  fields.emplace_back("canCommit", report.can_commit);
  fields.emplace_back("cannotCommitBecause", report.cannot_commit_because.empty() ? Json() : Json(report.cannot_commit_because));
  const std::pair<const char*, const std::optional<std::int64_t>&> numbers[] = {{"lagTimeSeconds", report.lag_seconds},
                                                                                {"copiedBytes", report.copied_bytes},
                                                                                {"totalBytes", report.total_bytes},
                                                                                {"appliedEvents", report.applied_events},
                                                                                {"etaSeconds", report.eta_seconds}};
  for (const auto& [name, value] : numbers) fields.emplace_back(name, value ? Json(*value) : Json());
  Json::Array warnings, checks;
  for (const auto& warning : report.warnings) warnings.emplace_back(warning);
  for (const auto& check : report.checks) {
    checks.push_back(Json::Object{{"id", check.id}, {"status", check.status}, {"title", check.title}, {"detail", check.detail}});
  }
  fields.emplace_back("warnings", std::move(warnings));
  const auto& given_up = report.cutover_given_up;
  fields.emplace_back("cutoverGivenUp", given_up ? Json(Json::Object{{"request", given_up->request ? Json(*given_up->request) : Json()}, {"because", given_up->because}}) : Json());
  fields.emplace_back("engineSilentSince", report.engine_silent_since ? Json(*report.engine_silent_since) : Json());
  fields.emplace_back("enginePaused", report.engine_paused);
  fields.emplace_back("checks", std::move(checks));
  return fields;
}

}  // namespace drover::agent
