// The few primitives that authentication needs, over OpenSSL. Values in, values out; failures of the library abort.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace drover::net {

enum class Digest { kMd5, kSha1, kSha256 };

std::string digest(Digest kind, std::string_view data);
// The same over data that comes in pieces.
class Hasher {
 public:
  explicit Hasher(Digest kind);
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void add(std::string_view data);
  std::string finish() &&;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};
std::string hmac(Digest kind, std::string_view key, std::string_view data);
// As long as the digest. `goes_on` is asked every few milliseconds; nothing once it says no.
std::optional<std::string> pbkdf2(Digest kind, std::string_view password, std::string_view salt, int iterations, const std::function<bool()>& goes_on = {});
std::size_t digest_size(Digest kind);
std::string random_bytes(std::size_t count);
// In time that does not depend on where they differ.
bool equal_constant_time(std::string_view a, std::string_view b);

std::string base64_encode(std::string_view data);
std::optional<std::string> base64_decode(std::string_view text);
std::string hex_encode(std::string_view data);

}  // namespace drover::net
