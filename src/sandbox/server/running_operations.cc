#include "sandbox/server/running_operations.h"

#include <algorithm>
#include <chrono>

#include "sandbox/query/calendar.h"

namespace drover::sandbox {

namespace {

constexpr Duration kAbandonedAfter = std::chrono::seconds(1);

void describe_client(bson::Builder& out, const Connection& connection) {
  out.append("connectionId", static_cast<std::int32_t>(connection.id)).append("client", connection.remote);
  if (!connection.client) return;
  if (const auto name = connection.client->view().at_path("application.name").to_string_view()) out.append("appName", *name);
  out.append("clientMetadata", *connection.client);
}

// The server's names of kinds: the old wire protocol's, and "command" for the rest.
std::string_view kind_of(std::string_view command) {
  if (command == "find") return "query";
  if (command == "getMore") return "getmore";
  if (command == "insert" || command == "update") return command;
  if (command == "delete") return "remove";
  return "command";
}

// 2026-11-30T12:00:00.000+00:00
std::string shown_time(std::int64_t wall_millis) {
  auto text = query::format_iso_date(wall_millis);
  text.pop_back();
  return text + "+00:00";
}

bson::Document describe_operation(const Operation& operation, SteadyTime now, std::int64_t wall_millis, const std::string& host, bool shows_threads) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now - operation.started).count();
  bson::Builder out;
  out.append("type", "op").append("host", host).append("desc", "conn" + std::to_string(operation.connection->id));
  describe_client(out, *operation.connection);
  out.append("active", true).append("currentOpTime", shown_time(wall_millis));
  if (shows_threads) out.append("threaded", true);
  out.append("opid", static_cast<std::int32_t>(operation.id));
  if (!operation.users.empty()) {
    auto users = out.open_array("effectiveUsers");
    for (const auto& name : operation.users) {
      const auto at = name.rfind('@');
      users.open_document().append("user", name.substr(0, at)).append("db", name.substr(at + 1));
    }
  }
  if (operation.session) append_session(out, *operation.session);
  if (operation.txn_number) {
    auto transaction = out.open_document("transaction");
    auto parameters = transaction.open_document("parameters");
    parameters.append("txnNumber", *operation.txn_number);
    if (operation.command.view()["autocommit"].exists()) parameters.append("autocommit", false);
  }
  out.append("secs_running", static_cast<std::int64_t>(micros / 1'000'000))
      .append("microsecs_running", static_cast<std::int64_t>(micros))
      .append("op", kind_of(operation.command_name))
      .append("ns", operation.ns.to_string())
      .append("command", operation.command)
      .append("numYields", 0)
      .append("waitingForLock", operation.waits.load());
  if (operation.killed.stop_requested()) out.append("killPending", true);
  return std::move(out).finish();
}

}  // namespace

std::vector<bson::Document> RunningOperations::describe(bool idle_connections, const std::vector<std::string>& of_users) const {
  const auto is_theirs = [&](const Operation& operation) {
    return of_users.empty() || std::find_first_of(operation.users.begin(), operation.users.end(), of_users.begin(), of_users.end()) != operation.users.end();
  };
  const auto now = runtime_.now();
  const auto wall_millis = std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
  const auto host = settings_.host + ":" + std::to_string(settings_.port);
  const bool shows_threads = settings_.at_least(5, 0);
  std::vector<bson::Document> out;
  std::lock_guard lock(mutex_);
  for (const auto& [id, operation] : running_) {
    if (is_theirs(*operation)) out.push_back(describe_operation(*operation, now, wall_millis, host, shows_threads));
  }
  if (!idle_connections) return out;
  for (const auto& [id, client] : clients_) {
    if (client.busy) continue;
    bson::Builder idle;
    idle.append("type", "op").append("host", host).append("desc", "conn" + std::to_string(id));
    describe_client(idle, *client.connection);
    idle.append("active", false).append("currentOpTime", shown_time(wall_millis));
    out.push_back(std::move(idle).finish());
  }
  return out;
}

std::optional<std::vector<std::string>> RunningOperations::users_of(std::int64_t operation_id) const {
  std::lock_guard lock(mutex_);
  const auto found = running_.find(operation_id);
  if (found == running_.end()) return std::nullopt;
  return found->second->users;
}

bool RunningOperations::kill(std::int64_t operation_id) {
  std::lock_guard lock(mutex_);
  const auto found = running_.find(operation_id);
  if (found == running_.end()) return false;
  found->second->killed.request_stop();
  return true;
}

std::size_t RunningOperations::kill_of_sessions(const WhichSessions& which) {
  std::size_t killed = 0;
  std::lock_guard lock(mutex_);
  for (const auto& [id, operation] : running_) {
    if (!operation->session || !which(*operation->session)) continue;
    operation->killed.request_stop();
    ++killed;
  }
  return killed;
}

std::int64_t RunningOperations::current_connections() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(clients_.size());
}

std::int64_t RunningOperations::total_connections() const {
  std::lock_guard lock(mutex_);
  return total_connections_;
}

std::int64_t RunningOperations::running() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(running_.size());
}

Operations::Load RunningOperations::load() const {
  Load load;
  std::lock_guard lock(mutex_);
  for (const auto& [id, operation] : running_) {
    ++(operation->writes ? load.writers : load.readers);
    if (operation->waits) ++(operation->writes ? load.waiting_writers : load.waiting_readers);
  }
  return load;
}

void RunningOperations::add_connection(const Connection& connection, std::function<bool()> peer_gone) {
  std::lock_guard lock(mutex_);
  ++total_connections_;
  clients_.insert_or_assign(connection.id, Client{&connection, std::move(peer_gone)});
}

void RunningOperations::remove_connection(const Connection& connection) {
  std::lock_guard lock(mutex_);
  clients_.erase(connection.id);
}

void RunningOperations::begin(Operation& operation) {
  std::lock_guard lock(mutex_);
  operation.id = next_id_++;
  operation.started = runtime_.now();
  running_.emplace(operation.id, &operation);
  if (const auto client = clients_.find(operation.connection->id); client != clients_.end()) client->second.busy = true;
}

void RunningOperations::end(Operation& operation) {
  std::lock_guard lock(mutex_);
  running_.erase(operation.id);
  if (const auto client = clients_.find(operation.connection->id); client != clients_.end()) client->second.busy = false;
}

void RunningOperations::kill_abandoned() {
  const auto now = runtime_.now();
  std::lock_guard lock(mutex_);
  for (const auto& [id, operation] : running_) {
    if (now - operation->started < kAbandonedAfter) continue;
    const auto client = clients_.find(operation->connection->id);
    if (client != clients_.end() && client->second.peer_gone && client->second.peer_gone()) {
      operation->killed.request_stop();
    }
  }
}

}  // namespace drover::sandbox
