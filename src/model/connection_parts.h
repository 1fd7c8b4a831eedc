// A connection string made of its parts, so that what stands in it is always encoded. The mechanisms are those that a deployment
// can be monitored with (spec/control-plane.md 2.2).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace drover {

enum class AuthMechanism { kNone, kScramSha1, kScramSha256, kX509, kLdap, kKerberos };
// "NONE", "SCRAM-SHA-1", "SCRAM-SHA-256", "MONGODB-X509", "PLAIN", "GSSAPI". Also read: "MONGODB_CR" and "SCRAM" for what
// replaced them. OIDC and others are nothing.
const char* name_of(AuthMechanism mechanism);
std::optional<AuthMechanism> auth_mechanism_of(std::string_view name);
bool needs_password(AuthMechanism mechanism);

struct ConnectionParts {
  std::vector<std::string> hosts;  // "host:port"
  AuthMechanism mechanism = AuthMechanism::kNone;
  bool any_scram = false;          // whichever SCRAM the server and the user have: the driver asks
  std::string user, password;
  std::string auth_source;         // empty: admin, or $external where the mechanism wants it
  bool tls = false;
  std::string tls_ca_file, tls_certificate_key_file;  // on the host that connects
  std::string replica_set;
  bool direct = false;             // this one member, whatever it is
};
std::string connection_string(const ConnectionParts& parts);

// "host:port" with both there, IPv6 in brackets.
bool is_host_and_port(std::string_view text);

}  // namespace drover
