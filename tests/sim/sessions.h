// What a primary remembers of its clients' sessions: for each the newest txnNumber and which statements of it were
// executed. A number lower than the newest is refused (225), a repeated statement answers what it answered before. Like
// the data, what was not majority-committed is forgotten in an election; a number that wrote nothing is only in memory. A session that is not used for half an hour is forgotten.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/runtime.h"
#include "base/uuid.h"
#include "model/change_event.h"

namespace drover::sim {

class Sessions {
 public:
  struct Statement {
    ClusterTime ts;
    std::int64_t n = 0;
  };

  // Before a command runs. `content` tells commands apart: one number used for two of them is a fault of the client.
  Status begin(const Uuid& session, std::int64_t number, std::uint64_t content, Duration now);
  std::optional<Statement> executed(const Uuid& session, std::int64_t number, int statement) const;
  void record(const Uuid& session, std::int64_t number, int statement, ClusterTime ts, std::int64_t n);
  std::int64_t newest(const Uuid& session) const;
  void roll_back(ClusterTime ts);

 private:
  struct Session {
    Duration used{};
    std::int64_t newest = -1;
    std::map<std::int64_t, std::map<int, Statement>> executed;  // by number
    std::map<std::int64_t, std::uint64_t> contents;
  };
  std::map<Uuid, Session> sessions_;
};

}  // namespace drover::sim
