// The only door to a MongoDB deployment. Two implementations: over libmongoc (mongo_deployment.h), and the simulator's
// (tests/sim). The engine, the verifier and preflight know only this; each method is one idea of the rules in blueprint
// section 3, so that the simulator can fake it without a query language.
//
// Threads: a Deployment may be used from many threads at once; cursors belong to one thread.
// Errors: transient failures (network, elections; spec/engine.md 5.7) come back as ErrorCode::kTemporary after no retry of
// the port's own: the caller decides, with the same session and number for writes. Refusals keep server_code and labels.
// A stop request makes every call return kInterrupted soon.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/uuid.h"
#include "bson/document.h"
#include "model/change_event.h"
#include "model/collection_info.h"
#include "model/namespace.h"
#include "model/server_version.h"

namespace drover::cluster {

struct Facts {
  ServerVersion version;
  ServerVersion fcv;            // zero when this user may not see it
  std::string set_name;         // empty: not a replica set
  bson::ObjectId replica_set_id;  // replSetGetConfig settings.replicaSetId, zero when unknown
  std::string primary;          // host:port
  bool is_mongos = false;
  bool is_writable_primary = false;
  bool authorization = false;   // the server requires authentication
  std::vector<std::string> hosts;
};

// How a read fixes its time. Majority: at or after `time` (afterClusterTime), a newer one at each reply. Snapshot: all
// replies at exactly `time` (server 5.0+).
struct ReadAt {
  enum class Level { kMajority, kSnapshot } level = Level::kMajority;
  ClusterTime time;
};

// Raw documents of one reply. `array` is the reply's batch as a BSON array and can be sent on as it is.
struct DocumentBatch {
  std::shared_ptr<const void> reply;  // owns the bytes
  bson::View array;
  ClusterTime operation_time;  // of this reply: no document in it is newer
  bool last = false;
};

class DocumentCursor {
 public:
  virtual ~DocumentCursor() = default;
  virtual Result<DocumentBatch> next(const std::stop_token& stop) = 0;
};

struct RangeRead {
  Namespace ns;            // for messages, and for servers that cannot read by UUID
  Uuid uuid;               // bound to this collection; error 26 (NamespaceNotFound) once it is gone
  bson::Value min;         // inclusive _id; missing: from the lowest
  bson::Value max;         // exclusive _id; missing: to the end
  ReadAt at;
  bool ids_only = false;   // documents are {_id} only
  int batch_documents = 0; // 0: server's choice
};

struct StateRead {
  std::vector<bson::Document> documents;  // those that exist, in any order
  ClusterTime operation_time;             // q⁺
  bool complete = true;                   // else nothing is known of the ids that are not in `documents`
};
inline constexpr std::size_t kAllBytes = ~std::size_t{0};

// What writes on a deployment, or may yet.
struct RunningWrites {
  struct Transaction {
    std::string id;  // tells it from every other one
    std::chrono::microseconds open{};
  };
  std::vector<Transaction> transactions;  // of users, open, with writes that their commit would make seen
  int others = 0;         // users' commands that write
  int block_changes = 0;  // setUserWriteBlockMode
};

struct CollectionSize {
  std::int64_t documents = 0;
  std::int64_t bytes = 0;
};

// Raw oplog entries, in order, gap-free, majority-committed only.
class OplogCursor {
 public:
  virtual ~OplogCursor() = default;
  // Waits up to `wait` for more; an empty batch then. Views are valid until the next call.
  virtual Result<std::vector<bson::View>> next(std::chrono::milliseconds wait, const std::stop_token& stop) = 0;
};

// A server session on this deployment: our own id, our own numbers (rule 5). The number of each new command must be
// higher than the last; repeating an unanswered command under its number is safe.
struct WriteContext {
  Uuid session;
  std::int64_t txn_number = 0;
};

// What one writing command may hold: the server's limits (16 MB + 16 KB) less what is added around the operations. A call is
// one command, since it has one number: callers size their batches so that the documents, plus kOperationBytes and (replace)
// the _id again for each, stay within.
inline constexpr std::size_t kMaxCommandBytes = 16793600 - 2048;
inline constexpr std::size_t kMaxCommandOperations = 100'000;
inline constexpr std::size_t kOperationBytes = 96;

struct WriteError {
  int index = 0;
  int code = 0;
  std::string message;
};

struct WriteReply {
  std::int64_t n = 0;
  std::vector<WriteError> errors;  // per operation; a write concern error is an Error instead (unknown durability)
};

// One statement of a transaction on the destination.
struct TransactionStatement {
  enum class Kind { kDelete, kInsert } kind = Kind::kDelete;
  Namespace ns;
  bson::Value id;           // kDelete
  bson::Document document;  // kInsert
};

// Which collection a catalog change is meant for, and how it is waited for.
struct CatalogCall {
  Uuid collection{};       // under FCV 6.0+: refused (361) when the name is another's or nobody's. Nil: whoever has the name
  std::stop_token stop{};  // besides the deployment's own; the server goes on with what it has received
  bool detached = false;   // outside the catalog session: a successor does not wait for its end
};

inline constexpr std::string_view kFences = "x_fences";  // {_id: session, ...}: written so that the session refuses what was sent in it before

// Of the document that is there, against the epoch of the one to be saved. The first two also hold where there is none.
enum class StateCondition { kEpochAtMost, kEpochBelow, kSameEpoch };

struct WriteBlock {
  bool supported = false;  // server 6.0+ and FCV 6.0+
  bool effective = false;  // authorization is on, so a block binds users without bypass
  bool enabled = false;    // now
};

class Deployment {
 public:
  virtual ~Deployment() = default;

  // Shape and facts.
  virtual Result<Facts> facts() = 0;
  // Any command, in the session that its field `lsid` names ({id: uuid}), else in a fresh implicit one; reply with ok: 1, or
  // its error. For preflight, workload and tools; the engine proper does not use it.
  virtual Result<bson::Document> run_command(const std::string& db, bson::View command) = 0;

  // Times. The operationTime of a majority read's reply, read from the primary.
  virtual Result<ClusterTime> majority_time() = 0;
  // Writes a no-op into the oplog with w:majority; returns its time or a later one. 107 is retried.
  virtual Result<ClusterTime> append_note(bson::View message) = 0;

  // Catalog. Local reads on the primary. Without system.views, system.profile and system.buckets.*, which are the server's
  // own; other system.* collections are listed.
  virtual Result<std::vector<std::string>> list_databases() = 0;
  virtual Result<std::vector<CollectionInfo>> list_collections(const std::string& db) = 0;
  // One of them, at the cost of one; nothing when there is none.
  virtual Result<std::optional<CollectionInfo>> find_collection(const Namespace& ns);
  virtual Result<std::optional<CollectionInfo>> find_collection(const std::string& db, const Uuid& uuid);

  // Reading.
  virtual Result<std::unique_ptr<DocumentCursor>> read_range(const RangeRead& range) = 0;
  // By UUID, one reply's snapshot or several: between at.time and operation_time. Collation does not matter: ids are
  // matched by value. No further reply is asked for once the documents have `most_bytes`: then it is not complete, and holds one
  // document at least. A reply has 16 MiB at most.
  virtual Result<StateRead> read_by_ids(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                        ClusterTime after, std::size_t most_bytes) = 0;
  // All of them at one point q in (after, operation_time], by a snapshot transaction (works on 4.4). No further reply is asked for once
  // the documents have `most_bytes`: then it is not complete, and tells nothing but that they are too many.
  virtual Result<StateRead> read_group(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                       ClusterTime after, std::size_t most_bytes) = 0;
  // About `count` random _ids, unsorted.
  virtual Result<std::vector<bson::Value>> sample_ids(const Namespace& ns, const Uuid& uuid, int count) = 0;
  virtual Result<CollectionSize> size_of(const Namespace& ns) = 0;

  // Oplog, from the first entry at or after `from`; error 286 (ChangeStreamHistoryLost) once the oldest is newer than `from`.
  virtual Result<std::unique_ptr<OplogCursor>> tail_oplog(ClusterTime from) = 0;
  virtual Result<bson::Document> oplog_entry(ClusterTime ts) = 0;
  // The times of the first and last entries.
  virtual Result<std::pair<ClusterTime, ClusterTime>> oplog_window() = 0;

  // Writing, all with w:majority. What happens when one runs twice: under the same WriteContext nothing (retryable
  // writes); under another, inserts are refused by _id, replacements and deletes end in the same state.
  virtual Result<WriteReply> insert(const WriteContext& context, const Namespace& ns, bson::View documents) = 0;
  // Replace-or-insert by _id, unordered. Top-level Timestamp(0,0) is kept as it is.
  virtual Result<WriteReply> replace(const WriteContext& context, const Namespace& ns,
                                     std::span<const bson::View> documents) = 0;
  virtual Result<WriteReply> remove(const WriteContext& context, const Namespace& ns,
                                    std::span<const bson::Value> ids) = 0;
  // In order, all or nothing. A duplicate key is an Error with server_code 11000 (nothing was written). A kTemporary error
  // with the label TransientTransactionError wrote nothing either, and must be repeated under a higher number; any other
  // kTemporary one is repeated under the same.
  virtual Status transaction(const WriteContext& context, std::span<const TransactionStatement> statements) = 0;
  // The _ids of documents that `index` (a unique one) would refuse `document` for, its own _id left out.
  virtual Result<std::vector<bson::Value>> find_holders(const Namespace& ns, bson::View index,
                                                        bson::View document) = 0;

  // Catalog changes. Not retryable: the engine's journal makes them safe. `options` as listCollections gives them.
  // They run in `session` from this call on, so that running_operations sees those of an owner that died.
  virtual void use_session_for_catalog(const Uuid&) {}
  virtual Status create_collection(const Namespace& ns, bson::View options, const bson::Document* id_index) = 0;
  virtual Status drop_collection(const Namespace& ns, const CatalogCall& call = {}) = 0;  // gone already: fine
  virtual Status rename_collection(const Namespace& from, const Namespace& to, bool drop_target,
                                   const CatalogCall& call = {}) = 0;
  // Makes the collection when nobody has the name, unless it is bound to a UUID.
  virtual Status create_indexes(const Namespace& ns, std::span<const bson::Document> specs,
                                const CatalogCall& call = {}) = 0;
  virtual Status drop_index(const Namespace& ns, const std::string& name, const CatalogCall& call = {}) = 0;  // gone: fine
  virtual Status coll_mod(const Namespace& ns, bson::View fields, const CatalogCall& call = {}) = 0;
  // Gives up the index builds that run on this collection, whoever began them; finished indexes stay.
  virtual Status abort_index_builds(const Namespace& ns, const Uuid& collection) = 0;

  // The migration's state (kStateDatabase; of sessions kFences). Reads are majority. A save replaces the document with the same _id if its
  // `epoch` satisfies the condition against the new document's, or inserts it; false when the condition fails. A removal
  // leaves documents of an epoch above `epoch`.
  virtual Result<std::vector<bson::Document>> load_state(const std::string& collection) = 0;
  virtual Result<bool> save_state(const WriteContext& context, const std::string& collection, bson::View document,
                                  StateCondition condition) = 0;
  virtual Status remove_state(const WriteContext& context, const std::string& collection, std::span<const bson::Value> ids,
                              std::int64_t epoch) = 0;

  // Shuts out the process that owned `session`: a majority write in it with a number higher than any it used, then
  // endSessions. Afterwards its late commands are refused (corpus engine/session-fence).
  virtual Status fence_session(const Uuid& session) = 0;
  // Opens so many connections and logs in on them, as far as they are not there yet, so that as many calls at once find them
  // ready. Nothing but time depends on it: failures are passed over.
  virtual void warm_connections(int count, const std::stop_token& stop) = 0;
  // How many operations of these sessions still run.
  virtual Result<int> running_operations(std::span<const Uuid> sessions) = 0;

  // Writes of users.
  virtual Result<WriteBlock> write_block() = 0;
  virtual Status set_write_block(bool enabled) = 0;  // idempotent
  // Those that began before now and still run.
  virtual Result<RunningWrites> running_writes() = 0;
};

inline Result<std::optional<CollectionInfo>> Deployment::find_collection(const Namespace& ns) {
  for (auto& info : TRY(list_collections(ns.db)))
    if (info.ns == ns) return std::optional(std::move(info));
  return std::optional<CollectionInfo>();
}

inline Result<std::optional<CollectionInfo>> Deployment::find_collection(const std::string& db, const Uuid& uuid) {
  for (auto& info : TRY(list_collections(db)))
    if (!info.is_view() && info.uuid == uuid) return std::optional(std::move(info));
  return std::optional<CollectionInfo>();
}

}  // namespace drover::cluster
