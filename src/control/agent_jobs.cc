#include "control/agent_jobs.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/fields.h"
#include "control/json_document.h"

namespace drover::control {
namespace {

constexpr const char* kJobs = "agentJobs";
constexpr const char* kLogs = "agentJobLogs";
constexpr int kAttempts = 20;

std::string text_in(const Json& object, std::string_view key) {
  const auto* value = object.find(key);
  const auto* text = value ? value->as_string() : nullptr;
  return text ? *text : std::string();
}

bson::Document by_id(std::string_view id) { return bson::make_document({{"_id", id}}); }

// What is left of a job for a while: the list of work that another process has read before may still name it.
bool is_removed(bson::View document) { return document["removedAt"].exists(); }

bson::Document undecided(std::string_view id) { return bson::make_document({{"_id", id}, {"accepted", false}, {"sequence", std::int64_t{0}}}); }

}  // namespace

bool AgentJob::needs_source() const {
  if (desired == "FORGET" || refused()) return false;
  const auto state = text_in(report, "state");
  return state != "DONE" && state != "COMMITTED" && state != "STOPPED" && state != "FAILED" && state != "FORGOTTEN";
}

std::string AgentJobs::seal_name(std::string_view id) const { return fmt::format("agentJob {}", id); }

AgentJob AgentJobs::job_of(bson::View document) const {
  AgentJob job;
  job.id = text_of(document, "_id");
  job.link = text_of(document, "linkId");
  job.group = text_of(document, "groupId");
  job.hostname = text_of(document, "hostname");
  job.cluster = text_of(document, "clusterName");
  job.kind = text_of(document, "kind");
  job.desired = text_of(document, "desired");
  job.item_revision = number_of(document, "itemRevision");
  job.sequence = number_of(document, "sequence");
  job.relayed_sequence = number_of(document, "relayedSequence");
  job.log_lines = number_of(document, "logLines");
  job.begun = flag_of(document, "begun");
  job.held = text_of(document, "held");
  job.held_since = number_of(document, "heldSince");
  job.accepted = !document["accepted"].exists() || flag_of(document, "accepted");  // of an older store: it was given out already
  if (const auto report = document["report"].to_document()) job.report = json_of(*report);
  return job;
}

Result<bool> AgentJobs::take(const std::string& link, const Json& item) {
  const auto id = text_in(item, "id"), desired = text_in(item, "desired");
  const auto* number = item.find("revision");
  const auto item_revision = number && number->as_int() ? *number->as_int() : 0;
  const bool forget = desired == "FORGET";
  const auto* source = item.find("source");
  // Also where this store has lost what it knew of it.
  const auto* told = item.find("sequence");
  const bool told_of = told && told->as_int() && *told->as_int() > 0;
  const auto fresh = [&](bool begun) {
    return bson::make_document({{"_id", id},
                                {"linkId", link},
                                {"groupId", source ? text_in(*source, "groupId") : ""},
                                {"hostname", text_in(item, "migrationHost")},
                                {"clusterName", source ? text_in(*source, "clusterName") : ""},
                                {"accepted", false},
                                {"begun", begun || told_of},
                                {"kind", text_in(item, "kind")},
                                {"desired", desired},
                                {"itemRevision", item_revision},
                                {"sealedSpec", keys_.seal(seal_name(id), item.dump())},
                                {"sequence", std::int64_t{0}},
                                {"relayedSequence", std::int64_t{0}},
                                {"logLines", std::int64_t{0}},
                                {"revision", std::int64_t{1}}});
  };
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto known = TRY(store_.find_one(kJobs, by_id(id)));
    const bool of_another = known && text_of(*known, "linkId") != link;
    if (of_another && !is_removed(*known)) return fail(ErrorCode::kUsage, fmt::format("item {} is another link's", id));
    if (forget && (!known || of_another)) return false;
    // It was removed with that link, and comes again by the one that carries on what that had.
    if (of_another) {
      const auto left = bson::make_document({{"_id", id}, {"linkId", text_of(*known, "linkId")}, {"removedAt", bson::Value((*known)["removedAt"])}});
      if (TRY(store_.update(kJobs, left, fresh(flag_of(*known, "begun"))))) return true;
      continue;
    }
    if (known && is_removed(*known)) return !forget;
    if (!known) {
      if (TRY(store_.insert(kJobs, fresh(false)))) return true;
      continue;
    }
    if (number_of(*known, "itemRevision") >= item_revision) return true;
    const auto revision = number_of(*known, "revision");
    bson::Builder update;
    {
      auto set = update.open_document("$set");
      set.append("desired", desired).append("itemRevision", item_revision).append("revision", revision + 1);
      if (!forget) set.append("sealedSpec", keys_.seal(seal_name(id), item.dump()));
    }
    if (forget) update.open_document("$unset").append("sealedSpec", "");
    const auto filter = bson::make_document({{"_id", id}, {"revision", revision}});
    if (TRY(store_.update(kJobs, filter, std::move(update).finish()))) return true;
  }
  return fail(ErrorCode::kTemporary, "another process changes the job at the same time");
}

Result<std::vector<AgentJob>> AgentJobs::of_link(const std::string& link) {
  std::vector<AgentJob> jobs;
  TRY(store_.each(kJobs, bson::make_document({{"linkId", link}}), [&](bson::View document) -> Status {
    if (!is_removed(document)) jobs.push_back(job_of(document));
    return {};
  }));
  return jobs;
}

Result<std::set<std::string>> AgentJobs::links() {
  bson::Builder there;
  there.open_document("removedAt").append("$exists", false);
  std::set<std::string> links;
  for (const auto& [link, jobs] : TRY(store_.count_by(kJobs, std::move(there).finish(), "linkId"))) links.insert(link);
  return links;
}

Result<std::vector<AgentJob>> AgentJobs::open_of_project(const std::string& group) {
  std::vector<AgentJob> jobs;
  TRY(store_.each(kJobs, bson::make_document({{"groupId", group}}), [&](bson::View document) -> Status {
    jobs.push_back(job_of(document));
    return {};
  }));
  return jobs;
}

Result<std::vector<AgentJob>> AgentJobs::for_agent(const std::string& group, const std::string& hostname) {
  std::vector<AgentJob> jobs;
  for (const auto& document : TRY(store_.find(kJobs, bson::make_document({{"groupId", group}, {"hostname", hostname}})))) {
    auto job = job_of(document);
    if (!job.accepted) continue;
    if (const auto sealed = text_of(document, "sealedSpec"); !sealed.empty())
      job.item = TRY(Json::parse(TRY(keys_.unseal(seal_name(job.id), sealed))));
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Result<std::optional<AgentJob>> AgentJobs::find(const std::string& id) {
  const auto found = TRY(store_.find_one(kJobs, by_id(id)));
  if (!found || is_removed(*found)) return std::optional<AgentJob>();
  return std::optional(job_of(*found));
}

Result<bool> AgentJobs::left_begun(const std::string& id) {
  const auto found = TRY(store_.find_one(kJobs, by_id(id)));
  return found && is_removed(*found) && flag_of(*found, "begun");
}

Result<std::optional<AgentJobs::Kept>> AgentJobs::report(const std::string& group, const std::string& hostname, const std::string& id,
                                                         std::int64_t sequence, const Json& report) {
  bson::Builder filter;
  filter.append("_id", id).append("groupId", group).append("hostname", hostname);
  filter.open_document("sequence").append("$lt", sequence);
  filter.open_document("accepted").append("$ne", false);
  bson::Builder update;
  {
    auto set = update.open_document("$set");
    set.append("sequence", sequence);
    set.append("report", document_of(report));
  }
  TRY(store_.update(kJobs, std::move(filter).finish(), std::move(update).finish()));
  const auto found = TRY(find(id));
  if (!found || found->group != group || found->hostname != hostname || found->refused()) return std::optional<Kept>();
  return std::optional(Kept{found->sequence, found->desired});
}

Status AgentJobs::accept(const std::string& id) {
  TRY(store_.update(kJobs, undecided(id), bson::make_document({{"$set", bson::make_document({{"accepted", true}, {"held", ""}})}})));
  return {};
}

Result<bool> AgentJobs::hold(const std::string& id, const std::string& because) {
  bson::Builder other;
  other.append_all(undecided(id));
  other.open_document("held").append("$ne", because);
  const auto set = bson::make_document({{"held", because}, {"heldSince", std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count()}});
  return store_.update(kJobs, std::move(other).finish(), bson::make_document({{"$set", set}}));
}

Status AgentJobs::refuse(const std::string& id, const Json& report, std::int64_t sequence) {
  const auto set = bson::make_document({{"sequence", sequence}, {"report", document_of(report)}});
  TRY(store_.update(kJobs, undecided(id), bson::make_document({{"$set", set}})));
  return {};
}

Status AgentJobs::relayed(const std::string& id, std::int64_t sequence) {
  bson::Builder filter;
  filter.append("_id", id);
  filter.open_document("relayedSequence").append("$lt", sequence);
  const auto set = bson::make_document({{"relayedSequence", sequence}});
  TRY(store_.update(kJobs, std::move(filter).finish(), bson::make_document({{"$set", set}})));
  return {};
}

Status AgentJobs::forget(const std::string& id) {
  bson::Builder update;
  update.append("$set", bson::make_document({{"desired", "FORGET"}}));
  update.open_document("$unset").append("sealedSpec", "");
  update.open_document("$inc").append("revision", std::int64_t{1});
  TRY(store_.update(kJobs, by_id(id), std::move(update).finish()));
  return {};
}

Status AgentJobs::remove(const std::string& id) { return leave(id, Left::kNothing); }

Status AgentJobs::leave(const std::string& id, Left what) {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
  if (const auto known = TRY(store_.find_one(kJobs, by_id(id))); known && !is_removed(*known)) {
    // Not where another link has taken it meanwhile.
    bson::Builder still;
    still.append("_id", id).append("linkId", text_of(*known, "linkId"));
    still.open_document("removedAt").append("$exists", false);
    const auto left = bson::make_document({{"linkId", text_of(*known, "linkId")}, {"removedAt", bson::DateTime{now}}, {"begun", what == Left::kBegun}});
    TRY(store_.update(kJobs, std::move(still).finish(), left));
  }
  TRY(store_.remove(kLogs, bson::make_document({{"jobId", id}})));
  for (const auto& [begun, kept] : {std::pair{false, kRemovedKept}, std::pair{true, kBegunKept}}) {
    bson::Builder old;
    old.open_document("removedAt").append("$lt", bson::DateTime{now - std::chrono::milliseconds(kept).count()});
    old.open_document("begun").append(begun ? "$eq" : "$ne", true);
    TRY(store_.remove(kJobs, std::move(old).finish()));
  }
  return {};
}

Status AgentJobs::remove_of_link(const std::string& link) {
  for (const auto& job : TRY(of_link(link))) TRY(leave(job.id, (job.accepted || job.begun) && job.desired != "FORGET" ? Left::kBegun : Left::kNothing));
  return {};
}

Result<std::optional<std::int64_t>> AgentJobs::append_log(const std::string& group, const std::string& hostname, const std::string& id,
                                                          std::int64_t from, const std::vector<std::string>& lines) {
  const auto job = TRY(find(id));
  if (!job || job->group != group || job->hostname != hostname) return std::optional<std::int64_t>();
  const auto skip = std::clamp<std::int64_t>(job->log_lines - from, 0, static_cast<std::int64_t>(lines.size()));
  const auto first = std::max(from, job->log_lines);
  const auto next = from + static_cast<std::int64_t>(lines.size());
  if (next <= job->log_lines) return std::optional(job->log_lines);
  // The lines are there before the number says so: the same again writes the same piece again.
  bson::Builder piece;
  piece.append("jobId", id).append("from", first).append("next", next);
  {
    auto array = piece.open_array("lines");
    for (std::size_t i = static_cast<std::size_t>(skip); i < lines.size(); ++i) array.append(lines[i]);
  }
  const auto name = fmt::format("{}/{:012}", id, first);
  TRY(store_.upsert(kLogs, by_id(name), bson::make_document({{"$set", std::move(piece).finish()}})));
  bson::Builder filter;
  filter.append("_id", id);
  filter.open_document("logLines").append("$lt", next);
  TRY(store_.update(kJobs, std::move(filter).finish(), bson::make_document({{"$set", bson::make_document({{"logLines", next}})}})));
  bson::Builder old;
  old.append("jobId", id);
  old.open_document("next").append("$lt", next - static_cast<std::int64_t>(kMaxKeptLogLines));
  TRY(store_.remove(kLogs, std::move(old).finish()));
  return std::optional(next);
}

Result<std::vector<std::string>> AgentJobs::log(const std::string& id, std::size_t last) {
  std::vector<std::string> lines;
  for (const auto& document : TRY(store_.find(kLogs, bson::make_document({{"jobId", id}}))))
    for (auto& line : texts_of(document, "lines")) lines.push_back(std::move(line));
  if (lines.size() > last) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(last));
  return lines;
}

}  // namespace drover::control
