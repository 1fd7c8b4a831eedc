// Who may try to log in. From an address with too many failures nobody may for the rest of the minute (rate_limiter.h), but whoever
// has logged in from there within a day: a hundred programs of one machine have one address, and somebody who guesses must not shut
// them out. Thread-safe.
//
// Memory: kMaxKnown hashes, each of a login that succeeded; when they are all younger than a day, others are as strangers.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/rate_limiter.h"
#include "base/guarded.h"
#include "base/runtime.h"

namespace drover::api {

class LoginGuard {
 public:
  static constexpr std::size_t kMaxKnown = 10'000;
  static constexpr std::chrono::hours kKnownFor{24};

  LoginGuard(Runtime& runtime, int failures_per_minute);

  // `address` as lockout_name() has it. `login` is what was shown: the header with the secret in it, which one who guesses has not
  // got; or, where it does not show the secret (digest), whose login it is. That one can be guessed at: the owner is known for no
  // more failures than an address has.
  bool admits(const std::string& address, std::string_view login);
  void succeeded(const std::string& address, std::string_view login);
  void failed(const std::string& address, std::string_view login);

 private:
  struct Known {
    SteadyTime since{};
    SteadyTime failing_since{};
    int failures = 0;
  };
  std::string name_of(const std::string& address, std::string_view login) const;

  Runtime& runtime_;
  const int per_minute_;
  const std::string key_;  // of the hashes
  RateLimiter failures_;   // by address
  Guarded<std::unordered_map<std::string, Known>> known_;
};

}  // namespace drover::api
