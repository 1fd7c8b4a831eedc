// Collections and indexes as plain immutable values, and a whole catalog at one time. A catalog is never changed: DDL
// makes another one, so that a read view, a transaction and an old cursor each keep the one they began with.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/guarded.h"
#include "base/uuid.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "model/namespace.h"
#include "model/server_version.h"
#include "sandbox/storage/index_filters.h"

namespace drover::sandbox::query {
class Matcher;
}

namespace drover::sandbox {

using RecordId = std::int64_t;
using Ident = std::uint64_t;  // prefix of a collection's records, or of an index's entries, in the store; never reused

struct IndexField {
  std::string path;
  bool descending = false;
  std::string kind;  // empty for 1/-1; "hashed", "text", "2dsphere", "2d", "wildcard"
};

// How often an index was read since it was made, or the server started. Not stored.
struct IndexUses {
  std::atomic<std::int64_t> count = 0;
  std::atomic<std::int64_t> since_millis = 0;  // 0: since the start
};

struct IndexInfo {
  std::string name;
  Ident ident = 0;
  bson::Document spec;  // as listIndexes returns it, without ns
  std::vector<IndexField> fields;
  bool unique = false;
  bool sparse = false;
  bool clustered = false;
  bool ready = true;     // false while it is built: maintained by writes, not used by reads
  Uuid build;            // the one that fills it, while it is not ready; nil in what versions before this one have left
  std::shared_ptr<const query::Matcher> partial_filter;  // null: every document
  std::shared_ptr<const bson::Collator> collator;
  std::shared_ptr<std::atomic<std::uint64_t>> multikey;  // bit i: field i had an array once; never goes back
  std::shared_ptr<IndexUses> uses = std::make_shared<IndexUses>();

  bool is_id() const { return fields.size() == 1 && fields[0].path == "_id" && (name == "_id_" || clustered); }
  // Ordered index over plain paths, that a planner may use.
  bool is_plain() const;
  bson::View key_pattern() const;
};

// Counters that change with every write; exact after a crash, for they are written with the data.
struct CollectionCounters {
  std::int64_t records = 0;
  std::int64_t bytes = 0;
};

// What became of a time-series collection's measurements since the server started. Not stored.
struct BucketCounts {
  std::atomic<std::int64_t> inserts = 0, updates = 0;  // of buckets
  std::atomic<std::int64_t> opened_for_series = 0;     // the series had none that was known
  std::atomic<std::int64_t> closed_full = 0, closed_large = 0, closed_for_later = 0, closed_for_earlier = 0;
  std::atomic<std::int64_t> commits = 0, measurements = 0;
};

// Thread-safe.
inline void raise_to(std::atomic<std::size_t>& largest, std::size_t bytes) {
  auto seen = largest.load(std::memory_order_relaxed);
  while (bytes > seen && !largest.compare_exchange_weak(seen, bytes, std::memory_order_relaxed)) {}
}

struct CollectionInfo {
  Namespace ns;
  Uuid uuid;               // nil for views
  Ident ident = 0;
  bson::Document options;  // as listCollections returns them
  std::vector<std::shared_ptr<const IndexInfo>> indexes;  // _id_ first; empty for views (and collections without)
  std::shared_ptr<const bson::Collator> collator;          // default collation
  bool capped = false;
  std::int64_t capped_size = 0;
  std::int64_t capped_max = 0;
  bool record_pre_images = false;
  std::shared_ptr<const query::Matcher> validator;  // null: none
  // Views. The pipeline is an array's bytes.
  std::string view_on;
  bson::Document view_pipeline;
  // Of a time-series collection's view: its buckets' `timeseries` option.
  bson::Document timeseries;

  std::shared_ptr<Guarded<CollectionCounters>> counters;
  std::shared_ptr<std::atomic<RecordId>> next_record;
  std::shared_ptr<IndexFilters> index_filters = std::make_shared<IndexFilters>();
  // The largest document that was written or read since the start.
  std::shared_ptr<std::atomic<std::size_t>> largest_seen = std::make_shared<std::atomic<std::size_t>>(0);

  // Of a time-series collection's buckets: the record that takes the next measurements of a series, by the series' bytes.
  std::shared_ptr<Guarded<std::map<std::string, RecordId>>> open_buckets;
  std::shared_ptr<BucketCounts> bucket_counts = std::make_shared<BucketCounts>();

  void note_size(std::size_t bytes) const { raise_to(*largest_seen, bytes); }
  // As far as it is known: what was seen, and the average.
  std::size_t largest_document() const;
  bool is_view() const { return !view_on.empty(); }
  bool is_timeseries() const { return is_view() && !timeseries.empty(); }
  // Kept and read in the order of _id, which takes the place of an index of its own.
  bool is_clustered() const { return options["clusteredIndex"].is_truthy(); }
  // Also one that is not ready.
  const IndexInfo* index(std::string_view name) const;
  const IndexInfo* id_index() const;
  bool is_oplog() const { return ns.db == "local" && ns.collection == "oplog.rs"; }
};
using CollectionPtr = std::shared_ptr<const CollectionInfo>;

// The builds of its indexes that are not ready.
std::set<Uuid> builds_of(const CollectionInfo& collection);

// An index from its definition as listIndexes gives it. The definition was validated where it came in.
// `build` is that of an index that is not ready.
Result<std::shared_ptr<const IndexInfo>> make_index(bson::View spec, Ident ident, bool ready, const Uuid& build = {});
// What the options say, for the members derived from them (capped, collator, validator, ...).
// Validators may use what servers of `version` know.
Status derive_from_options(CollectionInfo& collection, ServerVersion version);
// The form in which a collection is kept in the store, and back.
bson::Document to_stored(const CollectionInfo& collection);
Result<std::shared_ptr<CollectionInfo>> from_stored(bson::View stored, ServerVersion version);

class Catalog {
 public:
  // For whoever makes the next catalog.
  void put(CollectionPtr collection);
  void erase(const Namespace& ns);
  // Of a database's system.views; empty: each of its documents defines one.
  void set_invalid_view(const std::string& db, std::string shown_id);

  CollectionPtr find(const Namespace& ns) const;  // collections and views; null when there is none
  CollectionPtr find(const Uuid& uuid) const;
  std::vector<CollectionPtr> of_database(std::string_view db) const;  // by name
  std::vector<CollectionPtr> all() const;
  std::set<std::string> databases() const;
  bool has_database(std::string_view db) const;
  // A database whose name differs from `db` in the case of its letters alone; empty: there is none.
  std::string differently_written(std::string_view db) const;
  // `_id: "..."` of a document of the database's system.views that defines no view. Null: there is none, or the server's version passes over it.
  const std::string* invalid_view(std::string_view db) const;

 private:
  std::map<Namespace, CollectionPtr> by_name_;
  std::unordered_map<Uuid, CollectionPtr> by_uuid_;
  std::map<std::string, std::string, std::less<>> invalid_views_;  // by database
};
using CatalogPtr = std::shared_ptr<const Catalog>;

}  // namespace drover::sandbox
