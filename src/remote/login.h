// Which site a command talks to, and as whom: from flags, the environment and a credentials file. Secrets are in the environment or
// in a file that nobody else can read, never on a command line.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace drover::remote {

// The site that a command is for. kAny: what both have, as organizations and projects.
enum class SiteRole { kAny, kAtlas, kManager };

struct LoginFlags {
  std::string site, credentials, ca_file, certificate_key_file, org, project;
  bool allow_plain_http = false;
};

struct Login {
  std::string site;                        // its URL
  std::string public_key, private_key;     // a programmatic API key (HTTP digest), or
  std::string client_id, client_secret;    // a service account (OAuth 2.0 client credentials)
  std::string org, project;                // ids or names; empty: not said
  std::string ca_file, certificate_key_file;
  std::string origin;                      // where the key is from: "the environment", "atlas.json"

  bool by_token() const { return !client_id.empty(); }
  std::string who() const;  // "API key abcdefgh (from atlas.json)"
};

using Environment = std::function<std::string(const char* name)>;  // empty: not set
std::string process_environment(const char* name);

// What is said nearest to the command counts: a flag, then the file that --credentials names, then the environment, then the file that
// the environment names: DROVER_CREDENTIALS, else DROVER_ATLAS_CREDENTIALS or DROVER_MANAGER_CREDENTIALS by the command's role.
// A key's two halves are from one of them.
//
// kUsage: something is missing or contradicts itself; kUnsupported: others can read the file; http:// to another machine.
Result<Login> find_login(const LoginFlags& flags, SiteRole role, const Environment& environment, const std::stop_token& stop);

// A credentials file's text as fields of a Login: an object with site, publicKey, privateKey, clientId, clientSecret, orgId, projectId,
// caFile; what `drover server --create-organization` prints; or an answer of the API that showed a key. Other fields are refused.
Result<Login> parse_credentials(std::string_view text, const std::string& path);

}  // namespace drover::remote
