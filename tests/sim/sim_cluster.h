// An in-memory replica set. What its primary has lies in a Store; the majority follows some time behind; an election takes
// back what the majority does not have, makes every running operation fail as temporary and leaves a new primary that for
// a while knows an older majority point than was already told to clients.
//
// All members are called from fibers. Those that may wait say so; all others are atomic.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/deployment.h"
#include "faults.h"
#include "oplog_format.h"
#include "scheduler.h"
#include "sessions.h"
#include "store.h"

namespace drover::sim {

struct ClusterOptions {
  std::string name = "source";
  ServerVersion version{4, 4, 1};
  bool authorization = true;
  Faults faults;
};

class SimCluster {
 public:
  SimCluster(Scheduler& scheduler, ClusterOptions options);
  ~SimCluster();
  // The replication and election fibers; both ends are called from a fiber, and `stop` waits for them.
  void start();
  void stop();
  void end_faults() { faults_ = quiet(faults_); }
  void set_faults(const Faults& faults) { faults_ = faults; }
  // The primary is lost, and another found; waits for it. What only the old one had may be taken back.
  void elect();

  const ClusterOptions& options() const { return options_; }
  const Faults& faults() const { return faults_; }
  Store& store() { return store_; }
  Sessions& sessions() { return sessions_; }
  Scheduler& scheduler() { return scheduler_; }
  Random& random() { return scheduler_.random(); }
  bool at_least(int major) const { return options_.version.major >= major; }

  // Primary and majority.
  bool has_primary() const { return has_primary_; }
  int term() const { return term_; }
  ClusterTime majority() const { return known_majority_; }  // as far as the primary knows
  ClusterTime durable() const { return majority_; }         // what no election takes back
  Status check_primary() const;
  // Waits. Until the majority has `ts`, written in `term`; temporary when an election comes first.
  Status await_majority(ClusterTime ts, int term);
  // Waits. Until a majority read at or after `after` can be answered.
  Status await_readable(ClusterTime after);

  // Writing to the primary, at once. Each returns the time of the (last) oplog entry.
  enum class Form { kEach, kTransaction, kChain, kBatch };  // how the oplog shows them
  Result<ClusterTime> write(const std::vector<Write>& writes, Form form, bool by_user,
                            const std::optional<EntrySession>& session, int* refused = nullptr);
  // Waits between the two entries of a prepared transaction. It is aborted when `writes` no longer fit what is there.
  Status write_prepared(const std::vector<Write>& writes, const EntrySession& session);
  // Discards the oldest entries, those before `ts`; a reader that stood among them is lost.
  void truncate_oplog(ClusterTime ts) { store_.truncate_oplog(ts); }
  ClusterTime note(bson::View message);
  Status create(const Namespace& ns, bson::View options, const bson::Document* id_index);
  Status drop(const Namespace& ns);
  Status rename(const Namespace& from, const Namespace& to, bool drop_target);
  void drop_database(const std::string& db);
  // Waits while the collection is not empty: the build has a beginning and an end. Meanwhile the collection cannot be
  // renamed or altered (12587); its drop gives the build up.
  Status create_index(const Namespace& ns, bson::View spec, bool by_user);
  void abort_index_builds(const Uuid& collection);
  Status drop_index(const Namespace& ns, const std::string& name);
  Status coll_mod(const Namespace& ns, bson::View fields);

  // Users. A user write enters, may wait, writes and leaves; the block refuses to let in, and does not touch those inside.
  Status enter_user_write();
  void leave_user_write() { --user_writes_; }
  int user_writes() const { return user_writes_; }
  bool write_block() const { return write_block_; }
  bool write_block_effective() const { return options_.authorization && at_least(6); }
  // Waits first for the lock, while it runs as `block_changes` says.
  Status set_write_block(bool enabled);
  int block_changes() const { return block_changes_; }
  Duration lock_held{};  // what a block has to wait for
  std::vector<Duration> open_transactions;  // of users: each for this long

  // Operations of sessions that run now. A session runs one at a time: `enter_session` waits.
  void enter_session(const Uuid& session);
  void leave_session(const Uuid& session);
  bool session_runs(const Uuid& session) const { return busy_.contains(session) || catalog_busy_.contains(session); }
  // A catalog command that runs in a session, for as long as it lives; several may.
  class CatalogOperation {
   public:
    CatalogOperation(SimCluster& cluster, const Uuid& session)
        : cluster_(cluster), at_(cluster.catalog_busy_.insert(session)) {}
    ~CatalogOperation() { cluster_.catalog_busy_.erase(at_); }
    CatalogOperation(const CatalogOperation&) = delete;

   private:
    SimCluster& cluster_;
    std::multiset<Uuid>::iterator at_;
  };
  // Requests still on their way to the primary.
  int requests_under_way = 0;
  // Observers of a process' requests: before one is executed, and when its reply leaves. They may wait.
  std::function<void(std::string_view what)> on_request;
  std::function<void(std::string_view what)> on_reply;
  // Observers, called at once.
  std::function<void(const std::vector<Write>&, bool by_user)> on_written;
  std::function<void(bool enabled)> on_write_block;

 private:
  static Faults quiet(Faults faults);
  void replicate();
  void hold_elections();
  EntryContext entry_context() const;
  ClusterTime log_command(const std::string& db, const Uuid& uuid, bson::View command);
  std::vector<ClusterTime> reserve(int count);
  Status log_transaction(const std::vector<Write>& writes, Form form, const std::vector<ClusterTime>& times,
                         const std::optional<EntrySession>& session);
  void trace_writes(const std::vector<Write>& writes, ClusterTime ts);
  Status check_no_build(const Uuid& collection) const;
  Status write_view(const Namespace& ns, bson::View options, Write::Kind kind);
  Uuid new_uuid();
  void moved() { scheduler_.wake(this); }

  Scheduler& scheduler_;
  ClusterOptions options_;
  Faults faults_;
  Store store_;
  Sessions sessions_;
  int term_ = 1;
  bool has_primary_ = true;
  ClusterTime majority_;        // what the majority has
  ClusterTime known_majority_;  // what the primary knows of that
  bool write_block_ = false;
  int user_writes_ = 0;
  int block_changes_ = 0;
  std::set<Uuid> busy_;
  std::multiset<Uuid> catalog_busy_;
  struct IndexBuild {
    Uuid collection;
    bool aborted = false;
  };
  std::vector<std::shared_ptr<IndexBuild>> builds_;
  std::stop_source stop_;
  int fibers_ = 0;
};

Error temporary(std::string message, int server_code = 0);
std::uint32_t now_seconds(const Scheduler& scheduler);

}  // namespace drover::sim
