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

namespace {

// Many HMACs with one key: what comes of the key is hashed once.
class KeyedHasher {
 public:
  KeyedHasher(Digest kind, std::string_view key) : algorithm_(algorithm(kind)) {
    std::string block(static_cast<std::size_t>(EVP_MD_get_block_size(algorithm_)), '\0');
    const auto short_key = key.size() > block.size() ? digest(kind, key) : std::string(key);
    short_key.copy(block.data(), short_key.size());
    begin(inner_, block, 0x36);
    begin(outer_, block, 0x5c);
  }
  // In place of `data`, which has the digest's size then.
  void replace(std::string& data) {
    finish(inner_, data);
    finish(outer_, data);
  }

 private:
  using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
  static Context make() { return {EVP_MD_CTX_new(), &EVP_MD_CTX_free}; }

  void begin(Context& context, std::string block, unsigned char pad) const {
    for (auto& byte : block) byte = static_cast<char>(static_cast<unsigned char>(byte) ^ pad);
    CHECK(EVP_DigestInit_ex(context.get(), algorithm_, nullptr) == 1 && EVP_DigestUpdate(context.get(), block.data(), block.size()) == 1, "HMAC");
  }
  void finish(const Context& begun, std::string& data) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    CHECK(EVP_MD_CTX_copy_ex(work_.get(), begun.get()) == 1 && EVP_DigestUpdate(work_.get(), data.data(), data.size()) == 1 &&
              EVP_DigestFinal_ex(work_.get(), out, &size) == 1,
          "HMAC");
    data.assign(reinterpret_cast<const char*>(out), size);
  }

  const EVP_MD* const algorithm_;
  Context inner_ = make(), outer_ = make(), work_ = make();
};

}  // namespace

std::optional<std::string> pbkdf2(Digest kind, std::string_view password, std::string_view salt, int iterations, const std::function<bool()>& goes_on) {
  constexpr int kAskEvery = 4096;
  KeyedHasher hasher(kind, password);
  auto round = std::string(salt) + std::string("\0\0\0\1", 4);  // the first block, and there is no other
  hasher.replace(round);
  auto out = round;
  for (int done = 1; done < iterations; ++done) {
    if (done % kAskEvery == 0 && goes_on && !goes_on()) return std::nullopt;
    hasher.replace(round);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ round[i]);
  }
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
