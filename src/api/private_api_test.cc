#include "api/private_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace drover::api {
namespace {

using ::testing::HasSubstr;

net::HttpResponse ask(const char* method, const char* path) {
  net::HttpRequest request;
  request.method = method;
  request.path = path;
  request.peer = "203.0.113.7:40000";
  return PrivateApi("1.2.3", "8.0").handle(request);
}

TEST(PrivateApi, TellsWhatTheCommandLinesAsk) {
  EXPECT_EQ(ask("GET", "/api/private/ipinfo").body, R"({"currentIpv4Address":"203.0.113.7"})");
  EXPECT_EQ(ask("GET", "/api/private/unauth/nds/defaultMongoDBMajorVersion").body, "8.0");
  const auto version = ask("GET", "/api/private/unauth/version");
  EXPECT_EQ(version.body, "gitHash=drover; versionString=1.2.3");
  EXPECT_EQ(version.content_type, "text/plain");
}

TEST(PrivateApi, SendsWhoLogsInWithABrowserToApiKeys) {
  for (const auto* path : {"authorize", "token", "revoke", "registration"}) {
    const auto answer = ask("POST", (std::string("/api/private/unauth/account/device/") + path).c_str());
    EXPECT_EQ(answer.status, 400) << path;
    EXPECT_THAT(answer.body, HasSubstr("DEVICE_AUTHORIZATION_NOT_SUPPORTED"));
    EXPECT_THAT(answer.body, HasSubstr("MONGODB_ATLAS_PUBLIC_API_KEY"));
  }
}

TEST(PrivateApi, TellsTheAddressesThatItWasGiven) {
  net::HttpRequest request;
  request.method = "GET";
  request.path = std::string(kAddressesPath);
  const auto addresses = ControlPlaneAddresses{*parse_addresses("203.0.113.7,10.1.2.3/8"), *parse_addresses("2001:db8::1")};
  const auto told = PrivateApi("1.2.3", "8.0", addresses).handle(request);
  EXPECT_EQ(told.status, 200);
  EXPECT_EQ(told.content_type, "application/vnd.atlas.2023-11-15+json;charset=utf-8");
  EXPECT_EQ(told.body, R"({"inbound":{"aws":{},"azure":{},"gcp":{},"x_selfManaged":{"LOCAL":["203.0.113.7/32","10.0.0.0/8"]}},)"
                       R"("outbound":{"aws":{},"azure":{},"gcp":{},"x_selfManaged":{"LOCAL":["2001:db8::1/128"]}}})");
  EXPECT_THAT(PrivateApi("1.2.3", "8.0").handle(request).body, HasSubstr(R"("x_selfManaged":{}})"));
  request.method = "POST";
  EXPECT_EQ(PrivateApi("1.2.3", "8.0").handle(request).status, 405);
  EXPECT_TRUE(parse_addresses("")->empty());
  for (const auto* text : {"x", "203.0.113.7,", ",203.0.113.7", "203.0.113.7, 203.0.113.8", "10.0.0.0/33"}) EXPECT_FALSE(parse_addresses(text)) << text;
}

TEST(PrivateApi, CollectsNothing) {
  for (const auto* path : {"/api/private/v1.0/telemetry/events", "/api/private/unauth/telemetry/events", "/api/private/", "/api/private/x"})
    EXPECT_EQ(ask("POST", path).status, 404) << path;
}

}  // namespace
}  // namespace drover::api
