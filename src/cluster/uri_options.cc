#include "cluster/uri_options.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/spelling.h"

namespace drover::cluster {
namespace {

enum class Support {
  kTaken,     // the driver obeys it, or it changes nothing of what is asked here
  kOld,       // likewise, and newer spellings exist: not proposed
  kRefused,   // it says how to connect, and the driver does not know it
};

struct Known {
  std::string_view name;
  Support support = Support::kTaken;
};

// The URI options specification, uuidRepresentation of the handling of UUIDs, and what only this driver, older or other ones have.
constexpr Known kKnown[] = {
    {"appName"},
    {"authMechanism"},
    {"authMechanismProperties"},
    {"authSource"},
    {"canonicalizeHostname", Support::kOld},
    {"compressors"},
    {"connect", Support::kRefused},
    {"connectTimeoutMS"},
    {"directConnection"},
    {"enableOverloadRetargeting", Support::kOld},
    {"fsync", Support::kOld},
    {"gssapiServiceName", Support::kOld},
    {"heartbeatFrequencyMS"},
    {"ipv6", Support::kOld},
    {"j", Support::kOld},
    {"journal"},
    {"loadBalanced"},
    {"localThresholdMS"},
    {"maxAdaptiveRetries", Support::kOld},
    {"maxConnecting"},
    {"maxIdleTimeMS"},
    {"maxPoolSize"},
    {"maxStalenessSeconds"},
    {"minHeartbeatFrequencyMS", Support::kOld},
    {"minPoolSize"},
    {"proxyHost", Support::kRefused},
    {"proxyPassword", Support::kRefused},
    {"proxyPort", Support::kRefused},
    {"proxyUsername", Support::kRefused},
    {"readConcernLevel"},
    {"readPreference"},
    {"readPreferenceTags"},
    {"replicaSet"},
    {"retryReads"},
    {"retryWrites"},
    {"safe", Support::kOld},
    {"serverMonitoringMode"},
    {"serverSelectionTimeoutMS"},
    {"serverSelectionTryOnce"},
    {"slaveOk", Support::kOld},
    {"socketCheckIntervalMS"},
    {"socketTimeoutMS"},
    {"srvMaxHosts"},
    {"srvServiceName"},
    {"ssl", Support::kOld},
    {"sslAllowInvalidCertificates", Support::kOld},
    {"sslAllowInvalidHostnames", Support::kOld},
    {"sslCertificateAuthorityFile", Support::kOld},
    {"sslClientCertificateKeyFile", Support::kOld},
    {"sslClientCertificateKeyPassword", Support::kOld},
    {"timeoutMS"},
    {"tls"},
    {"tlsAllowInvalidCertificates"},
    {"tlsAllowInvalidHostnames"},
    {"tlsCAFile"},
    {"tlsCertificateKeyFile"},
    {"tlsCertificateKeyFilePassword"},
    {"tlsCRLFile", Support::kRefused},
    {"tlsDisableCertificateRevocationCheck"},
    {"tlsDisableOCSPEndpointCheck"},
    {"tlsInsecure"},
    {"tz_aware", Support::kOld},
    {"useNewUrlParser", Support::kOld},
    {"useUnifiedTopology", Support::kOld},
    {"uuidRepresentation"},
    {"w"},
    {"waitQueueMultiple", Support::kOld},
    {"waitQueueTimeoutMS"},
    {"wTimeoutMS"},
    {"wtimeout", Support::kOld},
    {"zlibCompressionLevel"},
};

bool same_name(std::string_view a, std::string_view b) {
  const auto same = [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

// Behind the '?' that follows the hosts, where the driver looks for it too.
std::string_view options_of(std::string_view uri) {
  const auto scheme = uri.find("://");
  const auto hosts = scheme == std::string_view::npos ? 0 : scheme + 3;
  auto from = uri.find('/', hosts);
  if (from == std::string_view::npos) from = uri.find('@', hosts);
  const auto mark = uri.find('?', from == std::string_view::npos ? hosts : from);
  return mark == std::string_view::npos ? std::string_view() : uri.substr(mark + 1);
}

Status check_name(std::string_view name, std::string_view side) {
  const auto* known = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& one) { return same_name(one.name, name); });
  if (known == std::end(kKnown)) {
    std::vector<std::string> names;
    for (const auto& one : kKnown)
      if (one.support == Support::kTaken) names.emplace_back(one.name);
    return fail(ErrorCode::kUsage, fmt::format("{} connection string: there is no option {}{}", side, name, did_you_mean(name, names)));
  }
  if (known->support == Support::kRefused) {
    return fail(ErrorCode::kUsage, fmt::format("{} connection string: the option {} is not supported; it says how to connect, so it is not "
                                               "passed over: give a connection string without it", side, known->name));
  }
  return {};
}

}  // namespace

Status check_option_names(std::string_view uri, std::string_view side) {
  auto left = options_of(uri);
  while (!left.empty()) {
    const auto end = std::min(left.find('&'), left.size());
    const auto name = left.substr(0, std::min(left.find('='), end));
    const Status status = name.empty() ? Status() : check_name(name, side);
    // What stands before an '@' may be the end of a password that was not encoded.
    if (!status && left.find('@') != std::string_view::npos) {
      return fail(ErrorCode::kUsage, fmt::format("{} connection string: one of its options is unknown; special characters in user, password and "
                                                 "values must be percent-encoded", side));
    }
    TRY(status);
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return {};
}

}  // namespace drover::cluster
