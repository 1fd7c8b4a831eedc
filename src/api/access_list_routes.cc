#include "api/access_list_routes.h"

#include <algorithm>
#include <functional>
#include <memory>

#include <fmt/format.h>

#include "api/body_fields.h"
#include "api/times.h"
#include "net/address_range.h"

namespace drover::api {
namespace {

using control::Access;
using control::AccessListEntry;
using net::AddressRange;

const std::vector<std::string> kFirst{"2023-01-01"};

std::string encoded(std::string text) {
  for (auto at = text.find('/'); at != std::string::npos; at = text.find('/', at + 3)) text.replace(at, 1, "%2F");
  return text;
}

tl::unexpected<RestError> bad_address(const std::string& text) {
  return refuse(400, "INVALID_IP_ADDRESS_OR_CIDR_NOTATION", fmt::format("The address {} must be in valid IP address or CIDR notation.", text), {text});
}

// {"ipAddress"} or {"cidrBlock"}; both, as they were read, are the same network.
RestResult<std::string> range_of(const Json& entry) {
  if (entry.as_object() == nullptr) return refuse(400, "INVALID_JSON", "The body is not an array of objects.");
  if (const auto* group = entry.find("awsSecurityGroup"); group != nullptr && !group->is_null())
    return refuse(400, "INVALID_ATTRIBUTE", "awsSecurityGroup: this server knows addresses only.", {"awsSecurityGroup"});
  const auto* address = entry.find("ipAddress");
  const bool single = address != nullptr && !address->is_null();
  const auto text = TRY_BODY(required_text(entry, single ? "ipAddress" : "cidrBlock"));
  const auto range = AddressRange::parse(text);
  if (!range || (single && !range->is_single())) return bad_address(text);
  if (const auto* block = entry.find("cidrBlock"); single && block != nullptr && !block->is_null()) {
    const auto other = TRY_BODY(required_text(entry, "cidrBlock"));
    const auto named = AddressRange::parse(other);
    if (!named) return bad_address(other);
    if (named->cidr() != range->cidr())
      return refuse(400, "INVALID_ATTRIBUTE", fmt::format("ipAddress {} and cidrBlock {} are not the same network; give one of them.", text, other), {"cidrBlock"});
  }
  return range->cidr();
}

RestResult<AccessListEntry> entry_of(const Json& given) {
  AccessListEntry entry;
  TRY_BODY(only(given, {"awsSecurityGroup", "cidrBlock", "comment", "deleteAfterDate", "groupId", "ipAddress", "links"}));
  entry.cidr = TRY_BODY(range_of(given));
  for (const auto& [name, field] : {std::pair{"comment", &entry.comment}, {"deleteAfterDate", &entry.delete_after}}) {
    const auto* value = given.find(name);
    if (value == nullptr || value->is_null()) continue;
    if (value->as_string() == nullptr) return refuse(400, "INVALID_ATTRIBUTE", fmt::format("{} must be a string.", name), {name});
    *field = *value->as_string();
  }
  if (!entry.delete_after.empty() && !is_utc_time(entry.delete_after))
    return refuse(400, "INVALID_ATTRIBUTE", "deleteAfterDate must be a time in UTC such as 2026-08-10T03:10:30Z.", {"deleteAfterDate"});
  return entry;
}

Json entry_json(const RestRequest& request, const AccessListEntry& entry) {
  const auto& group = request.name("groupId");
  const auto range = AddressRange::parse(entry.cidr);
  Json::Object body{{"cidrBlock", entry.cidr}, {"comment", entry.comment}, {"groupId", group},
                    {"links", self_link(request, fmt::format("/groups/{}/accessList/{}", group, encoded(entry.cidr)))}};
  if (range && range->is_single()) body.emplace_back("ipAddress", range->address());
  if (!entry.delete_after.empty()) body.emplace_back("deleteAfterDate", entry.delete_after);
  return body;
}

class ProjectRoutes {
 public:
  explicit ProjectRoutes(control::AccessLists& lists) : lists_(lists) {}

  RestResult<RestReply> list(const RestRequest& request) const { return page(request, 200); }
  RestResult<RestReply> add(const RestRequest& request) const {
    std::vector<AccessListEntry> entries;
    for (const auto& given : *request.body.as_array()) {
      auto entry = TRY_BODY(entry_of(given));
      if (std::ranges::any_of(entries, [&](const AccessListEntry& other) { return other.cidr == entry.cidr; }))
        return refuse(400, "DUPLICATE_ADDRESSES_IN_INPUT", fmt::format("The address {} is there twice.", entry.cidr), {entry.cidr});
      entries.push_back(std::move(entry));
    }
    if (entries.empty()) return refuse(400, "MISSING_ATTRIBUTE", "The body must name at least one entry.");
    TRY_REST(lists_.add(request.name("groupId"), entries));
    auto reply = TRY_BODY(page(request, 201));
    std::string added;
    for (const auto& entry : entries) added += (added.empty() ? "" : ", ") + entry.cidr;
    reply.about.emplace_back("whitelistEntry", std::move(added));
    return reply;
  }
  RestResult<RestReply> get(const RestRequest& request) const {
    const auto found = TRY_REST(lists_.find(request.name("groupId"), request.name("entryValue")));
    if (!found) return missing(request);
    return RestReply{200, entry_json(request, *found)};
  }
  RestResult<RestReply> status(const RestRequest& request) const {
    if (!TRY_REST(lists_.find(request.name("groupId"), request.name("entryValue")))) return missing(request);
    return RestReply{200, Json::Object{{"STATUS", "ACTIVE"}}};
  }
  RestResult<RestReply> remove(const RestRequest& request) const {
    if (!TRY_REST(lists_.remove(request.name("groupId"), request.name("entryValue")))) return missing(request);
    return RestReply{204, {}, false, {{"whitelistEntry", request.name("entryValue")}}};
  }

 private:
  RestResult<RestReply> page(const RestRequest& request, int status) const {
    const auto& group = request.name("groupId");
    Json::Array all;
    for (const auto& entry : TRY_REST(lists_.of_group(group, request.page))) all.push_back(entry_json(request, entry));
    return RestReply{status, page_of(request, std::move(all), TRY_REST(lists_.count(group)))};
  }
  static tl::unexpected<RestError> missing(const RestRequest& request) {
    const auto &value = request.name("entryValue"), &group = request.name("groupId");
    return refuse(404, "ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND", fmt::format("IP Address {} not on Atlas access list for group {}.", value, group), {value, group});
  }
  control::AccessLists& lists_;
};

class KeyRoutes {
 public:
  explicit KeyRoutes(control::Identity& identity) : identity_(identity) {}

  RestResult<RestReply> list(const RestRequest& request) const { return page(request); }
  RestResult<RestReply> add(const RestRequest& request) const {
    std::vector<std::string> ranges;
    for (const auto& given : *request.body.as_array()) {
      TRY_BODY(only(given, {"cidrBlock", "count", "created", "ipAddress", "lastUsed", "lastUsedAddress", "links"}));
      ranges.push_back(TRY_BODY(range_of(given)));
    }
    if (ranges.empty()) return refuse(400, "MISSING_ATTRIBUTE", "The body must name at least one entry.");
    TRY_BODY(lets_in(request, [&](std::vector<std::string>& list) { list.insert(list.end(), ranges.begin(), ranges.end()); }));
    if (!TRY_REST(identity_.allow_key_from(request.org, request.name("apiUserId"), ranges))) return no_key(request);
    return page(request);
  }
  RestResult<RestReply> get(const RestRequest& request) const {
    const auto& text = request.name("ipAddress");
    const auto range = AddressRange::parse(text);
    if (!range) return bad_address(text);
    const auto key = TRY_REST(identity_.key(request.org, request.name("apiUserId")));
    if (!key) return no_key(request);
    if (std::find(key->access_list.begin(), key->access_list.end(), range->cidr()) == key->access_list.end()) return no_entry(text);
    return RestReply{200, entry(request, *key, range->cidr())};
  }
  RestResult<RestReply> remove(const RestRequest& request) const {
    const auto& text = request.name("ipAddress");
    const auto range = AddressRange::parse(text);
    if (!range) return bad_address(text);
    TRY_BODY(lets_in(request, [&](std::vector<std::string>& list) { std::erase(list, range->cidr()); }));
    if (!TRY_REST(identity_.disallow_key_from(request.org, request.name("apiUserId"), range->cidr()))) return no_entry(text);
    return RestReply{204, {}};
  }

 private:
  // The last owner's key does not lock itself out: nobody could let it in again. Another owner may lock out whom he likes.
  RestResult<int> lets_in(const RestRequest& request, const std::function<void(std::vector<std::string>&)>& changed) const {
    const auto& id = request.name("apiUserId");
    const auto key = TRY_REST(identity_.key(request.org, id));
    if (!key || id != request.caller->id) return 0;
    auto list = key->access_list;
    changed(list);
    if (list.empty() || net::any_contains(list, request.peer) || !TRY_REST(identity_.is_last_owner(request.org, id))) return 0;
    return refuse(409, "CONFLICT", fmt::format("This is the last key of an owner, and {}, from where it is used now, would not be on its access list: nobody could get into the organization any more. "
                                               "Add that address first.", request.peer), {request.peer});
  }
  static tl::unexpected<RestError> no_entry(const std::string& text) {
    return refuse(404, "RESOURCE_NOT_FOUND", fmt::format("The key's access list has no entry {}.", text), {text});
  }
  static Json entry(const RestRequest& request, const control::ApiKey& key, const std::string& cidr) {
    const auto range = AddressRange::parse(cidr);
    Json::Object body{{"cidrBlock", cidr}, {"links", self_link(request, fmt::format("/orgs/{}/apiKeys/{}/accessList/{}", key.org, key.id, encoded(cidr)))}};
    if (range && range->is_single()) body.emplace_back("ipAddress", range->address());
    return Json(std::move(body));
  }
  static tl::unexpected<RestError> no_key(const RestRequest& request) {
    const auto& id = request.name("apiUserId");
    return refuse(404, "API_KEY_NOT_FOUND", fmt::format("No API Key with ID {} exists.", id), {id});
  }
  RestResult<RestReply> page(const RestRequest& request) const {
    const auto key = TRY_REST(identity_.key(request.org, request.name("apiUserId")));
    if (!key) return no_key(request);
    Json::Array all;
    for (const auto& cidr : key->access_list) all.push_back(entry(request, *key, cidr));
    const auto total = static_cast<std::int64_t>(all.size());
    return RestReply{200, page_of(request, std::move(all), total)};
  }
  control::Identity& identity_;
};

template <typename Routes>
class Adder {
 public:
  Adder(RouteTable& table, std::shared_ptr<Routes> routes, std::vector<Family> families)
      : table_(table), routes_(std::move(routes)), families_(std::move(families)) {}
  void operator()(const char* method, const char* path, Access access, RestResult<RestReply> (Routes::*handler)(const RestRequest&) const, const char* event = "") {
    table_.add({method, path, families_, access, kFirst,
                [routes = routes_, handler](const RestRequest& request) { return ((*routes).*handler)(request); }, std::string_view(method) == "POST" ? Route::Body::kArray : Route::Body::kObject, event});
  }

 private:
  RouteTable& table_;
  std::shared_ptr<Routes> routes_;
  std::vector<Family> families_;
};

}  // namespace

void add_project_access_list_routes(RouteTable& table, control::AccessLists& lists) {
  Adder add(table, std::make_shared<ProjectRoutes>(lists), {Family::kAtlasV2, Family::kAtlasV1});
  add("GET", "/groups/{groupId}/accessList", Access::kGroupRead, &ProjectRoutes::list);
  add("POST", "/groups/{groupId}/accessList", Access::kGroupOwn, &ProjectRoutes::add, "NETWORK_PERMISSION_ENTRY_ADDED");
  add("GET", "/groups/{groupId}/accessList/{entryValue}", Access::kGroupRead, &ProjectRoutes::get);
  add("GET", "/groups/{groupId}/accessList/{entryValue}/status", Access::kGroupRead, &ProjectRoutes::status);
  add("DELETE", "/groups/{groupId}/accessList/{entryValue}", Access::kGroupOwn, &ProjectRoutes::remove, "NETWORK_PERMISSION_ENTRY_REMOVED");
}

void add_key_access_list_routes(RouteTable& table, control::Identity& identity) {
  Adder add(table, std::make_shared<KeyRoutes>(identity), {Family::kAtlasV2, Family::kAtlasV1, Family::kCloudManager});
  add("GET", "/orgs/{orgId}/apiKeys/{apiUserId}/accessList", Access::kOrgRead, &KeyRoutes::list);
  add("POST", "/orgs/{orgId}/apiKeys/{apiUserId}/accessList", Access::kOrgOwn, &KeyRoutes::add, "API_KEY_ACCESS_LIST_ENTRY_ADDED");
  add("GET", "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}", Access::kOrgRead, &KeyRoutes::get);
  add("DELETE", "/orgs/{orgId}/apiKeys/{apiUserId}/accessList/{ipAddress}", Access::kOrgOwn, &KeyRoutes::remove, "API_KEY_ACCESS_LIST_ENTRY_DELETED");
}

}  // namespace drover::api
