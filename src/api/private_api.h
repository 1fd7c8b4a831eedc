// What is answered to whoever asks: what the official command lines ask for beside the public APIs (spec/control-plane.md 4.1), below /api/private, and the
// control plane's addresses (3.5). The command lines work with API keys; there are no accounts to log in with by a browser, and who tries is told so.
// Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/http_message.h"

namespace drover::api {

inline constexpr std::string_view kPrivatePrefix = "/api/private/";

inline constexpr std::string_view kAddressesPath = "/api/atlas/v2/unauth/controlPlaneIPAddresses";

// What to let through a firewall, as whoever runs this server says; it cannot know. In CIDR notation.
struct ControlPlaneAddresses {
  std::vector<std::string> inbound;   // by which clients reach it
  std::vector<std::string> outbound;  // from which it calls the clusters of its projects
};
// "203.0.113.7,10.0.0.0/8"; kUsage names what is no address.
Result<std::vector<std::string>> parse_addresses(std::string_view text);

class PrivateApi {
 public:
  // `version`: as in X-MongoDB-Service-Version. `cluster_version`: of a cluster that is made without one, "8.0".
  PrivateApi(std::string version, std::string cluster_version, ControlPlaneAddresses addresses = {})
      : version_(std::move(version)), cluster_version_(std::move(cluster_version)), addresses_(std::move(addresses)) {}
  // Of kAddressesPath and below kPrivatePrefix.
  net::HttpResponse handle(const net::HttpRequest& request) const;

 private:
  const std::string version_, cluster_version_;
  const ControlPlaneAddresses addresses_;
};

}  // namespace drover::api
