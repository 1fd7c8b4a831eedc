#include "net/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/check.h"

namespace drover::net {

namespace {

const EVP_MD* algorithm(Digest kind) {
  switch (kind) {
    case Digest::kMd5: return EVP_md5();
    case Digest::kSha1: return EVP_sha1();
    case Digest::kSha256: return EVP_sha256();
  }
  return nullptr;
}

const unsigned char* bytes(std::string_view data) { return reinterpret_cast<const unsigned char*>(data.data()); }
unsigned char* bytes(std::string& data) { return reinterpret_cast<unsigned char*>(data.data()); }

}  // namespace

std::size_t digest_size(Digest kind) { return static_cast<std::size_t>(EVP_MD_get_size(algorithm(kind))); }

std::string digest(Digest kind, std::string_view data) {
  std::string out(digest_size(kind), '\0');
  unsigned int size = 0;
  CHECK(EVP_Digest(data.data(), data.size(), bytes(out), &size, algorithm(kind), nullptr) == 1, "digest");
  return out;
}

struct Hasher::Impl {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

Hasher::Hasher(Digest kind) : impl_(std::make_unique<Impl>()) {
  CHECK(EVP_DigestInit_ex(impl_->context.get(), algorithm(kind), nullptr) == 1, "digest");
}
Hasher::~Hasher() = default;

void Hasher::add(std::string_view data) {
  CHECK(EVP_DigestUpdate(impl_->context.get(), data.data(), data.size()) == 1, "digest");
}

std::string Hasher::finish() && {
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned int size = 0;
  CHECK(EVP_DigestFinal_ex(impl_->context.get(), bytes(out), &size) == 1, "digest");
  out.resize(size);
  return out;
}

std::string hmac(Digest kind, std::string_view key, std::string_view data) {
  std::string out(digest_size(kind), '\0');
  unsigned int size = 0;
  CHECK(HMAC(algorithm(kind), key.data(), static_cast<int>(key.size()), bytes(data), data.size(), bytes(out), &size) !=
            nullptr,
        "HMAC");
  return out;
}

std::string pbkdf2(Digest kind, std::string_view password, std::string_view salt, int iterations) {
  std::string out(digest_size(kind), '\0');
  CHECK(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt), static_cast<int>(salt.size()),
                          iterations, algorithm(kind), static_cast<int>(out.size()), bytes(out)) == 1,
        "PBKDF2");
  return out;
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  CHECK(RAND_bytes(bytes(out), static_cast<int>(count)) == 1, "no randomness");
  return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base64_encode(std::string_view data) {
  std::string out((data.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  out.resize(static_cast<std::size_t>(EVP_EncodeBlock(bytes(out), bytes(data), static_cast<int>(data.size()))));
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(bytes(out), bytes(text), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

std::string hex_encode(std::string_view data) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(data.size() * 2);
  for (const unsigned char c : data) {
    out += kDigits[c >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

}  // namespace drover::net
