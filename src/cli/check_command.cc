// `drover check`: what would be in the way of a migration. Reads both deployments and changes nothing.
#include <fmt/format.h>

#include "base/json.h"
#include "base/runtime.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cluster/mongo_deployment.h"
#include "preflight/preflight.h"

namespace drover::cli {
namespace {

class CheckCommand final : public Subcommand {
 public:
  std::string_view name() const override { return "check"; }
  std::string_view summary() const override { return "Say what would be in the way of a migration; changes nothing"; }
  void configure(OptionSet& options) override;
  int run() override;

 private:
  Result<preflight::Report> check();
  void print(const preflight::Report& report) const;
  static Json to_json(const preflight::Report& report);

  std::string source_, destination_;
  std::vector<std::string> include_, exclude_;
  bool json_ = false;
};

void CheckCommand::configure(OptionSet& options) {
  options.uri("--source", source_, "The deployment to read").required();
  options.uri("--destination", destination_, "The deployment to write").required();
  options.repeated("--include", include_, "Only this database or database.collection (repeatable)");
  options.repeated("--exclude", exclude_, "Not this database or database.collection (repeatable)");
  options.flag("--json", json_, "Print one JSON object instead of sentences");
  options.description(
      "Runs every check that `drover migrate` makes before it writes anything, and says for each finding what to do. Exits "
      "with 0 when a migration may begin, else as the migration would.");
  options.example("drover check --source @source.uri --destination @destination.uri");
}

int CheckCommand::run() {
  const auto report_or_error = check();
  if (!report_or_error) return report(name(), report_or_error.error());
  if (json_) {
    fmt::print("{}\n", to_json(*report_or_error).dump());
  } else {
    print(*report_or_error);
  }
  const Status verdict = report_or_error->verdict();
  return verdict ? 0 : exit_code(verdict.error().code);
}

Result<preflight::Report> CheckCommand::check() {
  preflight::Options options;
  options.filter = TRY(NamespaceFilter::parse(include_, exclude_));
  const auto stop = stop_on_signals();
  const auto runtime = make_real_runtime();
  const auto source = TRY(cluster::connect({source_, cluster::Side::kSource}, *runtime, stop));
  const auto destination = TRY(cluster::connect({destination_, cluster::Side::kDestination}, *runtime, stop));
  return preflight::check(*source, *destination, options);
}

void CheckCommand::print(const preflight::Report& report) const {
  for (const auto& finding : report.findings) {
    const bool refused = finding.severity == preflight::Severity::kRefuse;
    fmt::print("{} {}: {}\n", refused ? "refused" : "warning", preflight::side_name(finding.side), finding.what);
    if (!finding.remedy.empty()) fmt::print("        {}\n", finding.remedy);
  }
  if (report.refused()) {
    fmt::print("A migration would be refused.\n");
  } else {
    fmt::print("{}\n", report.resuming ? "A migration has begun; `drover migrate` would continue it." : "A migration may begin.");
  }
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
  return Json::Object{{"refused", report.refused()}, {"resuming", report.resuming}, {"findings", std::move(findings)}};
}

}  // namespace

std::unique_ptr<Subcommand> make_check_command() { return std::make_unique<CheckCommand>(); }

}  // namespace drover::cli
