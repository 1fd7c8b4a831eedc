#include "remote/login.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "net/http_client.h"
#include "net/loopback.h"
#include "remote/json_path.h"
#include "remote/private_file.h"

namespace drover::remote {
namespace {

// Of the API's answers; they say nothing about how to log in.
constexpr std::array<std::string_view, 14> kBeside{"id",     "desc",   "links",   "roles",     "name",     "description",  "createdAt",
                                                   "secrets", "apiKey", "organization", "orgOwnerId", "isDeleted", "skipDefaultAlertsSettings", "federationSettingsId"};

struct Place {
  std::string_view field;
  std::string Login::*value;
};
constexpr Place kPlaces[] = {{"site", &Login::site},         {"publicKey", &Login::public_key},         {"privateKey", &Login::private_key},
                             {"clientId", &Login::client_id}, {"clientSecret", &Login::client_secret}, {"orgId", &Login::org},
                             {"projectId", &Login::project},  {"caFile", &Login::ca_file}};

Result<Login> read_credentials(const std::string& path, const std::stop_token& stop) {
  return parse_credentials(TRY(read_file(path, "an API key", Secrecy::kSecret, stop)), path);
}

Result<std::string> file_of_environment(SiteRole role, const Environment& environment) {
  if (const auto named = environment("DROVER_CREDENTIALS"); !named.empty()) return named;
  const auto atlas = environment("DROVER_ATLAS_CREDENTIALS"), manager = environment("DROVER_MANAGER_CREDENTIALS");
  if (role == SiteRole::kAtlas) return atlas;
  if (role == SiteRole::kManager) return manager;
  if (!atlas.empty() && !manager.empty() && atlas != manager)
    return fail(ErrorCode::kUsage, "both sites have this command: say which one is meant with --credentials FILE (or DROVER_CREDENTIALS), because "
                                   "DROVER_ATLAS_CREDENTIALS and DROVER_MANAGER_CREDENTIALS are both set");
  return atlas.empty() ? manager : atlas;
}

bool has_key(const Login& login) {
  return !(login.public_key.empty() && login.private_key.empty() && login.client_id.empty() && login.client_secret.empty());
}

Status check_key(const Login& login) {
  const auto missing = [&](std::string_view what) {
    return fail(ErrorCode::kUsage, fmt::format("the login from {} is not complete: {} is missing", login.origin, what));
  };
  const bool key = !login.public_key.empty() || !login.private_key.empty(), account = !login.client_id.empty() || !login.client_secret.empty();
  if (key && account)
    return fail(ErrorCode::kUsage, fmt::format("{} has both an API key and a service account; leave one of them out", login.origin));
  if (key && login.public_key.empty()) return missing("the public key");
  if (key && login.private_key.empty()) return missing("the private key");
  if (account && login.client_id.empty()) return missing("the client id");
  if (account && login.client_secret.empty()) return missing("the client secret");
  if (login.private_key.find('*') != std::string::npos)
    return fail(ErrorCode::kUsage, fmt::format("{} holds a private key with asterisks: it is shown only when the key is made; make another key", login.origin));
  return {};
}

Status check_site(const std::string& site, bool allow_plain_http) {
  const auto url = TRY_WITH(net::parse_url(site), fmt::format("the site {}", site.find('@') == std::string::npos ? site : "(with a user)"));
  if (url.tls || allow_plain_http || net::is_loopback_host(url.host)) return {};
  return fail(ErrorCode::kUnsupported, fmt::format("{}: keys and tokens would cross the network in clear; use https://, or --allow-plain-http if the way "
                                                   "there is safe", site));
}

}  // namespace

std::string Login::who() const {
  return by_token() ? fmt::format("service account {} (from {})", client_id, origin) : fmt::format("API key {} (from {})", public_key, origin);
}

std::string process_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<Login> parse_credentials(std::string_view text, const std::string& path) {
  const auto json = Json::parse(text);
  if (!json || json->as_object() == nullptr)  // the parser's own message could quote the secret
    return fail(ErrorCode::kUsage, fmt::format("the credentials file {} is not one JSON object such as {{\"publicKey\": …, \"privateKey\": …}}", path));
  Login login;
  login.origin = path;
  for (const auto& [name, value] : *json->as_object()) {
    const auto place = std::find_if(std::begin(kPlaces), std::end(kPlaces), [&](const Place& one) { return one.field == name; });
    if (place == std::end(kPlaces)) {
      if (std::find(kBeside.begin(), kBeside.end(), name) != kBeside.end()) continue;
      return fail(ErrorCode::kUsage, fmt::format("the credentials file {} has a field {}, which is not known; it may have site, publicKey, privateKey, "
                                                 "clientId, clientSecret, orgId, projectId, caFile", path, name));
    }
    if (value.as_string() == nullptr) return fail(ErrorCode::kUsage, fmt::format("the credentials file {}: {} must be text", path, name));
    login.*(place->value) = *value.as_string();
  }
  if (login.public_key.empty()) login.public_key = text_at(*json, "apiKey.publicKey");
  if (login.private_key.empty()) login.private_key = text_at(*json, "apiKey.privateKey");
  if (login.org.empty()) login.org = text_at(*json, "organization.id");
  if (login.client_secret.empty() && !login.client_id.empty()) login.client_secret = text_at(*json, "secrets.0.secret");
  return login;
}

Result<Login> find_login(const LoginFlags& flags, SiteRole role, const Environment& environment, const std::stop_token& stop) {
  std::vector<Login> layers;  // the nearest first
  Login said;
  said.site = flags.site;
  said.org = flags.org;
  said.project = flags.project;
  said.ca_file = flags.ca_file;
  layers.push_back(std::move(said));
  if (!flags.credentials.empty()) layers.push_back(TRY(read_credentials(flags.credentials, stop)));
  Login around;
  around.origin = "the environment";
  for (const auto& [name, value] : {std::pair{"DROVER_SITE", &Login::site}, {"DROVER_PUBLIC_KEY", &Login::public_key}, {"DROVER_PRIVATE_KEY", &Login::private_key},
                                    {"DROVER_CLIENT_ID", &Login::client_id}, {"DROVER_CLIENT_SECRET", &Login::client_secret}, {"DROVER_ORG", &Login::org},
                                    {"DROVER_PROJECT", &Login::project}, {"DROVER_CA_FILE", &Login::ca_file}})
    around.*value = environment(name);
  layers.push_back(std::move(around));
  if (flags.credentials.empty()) {
    if (const auto file = TRY(file_of_environment(role, environment)); !file.empty()) layers.push_back(TRY(read_credentials(file, stop)));
  }

  Login login;
  login.certificate_key_file = flags.certificate_key_file;
  for (auto& layer : layers) {
    for (const auto value : {&Login::site, &Login::org, &Login::project, &Login::ca_file})
      if ((login.*value).empty()) login.*value = layer.*value;
    if (has_key(login) || !has_key(layer)) continue;
    TRY(check_key(layer));
    for (const auto value : {&Login::public_key, &Login::private_key, &Login::client_id, &Login::client_secret, &Login::origin}) login.*value = layer.*value;
  }
  if (login.site.empty())
    return fail(ErrorCode::kUsage, "which site? Name its URL with --site, DROVER_SITE or \"site\" in the credentials file");
  if (!has_key(login))
    return fail(ErrorCode::kUsage, "no login: name a credentials file with --credentials or DROVER_CREDENTIALS, or set DROVER_PUBLIC_KEY and "
                                   "DROVER_PRIVATE_KEY. The first key of a site is made by drover server --create-organization NAME");
  TRY(check_site(login.site, flags.allow_plain_http));
  return login;
}

}  // namespace drover::remote
