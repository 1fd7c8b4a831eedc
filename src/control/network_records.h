// VPC peering connections and private endpoints of a project's clusters (spec/control-plane.md 3.5, 5.4): records that the rules
// of live migration consult. No cloud is called: whoever runs the network says what state a connection is in, and nothing is
// AVAILABLE before that. Thread-safe; several processes may work on one store.
//
// What only one cloud provider has (an account's number, a network's name) is in `fields`, as that provider's clients spell it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "control/store.h"

namespace drover::control {

inline constexpr const char* kAvailable = "AVAILABLE";
inline constexpr std::int64_t kMaxContainers = 100;  // of a project
inline constexpr std::int64_t kMaxPeers = 100;       // of a project
inline constexpr std::int64_t kMaxServices = 50;     // of a project
inline constexpr std::size_t kMaxEndpoints = 50;     // of a service

// "US_EAST_1" of "us-east-1": regions are compared as Atlas spells them.
std::string atlas_region(std::string region);

// The address space on the side of the clusters, one for each provider and region (GCP: one for all regions, region is empty).
struct NetworkContainer {
  std::string id, group, provider, region;
  bool provisioned = false;  // a peering connection uses it
  Json fields;
  std::int64_t revision = 0;  // 0: of an older version, which did not count
};
struct NetworkPeer {
  std::string id, group, provider, container, region, status, error;
  Json fields;
  std::int64_t revision = 0;  // as above
};
struct PrivateEndpoint {
  std::string id, status, error;
  Json fields;
};
// What endpoints of one provider and region connect to.
struct EndpointService {
  std::string id, group, provider, region, status, error;
  Json fields;
  std::vector<PrivateEndpoint> endpoints;
};

// A way through a private network, as the rules ask for it.
struct PrivateWay {
  std::string provider, region;  // region empty: any of the provider's
  std::string endpoint;          // its id; of a peering connection: empty
  bool reaches(const std::string& other_provider, const std::string& other_region) const {
    return provider == other_provider && (region.empty() || region == other_region);
  }
};

// Refusals: kWrongState for a conflict, its message says with what.
class NetworkRecords {
 public:
  NetworkRecords(Store& store, Runtime& runtime) : store_(store), runtime_(runtime) {}

  Result<NetworkContainer> add_container(NetworkContainer container);
  Result<std::optional<NetworkContainer>> container(const std::string& group, const std::string& id);
  // Of all providers when it is empty.
  Result<std::vector<NetworkContainer>> containers(const std::string& group, const std::string& provider, Page page);
  Result<std::int64_t> count_containers(const std::string& group, const std::string& provider);
  // `container` as it was read, with the fields that it is to have. False: somebody else was faster. kWrongState: a peering connection uses it.
  Result<bool> change_container(const NetworkContainer& container);
  // False: there is none. kWrongState: a peering connection uses it, or it changes all the time.
  Result<bool> remove_container(const std::string& group, const std::string& id);

  // `container`, one of the same group and provider, as it was read. Whoever adds a peer writes it and then counts the container on; whoever changes or removes
  // the container reads it, looks for peers, and writes; both only what is as they have read it, so one of the two takes its own back. Nothing: somebody else
  // was faster. kWrongState: the container is gone, or too many.
  Result<std::optional<NetworkPeer>> add_peer(NetworkPeer peer, const NetworkContainer& container);
  Result<std::optional<NetworkPeer>> peer(const std::string& group, const std::string& id);
  Result<std::vector<NetworkPeer>> peers(const std::string& group, const std::string& provider, Page page);
  Result<std::int64_t> count_peers(const std::string& group, const std::string& provider);
  // `peer` as it was read, with the fields and the status that it is to have. False: somebody else was faster.
  Result<bool> change_peer(const NetworkPeer& peer);
  // `peer` as it was read. False: it is gone, or was changed or counted on since.
  Result<bool> remove_peer(const NetworkPeer& peer);

  // One for each provider and region.
  Result<EndpointService> add_service(EndpointService service);
  Result<std::optional<EndpointService>> service(const std::string& group, const std::string& provider, const std::string& id);
  Result<std::vector<EndpointService>> services(const std::string& group, const std::string& provider);  // all when it is empty
  // Decides on what is there, again when somebody else was faster. Nothing: there is no such service. An error of `decide` is
  // answered, and nothing is changed.
  Result<std::optional<EndpointService>> change_service(const std::string& group, const std::string& provider, const std::string& id,
                                                        const std::function<Status(EndpointService&)>& decide);
  // kWrongState: it has endpoints.
  Result<bool> remove_service(const std::string& group, const std::string& provider, const std::string& id);

  Status forget_project(const std::string& group);

  // The peering connections that are AVAILABLE.
  Result<std::vector<PrivateWay>> available_peers(const std::string& group);
  // For who begins a migration through it ("VPC_PEERING", "PRIVATE_LINK"): that is kept first, then what is there is counted on, then looked at once more. Whoever
  // takes a connection away, or says that it is none any more, reads it, looks for migrations, and writes what it has read: one of the two sees the other.
  Status count_on(const std::string& group, const std::string& schema);
  // The endpoints that are AVAILABLE and whose service is: of this id, or all of the service of this id.
  Result<std::vector<PrivateWay>> available_endpoints(const std::string& group, const std::string& endpoint_or_service);

 private:
  Store& store_;
  Runtime& runtime_;
};

}  // namespace drover::control
