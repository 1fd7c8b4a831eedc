// `drover check`: what would be in the way of a migration. Reads both deployments and changes nothing.
#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "base/runtime.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cluster/mongo_deployment.h"
#include "preflight/preflight.h"
#include "terminal/table.h"

namespace drover::cli {
namespace {

class CheckCommand final : public Subcommand {
 public:
  std::string_view name() const override { return "check"; }
  std::string_view summary() const override { return "Say what would be in the way of a migration; changes nothing"; }
  void configure(OptionSet& options) override;
  int run() override;
  Json failure_json(const Error& error) const override;

 private:
  Result<preflight::Report> check();
  void print(const preflight::Report& report) const;
  static Json to_json(const preflight::Report& report);
  static std::string conclusion(const preflight::Report& report);

  std::string source_, destination_;
  std::vector<std::string> include_, exclude_;
  bool json_ = false;
};

void CheckCommand::configure(OptionSet& options) {
  options.uri("--source", source_, "The deployment to read").required();
  options.uri("--destination", destination_, "The deployment to write").required();
  options.repeated("--include", include_, "Only this database or database.collection");
  options.repeated("--exclude", exclude_, "Not this database or database.collection");
  options.flag("--json", json_, "Print one JSON object instead of sentences");
  options.description(
      "Runs every check that `drover migrate` makes before it writes anything, and says for each finding what to do. Exits "
      "with 0 when a migration may begin, else as the migration would.");
  options.example("drover check --source @source.uri --destination @destination.uri");
}

int CheckCommand::run() {
  const auto report_or_error = check();
  if (!report_or_error) {
    const auto& error = report_or_error.error();
    if (json_) fmt::print("{}\n", failure_json(error).dump());
    return report(name(), error);
  }
  if (json_) {
    fmt::print("{}\n", to_json(*report_or_error).dump());
  } else {
    print(*report_or_error);
  }
  const Status verdict = report_or_error->verdict();
  return verdict ? 0 : exit_code(verdict.error().code);
}

Result<preflight::Report> CheckCommand::check() {
  const preflight::Options options{.filter = TRY(NamespaceFilter::parse(include_, exclude_)), .writers = preflight::Writers::kUnknown};
  const auto stop = stop_on_signals();
  const auto runtime = make_real_runtime();
  const auto source = TRY(cluster::connect({source_, cluster::Side::kSource}, *runtime, stop));
  const auto destination = TRY(cluster::connect({destination_, cluster::Side::kDestination}, *runtime, stop));
  return preflight::check(*source, *destination, options);
}

void CheckCommand::print(const preflight::Report& report) const {
  for (const auto& finding : report.findings) {
    const bool refused = finding.severity == preflight::Severity::kRefuse;
    fmt::print("{} {}: {}\n", refused ? "refused" : "warning", preflight::side_name(finding.side), terminal::printable(finding.what));
    if (!finding.remedy.empty()) fmt::print("        {}\n", finding.remedy);
  }
  fmt::print("{}\n", conclusion(report));
}

std::string CheckCommand::conclusion(const preflight::Report& report) {
  using preflight::MigrationPhase;
  if (report.refused()) return "A migration would be refused.";
  if (report.found == MigrationPhase::kCommitted) {
    return "A migration of this source is committed: nothing is left to copy or to cut over. `drover migrate` with the --include and --exclude "
           "that it was begun with runs an --after-cutover that has not succeeded yet.";
  }
  if (report.found == MigrationPhase::kDecided) return "The cutover of a migration is decided; `drover migrate` would finish it.";
  const bool conditional = std::any_of(report.findings.begin(), report.findings.end(),
                                       [](const auto& finding) { return finding.id == "source-cannot-block"; });
  std::string text = report.resuming() ? "A migration has begun; `drover migrate` would continue it" : "A migration may begin";
  if (conditional) text += ", with --before-cutover, --assume-writes-stopped or on a terminal";
  return text + ".";
}

Json CheckCommand::failure_json(const Error& error) const {
  return Json(Json::Object{{"refused", true}, {"resuming", false}, {"findings", Json(Json::Array{})}, {"error", cli::to_json(error)}});
}

Json CheckCommand::to_json(const preflight::Report& report) {
  Json::Array findings;
  for (const auto& finding : report.findings) {
    findings.push_back(Json::Object{{"id", finding.id},
                                    {"side", preflight::side_name(finding.side)},
                                    {"refused", finding.severity == preflight::Severity::kRefuse},
                                    {"what", finding.what},
                                    {"remedy", finding.remedy}});
  }
  return Json::Object{{"refused", report.refused()},
                      {"resuming", report.resuming()},
                      {"committed", report.found == preflight::MigrationPhase::kCommitted},
                      {"findings", std::move(findings)}};
}

}  // namespace

std::unique_ptr<Subcommand> make_check_command() { return std::make_unique<CheckCommand>(); }

}  // namespace drover::cli
