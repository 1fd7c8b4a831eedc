// What the official command lines ask for beside the public APIs (spec/control-plane.md 4.1), below /api/private. They work with
// API keys; there are no accounts to log in with by a browser, and who tries is told so. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "net/http_message.h"

namespace drover::api {

inline constexpr std::string_view kPrivatePrefix = "/api/private/";

class PrivateApi {
 public:
  // `version`: as in X-MongoDB-Service-Version. `cluster_version`: of a cluster that is made without one, "8.0".
  PrivateApi(std::string version, std::string cluster_version) : version_(std::move(version)), cluster_version_(std::move(cluster_version)) {}
  net::HttpResponse handle(const net::HttpRequest& request) const;

 private:
  const std::string version_, cluster_version_;
};

}  // namespace drover::api
