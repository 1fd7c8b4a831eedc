#include "sandbox/server/cursor_registry.h"

#include <algorithm>

#include <fmt/core.h>

#include "sandbox/commands/command.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

std::int64_t OpenCursors::add(CursorEntry entry) {
  std::lock_guard lock(mutex_);
  std::int64_t id = 0;
  while (id == 0 || slots_.contains(id)) id = static_cast<std::int64_t>(runtime_.random() >> 1);
  auto& slot = slots_[id];
  slot.entry = std::move(entry);
  slot.last_used = runtime_.now();
  slot.created = slot.accessed = runtime_.wall_time();
  ++total_opened_;
  return id;
}

Result<CursorEntry> OpenCursors::check_out(std::int64_t id, std::stop_source interrupt) {
  std::lock_guard lock(mutex_);
  const auto found = slots_.find(id);
  if (found == slots_.end() || found->second.killed) return server_error(43, fmt::format("cursor id {} not found", id));
  auto& slot = found->second;
  if (slot.checked_out) return server_error(143, fmt::format("cursor id {} is already in use", id));
  slot.checked_out = true;
  slot.interrupt = std::move(interrupt);
  CursorEntry out;
  out.ns = slot.entry.ns;
  out.session = slot.entry.session;
  out.txn_number = slot.entry.txn_number;
  out.users = slot.entry.users;
  out.granted = slot.entry.granted;
  out.no_timeout = slot.entry.no_timeout;
  out.time_left = slot.entry.time_left;
  out.api = slot.entry.api;
  out.cursor = std::move(slot.entry.cursor);
  out.kept = std::move(slot.entry.kept);
  return out;
}

void OpenCursors::check_in(std::int64_t id, CursorEntry entry) {
  std::unique_ptr<CommandCursor> dead;  // destroyed outside the lock
  std::lock_guard lock(mutex_);
  const auto found = slots_.find(id);
  if (found == slots_.end()) {
    dead = std::move(entry.cursor);
    return;
  }
  auto& slot = found->second;
  if (slot.killed) {
    dead = std::move(entry.cursor);
    slots_.erase(found);
    return;
  }
  slot.entry.cursor = std::move(entry.cursor);
  slot.entry.kept = std::move(entry.kept);
  slot.entry.time_left = entry.time_left;
  slot.checked_out = false;
  slot.interrupt = std::stop_source(std::nostopstate);
  slot.last_used = runtime_.now();
  slot.accessed = runtime_.wall_time();
}

bool OpenCursors::was_killed(std::int64_t id) const {
  std::lock_guard lock(mutex_);
  const auto found = slots_.find(id);
  return found != slots_.end() && found->second.killed;
}

void OpenCursors::drop(std::int64_t id) {
  std::lock_guard lock(mutex_);
  slots_.erase(id);
}

CursorRegistry::Kill OpenCursors::kill(std::int64_t id) {
  CursorEntry dead;
  std::stop_source interrupted(std::nostopstate);  // without the lock: what it wakes may want it
  {
    std::lock_guard lock(mutex_);
    const auto found = slots_.find(id);
    if (found == slots_.end() || found->second.killed) return Kill::kNotFound;
    if (found->second.checked_out) {
      found->second.killed = true;
      interrupted = found->second.interrupt;
    } else {
      dead = std::move(found->second.entry);
      slots_.erase(found);
    }
  }
  interrupted.request_stop();
  return Kill::kKilled;
}

std::optional<CursorRegistry::Waiting> OpenCursors::look_at(std::int64_t id) const {
  std::lock_guard lock(mutex_);
  const auto found = slots_.find(id);
  if (found == slots_.end() || !found->second.entry.cursor) return std::nullopt;
  const auto& entry = found->second.entry;
  Waiting out{.time_left = {}, .also_reads = entry.also_reads};
  if (!entry.cursor->awaits_data()) out.time_left = entry.time_left;
  return out;
}

template <typename Predicate>
std::size_t OpenCursors::kill_where(Predicate predicate) {
  std::vector<CursorEntry> dead;
  std::size_t killed = 0;
  std::lock_guard lock(mutex_);
  for (auto at = slots_.begin(); at != slots_.end();) {
    auto& slot = at->second;
    if (slot.killed || !predicate(slot)) {
      ++at;
      continue;
    }
    ++killed;
    if (slot.checked_out) {
      slot.killed = true;
      ++at;
    } else {
      dead.push_back(std::move(slot.entry));
      at = slots_.erase(at);
    }
  }
  return killed;
}

std::size_t OpenCursors::kill_of_sessions(const WhichSessions& which) {
  return kill_where([&](const Slot& slot) { return slot.entry.session && which(*slot.entry.session); });
}

std::size_t OpenCursors::kill_of_transaction(const SessionId& session, std::int64_t txn_number) {
  return kill_where([&](const Slot& slot) { return slot.entry.txn_number == txn_number && slot.entry.session == session; });
}

void OpenCursors::expire(Duration longest) {
  const auto now = runtime_.now();
  const auto ended = kill_where([&](const Slot& slot) {
    return !slot.checked_out && !slot.entry.no_timeout && now - slot.last_used >= longest;
  });
  std::lock_guard lock(mutex_);
  timed_out_ += static_cast<std::int64_t>(ended);
}

void OpenCursors::clear() {
  kill_where([](const Slot&) { return true; });
}

std::optional<std::vector<std::string>> OpenCursors::users_of(std::int64_t id) const {
  std::lock_guard lock(mutex_);
  const auto found = slots_.find(id);
  if (found == slots_.end() || found->second.killed) return std::nullopt;
  return found->second.entry.users;
}

std::optional<Namespace> OpenCursors::namespace_of(std::int64_t id) const {
  std::lock_guard lock(mutex_);
  const auto found = slots_.find(id);
  if (found == slots_.end() || found->second.killed) return std::nullopt;
  return found->second.entry.ns;
}

CursorRegistry::Counts OpenCursors::counts() const {
  std::lock_guard lock(mutex_);
  Counts counts{.total_opened = total_opened_, .timed_out = timed_out_};
  for (const auto& [id, slot] : slots_) {
    if (slot.killed) continue;
    ++counts.open;
    if (slot.entry.no_timeout) ++counts.open_no_timeout;
    if (slot.checked_out) ++counts.pinned;
  }
  return counts;
}

std::vector<bson::Document> OpenCursors::describe(const std::vector<std::string>& of_users) const {
  const auto is_theirs = [&](const CursorEntry& entry) {
    return of_users.empty() || std::find_first_of(entry.users.begin(), entry.users.end(), of_users.begin(), of_users.end()) != entry.users.end();
  };
  const auto date = [](std::chrono::system_clock::time_point time) {
    return bson::DateTime{std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count()};
  };
  std::vector<bson::Document> out;
  std::lock_guard lock(mutex_);
  for (const auto& [id, slot] : slots_) {
    if (slot.checked_out || !is_theirs(slot.entry)) continue;
    bson::Builder builder;
    builder.append("type", "idleCursor").append("ns", slot.entry.ns.to_string());
    if (slot.entry.session) append_session(builder, *slot.entry.session);
    auto cursor = builder.open_document("cursor");
    cursor.append("cursorId", id).append("createdDate", date(slot.created)).append("lastAccessDate", date(slot.accessed));
    cursor.append("tailable", slot.entry.cursor && slot.entry.cursor->awaits_data());
    cursor.append("noCursorTimeout", slot.entry.no_timeout).append("originatingCommand", slot.entry.origin);
    cursor.close();
    out.push_back(std::move(builder).finish());
  }
  return out;
}

}  // namespace drover::sandbox
