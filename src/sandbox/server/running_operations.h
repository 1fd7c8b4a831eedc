// The operations that run now and the open connections, for currentOp, killOp and the connection count. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <mutex>

#include "base/runtime.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

class RunningOperations final : public Operations {
 public:
  RunningOperations(Runtime& runtime, const ServerSettings& settings) : runtime_(runtime), settings_(settings) {}

  std::vector<bson::Document> describe(bool idle_connections, const std::vector<std::string>& of_users) const override;
  std::optional<std::vector<std::string>> users_of(std::int64_t operation_id) const override;
  bool kill(std::int64_t operation_id) override;
  std::size_t kill_of_sessions(const WhichSessions& which) override;
  std::int64_t current_connections() const override;
  std::int64_t total_connections() const override;
  std::int64_t running() const override;
  Load load() const override;

  void add_connection(const Connection& connection, std::function<bool()> peer_gone);
  void remove_connection(const Connection& connection);
  // Between the two `operation` must not move, and its fields are read under the lock here.
  void begin(Operation& operation);
  void end(Operation& operation);
  // Ends operations over a second old whose client has closed its connection.
  void kill_abandoned();

 private:
  struct Client {
    const Connection* connection;
    std::function<bool()> peer_gone;
    bool busy = false;
  };

  Runtime& runtime_;
  const ServerSettings& settings_;
  mutable std::mutex mutex_;
  std::int64_t next_id_ = 1;
  std::int64_t total_connections_ = 0;
  std::map<std::int64_t, Operation*> running_;
  std::map<std::int64_t, Client> clients_;
};

}  // namespace drover::sandbox
