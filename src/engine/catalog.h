// What is being migrated: the source's collections by UUID, each with its partitions. The values are guarded by the
// router's lock unless said otherwise; a Collection outlives its removal from the map for those who still hold it.
#pragma once

#include <atomic>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bson/collation.h"
#include "engine/absorbed_keys.h"
#include "engine/collection_gate.h"
#include "engine/hold_queue.h"
#include "engine/size_estimate.h"
#include "model/collection_info.h"

namespace drover::engine {

enum class PartitionState { kPlanned, kCopying, kCopied };

// How far the comparison of both sides of a partition has come (verification.h).
struct RangeCheck {
  enum class State { kWaiting, kComparing, kCompared } state = State::kWaiting;
  bool again = false;          // the comparison that runs, or is done, does not count: a new one is needed
  bool born_empty = false;     // in this run: all that is in it came as changes
  std::int64_t changes = 0;    // that came while it was waiting
  std::int64_t documents = 0;  // of the source, when it was compared
};

// A half-open _id range. A document of it on the source is on the destination as of some time in [r, f], exactly once.
struct Partition {
  int number = 0;            // within its collection; with the UUID its durable name
  bson::Value min;           // missing: lowest
  bson::Value max;           // missing: unbounded
  std::string min_key;       // key_string(min), "" for the lowest
  PartitionState state = PartitionState::kPlanned;
  bool timed = false;        // r is known (copying); until then every event is held
  ClusterTime r;
  ClusterTime f;
  std::unique_ptr<HoldQueue> held;          // while copying
  std::atomic<std::int64_t> releasing{0};   // held events on their way through the lanes
  ClusterTime releasing_from;               // their oldest, while releasing > 0
  RangeCheck check;
};

// The newest time of the source that a document on the destination may be of. A state that is read to be written over
// others must be at or after it: the changes since the older one may have been settled already.
class SeenTime {
 public:
  void advance(ClusterTime time) { raise(value_, time.value()); }
  ClusterTime newest() const { return ClusterTime::from_value(value_); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// A catalog change's place: those of one transaction share their time.
struct ChangeTime {
  ClusterTime ts;
  std::uint32_t index = 0;
  auto operator<=>(const ChangeTime&) const = default;
  static ChangeTime of(const ChangeEvent& event) { return {event.ts, event.txn_index}; }
  static ChangeTime all_of(ClusterTime ts) { return {ts, ~0u}; }
};

struct Collection {
  Collection(Runtime& runtime, CollectionInfo i) : info(std::move(i)), gate(runtime), build_gate(runtime) {}

  CollectionInfo info;                 // ns and options as on the source after ddl_time; `indexes`: those wanted
  Uuid destination_uuid;
  ChangeTime ddl_time;                 // the last catalog change that has been carried out
  bool drop_recorded = false;          // gone, dropped on the destination, and so recorded
  std::shared_ptr<const bson::Collator> collator;
  std::vector<std::unique_ptr<Partition>> partitions;  // in order of min_key
  std::set<std::string> built;         // names of indexes that exist on the destination
  std::uint64_t index_changes = 0;     // catalog changes of its indexes, for whoever builds meanwhile
  ClusterTime indexes_valid_from;      // the time up to which changes must be settled before the wanted ones are built
  std::int64_t outstanding = 0;        // changes handed to the lanes and not yet applied, released ones included
  std::atomic<bool> gone{false};       // dropped (or given up): its events and copies end
  bool being_replaced = false;         // gone, for it is copied anew: the one to come is not in the catalog yet
  std::atomic<std::int64_t> documents_copied{0};
  std::atomic<std::int64_t> bytes_copied{0};
  std::int64_t documents_expected = 0;
  std::int64_t bytes_expected = 0;
  CollectionGate gate;                 // has its own lock; info.ns changes only under it and the router's lock
  // Shared by builds of its indexes; alone for what a build must not meet: the name moves or goes, an index changes. Taken
  // before `gate`, so that documents do not wait for a build.
  CollectionGate build_gate;
  AbsorbedKeys absorbed;               // has its own lock
  std::atomic<std::size_t> largest{0};  // bytes of the largest document seen, to size reads by that must be whole
  SizeEstimate lately;                 // to size those by that may end early
  SeenTime seen;                       // of what was written to the destination's collection

  Partition& partition_of(const std::string& key);
  bool copied() const;                 // all partitions
  std::string key_of(const bson::Element& id) const;  // logical key
};

struct Catalog {
  std::map<Uuid, std::shared_ptr<Collection>> collections;
  // Catalog changes up to these times are in the listing: per database, and for databases it did not see.
  std::map<std::string, ClusterTime> listed_at;
  ClusterTime listed_default;

  std::shared_ptr<Collection> find(const Uuid& uuid) const;
  std::shared_ptr<Collection> find(const Namespace& ns) const;
  ClusterTime listing_time(const std::string& db) const;
};

// What this version does not carry exactly, in the words of a message; nothing when it does.
std::optional<std::string> not_carried(bson::View options);
std::optional<std::string> index_not_carried(bson::View index);

bson::Document without(bson::View document, std::initializer_list<std::string_view> fields);

// {_id} index options that collections are created with; nothing but for a collation is special.
std::vector<bson::Document> secondary_indexes(const CollectionInfo& info);
std::vector<bson::Document> plain_secondary_indexes(const CollectionInfo& info);  // the non-unique ones

}  // namespace drover::engine
