// Logical sessions: one write at a time each, numbered. A number is either a retryable write, whose statements are
// remembered so that a repetition changes nothing, or a multi-document transaction. What was written survives a restart in
// config.transactions and the oplog's chain of prevOpTime.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

inline constexpr std::chrono::minutes kSessionTimeout{30};
// Over so many the one of a few that was used longest ago is forgotten: what it wrote is in config.transactions.
inline constexpr std::size_t kMaxSessions = 100'000;
// A session that is not in use remembers at most so many statements; more are read again from the oplog when they are repeated.
inline constexpr std::size_t kKeptStatements = 1000;

// One session's state. Reached only while it is checked out.
class Session {
 public:
  enum class State { kNone, kRetryable, kInProgress, kCommitted, kAborted };

  bson::Document lsid;              // {id, uid}
  std::int64_t txn_number = -1;
  State state = State::kNone;
  bson::Timestamp last_write;       // of txn_number; {0,0}: none
  std::map<std::int32_t, bson::Timestamp> statements;
  bool statements_forgotten = false;  // they are in the oplog
  std::unique_ptr<Transaction> transaction;
  MemoryShare transaction_memory;
  SteadyTime transaction_started{};
  bson::Document transaction_read_concern;
  ApiParameters transaction_api;    // of its first command
  bool loaded = false;              // config.transactions was asked

  // "<uuid> - <base64 of uid>", as messages name it.
  std::string name() const;
};

class Sessions {
 public:
  explicit Sessions(Runtime& runtime) : runtime_(runtime) {}

  // Exclusive use of a session until destruction.
  class Checkout {
   public:
    Checkout(Sessions& sessions, Session& session) : sessions_(&sessions), session_(&session) {}
    Checkout(Checkout&& other) noexcept : sessions_(other.sessions_), session_(std::exchange(other.session_, nullptr)) {}
    ~Checkout() {
      if (session_) sessions_->give_back(*session_);
    }
    Session* operator->() const { return session_; }
    Session& operator*() const { return *session_; }

   private:
    Sessions* sessions_;
    Session* session_;
  };
  // Waits while another operation uses it. `lsid` is {id, uid}. 11601 when stopped while waiting, 50 when it took longer than `patience`.
  Result<Checkout> check_out(Engine& engine, const bson::Document& lsid, const std::stop_token& stop, Duration patience = kNoTimeout);

  // A session was named by a command: it lives another 30 minutes.
  void touch(const bson::Document& lsid);
  // Forgets that it was used lately; its numbers stay valid (config.transactions), its open transaction is aborted.
  void end(const bson::Document& lsid);
  // Aborts their transactions as soon as nothing runs in them.
  void kill(const WhichSessions& which);
  void kill_all();
  // Aborts transactions older than `lifetime`, forgets sessions unused for kSessionTimeout.
  void reap(Duration lifetime);
  // Sessions seen lately: {_id: {id, uid}, lastUse}.
  std::vector<bson::Document> list() const;
  std::size_t count() const;  // of them
  // Open transactions in which nothing runs at this moment, as $currentOp tells of them (idleSessions).
  std::vector<bson::Document> describe_idle() const;
  struct Counts {
    std::int64_t open = 0;         // transactions in progress
    std::int64_t active = 0;       // of them, those in which a command runs
    std::int64_t committed = 0, aborted = 0, started = 0;
    std::int64_t retried_commands = 0, retried_statements = 0;
  };
  Counts counts() const;
  void count_started() { count(&Counts::started, 1); count(&Counts::open, 1); }
  void count_ended(bool committed) { count(committed ? &Counts::committed : &Counts::aborted, 1); count(&Counts::open, -1); }
  // A statement was answered by what it had done before; the first of its command?
  void count_retried(bool first) { count(&Counts::retried_statements, 1); if (first) count(&Counts::retried_commands, 1); }

 private:
  struct Entry {
    Session session;
    bool in_use = false;
    bool abort_wanted = false;
    int waiting = 0;
    SteadyTime last_use{};
    std::int64_t last_use_wall = 0;
  };
  void give_back(Session& session);
  void count(std::int64_t Counts::*what, std::int64_t by);
  static std::string key(const bson::Document& lsid);
  static void abort(Session& session);
  void abort_locked(Entry& entry);
  Entry& entry_locked(const bson::Document& lsid);
  void forget_one_locked();

  Runtime& runtime_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;
  Counts counts_;
};

// What the sessions of "name@db" carry as uid ("" without authentication): 32 bytes.
std::string user_digest(std::string_view user);
// {id, uid} from a command's lsid ({id} or {id, uid}) and the connection's users.
Result<bson::Document> session_key(const CommandContext& context, bson::View lsid);
// Reads the session's past from config.transactions and the oplog. Again, when its statements were forgotten.
Status load_session(Engine& engine, Session& session);

}  // namespace drover::sandbox
