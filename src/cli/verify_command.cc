// `drover verify`: compares two deployments. Composition only: the verifier does the work.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string_view>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "base/format_count.h"
#include "base/json.h"
#include "base/runtime.h"
#include "bson/ejson.h"
#include "cli/commands.h"
#include "cli/signals.h"
#include "cluster/mongo_deployment.h"
#include "model/namespace_filter.h"
#include "preflight/preflight.h"
#include "terminal/format.h"
#include "terminal/table.h"
#include "verifier/verifier.h"

namespace drover::cli {
namespace {

inline constexpr std::chrono::seconds kLineEvery{5};
inline constexpr std::chrono::milliseconds kRedrawEvery{200};
inline constexpr int kUnauthorized = 13;

// One line on standard error: redrawn on a terminal, repeated now and then elsewhere.
class ProgressLine {
 public:
  explicit ProgressLine(Runtime& runtime) : runtime_(runtime), shown_(runtime.now()) {}
  ~ProgressLine() {
    if (drawn_) fmt::print(stderr, "\r\x1b[K");
  }
  void show(const verifier::Progress& progress) {
    const auto now = runtime_.now();
    if (now - shown_ < (terminal_ ? Duration(kRedrawEvery) : Duration(kLineEvery))) return;
    shown_ = now;
    drawn_ = terminal_;
    fmt::print(stderr, "{}{} documents compared ({}), {} of {} ranges, {} mismatches{}", terminal_ ? "\r\x1b[K" : "",
               format_count(progress.compared.documents),
               terminal::format_bytes(static_cast<double>(progress.compared.bytes)), progress.ranges_done,
               progress.ranges_total, progress.mismatches, terminal_ ? "" : "\n");
  }

 private:
  Runtime& runtime_;
  SteadyTime shown_;
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool drawn_ = false;
};

Json volume(const verifier::Volume& volume) {
  return Json(Json::Object{{"documents", volume.documents}, {"bytes", volume.bytes}});
}

Json to_json(const verifier::Report& report) {
  Json::Array mismatches;
  for (const auto& mismatch : report.mismatches) {
    Json id;
    if (mismatch.id.exists()) {
      if (auto parsed = Json::parse(bson::to_ejson(mismatch.id.element()))) id = std::move(*parsed);
    }
    mismatches.push_back(Json(Json::Object{{"kind", verifier::kind_name(mismatch.kind)},
                                           {"ns", mismatch.ns.to_string()},
                                           {"_id", std::move(id)},
                                           {"detail", mismatch.detail}}));
  }
  return Json(Json::Object{{"equal", report.equal},
                           {"collections", report.collections},
                           {"documents", report.source.documents},
                           {"bytes", report.source.bytes},
                           {"source", volume(report.source)},
                           {"destination", volume(report.destination)},
                           {"mismatches", report.mismatch_count},
                           {"firstMismatches", Json(std::move(mismatches))}});
}

// As servers print it, but for what they print as nan.0 and inf.0.
std::string id_text(const bson::Element& id) {
  if (id.type() == bson::Type::kDouble) {
    const double value = id.double_value();
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  }
  return bson::to_shell(id);
}

// "1 document", "2 documents"
std::string counted(std::uint64_t count, std::string_view one) {
  return fmt::format("{} {}{}", format_count(count), one, count == 1 ? "" : one.ends_with('h') ? "es" : "s");
}

void print_report(const verifier::Report& report) {
  for (const auto& mismatch : report.mismatches) {
    const auto id = mismatch.id.exists() ? " _id " + id_text(mismatch.id.element()) : "";
    fmt::print("{}\n", terminal::printable(fmt::format("{}: {}{}: {}", verifier::kind_name(mismatch.kind), mismatch.ns.to_string(), id, mismatch.detail)));
  }
  if (report.mismatch_count > report.mismatches.size()) {
    fmt::print("and {} more\n", format_count(report.mismatch_count - report.mismatches.size()));
  }
  const auto side = [](const verifier::Volume& volume) {
    return fmt::format("{}, {}", counted(volume.documents, "document"), counted(volume.bytes, "byte"));
  };
  if (report.equal) {
    fmt::print("Equal: {}, {}, byte for byte.\n", counted(report.collections, "collection"), side(report.source));
  } else {
    fmt::print("Different: {} in {}. Source: {}. Destination: {}.\n", counted(report.mismatch_count, "mismatch"),
               counted(report.collections, "collection"), side(report.source), side(report.destination));
  }
}

class VerifyCommand final : public Subcommand {
 public:
  std::string_view name() const override { return "verify"; }
  std::string_view summary() const override { return "Compare two deployments, document by document and byte by byte"; }
  void configure(OptionSet& options) override;
  int run() override;
  Json failure_json(const Error& error) const override;

 private:
  Result<verifier::Report> verify();
  static Status everything_named_is_there(const NamespaceFilter& filter, const std::vector<Namespace>& present);

  std::string source_, destination_;
  std::vector<std::string> include_, exclude_;
  std::int64_t max_mismatches_ = 100;
  std::int64_t parallelism_ = std::max<std::int64_t>(2, std::thread::hardware_concurrency());
  bool json_ = false;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
};

void VerifyCommand::configure(OptionSet& options) {
  options.uri("--source", source_, "The deployment that is right").required();
  options.uri("--destination", destination_, "The deployment that should be equal to it").required();
  options.repeated("--include", include_, "Only this database or database.collection");
  options.repeated("--exclude", exclude_, "Not this database or database.collection");
  options.integer("--max-mismatches", max_mismatches_, "How many mismatches to list; all are counted").range(0, 1'000'000);
  options.integer("--parallelism", parallelism_, "Ranges that are compared at a time").range(1, 64);
  options.flag("--json", json_, "Print one JSON object as the last line of standard output");
  options.description(
      "Compares collections, views, options and indexes, then every document by its bytes: field order and numeric types "
      "count. Reads both sides with majority, in memory that does not grow with the data. Writes to either side while it "
      "runs show as differences. Exit code 0: equal; 7: different.");
  options.example("drover verify --source @source.uri --destination @destination.uri");
  options.example("drover verify --source @s --destination @d --include shop.orders --json");
}

// A comparison of nothing would find everything equal.
Status VerifyCommand::everything_named_is_there(const NamespaceFilter& filter, const std::vector<Namespace>& present) {
  for (const auto& ns : filter.unmatched_includes(present))
    return fail(ErrorCode::kUsage, fmt::format("--include {}: neither side holds anything of that name", ns.to_string()));
  const bool any = std::any_of(present.begin(), present.end(), [&](const auto& ns) { return filter.matches(ns); });
  if (!any && !present.empty()) return fail(ErrorCode::kUsage, "--include and --exclude leave nothing to be compared");
  return {};
}

Result<verifier::Report> VerifyCommand::verify() {
  const auto stop = stop_on_signals();
  const auto filter = TRY(NamespaceFilter::parse(include_, exclude_));
  auto source = TRY(cluster::connect({source_, cluster::Side::kSource}, *runtime_, stop));
  auto destination = TRY(cluster::connect({destination_, cluster::Side::kDestination}, *runtime_, stop));
  std::vector<Namespace> present;
  const verifier::Options options{.included =
                                      [&](const Namespace& ns) {
                                        present.push_back(ns);
                                        return filter.matches(ns);
                                      },
                                  .listed = [&] { return everything_named_is_there(filter, present); },
                                  .parallelism = static_cast<int>(parallelism_),
                                  .max_mismatches = static_cast<std::size_t>(max_mismatches_)};
  ProgressLine line(*runtime_);
  auto report = verifier::verify(
      *source, *destination, options, *runtime_, [&](const verifier::Progress& progress) { line.show(progress); }, stop);
  if (!report && report.error().server_code == kUnauthorized) {  // nobody's roles are missing where nobody is logged in
    TRY(preflight::check_login(preflight::Side::kSource, *source));
    TRY(preflight::check_login(preflight::Side::kDestination, *destination));
  }
  return report;
}

Json VerifyCommand::failure_json(const Error& error) const {
  return Json(Json::Object{{"equal", Json()}, {"error", cli::to_json(error)}});
}

int VerifyCommand::run() {
  const auto report = verify();
  if (!report) {
    auto error = report.error();
    if (interrupted()) error = {ErrorCode::kInterrupted, "stopped before everything was compared", 0, {}};
    if (json_) fmt::print("{}\n", failure_json(error).dump());
    return cli::report(name(), error);
  }
  if (json_) {
    fmt::print("{}\n", to_json(*report).dump());
  } else {
    print_report(*report);
  }
  std::fflush(stdout);
  return report->equal ? 0 : exit_code(ErrorCode::kMismatch);
}

}  // namespace

std::unique_ptr<Subcommand> make_verify_command() { return std::make_unique<VerifyCommand>(); }

}  // namespace drover::cli
