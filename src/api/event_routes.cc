#include "api/event_routes.h"

#include <memory>

#include <fmt/format.h>

namespace drover::api {
namespace {

using control::Events;

class EventRoutes {
 public:
  EventRoutes(Events& events, Events::Of of) : events_(events), of_(of) {}

  RestResult<RestReply> list(const RestRequest& request) const {
    const auto type = request.query.find("eventType");
    auto listed = TRY_REST(events_.list(of_, owner(request), type == request.query.end() ? "" : type->second, request.page));
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
