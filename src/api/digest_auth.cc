#include "api/digest_auth.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

#include "net/crypto.h"

namespace drover::api {
namespace {

constexpr std::size_t kTimeBytes = 6, kChanceBytes = 6, kHashBytes = 12;

std::string md5(std::string_view text) { return net::hex_encode(net::digest(net::Digest::kMd5, text)); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// One `name=value` or `name="value"` off the front.
bool take_pair(std::string_view& rest, std::string_view& name, std::string& value) {
  const auto equals = rest.find('=');
  if (equals == std::string_view::npos) return false;
  name = trimmed(rest.substr(0, equals));
  rest = trimmed(rest.substr(equals + 1));
  value.clear();
  if (rest.starts_with('"')) {
    std::size_t at = 1;
    for (; at < rest.size() && rest[at] != '"'; ++at) {
      if (rest[at] == '\\' && at + 1 < rest.size()) ++at;
      value += rest[at];
    }
    if (at >= rest.size()) return false;
    rest = trimmed(rest.substr(at + 1));
    if (!rest.empty() && rest.front() != ',') return false;
    if (!rest.empty()) rest = trimmed(rest.substr(1));
    return true;
  }
  const auto comma = rest.find(',');
  value = trimmed(rest.substr(0, comma));
  rest = comma == std::string_view::npos ? std::string_view() : trimmed(rest.substr(comma + 1));
  return true;
}

}  // namespace

std::optional<DigestAnswer> parse_digest(std::string_view header) {
  header = trimmed(header);
  constexpr std::string_view kScheme = "digest ";
  if (header.size() < kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(header[i])) != kScheme[i]) return std::nullopt;
  auto rest = trimmed(header.substr(kScheme.size()));
  DigestAnswer answer;
  const std::array<std::pair<std::string_view, std::string*>, 8> known{{{"username", &answer.user},
                                                                         {"realm", &answer.realm},
                                                                         {"nonce", &answer.nonce},
                                                                         {"uri", &answer.uri},
                                                                         {"response", &answer.response},
                                                                         {"nc", &answer.nc},
                                                                         {"cnonce", &answer.cnonce},
                                                                         {"qop", &answer.qop}}};
  while (!rest.empty()) {
    std::string_view name;
    std::string value;
    if (!take_pair(rest, name, value)) return std::nullopt;
    for (const auto& [key, place] : known)
      if (name == key) *place = value;
  }
  for (const auto& [key, place] : known)
    if (place->empty()) return std::nullopt;
  return answer;
}

std::int64_t DigestAuth::now() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
}

// 24 bytes, 32 letters: time, chance, and what only a server of this site can know of them.
std::string DigestAuth::signed_nonce(std::string_view time_and_chance) const {
  return net::base64_encode(std::string(time_and_chance) + net::hmac(net::Digest::kSha256, nonce_key_, time_and_chance).substr(0, kHashBytes));
}

std::string DigestAuth::challenge(bool stale) {
  auto time = static_cast<std::uint64_t>(now());
  std::string own(kTimeBytes, '\0');
  for (auto byte = own.rbegin(); byte != own.rend(); ++byte, time >>= 8) *byte = static_cast<char>(time & 0xff);
  return fmt::format(R"(Digest realm="{}", domain="", nonce="{}", algorithm=MD5, qop="auth", stale={})", realm_, signed_nonce(own + net::random_bytes(kChanceBytes)),
                     stale);
}

DigestVerdict DigestAuth::check(const DigestAnswer& answer, std::string_view ha1, std::string_view method,
                                std::string_view target) {
  if (answer.realm != realm_ || answer.qop != "auth" || answer.uri != target) return DigestVerdict::kWrong;
  const auto bytes = net::base64_decode(answer.nonce);
  if (!bytes || bytes->size() != kTimeBytes + kChanceBytes + kHashBytes) return DigestVerdict::kWrong;
  const auto own = bytes->substr(0, kTimeBytes + kChanceBytes);
  if (!net::equal_constant_time(signed_nonce(own), answer.nonce)) return DigestVerdict::kWrong;
  std::uint32_t count = 0;
  const auto [end, failed] = std::from_chars(answer.nc.data(), answer.nc.data() + answer.nc.size(), count, 16);
  if (failed != std::errc() || end != answer.nc.data() + answer.nc.size() || count == 0) return DigestVerdict::kWrong;
  const auto wanted = md5(fmt::format("{}:{}:{}:{}:{}:{}", ha1, answer.nonce, answer.nc, answer.cnonce, answer.qop,
                                      md5(fmt::format("{}:{}", method, answer.uri))));
  if (!net::equal_constant_time(wanted, answer.response)) return DigestVerdict::kWrong;
  std::uint64_t made = 0;
  for (std::size_t i = 0; i < kTimeBytes; ++i) made = made << 8 | static_cast<unsigned char>(own[i]);
  const auto time = now();
  const auto age = time - static_cast<std::int64_t>(made);
  if (age < -std::chrono::milliseconds(kClocksApart).count() || age > std::chrono::milliseconds(kNonceLife).count()) return DigestVerdict::kStale;
  const auto oldest = time - std::chrono::milliseconds(kNonceLife).count();
  return uses_.take(own, static_cast<std::int64_t>(made), count, oldest) ? DigestVerdict::kRight : DigestVerdict::kStale;
}

}  // namespace drover::api
