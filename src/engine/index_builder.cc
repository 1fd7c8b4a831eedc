#include "engine/index_builder.h"

#include "engine/retry.h"

namespace drover::engine {
namespace {
inline constexpr std::chrono::milliseconds kLookAgain{200};
inline constexpr int kMostFailures = 5;  // of one collection's builds
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
      TRY(build(*collection, stop));
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

Status IndexBuilder::build(Collection& collection, const std::stop_token& stop) {
  // Nobody waits for a build, not even catalog changes: what they did meanwhile is looked at afterwards.
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
  log_.info("building indexes", {{"namespace", ns.to_string()}, {"indexes", static_cast<std::int64_t>(missing.size())}});
  runtime_.reached("indexes.before_build");
  const Status built = retry_temporary(runtime_, stop, [&] { return destination_.create_indexes(ns, missing); });
  runtime_.reached("indexes.after_build");
  const auto there = TRY(retry_temporary(
      runtime_, stop, [&] { return destination_.find_collection(ns.db, collection.destination_uuid); }));
  std::optional<ClusterTime> later;
  if (!built) later = TRY(retry_temporary(runtime_, stop, [&] { return source_.majority_time(); }));
  MonitorLock lock(router_.lock());
  if (collection.gone || collection.index_changes != changes || !there) return {};  // look again
  if (!built) {
    // A document may be newer here than a drop of the index on the source that is still on its way.
    if (++failures_[ns.to_string()] > kMostFailures)
      return tl::unexpected(Error(built.error()).with_context("building indexes of " + ns.to_string()));
    log_.warn("an index build failed; it is tried again later", {{"namespace", ns.to_string()}, {"error", built.error().message}});
    collection.indexes_valid_from = *later;
    return {};
  }
  collection.built.clear();
  for (const auto& index : there->indexes) collection.built.emplace(index["name"].to_string_view().value_or(""));
  router_.lock().notify_all();
  return {};
}

}  // namespace drover::engine
