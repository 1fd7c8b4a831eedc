// peering, private-endpoint: records of networks that administrators make, at an Atlas site.
#include "remote/actions.h"
#include "remote/verb_tables.h"

namespace drover::remote {
namespace {

const std::vector<Column> kContainers{{"ID", "id"}, {"PROVIDER", "providerName"}, {"REGION", "{regionName}{region}"}, {"RANGE", "atlasCidrBlock"}, {"IN USE", "provisioned"}};
const std::vector<Column> kPeers{{"ID", "id"},
                                 {"PROVIDER", "providerName"},
                                 {"CONTAINER", "containerId"},
                                 {"NETWORK", "{vpcId}{vnetName}{networkName}"},
                                 {"STATUS", "{statusName}{status}"},
                                 {"WHY", "{errorStateName}{errorState}{errorMessage}"}};
const std::vector<Column> kServices{{"ID", "id"},
                                    {"PROVIDER", "cloudProvider"},
                                    {"REGION", "regionName"},
                                    {"STATUS", "status"},
                                    {"SERVICE", "{endpointServiceName}{privateLinkServiceName}{serviceAttachmentNames}"},
                                    {"ENDPOINTS", "{interfaceEndpoints}{privateEndpoints}{endpointGroupNames}"}};

constexpr std::string_view kServicesOf = "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService";
constexpr std::string_view kService = "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}";
constexpr std::string_view kEndpoint = "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint/{endpointId}";

Argument provider(std::string_view place, bool required, std::string_view help) {
  return {.name = "--provider", .help = help, .place = place, .required = required, .choices = {"AWS", "AZURE", "GCP"}};
}

std::vector<Verb> peering_verbs() {
  const Argument peer{.name = "PEER", .help = "Its id", .place = "path:peerId", .required = true};
  const auto of_provider = provider("query:providerName", false, "Of which cloud (AWS)");
  constexpr std::string_view kContainersOf = "/groups/{groupId}/containers", kPeersOf = "/groups/{groupId}/peers", kOne = "/groups/{groupId}/peers/{peerId}";
  return {
      {.group = "peering", .name = "containers", .summary = "Network containers: the clusters' side of peering", .site = SiteRole::kAtlas, .api = Api::kAtlas,
       .path = "/groups/{groupId}/containers/all", .shape = Shape::kList, .columns = kContainers, .done = "No network containers.", .examples = {{"drover peering containers"}}},
      {.group = "peering", .name = "create-container", .summary = "Record a network container", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "POST", .api = Api::kAtlas,
       .path = kContainersOf,
       .arguments = {{.name = "--cidr", .help = "The range of the clusters' network", .place = "body:atlasCidrBlock", .required = true},
                     provider("body:providerName", false, "Which cloud (AWS)"),
                     {.name = "--region", .help = "The provider's region; not for GCP", .place = ""}},
       .finish = with_container_region, .examples = {{"drover peering create-container --cidr 10.8.0.0/21 --region EU_WEST_1"}}},
      {.group = "peering", .name = "delete-container", .summary = "Delete a network container that no peering uses", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "DELETE",
       .api = Api::kAtlas, .path = "/groups/{groupId}/containers/{containerId}",
       .arguments = {{.name = "CONTAINER", .help = "Its id", .place = "path:containerId", .required = true}}, .question = "Delete the network container {CONTAINER}?",
       .done = "The network container is deleted.", .examples = {{"drover peering delete-container 66aa00000000000000000001 --yes"}}},
      {.group = "peering", .name = "list", .summary = "Peering connections of one provider", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = kPeersOf, .arguments = {of_provider},
       .shape = Shape::kList, .columns = kPeers, .done = "No peering connections of this provider.", .examples = {{"drover peering list --provider AZURE"}}},
      {.group = "peering", .name = "show", .summary = "One peering connection", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = kOne, .arguments = {peer},
       .examples = {{"drover peering show 66aa00000000000000000002"}}},
      {.group = "peering", .name = "create", .summary = "Record a peering connection", .about = "What the provider's clients ask for, by the provider of the container.",
       .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "POST", .api = Api::kAtlas, .path = kPeersOf,
       .arguments = {{.name = "--container", .help = "The container's id", .place = "body:containerId", .required = true},
                     {.name = "--aws-account", .help = "AWS: the account of the peer", .place = "body:awsAccountId"},
                     {.name = "--vpc", .help = "AWS: the peer's VPC", .place = "body:vpcId"},
                     {.name = "--cidr", .help = "AWS: the range of the peer's network", .place = "body:routeTableCidrBlock"},
                     {.name = "--region", .help = "AWS: the peer's region (the container's)", .place = "body:accepterRegionName"},
                     {.name = "--azure-directory", .help = "AZURE: the directory", .place = "body:azureDirectoryId"},
                     {.name = "--azure-subscription", .help = "AZURE: the subscription", .place = "body:azureSubscriptionId"},
                     {.name = "--resource-group", .help = "AZURE: the resource group", .place = "body:resourceGroupName"},
                     {.name = "--vnet", .help = "AZURE: the peer's network", .place = "body:vnetName"},
                     {.name = "--gcp-project", .help = "GCP: the project", .place = "body:gcpProjectId"},
                     {.name = "--network", .help = "GCP: the peer's network", .place = "body:networkName"}},
       .examples = {{"drover peering create --container 66aa00000000000000000001 --aws-account 123456789012 --vpc vpc-1 --cidr 10.0.0.0/16"}}},
      {.group = "peering", .name = "set-status", .summary = "Tell what became of a peering connection",
       .about = "The network is its administrators' to make: they tell here when it is AVAILABLE. Other states are the provider's.", .site = SiteRole::kAtlas, .needs = kProjectOwner,
       .method = "PATCH", .api = Api::kExt, .path = kOne,
       .arguments = {peer, {.name = "STATUS", .help = "AVAILABLE, FAILED, …", .place = "body:status", .required = true},
                     {.name = "--error", .help = "Why it is not", .place = "body:errorMessage"}},
       .examples = {{"drover peering set-status 66aa00000000000000000002 AVAILABLE"}}},
      {.group = "peering", .name = "delete", .summary = "Delete the record of a peering connection", .about = "Refused while a migration goes through it.", .site = SiteRole::kAtlas,
       .needs = kProjectOwner, .method = "DELETE", .api = Api::kAtlas, .path = kOne, .arguments = {peer}, .question = "Delete the peering connection {PEER}?",
       .done = "The peering connection is deleted.", .examples = {{"drover peering delete 66aa00000000000000000002 --yes"}}},
  };
}

std::vector<Verb> private_endpoint_verbs() {
  const Argument service{.name = "SERVICE", .help = "The endpoint service's id", .place = "path:endpointServiceId", .required = true};
  const Argument endpoint{.name = "ENDPOINT", .help = "The endpoint's id", .place = "path:endpointId", .required = true};
  const auto of_provider = provider("path:cloudProvider", true, "Of which cloud");
  const Argument error{.name = "--error", .help = "Why it is not", .place = "body:errorMessage"};
  constexpr std::string_view kAboutStatus = "The network is its administrators' to make: they tell here when it is AVAILABLE.";
  return {
      {.group = "private-endpoint", .name = "services", .summary = "Endpoint services of one provider, with their endpoints", .site = SiteRole::kAtlas, .api = Api::kAtlas,
       .path = kServicesOf, .arguments = {of_provider}, .shape = Shape::kList, .columns = kServices, .done = "No endpoint services of this provider.",
       .examples = {{"drover private-endpoint services --provider AWS"}}},
      {.group = "private-endpoint", .name = "show-service", .summary = "One endpoint service", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = kService,
       .arguments = {service, of_provider}, .examples = {{"drover private-endpoint show-service 66aa00000000000000000003 --provider AWS"}}},
      {.group = "private-endpoint", .name = "create-service", .summary = "Record an endpoint service", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "POST",
       .api = Api::kAtlas, .path = "/groups/{groupId}/privateEndpoint/endpointService",
       .arguments = {provider("body:providerName", true, "Of which cloud"), {.name = "--region", .help = "The provider's region", .place = "body:region", .required = true}},
       .examples = {{"drover private-endpoint create-service --provider AWS --region eu-west-1"}}},
      {.group = "private-endpoint", .name = "set-service-status", .summary = "Tell what became of an endpoint service", .about = kAboutStatus, .site = SiteRole::kAtlas,
       .needs = kProjectOwner, .method = "PATCH", .api = Api::kExt, .path = kService,
       .arguments = {service, {.name = "STATUS", .help = "What it is now", .place = "body:status", .required = true,
                               .choices = {"INITIATING", "AVAILABLE", "WAITING_FOR_USER", "FAILED", "DELETING"}},
                     of_provider, {.name = "--service-name", .help = "AWS: the service's name", .place = "body:endpointServiceName"}, error},
       .examples = {{"drover private-endpoint set-service-status 66aa00000000000000000003 AVAILABLE --provider AWS"}}},
      {.group = "private-endpoint", .name = "delete-service", .summary = "Delete the record of an endpoint service that has no endpoints", .site = SiteRole::kAtlas,
       .needs = kProjectOwner, .method = "DELETE", .api = Api::kAtlas, .path = kService, .arguments = {service, of_provider}, .question = "Delete the endpoint service {SERVICE}?",
       .done = "The endpoint service is deleted.", .examples = {{"drover private-endpoint delete-service 66aa00000000000000000003 --provider AWS --yes"}}},
      {.group = "private-endpoint", .name = "create", .summary = "Record a private endpoint", .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "POST", .api = Api::kAtlas,
       .path = "/groups/{groupId}/privateEndpoint/{cloudProvider}/endpointService/{endpointServiceId}/endpoint",
       .arguments = {service, {.name = "ENDPOINT", .help = "The endpoint's id at its provider; of GCP the group's name", .place = "", .required = true}, of_provider,
                     {.name = "--ip", .help = "AZURE: its address", .place = "body:privateEndpointIPAddress"},
                     {.name = "--gcp-project", .help = "GCP: the project", .place = "body:gcpProjectId"},
                     {.name = "--endpoint", .help = "GCP: NAME=ADDRESS of each endpoint of the group", .place = "", .kind = Kind::kTexts}},
       .finish = with_endpoint, .examples = {{"drover private-endpoint create 66aa00000000000000000003 vpce-1 --provider AWS"}}},
      {.group = "private-endpoint", .name = "show", .summary = "One private endpoint", .site = SiteRole::kAtlas, .api = Api::kAtlas, .path = kEndpoint,
       .arguments = {service, endpoint, of_provider}, .examples = {{"drover private-endpoint show 66aa00000000000000000003 vpce-1 --provider AWS"}}},
      {.group = "private-endpoint", .name = "set-status", .summary = "Tell what became of a private endpoint", .about = kAboutStatus, .site = SiteRole::kAtlas, .needs = kProjectOwner,
       .method = "PATCH", .api = Api::kExt, .path = kEndpoint,
       .arguments = {service, endpoint, {.name = "STATUS", .help = "AVAILABLE, FAILED, …", .place = "body:status", .required = true}, of_provider, error},
       .examples = {{"drover private-endpoint set-status 66aa00000000000000000003 vpce-1 AVAILABLE --provider AWS"}}},
      {.group = "private-endpoint", .name = "delete", .summary = "Delete the record of a private endpoint", .about = "Refused while a migration goes through it.",
       .site = SiteRole::kAtlas, .needs = kProjectOwner, .method = "DELETE", .api = Api::kAtlas, .path = kEndpoint, .arguments = {service, endpoint, of_provider},
       .question = "Delete the private endpoint {ENDPOINT}?", .done = "The private endpoint is deleted.",
       .examples = {{"drover private-endpoint delete 66aa00000000000000000003 vpce-1 --provider AWS --yes"}}},
  };
}

}  // namespace

std::vector<Verb> network_verbs() {
  auto all = peering_verbs();
  for (auto& verb : private_endpoint_verbs()) all.push_back(std::move(verb));
  return all;
}

}  // namespace drover::remote
