// From a message to its reply: finds the command, checks what every command is checked for, applies fail points, runs it
// and puts the cluster's time on the reply. One ClientConnection runs one command at a time; the dispatcher is shared.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>

#include "bson/document.h"
#include "net/wire_server.h"
#include "sandbox/server/fail_command.h"
#include "sandbox/server/message.h"
#include "sandbox/server/server_state.h"

namespace drover::sandbox {

class RunningOperations;

class Dispatcher {
 public:
  Dispatcher(ServerState& state, RunningOperations& operations) : state_(state), operations_(operations) {}

  struct Request {
    bson::View body;
    std::span<const DocumentSequence> sequences;
    bool legacy = false;  // a command in OP_QUERY
    std::stop_token stop;
  };
  struct Outcome {
    bson::Document reply;
    bool close = false;  // without a reply
    MemoryShare memory;  // of the reply, until it is sent
  };
  Outcome run(ClientConnection& connection, const Request& request);
  // The reply to what could not become a request.
  bson::Document refusal(const Error& error) const;

  // A session for a connection of the wire server.
  std::unique_ptr<net::WireSession> accept(net::ConnectionInfo info);

 private:
  bson::Document run_command(ClientConnection& connection, const Request& request, const Command& command,
                             std::string_view db, std::optional<FailAction>& action, MemoryShare& memory, bool& close);
  bson::Document run_in(CommandContext& context, ClientConnection& connection);
  bson::Document decorate(bson::Document reply, const ClientConnection* connection) const;
  bson::Document with_topology(bson::Document reply) const;

  ServerState& state_;
  RunningOperations& operations_;
};

}  // namespace drover::sandbox
