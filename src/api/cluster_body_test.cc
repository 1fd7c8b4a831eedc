#include "api/cluster_body.h"

#include <gtest/gtest.h>

#include "base/runtime.h"

namespace drover::api {
namespace {

Json json(const char* text) { return *Json::parse(text); }

class ClusterUpdates : public ::testing::Test {
 protected:
  RestResult<Json> update(const char* body) { return parse_cluster_update(json(body), now_, "7.0.13", *runtime_); }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  const Json now_ = *parse_cluster_description(json("{}"), *runtime_);
};

TEST_F(ClusterUpdates, ChangeWhatTheyNameAndNothingElse) {
  const auto changed = update(R"({"biConnector": {"enabled": true}})");
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->find("biConnector")->dump(), R"({"enabled":true,"readPreference":"secondary"})");
  for (const auto* field : {"clusterType", "replicationSpecs", "versionReleaseSystem", "labels", "tags", "terminationProtectionEnabled"})
    EXPECT_EQ(changed->find(field)->dump(), now_.find(field)->dump()) << field;
}

TEST_F(ClusterUpdates, MayRepeatWhatIsSo) {
  const auto same = update(R"({"paused": false, "mongoDBMajorVersion": "7.0", "backupEnabled": false, "stateName": "IDLE", "links": [], "id": "x", "pitEnabled": null})");
  ASSERT_TRUE(same);
  EXPECT_EQ(same->dump(), now_.dump());
}

TEST_F(ClusterUpdates, AreRefusedForWhatIsNotDone) {
  for (const auto* body : {R"({"paused": true})", R"({"mongoDBMajorVersion": "8.0"})", R"({"backupEnabled": true})", R"({"pitEnabled": 1})", R"({"colour": "blue"})",
                           R"({"encryptionAtRestProvider": "AWS"})", R"({"clusterType": "BIG"})", R"({"replicationSpecs": []})", R"({"labels": {}})", R"({"labels": [{"key": 1, "value": "v"}]})"})
    EXPECT_FALSE(update(body)) << body;
}

TEST(PrivateConnections, AreReadWithoutCredentials) {
  const auto read = parse_private_connections(json(R"({"connectionStrings": {"private": "mongodb://p1,p2/?tls=true&authSource=x", "privateEndpoint": [
      {"connectionString": "mongodb://e:1024/", "endpoints": [{"endpointId": "vpce-1", "providerName": "AWS", "region": "eu-west-1"}]}]}})"));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read->find("private")->as_string(), "mongodb://p1,p2/?tls=true");
  EXPECT_EQ(read->find("privateEndpoint")->as_array()->front().find("endpoints")->dump(), R"([{"endpointId":"vpce-1","providerName":"AWS","region":"EU_WEST_1"}])");
  EXPECT_EQ(parse_private_connections(json("{}"))->dump(), "{}");
  const auto refused = parse_private_connections(json(R"({"connectionStrings": {"private": "mongodb://u:secretword@h/"}})"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail.find("secretword"), std::string::npos);
}

}  // namespace
}  // namespace drover::api
