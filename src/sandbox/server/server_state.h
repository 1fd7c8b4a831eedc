// What the server's own commands (handshake, cursors, fail points) find behind a context: the shared state and the
// connection as the dispatcher made it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "sandbox/auth/connection_auth.h"
#include "sandbox/commands/command.h"
#include "sandbox/server/fail_command.h"

namespace drover::sandbox {

struct ServerState {
  Services& services;
  auth::UserDirectory& users;
  bson::ObjectId process_id;                  // topologyVersion.processId
  std::atomic<std::int64_t> topology_counter{6};
};

struct ClientConnection : auth::AuthConnection {
  ClientConnection(ServerState& shared, bool is_loopback)
      : AuthConnection(shared.users, shared.services.settings.auth, is_loopback), state(shared) {}

  ServerState& state;
  bool handshake_done = false;  // client metadata may come with the first hello only
  bool hello_ok = false;

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

// hello, isMaster, ping, whatsmyuri; getMore, killCursors; configureFailPoint.
void add_server_commands(CommandTable& table);

}  // namespace drover::sandbox
