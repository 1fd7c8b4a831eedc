#include "control/sealed_keys.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "net/crypto.h"
#include "net/secret_box.h"

namespace drover::control {
namespace {

constexpr mode_t kOthers = 077;

tl::unexpected<Error> key_error(const std::string& path, std::string_view why) {
  return fail(ErrorCode::kUnsupported, fmt::format("the key file {}: {}", path, why));
}

Result<std::string> make_key(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return key_error(path, std::strerror(errno));
  const auto key = net::random_bytes(net::kSecretKeyBytes);
  const auto text = net::base64_encode(key) + "\n";
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  ::close(file);
  if (!written) return key_error(path, "cannot be written");
  return key;
}

}  // namespace

Result<SealedKeys> SealedKeys::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) return SealedKeys(TRY(make_key(path)));
  if (file < 0) return key_error(path, std::strerror(errno));
  struct stat facts {};
  ::fstat(file, &facts);
  char text[256];
  const auto size = ::read(file, text, sizeof text);
  ::close(file);
  if ((facts.st_mode & kOthers) != 0) return key_error(path, "others can read it; chmod 600");
  std::string_view line(text, size < 0 ? 0 : static_cast<std::size_t>(size));
  line = line.substr(0, line.find('\n'));
  const auto key = net::base64_decode(line);
  if (!key || key->size() != net::kSecretKeyBytes) return key_error(path, "does not hold a key, 32 bytes in base64");
  return SealedKeys(*key);
}

std::string SealedKeys::seal(std::string_view name, std::string_view secret) const {
  return net::base64_encode(net::seal_secret(key_, name, secret));
}

Result<std::string> SealedKeys::unseal(std::string_view name, std::string_view sealed) const {
  const auto box = net::base64_decode(sealed);
  auto secret = box ? net::open_secret(key_, name, *box) : std::nullopt;
  if (!secret) return fail(ErrorCode::kFailure, fmt::format("a secret of the store ({}) cannot be opened: the key file is another one", name));
  return std::move(*secret);
}

std::string SealedKeys::hash(std::string_view token) const {
  return net::base64_encode(net::hmac(net::Digest::kSha256, key_, token));
}

}  // namespace drover::control
