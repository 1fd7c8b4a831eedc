#include "api/sync_progress.h"

#include <cmath>

#include <fmt/format.h>

namespace drover::api {
namespace {

using engine::SyncProgress;
using engine::SyncState;

inline constexpr auto kId = "coordinator";  // one process serves the whole migration

// The four names that clients compare with.
Json info_of(const SyncProgress& progress) {
  switch (progress.state) {
    case SyncState::kCommitted: return "commit completed";
    case SyncState::kCommitting: return "waiting for commit to complete";
    case SyncState::kRunning:
    case SyncState::kPaused:
      return progress.migration.phase == "change event application" || progress.migration.phase == "cutover"
                 ? "change event application"
                 : "collection copy";
    default: return nullptr;
  }
}

std::string oplog_words(const SyncProgress& progress) {
  if (!progress.oplog_left) return "not checked yet";
  const auto minutes = progress.oplog_left->count() / 60;
  if (minutes < 15) return "less than 15 minutes";
  if (minutes < 60) return fmt::format("{} minutes", minutes);
  if (minutes > 72 * 60) return "more than 72 hours";
  return minutes < 120 ? "1 hour" : fmt::format("{} hours", minutes / 60);
}

Json index_building(const engine::Progress& migration) {
  std::int64_t missing = 0, finished = 0;
  for (const auto& collection : migration.collections) {
    missing += collection.missing_indexes;
    finished += collection.missing_indexes == 0 ? 1 : 0;
  }
  return Json::Object{{"indexesBuilt", migration.indexes_wanted - missing},
                      {"totalIndexesToBuild", migration.indexes_wanted},
                      {"collectionsFinished", finished},
                      {"collectionsTotal", static_cast<std::int64_t>(migration.collections.size())}};
}

Json::Array warnings_of(const SyncProgress& progress) {
  Json::Array warnings;
  if (progress.oplog_left && progress.oplog_left->count() < 15 * 60 && progress.migration.lag_seconds > 60) {
    warnings.emplace_back(
        "The amount of available oplog on the source cluster is too small for mongosync to complete successfully. For more "
        "details, see https://www.mongodb.com/docs/cluster-to-cluster-sync/current/reference/oplog-sizing/.");
  }
  if (progress.source_blocks && (progress.state == SyncState::kCommitting || progress.state == SyncState::kCommitted)) {
    warnings.emplace_back(
        "Writes of users on the source cluster are blocked from the commit on. To allow them again after it: "
        "setUserWriteBlockMode with global: false there.");
  }
  if (!progress.commit.given_up.empty())
    warnings.emplace_back(fmt::format("The commit was given up, and is not tried again before it is asked for anew: {}", progress.commit.given_up));
  return warnings;
}

void add_lag(const SyncProgress& progress, Json::Object& out) {
  const bool known = progress.state == SyncState::kRunning || progress.state == SyncState::kCommitting;
  if (progress.state == SyncState::kCommitted) {
    out.emplace_back("lag", Json::Object{{"overallLagSeconds", 0}, {"crudLagSeconds", 0}, {"ddlLagSeconds", nullptr}});
    out.emplace_back("lagTimeSeconds", 0);
    return;
  }
  if (!known) {
    out.emplace_back("lag", nullptr);
    out.emplace_back("lagTimeSeconds", nullptr);
    return;
  }
  const auto seconds = static_cast<std::int64_t>(std::ceil(progress.migration.lag_seconds));
  out.emplace_back("lag", Json::Object{{"overallLagSeconds", seconds}, {"crudLagSeconds", seconds}, {"ddlLagSeconds", nullptr}});
  out.emplace_back("lagTimeSeconds", seconds);
}

void add_pings(const SyncProgress& progress, Json::Object& out) {
  const char* const sides[] = {"source", "destination"};
  for (int side = 0; side < 2; ++side) {
    const auto& ping = progress.ping_millis[side];
    if (ping && *ping != 0) out.emplace_back(sides[side], Json::Object{{"pingLatencyMs", *ping}});
  }
}

Json given_up(const engine::CommitOrder& commit) {
  if (commit.given_up.empty()) return nullptr;
  return Json::Object{{"request", commit.request ? Json(*commit.request) : Json()}, {"because", commit.given_up}};
}

Json direction(int source, const ClusterNames& names) {
  const auto name = [&](int cluster) { return fmt::format("cluster{}: {}", cluster, names.hosts[cluster]); };
  return Json::Object{{"Source", name(source)}, {"Destination", name(1 - source)}};
}

}  // namespace

Json progress_json(const SyncProgress& progress, const ClusterNames& names) {
  const auto& migration = progress.migration;
  const bool started = progress.source.has_value();
  Json::Object out;
  out.emplace_back("state", engine::name_of(progress.state));
  out.emplace_back("canCommit", started && (progress.state == SyncState::kCommitting || progress.state == SyncState::kCommitted ||
                                            (progress.state == SyncState::kRunning && migration.can_commit)));
  out.emplace_back("canWrite", progress.state == SyncState::kCommitted);
  out.emplace_back("info", info_of(progress));
  add_lag(progress, out);
  if (started) {
    const bool applying = migration.phase == "change event application";
    out.emplace_back("ceaStage", !applying ? "n/a" : migration.lag_seconds > 30 ? "collection copy drain" : "steady state");
    if (progress.until_caught_up && progress.state == SyncState::kRunning)
      out.emplace_back("estimatedSecondsToCEACatchup", progress.until_caught_up->count());
    out.emplace_back("totalEventsApplied", migration.change_events_applied);
    out.emplace_back("collectionCopy",
                     Json::Object{{"estimatedTotalBytes", std::max<std::int64_t>(1, migration.bytes_expected)},
                                  {"estimatedCopiedBytes", migration.bytes}});
    if (applying && migration.indexes_known) out.emplace_back("indexBuilding", index_building(migration));
    out.emplace_back("directionMapping", direction(*progress.source, names));
    add_pings(progress, out);
    if (progress.state == SyncState::kRunning) out.emplace_back("estimatedOplogTimeRemaining", oplog_words(progress));
  } else {
    out.emplace_back("totalEventsApplied", nullptr);
    out.emplace_back("collectionCopy", nullptr);
    out.emplace_back("directionMapping", nullptr);
  }
  out.emplace_back("mongosyncID", kId);
  out.emplace_back("coordinatorID", started ? Json(kId) : Json(nullptr));
  if (auto warnings = warnings_of(progress); !warnings.empty()) out.emplace_back("warnings", std::move(warnings));
  if (started) {
    out.emplace_back("x", Json::Object{{"phase", migration.phase},
                                       {"cannotCommitBecause", migration.cannot_commit_because.empty()
                                                                   ? Json(nullptr)
                                                                   : Json(migration.cannot_commit_because)},
                                       {"commitGivenUp", given_up(progress.commit)},
                                       {"documents", migration.documents},
                                       {"changeEventsHeld", migration.change_events_held},
                                       {"maxLagSeconds", migration.max_lag_seconds},
                                       {"restarts", migration.restarts}});
  }
  return out;
}

Json collections_json(const SyncProgress& progress) {
  Json::Array all;
  for (const auto& one : progress.migration.collections) {
    all.push_back(Json::Object{{"namespace", one.ns.to_string()},
                               {"documents", one.documents},
                               {"estimatedDocuments", one.documents_expected},
                               {"bytes", one.bytes},
                               {"estimatedBytes", one.bytes_expected},
                               {"copied", one.copied},
                               {"missingIndexes", one.missing_indexes}});
  }
  return all;
}

}  // namespace drover::api
