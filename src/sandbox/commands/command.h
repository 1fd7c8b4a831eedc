// A command is a row in a table: name, flags, what it needs to be authorized, and a handler. The dispatcher (server/)
// parses the message, finds the row, checks versions, admin-only and authorization, applies fail points, and calls
// execute() (execute.h), which owns sessions, transactions, read and write concern around the handler. Handlers return
// the reply without `ok`, `$clusterTime` and `operationTime`; an Error becomes {errorLabels?, ok: 0, errmsg, code, codeName}.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "base/uuid.h"
#include "bson/builder.h"
#include "bson/document.h"
#include "model/namespace.h"
#include "model/server_version.h"
#include "sandbox/commands/api_parameters.h"
#include "sandbox/commands/cursor.h"
#include "sandbox/commands/memory.h"
#include "sandbox/commands/resource.h"
#include "sandbox/commands/session_id.h"

namespace drover {
class Log;
}

namespace drover::sandbox {

class Activity;
class ConcernDefaults;
class Engine;
class Member;
class Parameters;
struct FailPoints;
class ProfiledCommand;
class Profiler;
class RecentLog;
class Session;
class Sessions;
class Transaction;
struct CommandContext;

namespace script {
class Hosts;
}

enum CommandFlag : std::uint32_t {
  kAdminOnly = 1 << 0,
  kWrite = 1 << 1,               // takes writeConcern; refused by setUserWriteBlockMode where it concerns user data
  kInTransaction = 1 << 2,       // may run inside a multi-document transaction
  kRetryable = 1 << 3,           // may carry txnNumber without autocommit:false
  kReadConcern = 1 << 4,         // takes readConcern other than local and snapshot
  kNoAuth = 1 << 5,              // before authentication too
  kTestOnly = 1 << 6,            // needs enableTestCommands (always on here)
  kHidden = 1 << 7,              // not in listCommands
  kUserBlocked = 1 << 8,         // a user write block refuses it (unless the user may bypass)
  kWriteConcern = 1 << 9,        // takes writeConcern, though it need not write
  kSnapshotRead = 1 << 10,       // takes readConcern snapshot outside of transactions too (5.0+)
};

// What a command is done to, for authorization.
enum class ResourceKind {
  kNone,        // no rule: only for commands that need no authentication (kNoAuth)
  kAuthenticated,  // any user may
  kCollection,  // {db, collection} named by the first field (a UUID needs useUUID besides)
  kDatabase,    // {db, collection: ""}
  kCluster,
  kCustom,      // by `also`, or the handler calls context.authorize
};

struct Command {
  std::string_view name;
  std::uint32_t flags = 0;
  ResourceKind resource = ResourceKind::kNone;
  std::string_view action;  // "find", "insert", ...; empty: being authenticated is enough
  Status (*also)(CommandContext&, bson::View body) = nullptr;  // authorize.h
  Result<bson::Document> (*handler)(CommandContext&) = nullptr;
  std::string_view help;    // one line for listCommands and docs/design/sandbox.md
  std::string_view alias = {};
  ServerVersion since = {0, 0, 0};     // unknown (59) before
  ServerVersion removed = {999, 0, 0};  // unknown (59) from here on
};

class CommandTable {
 public:
  void add(std::span<const Command> rows);
  const Command* find(std::string_view name, ServerVersion version) const;  // names are case-sensitive
  const std::map<std::string_view, const Command*>& all() const { return rows_; }

 private:
  std::map<std::string_view, const Command*> rows_;  // aliases too
};
// The rows that commands/ brings (data, catalog, transactions, administration).
void add_storage_commands(CommandTable& table);

struct ServerSettings {
  ServerVersion version{4, 4, 1};
  std::string repl_set = "rs0";
  std::string host = "localhost";  // as the replica set's configuration names this member
  int port = 27017;
  bool auth = false;
  std::string dbpath;
  std::vector<std::string> arguments;  // for getCmdLineOpts
  struct Tls {  // for it, too
    std::string mode;  // empty: there is none
    std::string certificate_key_file, ca_file;
    bool allow_without_certificate = false;
    std::string subject;           // of its certificate
    std::int64_t expires_millis = 0;
  } tls;
  std::size_t memory_bytes = 256 << 20;
  std::size_t max_connections = 0;
  bool at_least(int major, int minor) const { return version >= ServerVersion{major, minor, 0}; }
};

// Authorization as the connection's users have it. Implemented by auth/.
class Authorization {
 public:
  virtual ~Authorization() = default;
  // False when authorization is off, or nobody needs to be asked.
  virtual bool enabled() const = 0;
  virtual bool is_allowed(std::string_view action, const Resource& resource) const = 0;
  // Any action at all on the collection, or on anything in the database: who may know its name.
  virtual bool may_anything_on(const Namespace& collection) const = 0;
  virtual bool may_anything_in(std::string_view db) const = 0;
  // "name" and "db" of each.
  struct User {
    std::string name, db;
  };
  virtual std::vector<User> users() const = 0;
};

struct Connection {
  std::int64_t id = 0;
  std::string remote;                // "127.0.0.1:40412"
  std::optional<bson::Document> client;  // handshake metadata
};

// A running operation, for currentOp and killOp. Owned by the server's list while the command runs.
struct Operation {
  std::int64_t id = 0;
  const Connection* connection = nullptr;
  Namespace ns;
  std::string command_name;
  bson::Document command;            // redacted of documents over 1 KB by the describer
  std::optional<SessionId> session;
  std::optional<std::int64_t> txn_number;
  std::vector<std::string> users;    // "name@db" of those it runs for; with authorization only
  SteadyTime started{};
  bool writes = false;
  std::atomic<bool> waits = false;   // for its turn among those that run at once
  std::stop_source killed;
};
class Operations {
 public:
  virtual ~Operations() = default;
  // Every running operation, and (with idle) every open connection without one, as currentOp's documents.
  // Of those users alone, when there are some.
  virtual std::vector<bson::Document> describe(bool idle_connections, const std::vector<std::string>& of_users = {}) const = 0;
  virtual bool kill(std::int64_t operation_id) = 0;
  // Nothing when there is no such operation.
  virtual std::optional<std::vector<std::string>> users_of(std::int64_t operation_id) const = 0;
  // Looks at every operation once, however many sessions are meant.
  virtual std::size_t kill_of_sessions(const WhichSessions& which) = 0;
  virtual std::int64_t current_connections() const = 0;
  virtual std::int64_t total_connections() const = 0;  // since the start
  virtual std::int64_t running() const = 0;
  // Of those that run, how many read and how many write, and how many of them wait for their turn.
  struct Load {
    std::int64_t readers = 0, writers = 0, waiting_readers = 0, waiting_writers = 0;
  };
  virtual Load load() const = 0;
};

// A kind-1 section of OP_MSG: {documents: [...]}, {updates: [...]}, {deletes: [...]} in wire form.
struct DocumentSequence {
  std::string_view name;
  std::vector<bson::View> documents;  // the first kMaxBatchItems + 1
  std::size_t left_out = 0;           // how many more there were
};
// Statements of one write command.
inline constexpr std::size_t kMaxBatchItems = 100'000;

struct ReadConcern {
  enum class Level { kLocal, kAvailable, kMajority, kLinearizable, kSnapshot };
  std::optional<Level> level;
  std::optional<bson::Timestamp> after_cluster_time;
  std::optional<bson::Timestamp> at_cluster_time;
  std::optional<bson::Document> given;  // by the client, as messages show it
};
struct WriteConcern {
  std::int64_t w = 1;
  std::string w_mode;   // "majority" or a custom name when not empty
  bool journal = false;
  std::int64_t timeout_ms = 0;
  bool provided = false;
  bool by_default = false;  // as setDefaultRWConcern said
};

// What the whole server shares. Made once; everything here outlives every command.
struct Services {
  Engine& engine;
  Runtime& runtime;
  Log& log;
  const ServerSettings& settings;
  CursorRegistry& cursors;
  Operations& operations;
  Sessions& sessions;
  FailPoints& fail_points;
  const CommandTable& commands;
  MemoryPools& memory;
  ConcernDefaults& concern_defaults;
  Profiler& profiler;
  Member& member;
  Activity& activity;
  Parameters& parameters;
  const RecentLog& recent_log;
  script::Hosts* scripts;    // null: JavaScript is switched off
  const SteadyTime started;  // of the server
  // aggregate whose first stage is $changeStream. Set by changestream/; `pipeline` includes that stage.
  std::function<Result<std::unique_ptr<CommandCursor>>(CommandContext&, const Namespace& ns, bson::View pipeline)>
      open_change_stream;
  // Called after any write to admin.system.users, admin.system.roles or admin.system.version, so that caches refresh.
  std::function<void()> auth_data_changed;
  // Asks the process that runs the server to end it. Empty: it belongs to something else, and is not ended by a client.
  std::function<void()> shut_down;
  // Opens the log's file anew, for logRotate; empty: it has none.
  std::function<Status()> reopen_log;
};

// The process that runs the scripts of this thread's command, if it has one (script_session.h): its next call takes one again.
void give_back_scripts();

struct CommandContext {
  Services& services;
  const Command* command = nullptr;
  std::string_view database;
  bson::View body;                               // section 0, `$db` included
  std::span<const DocumentSequence> sequences;   // section 1, in wire order
  const Connection& connection;
  const Authorization& authorization;
  Operation* operation = nullptr;
  std::stop_token stop;
  std::stop_token closing;                       // the server's end alone: for what is put in order although the command was killed
  std::optional<SteadyTime> deadline;            // maxTimeMS: 50 MaxTimeMSExpired
  std::optional<Duration> time_left() const {    // until then, at least zero
    if (!deadline) return std::nullopt;
    return std::max(*deadline - services.runtime.now(), Duration::zero());
  }
  Duration patience() const { return time_left().value_or(kNoTimeout); }  // of its waits for memory, a place, a session
  bool internal = false;                         // run by the server itself: no authorization, no write block
  MemoryShare* reply_memory = nullptr;           // lives until the reply is sent; null: not counted

  ApiParameters api;                             // the dispatcher's
  std::optional<bson::Document> lsid;            // {id, uid} of the command's lsid; the dispatcher's, where it is a good one

  // Filled by execute().
  RunningPlace* place = nullptr;                 // null: it needs none
  std::optional<SessionId> session;
  std::optional<std::int64_t> txn_number;
  bool retryable = false;                        // txn_number without autocommit: statement ids are recorded
  Session* session_state = nullptr;              // checked out, when there is a txn_number
  Transaction* transaction = nullptr;            // inside a multi-document transaction
  ReadConcern read_concern;
  WriteConcern write_concern;
  ProfiledCommand* profiled = nullptr;           // null: it is not recorded

  // Filled by handlers.
  std::optional<bson::Document> error_extra;     // fields after codeName: keyPattern, keyValue, ...
  std::optional<bson::Timestamp> last_op;        // ts of the last entry this command wrote
  std::optional<std::size_t> statements_tried;   // of a bulkWrite: up to where it was ordered to end
  bool abort_transaction = false;                // the reply is ok, but the transaction is over (writeErrors)

  bool reads_change_stream = false;              // failures are labelled as such
  bool close_connection = false;                 // a fail point wants the client not to learn of what was done

  int apply_depth = 0;                           // applyOps within applyOps
  std::optional<Uuid> wanted_uuid;               // of the collection that an entry of applyOps creates

  // A command that has written does not go on in another term, but for what outlives elections: index builds.
  std::optional<std::int64_t> writes_in_term;
  bool outlives_elections = false;

  bool bypass_write_block = false;               // `bypassWriteBlockingMode` is among the user's privileges
  // Waits for what another command has to bring about go through here: meanwhile its place is free, and the process of its scripts.
  template <typename Wait>
  auto wait_aside(const std::stop_token& while_waiting, Wait&& wait) {
    give_back_scripts();
    return place ? place->without(while_waiting, [this] { return patience(); }, std::forward<Wait>(wait)) : wait();
  }
  const ServerSettings& settings() const { return services.settings; }
  Engine& engine() const { return services.engine; }
  // 13 Unauthorized with the server's text unless allowed.
  Status authorize(std::string_view action, const Resource& resource) const;
  mutable std::vector<Grant> granted;            // what it has allowed: a cursor is read on only while that still holds
};

// Runs context.command->handler with session, transaction, read and write concern; never fails: the reply says so.
// The reply has everything but `$clusterTime` and `operationTime` (and 6.0+'s order is the dispatcher's).
bson::Document execute(CommandContext& context);
// {errorLabels?, ok: 0.0, errmsg, code, codeName, extra...}. An Error without a server_code is 1 InternalError.
bson::Document error_reply(const Error& error, const std::optional<bson::Document>& extra = {});
// writeConcernError, and the labels that follow from it.
void append_write_concern_error(bson::Builder& out, bson::View command, bson::View error);
// 59: "no such command: 'x'" (4.4's wording for the version).
bson::Document unknown_command_reply(std::string_view name);

// The operation time that a reply carries, and the one that is handed out for snapshot reads.
bson::Timestamp operation_time(Services& services);

// "BadValue" for 2, ... ; "Location40415" for numbers without a name.
std::string error_code_name(int code);
// A server error: code, and errmsg.
inline tl::unexpected<Error> server_error(int code, std::string message) {
  return fail(ErrorCode::kFailure, std::move(message), code);
}

}  // namespace drover::sandbox
