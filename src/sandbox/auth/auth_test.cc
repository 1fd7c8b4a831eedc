#include <gtest/gtest.h>

#include "net/crypto.h"
#include "sandbox/auth/builtin_roles.h"
#include "sandbox/auth/privileges.h"
#include "sandbox/auth/scram.h"

namespace drover::sandbox::auth {
namespace {

constexpr ServerVersion k44{4, 4, 1};
constexpr ServerVersion k80{8, 0, 4};

Resource collection(const char* db, const char* name) { return {Resource::Kind::kCollection, {db, name}}; }
Resource database(const char* db) { return {Resource::Kind::kDatabase, {db, ""}}; }
Resource cluster() { return {Resource::Kind::kCluster, {}}; }

PrivilegeSet roles(std::initializer_list<const char*> names, ServerVersion version) {
  PrivilegeSet all;
  for (const char* name : names) all.merge(*builtin_role(name, "admin", version));
  return all;
}

// The client's side of SCRAM, as a driver computes it.
class Client {
 public:
  Client(Mechanism mechanism, std::string user, std::string password)
      : digest_(mechanism == Mechanism::kSha1 ? net::Digest::kSha1 : net::Digest::kSha256), user_(std::move(user)), password_(std::move(password)) {}
  std::string first() const { return "n,," + bare(); }
  std::string proof(const std::string& challenge) {
    const auto at = [&](char name) {
      const auto begin = challenge.find(std::string(1, name) + "=") + 2;
      return challenge.substr(begin, challenge.find(',', begin) - begin);
    };
    const auto salted = *net::pbkdf2(digest_, password_, *net::base64_decode(at('s')), std::stoi(at('i')));
    const auto key = net::hmac(digest_, salted, "Client Key");
    const auto without_proof = "c=biws,r=" + at('r');
    const auto message = bare() + "," + challenge + "," + without_proof;
    auto proof = net::hmac(digest_, net::digest(digest_, key), message);
    for (std::size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ key[i]);
    server_signature_ = "v=" + net::base64_encode(net::hmac(digest_, net::hmac(digest_, salted, "Server Key"), message));
    return without_proof + ",p=" + net::base64_encode(proof);
  }
  const std::string& server_signature() const { return server_signature_; }

 private:
  std::string bare() const { return "n=" + user_ + ",r=clientnonce"; }
  net::Digest digest_;
  std::string user_, password_, server_signature_;
};

TEST(Scram, BothSidesProveThePassword) {
  const auto credentials = *ScramCredentials::make(Mechanism::kSha256, "user", "pencil", 4096);
  ScramConversation server(Mechanism::kSha256);
  Client client(Mechanism::kSha256, "user", "pencil");
  ASSERT_TRUE(server.read_first(client.first()));
  EXPECT_EQ(server.user_name(), "user");
  const auto answer = server.verify(client.proof(server.challenge(credentials)));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer, client.server_signature());
}

TEST(Scram, Sha1TakesTheDigestOfThePassword) {
  const auto credentials = *ScramCredentials::make(Mechanism::kSha1, "user", "pencil", 4096);
  const auto digest = net::hex_encode(net::digest(net::Digest::kMd5, "user:mongo:pencil"));
  ScramConversation server(Mechanism::kSha1);
  Client client(Mechanism::kSha1, "user", digest);
  ASSERT_TRUE(server.read_first(client.first()));
  EXPECT_TRUE(server.verify(client.proof(server.challenge(credentials))));
}

TEST(Scram, AnotherPasswordIsRefused) {
  const auto credentials = *ScramCredentials::make(Mechanism::kSha256, "user", "pencil", 4096);
  ScramConversation server(Mechanism::kSha256);
  Client client(Mechanism::kSha256, "user", "pen");
  ASSERT_TRUE(server.read_first(client.first()));
  EXPECT_FALSE(server.verify(client.proof(server.challenge(credentials))));
}

TEST(Scram, NamesAreUnescapedAndGarbageIsRefused) {
  ScramConversation server(Mechanism::kSha256);
  ASSERT_TRUE(server.read_first("n,,n=a=2Cb=3Dc,r=x"));
  EXPECT_EQ(server.user_name(), "a,b=c");
  for (const char* garbage : {"", "garbage", "p=tls-unique,,n=a,r=x", "n,,n=a=2Xb,r=x", "n,,n=,r=x", "n,,n=a,r=", "n,,r=x"}) {
    EXPECT_FALSE(ScramConversation(Mechanism::kSha256).read_first(garbage)) << garbage;
  }
  for (const char* garbage : {"", "c=biws", "c=biws,r=x,p=", "p=AAAA"}) EXPECT_FALSE(server.verify(garbage)) << garbage;
}

TEST(Scram, CredentialsAreStoredAndReadBack) {
  const auto made = *ScramCredentials::make(Mechanism::kSha256, "user", "pencil", 4096);
  bson::Builder out;
  made.append_to(out, "x");
  const auto read = ScramCredentials::parse(std::move(out).finish()["x"].document_value());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->stored_key, made.stored_key);
  EXPECT_EQ(read->iterations, 4096);
}

TEST(Privileges, SystemCollectionsAreNotNormal) {
  PrivilegeSet set;
  set.add(ResourcePattern::any_normal(), "find");
  EXPECT_TRUE(set.allows("find", collection("a", "b")));
  EXPECT_FALSE(set.allows("find", collection("a", "system.users")));
  EXPECT_FALSE(set.allows("find", collection("local", "oplog.rs")));
  EXPECT_FALSE(set.allows("insert", collection("a", "b")));
  EXPECT_TRUE(set.allows("find", database("a")));
  EXPECT_FALSE(set.allows("find", cluster()));
}

TEST(Privileges, DatabaseAndExactResources) {
  PrivilegeSet set;
  set.add(ResourcePattern::database("a"), "find");
  set.add(ResourcePattern::exact("b", "system.js"), "find");
  EXPECT_TRUE(set.allows("find", collection("a", "x")));
  EXPECT_FALSE(set.allows("find", collection("a", "system.js")));
  EXPECT_TRUE(set.allows("find", collection("b", "system.js")));
  EXPECT_FALSE(set.allows("find", collection("b", "x")));
}

TEST(Privileges, PrintedAndParsedTheyAreTheSame) {
  const auto set = roles({"clusterMonitor", "restore"}, k80);
  const auto again = PrivilegeSet::parse(set.to_bson());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->entries(), set.entries());
}

TEST(BuiltinRoles, AMigrationsUserMayDoWhatItNeeds) {
  for (const auto version : {k44, k80}) {
    const auto user = roles({"backup", "clusterMonitor", "clusterManager", "readWriteAnyDatabase", "restore"}, version);
    for (const char* action : {"find", "insert", "update", "remove", "createCollection", "createIndex", "dropCollection", "collMod",
                               "listIndexes", "listCollections", "changeStream", "bypassDocumentValidation"}) {
      EXPECT_TRUE(user.allows(action, collection("app", "c"))) << action;
    }
    for (const char* action : {"appendOplogNote", "listDatabases", "replSetGetStatus", "replSetGetConfig", "useUUID", "inprog", "getParameter"}) {
      EXPECT_TRUE(user.allows(action, cluster())) << action;
    }
    EXPECT_TRUE(user.allows("find", collection("local", "oplog.rs")));
    EXPECT_TRUE(user.allows("find", collection("admin", "system.users")));
    EXPECT_TRUE(user.allows("changeStream", database("")));
    EXPECT_EQ(user.allows("setUserWriteBlockMode", cluster()), version == k80);
    EXPECT_EQ(user.allows("bypassWriteBlockingMode", cluster()), version == k80);
    EXPECT_FALSE(user.allows("shutdown", cluster()));
  }
}

TEST(BuiltinRoles, EachMissingRoleIsMissed) {
  EXPECT_FALSE(roles({"clusterMonitor", "clusterManager", "readWriteAnyDatabase"}, k80).allows("bypassWriteBlockingMode", cluster()));
  EXPECT_FALSE(roles({"backup", "clusterMonitor", "readWriteAnyDatabase", "restore"}, k80).allows("setUserWriteBlockMode", cluster()));
  EXPECT_FALSE(roles({"backup", "clusterManager", "readWriteAnyDatabase"}, k44).allows("inprog", cluster()));
  EXPECT_FALSE(roles({"backup", "clusterMonitor", "clusterManager", "restore"}, k44).allows("update", collection("a", "b")));
}

TEST(BuiltinRoles, BelongToTheirDatabase) {
  const auto read = *builtin_role("read", "a", k44);
  EXPECT_TRUE(read.allows("find", collection("a", "x")));
  EXPECT_FALSE(read.allows("find", collection("b", "x")));
  EXPECT_FALSE(read.allows("insert", collection("a", "x")));
  EXPECT_FALSE(builtin_role("root", "a", k44));
  EXPECT_FALSE(builtin_role("nosuch", "admin", k44));
  EXPECT_TRUE(builtin_role("__system", "admin", k44)->allows("anything", collection("local", "system.replset")));
}

}  // namespace
}  // namespace drover::sandbox::auth
