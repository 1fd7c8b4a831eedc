// HTTP digest authentication as Atlas and Cloud Manager speak it (spec/control-plane.md 3.1.7): MD5, qop auth. A nonce holds
// its time, chance, and a keyed hash of both, so that several servers of one site accept each other's. Each is another one, also of one moment,
// and a count, from 1 on, is taken once of it (nonce_uses.h): what comes again is stale, and a client logs in anew. They may come out of order, as of connections side by side;
// a client that takes a nonce of its own for each request, as the official command lines' library does, never meets that. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "api/nonce_uses.h"
#include "base/error.h"
#include "base/runtime.h"

namespace drover::api {

inline constexpr std::chrono::minutes kNonceLife{5};
inline constexpr std::chrono::seconds kClocksApart{10};  // of the servers of one site: a nonce may seem to be of the future

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
      : runtime_(runtime), realm_(std::move(realm)), nonce_key_(std::move(nonce_key)), uses_(now()) {}

  // The WWW-Authenticate header's value.
  std::string challenge(bool stale);
  // `ha1`: MD5(user:realm:password) in hexadecimal. `target`: the request's, with its query.
  DigestVerdict check(const DigestAnswer& answer, std::string_view ha1, std::string_view method, std::string_view target);

 private:
  std::string signed_nonce(std::string_view time_and_chance) const;
  std::int64_t now() const;  // milliseconds

  Runtime& runtime_;
  const std::string realm_;
  const std::string nonce_key_;
  NonceUses uses_;
};

}  // namespace drover::api
