// The client's side of HTTP digest authentication (RFC 7616, MD5, qop=auth: what Atlas and Cloud Manager ask for). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace drover::remote {

struct DigestChallenge {
  std::string realm, nonce, opaque;
  bool stale = false;  // the nonce only was too old: the same login with this challenge is right
};
// Nothing: not a digest challenge that this client can answer.
std::optional<DigestChallenge> parse_challenge(std::string_view www_authenticate);

struct DigestUser {
  std::string_view name, password;
};
// The value of `Authorization`. `uri` is the target as it is sent, with its query; `count` from 1, for each use of one nonce.
std::string digest_authorization(const DigestChallenge& challenge, const DigestUser& user, std::string_view method, std::string_view uri,
                                 std::string_view cnonce, std::uint32_t count);

}  // namespace drover::remote
