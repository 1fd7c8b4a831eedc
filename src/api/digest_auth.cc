#include "api/digest_auth.h"

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "net/crypto.h"

namespace drover::api {
namespace {

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
  return std::chrono::duration_cast<std::chrono::seconds>(runtime_.wall_time().time_since_epoch()).count();
}

// 24 bytes, 32 letters: the time and what only a server of this site can know of it.
std::string DigestAuth::nonce_at(std::int64_t seconds) const {
  std::string time(sizeof seconds, '\0');
  std::memcpy(time.data(), &seconds, sizeof seconds);
  return net::base64_encode(time + net::hmac(net::Digest::kSha256, nonce_key_, time).substr(0, 16));
}

std::string DigestAuth::challenge(bool stale) {
  return fmt::format(R"(Digest realm="{}", domain="", nonce="{}", algorithm=MD5, qop="auth", stale={})", realm_, nonce_at(now()),
                     stale);
}

DigestVerdict DigestAuth::check(const DigestAnswer& answer, std::string_view ha1, std::string_view method,
                                std::string_view target) {
  if (answer.realm != realm_ || answer.qop != "auth" || answer.uri != target) return DigestVerdict::kWrong;
  const auto bytes = net::base64_decode(answer.nonce);
  if (!bytes || bytes->size() != 24) return DigestVerdict::kWrong;
  std::int64_t made = 0;
  std::memcpy(&made, bytes->data(), sizeof made);
  if (!net::equal_constant_time(nonce_at(made), answer.nonce)) return DigestVerdict::kWrong;
  const auto wanted = md5(fmt::format("{}:{}:{}:{}:{}:{}", ha1, answer.nonce, answer.nc, answer.cnonce, answer.qop,
                                      md5(fmt::format("{}:{}", method, answer.uri))));
  if (!net::equal_constant_time(wanted, answer.response)) return DigestVerdict::kWrong;
  const auto age = now() - made;
  return age < 0 || age > std::chrono::seconds(kNonceLife).count() ? DigestVerdict::kStale : DigestVerdict::kRight;
}

}  // namespace drover::api
