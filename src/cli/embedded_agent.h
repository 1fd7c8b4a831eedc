// The agent inside `drover server`: the same as `drover agent`, with the same configuration file, for shops where one machine does
// everything. It waits until the file is there, since the project and its agent key are made on this very server, and begins
// anew when the file changes. Its calls go over HTTP to mmsBaseUrl as any agent's.
//
// One whose place another agent has taken, or whose directory, comes back when that one is gone; until then it asks now and then, and carries nothing out.
//
// Engines are processes of their own and outlive this one, unless `end_engines`: the next start takes them over.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "agent/config.h"
#include "agent/contact.h"
#include "base/log.h"
#include "base/runtime.h"

namespace drover::cli {

class EmbeddedAgent {
 public:
  struct Options {
    std::string config;       // path
    std::string data;         // directory of the agent
    std::string hostname;     // empty: this machine's
    bool end_engines = false;
    agent::Contact::Tell tell{};
  };
  EmbeddedAgent(Options options, Runtime& runtime, Log& log) : options_(std::move(options)), runtime_(runtime), log_(log) {}

  // On a thread of its own, until stopped. What is wrong with the file, or ends the agent, is in the log; it is tried again when the
  // file has changed.
  void run(const std::stop_token& stop);

 private:
  // Which file it is that stands there; nothing when none does.
  std::optional<std::string> version_of_file() const;
  enum class Ended { kForGood, kDisplaced };
  Ended serve(agent::Config config, const std::string& version, bool displaced_before, const std::stop_token& stop);

  const Options options_;
  Runtime& runtime_;
  Log& log_;
};

}  // namespace drover::cli
