#include "engine/collection_copier.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "bson/builder.h"
#include "engine/retry.h"
#include "engine/server_codes.h"
#include "engine/source_read.h"

namespace drover::engine {
namespace {

inline constexpr int kMostDocumentsPerReply = 50000;  // below the server's batch limit of 100,000
inline constexpr std::size_t kIdsPerRemoval = 10000;
inline constexpr std::size_t kPortionDocuments = 5000;
inline constexpr std::size_t kPortionBytes = 4 << 20;
inline constexpr std::chrono::milliseconds kTimePause{10};

// The server alters a top-level Timestamp(0,0) in what is inserted, so such documents go another way, which takes more bytes
// for each: a batch that holds one is sent in portions.
bool has_empty_timestamp(bson::View document) {
  for (const auto& field : document)
    if (field.type() == bson::Type::kTimestamp && field.timestamp_value().is_zero()) return true;
  return false;
}

std::vector<bson::Document> portions_of(bson::View documents) {
  std::vector<bson::Document> portions;
  for (auto next = documents.begin(); next != documents.end();) {
    bson::ArrayBuilder portion;
    do {
      portion.append(*next);
      ++next;
    } while (next != documents.end() && portion.count() < kPortionDocuments && portion.size() + next->size() <= kPortionBytes);
    portions.push_back(std::move(portion).finish());
  }
  return portions;
}

bool snapshot_lost(const Error& error) {
  return error.server_code == kServerSnapshotTooOld || error.server_code == kServerSnapshotUnavailable ||
         error.server_code == kServerInvalidOptions;
}

}  // namespace

Status CollectionCopier::copy(const std::shared_ptr<Collection>& collection, Partition& partition, bool snapshots,
                              const std::stop_token& stop) {
  const ClusterTime floor = router_.begin_copying(partition);  // from here on its events are held, not dropped
  ClusterTime r;
  for (;;) {
    r = TRY(retry_temporary(runtime_, stop, [&] { return source_.majority_time(); }));
    if (r >= floor) break;
    if (!runtime_.sleep(kTimePause, stop)) return tl::unexpected(stopped_error());
  }
  router_.timed(partition, r);
  runtime_.reached("copier.before_copying_recorded");
  partition.f = r;
  TRY(record(*collection, partition, 0, 0, stop));
  runtime_.reached("copier.after_copying_recorded");

  Progress progress;
  progress.f = r;
  Status copied = read_or_gone(source_, runtime_, stop, [&] { return copy_range(*collection, partition, snapshots, progress, stop); });
  if (!copied && copied.error().server_code == kServerNamespaceNotFound) copied = {};  // its drop is on the way
  TRY(copied);
  if (collection->gone) {
    router_.abandon(partition);
    return {};
  }
  runtime_.reached("copier.before_release");
  TRY(router_.release(collection, partition, progress.f, stop));
  runtime_.reached("copier.before_copied_recorded");
  TRY(record(*collection, partition, progress.documents, progress.bytes, stop));
  runtime_.reached("copier.after_copied_recorded");
  return {};
}

// Not once the collection is gone: its partitions' documents may be another plan's by then.
Status CollectionCopier::record(Collection& collection, const Partition& partition, std::int64_t documents,
                                std::int64_t bytes, const std::stop_token& stop) {
  auto gate = collection.gate.enter_shared(stop);
  if (!gate) return tl::unexpected(stopped_error());
  if (collection.gone) return {};
  return save_partition(state_, collection, partition, documents, bytes, stop);
}

// By snapshot first; what a snapshot error leaves is read by majority, which only makes f later: events in (r, f] go by
// state whatever was read when.
Status CollectionCopier::copy_range(Collection& collection, const Partition& partition, bool snapshots,
                                    Progress& progress, const std::stop_token& stop) {
  std::int64_t before = 0;
  const auto moved = [&] { return std::exchange(before, progress.documents) != progress.documents; };
  return retry_temporary(runtime_, stop, [&]() -> Status {
    if (snapshots) {
      const Status status = read_and_insert(collection, partition,
                                            {cluster::ReadAt::Level::kSnapshot, partition.r}, progress, stop);
      if (status || !snapshot_lost(status.error())) return status;
      log_.info("the source no longer has the snapshot of a partition; reading the rest as it is now",
                {{"namespace", collection.info.ns.to_string()}, {"partition", partition.number}});
      snapshots = false;
    }
    return read_and_insert(collection, partition, {cluster::ReadAt::Level::kMajority, partition.r}, progress, stop);
  }, moved);
}

Status CollectionCopier::read_and_insert(Collection& collection, const Partition& partition, cluster::ReadAt at,
                                         Progress& progress, const std::stop_token& stop) {
  cluster::RangeRead range;
  {
    MonitorLock lock(router_.lock());
    range.ns = collection.info.ns;
  }
  range.uuid = collection.info.uuid;
  range.min = progress.last_id.exists() ? progress.last_id : partition.min;
  range.max = partition.max;
  range.at = at;
  if (mutant("copy_read_unfixed")) range.at.time = {};
  range.batch_documents = documents_per_reply(collection);
  // Each reply, and the command that is made of it; the first comes with the cursor.
  constexpr std::size_t kBytesPerByteCopied = 1 + kBytesPerByteSent;
  const auto admit = [&] {
    return budget_.admit(kBytesPerByteCopied * std::max(kCopyReplyBytes, collection.largest.load()), stop);
  };
  auto grant = admit();
  if (!grant) return tl::unexpected(stopped_error());
  auto cursor = TRY_WITH(source_.read_range(range), "copying " + range.ns.to_string());
  for (;; grant = admit()) {
    if (!grant) return tl::unexpected(stopped_error());
    auto next = cursor->next(stop);
    if (!next && mutant("cursor_error_is_end")) return {};
    const auto batch = TRY_WITH(std::move(next), "copying " + range.ns.to_string());
    grant.resize(kBytesPerByteCopied * batch.array.size());
    if (collection.gone && !mutant("gone_ignored")) return {};
    if (at.level == cluster::ReadAt::Level::kMajority) progress.f = std::max(progress.f, batch.operation_time);
    collection.seen.advance(std::max(partition.r, progress.f));
    if (!batch.array.empty()) TRY(insert(collection, batch, partition.r, progress, stop));
    if (batch.last) return {};
    grant.release();
  }
}

Status CollectionCopier::insert(Collection& collection, const cluster::DocumentBatch& batch, ClusterTime r,
                                Progress& progress, const std::stop_token& stop) {
  // A cursor that was opened again begins at the last document of the one before. Only that one is left out: a collation's
  // order is the server's.
  bson::View documents = batch.array;
  bson::Document rest;
  if (progress.last_id.exists()) {
    const auto first = documents.first().document_value()["_id"];
    if (collection.key_of(first) == progress.last_key) {
      bson::ArrayBuilder builder;
      for (const auto& item : documents)
        if (collection.key_of(item.document_value()["_id"]) != progress.last_key) builder.append(item);
      rest = std::move(builder).finish();
      documents = rest.view();
      if (documents.empty()) return {};
    }
  }
  std::int64_t count = 0, bytes = 0;
  std::size_t largest = 0;
  bool altered = false;
  bson::View last;
  for (const auto& item : documents) {
    last = item.document_value();
    bytes += static_cast<std::int64_t>(last.size());
    largest = std::max(largest, last.size());
    altered = altered || has_empty_timestamp(last);
    ++count;
  }
  raise(collection.largest, largest);
  collection.lately.note(largest);
  std::vector<bson::Value> refused;
  {
    auto gate = collection.gate.enter_shared(stop);
    if (!gate) return tl::unexpected(stopped_error());
    if (collection.gone && !mutant("gone_ignored")) return {};
    if (!altered) {
      TRY(insert_one_command(collection, documents, refused, stop));
    } else {
      for (const auto& portion : portions_of(documents)) TRY(insert_one_command(collection, portion, refused, stop));
    }
  }
  if (!refused.empty()) {
    auto alone = collection.gate.enter_exclusive(stop);
    if (!alone) return tl::unexpected(stopped_error());
    if (collection.gone) return {};
    TRY(resolver_.resolve(collection, refused, r, session_, stop));
  }
  runtime_.reached("copier.after_insert");
  progress.last_id = bson::Value(last["_id"]);
  progress.last_key = collection.key_of(last["_id"]);
  progress.documents += count;
  progress.bytes += bytes;
  collection.documents_copied += count;
  collection.bytes_copied += bytes;
  return {};
}

// Adds the _ids that an index refuses to `refused`.
Status CollectionCopier::insert_one_command(Collection& collection, bson::View documents, std::vector<bson::Value>& refused,
                                            const std::stop_token& stop) {
  const Namespace& ns = collection.info.ns;
  ++in_flight_;
  auto answer = session_.insert(ns, documents, stop);
  --in_flight_;
  const auto reply = TRY_WITH(std::move(answer), "copying into " + ns.to_string());
  if (reply.errors.empty()) return {};
  std::vector<bson::View> sent;
  for (const auto& item : documents) sent.push_back(item.document_value());
  for (const auto& error : reply.errors) refused.emplace_back(sent[static_cast<std::size_t>(error.index)]["_id"]);
  return {};
}

int CollectionCopier::documents_per_reply(const Collection& collection) const {
  const auto average = collection.documents_expected > 0
                           ? std::max<std::int64_t>(1, collection.bytes_expected / collection.documents_expected)
                           : 1024;
  return static_cast<int>(
      std::clamp<std::int64_t>(static_cast<std::int64_t>(kCopyReplyBytes) / average, 1, kMostDocumentsPerReply));
}

Status CollectionCopier::clear(Collection& collection, const Partition& partition, const std::stop_token& stop) {
  if (mutant("clear_skipped")) return {};
  const Status cleared = retry_temporary(runtime_, stop, [&]() -> Status {
    for (;;) {
      cluster::RangeRead range;
      range.ns = collection.info.ns;
      range.uuid = collection.destination_uuid;
      range.min = partition.min;
      range.max = partition.max;
      range.ids_only = true;
      range.at.time = TRY(destination_.majority_time());
      auto cursor = TRY(destination_.read_range(range));
      bool any = false;
      for (bool last = false; !last;) {
        const auto batch = TRY(cursor->next(stop));
        last = batch.last;
        std::vector<bson::Value> ids;
        const auto flush = [&]() -> Status {
          if (ids.empty()) return {};
          any = true;
          const auto reply = TRY(session_.remove(collection.info.ns, ids, stop));
          if (!reply.errors.empty()) {
            return fail(ErrorCode::kDestination,
                        fmt::format("clearing a partly copied range of {}: {}", collection.info.ns.to_string(),
                                    reply.errors.front().message),
                        reply.errors.front().code);
          }
          ids.clear();
          return {};
        };
        for (const auto& item : batch.array) {
          ids.emplace_back(item.document_value()["_id"]);
          if (ids.size() == kIdsPerRemoval) TRY(flush());
        }
        TRY(flush());
      }
      if (!any) return {};
    }
  });
  if (!cleared && cleared.error().server_code == kServerNamespaceNotFound) return {};  // dropped here already
  return cleared;
}

}  // namespace drover::engine
