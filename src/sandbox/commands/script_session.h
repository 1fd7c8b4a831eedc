// The scripts of one command: a process that runs them is taken at the first call and given back with the command, whose maxTimeMS and end
// interrupt it at once. What filters and expressions keep over several commands of a cursor (query::Scripts) finds the command that runs in
// its thread.
//
// Nobody waits for a process who has what others wait for, nor keeps one while waiting for others: it is waited for without the command's
// place among those that run, never within a write unit (which is left, and begun anew once there is a process), and given back before each
// wait (CommandContext::wait_aside) and before the write concern. Only for the writer's lock one is kept, and whoever has that lock never
// waits for a process.
//
// One call takes 60 seconds at most, as on the server; within a write unit, for which every other writer waits, all of a unit's calls two.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/query/script.h"
#include "sandbox/script/hosts.h"

namespace drover::sandbox {

std::shared_ptr<query::Scripts> make_command_scripts();

class ScriptOperation {
 public:
  explicit ScriptOperation(CommandContext& context);
  ~ScriptOperation();
  ScriptOperation(const ScriptOperation&) = delete;
  ScriptOperation& operator=(const ScriptOperation&) = delete;
  // Of the command that runs in this thread.
  static ScriptOperation* current();

  // While it lives, this thread's command has a write unit.
  class InUnit {
   public:
    explicit InUnit(SteadyTime since);
    ~InUnit();
    InUnit(const InUnit&) = delete;
    InUnit& operator=(const InUnit&) = delete;

   private:
    ScriptOperation* const operation_;
  };
  // Before a unit is begun: a command that has called a script takes a process for the next ones.
  static Status ready_for_unit();
  // Whether the unit that has failed with a write conflict did so because there was no process. Asked once.
  static bool was_without_process();

  // For mapReduce, before the first call: its global variables; and every function sees those of system.js.
  void map_reduce(bson::View variables);
  // A request of script/protocol.h, and its reply. 112 within a unit: see was_without_process.
  Result<bson::Document> ask(bson::View request);
  // 0 or 1, as protocol.h has it.
  std::int32_t globals_of_functions() const { return map_reduce_ ? 1 : 0; }

 private:
  friend void give_back_scripts();
  Status take_process();
  Status begin(bool with_stored);
  std::string owner_of_process() const;
  Result<bson::Document> stored_functions() const;
  Status check(SteadyTime call_began) const;

  CommandContext& context_;
  ScriptOperation* const outer_;
  std::optional<script::Hosts::Lease> lease_;
  bool begun_ = false, has_stored_ = false;  // the process of lease_
  bool wanted_ = false;                      // there was a call
  bool missed_ = false;                      // within a unit, there was no process for one
  std::optional<SteadyTime> unit_since_;
  bool map_reduce_ = false;
  bson::Document variables_;
};

}  // namespace drover::sandbox
