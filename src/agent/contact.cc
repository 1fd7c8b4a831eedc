#include "agent/contact.h"

#include <fmt/format.h>

namespace drover::agent {

void Contact::registered(const std::string& hostname) {
  say(Standing::kHeard, fmt::format("registered with the manager {} as {}", manager_, hostname));
}

void Contact::answered() { say(Standing::kHeard, fmt::format("the manager {} answers again", manager_)); }

void Contact::failed(const Error& error) {
  if (error.code == ErrorCode::kInterrupted) return;
  const auto why = error.message.substr(0, error.message.find_last_not_of('.') + 1);  // more follows
  if (error.code == ErrorCode::kTemporary)
    say(Standing::kAway, fmt::format("the manager {} is not reached: {}. Check mmsBaseUrl and the way there; the agent goes on trying", manager_, why));
  else
    say(Standing::kRefused, fmt::format("the manager {} does not take this agent: {}. The agent goes on trying, once a minute", manager_, why));
}

void Contact::say(Standing standing, const std::string& sentence) {
  if (std::exchange(standing_, standing) == standing || !tell_) return;
  tell_(sentence);
}

}  // namespace drover::agent
