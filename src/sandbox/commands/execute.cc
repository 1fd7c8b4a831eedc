// What surrounds every handler: session, transaction, read concern, write concern, and the form of the reply.
#include <algorithm>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/concern_defaults.h"
#include "sandbox/commands/fsync_lock.h"
#include "sandbox/commands/concerns.h"
#include "sandbox/commands/error_codes.h"
#include "sandbox/commands/in_hand.h"
#include "sandbox/commands/profiler.h"
#include "sandbox/commands/script_session.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

constexpr int kLockTimeout = 24;
constexpr int kConflictingOperationInProgress = 117;
constexpr int kExceededMemoryLimit = 146;
constexpr int kTransactionTooOld = 225;
constexpr int kNoSuchTransaction = 251;
constexpr int kTransactionCommitted = 256;

// How long a transaction's statement waits for memory when the transaction has written: others may be waiting for it.
constexpr Duration kPatienceOfWriters = std::chrono::seconds(2);

// The replies to majority and snapshot reads, and to notes, carry times that may be asked for again as atClusterTime. The
// dispatcher stamps the reply on the thread that ran the command.
thread_local Engine::HandOut next_hand_out = Engine::HandOut::kCasual;

// Reads and writes of documents: those that take time and memory by the size of the data.
bool works_on_data(const Command& command) {
  static constexpr std::string_view kOthers[] = {"getMore", "createIndexes", "validate", "dbHash"};
  return (command.flags & (kReadConcern | kRetryable)) != 0 || std::find(std::begin(kOthers), std::end(kOthers), command.name) != std::end(kOthers);
}
bool ends_transaction(const Command& command) { return command.name == "commitTransaction" || command.name == "abortTransaction"; }

// One command inside its session.
class Execution {
 public:
  explicit Execution(CommandContext& context) : context_(context) {}

  Result<bson::Document> run() {
    TRY(check_sequences());
    TRY(parse_session());
    if (context_.txn_number) TRY(check_numbered());
    context_.read_concern = TRY(parse_read_concern(context_.body));
    TRY(check_read_concern(context_, !in_transaction_ ? TransactionStep::kNone : starts_ ? TransactionStep::kFirst : TransactionStep::kLater));
    TRY(check_takes_write_concern(context_));
    context_.write_concern = TRY(parse_write_concern(context_.body, context_.settings().version));
    const bool within = in_transaction_ && !ends_transaction(*context_.command);
    if (within && context_.write_concern.provided) return server_error(code::kInvalidOptions, "writeConcern is not allowed within a multi-statement transaction");
    apply_concern_defaults(context_, within);
    // Before a transaction takes its view.
    TRY(apply_read_concern(context_));
    if (context_.txn_number) TRY(enter_session());
    return run_in_place();
  }

 private:
  Result<bson::Document> run_in_place() {
    auto reply = in_transaction_ && !ends_transaction(*context_.command) ? run_in_transaction() : run_handler();
    give_back_scripts();
    // What came about otherwise than by a cursor is counted once it is there. Within the place, so that it is few at a time. What was
    // written is told, late as it may be.
    if (reply && context_.reply_memory && reply->size() > kUncountedReplyBytes) {
      const bool wrote = (context_.command->flags & kWrite) != 0;
      const bool counted = context_.reply_memory->grow_to(reply->size(), context_.stop, wrote ? kNoTimeout : context_.patience());
      if (!counted && !wrote) reply = interrupted_wait(context_);
    }
    context_.place = nullptr;
    place_.leave();
    return reply;
  }

  Result<bson::Document> run_handler() {
    TRY(enter_place());
    if ((context_.command->flags & kWrite) != 0 && !context_.internal) TRY(wait_for_unlock(context_));
    return context_.command->handler(context_);
  }

  // Whoever is inside a transaction, or ends one, never waits for a place: others may wait in theirs for the transaction. For the memory of
  // its documents it does, since nobody waits for a transaction while he holds such; but not for long when others may wait for what it has
  // written, as a server's statement does not wait for locks.
  Status enter_place() {
    if (!works_on_data(*context_.command) || context_.internal) return {};
    if (context_.command->name == "getMore") {
      const auto cursor = context_.services.cursors.look_at(context_.body.first().to_int64().value_or(0));
      if (cursor && cursor->time_left) context_.deadline = context_.services.runtime.now() + *cursor->time_left;
    }
    const auto kind = context_.transaction ? RunningPlace::Kind::kBesideThem : RunningPlace::Kind::kOneOfThem;
    const bool is_waited_for = context_.transaction && context_.transaction->has_writes();
    const auto patience = is_waited_for ? std::min(context_.patience(), kPatienceOfWriters) : context_.patience();
    auto* const operation = context_.operation;
    if (operation != nullptr) operation->waits = true;
    const bool entered = place_.enter(context_.services.memory, kind, bytes_in_hand(context_), context_.stop, patience);
    if (operation != nullptr) operation->waits = false;
    if (entered) {
      context_.place = &place_;
      return {};
    }
    if (!is_waited_for || context_.stop.stop_requested() || context_.patience() == Duration::zero()) return interrupted_wait(context_);
    return server_error(kLockTimeout, fmt::format("Unable to acquire memory for the documents of '{}' within a max lock request timeout of '{}ms' milliseconds.",
                                                  context_.command->name, kPatienceOfWriters / std::chrono::milliseconds(1)));
  }

  Status parse_session() {
    if (const auto lsid = context_.body["lsid"]) {
      TRY(parse_lsid(lsid));
    } else if (context_.body["txnNumber"]) {
      return server_error(code::kInvalidOptions, "Transaction number requires a session ID to also be specified");
    }
    return parse_numbers();
  }

  Status parse_lsid(const bson::Element& lsid) {
    const auto document = lsid.to_document();
    if (!document) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'OperationSessionInfo.lsid' is the wrong type '{}', expected type 'object'",
                                                           bson::type_name(lsid.type())));
    }
    lsid_ = context_.lsid ? *context_.lsid : TRY(session_key(context_, *document));
    context_.session = SessionId::of(lsid_);
    context_.services.sessions.touch(lsid_);
    return {};
  }

  Status parse_numbers() {
    const auto number = context_.body["txnNumber"];
    if (number && number.type() != bson::Type::kInt64) {
      return server_error(code::kTypeMismatch, fmt::format("BSON field 'OperationSessionInfo.txnNumber' is the wrong type '{}', expected type 'long'",
                                                           bson::type_name(number.type())));
    }
    if (number && number.int64_value() < 0) return server_error(code::kInvalidOptions, "Transaction number cannot be negative");
    if (number) context_.txn_number = number.int64_value();
    const auto autocommit = context_.body["autocommit"];
    const auto start = context_.body["startTransaction"];
    if (autocommit && !number) return server_error(code::kInvalidOptions, "'autocommit' field requires a transaction number to also be specified");
    if (autocommit && autocommit.is_truthy()) return server_error(code::kInvalidOptions, "Specifying autocommit=true is not allowed.");
    if (start && !autocommit) return server_error(code::kInvalidOptions, "'startTransaction' field requires 'autocommit' field to also be specified");
    if (start && !start.is_truthy()) return server_error(code::kInvalidOptions, "Specifying startTransaction=false is not allowed.");
    in_transaction_ = static_cast<bool>(autocommit);
    starts_ = start.is_truthy();
    return {};
  }

  // Of which fields a message may have sections.
  Status check_sequences() const {
    static constexpr std::pair<std::string_view, std::string_view> kTaken[] = {{"insert", "documents"}, {"update", "updates"}, {"delete", "deletes"}, {"bulkWrite", "ops"}, {"bulkWrite", "nsInfo"}};
    const auto name = context_.command->name;
    for (const auto& sequence : context_.sequences) {
      const auto of_command = [&](const auto& taken) { return taken.first == name; };
      if (std::ranges::none_of(kTaken, of_command)) return server_error(40472, fmt::format("The {} command does not support document sequences.", name));
      const auto it = std::ranges::find_if(kTaken, [&](const auto& taken) { return of_command(taken) && taken.second == sequence.name; });
      if (it == std::end(kTaken)) return server_error(code::kUnknownField, fmt::format("BSON field '{}.{}' is an unknown field.", name, sequence.name));
    }
    return {};
  }

  // txnNumber: a transaction's statement, or a retryable write.
  Status check_numbered() const {
    const auto& command = *context_.command;
    if (!in_transaction_ && (command.flags & kRetryable) == 0) {
      return server_error(50768, fmt::format("txnNumber may only be provided for multi-document transactions and retryable write commands. "
                                             "autocommit:false was not provided, and {} is not a retryable write command.", command.name));
    }
    if (in_transaction_ && (command.flags & kInTransaction) == 0) {
      return server_error(code::kOperationNotSupportedInTransaction,
                          command.name == "count" ? "Cannot run 'count' in a multi-document transaction. Please see "
                                                    "http://dochub.mongodb.org/core/transaction-count for a recommended alternative."
                                                  : fmt::format("Cannot run '{}' in a multi-document transaction.", command.name));
    }
    if (in_transaction_) TRY(check_transactional_namespace());
    if (starts_ && (command.name == "killCursors" || ends_transaction(command))) {
      return server_error(code::kOperationNotSupportedInTransaction, fmt::format("Cannot run {} as the first operation in a multi-document transaction.", command.name));
    }
    return {};
  }

  // What no transaction reads or writes, whether it is there or not.
  Status check_transactional_namespace() const {
    const auto db = context_.database;
    if (db == "local") return server_error(code::kOperationNotSupportedInTransaction, "Cannot run command against the 'local' database in a transaction.");
    if (db == "config") {
      return server_error(code::kOperationNotSupportedInTransaction, context_.settings().at_least(8, 0) ? "Cannot run command against the 'config' database in a transaction."
                                                                                          : "Cannot run command against the config database in a transaction.");
    }
    const auto collection = context_.body.first().to_string_view().value_or("");
    const auto name = context_.command->name;
    const bool reads = name == "find" || name == "aggregate" || name == "distinct";
    const bool views = collection == "system.views" && (reads || context_.settings().at_least(8, 0));
    const bool profile = collection == "system.profile" && (reads || context_.settings().at_least(5, 0));
    if (!views && !profile) return {};
    return server_error(code::kOperationNotSupportedInTransaction, fmt::format("Cannot run command against the '{}.{}' collection in a transaction.", db, collection));
  }

  Status enter_session() {
    checkout_.emplace(TRY(context_.services.sessions.check_out(context_.engine(), lsid_, context_.stop, context_.patience())));
    context_.session_state = &**checkout_;
    return in_transaction_ ? enter_transaction(**checkout_) : enter_retryable(**checkout_);
  }

  Status enter_retryable(Session& session) {
    const auto number = *context_.txn_number;
    if (number < session.txn_number) {
      return server_error(kTransactionTooOld,
                          fmt::format("Retryable write with txnNumber {} is prohibited on session {} because a newer {} with txnNumber {} "
                                      "has already started on this session.", number, session.name(), kind(session), session.txn_number));
    }
    if (number > session.txn_number) {
      renumber(session, number);
      session.state = Session::State::kRetryable;
    } else if (session.state != Session::State::kRetryable) {
      return server_error(code::kInvalidOptions, "Must specify autocommit=false on all operations of a multi-statement transaction.");
    }
    if (session.statements_forgotten) TRY(load_session(context_.engine(), session));
    context_.retryable = true;
    return {};
  }

  Status enter_transaction(Session& session) {
    const auto number = *context_.txn_number;
    using State = Session::State;
    // Since 5.1 transactions have a second number, of how often a sharded cluster has tried them.
    const bool counted = context_.settings().at_least(5, 1);
    if (number < session.txn_number) {
      return server_error(kTransactionTooOld,
                          counted ? fmt::format("Cannot start transaction with {{ txnNumber: {} }} on session {} because a newer {} with txnNumberAndRetryCounter "
                                                "{{ txnNumber: {}, txnRetryCounter: {} }} has already started on this session.", number, session.name(), kind(session),
                                                session.txn_number, session.state == State::kRetryable ? -1 : 0)
                                  : fmt::format("Cannot start transaction {} on session {} because a newer {} with txnNumber {} has already started "
                                                "on this session.", number, session.name(), kind(session), session.txn_number));
    }
    const auto name = counted ? fmt::format("Transaction with {{ txnNumber: {} }}", number) : fmt::format("Transaction {}", number);
    if (starts_) return start_transaction(session, number);
    if (number > session.txn_number || session.state == State::kNone || session.state == State::kRetryable) {
      return server_error(kNoSuchTransaction,
                          fmt::format("Given transaction number {} does not match any in-progress transactions. The active transaction "
                                      "number is {}", number, session.txn_number));
    }
    if (context_.body["readConcern"]) {
      return server_error(code::kInvalidOptions, "Only the first command in a transaction may specify a readConcern");
    }
    if (session.state == State::kInProgress) {
      TRY(check_same_api(context_.command->name, context_.api, "the transaction's first command", session.transaction_api));
      context_.transaction = session.transaction.get();
      return {};
    }
    if (session.state == State::kCommitted) {
      if (context_.command->name == "commitTransaction") return {};
      return server_error(kTransactionCommitted, name + " has been committed.");
    }
    return server_error(kNoSuchTransaction, name + " has been aborted.");
  }

  Status start_transaction(Session& session, std::int64_t number) {
    if (number == session.txn_number && session.state != Session::State::kNone) {
      return server_error(kConflictingOperationInProgress, "Only servers in a sharded cluster can start a new transaction at the active transaction number");
    }
    renumber(session, number);
    auto& engine = context_.engine();
    auto view = context_.read_concern.at_cluster_time ? TRY(engine.view_at(*context_.read_concern.at_cluster_time)) : engine.view();
    session.transaction = engine.begin_transaction(std::move(view));
    session.transaction_started = context_.services.runtime.now();
    session.transaction_api = context_.api;
    session.transaction_memory = MemoryShare(&context_.services.memory.work);
    session.state = Session::State::kInProgress;
    context_.services.sessions.count_started();
    context_.transaction = session.transaction.get();
    return {};
  }

  // Any failure ends the transaction; so do refused writes inside a batch (context_.abort_transaction).
  Result<bson::Document> run_in_transaction() {
    auto reply = run_handler();
    auto& session = **checkout_;
    if (reply && !session.transaction_memory.try_grow_to(session.transaction ? session.transaction->memory_bytes() : 0)) {
      reply = server_error(kExceededMemoryLimit, "The memory for sorts, groups and open transactions of all clients is used up. Commit in smaller transactions, or "
                                                 "start the server with more --memory.");
    }
    if ((!reply || context_.abort_transaction) && session.state == Session::State::kInProgress) {
      context_.transaction = nullptr;
      session.transaction.reset();
      session.transaction_memory.release();
      session.state = Session::State::kAborted;
      context_.services.sessions.count_ended(false);
      if (context_.session) context_.services.cursors.kill_of_transaction(*context_.session, session.txn_number);
    }
    return reply;
  }

  void renumber(Session& session, std::int64_t number) {
    if (session.state == Session::State::kInProgress) {
      session.transaction.reset();
      session.transaction_memory.release();
      context_.services.sessions.count_ended(false);
      if (context_.session) context_.services.cursors.kill_of_transaction(*context_.session, session.txn_number);
    }
    session.txn_number = number;
    session.state = Session::State::kNone;
    session.last_write = {};
    session.statements.clear();
    session.statements_forgotten = false;
  }

  static const char* kind(const Session& session) {
    return session.state == Session::State::kRetryable ? "retryable write" : "transaction";
  }

  CommandContext& context_;
  bson::Document lsid_;
  bool in_transaction_ = false;
  bool starts_ = false;
  RunningPlace place_;
  std::optional<Sessions::Checkout> checkout_;
};

bool wants_time(const CommandContext& context) {
  using Level = ReadConcern::Level;
  const auto level = context.read_concern.level;
  return context.command->name == "appendOplogNote" ||
         (level && (*level == Level::kMajority || *level == Level::kSnapshot || *level == Level::kLinearizable));
}

void add_labels(const CommandContext& context, Error& error) {
  for (auto& label : error_labels({.body = context.body, .code = error.server_code, .reads_change_stream = context.reads_change_stream})) {
    if (!error.has_label(label)) error.labels.push_back(std::move(label));
  }
}

// A write that came as far as the data, and failed there, waits for its write concern all the same.
bool waits_though_failed(const CommandContext& context, const Error& error) {
  static constexpr int kBefore[] = {9, 13, 14, 40414, 40415};  // the request itself was refused
  const auto name = context.command->name;
  if (name == "commitTransaction" || name == "abortTransaction" || context.transaction) return false;
  return (context.command->flags & kWrite) != 0 && context.write_concern.provided &&
         std::find(std::begin(kBefore), std::end(kBefore), error.server_code) == std::end(kBefore);
}

bson::Document with_unmet_concern(CommandContext& context, bson::Document reply) {
  const auto unmet = apply_write_concern(context);
  if (!unmet || !*unmet) return reply;
  bson::Builder more;
  more.append("writeConcernError", **unmet);
  return bson::append_fields(std::move(reply), std::move(more).finish());
}

}  // namespace

bson::Document execute(CommandContext& context) {
  next_hand_out = Engine::HandOut::kCasual;
  ScriptOperation scripts(context);
  Execution execution(context);
  const auto profiled = ProfiledCommand::begin(context);
  context.profiled = profiled.get();
  auto reply = execution.run();
  context.profiled = nullptr;
  if (profiled) profiled->finish(reply);
  if (wants_time(context)) next_hand_out = Engine::HandOut::kAskedFor;
  if (!reply) {
    auto error = std::move(reply).error();
    add_labels(context, error);
    auto failed = error_reply(error, context.error_extra);
    return waits_though_failed(context, error) ? with_unmet_concern(context, std::move(failed)) : failed;
  }
  bson::Builder out;
  if (!(*reply)["ok"]) out.append("ok", 1.0);
  if ((context.command->flags & kWrite) != 0 || context.last_op) {
    auto unmet = apply_write_concern(context);
    if (!unmet) return error_reply(unmet.error());
    if (*unmet) append_write_concern_error(out, context.body, **unmet);
  }
  return bson::append_fields(std::move(*reply), std::move(out).finish());
}

void append_write_concern_error(bson::Builder& out, bson::View command, bson::View error) {
  out.append("writeConcernError", error);
  const auto labels = error_labels({.body = command, .write_concern_code = static_cast<int>(error["code"].to_int64().value_or(0))});
  if (labels.empty()) return;
  auto array = out.open_array("errorLabels");
  for (const auto& label : labels) array.append(label);
}

bson::Document error_reply(const Error& error, const std::optional<bson::Document>& extra) {
  const int code = error.server_code == 0 ? 1 : error.server_code;
  bson::Builder out;
  if (!error.labels.empty()) {
    auto labels = out.open_array("errorLabels");
    for (const auto& label : error.labels) labels.append(label);
  }
  out.append("ok", 0.0).append("errmsg", error.message);
  if (code > 0) out.append("code", code).append("codeName", error_code_name(code));
  if (extra) out.append_all(*extra);
  return std::move(out).finish();
}

bson::Document unknown_command_reply(std::string_view name) {
  return error_reply(Error{ErrorCode::kFailure, fmt::format("no such command: '{}'", name), 59, {}});
}

bson::Timestamp operation_time(Services& services) {
  return services.engine.hand_out_time(std::exchange(next_hand_out, Engine::HandOut::kCasual));
}

namespace {

// As the server prints a refused command: several statements by their number, and no password.
std::string shown_command(bson::View body) {
  bson::Builder shown;
  for (const auto& field : body) {
    const auto key = field.key();
    const bool statements = key == "documents" || key == "updates" || key == "deletes";
    const auto array = statements ? field.to_array() : std::nullopt;
    if (array && array->field_count() > 1) {
      shown.append(key, static_cast<std::int32_t>(array->field_count()));
    } else if (key == "pwd") {
      shown.append(key, "xxx");
    } else {
      shown.append_raw(field);
    }
  }
  return bson::to_shell(std::move(shown).finish());
}

}  // namespace

Status CommandContext::authorize(std::string_view action, const Resource& resource) const {
  if (internal || !authorization.enabled()) return {};
  if (authorization.is_allowed(action, resource)) {
    Grant grant{std::string(action), resource};
    if (std::find(granted.begin(), granted.end(), grant) == granted.end()) granted.push_back(std::move(grant));
    return {};
  }
  return server_error(code::kUnauthorized, fmt::format("not authorized on {} to execute command {}", database, shown_command(body)));
}

}  // namespace drover::sandbox
