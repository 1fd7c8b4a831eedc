#include "control/network_records.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "bson/builder.h"
#include "control/fields.h"
#include "control/json_document.h"

namespace drover::control {
namespace {

constexpr const char* kContainers = "networkContainers";
constexpr const char* kPeers = "networkPeers";
constexpr const char* kServices = "endpointServices";
constexpr int kAttempts = 50;

bson::Document in_group(const std::string& group, const std::string& id) { return bson::make_document({{"_id", id}, {"groupId", group}}); }

// As it was read, and not changed since.
template <typename Record>
bson::Document unchanged(const Record& record) {
  bson::Builder filter;
  filter.append("_id", record.id).append("groupId", record.group);
  if (record.revision != 0) filter.append("revision", record.revision);
  else filter.open_document("revision").append("$exists", false);
  return std::move(filter).finish();
}

bson::Document of_group(const std::string& group, const std::string& provider) {
  bson::Builder filter;
  filter.append("groupId", group);
  if (!provider.empty()) filter.append("providerName", provider);
  return std::move(filter).finish();
}

NetworkContainer container_of(bson::View document) {
  return {text_of(document, "_id"), text_of(document, "groupId"), text_of(document, "providerName"), text_of(document, "region"), false,
          json_of(object_of(document, "fields")), number_of(document, "revision")};
}

NetworkPeer peer_of(bson::View document) {
  return {text_of(document, "_id"),    text_of(document, "groupId"), text_of(document, "providerName"), text_of(document, "containerId"),
          text_of(document, "region"), text_of(document, "status"),  text_of(document, "error"),        json_of(object_of(document, "fields")),
          number_of(document, "revision")};
}

EndpointService service_of(bson::View document) {
  EndpointService service{text_of(document, "_id"),    text_of(document, "groupId"), text_of(document, "providerName"), text_of(document, "region"),
                          text_of(document, "status"), text_of(document, "error"),   json_of(object_of(document, "fields")), {}};
  if (const auto endpoints = document["endpoints"].to_array()) {
    for (const auto& item : *endpoints) {
      const auto one = object_in(item);
      service.endpoints.push_back({text_of(one, "id"), text_of(one, "status"), text_of(one, "error"), json_of(object_of(one, "fields"))});
    }
  }
  return service;
}

void append_service(bson::Builder& to, const EndpointService& service) {
  to.append("status", service.status).append("error", service.error);
  append_json(to, "fields", service.fields);
  auto endpoints = to.open_array("endpoints");
  for (const auto& endpoint : service.endpoints) {
    auto one = endpoints.open_document();
    one.append("id", endpoint.id).append("status", endpoint.status).append("error", endpoint.error);
    append_json(one, "fields", endpoint.fields);
  }
}

tl::unexpected<Error> too_many(std::int64_t most, const char* what) {
  return fail(ErrorCode::kWrongState, fmt::format("a project has at most {} {}", most, what));
}

}  // namespace

std::string atlas_region(std::string region) {
  for (auto& c : region) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return region;
}

Result<NetworkContainer> NetworkRecords::add_container(NetworkContainer container) {
  if (TRY(count_containers(container.group, "")) >= kMaxContainers) return too_many(kMaxContainers, "network containers");
  container.id = new_id(runtime_);
  container.revision = 1;
  bson::Builder document;
  document.append("_id", container.id).append("groupId", container.group).append("providerName", container.provider).append("region", container.region);
  document.append("revision", container.revision);
  append_json(document, "fields", container.fields);
  if (!TRY(store_.insert(kContainers, std::move(document).finish())))
    return fail(ErrorCode::kWrongState, fmt::format("the project has a container of {} {} already", container.provider, container.region));
  return container;
}

Result<std::optional<NetworkContainer>> NetworkRecords::container(const std::string& group, const std::string& id) {
  const auto found = TRY(store_.find_one(kContainers, in_group(group, id)));
  if (!found) return std::optional<NetworkContainer>();
  auto container = container_of(*found);
  container.provisioned = TRY(store_.count(kPeers, bson::make_document({{"groupId", group}, {"containerId", id}}))) > 0;
  return std::optional(std::move(container));
}

Result<std::vector<NetworkContainer>> NetworkRecords::containers(const std::string& group, const std::string& provider, Page page) {
  std::vector<NetworkContainer> all;
  const auto used = TRY(peers(group, provider, {1, static_cast<int>(kMaxPeers)}));
  for (const auto& document : TRY(store_.find(kContainers, of_group(group, provider), page))) {
    all.push_back(container_of(document));
    all.back().provisioned = std::any_of(used.begin(), used.end(), [&](const NetworkPeer& peer) { return peer.container == all.back().id; });
  }
  return all;
}

Result<std::int64_t> NetworkRecords::count_containers(const std::string& group, const std::string& provider) {
  return store_.count(kContainers, of_group(group, provider));
}

Result<bool> NetworkRecords::change_container(const NetworkContainer& container) {
  if (TRY(store_.count(kPeers, bson::make_document({{"groupId", container.group}, {"containerId", container.id}}))) > 0)
    return fail(ErrorCode::kWrongState, "a peering connection uses the container; delete the connection first");
  bson::Builder set;
  append_json(set, "fields", container.fields);
  set.append("revision", container.revision + 1);
  return store_.update(kContainers, unchanged(container), bson::make_document({{"$set", std::move(set).finish()}}));
}

Result<bool> NetworkRecords::remove_container(const std::string& group, const std::string& id) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(container(group, id));
    if (!found) return false;
    if (found->provisioned) return fail(ErrorCode::kWrongState, "a peering connection uses the container; delete the connection first");
    if (TRY(store_.remove(kContainers, unchanged(*found))) > 0) return true;
  }
  return fail(ErrorCode::kWrongState, "the container changes all the time; try again");
}

Result<std::optional<NetworkPeer>> NetworkRecords::add_peer(NetworkPeer peer, const NetworkContainer& container) {
  if (TRY(count_peers(peer.group, "")) >= kMaxPeers) return too_many(kMaxPeers, "peering connections");
  peer.id = new_id(runtime_);
  peer.revision = 1;
  bson::Builder document;
  document.append("_id", peer.id).append("groupId", peer.group).append("providerName", peer.provider).append("containerId", peer.container);
  document.append("region", peer.region).append("status", peer.status).append("error", peer.error).append("revision", peer.revision);
  append_json(document, "fields", peer.fields);
  TRY(store_.insert(kPeers, std::move(document).finish()));
  bson::Builder counted;
  counted.open_document("$inc").append("revision", std::int64_t{1});
  if (TRY(store_.update(kContainers, unchanged(container), std::move(counted).finish()))) return std::optional(std::move(peer));
  TRY(store_.remove(kPeers, in_group(peer.group, peer.id)));
  if (TRY(store_.find_one(kContainers, in_group(container.group, container.id)))) return std::optional<NetworkPeer>();
  return fail(ErrorCode::kWrongState, "the container of the peering connection was deleted meanwhile");
}

Result<std::optional<NetworkPeer>> NetworkRecords::peer(const std::string& group, const std::string& id) {
  const auto found = TRY(store_.find_one(kPeers, in_group(group, id)));
  if (!found) return std::optional<NetworkPeer>();
  return std::optional(peer_of(*found));
}

Result<std::vector<NetworkPeer>> NetworkRecords::peers(const std::string& group, const std::string& provider, Page page) {
  std::vector<NetworkPeer> all;
  for (const auto& document : TRY(store_.find(kPeers, of_group(group, provider), page))) all.push_back(peer_of(document));
  return all;
}

Result<std::int64_t> NetworkRecords::count_peers(const std::string& group, const std::string& provider) { return store_.count(kPeers, of_group(group, provider)); }

Result<bool> NetworkRecords::change_peer(const NetworkPeer& peer) {
  bson::Builder set;
  set.append("status", peer.status).append("error", peer.error).append("revision", peer.revision + 1);
  append_json(set, "fields", peer.fields);
  return store_.update(kPeers, unchanged(peer), bson::make_document({{"$set", std::move(set).finish()}}));
}

Result<bool> NetworkRecords::remove_peer(const NetworkPeer& peer) { return TRY(store_.remove(kPeers, unchanged(peer))) > 0; }

Result<EndpointService> NetworkRecords::add_service(EndpointService service) {
  if (TRY(store_.count(kServices, of_group(service.group, ""))) >= kMaxServices) return too_many(kMaxServices, "private endpoint services");
  service.id = new_id(runtime_);
  bson::Builder document;
  document.append("_id", service.id).append("groupId", service.group).append("providerName", service.provider).append("region", service.region);
  document.append("revision", std::int64_t{1});
  append_service(document, service);
  if (!TRY(store_.insert(kServices, std::move(document).finish())))
    return fail(ErrorCode::kWrongState, fmt::format("the project has a private endpoint service of {} {} already", service.provider, service.region));
  return service;
}

Result<std::optional<EndpointService>> NetworkRecords::service(const std::string& group, const std::string& provider, const std::string& id) {
  const auto found = TRY(store_.find_one(kServices, bson::make_document({{"_id", id}, {"groupId", group}, {"providerName", provider}})));
  if (!found) return std::optional<EndpointService>();
  return std::optional(service_of(*found));
}

Result<std::vector<EndpointService>> NetworkRecords::services(const std::string& group, const std::string& provider) {
  std::vector<EndpointService> all;
  for (const auto& document : TRY(store_.find(kServices, of_group(group, provider), {1, static_cast<int>(kMaxServices)}))) all.push_back(service_of(document));
  return all;
}

Result<std::optional<EndpointService>> NetworkRecords::change_service(const std::string& group, const std::string& provider, const std::string& id,
                                                                      const std::function<Status(EndpointService&)>& decide) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(store_.find_one(kServices, bson::make_document({{"_id", id}, {"groupId", group}, {"providerName", provider}})));
    if (!found) return std::optional<EndpointService>();
    auto service = service_of(*found);
    TRY(decide(service));
    const auto revision = number_of(*found, "revision");
    bson::Builder set;
    append_service(set, service);
    set.append("revision", revision + 1);
    if (TRY(store_.update(kServices, bson::make_document({{"_id", id}, {"revision", revision}}), bson::make_document({{"$set", std::move(set).finish()}}))))
      return std::optional(std::move(service));
  }
  return fail(ErrorCode::kTemporary, "it changes all the time; try again");
}

Result<bool> NetworkRecords::remove_service(const std::string& group, const std::string& provider, const std::string& id) {
  const auto found = TRY(service(group, provider, id));
  if (!found) return false;
  bson::Builder empty;
  empty.append("_id", id).append("groupId", group);
  empty.open_document("endpoints").append("$size", 0);
  if (TRY(store_.remove(kServices, std::move(empty).finish())) > 0) return true;
  if (!TRY(service(group, provider, id))) return true;
  return fail(ErrorCode::kWrongState, "the service has private endpoints; delete them first");
}

Status NetworkRecords::forget_project(const std::string& group) {
  for (const auto* collection : {kContainers, kPeers, kServices}) TRY(store_.remove(collection, of_group(group, "")));
  return {};
}

Status NetworkRecords::count_on(const std::string& group, const std::string& schema) {
  bson::Builder counted;
  counted.open_document("$inc").append("revision", std::int64_t{1});
  const auto update = std::move(counted).finish();
  if (schema == "VPC_PEERING")
    for (const auto& peer : TRY(peers(group, "", {1, static_cast<int>(kMaxPeers)}))) TRY(store_.update(kPeers, in_group(group, peer.id), update));
  if (schema == "PRIVATE_LINK")
    for (const auto& service : TRY(services(group, ""))) TRY(store_.update(kServices, in_group(group, service.id), update));
  return {};
}

Result<std::vector<PrivateWay>> NetworkRecords::available_peers(const std::string& group) {
  std::vector<PrivateWay> ways;
  for (const auto& peer : TRY(peers(group, "", {1, static_cast<int>(kMaxPeers)})))
    if (peer.status == kAvailable) ways.push_back({peer.provider, peer.region, ""});
  return ways;
}

Result<std::vector<PrivateWay>> NetworkRecords::available_endpoints(const std::string& group, const std::string& endpoint_or_service) {
  std::vector<PrivateWay> ways;
  for (const auto& service : TRY(services(group, ""))) {
    if (service.status != kAvailable) continue;
    for (const auto& endpoint : service.endpoints) {
      const bool named = endpoint.id == endpoint_or_service || service.id == endpoint_or_service;
      if (named && endpoint.status == kAvailable) ways.push_back({service.provider, service.region, endpoint.id});
    }
  }
  return ways;
}

}  // namespace drover::control
