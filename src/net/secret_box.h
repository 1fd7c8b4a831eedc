// AES-256-GCM over OpenSSL: a random nonce, the ciphertext, the tag, in one string.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace drover::net {

inline constexpr std::size_t kSecretKeyBytes = 32;

// `bound` is not kept, but opening needs the same.
std::string seal_secret(std::string_view key, std::string_view bound, std::string_view secret);
// Nothing when the key or `bound` is another, or a bit was changed.
std::optional<std::string> open_secret(std::string_view key, std::string_view bound, std::string_view box);

}  // namespace drover::net
