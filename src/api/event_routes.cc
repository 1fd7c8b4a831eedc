#include "api/event_routes.h"

#include <memory>

#include <fmt/format.h>

#include "api/monitoring_json.h"

namespace drover::api {
namespace {

using control::Events;

constexpr std::size_t kMaxNamed = 200;  // of one parameter

// Any number of times; each may have several with commas.
RestResult<std::vector<std::string>> every(const RestRequest& request, std::string_view name) {
  std::vector<std::string> all;
  for (const auto& [key, value] : request.every_query) {
    if (key != name) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto end = rest.find(',');
      if (end != 0) all.emplace_back(rest.substr(0, end));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
  }
  if (all.size() > kMaxNamed) return refuse(400, "INVALID_QUERY_PARAMETER", fmt::format("Invalid query parameter {}: at most {}.", name, kMaxNamed), {std::string(name)});
  return all;
}

RestResult<std::string> time_in(const RestRequest& request, const char* name) {
  const auto given = request.query.find(name);
  if (given == request.query.end() || given->second.empty()) return std::string();
  const auto millis = millis_of_iso(given->second);
  if (!millis) return refuse(400, "INVALID_QUERY_PARAMETER", fmt::format("Invalid query parameter {}: it must be a time in UTC such as 2026-08-10T03:10:30Z.", name), {name});
  return iso_of_millis(*millis);
}

RestResult<Events::Wanted> wanted_of(const RestRequest& request) {
  Events::Wanted wanted;
  wanted.types = TRY_BODY(every(request, "eventType"));
  wanted.not_types = TRY_BODY(every(request, "excludedEventType"));
  wanted.clusters = TRY_BODY(every(request, "clusterNames"));
  wanted.from = TRY_BODY(time_in(request, "minDate"));
  wanted.to = TRY_BODY(time_in(request, "maxDate"));
  return wanted;
}

class EventRoutes {
 public:
  EventRoutes(Events& events, Events::Of of) : events_(events), of_(of) {}

  RestResult<RestReply> list(const RestRequest& request) const {
    auto listed = TRY_REST(events_.list(of_, owner(request), TRY_BODY(wanted_of(request)), request.page));
    Json::Array all;
    for (auto& event : listed.items) all.push_back(with_links(request, std::move(event)));
    return RestReply{200, page_of(request, std::move(all), listed.total)};
  }

  RestResult<RestReply> get(const RestRequest& request) const {
    const auto& id = request.name("eventId");
    auto found = TRY_REST(events_.find(of_, owner(request), id));
    if (!found) return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("No event with ID {} exists.", id), {id});
    return RestReply{200, with_links(request, std::move(*found))};
  }

 private:
  const std::string& owner(const RestRequest& request) const { return request.name(of_ == Events::Of::kGroup ? "groupId" : "orgId"); }

  Json with_links(const RestRequest& request, Json event) const {
    const auto* id = event.find("id");
    const auto path = fmt::format("/{}/{}/events/{}", of_ == Events::Of::kGroup ? "groups" : "orgs", owner(request), *id->as_string());
    auto fields = *event.as_object();
    fields.emplace_back("links", self_link(request, path));
    return fields;
  }

  Events& events_;
  const Events::Of of_;
};

}  // namespace

void add_event_routes(RouteTable& table, Events& events) {
  const std::vector<std::string> versions{"2023-01-01"};
  const auto add = [&](const std::string& path, const std::vector<Family>& families, control::Access access, Events::Of of) {
    const auto routes = std::make_shared<EventRoutes>(events, of);
    table.add({"GET", path, families, access, versions, [routes](const RestRequest& request) { return routes->list(request); }});
    table.add({"GET", path + "/{eventId}", families, access, versions, [routes](const RestRequest& request) { return routes->get(request); }});
  };
  add("/groups/{groupId}/events", {Family::kAtlasV2, Family::kAtlasV1, Family::kCloudManager}, control::Access::kGroupRead, Events::Of::kGroup);
  add("/orgs/{orgId}/events", {Family::kAtlasV2, Family::kAtlasV1, Family::kCloudManager}, control::Access::kOrgRead, Events::Of::kOrg);
}

}  // namespace drover::api
