#include "verifier/range_planner.h"

#include <algorithm>
#include <map>
#include <string>

#include "bson/key_string.h"

namespace drover::verifier {
namespace {

constexpr int kSamplesPerRange = 16;
constexpr int kMaxBatchDocuments = 5000;

int batch_documents(const cluster::CollectionSize& a, const cluster::CollectionSize& b, std::uint64_t batch_bytes) {
  std::int64_t average = 1;
  for (const auto& size : {a, b}) {
    if (size.documents > 0) average = std::max(average, size.bytes / size.documents);
  }
  return static_cast<int>(
      std::clamp<std::int64_t>(static_cast<std::int64_t>(batch_bytes) / average, 1, kMaxBatchDocuments));
}

// Quantiles of the samples, in the server's order.
std::vector<bson::Value> choose_bounds(const std::vector<bson::Value>& samples, int ranges) {
  std::map<std::string, bson::Value> ordered;
  for (const auto& id : samples) ordered.emplace(bson::key_string(id.element()), id);
  std::vector<bson::Value> distinct;
  for (auto& [key, id] : ordered) distinct.push_back(std::move(id));
  std::vector<bson::Value> bounds;
  std::size_t last = 0;
  for (int i = 1; i < ranges; ++i) {
    const auto at = distinct.size() * static_cast<std::size_t>(i) / static_cast<std::size_t>(ranges);
    if (at == 0 || at == last || at >= distinct.size()) continue;
    bounds.push_back(distinct[at]);
    last = at;
  }
  return bounds;
}

}  // namespace

bool has_collation(const CollectionInfo& info) {
  const auto collation = info.options["collation"].to_document();
  return collation && (*collation)["locale"].to_string_view() != "simple";
}

Result<std::vector<Range>> plan_ranges(cluster::Deployment& source, cluster::Deployment& destination,
                                       std::vector<CollectionPair> pairs, const PlanOptions& options) {
  std::vector<Range> plan;
  for (auto& one : pairs) {
    const auto pair = std::make_shared<const CollectionPair>(std::move(one));
    const auto size = TRY(source.size_of(pair->source.ns));
    const auto other = TRY(destination.size_of(pair->destination.ns));
    const auto wanted = static_cast<std::uint64_t>(std::max<std::int64_t>(size.bytes, 0)) / options.range_bytes + 1;
    const int ranges = static_cast<int>(std::min<std::uint64_t>(wanted, static_cast<std::uint64_t>(options.max_ranges)));
    std::vector<bson::Value> bounds;
    if (ranges > 1 && !has_collation(pair->source) && !has_collation(pair->destination)) {
      bounds = choose_bounds(
          TRY(source.sample_ids(pair->source.ns, pair->source.uuid, ranges * kSamplesPerRange)), ranges);
    }
    Range range{pair, {}, {}, batch_documents(size, other, options.batch_bytes)};
    for (auto& bound : bounds) {
      range.max = bound;
      plan.push_back(range);
      range.min = std::move(bound);
    }
    range.max = {};
    plan.push_back(std::move(range));
  }
  return plan;
}

}  // namespace drover::verifier
