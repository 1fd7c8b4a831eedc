#include "sandbox/server/dispatcher.h"

#include <cstring>
#include <exception>
#include <unordered_map>

#include <fmt/core.h>

#include "base/log.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/activity.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/error_codes.h"
#include "sandbox/commands/member.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"
#include "sandbox/server/api_version.h"
#include "sandbox/server/legacy_operations.h"
#include "sandbox/server/read_preference.h"
#include "sandbox/server/running_operations.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr std::size_t kDescribedCommandBytes = 1024;
constexpr int kLegacyQuery = 5739101;
constexpr int kOverflow = 15;
constexpr std::size_t kMaxDatabaseBytes = 63;
// Smaller replies are sent in one piece.
constexpr std::size_t kCopiedReplyBytes = 64 << 10;

Status check_database(std::string_view db, ServerVersion version) {
  const bool seven = version >= ServerVersion{7, 0, 0};
  if (db.find('.') != std::string_view::npos) {
    if (version < ServerVersion{5, 0, 0}) return server_error(73, "'.' is an invalid character in a database name");
    return server_error(73, fmt::format("'.' is an invalid character in {}: {}", seven ? "a db name" : "the database name", db));
  }
  if (db.find('\0') != std::string_view::npos) return server_error(73, seven ? "database names cannot have embedded null characters" : "namespaces cannot have embedded null characters");
  if (seven && db.size() > kMaxDatabaseBytes) return server_error(73, fmt::format("db name must be at most {} characters, found: {}", kMaxDatabaseBytes, db.size()));
  if (!is_valid_database(db)) return server_error(73, fmt::format("Invalid database name: '{}'", db));
  return {};
}

Status check_authorized(CommandContext& context, const ClientConnection& connection) {
  const auto& authorization = connection.auth;
  const auto& command = *context.command;
  if (!authorization.enabled() || (command.flags & kNoAuth) != 0) return {};
  // With nobody logged in the localhost exception stands for a few actions only, never for merely being somebody.
  const bool excepted = authorization.localhost_exception() && command.resource != ResourceKind::kAuthenticated;
  if (!authorization.is_authenticated() && !excepted) {
    return server_error(13, fmt::format("command {} requires authentication", command.name));
  }
  return authorize_command(context, command, context.body);
}

bson::Document failed_command(bson::View command, const FailAction& action) {
  Error error{ErrorCode::kFailure, "Failing command due to 'failCommand' failpoint", *action.error_code, {}};
  error.labels = action.labels ? *action.labels : error_labels({.body = command, .code = *action.error_code});
  return error_reply(error);
}

// errorLabels as a fail point wants them, in place of the reply's own.
bson::Document replace_labels(bson::View reply, const std::vector<std::string>& labels) {
  bson::Builder out;
  if (!labels.empty()) {
    auto array = out.open_array("errorLabels");
    for (const auto& label : labels) array.append(label);
  }
  for (const auto& field : reply) {
    if (field.key() != "errorLabels") out.append_raw(field);
  }
  return std::move(out).finish();
}

bson::Document with_write_concern_error(bson::View command, bson::View reply, const FailAction& action) {
  bson::Builder out;
  for (const auto& field : reply) {
    if (field.key() != "writeConcernError") out.append_raw(field);
  }
  append_write_concern_error(out, command, *action.write_concern_error);
  auto document = std::move(out).finish();
  return action.labels ? replace_labels(document, *action.labels) : document;
}

// What currentOp shows: the command without its documents.
bson::Document described(bson::View body) {
  if (body.size() <= kDescribedCommandBytes) return bson::Document(body);
  bson::Builder out;
  for (const auto& field : body) {
    if (field.size() <= kDescribedCommandBytes / 4) out.append_raw(field);
  }
  out.append("$truncated", true);
  return std::move(out).finish();
}

Result<std::optional<SteadyTime>> deadline_of(const Command& command, bson::View body, Runtime& runtime) {
  const auto element = body["maxTimeMS"];
  if (!element || command.name == "getMore" || command.name == "hello" || command.name == "isMaster") {
    return std::optional<SteadyTime>();
  }
  if (!element.is_number()) return server_error(2, "maxTimeMS must be a number");
  const auto value = element.to_double().value_or(0);
  if (value < 0 || value > 2147483647.0) {
    return server_error(2, fmt::format("{} value for maxTimeMS is out of range", static_cast<std::int64_t>(value)));
  }
  const auto millis = static_cast<std::int64_t>(value);
  if (static_cast<double>(millis) != value) return server_error(2, "maxTimeMS has non-integral value");
  if (millis == 0) return std::optional<SteadyTime>();
  return std::optional(runtime.now() + std::chrono::milliseconds(millis));
}

class RunningScope {
 public:
  RunningScope(RunningOperations& operations, Operation& operation) : operations_(operations), operation_(operation) {
    operations_.begin(operation_);
  }
  ~RunningScope() { operations_.end(operation_); }

 private:
  RunningOperations& operations_;
  Operation& operation_;
};

// Whose command it is, for fail points. Since 4.4.7 the first hello, which tells it, counts too.
std::string app_name_of(const ClientConnection& connection, bson::View body, ServerVersion version) {
  if (connection.client || version < ServerVersion{4, 4, 7}) return std::string(connection.app_name());
  return std::string(body.at_path("client.application.name").to_string_view().value_or(""));
}

}  // namespace

Dispatcher::Outcome Dispatcher::run(ClientConnection& connection, const Request& request) {
  const auto first = request.body.first();
  const auto db = request.body["$db"].to_string_view();
  if (!db) return {decorate(error_reply(Error{ErrorCode::kFailure, "OP_MSG requests require a $db argument", 40571, {}}), &connection)};
  const auto& settings = state_.services.settings;
  if (auto valid = check_database(*db, settings.version); !valid) return {decorate(error_reply(valid.error()), &connection)};
  const auto* command = state_.services.commands.find(first.key(), settings.version);
  if (command == nullptr) return {decorate(unknown_command_reply(first.key()), &connection)};
  if (request.legacy && settings.at_least(5, 1) && command->name != "hello" && command->name != "isMaster" &&
      !command->name.starts_with("sasl")) {
    return {decorate(error_reply(Error{ErrorCode::kFailure,
                                       fmt::format("Unsupported OP_QUERY command: {}. The client driver may require an "
                                                   "upgrade. For more details see "
                                                   "https://dochub.mongodb.org/core/legacy-opcode-removal",
                                                   first.key()),
                                       352, {}}), &connection)};
  }
  Namespace ns{std::string(*db), std::string(first.to_string_view().value_or(""))};
  const auto app_name = app_name_of(connection, request.body, settings.version);
  auto action = hit_fail_command(state_.services.fail_points.fail_command, FailMoment::kBefore, *command, ns, app_name);
  bson::Document reply;
  MemoryShare memory(&state_.services.memory.replies);
  bool close = false;
  try {
    reply = run_command(connection, request, *command, *db, action, memory, close);
  } catch (const std::exception& e) {
    // Only memory can be exhausted here; the command's effects are whole or absent, as after any other failure.
    state_.services.log.error("command failed unexpectedly", {{"command", std::string(command->name)}, {"what", e.what()}});
    reply = error_reply(Error{ErrorCode::kFailure, fmt::format("{} failed: {}", command->name, e.what()), 1, {}});
  }
  if (close) return {.close = true};
  const auto after = hit_fail_command(state_.services.fail_points.fail_command, FailMoment::kAfter, *command, ns, connection.app_name());
  if (after && reply["ok"].is_truthy()) reply = with_write_concern_error(request.body, reply, *after);
  return {.reply = decorate(std::move(reply), &connection), .memory = std::move(memory)};
}

bson::Document Dispatcher::run_command(ClientConnection& connection, const Request& request, const Command& command,
                                       std::string_view db, std::optional<FailAction>& action, MemoryShare& memory, bool& close) {
  auto& services = state_.services;
  if (connection.auth.enabled()) connection.auth.refresh();
  Operation operation;
  operation.connection = &connection;
  operation.command_name = command.name;
  operation.ns = {std::string(db), std::string(request.body.first().to_string_view().value_or("$cmd"))};
  operation.command = described(request.body);
  operation.writes = (command.flags & kWrite) != 0;
  operation.txn_number = request.body["txnNumber"].to_int64();
  if (connection.auth.enabled()) {
    for (const auto& user : connection.auth.users()) operation.users.push_back(user.name + "@" + user.db);
  }
  const std::stop_callback stop(request.stop, [&] { operation.killed.request_stop(); });
  CommandContext context{.services = services,
                         .command = &command,
                         .database = db,
                         .body = request.body,
                         .sequences = request.sequences,
                         .connection = connection,
                         .authorization = connection.auth,
                         .operation = &operation,
                         .stop = operation.killed.get_token(),
                         .closing = request.stop,
                         .reply_memory = &memory};
  if (const auto lsid = request.body["lsid"].to_document()) {
    if (auto key = session_key(context, *lsid)) context.lsid = std::move(*key);
    if (context.lsid) operation.session = SessionId::of(*context.lsid);
  }
  const RunningScope running(operations_, operation);
  if (action) {
    // As a running operation, which may be killed.
    services.runtime.sleep(action->block, context.stop);
    action->stay.leave();
    close = action->close_connection;
    if (close) return {};
    if (context.stop.stop_requested()) return error_reply(Error{ErrorCode::kFailure, "operation was interrupted", 11601, {}});
    if (action->error_code) return failed_command(request.body, *action);
  }
  const auto started = services.runtime.now();
  ScanTotals scanned;
  auto reply = [&] {
    const CountScans counting(scanned, CountScans::Wants::kNumbers);
    const StopScans stopping(context);
    return run_in(context, connection);
  }();
  services.activity.note(context, reply, services.runtime.now() - started, scanned);
  close = context.close_connection;
  return reply;
}

namespace {

// Whoever asks for no answer to a write and waits for one all the same is told nothing of what was done.
bool is_unacknowledged_write(const CommandContext& context) {
  const auto& concern = context.write_concern;
  const auto name = context.command->name;
  return concern.provided && concern.w == 0 && concern.w_mode.empty() && (name == "insert" || name == "update" || name == "delete");
}

}  // namespace

bson::Document Dispatcher::run_in(CommandContext& context, ClientConnection& connection) {
  const auto& services = state_.services;
  const auto& command = *context.command;
  if (auto heard = state_.cluster_time.accept(connection, command, context.body); !heard) return error_reply(heard.error());
  if ((command.flags & kAdminOnly) != 0 && context.database != "admin") {
    return error_reply(Error{ErrorCode::kFailure, fmt::format("{} may only be run against the admin database.", command.name), 13, {}});
  }
  if (auto preference = check_read_preference(context.body); !preference) return error_reply(preference.error());
  auto api = check_api_version(command, context.body, services.settings);
  if (!api) return error_reply(api.error());
  context.api = *api;
  if (auto allowed = check_authorized(context, connection); !allowed) return error_reply(allowed.error());
  auto deadline = deadline_of(command, context.body, services.runtime);
  if (!deadline) return error_reply(deadline.error());
  context.deadline = *deadline;
  if (context.deadline && services.fail_points.max_time_never_time_out.hit()) context.deadline.reset();
  if (context.deadline && services.fail_points.max_time_always_time_out.hit()) {
    return error_reply(Error{ErrorCode::kFailure, "operation exceeded time limit", 50, {}});
  }
  if (auto serves = check_member(context); !serves) {
    auto refused = std::move(serves).error();
    refused.labels = error_labels({.body = context.body, .code = refused.server_code});
    return with_topology(error_reply(refused));
  }
  context.bypass_write_block =
      !connection.auth.enabled() || connection.auth.is_allowed("bypassWriteBlockingMode", {Resource::Kind::kCluster, {}});
  auto reply = execute(context);
  if (!services.settings.at_least(5, 1)) note_last_write(connection, command, reply, context.last_op.value_or(bson::Timestamp()));
  if (is_unacknowledged_write(context) && reply["ok"].is_truthy()) reply = bson::make_document({{"ok", 1.0}});
  if (!reply["ok"].is_truthy() && is_not_primary_code(static_cast<int>(reply["code"].to_int64().value_or(0)))) return with_topology(std::move(reply));
  return reply;
}

bson::Document Dispatcher::with_topology(bson::Document reply) const {
  bson::Builder version;
  version.open_document("topologyVersion").append("processId", state_.process_id).append("counter", state_.services.member.topology());
  return bson::append_fields(std::move(reply), std::move(version).finish());
}

bson::Document Dispatcher::decorate(bson::Document reply, const ClientConnection* connection) const {
  bson::Builder extra;
  state_.cluster_time.append(extra, connection, operation_time(state_.services));
  return bson::append_fields(std::move(reply), std::move(extra).finish());
}

std::string_view ClientConnection::app_name() const {
  if (!client) return {};
  return client->view().at_path("application.name").to_string_view().value_or("");
}

namespace {

class ClientSession final : public net::WireSession {
 public:
  ClientSession(Dispatcher& dispatcher, ServerState& state, RunningOperations& operations, net::ConnectionInfo info)
      : dispatcher_(dispatcher), operations_(operations), activity_(state.services.activity), log_(state.services.log), stop_(info.stop),
        connection_(state, info.loopback) {
    connection_.id = info.id;
    connection_.remote = info.peer;
    connection_.local = info.local;
    connection_.auth.set_ends(info.peer, info.local);
    connection_.tls_subject = info.tls_subject;
    operations_.add_connection(connection_, info.peer_gone);
  }
  ~ClientSession() override { operations_.remove_connection(connection_); }

  net::WireReply handle(std::span<const std::uint8_t> frame) override {
    if (!is_compressed(frame)) {
      activity_.note_request(frame.size(), frame.size());
      return noted(handle_plain(frame, std::exchange(next_compressor_, std::nullopt)));
    }
    const auto unpacked = unpack_message(frame);
    if (!unpacked) return close_because(unpacked.error());
    activity_.note_request(unpacked->frame.size(), frame.size());
    return noted(handle_plain(unpacked->frame, unpacked->compressor));
  }

 private:
  net::WireReply close_because(const Error& error) {
    log_.warn("connection closed", {{"peer", connection_.remote}, {"reason", error.message}});
    return {.close = true};
  }

  net::WireReply noted(net::WireReply reply) {
    if (!reply.frame) return reply;
    const auto on_wire = reply.frame->size() + reply.rest.size();
    activity_.note_reply(std::exchange(unpacked_reply_bytes_, 0) + reply.rest.size(), on_wire);
    return reply;
  }

  // The answer is packed as the question was.
  net::WireReply handle_plain(std::span<const std::uint8_t> frame, std::optional<net::Compressor> compressor) {
    if (is_legacy_operation(frame)) return handle_legacy(frame, compressor);
    const auto message = parse_message(frame);
    if (!message) {
      if (!is_answered(message.error())) return close_because(message.error());
      const auto refused = unparsed_message(frame);
      if (!refused.wants_reply()) return {};
      return {.frame = make_reply(refused, dispatcher_.refusal(message.error()))};
    }
    bson::Document legacy;
    Dispatcher::Request request{.body = message->body, .sequences = message->sequences, .stop = stop_};
    if (message->op == OpCode::kQuery) {
      if (message->body["$db"]) return {.frame = make_reply(*message, dispatcher_.refusal(Error{ErrorCode::kFailure, "$db is not allowed in OP_QUERY requests", 40621, {}}))};
      legacy = whole_command(*message);
      request.body = legacy;
      request.legacy = true;
    }
    auto outcome = dispatcher_.run(connection_, request);
    if (outcome.close) return {.close = true};
    if (!message->wants_reply()) return {};
    auto reply = reply_to(*message, std::move(outcome.reply), !compressor);
    reply.memory = std::move(outcome.memory);
    return packed(std::move(reply), compressor);
  }

  net::WireReply handle_legacy(std::span<const std::uint8_t> frame, std::optional<net::Compressor> compressor) {
    const auto operation = parse_legacy_operation(frame);
    if (!operation) return close_because(operation.error());
    if (connection_.state.services.settings.at_least(5, 1)) return refuse_legacy(*operation);
    if (!operation->wants_reply()) return write_legacy(*operation);
    auto outcome = dispatcher_.run(connection_, {.body = operation->command, .sequences = {}, .stop = stop_});
    if (outcome.close) return {.close = true};
    const auto known = positions_.find(operation->cursor_id);
    const auto position = known == positions_.end() ? 0 : known->second;
    if (known != positions_.end()) positions_.erase(known);
    auto answer = make_legacy_reply(*operation, outcome.reply, position);
    if (answer.cursor_id != 0) {
      if (positions_.size() >= kMaxPositions) positions_.clear();
      positions_[answer.cursor_id] = position + answer.documents;
    }
    net::WireReply reply{.frame = std::move(answer.frame), .memory = std::move(outcome.memory)};
    const bool exhaust = operation->exhaust || std::exchange(exhausts_, false);
    if (exhaust && answer.cursor_id != 0) {
      exhausts_ = true;
      reply.next_request = make_legacy_get_more(request_id_of(*reply.frame), operation->ns, operation->to_return, answer.cursor_id);
    }
    return packed(std::move(reply), compressor);
  }

  // Nobody waits for an answer; getLastError tells how it ended.
  net::WireReply write_legacy(const LegacyOperation& operation) {
    // Each for itself, by the privileges on what it reads: one that may not be killed keeps no other from it.
    for (const auto id : operation.kills) {
      const auto ns = connection_.state.services.cursors.namespace_of(id);
      if (!ns) continue;
      if (stop_.stop_requested()) break;
      bson::Builder kill;
      kill.append("killCursors", ns->collection).open_array("cursors").append(id);
      kill.append("$db", ns->db);
      const auto command = std::move(kill).finish();
      dispatcher_.run(connection_, {.body = command, .sequences = {}, .stop = stop_});
    }
    if (operation.op == OpCode::kKillCursors) return {};
    const auto outcome = dispatcher_.run(connection_, {.body = operation.command, .sequences = operation.sequences, .stop = stop_});
    if (outcome.close) return {.close = true};
    // Of what was refused before it was carried out too.
    const auto& services = connection_.state.services;
    const auto* command = services.commands.find(operation.command.view().first().key(), services.settings.version);
    if (!outcome.reply["ok"].is_truthy() && command != nullptr) note_last_write(connection_, *command, outcome.reply, bson::Timestamp());
    return {};
  }

  net::WireReply refuse_legacy(const LegacyOperation& operation) {
    if (operation.op != OpCode::kQuery) return close_because(Error{ErrorCode::kUsage, "an operation of the wire protocol that ended with 5.0", 0, {}});
    return {.frame = make_legacy_failure(operation.request_id, "OP_QUERY is no longer supported. The client driver may require an upgrade. For more "
                                                               "details see https://dochub.mongodb.org/core/legacy-opcode-removal", kLegacyQuery)};
  }

  static std::int32_t request_id_of(std::span<const std::uint8_t> frame) {
    std::int32_t id;
    std::memcpy(&id, frame.data() + 4, sizeof id);
    return id;
  }

  net::WireReply packed(net::WireReply reply, std::optional<net::Compressor> compressor) {
    unpacked_reply_bytes_ = reply.frame->size();
    if (!compressor) return reply;
    auto small = pack_message(*reply.frame, *compressor);
    if (!small) return close_because(small.error());
    reply.frame = *std::move(small);
    if (reply.next_request) next_compressor_ = compressor;
    return reply;
  }

  net::WireReply reply_to(const Message& message, bson::Document reply, bool in_parts) {
    net::WireReply out;
    const auto next = (message.flags & kExhaustAllowed) != 0 ? next_of_exhaust(message.body, reply) : std::nullopt;
    const std::uint32_t flags = next ? kMoreToCome : 0;
    if (in_parts && reply.size() > kCopiedReplyBytes) out.frame = make_reply_head(message, reply.size(), flags);
    if (out.frame) {
      out.rest = std::move(reply).bytes();
    } else {
      out.frame = make_reply(message, reply, flags);
    }
    if (next) {
      out.next_request = make_request(request_id_of(*out.frame), *next, kExhaustAllowed);  // the next reply answers this one
    }
    return out;
  }

  // What the server asks itself when the client allowed a stream of replies: getMore until the cursor ends, and hello
  // with the topology's newest version.
  static std::optional<bson::Document> next_of_exhaust(bson::View request, bson::View reply) {
    if (!reply["ok"].is_truthy()) return std::nullopt;
    const auto name = request.first().key();
    if (name == "getMore") {
      if (reply.at_path("cursor.id").to_int64().value_or(0) == 0) return std::nullopt;
      return bson::Document(request);
    }
    const auto version = reply["topologyVersion"].to_document();
    const bool hello = name == "hello" || name == "isMaster" || name == "ismaster";
    if (!hello || !version || !request["topologyVersion"]) return std::nullopt;
    bson::Builder next;
    for (const auto& field : request) {
      if (field.key() == "topologyVersion") {
        next.append("topologyVersion", *version);
      } else {
        next.append_raw(field);
      }
    }
    return std::move(next).finish();
  }

  Dispatcher& dispatcher_;
  RunningOperations& operations_;
  Activity& activity_;
  Log& log_;
  std::size_t unpacked_reply_bytes_ = 0;  // of the reply that is being made
  std::stop_token stop_;
  ClientConnection connection_;
  std::optional<net::Compressor> next_compressor_;  // of the stream of replies that this connection is in
  // Of OP_QUERY: whether the next OP_GET_MORE is the server's own, and how many documents its cursors gave (beyond so many cursors 0 is told).
  static constexpr std::size_t kMaxPositions = 1'000;
  bool exhausts_ = false;
  std::unordered_map<std::int64_t, std::int32_t> positions_;
};

}  // namespace

bson::Document Dispatcher::refusal(const Error& error) const {
  auto refused = error;
  // Since 5.0 the server does not say how deep it may be.
  if (refused.server_code == kOverflow && state_.services.settings.at_least(5, 0)) refused.message.resize(std::min(refused.message.size(), refused.message.find(": ")));
  return decorate(error_reply(refused), nullptr);
}

std::unique_ptr<net::WireSession> Dispatcher::accept(net::ConnectionInfo info) {
  return std::make_unique<ClientSession>(*this, state_, operations_, std::move(info));
}

}  // namespace drover::sandbox
