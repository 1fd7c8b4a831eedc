// Protocol 2, the manager site's side (docs/design/control-plane.md): what agents call, below /agent/v1. HTTP Basic with the
// project's id and one of its agent API keys; the session's epoch tells a replaced process from the one that counts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/login_guard.h"
#include "api/rate_limiter.h"
#include "api/rest.h"
#include "base/log.h"
#include "control/agent_jobs.h"
#include "control/agent_keys.h"
#include "control/agents.h"
#include "control/deployments.h"
#include "control/event_log.h"
#include "net/http_message.h"

namespace drover::api {

inline constexpr std::string_view kAgentPrefix = "/agent/v1";
inline constexpr int kAgentRequestsPerMinute = 6000;  // of one project
inline constexpr int kAgentFailuresPerMinute = 60;    // of one address
inline constexpr std::size_t kMaxLogLinesOfCall = 2000;

class AgentApi {
 public:
  struct Parts {
    control::AgentKeys& keys;
    control::Agents& agents;
    control::AgentJobs& jobs;
    control::Deployments& deployments;
    control::EventLog& events;
  };
  struct Options {
    int poll_seconds = 5;        // 1 while a job is open
    int monitoring_seconds = 60;
  };
  AgentApi(Parts parts, Options options, Runtime& runtime, Log& log)
      : parts_(parts), options_(options), runtime_(runtime), log_(log), requests_(runtime, kAgentRequestsPerMinute),
        logins_(runtime, kAgentFailuresPerMinute) {}

  // For paths below kAgentPrefix. Thread-safe.
  net::HttpResponse handle(const net::HttpRequest& request);

 private:
  struct Call {
    std::vector<std::string> path;  // behind the prefix
    Json body;
    std::string peer;  // address
    std::string group;
    std::string key;   // the id of the agent API key
  };
  RestResult<RestReply> answer(const net::HttpRequest& request, std::string& group);
  RestResult<RestReply> hello(const Call& call, bool only_if_free);
  RestResult<RestReply> poll(const Call& call, const control::Agent& agent);
  RestResult<RestReply> report(const Call& call, const control::Agent& agent, const std::string& job);
  RestResult<RestReply> log(const Call& call, const control::Agent& agent, const std::string& job);
  RestResult<RestReply> monitoring(const Call& call, const control::Agent& agent);
  RestResult<control::Agent> session(const Call& call, control::Agents::Beat what);
  RestResult<Json> job_json(const control::AgentJob& job, const std::string& group);

  Parts parts_;
  const Options options_;
  Runtime& runtime_;
  Log& log_;
  RateLimiter requests_;
  LoginGuard logins_;
};

}  // namespace drover::api
