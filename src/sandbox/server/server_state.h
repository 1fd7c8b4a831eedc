// What the server's own commands (handshake, cursors, fail points) find behind a context: the shared state and the
// connection as the dispatcher made it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sandbox/auth/connection_auth.h"
#include "sandbox/commands/command.h"
#include "sandbox/server/cluster_time.h"
#include "sandbox/server/fail_command.h"

namespace drover::sandbox {

struct ServerState {
  Services& services;
  auth::UserDirectory& users;
  ClusterTime& cluster_time;
  bson::ObjectId process_id;                  // topologyVersion.processId
};

// What getLastError tells of a connection.
struct LastWrite {
  int age = 0;  // commands since; 1: it was the last one
  bson::Timestamp at;
  std::int64_t n = 0;
  std::optional<bool> updated_existing;
  std::optional<bson::Value> upserted;
  int code = 0;  // 0: it went well
  std::string message;
};

struct ClientConnection : auth::AuthConnection {
  ClientConnection(ServerState& shared, bool is_loopback)
      : AuthConnection(shared.users, shared.services.settings.auth, is_loopback), state(shared) {}

  ServerState& state;
  bool handshake_done = false;  // client metadata may come with the first hello only
  bool hello_ok = false;
  std::optional<LastWrite> last_write;

  std::string_view app_name() const;
};

inline ClientConnection& client_connection(CommandContext& context) {
  return static_cast<ClientConnection&>(auth::auth_connection(context));
}

struct WireVersions {
  std::int32_t min = 0;
  std::int32_t max = 0;
};
WireVersions wire_versions(ServerVersion version);

// hello, isMaster, ping, whatsmyuri; getMore, killCursors; configureFailPoint; getLastError.
void add_server_commands(CommandTable& table);

// After each command of a connection. `at` is the time of its last entry in the oplog, or zero.
void note_last_write(ClientConnection& connection, const Command& command, bson::View reply, bson::Timestamp at);

}  // namespace drover::sandbox
