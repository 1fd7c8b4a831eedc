#include "cluster/uri.h"

#include <gtest/gtest.h>
#include <mongoc/mongoc.h>

namespace drover::cluster {
namespace {

TEST(Uri, RedactsCredentialsHoweverTheyAreWritten) {
  EXPECT_EQ(redact("mongodb://u:p@h:1,h:2/db?x=1"), "mongodb://h:1,h:2/db?x=1");
  EXPECT_EQ(redact("mongodb+srv://u:p@h/"), "mongodb+srv://h/");
  EXPECT_EQ(redact("mongodb://u:p/a@ss@h:1/"), "mongodb://h:1/");
  EXPECT_EQ(redact("mongodb://u:p?a@h:1/"), "mongodb://h:1/");
  EXPECT_EQ(redact("mongodb://h/?tlsCertificateKeyFilePassword=secret&tls=true"),
            "mongodb://h/?tlsCertificateKeyFilePassword=***&tls=true");
  EXPECT_EQ(redact("mongodb://h/?tls=true&authMechanismProperties=AWS_SESSION_TOKEN:x"),
            "mongodb://h/?tls=true&authMechanismProperties=***");
  EXPECT_EQ(redact("u:p@h"), "***");
}

TEST(Uri, ErrorsNameTheSideAndNotThePassword) {
  const auto bad = parse_uri({.uri = "mongodb://user:sec%zzret@h:1/", .side = Side::kDestination});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kUsage);
  EXPECT_NE(bad.error().message.find("destination"), std::string::npos);
  EXPECT_EQ(bad.error().message.find("sec"), std::string::npos) << bad.error().message;
  const auto unencoded = parse_uri({.uri = "mongodb://user:pass@word@h:1/"});
  ASSERT_FALSE(unencoded);
  EXPECT_EQ(unencoded.error().code, ErrorCode::kUsage);
  EXPECT_EQ(unencoded.error().message.find("word@"), std::string::npos) << unencoded.error().message;
  EXPECT_FALSE(parse_uri({.uri = "http://h"}));
  EXPECT_FALSE(parse_uri({.uri = ""}));
}

// The driver dies of some of these once a server answers.
TEST(Uri, HalfALoginIsRefused) {
  for (const auto* uri : {"mongodb://root@h:1/", "mongodb://root@h:1/?authMechanism=SCRAM-SHA-256", "mongodb://h:1/?authMechanism=SCRAM-SHA-1", "mongodb://root@h:1/?authMechanism=PLAIN",
                          "mongodb://h:1/?authMechanism=MONGODB-X509", "mongodb://h:1/?authMechanism=MONGODB-X509&tls=true"}) {
    const auto refused = parse_uri({.uri = uri});
    ASSERT_FALSE(refused) << uri;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage) << uri;
  }
  EXPECT_TRUE(parse_uri({.uri = "mongodb://root:@h:1/"})) << "an empty one is one";
}

TEST(Uri, UnreadableCertificatesAreRefusedBeforeTheDriverSeesThem) {
  const auto bad = parse_uri({.uri = "mongodb://h/?tls=true&tlsCAFile=/nonexistent.pem"});
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("/nonexistent.pem"), std::string::npos);
}

std::string refusal(const std::string& options) {
  const auto uri = parse_uri({.uri = "mongodb://u:p@h:1/db?" + options, .side = Side::kSource});
  if (uri) return "none";
  EXPECT_EQ(uri.error().code, ErrorCode::kUsage);
  return uri.error().message;
}

TEST(Uri, OptionsThatNobodyKnowsAreRefusedByName) {
  EXPECT_EQ(refusal("tsl=true"), "source connection string: there is no option tsl; did you mean `tls`?");
  EXPECT_EQ(refusal("w=majority&ReplicSet=rs&tls=true"), "source connection string: there is no option ReplicSet; did you mean `replicaSet`?");
  EXPECT_EQ(refusal("foo=bar"), "source connection string: there is no option foo");
  EXPECT_EQ(refusal("tls=true&foo=se%40cret"), "source connection string: there is no option foo");
}

TEST(Uri, WhatSaysHowToConnectIsNotPassedOver) {
  for (const std::string option : {"proxyHost", "proxyPort", "proxyUsername", "proxyPassword", "tlsCRLFile"}) {
    EXPECT_EQ(refusal(option + "=secret").find("source connection string: the option " + option + " is not supported; "), 0U) << refusal(option + "=1");
    EXPECT_EQ(refusal(option + "=secret").find("secret"), std::string::npos);
  }
}

TEST(Uri, AnUnknownOptionThatMayBePartOfAPasswordIsNotNamed) {
  const auto bad = parse_uri({.uri = "mongodb://user:12/x?secret=word@h/"});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().message.find("secret"), std::string::npos) << bad.error().message;
}

TEST(Uri, EveryOptionOfTheSpecificationIsTakenInWhateverCase) {
  const char* harmless = "appname=a&authMechanism=SCRAM-SHA-256&authSource=admin&compressors=zlib&connectTimeoutMS=1&"
                         "heartbeatFrequencyMS=500&journal=true&localThresholdMS=1&maxConnecting=2&maxIdleTimeMS=1&maxPoolSize=1&minPoolSize=0&"
                         "maxStalenessSeconds=90&readConcernLevel=majority&readPreference=secondaryPreferred&readPreferenceTags=dc:a&readPreferenceTags=&replicaSet=rs&"
                         "retryReads=true&retryWrites=true&serverMonitoringMode=poll&serverSelectionTimeoutMS=1&serverSelectionTryOnce=false&"
                         "socketTimeoutMS=1&timeoutMS=1&tls=true&tlsDisableOCSPEndpointCheck=false&"
                         "uuidRepresentation=standard&w=majority&waitQueueTimeoutMS=1&waitQueueMultiple=1&wTimeoutMS=1&zlibCompressionLevel=1";
  EXPECT_EQ(refusal(harmless), "none");
  EXPECT_EQ(refusal("AUTHSOURCE=admin&Tls=true&UUIDREPRESENTATION=standard"), "none");
  EXPECT_EQ(refusal("authMechanism=GSSAPI&authSource=$external&authMechanismProperties=CANONICALIZE_HOST_NAME:true,SERVICE_NAME:x"), "none");
  EXPECT_EQ(refusal("ssl=true&sslAllowInvalidHostnames=true&socketCheckIntervalMS=1"), "none");
  EXPECT_TRUE(parse_uri({.uri = "mongodb+srv://h.example.com/?srvMaxHosts=1&srvServiceName=mongodb&loadBalanced=false"}));
  EXPECT_TRUE(parse_uri({.uri = "mongodb://h"}));
  EXPECT_TRUE(parse_uri({.uri = "mongodb://u:p%3Ffoo%3Dbar@h/"}));
}

TEST(Uri, OneHostIsASeedAndRepeatingIsOurs) {
  const auto uri = parse_uri({.uri = "mongodb://h:1/?serverSelectionTimeoutMS=3000&socketTimeoutMS=5000"});
  ASSERT_TRUE(uri);
  EXPECT_EQ(uri->selection_limit, std::chrono::milliseconds(3000));
  EXPECT_EQ(uri->reply_limit, std::chrono::milliseconds(5000));
  EXPECT_TRUE(mongoc_uri_has_option(uri->driver.get(), MONGOC_URI_DIRECTCONNECTION));
  EXPECT_FALSE(mongoc_uri_get_option_as_bool(uri->driver.get(), MONGOC_URI_RETRYWRITES, true));
  EXPECT_EQ(hosts_of(uri->driver.get()), "h:1");
  EXPECT_STREQ(mongoc_uri_get_appname(uri->driver.get()), "drover");
}

TEST(Uri, AProgramsNameIsItsOwnWhateverTheStringSays) {
  const auto uri = parse_uri({.uri = "mongodb://h:1/?appName=Cluster0", .app_name = "drover migrate"});
  ASSERT_TRUE(uri);
  EXPECT_STREQ(mongoc_uri_get_appname(uri->driver.get()), "drover migrate");
}

TEST(Uri, ACallersLimitsHoldWhateverTheStringSays) {
  using std::chrono::milliseconds;
  const auto text = "mongodb://h/?ServerSelectionTimeoutMS=2000000000&CONNECTTIMEOUTMS=2000000000&socketTimeoutMs=0&waitqueuetimeoutms=2000000000";
  const auto uri = parse_uri({.uri = text, .selection_limit = milliseconds(5000), .reply_limit = milliseconds(20'000)});
  ASSERT_TRUE(uri) << uri.error().message;
  EXPECT_EQ(uri->selection_limit, milliseconds(5000));
  EXPECT_EQ(uri->reply_limit, milliseconds(20'000));
  const auto of = [&](const char* option) { return mongoc_uri_get_option_as_int32(uri->driver.get(), option, -1); };
  EXPECT_EQ(of(MONGOC_URI_CONNECTTIMEOUTMS), 5000);
  EXPECT_EQ(of(MONGOC_URI_WAITQUEUETIMEOUTMS), 5000);
  EXPECT_EQ(of(MONGOC_URI_SOCKETTIMEOUTMS), 20'000);
  EXPECT_LE(of(MONGOC_URI_SERVERSELECTIONTIMEOUTMS), 5000);
}

}  // namespace
}  // namespace drover::cluster
