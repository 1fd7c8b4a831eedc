#include "api/login_guard.h"

#include "net/crypto.h"

namespace drover::api {
namespace {

constexpr std::size_t kKeyBytes = 32;

}  // namespace

LoginGuard::LoginGuard(Runtime& runtime, int failures_per_minute)
    : runtime_(runtime), per_minute_(failures_per_minute), key_(net::random_bytes(kKeyBytes)), failures_(runtime, failures_per_minute) {}

bool LoginGuard::admits(const std::string& address, std::string_view login) {
  if (failures_.left(address) > 0) return true;
  return known_.with([&](auto& known) {
    const auto found = known.find(name_of(address, login));
    if (found == known.end()) return false;
    const auto now = runtime_.now();
    const auto& one = found->second;
    if (now - one.since >= kKnownFor) return false;
    return one.failures < per_minute_ || now - one.failing_since >= RateLimiter::kWindow;
  });
}

void LoginGuard::succeeded(const std::string& address, std::string_view login) {
  const auto name = name_of(address, login);
  known_.with([&](auto& known) {
    const auto now = runtime_.now();
    if (const auto found = known.find(name); found != known.end()) {
      found->second.since = now;
      return;
    }
    if (known.size() >= kMaxKnown) std::erase_if(known, [&](const auto& entry) { return now - entry.second.since >= kKnownFor; });
    if (known.size() < kMaxKnown) known[name].since = now;
  });
}

void LoginGuard::failed(const std::string& address, std::string_view login) {
  failures_.take(address);
  known_.with([&](auto& known) {
    const auto found = known.find(name_of(address, login));
    if (found == known.end()) return;
    const auto now = runtime_.now();
    auto& one = found->second;
    if (one.failures == 0 || now - one.failing_since >= RateLimiter::kWindow) {
      one.failing_since = now;
      one.failures = 0;
    }
    ++one.failures;
  });
}

std::string LoginGuard::name_of(const std::string& address, std::string_view login) const {
  return net::hmac(net::Digest::kSha256, key_, address + " " + std::string(login));
}

}  // namespace drover::api
