#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "control/clusters.h"

namespace drover::control {
namespace {

// Who logs in, and with what: not of the deployment.
constexpr std::array<std::string_view, 7> kLoginOptions{"authsource", "authmechanism", "authmechanismproperties", "tlscertificatekeyfile",
                                                        "tlscertificatekeyfilepassword", "sslclientcertificatekeyfile",
                                                        "sslclientcertificatekeypassword"};

bool is_login_option(std::string_view option) {
  std::string name(option.substr(0, option.find('=')));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::find(kLoginOptions.begin(), kLoginOptions.end(), name) != kLoginOptions.end();
}

}  // namespace

Result<UriParts> split_uri(const std::string& uri) {
  UriParts parts;
  std::string_view rest = uri;
  for (const std::string_view scheme : {"mongodb://", "mongodb+srv://"}) {
    if (rest.starts_with(scheme)) parts.scheme = scheme;
  }
  if (parts.scheme.empty()) return fail(ErrorCode::kUsage, "the connection string must begin with mongodb:// or mongodb+srv://");
  rest.remove_prefix(parts.scheme.size());
  const auto question = rest.find('?');
  if (question != std::string_view::npos) parts.options = rest.substr(question + 1);
  rest = rest.substr(0, question);
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) rest = rest.substr(0, slash);
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    parts.login = rest.substr(0, at);
    rest.remove_prefix(at + 1);
  }
  parts.hosts = rest;
  if (parts.hosts.empty()) return fail(ErrorCode::kUsage, "the connection string names no host");
  return parts;
}

Status check_no_keys(const UriParts& parts) {
  std::string_view rest = parts.options;
  while (!rest.empty()) {
    const auto end = rest.find_first_of("&;");
    std::string name(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    name.erase(std::min(name.find('='), name.size()));
    const auto shown = name;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    // The authority that certificates are verified by proves nothing about who connects.
    if (name == "tlscafile" || name == "sslcertificateauthorityfile") continue;
    if (name.find("file") == std::string::npos && name.find('%') == std::string::npos) continue;
    return fail(ErrorCode::kUsage, fmt::format("the connection string must not have {}: it would be a key of this server's", shown));
  }
  return {};
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '~') out += static_cast<char>(c);
    else out += fmt::format("%{:02X}", c);
  }
  return out;
}

std::string uri_for(const UriParts& parts, const std::string& user, const std::string& password) {
  std::string options;
  std::string_view rest = parts.options;
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const auto option = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (option.empty() || is_login_option(option)) continue;
    if (!options.empty()) options += '&';
    options += option;
  }
  if (user.empty()) return fmt::format("{}{}/?{}", parts.scheme, parts.hosts, options);
  if (!options.empty()) options += '&';
  return fmt::format("{}{}:{}@{}/?{}authSource=admin", parts.scheme, percent_encoded(user), percent_encoded(password), parts.hosts, options);
}

}  // namespace drover::control
