#include "control/database_users.h"

#include <gtest/gtest.h>

#include "control/clusters.h"
#include "control/network_records.h"

namespace drover::control {
namespace {

TEST(DatabaseRoles, AreThoseThatAtlasHasWhereItHasThem) {
  for (const auto* name : {"atlasAdmin", "backup", "clusterMonitor", "dbAdminAnyDatabase", "enableSharding", "readAnyDatabase", "readWriteAnyDatabase"}) {
    EXPECT_TRUE(is_database_role({name, "admin"})) << name;
    EXPECT_FALSE(is_database_role({name, "shop"})) << name;
  }
  for (const auto* name : {"read", "readWrite", "dbAdmin"}) {
    EXPECT_TRUE(is_database_role({name, "admin"})) << name;
    EXPECT_TRUE(is_database_role({name, "shop"})) << name;
    EXPECT_FALSE(is_database_role({name, ""})) << name;
    EXPECT_FALSE(is_database_role({name, "a.b"})) << name;
    EXPECT_FALSE(is_database_role({name, std::string("a\0b", 3)})) << name;
    EXPECT_FALSE(is_database_role({name, std::string(64, 'a')})) << name;
  }
  // A server has them; they would open more than Atlas lets its users have.
  for (const auto* name : {"root", "__system", "userAdminAnyDatabase", "userAdmin", "dbOwner", "clusterAdmin", "restore", ""})
    EXPECT_FALSE(is_database_role({name, "admin"})) << name;
}

TEST(DatabaseUserNames, OfThisSiteAreNotOthers) {
  EXPECT_TRUE(is_reserved_user(kLocalClusterUser));
  EXPECT_TRUE(is_reserved_user("drover-import-670000000000000000000001"));
  EXPECT_FALSE(is_reserved_user("app"));
}

TEST(DatabaseUserScopes, NameClusters) {
  DatabaseUser user;
  EXPECT_TRUE(user.is_of("any"));
  user.clusters = {"shop"};
  EXPECT_TRUE(user.is_of("shop"));
  EXPECT_FALSE(user.is_of("any"));
}

TEST(PrivateWays, ReachTheirProviderAndRegion) {
  EXPECT_EQ(atlas_region("eu-west-1"), "EU_WEST_1");
  const PrivateWay aws{"AWS", "EU_WEST_1", "vpce-1"}, gcp{"GCP", "", ""};
  EXPECT_TRUE(aws.reaches("AWS", "EU_WEST_1"));
  EXPECT_FALSE(aws.reaches("AWS", "US_EAST_1"));
  EXPECT_FALSE(aws.reaches("AZURE", "EU_WEST_1"));
  EXPECT_TRUE(gcp.reaches("GCP", "WESTERN_EUROPE"));
  EXPECT_FALSE(gcp.reaches("AWS", "WESTERN_EUROPE"));
}

TEST(PrivateConnections, AreFoundByNetwork) {
  Cluster cluster;
  EXPECT_EQ(private_uri(cluster), "");
  EXPECT_EQ(endpoint_uri(cluster, "vpce-1"), "");
  cluster.connections = *Json::parse(R"({"private": "mongodb://p/", "privateEndpoint": [
      {"connectionString": "mongodb://e1/", "endpoints": [{"endpointId": "vpce-1"}, {"endpointId": "vpce-2"}]},
      {"connectionString": "mongodb://e3/", "endpoints": [{"endpointId": "vpce-3"}]}, {}]})");
  EXPECT_EQ(private_uri(cluster), "mongodb://p/");
  EXPECT_EQ(endpoint_uri(cluster, "vpce-2"), "mongodb://e1/");
  EXPECT_EQ(endpoint_uri(cluster, "vpce-3"), "mongodb://e3/");
  EXPECT_EQ(endpoint_uri(cluster, "vpce-4"), "");
}

}  // namespace
}  // namespace drover::control
