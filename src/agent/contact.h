// Tells a person, once and at each change, how the agent stands with its manager; what is repeated stays in the log. Used by one
// thread at a time.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace drover::agent {

class Contact {
 public:
  // `tell` is given whole sentences, without secrets. Empty: nobody listens.
  using Tell = std::function<void(std::string_view)>;
  Contact(std::string manager, Tell tell) : manager_(std::move(manager)), tell_(std::move(tell)) {}

  void registered(const std::string& hostname);
  void answered();
  // An error of Site (site.h).
  void failed(const Error& error);

 private:
  enum class Standing { kUnknown, kHeard, kAway, kRefused };
  void say(Standing standing, const std::string& sentence);

  const std::string manager_;
  const Tell tell_;
  Standing standing_ = Standing::kUnknown;
};

}  // namespace drover::agent
