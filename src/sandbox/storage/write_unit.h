// One atomic commit: documents, indexes, catalog, counters and their oplog entries. Made by Engine::begin_write(), which
// holds the writer's lock until the unit is committed or destroyed; so everything read here is the newest state, with
// the unit's own writes over it. Inside a multi-document transaction a unit is one statement: it reads the transaction's
// view, and its writes stay with the transaction (Transaction::begin_statement).
//
// Running a unit twice is two commits: retries are the caller's to tell apart (SessionStamp).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sandbox/storage/engine.h"
#include "sandbox/storage/oplog_entry.h"

namespace drover::sandbox {

namespace code {
inline constexpr int kWriteConflict = 112;
inline constexpr int kDuplicateKey = 11000;
inline constexpr int kSnapshotUnavailable = 246;
inline constexpr int kSnapshotTooOld = 239;
inline constexpr int kNamespaceExists = 48;
inline constexpr int kMaxTimeMsExpired = 50;
inline constexpr int kIndexBuildAborted = 276;
inline constexpr int kInterrupted = 11601;
inline constexpr int kInterruptedDueToReplStateChange = 11602;
inline constexpr int kDatabaseDifferCase = 13297;
inline constexpr int kBackgroundOperationInProgressForNamespace = 12587;
}  // namespace code

// Of the temporary collection of a $out, before the UUID of that work; what is left of one that nobody carries on is dropped.
inline constexpr std::string_view kUnfinishedOutput = "tmp.agg_out.";

// A retryable write's session: its entries are chained (prevOpTime), and config.transactions remembers the last.
struct SessionStamp {
  bson::Document lsid;             // {id, uid}
  std::int64_t txn_number = 0;
  bson::Timestamp previous;        // last write under this number; {0,0}: none yet
};

struct DuplicateKey {
  std::string index;
  bson::Document key_pattern;
  bson::Document key_value;
};

class WriteUnit : public Reader {
 public:
  ~WriteUnit() override;  // what was not committed never happened

  // --- reading
  const Catalog& catalog() const override;
  Result<std::optional<std::string>> get(kv::KeySpace space, std::string_view key) const override;
  std::unique_ptr<kv::Iterator> iterate(kv::KeySpace space, std::string upper_bound = {}) const override;

  // --- documents. Validation of content and write rules are the caller's; uniqueness and conflicts are checked here.
  // After 11000, duplicate() says which key. `document` begins with _id.
  Result<RecordId> insert(const CollectionPtr& collection, bson::View document, std::int32_t statement = 0);
  // These are about to be inserted, or the first of them. Only a hint: it makes many cheaper.
  void expect_inserts(const CollectionPtr& collection, std::span<const bson::View> documents);
  Status update(const CollectionPtr& collection, RecordId id, bson::View before, bson::View after, bson::View oplog_object,
                std::int32_t statement = 0);
  Status remove(const CollectionPtr& collection, RecordId id, bson::View document, std::int32_t statement = 0);
  const std::optional<DuplicateKey>& duplicate() const { return duplicate_; }
  // Stamps the entries that follow, and stores the result of a findAndModify for its retry: the image that the client
  // got (before or after) as a no-op entry that the next write's entry points to.
  void set_session(SessionStamp stamp) { session_ = std::move(stamp); }
  enum class Image { kBefore, kAfter };
  void set_image(bson::View image, Image which);
  // Of the next write, when it carries out several statements at once.
  void set_statements(std::vector<std::int32_t> statements) { statements_ = std::move(statements); }
  // Writes to config.transactions & co. that replication does not see: no entries while set.
  void set_replicated(bool replicated) { replicated_ = replicated; }
  // Destroyed when the unit is.
  void keep_until_end(std::shared_ptr<const void> kept) { kept_ = std::move(kept); }
  std::size_t bytes() const;  // buffered so far
  std::size_t operations() const { return operations_; }

  // --- catalog. Names and options were validated by the caller; what already exists is refused with 48.
  Result<CollectionPtr> create_collection(const Namespace& ns, bson::View options, bson::View id_index,
                                          std::optional<Uuid> uuid = {});
  // 112 while a transaction holds documents of it. Index builds on it are aborted.
  Status drop_collection(const CollectionPtr& collection);
  // Within one database. The target is dropped with it. 12587 while an index is built on one of them.
  Result<CollectionPtr> rename_collection(const CollectionPtr& collection, const Namespace& to, bool stay_temp = false);
  // With their entries, all in this unit: for empty collections, and those made in the same transaction.
  Result<CollectionPtr> create_indexes(const CollectionPtr& collection, const std::vector<bson::Document>& specs);
  // Long builds: registered unready (writes maintain it), filled by add_index_entries in units of their own, then
  // committed, which checks uniqueness (112 while a transaction holds documents of the collection), or aborted. There may be several at
  // once on a collection: each has its own indexes.
  Result<CollectionPtr> start_index_build(const CollectionPtr& collection, const Uuid& build, const std::vector<bson::Document>& specs);
  // The next records after `after`, `count` of them or fewer: no more than so many bytes are read, or written, in one unit, for everybody
  // else waits meanwhile. Nothing is left when it returns no id.
  static constexpr std::size_t kMaxBuildStepBytes = 4 << 20;
  Result<std::optional<RecordId>> add_index_entries(const CollectionPtr& collection, const Uuid& build, std::optional<RecordId> after,
                                                    std::size_t count);
  Result<CollectionPtr> commit_index_build(const CollectionPtr& collection, const Uuid& build);
  Result<CollectionPtr> abort_index_build(const CollectionPtr& collection, const Uuid& build, const Error& cause);
  // Of builds that nobody carries on.
  Result<CollectionPtr> abort_abandoned_builds(const CollectionPtr& collection);
  // 12587 while somebody builds an index on it.
  Status check_no_build(const CollectionInfo& collection) const;
  // {ids: [...]} for each value that several documents have, for collMod's `unique`.
  Status check_can_be_unique(const CollectionPtr& collection, const IndexInfo& index, std::vector<bson::Document>& violations);
  Result<CollectionPtr> drop_index(const CollectionPtr& collection, std::string_view name);
  // `o` and `o2` go to the oplog as they are ({collMod: name, ...}); `options` and `indexes` are the new state. 112 while a transaction holds
  // documents of it.
  Result<CollectionPtr> modify_collection(const CollectionPtr& collection, bson::View options,
                                          const std::map<std::string, bson::Document>& index_specs, bson::View o, bson::View o2);
  // The entry alone: its collections are dropped first, in the same unit.
  Status log_drop_database(std::string_view db);
  Status empty_capped(const CollectionPtr& collection);

  // Some transaction holds documents that it wrote.
  bool any_transaction_writes() const;

  // {op: "n"}.
  void log_note(bson::View object);

  // Returns the ts of the last entry (or the last committed one when nothing was logged). The lock is released.
  Result<bson::Timestamp> commit();
  // The ts that the next entry will have: what $currentDate and empty timestamps become.
  bson::Timestamp upcoming_time() const;
  // Where the session's chain now ends; what the next unit of the same number starts from.
  std::optional<bson::Timestamp> session_position() const { return session_ ? std::optional(session_->previous) : std::nullopt; }
  // Of the last entry so far; {0,0} before the first, and in transactions.
  bson::Timestamp last_entry() const { return last_entry_; }

 private:
  friend class Engine;
  friend class Transaction;
  WriteUnit(Engine& engine, Transaction* transaction, std::unique_lock<std::timed_mutex> lock);

  struct Delta {
    CollectionPtr collection;
    std::int64_t records = 0;
    std::int64_t bytes = 0;
  };
  kv::IndexedBatch& batch();
  Status claim(kv::KeySpace space, const std::string& key);
  Status check_unique(const CollectionPtr& collection, const IndexInfo& index, const std::string& encoded, RecordId self,
                      bson::View document);
  Status check_no_transaction(const CollectionPtr& collection) const;
  Status check_no_duplicates(const CollectionPtr& collection, const IndexInfo& index);
  Status check_current(const CollectionPtr& collection) const;
  Status write_keys(const CollectionPtr& collection, RecordId id, bson::View document);
  Status remove_keys(const CollectionPtr& collection, RecordId id, bson::View document);
  Status change_keys(const CollectionPtr& collection, RecordId id, bson::View before, bson::View after);
  void put_key(const IndexInfo& index, const std::string& encoded, RecordId id);
  void remove_key(const IndexInfo& index, const std::string& encoded, RecordId id);
  void note_multikey(const IndexInfo& index, std::uint64_t bits);
  void count(const CollectionPtr& collection, std::int64_t records, std::int64_t bytes);
  Result<RecordId> next_record(const CollectionPtr& collection);
  Status trim_capped(const CollectionPtr& collection);
  void log(OplogEntry entry);
  void log_command(std::string_view db, std::optional<Uuid> uuid, bson::View o, const bson::Document* o2 = nullptr);
  Status log_crud(char op, const CollectionPtr& collection, bson::View o, const bson::Document* o2, std::int32_t statement,
                  bson::View before = {});
  // For change streams (6.0+): `before` is what the operation of that entry found.
  Status save_pre_image(const Uuid& collection, bson::Timestamp entry, std::int64_t apply_ops_index, bson::View before);
  Status save_retry_image();
  // Inserts or replaces by _id, unlogged and outside the session; nothing when there is no such collection.
  Status put_aside(const Namespace& ns, const bson::Document& document);
  bson::Timestamp next_time();
  bool is_logged(const Namespace& ns) const;
  Catalog& writable_catalog();
  void put_collection(CollectionPtr collection);
  std::shared_ptr<CollectionInfo> copy(const CollectionPtr& collection) const;
  Ident new_ident();
  Status refresh_views(std::string_view db);
  Status refresh_all_views();
  Status save_session();
  void drop_data(const CollectionInfo& collection);
  void drop_index_data(const IndexInfo& index);
  void touch_views(const CollectionPtr& collection);
  void touch_timeseries(const CollectionPtr& collection);
  void refresh_views_later(const CollectionPtr& collection);
  Result<std::shared_ptr<CollectionInfo>> with_new_indexes(const CollectionPtr& collection,
                                                           const std::vector<bson::Document>& specs, const Uuid* build = nullptr);
  Engine& engine_;
  Transaction* transaction_;
  std::unique_lock<std::timed_mutex> lock_;  // the writer's
  bool committed_ = false;
  kv::IndexedBatch own_batch_;
  CatalogPtr catalog_;
  std::shared_ptr<Catalog> new_catalog_;
  std::map<Ident, Delta> deltas_;
  std::map<Ident, std::shared_ptr<std::atomic<std::uint64_t>>> multikeys_;
  std::optional<DuplicateKey> duplicate_;
  std::optional<SessionStamp> session_;
  bool session_wrote_ = false;
  bool session_committed_ = false;  // a transaction's
  std::optional<bson::Document> pending_image_;
  std::vector<std::int32_t> statements_;
  std::optional<bson::Document> retry_image_;  // for config.image_collection
  Image image_kind_ = Image::kBefore;
  bool replicated_ = true;
  std::size_t operations_ = 0;
  std::shared_ptr<const void> kept_;
  bson::Timestamp last_time_;   // last ts given out
  bson::Timestamp first_entry_;
  bson::Timestamp last_entry_;
  std::uint64_t oplog_bytes_ = 0, oplog_entries_ = 0;
  bool new_idents_ = false;
  std::vector<std::string> view_databases_;  // whose views may be others now
};

// A multi-document transaction. Used by one thread at a time. Destroying it aborts it.
class Transaction {
 public:
  ~Transaction();
  // The view with the transaction's own writes over it.
  std::unique_ptr<Reader> reader();
  // A statement that writes. 112 errors mean that the transaction has to be aborted. Waits for the writer's lock as Engine::begin_write.
  std::unique_ptr<WriteUnit> begin_statement();
  Result<std::unique_ptr<WriteUnit>> begin_statement(const Patience& patience);
  const ReadViewPtr& view() const { return view_; }
  bool has_writes() const;
  // Of memory, that its writes are kept in until it ends.
  std::size_t memory_bytes() const;

  // Writes everything as applyOps entries (a chain of them when they exceed 16 MB). `lsid` is {id, uid}. Returns the ts
  // of the commit. Nothing to write: the last committed ts.
  Result<bson::Timestamp> commit(bson::View lsid, std::int64_t txn_number, const Patience& patience = {});
  void abort();

 private:
  friend class Engine;
  friend class WriteUnit;
  Transaction(Engine& engine, ReadViewPtr view);

  Engine& engine_;
  ReadViewPtr view_;
  bool ended_ = false;
  kv::IndexedBatch batch_;
  CatalogPtr catalog_;                       // the view's, with collections created here
  std::vector<CollectionPtr> created_;
  std::vector<bson::Document> operations_;   // items of applyOps
  std::size_t operation_bytes_ = 0;
  struct PreImage {
    std::size_t operation;                   // index into operations_
    Uuid collection;
    bson::Document image;
  };
  std::vector<PreImage> pre_images_;
  std::map<Ident, WriteUnit::Delta> deltas_;
  std::map<Ident, std::shared_ptr<std::atomic<std::uint64_t>>> multikeys_;
  std::vector<std::string> locks_;
  std::vector<std::string> view_databases_;

  void release_locks();
  Status log_operations(WriteUnit& unit);
  Status save_pre_images(WriteUnit& unit, std::size_t first, std::size_t last, std::size_t& next);
};

}  // namespace drover::sandbox
