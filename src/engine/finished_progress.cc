#include "engine/finished_progress.h"

#include <set>
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

}  // namespace

Progress finished_progress(StateStore& state, const std::stop_token& stop) {
  Progress progress;
  progress.state = "COMMITTING";  // until it is finished
  progress.phase = "cutover";
  progress.restarts = state.restarts();
  std::set<Uuid> there;
  if (const auto catalog = state.load("x_catalog", stop)) {
    for (const auto& record : *catalog) {
      if (record["gone"].is_truthy()) continue;
      there.insert(record["_id"].to_uuid().value_or(Uuid{}));
      CollectionProgress one;
      one.ns = {std::string(record["db"].to_string_view().value_or("")), std::string(record["coll"].to_string_view().value_or(""))};
      one.copied = true;
      progress.collections.push_back(std::move(one));
    }
  }
  if (const auto partitions = state.load("x_partitions", stop)) {
    for (const auto& partition : *partitions) {
      if (!there.contains(partition["uuid"].to_uuid().value_or(Uuid{}))) continue;
      progress.documents += partition["documents"].to_int64().value_or(0);
      progress.bytes += partition["bytes"].to_int64().value_or(0);
    }
  }
  if (const auto checkpoints = state.load("x_checkpoint", stop)) {
    for (const auto& checkpoint : *checkpoints) {
      progress.change_events_applied = static_cast<std::uint64_t>(checkpoint["applied"].to_int64().value_or(0));
      progress.max_lag_seconds = checkpoint["maxLagSeconds"].to_double().value_or(0);
    }
  }
  if (const auto migrations = state.load("x_migration", stop)) {
    for (const auto& migration : *migrations) {
      const auto started = migration["startedMillis"].to_int64().value_or(0), copied = migration["copiedMillis"].to_int64().value_or(0);
      if (started > 0 && copied > started) progress.copy_seconds = static_cast<double>(copied - started) / 1000.0;
    }
  }
  add_cutover(state, progress, stop);
  return progress;
}

void add_cutover(StateStore& state, Progress& progress, const std::stop_token& stop) {
  const auto cutovers = state.load("x_cutover", stop);
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
