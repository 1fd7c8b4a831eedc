#include "verifier/verifier.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/guarded.h"
#include "verifier/catalog_comparison.h"
#include "verifier/range_comparison.h"
#include "verifier/range_planner.h"

namespace drover::verifier {
namespace {

constexpr int kAttempts = 5;  // without getting any further
constexpr int kNamespaceNotFound = 26;

// What the comparing threads share.
struct Shared {
  std::size_t next_range = 0;
  Report report;
  Progress progress;
  std::optional<Error> error;
  std::set<Namespace> gone;  // dropped or replaced meanwhile
};

class Comparison {
 public:
  Comparison(const Sides& sides, const Options& options, Runtime& runtime, std::vector<Range> ranges,
             const std::function<void(const Progress&)>& progress, std::stop_token stop)
      : sides_(sides),
        options_(options),
        runtime_(runtime),
        ranges_(std::move(ranges)),
        progress_(progress),
        stop_(std::move(stop)) {
    shared_.with([&](auto& shared) { shared.progress.ranges_total = ranges_.size(); });
  }

  Result<Report> run() {
    std::vector<std::unique_ptr<Runtime::Thread>> threads;
    const auto count = std::min<std::size_t>(static_cast<std::size_t>(std::max(options_.parallelism, 1)), ranges_.size());
    for (std::size_t i = 0; i < count; ++i) {
      threads.push_back(runtime_.spawn("verify", [this](const std::stop_token&) { work(); }));
    }
    for (auto& thread : threads) thread->join();
    auto shared = shared_.copy();
    if (shared.error) return tl::unexpected(std::move(*shared.error));
    if (stop_.stop_requested()) return fail(ErrorCode::kInterrupted, "the verification was stopped");
    return std::move(shared.report);
  }

 private:
  void work() {
    for (;;) {
      const auto index = shared_.with([&](auto& shared) -> std::optional<std::size_t> {
        if (shared.error || stop_.stop_requested() || shared.next_range == ranges_.size()) return std::nullopt;
        return shared.next_range++;
      });
      if (!index) return;
      auto result = compare(ranges_[*index]);
      shared_.with([&](auto& shared) {
        if (result) {
          add(shared, std::move(*result));
        } else if (result.error().server_code == kNamespaceNotFound) {
          add_gone(shared, ranges_[*index].pair->source.ns);
        } else if (!shared.error) {
          shared.error = std::move(result).error().with_context("verifying " + ranges_[*index].pair->source.ns.to_string());
        }
      });
    }
  }

  // A range whose reading is lost goes on where it was, as often as that gets it further.
  Result<RangeResult> compare(const Range& range) {
    RangePosition position;
    const RangeOptions range_options{
        .max_mismatches = options_.max_mismatches, .position = &position, .read = [this](Volume read) { show_read(read); }};
    std::uint64_t before = 0;
    for (int attempt = 1;; ++attempt) {
      auto result = compare_range(sides_, range, range_options, stop_);
      if (result || result.error().code != ErrorCode::kTemporary) return result;
      if (position.compared() > before) attempt = 1;
      if (attempt == kAttempts) return result;
      before = position.compared();
      if (!runtime_.sleep(options_.retry_delay, stop_)) return result;
    }
  }

  void show_read(Volume read) {
    shared_.with([&](auto& shared) {
      shared.progress.compared.documents += read.documents;
      shared.progress.compared.bytes += read.bytes;
      if (progress_) progress_(shared.progress);
    });
  }

  void add(Shared& shared, RangeResult result) {
    auto& report = shared.report;
    report.source.documents += result.source.documents;
    report.source.bytes += result.source.bytes;
    report.destination.documents += result.destination.documents;
    report.destination.bytes += result.destination.bytes;
    report.mismatch_count += result.mismatch_count;
    for (auto& mismatch : result.mismatches) {
      if (report.mismatches.size() == options_.max_mismatches) break;
      report.mismatches.push_back(std::move(mismatch));
    }
    ++shared.progress.ranges_done;
    shared.progress.mismatches = report.mismatch_count;
    if (progress_) progress_(shared.progress);
  }

  // One side has the collection no more, or another one under its name: somebody writes there, and that is a difference.
  void add_gone(Shared& shared, const Namespace& ns) {
    RangeResult result;
    if (shared.gone.insert(ns).second) {
      result.mismatch_count = 1;
      result.mismatches.push_back({MismatchKind::kCatalog, ns, {}, "the collection was dropped or replaced, on one side at least, while it was compared"});
    }
    add(shared, std::move(result));
  }

  const Sides sides_;
  const Options& options_;
  Runtime& runtime_;
  const std::vector<Range> ranges_;
  const std::function<void(const Progress&)>& progress_;
  const std::stop_token stop_;
  Guarded<Shared> shared_;
};

// Nothing to compare them with, so their documents are not read.
Status add_lone(cluster::Deployment& deployment, const std::vector<Namespace>& collections, Volume& volume) {
  for (const auto& ns : collections) {
    const auto size = TRY_WITH(deployment.size_of(ns), "counting " + ns.to_string());
    volume.documents += static_cast<std::uint64_t>(size.documents);
    volume.bytes += static_cast<std::uint64_t>(size.bytes);
  }
  return {};
}

void add_catalog(const CatalogComparison& catalog, std::size_t limit, Report& report) {
  report.collections = catalog.collections;
  report.mismatch_count += catalog.mismatches.size();
  report.mismatches.insert(report.mismatches.begin(), catalog.mismatches.begin(), catalog.mismatches.end());
  std::stable_sort(report.mismatches.begin(), report.mismatches.end(),
                   [](const auto& a, const auto& b) { return a.ns < b.ns; });
  if (report.mismatches.size() > limit) report.mismatches.resize(limit);
  report.equal = report.mismatch_count == 0;
}

}  // namespace

const char* kind_name(MismatchKind kind) {
  switch (kind) {
    case MismatchKind::kMissing: return "missing";
    case MismatchKind::kExtra: return "extra";
    case MismatchKind::kDifferent: return "different";
    case MismatchKind::kMissingCollection: return "missing collection";
    case MismatchKind::kExtraCollection: return "extra collection";
    case MismatchKind::kMissingIndex: return "missing index";
    case MismatchKind::kExtraIndex: return "extra index";
    case MismatchKind::kCatalog: return "catalog";
  }
  return "unknown";
}

Result<Report> verify(cluster::Deployment& source, cluster::Deployment& destination, const Options& options,
                      Runtime& runtime, const std::function<void(const Progress&)>& progress, std::stop_token stop) {
  const auto included = options.included ? options.included : [](const Namespace&) { return true; };
  const Sides sides{source, destination, TRY(source.majority_time()), TRY(destination.majority_time())};
  auto catalog = TRY(compare_catalogs(source, destination, included));
  if (options.listed) TRY(options.listed());
  const auto readers = static_cast<std::uint64_t>(std::max(options.parallelism, 1)) * 2;
  // A reply is held up to three times on its way in.
  PlanOptions plan;
  plan.batch_bytes = std::max<std::uint64_t>(options.max_memory / readers / 3, 64 << 10);
  auto ranges = TRY(plan_ranges(source, destination, std::move(catalog.pairs), plan));
  auto report = TRY(Comparison(sides, options, runtime, std::move(ranges), progress, std::move(stop)).run());
  TRY(add_lone(source, catalog.only_on_source, report.source));
  TRY(add_lone(destination, catalog.only_on_destination, report.destination));
  add_catalog(catalog, options.max_mismatches, report);
  return report;
}

}  // namespace drover::verifier
