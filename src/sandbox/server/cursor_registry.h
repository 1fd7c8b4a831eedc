// The server's open cursors. See CursorRegistry for the contract; this is the implementation with idle timeouts.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>

#include "base/runtime.h"
#include "sandbox/commands/cursor.h"

namespace drover::sandbox {

class OpenCursors final : public CursorRegistry {
 public:
  explicit OpenCursors(Runtime& runtime) : runtime_(runtime) {}

  std::int64_t add(CursorEntry entry) override;
  Result<CursorEntry> check_out(std::int64_t id, std::stop_source interrupt) override;
  bool was_killed(std::int64_t id) const override;
  void check_in(std::int64_t id, CursorEntry entry) override;
  void drop(std::int64_t id) override;
  Kill kill(std::int64_t id) override;
  std::size_t kill_of_sessions(const WhichSessions& which) override;
  std::size_t kill_of_transaction(const SessionId& session, std::int64_t txn_number) override;
  Counts counts() const override;
  std::vector<bson::Document> describe(const std::vector<std::string>& of_users) const override;
  std::optional<std::vector<std::string>> users_of(std::int64_t id) const override;
  std::optional<Namespace> namespace_of(std::int64_t id) const override;
  std::optional<Waiting> look_at(std::int64_t id) const override;

  // Ends cursors that nobody has asked for so long.
  void expire(Duration longest);
  void clear();

 private:
  struct Slot {
    CursorEntry entry;  // without its cursor and what that keeps while checked out
    bool checked_out = false;
    bool killed = false;
    std::stop_source interrupt{std::nostopstate};  // of who has checked it out
    SteadyTime last_used{};
    std::chrono::system_clock::time_point created;
    std::chrono::system_clock::time_point accessed;
  };
  template <typename Predicate>
  std::size_t kill_where(Predicate predicate);

  Runtime& runtime_;
  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, Slot> slots_;
  std::int64_t total_opened_ = 0;
  std::int64_t timed_out_ = 0;
};

}  // namespace drover::sandbox
