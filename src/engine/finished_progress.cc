#include "engine/finished_progress.h"

#include <algorithm>
#include <map>
#include <utility>

#include "bson/builder.h"

namespace drover::engine {
namespace {

VerificationProgress verification_of(bson::View document) {
  VerificationProgress verification;
  verification.complete = document["equal"].is_truthy();
  verification.collections = document["collections"].to_int64().value_or(0);
  verification.documents = document["documents"].to_int64().value_or(0);
  verification.mismatches = document["mismatches"].to_int64().value_or(0);
  return verification;
}

// What is being copied when a process ends is copied anew.
void add_collections(Progress& progress, const std::vector<bson::Document>& records, const std::vector<bson::Document>& partitions) {
  struct Copied {
    std::int64_t documents = 0, bytes = 0;
    std::size_t partitions = 0, open = 0;
  };
  std::map<Uuid, Copied> by_uuid;
  for (const auto& partition : partitions) {
    auto& copied = by_uuid[partition["uuid"].to_uuid().value_or(Uuid{})];
    ++copied.partitions;
    if (partition["state"].to_string_view() != std::string_view("copied")) {
      ++copied.open;
      continue;
    }
    copied.documents += partition["documents"].to_int64().value_or(0);
    copied.bytes += partition["bytes"].to_int64().value_or(0);
  }
  for (const auto& record : records) {
    if (record["gone"].is_truthy()) continue;
    const auto& copied = by_uuid[record["_id"].to_uuid().value_or(Uuid{})];
    CollectionProgress one;
    one.ns = {std::string(record["db"].to_string_view().value_or("")), std::string(record["coll"].to_string_view().value_or(""))};
    one.documents = copied.documents;
    one.bytes = copied.bytes;
    one.copied = progress.phase != "collection copy" || (copied.partitions > 0 && copied.open == 0);
    expect(one, record["documents"].to_int64().value_or(0), record["bytes"].to_int64().value_or(0));
    progress.documents += one.documents;
    progress.bytes += one.bytes;
    progress.bytes_expected += one.bytes_expected;
    progress.collections.push_back(std::move(one));
  }
}

}  // namespace

void expect(CollectionProgress& collection, std::int64_t documents, std::int64_t bytes) {
  collection.documents_expected = collection.copied ? collection.documents : std::max(documents, collection.documents);
  collection.bytes_expected = collection.copied ? collection.bytes : std::max(bytes, collection.bytes);
}

LoadState load_of(StateStore& state, const std::stop_token& stop) {
  return [&state, stop](const std::string& collection) { return state.load(collection, stop); };
}

Progress recorded_progress(const LoadState& load) {
  Progress progress;
  progress.indexes_known = false;
  if (const auto owners = load("x_owner")) {
    for (const auto& owner : *owners) progress.restarts = owner["restarts"].to_int64().value_or(0);
  }
  if (const auto migrations = load("x_migration")) {
    for (const auto& migration : *migrations) {
      const auto started = migration["startedMillis"].to_int64().value_or(0), copied = migration["copiedMillis"].to_int64().value_or(0);
      progress.phase = copied > 0 ? "change event application" : "collection copy";
      if (started > 0 && copied > started) progress.copy_seconds = static_cast<double>(copied - started) / 1000.0;
    }
  }
  const auto records = load("x_catalog");
  const auto partitions = load("x_partitions");
  if (records && partitions) add_collections(progress, *records, *partitions);
  if (const auto checkpoints = load("x_checkpoint")) {
    for (const auto& checkpoint : *checkpoints) {
      progress.change_events_applied = static_cast<std::uint64_t>(checkpoint["applied"].to_int64().value_or(0));
      progress.max_lag_seconds = checkpoint["maxLagSeconds"].to_double().value_or(0);
    }
  }
  return progress;
}

Progress finished_progress(const LoadState& load) {
  auto progress = recorded_progress(load);
  progress.state = "COMMITTING";  // until it is finished
  progress.phase = "cutover";
  add_cutover(load, progress);
  return progress;
}

void add_cutover(const LoadState& load, Progress& progress) {
  const auto cutovers = load("x_cutover");
  if (!cutovers) return;
  for (const auto& cutover : *cutovers) {
    if (cutover["step"].to_string_view() == std::string_view("committed")) {
      progress.state = "COMMITTED";
      progress.phase = "committed";
    }
    if (const auto millis = cutover["writeUnavailableMillis"].to_int64()) progress.write_unavailable_millis = static_cast<double>(*millis);
    if (const auto verified = cutover["verification"].to_document()) progress.verification = verification_of(*verified);
    if (const auto figures = cutover["figures"].to_document()) {  // newer than the last checkpoint
      progress.change_events_applied = static_cast<std::uint64_t>((*figures)["applied"].to_int64().value_or(0));
      progress.max_lag_seconds = (*figures)["maxLagSeconds"].to_double().value_or(0);
    }
    if (const auto restarts = cutover["restarts"].to_int64()) progress.restarts = *restarts;  // until it was committed
  }
}

bson::Document verification_record(const VerificationProgress& verification) {
  return bson::make_document({{"equal", verification.equal()},
                              {"collections", verification.collections},
                              {"documents", verification.documents},
                              {"mismatches", verification.mismatches}});
}

}  // namespace drover::engine
