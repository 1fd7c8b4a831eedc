// Adds the routes of one class of handlers, which lives as long as the table.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/route_table.h"

namespace drover::api {

template <typename Routes>
class RouteAdder {
 public:
  using Handler = RestResult<RestReply> (Routes::*)(const RestRequest&) const;

  RouteAdder(RouteTable& table, std::shared_ptr<const Routes> routes, std::vector<Family> families, std::vector<std::string> versions = {"2023-01-01"})
      : table_(table), routes_(std::move(routes)), families_(std::move(families)), versions_(std::move(versions)) {}

  void operator()(const char* method, std::string path, std::optional<control::Access> access, Handler handler, const char* event = "", Route::Body body = Route::Body::kObject) {
    table_.add({method, std::move(path), families_, access, versions_,
                [routes = routes_, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, body, event});
  }

 private:
  RouteTable& table_;
  std::shared_ptr<const Routes> routes_;
  std::vector<Family> families_;
  std::vector<std::string> versions_;
};

}  // namespace drover::api
