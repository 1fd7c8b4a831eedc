// Secrets at rest: sealed with a key that lives in a file of its own, never in the store. AES-256-GCM; the name under which a
// secret is kept is bound in, so that a sealed value cannot be moved to another place.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::control {

class SealedKeys {
 public:
  // Reads the key file, 32 bytes in base64, or makes one that only its owner can read. A file that others can read is refused.
  static Result<SealedKeys> open(const std::string& path);

  std::string seal(std::string_view name, std::string_view secret) const;  // base64
  // An error when it was sealed by another key, under another name, or altered.
  Result<std::string> unseal(std::string_view name, std::string_view sealed) const;
  // A keyed hash: for tokens that are only ever compared.
  std::string hash(std::string_view token) const;

 private:
  explicit SealedKeys(std::string key) : key_(std::move(key)) {}
  std::string key_;
};

}  // namespace drover::control
