// The engine's HTTP API (docs/api/sync.md), as any of its users speaks it.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/job.h"
#include "base/error.h"
#include "base/json.h"

namespace drover::agent {

struct SyncProgress {
  std::string state;  // "RUNNING"
  std::string info;   // "collection copy"; empty: none
  bool can_commit = false;
  std::optional<std::int64_t> lag_seconds, copied_bytes, total_bytes, applied_events, eta_seconds;
  std::vector<std::string> warnings;
  std::string cannot_commit_because;
  std::optional<GivenUpCutover> commit_given_up;  // the last one, until it is asked for anew
};
// Of the answer to GET /progress. Errors are kTemporary: whoever answered is not the engine.
Result<SyncProgress> parse_progress(const Json& answer);

class SyncClient {
 public:
  explicit SyncClient(int port) : port_(port) {}

  Result<SyncProgress> progress(const std::stop_token& stop) const;
  // From cluster 0 to cluster 1. kTemporary: ask again; kWrongState: the state is another; else a refusal for good.
  Status start(const std::stop_token& stop) const;
  // Never carried out again under the number of one that was given up: kWrongState.
  Status commit(std::optional<std::int64_t> request, const std::stop_token& stop) const;

 private:
  Result<Json> call(const std::string& method, const std::string& verb, const std::string& body, const std::stop_token& stop) const;
  const int port_;
};

}  // namespace drover::agent
