// Every command that monitoring may send, and nothing else can be sent by it: metadata only, never a document of a user's
// (spec/control-plane.md 6.1). The list is what the wire log of the end-to-end tests is held against.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bson/document.h"
#include "cluster/deployment.h"

namespace drover::agent {

struct MonitoringCommand {
  std::string_view name;
  std::string_view database;    // "admin", "local"; empty: whichever database is asked about
  std::string_view collection;  // the only one that it may name; empty: none
};
std::span<const MonitoringCommand> monitoring_commands();
// Whether the list has it: name, database and collection.
bool is_monitoring_command(std::string_view database, bson::View command);

// Sends a command of the list; any other is a broken invariant and ends the process.
Result<bson::Document> ask(cluster::Deployment& member, std::string_view database, bson::View command);

}  // namespace drover::agent
