#include "model/connection_parts.h"

#include <cctype>
#include <charconv>

#include <fmt/format.h>

namespace drover {
namespace {

std::string encoded(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) out += static_cast<char>(c);
    else out += fmt::format("%{:02X}", c);
  }
  return out;
}

std::string auth_source_of(const ConnectionParts& parts) {
  if (!parts.auth_source.empty()) return parts.auth_source;
  switch (parts.mechanism) {
    case AuthMechanism::kX509:
    case AuthMechanism::kLdap:
    case AuthMechanism::kKerberos: return "$external";
    default: return "admin";
  }
}

}  // namespace

const char* name_of(AuthMechanism mechanism) {
  switch (mechanism) {
    case AuthMechanism::kNone: return "NONE";
    case AuthMechanism::kScramSha1: return "SCRAM-SHA-1";
    case AuthMechanism::kScramSha256: return "SCRAM-SHA-256";
    case AuthMechanism::kX509: return "MONGODB-X509";
    case AuthMechanism::kLdap: return "PLAIN";
    case AuthMechanism::kKerberos: return "GSSAPI";
  }
  return "NONE";
}

std::optional<AuthMechanism> auth_mechanism_of(std::string_view name) {
  for (const auto one : {AuthMechanism::kNone, AuthMechanism::kScramSha1, AuthMechanism::kScramSha256, AuthMechanism::kX509,
                         AuthMechanism::kLdap, AuthMechanism::kKerberos})
    if (name == name_of(one)) return one;
  if (name == "MONGODB_CR" || name == "MONGODB-CR") return AuthMechanism::kScramSha1;
  if (name == "SCRAM") return AuthMechanism::kScramSha256;
  return std::nullopt;
}

bool needs_password(AuthMechanism mechanism) {
  return mechanism == AuthMechanism::kScramSha1 || mechanism == AuthMechanism::kScramSha256 || mechanism == AuthMechanism::kLdap;
}

std::string connection_string(const ConnectionParts& parts) {
  std::string text = "mongodb://";
  const bool login = parts.mechanism != AuthMechanism::kNone;
  if (login && !parts.user.empty()) {
    text += encoded(parts.user);
    if (needs_password(parts.mechanism)) text += ":" + encoded(parts.password);
    text += '@';
  }
  for (std::size_t i = 0; i < parts.hosts.size(); ++i) text += (i ? "," : "") + parts.hosts[i];
  text += '/';
  char separator = '?';
  const auto option = [&](std::string_view name, std::string_view value) {
    text += fmt::format("{}{}={}", separator, name, encoded(value));
    separator = '&';
  };
  if (login) {
    option("authSource", auth_source_of(parts));
    if (!parts.any_scram) option("authMechanism", name_of(parts.mechanism));
  }
  if (!parts.replica_set.empty() && !parts.direct) option("replicaSet", parts.replica_set);
  if (parts.direct) option("directConnection", "true");
  if (parts.tls) option("tls", "true");
  if (parts.tls && !parts.tls_ca_file.empty()) option("tlsCAFile", parts.tls_ca_file);
  if (parts.tls && !parts.tls_certificate_key_file.empty()) option("tlsCertificateKeyFile", parts.tls_certificate_key_file);
  return text;
}

bool is_host_and_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const auto host = text.substr(0, colon);
  const bool v6 = host.front() == '[' && host.back() == ']' && host.size() > 2;
  const auto allowed = [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_' || (v6 && (c == ':' || c == '[' || c == ']' || c == '%'));
  };
  for (const char c : host)
    if (!allowed(c)) return false;
  const auto digits = text.substr(colon + 1);
  int port = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return failed == std::errc() && end == digits.data() + digits.size() && port > 0 && port < 65536;
}

}  // namespace drover
