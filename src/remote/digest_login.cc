#include "remote/digest_login.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "net/crypto.h"

namespace drover::remote {
namespace {

std::string md5(const std::string& text) { return net::hex_encode(net::digest(net::Digest::kMd5, text)); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == ',')) text.remove_prefix(1);
}

// name=value or name="value" off the front; false at the end, and for what is neither.
bool take(std::string_view& text, std::string& name, std::string& value) {
  skip_blanks(text);
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return false;
  name = lower(text.substr(0, equals));
  text.remove_prefix(equals + 1);
  value.clear();
  if (!text.starts_with('"')) {
    value = text.substr(0, text.find_first_of(", \t"));
    text.remove_prefix(value.size());
    return true;
  }
  std::size_t at = 1;
  for (; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    value += text[at];
  }
  if (at >= text.size()) return false;
  text.remove_prefix(at + 1);
  return true;
}

bool names_auth(std::string_view qop) {
  while (!qop.empty()) {
    skip_blanks(qop);
    const auto word = qop.substr(0, qop.find_first_of(", \t"));
    if (lower(word) == "auth") return true;
    qop.remove_prefix(word.size());
    if (word.empty()) break;
  }
  return false;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::optional<DigestChallenge> parse_challenge(std::string_view header) {
  constexpr std::string_view kScheme = "digest ";
  if (lower(header.substr(0, kScheme.size())) != kScheme) return std::nullopt;
  header.remove_prefix(kScheme.size());
  DigestChallenge challenge;
  std::string name, value, algorithm = "md5", qop;
  while (take(header, name, value)) {
    if (name == "realm") challenge.realm = value;
    else if (name == "nonce") challenge.nonce = value;
    else if (name == "opaque") challenge.opaque = value;
    else if (name == "stale") challenge.stale = lower(value) == "true";
    else if (name == "algorithm") algorithm = lower(value);
    else if (name == "qop") qop = value;
  }
  if (challenge.nonce.empty() || algorithm != "md5" || !names_auth(qop)) return std::nullopt;
  return challenge;
}

std::string digest_authorization(const DigestChallenge& challenge, const DigestUser& user, std::string_view method, std::string_view uri,
                                 std::string_view cnonce, std::uint32_t count) {
  const auto ha1 = md5(fmt::format("{}:{}:{}", user.name, challenge.realm, user.password));
  const auto ha2 = md5(fmt::format("{}:{}", method, uri));
  const auto response = md5(fmt::format("{}:{}:{:08x}:{}:auth:{}", ha1, challenge.nonce, count, cnonce, ha2));
  auto header = fmt::format("Digest username={}, realm={}, nonce={}, uri={}, algorithm=MD5, qop=auth, nc={:08x}, cnonce={}, response=\"{}\"",
                            quoted(user.name), quoted(challenge.realm), quoted(challenge.nonce), quoted(uri), count, quoted(cnonce), response);
  if (!challenge.opaque.empty()) header += ", opaque=" + quoted(challenge.opaque);
  return header;
}

}  // namespace drover::remote
