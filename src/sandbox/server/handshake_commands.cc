// hello and isMaster, whatsmyuri. Facts: corpus admin/hello; MongoDB's replication_info.cpp.
#include <algorithm>
#include <limits>

#include <fmt/core.h>

#include "net/compression.h"
#include "sandbox/server/api_version.h"
#include "sandbox/commands/member.h"
#include "sandbox/server/server_state.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

namespace {

constexpr std::int32_t kMaxBsonBytes = 16777216;
constexpr std::int32_t kMaxMessageBytes = 48000000;
constexpr std::int32_t kMaxWriteBatch = 100000;
constexpr std::int32_t kSessionTimeoutMinutes = 30;

bson::DateTime now(CommandContext& context) {
  const auto time = context.services.runtime.wall_time().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::milliseconds>(time).count()};
}

Status check_metadata(bson::View client) {
  const auto driver = client["driver"].to_document();
  if (!driver) return server_error(183, "Missing required sub-document 'driver' in the client metadata document");
  if (!(*driver)["name"].is_string()) return server_error(183, "Missing required field 'driver.name' in the client metadata document");
  if (!(*driver)["version"].is_string()) return server_error(183, "Missing required field 'driver.version' in the client metadata document");
  const auto os = client["os"].to_document();
  if (!os) return server_error(183, "Missing required sub-document 'os' in the client metadata document");
  if (!(*os)["type"].is_string()) return server_error(183, "Missing required field 'os.type' in the client metadata document");
  if (const auto name = client.at_path("application.name").to_string_view(); name && name->size() > 128) {
    return server_error(184, "The 'application.name' field in the client metadata document cannot be longer than 128 bytes");
  }
  if (client.size() > 512) return server_error(185, "The client metadata document must be less then or equal to 512 bytes");
  return {};
}

Status take_metadata(ClientConnection& connection, CommandContext& context) {
  const auto element = context.body["client"];
  const bool first = !connection.handshake_done;
  connection.handshake_done = true;
  if (!element) return {};
  if (!first || connection.client) {
    return server_error(186, fmt::format("The client metadata document may only be sent in the first {}",
                                         context.settings().at_least(5, 0) ? "hello" : "isMaster"));
  }
  const auto client = element.to_document();
  if (!client) return server_error(14, "The client metadata document must be a document");
  TRY(check_metadata(*client));
  connection.client = bson::Document(*client);
  return {};
}

// An awaitable hello is answered when the topology changes, or after maxAwaitTimeMS.
Status await_change(ClientConnection& connection, CommandContext& context) {
  const auto known = context.body["topologyVersion"].to_document();
  const auto wait = context.body["maxAwaitTimeMS"].to_int64();
  if (!known && !wait) return {};
  if (!known) return server_error(51760, "A request with 'maxAwaitTimeMS' must include a 'topologyVersion'");
  if (!wait) return server_error(31368, "A request with a 'topologyVersion' must include 'maxAwaitTimeMS'");
  if (*wait < 0) return server_error(31373, "maxAwaitTimeMS must be a non-negative integer");
  const auto process = (*known)["processId"];
  const auto counter = (*known)["counter"].to_int64();
  if (process.type() != bson::Type::kObjectId || !counter || *counter < 0) {
    return server_error(31372, "topologyVersion must have a 'processId' and a non-negative 'counter'");
  }
  if (process.object_id_value() != connection.state.process_id) return {};
  auto& member = context.services.member;
  const auto current = member.topology();
  if (*counter > current) {
    return server_error(31382, fmt::format("Received a topology version with counter: {} which is greater than the server topology version counter: {}",
                                           *counter, current));
  }
  if (*counter < current) return {};
  const auto patience = std::chrono::milliseconds(std::min<std::int64_t>(*wait, std::numeric_limits<std::int32_t>::max()));
  if (!member.await_change(*counter, patience, context.stop) && context.stop.stop_requested()) {
    return server_error(91, "the server is shutting down, or the client has gone");
  }
  return {};
}

void append_replica_set(bson::Builder& out, CommandContext& context, bool legacy) {
  const auto& settings = context.settings();
  const auto self = fmt::format("{}:{}", settings.host, settings.port);
  out.open_array("hosts").append(self);
  out.append("setName", settings.repl_set).append("setVersion", 1);
  const bool primary = context.engine().is_primary();
  const auto term = context.engine().term();
  out.append(legacy ? "ismaster" : "isWritablePrimary", primary).append("secondary", !primary);
  if (primary) out.append("primary", self);
  out.append("me", self);
  if (primary) {
    bson::ObjectId election;
    election.bytes = {0x7f, 0xff, 0xff, 0xff};
    for (int i = 0; i < 8; ++i) election.bytes[static_cast<std::size_t>(4 + i)] = static_cast<std::uint8_t>(term >> (56 - 8 * i));
    out.append("electionId", election);
  }
  const auto last = context.engine().last_committed();
  auto write = out.open_document("lastWrite");
  const bson::DateTime date{static_cast<std::int64_t>(last.seconds) * 1000};
  for (const char* name : {"opTime", "majorityOpTime"}) {
    const bool majority = std::string_view(name) == "majorityOpTime";
    write.open_document(name).append("ts", last).append("t", term);
    write.append(majority ? "majorityWriteDate" : "lastWriteDate", date);
  }
}

void append_authentication(bson::Builder& out, ClientConnection& connection, CommandContext& context) {
  if (const auto name = context.body["saslSupportedMechs"].to_string_view()) {
    if (const auto mechanisms = auth::mechanisms_of(connection.state.users, *name)) {
      auto array = out.open_array("saslSupportedMechs");
      for (const auto& mechanism : *mechanisms) array.append(mechanism);
    }
  }
  const auto speculative = context.body["speculativeAuthenticate"].to_document();
  if (!speculative) return;
  const auto first = speculative->first().key();
  const auto db = (*speculative)["db"].to_string_view();
  if (first == "saslStart") {
    if (const auto started = auth::start_sasl(connection, db.value_or("admin"), *speculative)) out.append("speculativeAuthenticate", *started);
  } else if (first == "authenticate") {
    if (const auto done = auth::authenticate_x509(connection, db.value_or("$external"), *speculative)) out.append("speculativeAuthenticate", *done);
  }
}

// Of the client's compressors those that are served, in its order. Its messages say themselves what they are packed with.
void append_compression(bson::Builder& out, CommandContext& context) {
  const auto offered = context.body["compression"].to_array();
  if (!offered) return;
  std::vector<std::string_view> served;
  for (const auto& name : *offered) {
    const auto text = name.to_string_view();
    if (text && net::compressor_of_name(*text)) served.push_back(*text);
  }
  if (served.empty()) return;
  auto array = out.open_array("compression");
  for (const auto name : served) array.append(name);
}

Result<bson::Document> hello(CommandContext& context) {
  auto& connection = client_connection(context);
  TRY(take_metadata(connection, context));
  TRY(await_change(connection, context));
  const bool legacy = context.body.first().key() != "hello";
  const auto& settings = context.settings();
  bson::Builder out;
  if (settings.version >= ServerVersion{4, 4, 2} && context.body["helloOk"].is_truthy()) out.append("helloOk", true);
  out.open_document("topologyVersion").append("processId", connection.state.process_id).append("counter", context.services.member.topology());
  append_replica_set(out, context, legacy);
  const auto wire = wire_versions(settings.version);
  out.append("maxBsonObjectSize", kMaxBsonBytes)
      .append("maxMessageSizeBytes", kMaxMessageBytes)
      .append("maxWriteBatchSize", kMaxWriteBatch)
      .append("localTime", now(context))
      .append("logicalSessionTimeoutMinutes", kSessionTimeoutMinutes)
      .append("connectionId", static_cast<std::int32_t>(connection.id))
      .append("minWireVersion", wire.min)
      .append("maxWireVersion", wire.max)
      .append("readOnly", false);
  append_compression(out, context);
  append_authentication(out, connection, context);
  return std::move(out).finish();
}

Result<bson::Document> whats_my_uri(CommandContext& context) {
  return bson::make_document({{"you", context.connection.remote}});
}

Result<bson::Document> ping(CommandContext&) { return bson::Document(); }

void add_handshake_commands(CommandTable& table) {
  static constexpr Command kRows[] = {
      {.name = "isMaster", .flags = kNoAuth, .handler = hello, .help = "what this server is (older spelling)", .alias = "ismaster"},
      {.name = "hello", .flags = kNoAuth, .handler = hello, .help = "what this server is", .since = {4, 4, 2}},
      {.name = "ping", .flags = kNoAuth, .handler = ping, .help = "answers"},
      {.name = "whatsmyuri", .flags = kNoAuth, .handler = whats_my_uri, .help = "the client's address as the server sees it"},
  };
  table.add(kRows);
}

}  // namespace

WireVersions wire_versions(ServerVersion version) {
  switch (version.major) {
    case 4: return {0, 9};
    case 5: return {0, 13};
    case 6: return {0, 17};
    case 7: return {0, 21};
    default: return {0, 25};
  }
}

void add_cursor_commands(CommandTable& table);
void add_last_error_commands(CommandTable& table);
void add_fail_point_commands(CommandTable& table);

void add_server_commands(CommandTable& table) {
  add_handshake_commands(table);
  add_cursor_commands(table);
  add_last_error_commands(table);
  add_fail_point_commands(table);
  add_api_test_commands(table);
}

}  // namespace drover::sandbox
