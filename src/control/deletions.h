// Takes away what an organization or a project had, once it is settled that it goes (control/identity.h). Every step may be repeated, by any process on the
// store and by several at once; its document goes last, so that whoever comes after a crash goes on: the caller who repeats the request, or the next
// process that looks. And the keys of what never came to be: their makers died in between. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "base/log.h"
#include "base/runtime.h"
#include "control/identity.h"

namespace drover::control {

inline constexpr std::chrono::seconds kLookForSettled{30};
inline constexpr std::chrono::hours kLookForKeysOfNothing{1};

class Deletions {
 public:
  // What is kept of one elsewhere than in Identity. `but`: the client id of a service account that stays for now.
  struct Parts {
    std::function<Status(const std::string& group)> forget_project;
    std::function<Status(const std::string& org, const std::string& but)> forget_organization;
    std::function<Result<std::vector<std::string>>()> projects_of_agent_keys{};  // that any key names
  };
  Deletions(Identity& identity, Parts parts, Runtime& runtime, Log& log) : identity_(identity), parts_(std::move(parts)), runtime_(runtime), log_(log) {}

  Status finish_project(const std::string& group);
  // `caller`: the API key or service account of whoever asks. It is the last one to go, so that it can ask again.
  Status finish_organization(const std::string& org, const std::string& caller);
  // Finishes what processes that died have left, now and every kLookForSettled, until stopped.
  void run(const std::stop_token& stop);

 private:
  Status finish_all();
  Status take_keys_of_nothing();

  Identity& identity_;
  const Parts parts_;
  Runtime& runtime_;
  Log& log_;
};

}  // namespace drover::control
