// The scripts of one command: a process that runs them is taken at the first call and given back with the command, whose maxTimeMS and end
// interrupt it at once. What filters and expressions keep over several commands of a cursor (query::Scripts) finds the command that runs in
// its thread.
//
// One call takes 60 seconds at most, as on the server; within a write unit, for which every other writer waits, all of a unit's calls two.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/query/script.h"
#include "sandbox/script/hosts.h"

namespace drover::sandbox {

std::shared_ptr<query::Scripts> make_command_scripts(script::Hosts& hosts);

class ScriptOperation {
 public:
  explicit ScriptOperation(CommandContext& context);
  ~ScriptOperation();
  ScriptOperation(const ScriptOperation&) = delete;
  ScriptOperation& operator=(const ScriptOperation&) = delete;
  // Of the command that runs in this thread.
  static ScriptOperation* current();

  // For mapReduce, before the first call: its global variables; and every function sees those of system.js.
  void map_reduce(bson::View variables);
  // A request of script/protocol.h, and its reply.
  Result<bson::Document> ask(script::Hosts& hosts, bson::View request);
  // 0 or 1, as protocol.h has it.
  std::int32_t globals_of_functions() const { return map_reduce_ ? 1 : 0; }

 private:
  Status begin(script::Hosts& hosts);
  Result<bson::Document> stored_functions() const;
  Status check(SteadyTime call_began) const;

  CommandContext& context_;
  ScriptOperation* const outer_;
  std::optional<script::Hosts::Lease> lease_;
  bool map_reduce_ = false;
  bson::Document variables_;
};

}  // namespace drover::sandbox
