// From where users may authenticate, and how certificates do.
#include "sandbox/server/client_for_tests.h"

#include "sandbox/server/server_state.h"

namespace drover::sandbox {
namespace {

class RestrictionsTest : public SandboxClientTest {
 protected:
  void start_with_users(ServerVersion version) {
    start(SandboxOptions{.auth = true, .version = version});
    ASSERT_EQ(code("admin", R"({"createUser": "root", "pwd": "pw", "roles": ["root"], "mechanisms": ["SCRAM-SHA-1"]})"), 0);
    ASSERT_TRUE(log_in(*client_, "root", "admin"));
  }
  bool log_in(ClientConnection& connection, const std::string& user, const std::string& db) {
    const auto found = sandbox_->state().users.user({user, db});
    return found && *found && connection.auth.log_in(*found);
  }
  std::unique_ptr<ClientConnection> from(const std::string& client, const std::string& server = "192.0.2.1:27017") {
    auto connection = std::make_unique<ClientConnection>(sandbox_->state(), false);
    connection->auth.set_ends(client, server);
    return connection;
  }
  bool may(const std::string& user, const std::string& client, const std::string& server = "192.0.2.1:27017") { return log_in(*from(client, server), user, "admin"); }
};

TEST_F(RestrictionsTest, AUserAuthenticatesFromWhereItMay) {
  for (const auto version : {kTest44, kTest80}) {
    start_with_users(version);
    ASSERT_EQ(code("admin", R"({"createUser": "u", "pwd": "pw", "roles": [], "mechanisms": ["SCRAM-SHA-1"], "authenticationRestrictions": [
        {"clientSource": ["10.0.0.0/8", "2001:db8::/32"], "serverAddress": ["192.0.2.1"]}, {"clientSource": ["203.0.113.7"]}]})"), 0);
    EXPECT_TRUE(may("u", "10.1.2.3:4000"));
    EXPECT_TRUE(may("u", "[2001:db8::5]:4000"));
    EXPECT_TRUE(may("u", "203.0.113.7:1", "127.0.0.1:27017"));
    EXPECT_FALSE(may("u", "10.1.2.3:4000", "127.0.0.1:27017"));
    EXPECT_FALSE(may("u", "11.1.2.3:4000"));
    EXPECT_FALSE(may("u", ""));
    EXPECT_TRUE(may("root", "11.1.2.3:4000"));
    ASSERT_EQ(code("admin", R"({"updateUser": "u", "authenticationRestrictions": [{"serverAddress": ["127.0.0.0/8"]}]})"), 0);
    EXPECT_TRUE(may("u", "11.1.2.3:4000", "127.0.0.1:27017"));
    EXPECT_FALSE(may("u", "10.1.2.3:4000"));
    ASSERT_EQ(code("admin", R"({"updateUser": "u", "authenticationRestrictions": []})"), 0);
    EXPECT_TRUE(may("u", "11.1.2.3:4000"));
    EXPECT_FALSE(find("admin", "system.users", R"({"user": "u"})").at(0)["authenticationRestrictions"].exists());
  }
}

TEST_F(RestrictionsTest, RolesRestrictWhoHasThem) {
  start_with_users(kTest80);
  ASSERT_EQ(code("admin", R"({"createRole": "inner", "privileges": [], "roles": [], "authenticationRestrictions": [{"clientSource": ["10.0.0.0/8"]}]})"), 0);
  ASSERT_EQ(code("admin", R"({"createRole": "outer", "privileges": [], "roles": ["inner"]})"), 0);
  ASSERT_EQ(code("admin", R"({"createUser": "u", "pwd": "pw", "roles": ["outer"], "mechanisms": ["SCRAM-SHA-1"], "authenticationRestrictions": [{"clientSource": ["10.1.0.0/16", "11.0.0.0/8"]}]})"), 0);
  EXPECT_TRUE(may("u", "10.1.2.3:4000"));
  EXPECT_FALSE(may("u", "10.2.2.3:4000"));
  EXPECT_FALSE(may("u", "11.0.0.1:4000"));
  // Who is there is put out by a change, at its next command.
  auto connection = from("10.1.2.3:4000");
  ASSERT_TRUE(log_in(*connection, "u", "admin"));
  ASSERT_EQ(code("admin", R"({"updateRole": "inner", "authenticationRestrictions": [{"clientSource": ["12.0.0.0/8"]}]})"), 0);
  std::swap(client_, connection);
  EXPECT_TRUE(run("admin", R"({"connectionStatus": 1})").view().at_path("authInfo.authenticatedUsers").document_value().empty());
  EXPECT_EQ(code("admin", R"({"listCommands": 1})"), 13);
  std::swap(client_, connection);
  ASSERT_EQ(code("admin", R"({"updateRole": "inner", "authenticationRestrictions": []})"), 0);
  EXPECT_TRUE(may("u", "11.0.0.1:4000"));
}

TEST_F(RestrictionsTest, TheyAreShownWhenTheyAreAskedFor) {
  start_with_users(kTest80);
  ASSERT_EQ(code("admin", R"({"createRole": "r", "privileges": [{"resource": {"db": "d", "collection": ""}, "actions": ["find"]}], "roles": [],
      "authenticationRestrictions": [{"serverAddress": ["192.0.2.1"], "clientSource": ["10.0.0.0/8"]}]})"), 0);
  ASSERT_EQ(code("admin", R"({"createUser": "u", "pwd": "pw", "roles": ["r"], "mechanisms": ["SCRAM-SHA-1"], "authenticationRestrictions": [{"clientSource": ["11.0.0.0/8"]}]})"), 0);
  const std::string own = R"({"0":{"clientSource":["11.0.0.0/8"]}})", inherited = R"({"0":[{"clientSource":["10.0.0.0/8"],"serverAddress":["192.0.2.1"]}]})";
  const auto plain = run("admin", R"({"usersInfo": "u"})");
  EXPECT_FALSE(plain.view().at_path("users.0.authenticationRestrictions").exists());
  EXPECT_FALSE(run("admin", R"({"usersInfo": "u", "showPrivileges": true})").view().at_path("users.0.authenticationRestrictions").exists());
  const auto shown = run("admin", R"({"usersInfo": "u", "showAuthenticationRestrictions": true})");
  EXPECT_EQ(text(shown.view().at_path("users.0.authenticationRestrictions")), own);
  EXPECT_EQ(text(shown.view().at_path("users.0.inheritedAuthenticationRestrictions")), inherited);
  EXPECT_TRUE(shown.view().at_path("users.0.inheritedPrivileges").exists());
  EXPECT_EQ(code("admin", R"({"usersInfo": 1, "showAuthenticationRestrictions": true})"), 20);
  const auto role = run("admin", R"({"rolesInfo": "r", "showAuthenticationRestrictions": true})");
  EXPECT_EQ(text(role.view().at_path("roles.0.authenticationRestrictions")), inherited);
  EXPECT_EQ(text(role.view().at_path("roles.0.inheritedAuthenticationRestrictions")), inherited);
  EXPECT_FALSE(run("admin", R"({"rolesInfo": "r"})").view().at_path("roles.0.authenticationRestrictions").exists());
  const auto fragment = run("admin", R"({"rolesInfo": ["r", {"role": "read", "db": "x"}], "showPrivileges": "asUserFragment", "showAuthenticationRestrictions": true})");
  EXPECT_EQ(text(fragment.view().at_path("userFragment.roles")), R"({"0":{"role":"r","db":"admin"},"1":{"role":"read","db":"x"}})");
  EXPECT_EQ(text(fragment.view().at_path("userFragment.inheritedAuthenticationRestrictions")), inherited);
  EXPECT_EQ(text(fragment.view().at_path("userFragment.inheritedPrivileges")).find(R"({"resource":{"db":"d","collection":""},"actions":["find"]})") == std::string::npos, false);
  EXPECT_FALSE(fragment["roles"].exists());
  EXPECT_EQ(code("admin", R"({"rolesInfo": 1, "showPrivileges": "asUserFragment"})"), 20);
  EXPECT_EQ(code("admin", R"({"rolesInfo": "r", "showPrivileges": "asFragment"})"), 9);
}

TEST_F(RestrictionsTest, WhatIsNoRestrictionIsRefused) {
  start_with_users(kTest80);
  for (const auto& [given, code_wanted, reason] : {std::tuple(R"(["10.0.0.1"])", 12, "'authenticationRestrictions' array sub-documents must be address restriction objects"),
                                                   {R"([{}])", 162, "At least one of 'clientSource' and/or 'serverAddress' must be set"},
                                                   {R"([{"other": []}])", 2, "BSON field 'address restriction.other' is an unknown field."},
                                                   {R"([{"clientSource": ["host"]}])", 2, "Invalid IP address in CIDR string"},
                                                   {R"([{"clientSource": ["10.0.0.0/33"]}])", 2, "Invalid length in CIDR string"},
                                                   {R"([{"clientSource": ["10.0.0.0/x"]}])", 2, "Non-numeric length in CIDR string"}}) {
    for (const auto* command : {R"("createUser": "u", "pwd": "pw", "roles": [])", R"("updateUser": "root")", R"("createRole": "r", "privileges": [], "roles": [])"}) {
      const auto reply = run("admin", "{" + std::string(command) + R"(, "authenticationRestrictions": )" + given + "}");
      EXPECT_EQ(code_of(reply), code_wanted) << given;
      EXPECT_EQ(reply["errmsg"].to_string_view(), reason);
    }
  }
  EXPECT_EQ(code("admin", R"({"createUser": "u", "pwd": "pw", "roles": [], "authenticationRestrictions": {"clientSource": []}})"), 14);
  EXPECT_EQ(find("admin", "system.users").size(), 1u);
  // Whoever may make users may not restrict them by that alone.
  ASSERT_EQ(code("admin", R"({"createRole": "maker", "privileges": [{"resource": {"db": "admin", "collection": ""}, "actions": ["createUser"]}], "roles": []})"), 0);
  ASSERT_EQ(code("admin", R"({"createUser": "m", "pwd": "pw", "roles": ["maker"], "mechanisms": ["SCRAM-SHA-1"]})"), 0);
  auto maker = from("10.1.2.3:4000");
  ASSERT_TRUE(log_in(*maker, "m", "admin"));
  std::swap(client_, maker);
  EXPECT_EQ(code("admin", R"({"createUser": "v", "pwd": "pw", "roles": [], "authenticationRestrictions": [{"clientSource": ["10.0.0.1"]}]})"), 13);
  EXPECT_EQ(code("admin", R"({"createUser": "v", "pwd": "pw", "roles": []})"), 0);
  std::swap(client_, maker);
}

TEST_F(RestrictionsTest, ACertificateAuthenticatesAlsoInTheHandshake) {
  start_with_users(kTest80);
  ASSERT_EQ(code("$external", R"({"createUser": "CN=someone", "roles": [], "authenticationRestrictions": [{"clientSource": ["10.0.0.0/8"]}]})"), 0);
  const std::string speculative = R"({"hello": 1, "speculativeAuthenticate": {"authenticate": 1, "mechanism": "MONGODB-X509", "db": "$external"}})";
  const auto others = std::exchange(client_, from("10.1.2.3:4000"));
  EXPECT_FALSE(run("admin", speculative)["speculativeAuthenticate"].exists());  // without a certificate
  client_ = from("10.1.2.3:4000");
  client_->tls_subject = "CN=someone";
  EXPECT_EQ(text(run("admin", speculative)["speculativeAuthenticate"]), R"({"dbname":"$external","user":"CN=someone"})");
  EXPECT_EQ(text(run("admin", R"({"connectionStatus": 1})").view().at_path("authInfo.authenticatedUsers")), R"({"0":{"user":"CN=someone","db":"$external"}})");
  client_ = from("11.1.2.3:4000");
  client_->tls_subject = "CN=someone";
  EXPECT_FALSE(run("admin", speculative)["speculativeAuthenticate"].exists());
  EXPECT_EQ(code("$external", R"({"authenticate": 1, "mechanism": "MONGODB-X509"})"), 18);
  const auto elsewhere = run("admin", R"({"authenticate": 1, "mechanism": "MONGODB-X509"})");
  EXPECT_EQ(code_of(elsewhere), 17);
  EXPECT_EQ(elsewhere["errmsg"].to_string_view(), "X.509 authentication must always use the $external database.");
  EXPECT_EQ(code("$external", R"({"authenticate": 1, "mechanism": "PLAIN"})"), 2);
}

}  // namespace
}  // namespace drover::sandbox
