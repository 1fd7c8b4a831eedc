#include "agent/validation_job.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "agent/destination_state.h"
#include "bson/builder.h"
#include "cluster/mongo_deployment.h"
#include "preflight/checks.h"

namespace drover::agent {
namespace {

using preflight::Side;
constexpr int kAuthenticationFailed = 18;
constexpr int kUnauthorized = 13;
constexpr std::size_t kNamespacesNamed = 10;

Check passed(std::string id) { return {std::move(id), "PASSED", "", ""}; }
Check skipped(std::string id, std::string why) { return {std::move(id), "SKIPPED", "", std::move(why)}; }

std::string reach_id(Side side) { return side == Side::kSource ? "source-reachable" : "destination-reachable"; }
std::string login_id(Side side) { return side == Side::kSource ? "credentials" : "destination-privileges"; }

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

constexpr const char* kLoginFirst = "a login is needed first";
constexpr const char* kRefusedFirst = "what the deployments are is refused before what their users may is looked at";
// Reached it was, but nobody has logged in.
bool is_login_missing(const preflight::Finding& finding) { return finding.id.ends_with("-login"); }

// The words of the original's troubleshooting page.
std::string title_of(const preflight::Finding& finding) {
  if (finding.id == "source-standalone") return "Source appears to be a standalone";
  if (finding.id == "source-timeseries")
    return "Source cluster contains a time series collection, which is unsupported";
  if (finding.id.ends_with("-privileges")) {
    return contains(finding.what, "setUserWriteBlockMode") || contains(finding.what, "bypassWriteBlockingMode")
               ? "User does not have the required permissions for blocking writes during cutover"
               : "User not authorized to execute command";
  }
  const auto* side = finding.side == Side::kSource ? "source" : "destination";
  return finding.severity == preflight::Severity::kRefuse ? fmt::format("The {} cannot be migrated as it is", side) : fmt::format("To be known of the {}", side);
}

Result<std::unique_ptr<cluster::Deployment>> connect(Host& host, Side side, const std::string& uri, const std::stop_token& stop) {
  cluster::MongoOptions options;
  options.uri = uri;
  const char* separator = uri.find('?') == std::string::npos ? "?" : "&";
  if (!contains(uri, "serverSelectionTimeoutMS")) {
    if (separator[0] == '?' && uri.find('/', uri.find("://") + 3) == std::string::npos) options.uri += "/";
    options.uri += fmt::format("{}serverSelectionTimeoutMS={}", separator, host.server_selection_timeout.count() * 1000);
  }
  options.side = side == Side::kSource ? cluster::Side::kSource : cluster::Side::kDestination;
  options.app_name = "drover agent";
  return cluster::connect(options, host.runtime, stop);
}

// Nobody has a connection string of the source in hand here.
std::string in_words_of_the_request(std::string message) {
  constexpr std::string_view kOption = "name it with tlsCAFile=FILE in the connection string";
  if (const auto at = message.find(kOption); at != std::string::npos)
    message.replace(at, kOption.size(), "name its file on the migration host as the request's caCertificatePath (drover migration start --source-tls-ca-path)");
  return message;
}

Check not_by_scram() {
  return {"source-mechanisms", "FAILED", "The source's user does not log in by SCRAM",
          "a live migration logs in to its source by SCRAM; give the request's source.username and source.password of a user that has both SCRAM-SHA-1 and SCRAM-SHA-256 credentials"};
}

class Validation {
 public:
  Validation(Host& host, const Job& job, const std::stop_token& stop) : host_(host), job_(job), stop_(stop) {}

  std::vector<Check> run() {
    check_host();
    checks_.push_back(job_.ca_path.empty() ? skipped("ca-file", "no CA file was given") : check_ca_file(job_.ca_path));
    const bool ca_is_there = checks_.back().status != "FAILED";
    auto source = ca_is_there ? reach(Side::kSource, job_.source_uri) : nullptr;
    if (!ca_is_there) skip_reach(Side::kSource, "its CA file cannot be used");
    auto destination = reach(Side::kDestination, job_.destination_uri);
    if (!source || !destination) {
      for (const char* id : {"privileges", "source-mechanisms", "disk-space", "duplicate-namespaces", "engine"})
        checks_.push_back(skipped(id, "both sides must be reached first"));
      return checks_;
    }
    auto report = preflight::check(*source, *destination, {});
    if (report && !report->users_checked) note_missing_logins(*source, *destination, report->findings);
    if (report) note_earlier_migration(*destination, report->findings);
    if (!report) {
      checks_.push_back({"engine", "FAILED", "The checks of the migration could not be made", report.error().message});
    } else {
      for (auto& check : checks_of(*report, job_.drop_destination)) {
        // "credentials" and "destination-privileges" were passed by being let in, so far.
        std::erase_if(checks_, [&](const Check& known) { return known.id == check.id; });
        checks_.push_back(std::move(check));
      }
    }
    if (report && std::ranges::any_of(report->findings, is_login_missing)) {
      for (const char* id : {"source-mechanisms", "disk-space", "duplicate-namespaces"}) checks_.push_back(skipped(id, kLoginFirst));
      return checks_;
    }
    checks_.push_back(mechanisms(*source));
    checks_.push_back(disk_space(*source, *destination));
    checks_.push_back(duplicates(*source, *destination));
    return checks_;
  }

 private:
  void check_host() {
    const auto why = refuses_host(host_.platform, job_.path);
    checks_.push_back(why ? Check{"migration-host", "FAILED", "The migration host's platform is not supported", *why}
                          : passed("migration-host"));
  }

  void skip_reach(Side side, const std::string& why) {
    checks_.push_back(skipped(reach_id(side), why));
    checks_.push_back(skipped(login_id(side), why));
  }

  std::unique_ptr<cluster::Deployment> reach(Side side, const std::string& uri) {
    auto deployment = connect(host_, side, uri, stop_);
    Status answered;
    if (deployment) {
      const auto facts = (*deployment)->facts();
      if (!facts) answered = tl::unexpected(facts.error());
    } else {
      answered = tl::unexpected(deployment.error());
    }
    if (answered) {
      checks_.push_back(passed(reach_id(side)));
      checks_.push_back(passed(login_id(side)));
      return std::move(*deployment);
    }
    auto check = check_of_failure(side, answered.error());
    const bool reached = check.id == login_id(side);
    checks_.push_back(reached ? passed(reach_id(side)) : std::move(check));
    checks_.push_back(reached ? std::move(check) : skipped(login_id(side), "it was not reached"));
    return nullptr;
  }

  // Preflight has refused what they are before it came to that. Who cannot be asked has not passed.
  void note_missing_logins(cluster::Deployment& source, cluster::Deployment& destination, std::vector<preflight::Finding>& findings) {
    for (auto [side, deployment] : {std::pair(Side::kSource, &source), std::pair(Side::kDestination, &destination)}) {
      auto missing = preflight::missing_login(side, *deployment);
      if (missing && *missing) findings.push_back(std::move(**missing));
      if (missing) continue;
      std::erase_if(checks_, [&](const Check& known) { return known.id == login_id(side); });
      checks_.push_back(skipped(login_id(side), missing.error().message));
    }
  }

  // What a process that is run by hand would go on with is not this migration's.
  void note_earlier_migration(cluster::Deployment& destination, std::vector<preflight::Finding>& findings) {
    const auto held = look_at_destination(destination, job_.id);
    const auto empty = held ? is_empty(destination) : tl::unexpected(held.error());
    if (!empty || held->holds == Holds::kNothing) return;
    if (held->holds == Holds::kCommitted) std::erase_if(findings, [](const auto& finding) { return finding.id == "destination-other-migration"; });
    if (job_.drop_destination || (held->holds == Holds::kCommitted && *empty)) return;
    findings.push_back({"destination-earlier-migration", Side::kDestination, preflight::Severity::kRefuse, ErrorCode::kWrongState, refusal_of(*held, job_.drop_destination), ""});
  }

  // Everybody may look at himself.
  static Check mechanisms(cluster::Deployment& source) {
    const auto status = source.run_command("admin", bson::make_document({{"connectionStatus", 1}}));
    const auto user = status ? status->view().at_path("authInfo.authenticatedUsers.0").to_document() : std::nullopt;
    if (!user) return skipped("source-mechanisms", "nobody logs in to the source");
    if ((*user)["db"].to_string_view() == "$external") return not_by_scram();
    const auto reply = source.run_command("admin", bson::make_document({{"usersInfo", *user}}));
    std::vector<std::string> all;
    if (reply)
      if (const auto list = reply->view().at_path("users.0.mechanisms").to_array())
        for (const auto& item : *list) all.emplace_back(item.to_string_view().value_or(""));
    return check_mechanisms(all);
  }

  // Compressed, as it lies on the source's disks.
  Result<std::int64_t> stored_bytes(cluster::Deployment& source) {
    std::int64_t bytes = 0;
    for (const auto& name : TRY(source.list_databases())) {
      const auto stats = TRY(source.run_command(name, bson::make_document({{"dbStats", 1}})));
      bytes += stats["storageSize"].to_int64().value_or(0) + stats["indexSize"].to_int64().value_or(0);
    }
    return bytes;
  }

  Check disk_space(cluster::Deployment& source, cluster::Deployment& destination) {
    const auto needed = stored_bytes(source);
    if (!needed) return {"disk-space", "FAILED", "Disk storage info unavailable", needed.error().message};
    const auto stats = destination.run_command("admin", bson::make_document({{"dbStats", 1}}));
    if (!stats) return skipped("disk-space", "the destination does not say how much is free: " + stats.error().message);
    const auto total = (*stats)["fsTotalSize"].to_int64();
    const auto used = (*stats)["fsUsedSize"].to_int64();
    return check_disk_space(*needed, total && used && *total > 0 ? std::optional(*total - *used) : std::nullopt);
  }

  Check duplicates(cluster::Deployment& source, cluster::Deployment& destination) {
    if (job_.drop_destination) return skipped("duplicate-namespaces", "the destination's data is dropped first");
    const auto here = preflight::list_all(source);
    const auto there = preflight::list_all(destination);
    if (!here || !there) return skipped("duplicate-namespaces", "the collections could not be listed");
    std::set<std::string> known;
    for (const auto& info : *here) known.insert(info.ns.to_string());
    std::vector<std::string> both;
    for (const auto& info : *there)
      if (known.contains(info.ns.to_string())) both.push_back(info.ns.to_string());
    if (both.empty()) return passed("duplicate-namespaces");
    std::string names;
    for (std::size_t i = 0; i < both.size() && i < kNamespacesNamed; ++i) names += (i ? ", " : "") + both[i];
    if (both.size() > kNamespacesNamed) names += fmt::format(" and {} more", both.size() - kNamespacesNamed);
    return {"duplicate-namespaces", "WARNING", "The destination has namespaces that the source has as well", names};
  }

  Host& host_;
  const Job& job_;
  const std::stop_token& stop_;
  std::vector<Check> checks_;
};

}  // namespace

Check check_ca_file(const std::string& path) {
  const auto text = read_file(path);
  const auto failed = [&](std::string why) { return Check{"ca-file", "FAILED", "Unable to process the provided CA file", std::move(why)}; };
  if (!text) return failed(fmt::format("{} is not there, or the agent may not read it", path));
  if (text->find("-----BEGIN CERTIFICATE-----") == std::string::npos && text->find("-----BEGIN TRUSTED CERTIFICATE-----") == std::string::npos)
    return failed(fmt::format("{} holds no certificate in PEM form", path));
  return passed("ca-file");
}

Check check_of_failure(Side side, const Error& error) {
  const bool source = side == Side::kSource;
  if (error.server_code == kAuthenticationFailed) return {login_id(side), "FAILED", "The username or password is not correct", error.message};
  if (error.server_code == kUnauthorized) return {login_id(side), "FAILED", "User not authorized to execute command", error.message};
  if (contains(error.message, "TLS") || contains(error.message, "certificate"))
    return {reach_id(side), "FAILED", "Invalid SSL options provided", source ? in_words_of_the_request(error.message) : error.message};
  if (contains(error.message, "resolve")) return {reach_id(side), "FAILED", "Could not resolve hostname", error.message};
  return {reach_id(side), "FAILED", source ? "Could not reach specified source" : "Could not reach the destination", error.message};
}

std::vector<Check> checks_of(const preflight::Report& report, bool drop_destination) {
  Check privileges = passed("privileges"), destination = passed("destination-privileges"), engine = passed("engine");
  if (!report.users_checked) {
    privileges = skipped("privileges", kRefusedFirst);
    destination = skipped("destination-privileges", kRefusedFirst);
  }
  std::vector<Check> logins;
  for (const auto& finding : report.findings) {
    if (drop_destination && finding.id == "destination-not-empty") continue;
    if (is_login_missing(finding)) {
      const bool source = finding.side == Side::kSource;
      logins.push_back({login_id(finding.side), "FAILED", "No username and password are given, and a login is needed",
                        source ? "source: it asks for a login; give the request's source.username and source.password, or managedAuthentication: true for the user of monitoring"
                               : fmt::format("destination: {}; {}", finding.what, finding.remedy)});
      if (source) privileges = skipped("privileges", "nobody has logged in");
      if (engine.status == "PASSED") engine = skipped("engine", kLoginFirst);
      continue;
    }
    auto& check = finding.id == "source-privileges" ? privileges : finding.id == "destination-privileges" ? destination : engine;
    const bool refused = finding.severity == preflight::Severity::kRefuse;
    auto detail = fmt::format("{}: {}", side_name(finding.side), finding.what);
    if (!finding.remedy.empty()) detail += "; " + finding.remedy;
    check.detail += (check.detail.empty() ? "" : "\n") + detail;
    if (check.status == "FAILED" || (!refused && check.status == "WARNING")) continue;
    check.status = refused ? "FAILED" : "WARNING";
    check.title = title_of(finding);
  }
  std::vector<Check> checks{privileges, destination, engine};
  for (auto& login : logins) {
    std::erase_if(checks, [&](const Check& known) { return known.id == login.id; });
    checks.push_back(std::move(login));
  }
  return checks;
}

Check check_mechanisms(const std::vector<std::string>& mechanisms) {
  constexpr const char* kId = "source-mechanisms";
  if (mechanisms.empty()) return skipped(kId, "the source does not say which credentials its user has");
  std::string missing;
  for (const auto* needed : {"SCRAM-SHA-1", "SCRAM-SHA-256"})
    if (std::find(mechanisms.begin(), mechanisms.end(), needed) == mechanisms.end()) missing += (missing.empty() ? "" : " and ") + std::string(needed);
  if (missing.empty()) return passed(kId);
  return {kId, "FAILED", "The source's user must have both SCRAM-SHA-1 and SCRAM-SHA-256 credentials",
          fmt::format("it has none for {}; give it both by updateUser with mechanisms: [\"SCRAM-SHA-1\", \"SCRAM-SHA-256\"] and its password", missing)};
}

Check check_disk_space(std::int64_t needed_bytes, std::optional<std::int64_t> free_bytes) {
  if (!free_bytes) return skipped("disk-space", "the destination does not say how much is free");
  const auto detail = fmt::format("the source stores {} bytes, the destination has {} free", needed_bytes, *free_bytes);
  if (needed_bytes <= *free_bytes) return {"disk-space", "PASSED", "", detail};
  return {"disk-space", "FAILED", "Available disk space on the destination needs to be increased", detail};
}

Report validate(Host& host, const Job& job, const std::stop_token& stop) {
  Report report;
  report.checks = Validation(host, job, stop).run();
  report.state = stop.stop_requested() ? JobState::kAccepted : JobState::kDone;
  return report;
}

}  // namespace drover::agent
