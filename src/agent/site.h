// The manager site, as protocol 2 of docs/design/control-plane.md has it. Every call carries the project's id and its agent API
// key, by HTTP Basic; and, but for hello, the session. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "base/guarded.h"
#include "base/json.h"
#include "base/runtime.h"
#include "net/http_client.h"

namespace drover::agent {

class Site {
 public:
  static Result<Site> open(const Config& config, const std::string& agent_id, const std::string& version);
  Site(Site&&) noexcept;

  // What went wrong, for who decides what to do: kTemporary: again, with a pause; kUnsupported: 401, 403, 400, and
  // certificates that are refused, which is final for this configuration and is tried again now and then; kWrongState: another process has taken the session over;
  // kUsage: 404, the item is not there any more.
  // kIfFree: kWrongState while another agent that lives has this host's place; kUsage: a site that does not know such a hello.
  enum class Place { kAnyhow, kIfFree };
  Result<Json> hello(Json::Object body, Place place, const std::stop_token& stop);
  Result<Json> poll(const std::stop_token& stop) const;
  Result<Json> report(const std::string& job, Json::Object body, const std::stop_token& stop) const;
  Result<Json> log(const std::string& job, std::int64_t from, const std::vector<std::string>& lines, const std::stop_token& stop) const;
  Result<Json> monitoring(Json::Array samples, const std::stop_token& stop) const;

  std::int64_t epoch() const;
  // For a report: higher than any before, of this process and of those before it, since epochs only rise.
  std::int64_t next_sequence() const;

 private:
  struct State;
  explicit Site(std::unique_ptr<State> state);
  Result<Json> post(const std::string& target, Json::Object body, const std::stop_token& stop) const;
  Result<Json> post_in_session(const std::string& target, Json::Object body, const std::stop_token& stop) const;
  std::unique_ptr<State> state_;

 public:
  ~Site();
};

}  // namespace drover::agent
