// The reads of SimDeployment: catalog, documents and oplog. A majority read is fuzzy: each document may be as it was at any
// time from the read's afterClusterTime to its reply's operationTime.
#include <algorithm>

#include "bson/builder.h"
#include "bson/key_string.h"
#include "sim_deployment.h"

namespace drover::sim {
namespace {

using cluster::DocumentBatch;
using cluster::RangeRead;
using cluster::ReadAt;
using cluster::StateRead;
using Kind = SimDeployment::Kind;

constexpr std::uint32_t kHistorySeconds = 300;  // minSnapshotHistoryWindowInSeconds

tl::unexpected<Error> no_collection(const Uuid& uuid) {
  return fail(ErrorCode::kFailure, "Unable to resolve " + uuid.to_string(), 26);
}

// The document at a time between `after` and the majority's, each of its versions being as likely.
DocumentPtr fuzzy_document(SimCluster& cluster, const Uuid& uuid, const std::string& key, ClusterTime after) {
  const auto& documents = cluster.store().data(uuid).documents;
  const auto at = documents.find(key);
  if (at == documents.end()) return nullptr;
  std::vector<DocumentPtr> seen{cluster.store().document_at(uuid, key, after)};
  for (const auto& version : at->second) {
    if (version.ts > after && version.ts <= cluster.majority()) seen.push_back(version.document);
  }
  return cluster.random().pick(seen);
}

bson::Document only_id(const bson::Document& document) {
  bson::Builder out;
  out.append("_id", document["_id"]);
  return std::move(out).finish();
}

class RangeCursor final : public cluster::DocumentCursor {
 public:
  RangeCursor(SimDeployment& deployment, RangeRead range) : deployment_(deployment), range_(std::move(range)) {}

  Result<DocumentBatch> next(const std::stop_token& stop) override {
    if (stop.stop_requested()) return fail(ErrorCode::kInterrupted, "stopped");
    if (broken_) return tl::unexpected(temporary("cursor id not found", 43));
    auto batch = deployment_.call<DocumentBatch>("find " + range_.ns.to_string(), Kind::kRead, [this] { return fill(); });
    if (!batch) broken_ = true;
    return batch;
  }

 private:
  Result<DocumentBatch> fill() {
    auto& cluster = deployment_.cluster();
    if (begun_ && cluster.random().chance(cluster.faults().lost_cursor)) {
      return tl::unexpected(temporary("cursor id not found", 43));
    }
    begun_ = true;
    TRY(cluster.await_readable(range_.at.time));
    const bool snapshot = range_.at.level == ReadAt::Level::kSnapshot;
    if (snapshot) TRY(check_snapshot(cluster));
    const auto* entry = cluster.store().find(range_.uuid);
    if (entry == nullptr) return no_collection(range_.uuid);
    return scan(cluster, *entry, snapshot);
  }

  Status check_snapshot(SimCluster& cluster) const {
    if (!cluster.at_least(5)) {
      return fail(ErrorCode::kFailure, "read concern level snapshot is only valid in a transaction", 72);
    }
    const bool old = cluster.majority().seconds > range_.at.time.seconds + kHistorySeconds;
    if (old || cluster.random().chance(cluster.faults().snapshot_too_old)) {
      return fail(ErrorCode::kFailure, "snapshot too old", 239);
    }
    return {};
  }

  Result<DocumentBatch> scan(SimCluster& cluster, const CatalogEntry& entry, bool snapshot) {
    const auto& documents = cluster.store().data(range_.uuid).documents;
    if (!placed_) {
      if (range_.min.exists()) next_ = logical_key(entry, range_.min.element());
      placed_ = true;
    }
    const std::string end = range_.max.exists() ? logical_key(entry, range_.max.element()) : std::string();
    auto at = documents.lower_bound(next_);
    const auto in_range = [&] { return at != documents.end() && (!range_.max.exists() || at->first < end); };
    std::vector<bson::Document> found;
    // A server may always return fewer than were asked for.
    std::size_t wanted = 1 + cluster.random().below(12);
    if (range_.batch_documents > 0) wanted = std::min(wanted, static_cast<std::size_t>(range_.batch_documents));
    for (; in_range() && found.size() < wanted; ++at) {
      auto document = snapshot ? cluster.store().document_at(range_.uuid, at->first, range_.at.time)
                               : fuzzy_document(cluster, range_.uuid, at->first, range_.at.time);
      if (document) found.push_back(range_.ids_only ? only_id(*document) : *document);
    }
    DocumentBatch batch;
    batch.last = !in_range();
    if (!batch.last) next_ = at->first;
    batch.operation_time = cluster.majority();
    auto reply = std::make_shared<bson::Document>(bson::make_array(found));
    batch.array = reply->view();
    batch.reply = std::move(reply);
    return batch;
  }

  SimDeployment& deployment_;
  const RangeRead range_;
  std::string next_;
  bool placed_ = false;
  bool begun_ = false;
  bool broken_ = false;
};

class TailCursor final : public cluster::OplogCursor {
 public:
  TailCursor(SimDeployment& deployment, ClusterTime from) : deployment_(deployment), at_(from), next_(from) {}

  Result<std::vector<bson::View>> next(std::chrono::milliseconds wait, const std::stop_token& stop) override {
    if (stop.stop_requested()) return fail(ErrorCode::kInterrupted, "stopped");
    if (broken_) return tl::unexpected(temporary("cursor id not found", 43));
    auto entries = deployment_.call<std::vector<bson::Document>>("getMore oplog", Kind::kRead,
                                                                 [&] { return fill(wait, stop); });
    if (!entries) {
      broken_ = true;
      return tl::unexpected(entries.error());
    }
    held_ = std::move(*entries);
    return std::vector<bson::View>(held_.begin(), held_.end());
  }

 private:
  Result<std::vector<bson::Document>> fill(std::chrono::milliseconds wait, const std::stop_token& stop) {
    auto& cluster = deployment_.cluster();
    TRY(cluster.check_primary());
    if (cluster.random().chance(cluster.faults().lost_cursor)) return tl::unexpected(temporary("cursor killed", 237));
    const auto& oplog = cluster.store().oplog();
    if (oplog.front().ts > at_) {
      return tl::unexpected(temporary("CollectionScan died due to position in capped collection being deleted", 136));
    }
    const auto first = [&] {
      return std::lower_bound(oplog.begin(), oplog.end(), next_,
                              [](const OplogEntry& entry, ClusterTime ts) { return entry.ts < ts; });
    };
    const Duration end = cluster.scheduler().now() + wait;
    const int term = cluster.term();
    while ((first() == oplog.end() || first()->ts > cluster.majority()) && cluster.scheduler().now() < end &&
           !stop.stop_requested()) {
      cluster.scheduler().block("the oplog", &cluster, end, &stop);
      if (cluster.term() != term) return tl::unexpected(temporary("not primary", 189));
    }
    std::vector<bson::Document> entries;
    const std::size_t wanted = 1 + cluster.random().below(cluster.random().coin() ? 3 : 40);
    for (auto at = first(); at != oplog.end() && at->ts <= cluster.majority() && entries.size() < wanted; ++at) {
      entries.push_back(at->document);
      at_ = at->ts;
      next_ = {at_.seconds, at_.increment + 1};
    }
    return entries;
  }

  SimDeployment& deployment_;
  ClusterTime at_;  // the last one delivered
  ClusterTime next_;
  std::vector<bson::Document> held_;
  bool broken_ = false;
};

}  // namespace

Result<std::vector<std::string>> SimDeployment::list_databases() {
  using Names = std::vector<std::string>;
  return call<Names>("listDatabases", Kind::kRead, [this]() -> Result<Names> {
    TRY(cluster_.check_primary());
    Names names{"admin", "config", "local"};
    for (const auto& [ns, entry] : cluster_.store().catalog()) {
      if (std::find(names.begin(), names.end(), ns.db) == names.end()) names.push_back(ns.db);
    }
    return names;
  });
}

Result<std::vector<CollectionInfo>> SimDeployment::list_collections(const std::string& db) {
  using Infos = std::vector<CollectionInfo>;
  return call<Infos>("listCollections " + db, Kind::kRead, [this, db]() -> Result<Infos> {
    TRY(cluster_.check_primary());
    std::vector<Namespace> names;
    for (const auto& [ns, entry] : cluster_.store().catalog()) {
      if (ns.db == db && ns.collection != "system.views") names.push_back(ns);
    }
    // The indexes of each collection are asked for one by one: its time is not that of the list.
    Infos infos;
    for (const auto& ns : names) {
      if (cluster_.random().below(4) == 0) {
        scheduler_.sleep_for(std::chrono::milliseconds(cluster_.random().below(30)));
        TRY(cluster_.check_primary());
      }
      if (const auto* entry = cluster_.store().find(ns)) infos.push_back(entry->info);
    }
    return infos;
  });
}

Result<std::unique_ptr<cluster::DocumentCursor>> SimDeployment::read_range(const RangeRead& range) {
  if (process_.dead) return fail(ErrorCode::kInterrupted, "stopped");
  return std::make_unique<RangeCursor>(*this, range);
}

Result<StateRead> SimDeployment::read_by_ids(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                             ClusterTime after, std::size_t most_bytes) {
  return call<StateRead>("read by ids " + ns.to_string(), Kind::kRead, [&]() -> Result<StateRead> {
    TRY(cluster_.await_readable(after));
    const auto* entry = cluster_.store().find(uuid);
    if (entry == nullptr) return no_collection(uuid);
    StateRead read;
    for (const auto& id : ids) {
      if (auto document = fuzzy_document(cluster_, uuid, logical_key(*entry, id.element()), after)) {
        read.documents.push_back(*document);
      }
    }
    read.operation_time = cluster_.majority();
    // Documents are small here: now and then some stand for as many as a caller takes.
    if (most_bytes != cluster::kAllBytes && read.documents.size() > 1 && read.operation_time.increment % 3 == 0) {
      read.documents.resize((read.documents.size() + 1) / 2);
      read.complete = false;
    }
    return read;
  });
}

Result<StateRead> SimDeployment::read_group(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                            ClusterTime after, std::size_t most_bytes) {
  return call<StateRead>("read group " + ns.to_string(), Kind::kRead, [&]() -> Result<StateRead> {
    TRY(cluster_.await_readable(after));
    const auto* entry = cluster_.store().find(uuid);
    if (entry == nullptr) return no_collection(uuid);
    std::vector<ClusterTime> times{after};
    for (const auto& item : cluster_.store().oplog()) {
      if (item.ts > after && item.ts <= cluster_.majority()) times.push_back(item.ts);
    }
    const auto time = cluster_.random().pick(times);
    StateRead read;
    std::size_t bytes = 0;
    for (const auto& id : ids) {
      read.complete = bytes < most_bytes;
      if (!read.complete) break;
      if (auto document = cluster_.store().document_at(uuid, logical_key(*entry, id.element()), time)) {
        bytes += document->size();
        read.documents.push_back(*document);
      }
    }
    read.operation_time = cluster_.majority();
    return read;
  });
}

Result<std::vector<bson::Value>> SimDeployment::sample_ids(const Namespace& ns, const Uuid& uuid, int count) {
  using Ids = std::vector<bson::Value>;
  return call<Ids>("sample " + ns.to_string(), Kind::kRead, [&]() -> Result<Ids> {
    TRY(cluster_.await_readable({}));
    if (cluster_.store().find(uuid) == nullptr) return no_collection(uuid);
    const auto documents = cluster_.store().documents_at(uuid, cluster_.majority());
    Ids ids;
    for (int i = 0; i < count && !documents.empty(); ++i) {
      ids.emplace_back((*documents[cluster_.random().below(documents.size())])["_id"]);
    }
    return ids;
  });
}

Result<cluster::CollectionSize> SimDeployment::size_of(const Namespace& ns) {
  using Size = cluster::CollectionSize;
  return call<Size>("size " + ns.to_string(), Kind::kRead, [&]() -> Result<Size> {
    TRY(cluster_.check_primary());
    Size size;
    const auto* entry = cluster_.store().find(ns);
    if (entry == nullptr || entry->info.is_view()) return size;
    for (const auto& document : cluster_.store().documents_at(entry->info.uuid, cluster_.store().last())) {
      ++size.documents;
      size.bytes += static_cast<std::int64_t>(document->size());
    }
    return size;
  });
}

Result<std::unique_ptr<cluster::OplogCursor>> SimDeployment::tail_oplog(ClusterTime from) {
  using Cursor = std::unique_ptr<cluster::OplogCursor>;
  return call<Cursor>("tail oplog", Kind::kRead, [&]() -> Result<Cursor> {
    TRY(cluster_.await_readable(from));
    const auto& oplog = cluster_.store().oplog();
    if (oplog.front().ts > from) return fail(ErrorCode::kFailure, "the oplog begins after " + from.to_string(), 286);
    return std::make_unique<TailCursor>(*this, from);
  });
}

Result<bson::Document> SimDeployment::oplog_entry(ClusterTime ts) {
  return call<bson::Document>("oplog entry", Kind::kRead, [&]() -> Result<bson::Document> {
    TRY(cluster_.check_primary());
    for (const auto& entry : cluster_.store().oplog()) {
      if (entry.ts == ts) return entry.document;
    }
    return fail(ErrorCode::kFailure, "the oplog has no entry at " + ts.to_string(), 286);
  });
}

Result<std::pair<ClusterTime, ClusterTime>> SimDeployment::oplog_window() {
  using Window = std::pair<ClusterTime, ClusterTime>;
  return call<Window>("oplog window", Kind::kRead, [this]() -> Result<Window> {
    TRY(cluster_.check_primary());
    return Window{cluster_.store().oplog().front().ts, cluster_.store().last()};
  });
}

}  // namespace drover::sim
