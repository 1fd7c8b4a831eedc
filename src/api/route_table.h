// Routes as data: what the path is, who may, which versions there are. Paths are templates: "/orgs/{orgId}/apiKeys/{keyId}"; a name may have a suffix,
// "/serviceAccounts/{clientId}:invite".
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/rest.h"
#include "control/roles.h"

namespace drover::api {

struct Route {
  std::string method;
  std::string path;
  std::vector<Family> families;
  std::optional<control::Access> access;  // nothing: whoever is known
  std::vector<std::string> versions;      // of Atlas v2, oldest first
  std::function<RestResult<RestReply>(const RestRequest&)> handler;
  enum class Body { kObject, kArray, kIgnored };
  Body body = Body::kObject;              // kArray: of objects. kIgnored: whatever it is, nobody reads it
  const char* event = "";                 // the audit event's type when it has succeeded; empty: none
};

struct RouteMatch {
  const Route* route = nullptr;
  std::map<std::string, std::string> names;
  bool other_method = false;  // the path is known, by other methods
  std::set<std::string> allowed;  // the path's methods
};

class RouteTable {
 public:
  void add(Route route) { routes_.push_back(std::move(route)); }
  // The path with the most literal segments is meant, whatever the method and the order of adding.
  RouteMatch match(Family family, std::string_view method, std::string_view path) const;
  const std::vector<Route>& all() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

// The version that answers a request for `accept`: the newest that is not newer than what is asked for, the oldest when
// nothing is asked for. Nothing when it asks for what there is not.
std::optional<std::string> negotiate_version(const Route& route, std::string_view accept);
// Since when a newer version is there than this one, as HTTP writes a date: "Thu, 30 May 2024 00:00:00 GMT". Empty: it is the newest.
std::string deprecated_since(const Route& route, std::string_view version);
inline constexpr const char* kSunset = "Thu, 1 Jul 2027 00:00:00 GMT";  // of versions that are not the newest; Atlas's own date

}  // namespace drover::api
