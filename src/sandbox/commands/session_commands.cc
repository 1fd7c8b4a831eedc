// Sessions and the end of transactions: startSession, refreshSessions, endSessions, killSessions and its kin,
// commitTransaction, abortTransaction. What begins and surrounds a transaction is in execute.cc.
// Facts: corpus session/transactions, engine/session-fence.
#include <set>

#include <fmt/format.h>

#include "sandbox/commands/authorize.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/commands/write_support.h"

namespace drover::sandbox {

namespace {

constexpr std::int32_t kTimeoutMinutes = 30;

Result<bson::Document> start_session(CommandContext& context) {
  const auto id = Uuid::random(context.services.runtime);
  const auto lsid = bson::make_document({{"id", id}});
  context.services.sessions.touch(TRY(session_key(context, lsid)));
  return bson::make_document({{"id", lsid}, {"timeoutMinutes", kTimeoutMinutes}});
}

// The sessions that a command lists by its first field, as {id, uid}.
Result<std::vector<bson::Document>> listed_sessions(CommandContext& context) {
  const auto list = context.body.first().to_array();
  if (!list) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field '{0}.{0}' is the wrong type '{1}', expected type 'array'",
                                                         context.body.first().key(), bson::type_name(context.body.first().type())));
  }
  std::vector<bson::Document> sessions;
  for (const auto& item : *list) {
    const auto lsid = item.to_document();
    if (!lsid) return server_error(code::kTypeMismatch, "a session is named by a document with its id");
    sessions.push_back(TRY(session_key(context, *lsid)));
  }
  return sessions;
}

Result<bson::Document> refresh_sessions(CommandContext& context) {
  for (const auto& lsid : TRY(listed_sessions(context))) context.services.sessions.touch(lsid);
  return bson::Document();
}

Result<bson::Document> end_sessions(CommandContext& context) {
  std::set<SessionId> ended;
  for (const auto& lsid : TRY(listed_sessions(context))) {
    context.services.sessions.end(lsid);
    ended.insert(SessionId::of(lsid));
  }
  if (!ended.empty()) context.services.cursors.kill_of_sessions([&](const SessionId& session) { return ended.contains(session); });
  return bson::Document();
}

// However many are meant, operations, cursors and sessions are each looked at once.
void kill(CommandContext& context, const WhichSessions& which) {
  context.services.operations.kill_of_sessions(which);
  context.services.cursors.kill_of_sessions(which);
  context.services.sessions.kill(which);
}

// Those of many users, or all; the session that this command runs in goes on.
void kill_others(CommandContext& context, const WhichSessions& which) {
  kill(context, [&](const SessionId& session) { return session != context.session && which(session); });
}

Result<bson::Document> kill_sessions(CommandContext& context) {
  const auto sessions = TRY(listed_sessions(context));
  if (sessions.empty()) {
    const auto own = SessionId::of(TRY(session_key(context, bson::make_document({{"id", Uuid()}}))));
    kill_others(context, [&](const SessionId& session) { return session.user == own.user; });
    return bson::Document();
  }
  std::set<SessionId> listed;
  for (const auto& lsid : sessions) listed.insert(SessionId::of(lsid));
  kill(context, [&](const SessionId& session) { return listed.contains(session); });
  return bson::Document();
}

tl::unexpected<Error> wrong_type(std::string_view field, const bson::Element& value, std::string_view wanted) {
  return server_error(code::kTypeMismatch, fmt::format("BSON field '{}' is the wrong type '{}', expected type '{}'", field, bson::type_name(value.type()), wanted));
}
tl::unexpected<Error> missing(std::string_view field) {
  return server_error(code::kMissingField, fmt::format("BSON field '{}' is missing but a required field", field));
}

// {user, db}: whose sessions are meant, by the digest in their uid.
Result<std::string> digest_of_user(std::string_view where, bson::View user) {
  std::string text;
  for (const std::string_view name : {"user", "db"}) {
    const auto field = user[name];
    if (!field) return missing(fmt::format("{}.{}", where, name));
    if (!field.is_string()) return wrong_type(fmt::format("{}.{}", where, name), field, "string");
    text += (text.empty() ? "" : "@") + std::string(field.string_value());
  }
  return user_digest(text);
}

// Nobody named: everybody's.
Result<bson::Document> kill_all_sessions(CommandContext& context) {
  const auto list = context.body.first().to_array();
  if (!list) return wrong_type("killAllSessions.killAllSessions", context.body.first(), "array");
  std::set<std::string> users;
  for (const auto& item : *list) {
    if (!item.is_document()) return wrong_type(fmt::format("killAllSessions.killAllSessions.{}", item.key()), item, "object");
    users.insert(TRY(digest_of_user("KillAllSessionsUser", item.document_value())));
  }
  kill_others(context, [&](const SessionId& session) { return users.empty() || users.contains(session.user); });
  return bson::Document();
}

// What a list of patterns names: sessions, users by their digests, or, by one that names neither (users and roles say only on whose behalf),
// all.
struct Patterns {
  std::set<SessionId> sessions;
  std::set<Uuid> ids;           // of any user
  std::set<std::string> users;
  bool all = false;
};

Status add_pattern(Patterns& patterns, bson::View pattern) {
  constexpr std::string_view kWhere = "KillAllSessionsByPattern";
  const auto lsid = pattern["lsid"], uid = pattern["uid"];
  for (const auto& field : pattern) {
    const auto key = field.key();
    if (key != "lsid" && key != "uid" && key != "users" && key != "roles") {
      return server_error(code::kUnknownField, fmt::format("BSON field '{}.{}' is an unknown field.", kWhere, key));
    }
  }
  if (lsid && !lsid.is_document()) return wrong_type(fmt::format("{}.lsid", kWhere), lsid, "object");
  if (uid && uid.type() != bson::Type::kBinary) return wrong_type(fmt::format("{}.uid", kWhere), uid, "binData");
  if (lsid) {
    const auto session = lsid.document_value();
    if (!session["id"]) return missing(fmt::format("{}.lsid.id", kWhere));
    if (!session["id"].to_uuid()) return wrong_type(fmt::format("{}.lsid.id", kWhere), session["id"], "binData");
    if (session["uid"]) patterns.sessions.insert(SessionId::of(session));
    else patterns.ids.insert(*session["id"].to_uuid());
  } else if (uid) {
    const auto digest = uid.binary_value().data;
    patterns.users.emplace(reinterpret_cast<const char*>(digest.data()), digest.size());
  } else {
    patterns.all = true;
  }
  return {};
}

Result<bson::Document> kill_all_sessions_by_pattern(CommandContext& context) {
  const auto list = context.body.first().to_array();
  if (!list) return wrong_type("killAllSessionsByPattern.killAllSessionsByPattern", context.body.first(), "array");
  Patterns patterns{.all = list->empty()};
  for (const auto& item : *list) {
    if (!item.is_document()) return wrong_type(fmt::format("killAllSessionsByPattern.killAllSessionsByPattern.{}", item.key()), item, "object");
    TRY(add_pattern(patterns, item.document_value()));
  }
  kill(context, [&](const SessionId& session) {
    if (patterns.sessions.contains(session) || patterns.ids.contains(session.id)) return true;
    return session != context.session && (patterns.all || patterns.users.contains(session.user));
  });
  return bson::Document();
}

tl::unexpected<Error> not_in_transaction(const CommandContext& context) {
  return server_error(125, fmt::format("{} must be run within a transaction", context.command->name));
}

Status check_commit_fields(const CommandContext& context) {
  TRY(check_fields(context, {"commitTimestamp", "recoveryToken"}));
  const auto mistyped = [](const bson::Element& field, std::string_view expected) {
    return server_error(code::kTypeMismatch, fmt::format("BSON field 'commitTransaction.{}' is the wrong type '{}', expected type '{}'", field.key(), bson::type_name(field.type()), expected));
  };
  if (const auto token = context.body["recoveryToken"]) {
    if (!token.is_document()) return mistyped(token, "object");
    for (const auto& field : token.document_value()) {
      if (field.key() != "recoveryShardId") return server_error(code::kUnknownField, fmt::format("BSON field 'commitTransaction.recoveryToken.{}' is an unknown field.", field.key()));
    }
  }
  const auto timestamp = context.body["commitTimestamp"];
  if (!timestamp) return {};
  if (!timestamp.to_timestamp()) return mistyped(timestamp, "timestamp");
  return server_error(code::kInvalidOptions, "commitTimestamp is for prepared transactions, and no transaction is prepared here");
}

Result<bson::Document> commit_transaction(CommandContext& context) {
  TRY(check_commit_fields(context));
  auto* session = context.session_state;
  if (session == nullptr) return not_in_transaction(context);
  if (session->state == Session::State::kCommitted) {
    context.last_op = session->last_write;
    return bson::Document();  // said again
  }
  if (session->transaction == nullptr) return not_in_transaction(context);
  TRY(hit_transactional_write(context));
  auto committed = session->transaction->commit(session->lsid, session->txn_number, {context.patience(), context.stop});
  context.transaction = nullptr;
  session->transaction.reset();
  session->transaction_memory.release();
  context.services.sessions.count_ended(committed.has_value());
  context.services.cursors.kill_of_transaction(*context.session, session->txn_number);
  if (!committed) {
    session->state = Session::State::kAborted;
    return tl::unexpected(std::move(committed).error());
  }
  session->state = Session::State::kCommitted;
  session->last_write = *committed;
  context.last_op = *committed;
  return bson::Document();
}

Result<bson::Document> abort_transaction(CommandContext& context) {
  auto* session = context.session_state;
  if (session == nullptr || session->transaction == nullptr) return not_in_transaction(context);
  context.transaction = nullptr;
  session->transaction.reset();
  session->transaction_memory.release();
  session->state = Session::State::kAborted;
  context.services.sessions.count_ended(false);
  context.services.cursors.kill_of_transaction(*context.session, session->txn_number);
  return bson::Document();
}

constexpr Command kRows[] = {
    {.name = "startSession", .resource = ResourceKind::kAuthenticated, .handler = start_session, .help = "a new session id"},
    {.name = "refreshSessions", .resource = ResourceKind::kAuthenticated, .handler = refresh_sessions, .help = "keeps sessions alive"},
    {.name = "endSessions", .flags = kNoAuth, .handler = end_sessions, .help = "forgets sessions, aborts their transactions"},
    {.name = "killSessions", .resource = ResourceKind::kAuthenticated, .handler = kill_sessions, .help = "interrupts sessions"},
    {.name = "killAllSessions", .resource = ResourceKind::kCluster, .action = "killAnySession", .handler = kill_all_sessions, .help = "interrupts all sessions, or those of the named users"},
    {.name = "killAllSessionsByPattern", .resource = ResourceKind::kCluster, .action = "killAnySession", .handler = kill_all_sessions_by_pattern,
     .help = "interrupts the sessions that a pattern names"},
    {.name = "commitTransaction", .flags = kAdminOnly | kWrite | kInTransaction, .resource = ResourceKind::kAuthenticated, .handler = commit_transaction,
     .help = "makes a transaction's writes visible"},
    {.name = "abortTransaction", .flags = kAdminOnly | kWrite | kInTransaction, .resource = ResourceKind::kAuthenticated, .handler = abort_transaction,
     .help = "undoes a transaction's writes"},
};

}  // namespace

std::span<const Command> session_commands() { return kRows; }

}  // namespace drover::sandbox
