// What a failure means, decided once for everything above (spec/engine.md 5.7): transient or not, whose it is, and what the
// operator should do. Pure: works on replies and on the driver's words, so that it can be tested without a server.
//
// Server messages may quote what they refuse: a command with its documents (13), or a duplicate's key (11000). Neither gets
// into a message here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "cluster/mongo_deployment.h"

namespace drover::cluster {

// A failure that the same call may not meet again: elections, shutdowns, lost cursors, write conflicts.
bool is_transient(int server_code, const std::vector<std::string>& labels);

// "source", "destination", "cluster0" or "cluster1".
std::string_view side_word(Side side);
ErrorCode side_code(Side side);

// What was being done, for messages: "find on sample.flights".
struct Doing {
  std::string_view command;
  std::string_view on;
};

// A reply with ok: 0.
Error command_error(Side side, const Doing& doing, bson::View reply);
// A reply's writeConcernError: the write may or may not last.
Error write_concern_error(Side side, const Doing& doing, bson::View error);

// A failure without a reply.
enum class DriverFailure { kNetwork, kSelection, kAuthentication, kPool, kOther };
// `reached`: the deployment has answered before, so that silence now is an outage rather than a wrong address.
Error driver_error(Side side, const Doing& doing, DriverFailure failure, std::string_view message, std::string_view hosts,
                   bool reached);

// An answer to a command that no server gives. Not temporary: who answers so is none, or broken, and would do so again.
Error malformed_reply(Side side, const Doing& doing, std::string_view hosts, std::string_view what);

// A server's message without the documents and keys that it quotes.
std::string without_quotes(int server_code, std::string_view message);

}  // namespace drover::cluster
