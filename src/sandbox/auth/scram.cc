#include "sandbox/auth/scram.h"

#include <fmt/core.h>

#include "net/crypto.h"

namespace drover::sandbox::auth {

namespace {

constexpr std::size_t kNonceBytes = 24;

net::Digest digest_of(Mechanism mechanism) {
  return mechanism == Mechanism::kSha1 ? net::Digest::kSha1 : net::Digest::kSha256;
}

tl::unexpected<Error> refused(const char* why) { return fail(ErrorCode::kFailure, why, 18); }

// "x=value" at the front of `rest`, up to a comma, which is taken too.
std::optional<std::string_view> take_attribute(std::string_view& rest, char name) {
  if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return std::nullopt;
  const auto comma = std::min(rest.find(','), rest.size());
  const auto value = rest.substr(2, comma - 2);
  rest.remove_prefix(std::min(comma + 1, rest.size()));
  return value;
}

// "=2C" is a comma and "=3D" an equals sign.
std::optional<std::string> unescape(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '=') {
      out += name[i];
    } else if (name.substr(i, 3) == "=2C") {
      out += ',';
      i += 2;
    } else if (name.substr(i, 3) == "=3D") {
      out += '=';
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::string exclusive_or(std::string_view a, std::string_view b) {
  std::string out(a);
  for (std::size_t i = 0; i < out.size() && i < b.size(); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
  return out;
}

std::optional<ScramCredentials> derive(Mechanism mechanism, std::string_view password, int iterations, const std::function<bool()>& goes_on) {
  const auto digest = digest_of(mechanism);
  // The salt is four bytes shorter than the digest: the key derivation appends its counter.
  const auto salt = net::random_bytes(net::digest_size(digest) - 4);
  const auto salted = net::pbkdf2(digest, password, salt, iterations, goes_on);
  if (!salted) return std::nullopt;
  const auto client_key = net::hmac(digest, *salted, "Client Key");
  return ScramCredentials{.iterations = iterations,
          .salt = net::base64_encode(salt),
          .stored_key = net::base64_encode(net::digest(digest, client_key)),
          .server_key = net::base64_encode(net::hmac(digest, *salted, "Server Key"))};
}

}  // namespace

std::optional<Mechanism> parse_mechanism(std::string_view name) {
  if (name == "SCRAM-SHA-1") return Mechanism::kSha1;
  if (name == "SCRAM-SHA-256") return Mechanism::kSha256;
  return std::nullopt;
}

const char* mechanism_name(Mechanism mechanism) {
  return mechanism == Mechanism::kSha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
}

std::optional<ScramCredentials> ScramCredentials::make(Mechanism mechanism, std::string_view user, std::string_view password, int iterations,
                                                       const std::function<bool()>& goes_on) {
  if (mechanism == Mechanism::kSha256) return derive(mechanism, password, iterations, goes_on);
  return make_from_digest(net::hex_encode(net::digest(net::Digest::kMd5, fmt::format("{}:mongo:{}", user, password))), iterations, goes_on);
}

std::optional<ScramCredentials> ScramCredentials::make_from_digest(std::string_view digest, int iterations, const std::function<bool()>& goes_on) {
  return derive(Mechanism::kSha1, digest, iterations, goes_on);
}

void ScramCredentials::append_to(bson::Builder& out, std::string_view name) const {
  out.open_document(name)
      .append("iterationCount", iterations)
      .append("salt", salt)
      .append("storedKey", stored_key)
      .append("serverKey", server_key);
}

std::optional<ScramCredentials> ScramCredentials::parse(bson::View stored) {
  const auto iterations = stored["iterationCount"].to_int64();
  const auto salt = stored["salt"].to_string_view();
  const auto stored_key = stored["storedKey"].to_string_view();
  const auto server_key = stored["serverKey"].to_string_view();
  if (!iterations || !salt || !stored_key || !server_key) return std::nullopt;
  return ScramCredentials{static_cast<int>(*iterations), std::string(*salt), std::string(*stored_key),
                          std::string(*server_key)};
}

Status ScramConversation::read_first(std::string_view payload) {
  if (payload.size() < 3 || (payload[0] != 'n' && payload[0] != 'y') || payload[1] != ',') {
    return refused("the client's first SCRAM message is malformed or wants channel binding");
  }
  const auto second = payload.find(',', 2);
  if (second == std::string_view::npos) return refused("the client's first SCRAM message is malformed");
  gs2_header_ = payload.substr(0, second + 1);
  auto rest = payload.substr(second + 1);
  client_first_bare_ = rest;
  const auto name = take_attribute(rest, 'n');
  const auto nonce = take_attribute(rest, 'r');
  if (!name || !nonce || nonce->empty()) return refused("the client's first SCRAM message has no name or nonce");
  auto plain = unescape(*name);
  if (!plain || plain->empty()) return refused("the client's first SCRAM message has a malformed name");
  user_name_ = std::move(*plain);
  client_nonce_ = *nonce;
  return {};
}

std::string ScramConversation::challenge(const ScramCredentials& credentials) {
  credentials_ = credentials;
  nonce_ = client_nonce_ + net::base64_encode(net::random_bytes(kNonceBytes));
  server_first_ = fmt::format("r={},s={},i={}", nonce_, credentials.salt, credentials.iterations);
  return server_first_;
}

Result<std::string> ScramConversation::verify(std::string_view payload) {
  const auto digest = digest_of(mechanism_);
  auto rest = payload;
  const auto binding = take_attribute(rest, 'c');
  const auto nonce = take_attribute(rest, 'r');
  const auto proof_at = payload.rfind(",p=");
  if (!binding || !nonce || proof_at == std::string_view::npos) return refused("the client's SCRAM proof is malformed");
  if (net::base64_decode(*binding) != gs2_header_) return refused("the client's SCRAM proof has another channel binding");
  if (*nonce != nonce_) return refused("the client's SCRAM proof has another nonce");
  const auto proof = net::base64_decode(payload.substr(proof_at + 3));
  const auto stored_key = net::base64_decode(credentials_.stored_key);
  const auto server_key = net::base64_decode(credentials_.server_key);
  if (!proof || proof->size() != net::digest_size(digest) || !stored_key || !server_key) {
    return refused("the client's SCRAM proof is malformed");
  }
  const auto message = fmt::format("{},{},{}", client_first_bare_, server_first_, payload.substr(0, proof_at));
  const auto client_key = exclusive_or(*proof, net::hmac(digest, *stored_key, message));
  if (!net::equal_constant_time(net::digest(digest, client_key), *stored_key)) return refused("wrong password");
  return "v=" + net::base64_encode(net::hmac(digest, *server_key, message));
}

}  // namespace drover::sandbox::auth
