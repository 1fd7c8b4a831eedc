#include "net/secret_box.h"

#include <memory>

#include <openssl/evp.h>

#include "base/check.h"
#include "net/crypto.h"

namespace drover::net {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
Context make_context() { return {EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free}; }

const unsigned char* bytes(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

std::string seal_secret(std::string_view key, std::string_view bound, std::string_view secret) {
  CHECK(key.size() == kSecretKeyBytes, "AES-256 has a key of 32 bytes");
  const auto nonce = random_bytes(kNonceBytes);
  std::string out(secret.size(), '\0'), tag(kTagBytes, '\0');
  const auto context = make_context();
  int size = 0;
  const bool done = EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes(key), bytes(nonce)) == 1 &&
                    EVP_EncryptUpdate(context.get(), nullptr, &size, bytes(bound), static_cast<int>(bound.size())) == 1 &&
                    EVP_EncryptUpdate(context.get(), bytes(out), &size, bytes(secret), static_cast<int>(secret.size())) == 1 &&
                    EVP_EncryptFinal_ex(context.get(), bytes(out) + size, &size) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1;
  CHECK(done, "the library encrypts");
  return nonce + out + tag;
}

std::optional<std::string> open_secret(std::string_view key, std::string_view bound, std::string_view box) {
  if (key.size() != kSecretKeyBytes || box.size() < kNonceBytes + kTagBytes) return std::nullopt;
  const auto nonce = box.substr(0, kNonceBytes);
  const auto sealed = box.substr(kNonceBytes, box.size() - kNonceBytes - kTagBytes);
  std::string tag(box.substr(box.size() - kTagBytes)), out(sealed.size(), '\0');
  const auto context = make_context();
  int size = 0;
  const bool done = EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes(key), bytes(nonce)) == 1 &&
                    EVP_DecryptUpdate(context.get(), nullptr, &size, bytes(bound), static_cast<int>(bound.size())) == 1 &&
                    EVP_DecryptUpdate(context.get(), bytes(out), &size, bytes(sealed), static_cast<int>(sealed.size())) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
                    EVP_DecryptFinal_ex(context.get(), bytes(out) + size, &size) == 1;
  if (!done) return std::nullopt;
  return out;
}

}  // namespace drover::net
