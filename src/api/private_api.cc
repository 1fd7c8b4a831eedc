#include "api/private_api.h"

#include <fmt/format.h>

#include "api/rest.h"
#include "net/address_range.h"

namespace drover::api {
namespace {

constexpr std::string_view kDeviceFlow = "unauth/account/device/";
constexpr const char* kUseKeys =
    "This server has no user accounts, so there is no login with a browser. Use an API key: set MONGODB_ATLAS_PUBLIC_API_KEY and "
    "MONGODB_ATLAS_PRIVATE_API_KEY (for mongocli MCLI_PUBLIC_API_KEY and MCLI_PRIVATE_API_KEY), or a service account: "
    "MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET. An owner of the organization makes them; the first key comes from "
    "drover server --create-organization.";

net::HttpResponse text(std::string body) {
  net::HttpResponse response;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

net::HttpResponse refusal(int status, const char* code, const std::string& detail) {
  net::HttpResponse response;
  response.status = status;
  response.body = dump_sorted(error_body({status, code, detail, {}, {}}), false);
  response.headers.emplace_back("X-Error-Code", code);
  return response;
}

// Of none of Atlas's providers: those that clients know by name are empty.
Json by_provider(const std::vector<std::string>& addresses) {
  Json::Array all;
  for (const auto& one : addresses) all.emplace_back(one);
  Json::Object self;
  if (!all.empty()) self.emplace_back("LOCAL", std::move(all));
  return Json::Object{{"aws", Json::Object()}, {"azure", Json::Object()}, {"gcp", Json::Object()}, {"x_selfManaged", std::move(self)}};
}

}  // namespace

Result<std::vector<std::string>> parse_addresses(std::string_view text) {
  std::vector<std::string> all;
  for (bool more = !text.empty(); more;) {
    const auto comma = text.find(',');
    const auto one = text.substr(0, comma);
    more = comma != std::string_view::npos;
    if (more) text.remove_prefix(comma + 1);
    const auto range = net::AddressRange::parse(one);
    if (!range) return fail(ErrorCode::kUsage, fmt::format("\"{}\" is no IP address or range in CIDR notation", one));
    all.push_back(range->cidr());
  }
  return all;
}

net::HttpResponse PrivateApi::handle(const net::HttpRequest& request) const {
  if (request.path == kAddressesPath) {
    if (method_served(request.method) != "GET") return refusal(405, "METHOD_NOT_ALLOWED", fmt::format("{} is not allowed here.", request.method));
    net::HttpResponse response;
    response.content_type = "application/vnd.atlas.2023-11-15+json;charset=utf-8";
    response.body = dump_sorted(Json::Object{{"inbound", by_provider(addresses_.inbound)}, {"outbound", by_provider(addresses_.outbound)}}, false);
    return response;
  }
  const auto path = std::string_view(request.path).substr(kPrivatePrefix.size());
  net::HttpResponse response;
  if (path.starts_with(kDeviceFlow)) {
    // Not 401: the command lines would put words of their own in place of these.
    response = refusal(400, "DEVICE_AUTHORIZATION_NOT_SUPPORTED", kUseKeys);
  } else if (method_served(request.method) == "GET" && path == "ipinfo") {
    // Whoever asks is told where it comes from, which it could know.
    response.body = dump_sorted(Json::Object{{"currentIpv4Address", net::host_of_peer(request.peer)}}, false);
  } else if (method_served(request.method) == "GET" && path == "unauth/nds/defaultMongoDBMajorVersion") {
    response = text(cluster_version_);
  } else if (method_served(request.method) == "GET" && path == "unauth/version") {
    response = text(fmt::format("gitHash=drover; versionString={}", version_));
  } else {
    response = refusal(404, "RESOURCE_NOT_FOUND", fmt::format("Cannot find resource {}.", request.path));
  }
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return response;
}

}  // namespace drover::api
