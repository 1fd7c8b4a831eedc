// The agent: one process on a migration host, which the site never connects to. It registers, polls for what is wanted, brings
// each job there, samples what is to be monitored. It can be killed at any moment: engines go on without it, and the next process
// takes them over from its directory.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>

#include "agent/config.h"
#include "agent/contact.h"
#include "agent/host.h"
#include "agent/job_runner.h"
#include "agent/monitor.h"

namespace drover::agent {

inline constexpr std::size_t kMaxJobs = 100;
inline constexpr std::chrono::seconds kRefusedPause{60};  // after an answer that is final for this configuration

class Agent {
 public:
  struct Options {
    Config config;
    std::string data;      // its directory
    std::string hostname;  // empty: this machine's
    std::string program;   // of this executable
    std::string version;
    bool end_engines = false;  // with this process, whatever ends it
    bool only_if_free = false; // this host's place was another agent's: it registers when that one is gone, and takes up what the site gives it, nothing before
    Contact::Tell tell{};      // how it stands with its manager, for a person
  };
  Agent(Options options, Runtime& runtime, Log& log)
      : options_(std::move(options)), runtime_(runtime), log_(log), contact_(options_.config.base_url, options_.tell) {}

  // Until stopped. kWrongState: another process has this directory, or this host's session.
  Status run(const std::stop_token& stop);

 private:
  void take_up_known_jobs(Host& host);
  Result<Json> register_host(Host& host, const std::stop_token& stop);
  Status serve(Host& host, const std::stop_token& stop);
  Status poll_once(Host& host, std::chrono::seconds& pause, const std::stop_token& stop);
  void take_jobs(Host& host, const Json& jobs, const std::stop_token& stop);
  void refuse(Host& host, const std::string& id, std::int64_t revision, const Error& why, const std::stop_token& stop);
  void take_monitored(const Json& list);
  Status check_session() const;

  const Options options_;
  Runtime& runtime_;
  Log& log_;
  Contact contact_;
  std::map<std::string, std::unique_ptr<JobRunner>> jobs_;
  std::map<std::string, std::int64_t> refused_;  // revisions whose refusal was told
  std::unique_ptr<Monitor> monitor_;
};

}  // namespace drover::agent
