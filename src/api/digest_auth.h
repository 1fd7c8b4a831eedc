// HTTP digest authentication as Atlas and Cloud Manager speak it (spec/control-plane.md 3.1.7): MD5, qop auth. Nonces hold
// their time and a keyed hash of it, so that several servers of one site accept each other's. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/runtime.h"

namespace drover::api {

inline constexpr std::chrono::minutes kNonceLife{5};

struct DigestAnswer {
  std::string user;
  std::string realm, nonce, uri, response, nc, cnonce, qop;
};
// The Authorization header's value; nothing when it is not a whole digest answer.
std::optional<DigestAnswer> parse_digest(std::string_view header);

enum class DigestVerdict { kRight, kWrong, kStale };

class DigestAuth {
 public:
  DigestAuth(Runtime& runtime, std::string realm, std::string nonce_key)
      : runtime_(runtime), realm_(std::move(realm)), nonce_key_(std::move(nonce_key)) {}

  // The WWW-Authenticate header's value.
  std::string challenge(bool stale);
  // `ha1`: MD5(user:realm:password) in hexadecimal. `target`: the request's, with its query.
  DigestVerdict check(const DigestAnswer& answer, std::string_view ha1, std::string_view method, std::string_view target);

 private:
  std::string nonce_at(std::int64_t seconds) const;
  std::int64_t now() const;

  Runtime& runtime_;
  const std::string realm_;
  const std::string nonce_key_;
};

}  // namespace drover::api
