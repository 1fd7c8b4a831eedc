#include "api/export_routes.h"

#include <memory>

#include <fmt/format.h>

#include "api/body_fields.h"

namespace drover::api {
namespace {

using control::Access;
const std::vector<Family> kManager{Family::kCloudManager};

class ExportRoutes {
 public:
  ExportRoutes(control::SiteLinks& links, control::LinkWorker& worker) : links_(links), worker_(worker) {}

  // Repeating it with the same token is answered as the first time.
  RestResult<RestReply> connect(const RestRequest& request) const {
    TRY_BODY(only(request.body, {"linkToken", "links"}));
    const auto token = TRY_BODY(required_text(request.body, "linkToken"));
    auto begun = worker_.begin(request.org, token);
    if (!begun && begun.error().code == ErrorCode::kUsage) return refuse(400, "INVALID_ATTRIBUTE", begun.error().message, {"linkToken"});
    const auto link = TRY_REST(std::move(begun));
    if (!link.claimed) {
      const auto claimed = worker_.claim_now(link, {});
      if (!claimed) {
        const auto& error = claimed.error();
        if (error.code == ErrorCode::kUsage)
          return refuse(404, "RESOURCE_NOT_FOUND", "The link-token is not valid any more: it was used, has expired, or was deleted. Generate another one in Atlas.");
        if (error.code == ErrorCode::kWrongState) return refuse(409, "CONFLICT", "The link-token is in use by another organization. Generate another one in Atlas.");
        // The other site cannot be reached: it is tried again until it can, or until somebody disconnects.
        if (error.code == ErrorCode::kTemporary) {
          TRY_REST(links_.failed(link, error));
          return status(request);
        }
        TRY_REST(worker_.give_up_claim(link));  // another token may be for another site
        return refuse(403, "FORBIDDEN", error.message);
      }
    }
    const auto connected = TRY_REST(links_.of_org(request.org));
    // When the first one fails the worker repeats it, and the status says so.
    if (connected && connected->claimed) {
      if (const auto synced = worker_.sync_for_caller(*connected); !synced) TRY_REST(links_.failed(*connected, synced.error()));
    }
    return status(request);
  }

  RestResult<RestReply> status(const RestRequest& request) const {
    const auto link = TRY_REST(links_.of_org(request.org));
    return RestReply{200, Json::Object{{"status", link && link->synced ? "SYNCED" : "NOT_SYNCED"}}};
  }

  // With the reason: the other site may not be reached, its certificate may be refused, it may refuse what it is told.
  RestResult<RestReply> whole_status(const RestRequest& request) const {
    const auto link = TRY_REST(links_.of_org(request.org));
    Json::Object body{{"status", link && link->synced ? "SYNCED" : "NOT_SYNCED"}};
    body.emplace_back("site", link ? Json(link->base_url) : Json());
    body.emplace_back("lastSyncAt", link && link->last_sync_millis != 0
                                        ? Json(control::iso_time(std::chrono::system_clock::time_point(std::chrono::milliseconds(link->last_sync_millis))))
                                        : Json());
    body.emplace_back("problem", !link ? Json("The organization is not connected to Atlas.") : link->last_error.empty() ? Json() : Json(link->last_error));
    return RestReply{200, std::move(body)};
  }

  RestResult<RestReply> refresh(const RestRequest& request) const {
    const auto link = TRY_REST(links_.of_org(request.org));
    if (!link || !link->claimed) return refuse(404, "RESOURCE_NOT_FOUND", "The organization is not connected to Atlas.");
    if (const auto synced = worker_.sync_for_caller(*link); !synced) {
      if (synced.error().code == ErrorCode::kUsage) TRY_REST(links_.failed(*link, synced.error()));  // the status says so at once
      if (synced.error().code == ErrorCode::kUsage) return refuse(404, "RESOURCE_NOT_FOUND", "Atlas does not know this link any more; disconnect, and connect by a new link-token.");
      return refuse(503, "SERVICE_UNAVAILABLE", synced.error().message);
    }
    return status(request);
  }

  RestResult<RestReply> disconnect(const RestRequest& request) const {
    const auto link = TRY_REST(links_.of_org(request.org));
    if (!link) return refuse(404, "RESOURCE_NOT_FOUND", "The organization is not connected to Atlas.");
    const auto force = request.query.find("force");
    const bool forced = force != request.query.end() && force->second == "true";
    if (const auto gone = worker_.disconnect(*link, forced ? control::LinkWorker::How::kForced : control::LinkWorker::How::kBoth, {}); !gone) {
      if (gone.error().code == ErrorCode::kWrongState)
        return refuse(409, "CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK", "A live migration of this organization is active; finish or cancel it first.");
      if (gone.error().code == ErrorCode::kTemporary)
        return refuse(503, "SERVICE_UNAVAILABLE", gone.error().message + ". If that site is gone for good, force=true removes the link here alone.");
      return tl::unexpected(rest_error(gone.error()));
    }
    return RestReply{204, {}};
  }

 private:
  control::SiteLinks& links_;
  control::LinkWorker& worker_;
};

}  // namespace

void add_export_routes(RouteTable& table, control::SiteLinks& links, control::LinkWorker& worker) {
  const auto routes = std::make_shared<ExportRoutes>(links, worker);
  const auto add = [&](const char* method, const char* path, const std::vector<Family>& families,
                       RestResult<RestReply> (ExportRoutes::*handler)(const RestRequest&) const, const char* event = "") {
    table.add({method, path, families, Access::kOrgOwn, {"2023-01-01"},
               [routes, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, Route::Body::kObject, event});
  };
  add("POST", "/orgs/{orgId}/liveExport/migrationLink", kManager, &ExportRoutes::connect, "X_ORG_LINKED_TO_ATLAS");
  add("DELETE", "/orgs/{orgId}/liveExport/migrationLink", kManager, &ExportRoutes::disconnect, "X_ORG_UNLINKED_FROM_ATLAS");
  add("GET", "/orgs/{orgId}/liveExport/migrationLink/status", kManager, &ExportRoutes::status);
  add("GET", "/orgs/{orgId}/liveExport/migrationLink/status", {Family::kExt}, &ExportRoutes::whole_status);
  add("POST", "/orgs/{orgId}/liveExport/migrationLink:refresh", {Family::kExt}, &ExportRoutes::refresh);
}

}  // namespace drover::api
