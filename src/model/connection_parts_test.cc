#include "model/connection_parts.h"

#include <gtest/gtest.h>

namespace drover {
namespace {

TEST(ConnectionParts, EveryMechanism) {
  ConnectionParts parts;
  parts.hosts = {"a:1", "[::1]:2"};
  EXPECT_EQ(connection_string(parts), "mongodb://a:1,[::1]:2/");
  parts.replica_set = "rs 0";
  parts.mechanism = AuthMechanism::kScramSha256;
  parts.user = "u@x";
  parts.password = "p:/?#[]@%";
  EXPECT_EQ(connection_string(parts), "mongodb://u%40x:p%3A%2F%3F%23%5B%5D%40%25@a:1,[::1]:2/?authSource=admin&authMechanism="
                                      "SCRAM-SHA-256&replicaSet=rs%200");
  parts.direct = true;
  parts.tls = true;
  parts.tls_ca_file = "/etc/a b.pem";
  parts.mechanism = AuthMechanism::kX509;
  parts.tls_certificate_key_file = "/c.pem";
  EXPECT_EQ(connection_string(parts), "mongodb://u%40x@a:1,[::1]:2/?authSource=%24external&authMechanism=MONGODB-X509&"
                                      "directConnection=true&tls=true&tlsCAFile=%2Fetc%2Fa%20b.pem&tlsCertificateKeyFile=%2Fc.pem");
  parts.mechanism = AuthMechanism::kNone;
  EXPECT_EQ(connection_string(parts).find("u%40x"), std::string::npos);
}

TEST(ConnectionParts, MechanismsByName) {
  for (const auto* name : {"NONE", "SCRAM-SHA-1", "SCRAM-SHA-256", "MONGODB-X509", "PLAIN", "GSSAPI"})
    EXPECT_STREQ(name_of(*auth_mechanism_of(name)), name);
  EXPECT_EQ(auth_mechanism_of("MONGODB_CR"), AuthMechanism::kScramSha1);
  for (const auto* name : {"", "MONGODB-OIDC", "OIDC", "scram-sha-1"}) EXPECT_FALSE(auth_mechanism_of(name)) << name;
}

TEST(ConnectionParts, HostsAndPorts) {
  for (const auto* right : {"a:1", "db-1.example.net:27017", "[::1]:65535", "10.0.0.1:27017"}) EXPECT_TRUE(is_host_and_port(right)) << right;
  for (const auto* wrong : {"", "a", ":1", "a:", "a:0", "a:65536", "a:x", "a b:1", "u:p@a:1", "a,b:1", "a/b:1", "::1:1"})
    EXPECT_FALSE(is_host_and_port(wrong)) << wrong;
}

}  // namespace
}  // namespace drover
