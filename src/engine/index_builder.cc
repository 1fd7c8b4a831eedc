#include "engine/index_builder.h"

#include "engine/retry.h"
#include "engine/server_codes.h"

namespace drover::engine {
namespace {
inline constexpr std::chrono::milliseconds kLookAgain{200};
inline constexpr int kMostFailures = 5;  // of one collection's builds

// By a change of the collection, or for another build: it is begun again.
bool is_given_up(const Error& error) {
  switch (error.server_code) {
    case kServerNamespaceNotFound:
    case kServerIndexBuildAborted:
    case kServerIndexBuildInProgress:
    case kServerUuidMismatch:
    case kServerBuildRuns: return true;
    default: return false;
  }
}
}  // namespace

std::vector<bson::Document> missing_indexes(const Collection& collection) {
  auto missing = plain_secondary_indexes(collection.info);
  std::erase_if(missing, [&](const auto& index) {
    return collection.built.contains(std::string(index["name"].to_string_view().value_or("")));
  });
  return missing;
}

Status IndexBuilder::run(const std::stop_token& stop) {
  for (;;) {
    if (const auto collection = next()) {
      // Outside the gate between two attempts, so that a change of the collection gets in.
      TRY(retry_temporary(runtime_, stop, [&] { return build(*collection, stop); }));
    } else if (!runtime_.sleep(kLookAgain, stop)) {
      return tl::unexpected(stopped_error());
    }
  }
}

// A collection that is copied, whose changes up to the newest wanted index are applied: only then does every document on
// the destination fit it.
std::shared_ptr<Collection> IndexBuilder::next() {
  const ClusterTime applied = router_.applied_until();
  MonitorLock lock(router_.lock());
  for (const auto& [uuid, collection] : catalog_.collections) {
    if (collection->gone || !collection->copied() || applied < collection->indexes_valid_from) continue;
    if (!missing_indexes(*collection).empty()) return collection;
  }
  return nullptr;
}

// Whoever changes the collection's name or indexes waits for a build, but gives it up when it takes long; other catalog
// changes do not wait, and what they did meanwhile is looked at afterwards.
Status IndexBuilder::build(Collection& collection, const std::stop_token& stop) {
  const auto building = collection.build_gate.enter_shared(stop);
  if (!building) return tl::unexpected(stopped_error());
  std::vector<bson::Document> missing;
  Namespace ns;
  std::uint64_t changes = 0;
  {
    MonitorLock lock(router_.lock());
    if (collection.gone) return {};
    missing = missing_indexes(collection);
    ns = collection.info.ns;
    changes = collection.index_changes;
  }
  if (missing.empty()) return {};
  log_.info("building indexes", {{"namespace", ns.to_string()}, {"indexes", static_cast<std::int64_t>(missing.size())}});
  runtime_.reached("indexes.before_build");
  const Status status = on_destination_.build_indexes(collection, ns, missing, stop);
  if (!status && (status.error().code == ErrorCode::kTemporary || status.error().code == ErrorCode::kInterrupted)) return status;
  runtime_.reached("indexes.after_build");
  return built(collection, changes, status, stop);
}

Status IndexBuilder::built(Collection& collection, std::uint64_t changes, const Status& status, const std::stop_token& stop) {
  const std::string db = collection.info.ns.db;
  const auto there =
      TRY(retry_temporary(runtime_, stop, [&] { return destination_.find_collection(db, collection.destination_uuid); }));
  if (!status && is_given_up(status.error())) {
    if (!runtime_.sleep(kLookAgain, stop)) return tl::unexpected(stopped_error());
    return {};
  }
  std::optional<ClusterTime> later;
  if (!status) later = TRY(retry_temporary(runtime_, stop, [&] { return source_.majority_time(); }));
  MonitorLock lock(router_.lock());
  if (collection.gone || collection.index_changes != changes || !there) return {};  // look again
  const std::string name = collection.info.ns.to_string();
  if (!status) {
    // A document may be newer here than a drop of the index on the source that is still on its way.
    if (++failures_[name] > kMostFailures)
      return tl::unexpected(Error(status.error()).with_context("building indexes of " + name));
    log_.warn("an index build failed; it is tried again later", {{"namespace", name}, {"error", status.error().message}});
    collection.indexes_valid_from = *later;
    return {};
  }
  failures_.erase(name);
  collection.built.clear();
  for (const auto& index : there->indexes) collection.built.emplace(index["name"].to_string_view().value_or(""));
  router_.lock().notify_all();
  return {};
}

}  // namespace drover::engine
