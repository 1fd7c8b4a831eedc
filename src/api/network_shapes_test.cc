#include "api/network_shapes.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace drover::api {
namespace {

Json json(const char* text) { return *Json::parse(text); }

TEST(Containers, AreOfARegionExceptGoogles) {
  const auto aws = parse_container(json(R"({"atlasCidrBlock": "10.8.0.1/21", "regionName": "us-east-1"})"));
  ASSERT_TRUE(aws);
  EXPECT_EQ(aws->provider, "AWS");
  EXPECT_EQ(aws->region, "US_EAST_1");
  EXPECT_EQ(dump_sorted(container_json(*aws), false),
            R"({"atlasCidrBlock":"10.8.0.0/21","id":"","providerName":"AWS","provisioned":false,"regionName":"US_EAST_1","vpcId":null})");
  const auto gcp = parse_container(json(R"({"providerName": "GCP", "atlasCidrBlock": "10.8.0.0/18"})"));
  ASSERT_TRUE(gcp);
  EXPECT_EQ(gcp->region, "");
  for (const auto* wrong : {R"({})", R"({"atlasCidrBlock": "10.8.0.0/21"})", R"({"atlasCidrBlock": "10.8.0.1", "regionName": "r"})",
                            R"({"providerName": "MOON", "atlasCidrBlock": "10.8.0.0/21"})", R"({"providerName": "AZURE", "atlasCidrBlock": "10.8.0.0/21"})"})
    EXPECT_FALSE(parse_container(json(wrong))) << wrong;
}

TEST(Peers, AreOfTheirContainersProvider) {
  control::NetworkContainer container;
  container.id = "c";
  container.provider = "AZURE";
  container.region = "EUROPE_WEST";
  const auto peer = parse_peer(json(R"({"azureDirectoryId": "d", "azureSubscriptionId": "s", "resourceGroupName": "g", "vnetName": "v"})"), container);
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->region, "EUROPE_WEST");
  EXPECT_EQ(dump_sorted(peer_json(*peer), false),
            R"({"azureDirectoryId":"d","azureSubscriptionId":"s","containerId":"c","errorState":null,"id":"","providerName":"AZURE","resourceGroupName":"g",)"
            R"("status":"ADDING","vnetName":"v"})");
  EXPECT_FALSE(parse_peer(json(R"({"providerName": "AWS", "awsAccountId": "1", "vpcId": "v", "routeTableCidrBlock": "10.0.0.0/8"})"), container));
  EXPECT_FALSE(parse_peer(json(R"({"azureDirectoryId": "d"})"), container));
  for (const auto provider : kCloudProviders) {
    const auto states = peer_states(provider);
    EXPECT_NE(states.front(), control::kAvailable) << "nothing is AVAILABLE before somebody says so";
    EXPECT_NE(std::find(states.begin(), states.end(), control::kAvailable), states.end());
  }
}

TEST(Endpoints, HaveTheirProvidersNames) {
  const auto aws = parse_endpoint(json(R"({"id": "vpce-1"})"), "AWS");
  ASSERT_TRUE(aws);
  EXPECT_EQ(dump_sorted(endpoint_json(*aws, "AWS"), false),
            R"({"cloudProvider":"AWS","connectionStatus":"PENDING_ACCEPTANCE","deleteRequested":false,"errorMessage":null,"interfaceEndpointId":"vpce-1"})");
  const auto gcp = parse_endpoint(json(R"({"endpointGroupName": "g", "gcpProjectId": "p", "endpoints": [{"endpointName": "e", "ipAddress": "10.0.0.5"}]})"), "GCP");
  ASSERT_TRUE(gcp);
  EXPECT_EQ(gcp->id, "g");
  EXPECT_EQ(dump_sorted(endpoint_json(*gcp, "GCP"), false),
            R"({"cloudProvider":"GCP","deleteRequested":false,"endpointGroupName":"g","endpoints":[{"endpointName":"e","ipAddress":"10.0.0.5","status":"INITIATING"}],)"
            R"("errorMessage":null,"status":"INITIATING"})");
  EXPECT_FALSE(parse_endpoint(json(R"({"id": "e"})"), "AZURE"));
  EXPECT_FALSE(parse_endpoint(json(R"({"endpointGroupName": "g", "gcpProjectId": "p", "endpoints": []})"), "GCP"));
  EXPECT_FALSE(parse_endpoint(json("{}"), "AWS"));
}

TEST(EndpointServices, ListTheirEndpoints) {
  auto service = parse_service(json(R"({"providerName": "AZURE", "region": "europe-west"})"));
  ASSERT_TRUE(service);
  service->endpoints.push_back({"e", "AVAILABLE", "", {}});
  EXPECT_EQ(dump_sorted(service_json(*service), false),
            R"({"cloudProvider":"AZURE","errorMessage":null,"id":"","privateEndpoints":["e"],"privateLinkServiceName":null,"privateLinkServiceResourceId":null,)"
            R"("regionName":"EUROPE_WEST","status":"INITIATING"})");
  EXPECT_FALSE(parse_service(json(R"({"region": "r"})")));
}

}  // namespace
}  // namespace drover::api
