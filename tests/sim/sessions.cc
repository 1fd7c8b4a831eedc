#include "sessions.h"

#include <fmt/format.h>

namespace drover::sim {
namespace {

constexpr std::chrono::minutes kForgottenAfter{30};  // localLogicalSessionTimeoutMinutes

}  // namespace

Status Sessions::begin(const Uuid& id, std::int64_t number, std::uint64_t content, Duration now) {
  auto& session = sessions_[id];
  if (now - session.used > kForgottenAfter) session = {};
  session.used = now;
  if (number < session.newest) {
    return fail(ErrorCode::kFailure,
                fmt::format("Retryable write with txnNumber {} is prohibited on session {} because a newer retryable "
                            "write with txnNumber {} has already started on this session.",
                            number, id.to_string(), session.newest),
                225);
  }
  session.newest = number;
  const auto [at, fresh] = session.contents.emplace(number, content);
  if (!fresh && at->second != content) {
    return fail(ErrorCode::kUsage, fmt::format("session {} used txnNumber {} for two commands", id.to_string(), number),
                217);
  }
  return {};
}

std::optional<Sessions::Statement> Sessions::executed(const Uuid& id, std::int64_t number, int statement) const {
  const auto session = sessions_.find(id);
  if (session == sessions_.end()) return std::nullopt;
  const auto command = session->second.executed.find(number);
  if (command == session->second.executed.end()) return std::nullopt;
  const auto at = command->second.find(statement);
  if (at == command->second.end()) return std::nullopt;
  return at->second;
}

void Sessions::record(const Uuid& id, std::int64_t number, int statement, ClusterTime ts, std::int64_t n) {
  sessions_[id].executed[number][statement] = {ts, n};
}

std::int64_t Sessions::newest(const Uuid& id) const {
  const auto session = sessions_.find(id);
  return session == sessions_.end() ? -1 : session->second.newest;
}

void Sessions::roll_back(ClusterTime ts) {
  for (auto& [id, session] : sessions_) {
    session.newest = -1;
    for (auto command = session.executed.begin(); command != session.executed.end();) {
      std::erase_if(command->second, [&](const auto& item) { return item.second.ts > ts; });
      command = command->second.empty() ? session.executed.erase(command) : std::next(command);
    }
    if (!session.executed.empty()) session.newest = session.executed.rbegin()->first;
  }
}

}  // namespace drover::sim
