// The table of commands, and what they ask of a site.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote/actions.h"
#include "remote/answer_error.h"
#include "remote/run.h"
#include "remote/testing/fake_site.h"
#include "remote/verb.h"

namespace drover::remote {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> names;
  for (auto at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) names.emplace_back(text.substr(at + 1, text.find('}', at) - at - 1));
  return names;
}

TEST(Table, EachRowIsWhole) {
  std::set<std::string> seen, known;
  for (const auto& group : groups()) known.insert(std::string(group.name));
  for (const auto& verb : verbs()) {
    const auto name = fmt::format("{} {}", verb.group, verb.name);
    EXPECT_TRUE(known.contains(std::string(verb.group))) << name;
    EXPECT_TRUE(seen.insert(name).second) << name << " is there twice";
    EXPECT_FALSE(verb.summary.empty() || verb.summary.ends_with('.')) << name;
    EXPECT_TRUE(verb.path.starts_with('/')) << name;
    ASSERT_FALSE(verb.examples.empty()) << name << " has no example";
    EXPECT_TRUE(verb.examples.front().command.starts_with("drover " + name)) << name;
    EXPECT_EQ(verb.shape == Shape::kList, !verb.columns.empty()) << name;
    EXPECT_TRUE(verb.shape != Shape::kList || verb.method != "GET" || verb.done.starts_with("No ")) << name << " says nothing of an empty list";
    std::set<std::string> arguments, places;
    for (const auto& argument : verb.arguments) {
      EXPECT_TRUE(arguments.insert(std::string(argument.name)).second) << name << " " << argument.name;
      EXPECT_FALSE(argument.help.empty()) << name << " " << argument.name;
      if (!argument.place.empty()) places.insert(std::string(argument.place));
      if (argument.place.empty()) {
        EXPECT_TRUE(verb.action != nullptr || verb.finish != nullptr) << name << " " << argument.name << " is read by nobody";
      }
      if (argument.kind == Kind::kNumber) {
        EXPECT_TRUE(argument.low <= argument.otherwise && argument.otherwise <= argument.high) << name << " " << argument.name;
      }
    }
    for (const auto& hole : names_in(verb.path)) {
      EXPECT_TRUE(hole == "orgId" || hole == "groupId" || places.contains("path:" + hole)) << name << " " << hole;
    }
    for (const auto& hole : names_in(verb.question)) EXPECT_TRUE(arguments.contains(hole)) << name << " asks of " << hole;
    // What ends something is asked before.
    EXPECT_TRUE(verb.method != "DELETE" || !verb.question.empty() || name == "key disallow") << name;
  }
  for (const auto& group : known)
    EXPECT_TRUE(std::any_of(verbs().begin(), verbs().end(), [&](const Verb& verb) { return verb.group == group; })) << group << " is empty";
}

class VerbTest : public ::testing::Test {
 protected:
  static const Verb& verb(std::string_view group, std::string_view name) {
    for (const auto& one : verbs())
      if (one.group == group && one.name == name) return one;
    throw std::out_of_range("no such verb");
  }

  // As the command line does it.
  Result<int> run(FakeSite& site, std::string_view group, std::string_view name, const std::map<std::string, std::string>& given = {}, std::vector<std::string> texts = {},
                  bool json = true, const std::string& out = "") {
    const auto& one = verb(group, name);
    Values values;
    for (const auto& argument : one.arguments) {
      auto& value = values[std::string(argument.name)];
      value.number = argument.otherwise;
      if (const auto found = given.find(std::string(argument.name)); found != given.end()) {
        value.text = found->second;
        value.flag = argument.kind == Kind::kFlag;
      }
      if (argument.kind == Kind::kTexts) value.texts = texts;
    }
    auto login = site.login();
    login.org = org_;
    login.project = project_;
    output_.clear();
    notes_.clear();
    const Surroundings around{.runtime = *runtime_, .stop = {}, .json = json, .terminal = false, .width = 80,
                              .out = [this](std::string_view text) { output_ += text; },
                              .note = [this](std::string_view text) { notes_ += std::string(text) + "\n"; }};
    return run_verb(one, values, login, {{one.site, std::chrono::seconds(5)}, out}, around);
  }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::string org_ = "66bb00000000000000000001", project_ = "66ee00000000000000000001";
  std::string output_, notes_;
};

TEST_F(VerbTest, AListIsOneEnvelopeOrATable) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, R"({"results":[{"id":"1","publicKey":"abcdefgh","desc":"mine","roles":[{"roleName":"ORG_OWNER"}]}],"totalCount":1})"); });
  EXPECT_EQ(*run(site, "key", "list"), 0);
  EXPECT_EQ(output_, R"({"results":[{"id":"1","publicKey":"abcdefgh","desc":"mine","roles":[{"roleName":"ORG_OWNER"}]}],"totalCount":1})" "\n");
  EXPECT_EQ(*run(site, "key", "list", {}, {}, false), 0);
  EXPECT_EQ(output_, "ID  PUBLIC KEY  DESCRIPTION  ROLES\n1   abcdefgh    mine         ORG_OWNER\n");
  EXPECT_THAT(site.asked().front(), HasSubstr("GET /api/atlas/v2/orgs/66bb00000000000000000001/apiKeys?pageNum=1"));
}

TEST_F(VerbTest, AnEmptyListSaysSo) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, R"({"results":[],"totalCount":0})"); });
  EXPECT_EQ(*run(site, "deployment", "alerts", {}, {}, false), 0);
  EXPECT_EQ(output_, "");
  EXPECT_EQ(notes_, "No alerts.\n");
  EXPECT_EQ(*run(site, "deployment", "alerts"), 0);
  EXPECT_EQ(output_ + notes_, R"({"results":[],"totalCount":0})" "\n");
}

TEST_F(VerbTest, AnEmptyLogSaysSo) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, R"({"lines":[]})"); });
  EXPECT_EQ(*run(site, "migration", "log", {{"MIGRATION", "66dd00000000000000000001"}}, {}, false), 0);
  EXPECT_EQ(output_, "");
  EXPECT_EQ(notes_, "The migration host has sent no lines of the engine's log.\n");
  EXPECT_EQ(*run(site, "migration", "log", {{"MIGRATION", "66dd00000000000000000001"}}), 0);
  EXPECT_EQ(output_, R"({"lines":[]})" "\n");
}

TEST_F(VerbTest, AListWithinAThingIsATable) {
  FakeSite site([](const net::HttpRequest&) {
    return FakeSite::json(200, R"({"_id":"66dd00000000000000000001","status":"WORKING","checks":[{"id":"oplog","status":"PASSED"},{"id":"login","status":"WARNING","detail":"x"}]})");
  });
  EXPECT_EQ(*run(site, "migration", "show", {{"MIGRATION", "66dd00000000000000000001"}}, {}, false), 0);
  EXPECT_EQ(output_, "_id     66dd00000000000000000001\nstatus  WORKING\n\nchecks:\nid     status   detail\noplog  PASSED\nlogin  WARNING  x\n");
}

TEST_F(VerbTest, NothingIsAnEmptyObject) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(204, ""); });
  EXPECT_EQ(*run(site, "project", "delete", {{"PROJECT", "66ee00000000000000000009"}}), 0);
  EXPECT_EQ(output_, "{}\n");
  EXPECT_THAT(site.asked(), ElementsAre("DELETE /api/atlas/v2/groups/66ee00000000000000000009"));
  EXPECT_EQ(*run(site, "project", "delete", {{"PROJECT", "66ee00000000000000000009"}}, {}, false), 0);
  EXPECT_EQ(output_, "");
  EXPECT_EQ(notes_, "The project is deleted.\n");
}

TEST_F(VerbTest, ACustomRolesBodyIsTheApis) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(202, R"({"roleName":"auditor"})"); });
  // Every repeatable argument is given the same texts here.
  EXPECT_EQ(*run(site, "database-role", "create", {{"NAME", "auditor"}}, {"FIND@shop.orders.2026", "FIND@books", "SERVER_STATUS"}), 0);
  const auto asked = site.asked().back();
  EXPECT_THAT(asked, HasSubstr("POST /api/atlas/v2/groups/66ee00000000000000000001/customDBRoles/roles "));
  EXPECT_THAT(asked, HasSubstr(R"("roleName":"auditor")"));
  EXPECT_THAT(asked, HasSubstr(R"("actions":[{"action":"FIND","resources":[{"db":"shop","collection":"orders.2026"},{"db":"books","collection":""}]},)"
                               R"({"action":"SERVER_STATUS","resources":[{"cluster":true}]}])"));
  EXPECT_THAT(asked, HasSubstr(R"("inheritedRoles":[{"role":"FIND","db":"shop.orders.2026"},{"role":"FIND","db":"books"},{"role":"SERVER_STATUS","db":"admin"}])"));
  EXPECT_EQ(*run(site, "database-role", "set", {{"ROLE", "auditor"}}), 0);
  EXPECT_EQ(site.asked().back(), "PATCH /api/atlas/v2/groups/66ee00000000000000000001/customDBRoles/roles/auditor {}");
}

TEST_F(VerbTest, ANameThatIsLeftOutIsNotEveryOne) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(202, "{}"); });
  for (const auto* text : {"FIND@", "FIND@.orders", "FIND@shop.", "FIND@.", "@shop", "@", ""}) {
    const auto ran = run(site, "database-role", "create", {{"NAME", "auditor"}}, {text});
    ASSERT_FALSE(ran) << text;
    EXPECT_EQ(ran.error().code, ErrorCode::kUsage) << text;
    EXPECT_THAT(ran.error().message, HasSubstr("ACTION@DATABASE.COLLECTION")) << text;
  }
  for (const auto* text : {"readWrite@", "@shop", ""}) {
    Values values;
    values["--role"].texts = values["--inherit"].texts = {text};
    const auto of_user = with_roles_and_scopes(values, Json(Json::Object{})), of_role = with_actions_and_roles(values, Json(Json::Object{}));
    ASSERT_FALSE(of_user || of_role) << text;
    EXPECT_THAT(of_user.error().message, HasSubstr("--role " + std::string(text) + ": it must be ROLE or ROLE@DATABASE"));
    EXPECT_THAT(of_role.error().message, HasSubstr("--inherit " + std::string(text) + ": it must be ROLE or ROLE@DATABASE"));
  }
  EXPECT_TRUE(site.asked().empty());
}

TEST_F(VerbTest, ACloudProviderIsNamedWithItsRegion) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(201, "{}"); });
  std::map<std::string, std::string> given{{"NAME", "shop"}, {"--connection-string", "mongodb://db/"}, {"--provider", "AWS"}};
  const auto ran = run(site, "cluster", "register", given);
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().code, ErrorCode::kUsage);
  EXPECT_THAT(ran.error().message, HasSubstr("--provider AWS needs --region"));
  EXPECT_TRUE(site.asked().empty());
  given["--region"] = "EU_WEST_1";
  EXPECT_TRUE(run(site, "cluster", "register", given));
  EXPECT_THAT(site.asked().back(), HasSubstr(R"("providerName":"AWS","regionName":"EU_WEST_1")"));
}

TEST_F(VerbTest, SettingsAndAccountsOfAProject) {
  FakeSite site([](const net::HttpRequest& request) {
    if (request.path.ends_with("/orgs/66bb00000000000000000001/serviceAccounts")) return FakeSite::json(200, R"({"results":[{"clientId":"mdb_sa_id_1","name":"deploy"}]})");
    return FakeSite::json(200, "{}");
  });
  const std::string project = "/api/atlas/v2/groups/66ee00000000000000000001";
  EXPECT_EQ(*run(site, "project", "set", {{"PROJECT", project_}, {"--collect-database-statistics", "off"}}), 0);
  EXPECT_EQ(site.asked().back(), "PATCH " + project + R"(/settings {"isCollectDatabaseSpecificsStatisticsEnabled":false})");
  EXPECT_EQ(*run(site, "project", "rename", {{"PROJECT", project_}, {"NAME", "Books"}}), 0);
  EXPECT_EQ(site.asked().back(), "PATCH " + project + R"( {"name":"Books"})");
  EXPECT_EQ(*run(site, "service-account", "give", {{"ACCOUNT", "deploy"}}, {"GROUP_OWNER"}), 0);
  EXPECT_EQ(site.asked().back(), "POST " + project + R"(/serviceAccounts/mdb_sa_id_1:invite {"roles":["GROUP_OWNER"]})");
  EXPECT_EQ(*run(site, "service-account", "take", {{"ACCOUNT", "deploy"}}), 0);
  EXPECT_EQ(site.asked().back(), "DELETE " + project + "/serviceAccounts/mdb_sa_id_1");
  EXPECT_EQ(*run(site, "org", "rename", {{"ORG", org_}, {"NAME", "Books"}}), 0);
  EXPECT_EQ(site.asked().back(), R"(PATCH /api/atlas/v2/orgs/66bb00000000000000000001 {"name":"Books"})");
}

TEST_F(VerbTest, NamesBecomeIds) {
  project_ = "Shop";
  FakeSite site([](const net::HttpRequest& request) {
    if (request.path == "/api/public/v1.0/groups") return FakeSite::json(200, R"({"results":[{"id":"66ee00000000000000000002","name":"Shop"}]})");
    if (request.path.ends_with("/clusters")) return FakeSite::json(200, R"({"results":[{"id":"66dd00000000000000000001","clusterName":"shop RS"}]})");
    return FakeSite::json(200, R"({"id":"66dd00000000000000000001"})");
  });
  EXPECT_EQ(*run(site, "deployment", "show", {{"DEPLOYMENT", "shop RS"}}), 0);
  EXPECT_EQ(site.asked().back(), "GET /api/public/v1.0/groups/66ee00000000000000000002/clusters/66dd00000000000000000001");
  const auto none = run(site, "deployment", "show", {{"DEPLOYMENT", "shopRS"}});
  ASSERT_FALSE(none);
  EXPECT_EQ(exit_code_of(none.error()), kExitNotFound);
}

TEST_F(VerbTest, AKeyOfAHostThatIsNeededGoesByForceOnly) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, "{}"); });
  std::map<std::string, std::string> key{{"KEY", "66aa00000000000000000001"}};
  EXPECT_TRUE(run(site, "agent-key", "delete", key));
  EXPECT_EQ(site.asked().back(), "DELETE /api/public/v1.0/groups/66ee00000000000000000001/agentapikeys/66aa00000000000000000001");
  key["--force"] = "";
  EXPECT_TRUE(run(site, "agent-key", "delete", key));
  EXPECT_EQ(site.asked().back(), "DELETE /api/public/v1.0/groups/66ee00000000000000000001/agentapikeys/66aa00000000000000000001?force=true");
}

TEST_F(VerbTest, WaysOutAreAskedForByForce) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, R"({"_id": "66aa00000000000000000001", "status": "WORKING"})"); });
  std::map<std::string, std::string> nothing, migration{{"MIGRATION", "66aa00000000000000000001"}};
  EXPECT_TRUE(run(site, "link", "disconnect", nothing));
  EXPECT_TRUE(site.asked().back().ends_with("/liveExport/migrationLink")) << site.asked().back();
  nothing["--force"] = "";
  EXPECT_TRUE(run(site, "link", "disconnect", nothing));
  EXPECT_TRUE(site.asked().back().ends_with("/liveExport/migrationLink?force=true")) << site.asked().back();
  EXPECT_TRUE(run(site, "migration", "cancel", migration));
  EXPECT_TRUE(site.asked().back().ends_with("/66aa00000000000000000001/cancel {}")) << site.asked().back();
  migration["--force"] = "";
  EXPECT_TRUE(run(site, "migration", "cancel", migration));
  EXPECT_TRUE(site.asked().back().ends_with("/66aa00000000000000000001/cancel?force=true {}")) << site.asked().back();
}

TEST_F(VerbTest, TheOnlyOrganizationNeedsNoName) {
  org_ = "";
  std::string orgs = R"({"results":[{"id":"66bb00000000000000000007","name":"Shop"}]})";
  FakeSite site([&](const net::HttpRequest& request) { return FakeSite::json(200, request.path.ends_with("/orgs") ? orgs : R"({"results":[]})"); });
  EXPECT_EQ(*run(site, "project", "list"), 0);
  EXPECT_THAT(site.asked().back(), HasSubstr("/orgs/66bb00000000000000000007/groups"));
  orgs = R"({"results":[{"id":"66bb00000000000000000007","name":"Shop"},{"id":"66bb00000000000000000008","name":"Books"}]})";
  const auto which = run(site, "project", "list");
  ASSERT_FALSE(which);
  EXPECT_THAT(which.error().message, HasSubstr("--org"));
  EXPECT_THAT(which.error().message, HasSubstr("66bb00000000000000000008 (Books)"));
}

class SecretTest : public VerbTest {
 protected:
  SecretTest() {
    std::string pattern = ::testing::TempDir() + "secret test XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~SecretTest() override { std::filesystem::remove_all(directory_); }
  std::string secret_file(const std::string& name, const std::string& text) {
    const auto path = directory_ + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), 0600);
    return path;
  }
  static std::string content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string directory_;
};

TEST_F(SecretTest, AKeyIsShownOnceOrKept) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, R"({"id":"1","publicKey":"ijklmnop","privateKey":"the new secret"})"); });
  EXPECT_EQ(*run(site, "key", "create", {{"--description", "d"}}, {"ORG_OWNER", "ORG_MEMBER"}, false), 0);
  EXPECT_THAT(output_, HasSubstr("the new secret"));
  EXPECT_THAT(site.asked(), ElementsAre(R"(POST /api/atlas/v2/orgs/66bb00000000000000000001/apiKeys {"desc":"d","roles":["ORG_OWNER","ORG_MEMBER"]})"));
  const auto path = directory_ + "/key.json";
  EXPECT_EQ(*run(site, "key", "create", {{"--description", "d"}}, {"ORG_OWNER"}, true, path), 0);
  EXPECT_THAT(output_, Not(HasSubstr("the new secret")));
  const auto login = find_login({.credentials = path}, SiteRole::kAny, [](const char*) { return std::string(); }, {});
  ASSERT_TRUE(login) << login.error().message;
  EXPECT_EQ(login->private_key, "the new secret");
  EXPECT_EQ(login->site, site.login().site);
  EXPECT_EQ(login->org, "66bb00000000000000000001");
  // Nothing is made when there is no place for its secret.
  const auto before = site.asked().size();
  EXPECT_FALSE(run(site, "key", "create", {{"--description", "d"}}, {"ORG_OWNER"}, true, path));
  EXPECT_EQ(site.asked().size(), before);
}

TEST_F(SecretTest, ALinkTokenGoesFromOneSiteToTheOther) {
  FakeSite site([](const net::HttpRequest& request) { return request.path.ends_with("linkTokens") ? FakeSite::json(201, R"({"linkToken":"abc.def"})") : FakeSite::json(200, R"({"status":"SYNCED"})"); });
  EXPECT_EQ(*run(site, "link", "create-token", {}, {}, false), 0);
  EXPECT_EQ(output_, "abc.def\n");
  EXPECT_EQ(site.asked().back(), "POST /api/atlas/v2/orgs/66bb00000000000000000001/liveMigrations/linkTokens {}");
  EXPECT_EQ(*run(site, "link", "create-token", {}, {"10.0.0.1"}, true, directory_ + "/token"), 0);
  EXPECT_EQ(content(directory_ + "/token"), "abc.def\n");
  EXPECT_THAT(output_, Not(HasSubstr("abc.def")));
  EXPECT_EQ(*run(site, "link", "connect", {{"--token-file", directory_ + "/token"}}), 0);
  EXPECT_EQ(site.asked().back(), R"(POST /api/public/v1.0/orgs/66bb00000000000000000001/liveExport/migrationLink {"linkToken":"abc.def"})");
  EXPECT_EQ(*run(site, "link", "connect", {{"--token-file", secret_file("token.json", R"({"linkToken":"g.h"})")}}), 0);
  EXPECT_THAT(site.asked().back(), HasSubstr(R"({"linkToken":"g.h"})"));
  const auto wrong = run(site, "link", "connect", {{"--token-file", secret_file("wrong", "two words")}});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, Not(HasSubstr("two words")));
}

TEST_F(SecretTest, AMigrationsBodyIsTheApis) {
  FakeSite site([](const net::HttpRequest& request) {
    if (request.path.ends_with("availableProjects")) return FakeSite::json(200, R"j([{"projectId":"66ee00000000000000000005","name":"Shop (prod)","deployments":[],"migrationHosts":[]}])j");
    return FakeSite::json(201, R"({"_id":"66aa00000000000000000001","status":"NEW"})");
  });
  EXPECT_EQ(*run(site, "migration", "start",
                 {{"--cluster", "shop-atlas"}, {"--source-project", "Shop (prod)"}, {"--source-cluster", "shopRS"}, {"--host", "mig01"}, {"--source-username", "root"},
                  {"--source-password-file", secret_file("pw", "pass\n")}, {"--drop-destination-data", ""}}), 0);
  const auto asked = site.asked().back();
  const std::string line = "POST /api/atlas/v2/groups/66ee00000000000000000001/liveMigrations ";
  ASSERT_THAT(asked, HasSubstr(line));
  EXPECT_EQ(asked.substr(line.size()),
            R"({"destination":{"clusterName":"shop-atlas","groupId":"66ee00000000000000000001"},"source":{"groupId":"66ee00000000000000000005","clusterName":"shopRS",)"
            R"("username":"root","password":"pass","managedAuthentication":false,"ssl":false},"migrationHosts":["mig01"],"dropDestinationData":true})");
  EXPECT_EQ(output_, R"({"_id":"66aa00000000000000000001","status":"NEW"})" "\n");
}

TEST_F(SecretTest, CredentialsThatAreSetLeaveTlsAsItIs) {
  FakeSite site([](const net::HttpRequest& request) {
    return FakeSite::json(200, request.method == "GET" ? R"({"results":[{"id":"h1","clusterName":"shopRS"}],"totalCount":1})" : "{}");
  });
  std::map<std::string, std::string> given{{"DEPLOYMENT", "66ab00000000000000000001"}, {"--auth-mechanism", "SCRAM-SHA-256"}, {"--username", "monitor"},
                                           {"--password-file", secret_file("pw", "pass\n")}};
  EXPECT_EQ(*run(site, "deployment", "set-credentials", given), 0);
  EXPECT_THAT(site.asked().back(), HasSubstr("PATCH "));
  EXPECT_THAT(site.asked().back(), Not(HasSubstr("sslEnabled")));
  for (const auto& [flag, sent] : {std::pair{"--tls", "true"}, {"--no-tls", "false"}}) {
    auto with = given;
    with[flag] = "";
    EXPECT_EQ(*run(site, "deployment", "set-credentials", with), 0);
    EXPECT_THAT(site.asked().back(), HasSubstr(fmt::format(R"("sslEnabled":{})", sent)));
  }
  given["--tls"] = given["--no-tls"] = "";
  EXPECT_EQ(exit_code_of(run(site, "deployment", "set-credentials", given).error()), 2);
}

TEST_F(SecretTest, AHostIsProvisionedOnce) {
  std::string keys = "[]";
  FakeSite site([&](const net::HttpRequest& request) {
    if (request.method == "GET") return FakeSite::json(200, keys);
    if (request.method == "DELETE") return FakeSite::json(204, "");
    keys = R"([{"_id":"66cc00000000000000000001","desc":"migration host mig01","key":"****1234"}])";
    return FakeSite::json(200, R"({"_id":"66cc00000000000000000001","desc":"migration host mig01","key":"agentsecret"})");
  });
  EXPECT_EQ(*run(site, "host", "provision", {{"HOSTNAME", "mig01"}}, {}, false), 0);
  EXPECT_EQ(output_, fmt::format("mmsGroupId=66ee00000000000000000001\nmmsApiKey=agentsecret\nmmsBaseUrl={}\nagentFeatureCloudMigrationEnabled=true\n", site.login().site));
  const auto again = run(site, "host", "provision", {{"HOSTNAME", "mig01"}}, {}, false);
  ASSERT_FALSE(again);
  EXPECT_EQ(exit_code_of(again.error()), 4);
  EXPECT_EQ(*run(site, "host", "provision", {{"HOSTNAME", "mig01"}, {"--monitoring-only", ""}}, {}, false), 0);
  EXPECT_THAT(output_, Not(HasSubstr("CloudMigration")));
  EXPECT_EQ(*run(site, "host", "unprovision", {{"HOSTNAME", "mig01"}}), 0);
  EXPECT_EQ(site.asked().back(), "DELETE /api/public/v1.0/groups/66ee00000000000000000001/agentapikeys/66cc00000000000000000001");
  EXPECT_EQ(exit_code_of(run(site, "host", "unprovision", {{"HOSTNAME", "mig02"}}).error()), kExitNotFound);
}

TEST_F(VerbTest, ASiteCannotWriteLinesOfTheAgentsConfiguration) {
  FakeSite site([](const net::HttpRequest& request) {
    return request.method == "GET" ? FakeSite::json(200, "[]") : FakeSite::json(200, R"({"_id":"1","key":"k\nmmsApiKeyExec=rm -rf /"})");
  });
  const auto made = run(site, "host", "provision", {{"HOSTNAME", "mig01"}}, {}, false);
  ASSERT_FALSE(made);
  EXPECT_EQ(output_, "");
  EXPECT_THAT(made.error().message, Not(HasSubstr("rm -rf")));
}

TEST_F(VerbTest, OfSeveralMigrationsOfAClusterTheOneThatGoesOnIsMeant) {
  std::string all = R"({"results":[{"_id":"3","status":"FAILED","created":"2026-08-12T03:10:30Z","destination":{"clusterName":"c"}},
    {"_id":"2","status":"WORKING","created":"2026-08-11T03:10:30Z","destination":{"clusterName":"c"}}]})";
  FakeSite site([&](const net::HttpRequest& request) { return FakeSite::json(200, request.path.ends_with("/liveMigrations") ? all : "{}"); });
  EXPECT_EQ(*run(site, "migration", "show", {{"MIGRATION", "c"}}), 0);
  EXPECT_EQ(site.asked().back(), "GET /api/ext/v1/groups/66ee00000000000000000001/liveMigrations/2");
  EXPECT_EQ(*run(site, "migration", "cancel", {{"MIGRATION", "c"}}), 0);
  EXPECT_EQ(site.asked().back(), "POST /api/ext/v1/groups/66ee00000000000000000001/liveMigrations/2/cancel {}");
  all.replace(all.find("WORKING"), 7, "EXPIRED");
  EXPECT_EQ(*run(site, "migration", "show", {{"MIGRATION", "c"}}), 0);
  EXPECT_EQ(site.asked().back(), "GET /api/ext/v1/groups/66ee00000000000000000001/liveMigrations/3");
  EXPECT_EQ(exit_code_of(run(site, "migration", "cancel", {{"MIGRATION", "c"}}).error()), 4);
}

TEST_F(VerbTest, AWatchEndsAsTheMigrationDoes) {
  std::vector<std::string> answers{R"({"_id":"1","status":"NEW"})", R"({"_id":"1","status":"WORKING","phase":"COLLECTION_COPY"})", R"({"_id":"1","status":"WORKING","readyForCutover":true,"timerExpiresAt":"T"})",
                                   R"({"_id":"1","status":"FAILED","outcome":"CANCELLED"})"};
  std::size_t next = 0;
  FakeSite site([&](const net::HttpRequest&) { return FakeSite::json(200, answers[std::min(next++, answers.size() - 1)]); });
  const std::map<std::string, std::string> one{{"MIGRATION", "66aa00000000000000000001"}};
  auto until_ready = one;
  until_ready["--until"] = "ready";
  EXPECT_EQ(*run(site, "migration", "watch", until_ready, {}, false), 0);
  EXPECT_EQ(output_, "NEW\nWORKING  collection copy\nWORKING  ready for cutover until T\n");
  EXPECT_THAT(notes_, HasSubstr("drover migration cutover 1"));
  EXPECT_EQ(*run(site, "migration", "watch", one), 4);
  EXPECT_EQ(output_, answers.back() + "\n");
}

TEST_F(VerbTest, ACutoverThatIsGivenUpEndsTheWait) {
  const std::string cutover = R"({"_id":"1","status":"WORKING","state":"CUTOVER","cutoverGivenUp":null,"attention":null})";
  const std::string given_up = R"({"_id":"1","status":"WORKING","state":"WORKING","readyForCutover":true,"cutoverGivenUp":"a writer","attention":"Stop the writer."})";
  std::vector<std::string> answers{cutover, given_up};
  std::size_t next = 0;
  FakeSite site([&](const net::HttpRequest&) { return FakeSite::json(200, answers[std::min(next++, answers.size() - 1)]); });
  std::map<std::string, std::string> asked{{"MIGRATION", "66aa00000000000000000001"}};
  // Whoever watched before learns it, too; but what was so when he began is no end.
  const auto seen = run(site, "migration", "watch", asked, {}, false);
  ASSERT_FALSE(seen);
  EXPECT_EQ(exit_code_of(seen.error()), 4);
  answers = {given_up, given_up, R"({"_id":"1","status":"COMPLETE"})"};
  next = 0;
  EXPECT_EQ(*run(site, "migration", "watch", asked, {}, false), 0);
  EXPECT_THAT(notes_, HasSubstr("Stop the writer."));
  answers = {"{}", given_up};
  next = 0;
  asked["--wait"] = "";
  const auto ended = run(site, "migration", "cutover", asked);
  ASSERT_FALSE(ended);
  EXPECT_EQ(exit_code_of(ended.error()), 4);
  EXPECT_EQ(ended.error().message, "Stop the writer.");
}

TEST_F(VerbTest, AWatchWaitsForASiteThatIsAwayWhenItBegins) {
  std::size_t asked = 0;
  FakeSite site([&](const net::HttpRequest& request) {
    if (++asked < 3) return FakeSite::error(503, "SERVICE_UNAVAILABLE", "starting");
    return FakeSite::json(200, request.path.ends_with("/liveMigrations") ? R"({"results":[{"_id":"2","status":"WORKING","created":"2026-08-11T03:10:30Z","destination":{"clusterName":"c"}}]})"
                                                                         : R"({"_id":"2","status":"COMPLETE"})");
  });
  EXPECT_EQ(*run(site, "migration", "watch", {{"MIGRATION", "c"}}, {}, false), 0);
  EXPECT_EQ(output_, "COMPLETE\n");
  EXPECT_THAT(notes_, HasSubstr("trying again"));
}

TEST_F(VerbTest, ACutoverOfWhatIsCompleteSaysSo) {
  FakeSite site([&](const net::HttpRequest& request) { return FakeSite::json(200, request.method == "PUT" ? "" : R"({"_id":"1","status":"COMPLETE"})"); });
  EXPECT_EQ(*run(site, "migration", "cutover", {{"MIGRATION", "66aa00000000000000000001"}}, {}, false), 0);
  EXPECT_THAT(notes_, HasSubstr("is COMPLETE already"));
}

TEST_F(VerbTest, AWatchStaysThroughAnAbsence) {
  std::size_t asked = 0;
  FakeSite site([&](const net::HttpRequest&) { return ++asked < 3 ? FakeSite::error(503, "SERVICE_UNAVAILABLE", "starting") : FakeSite::json(200, R"({"_id":"1","status":"COMPLETE"})"); });
  EXPECT_EQ(*run(site, "migration", "watch", {{"MIGRATION", "66aa00000000000000000001"}}, {}, false), 0);
  EXPECT_EQ(output_, "COMPLETE\n");
  EXPECT_THAT(notes_, HasSubstr("trying again"));
  EXPECT_THAT(notes_, HasSubstr("You have successfully migrated"));
  EXPECT_EQ(std::count(notes_.begin(), notes_.end(), '\n'), 3);
}

TEST_F(VerbTest, AValidationShowsItsChecks) {
  FakeSite site([](const net::HttpRequest& request) {
    if (request.method == "POST") return FakeSite::json(200, R"({"_id":"66ab00000000000000000001","status":"PENDING"})");
    return FakeSite::json(200, R"({"_id":"66ab00000000000000000001","status":"FAILED","errorMessage":"no","checks":[{"id":"credentials","status":"FAILED","title":"The password","detail":"is wrong"},{"id":"oplog","status":"PASSED"}]})");
  });
  const std::map<std::string, std::string> given{{"--cluster", "c"}, {"--source-project", "66ee00000000000000000005"}, {"--source-cluster", "s"}, {"--host", "h"}};
  EXPECT_EQ(*run(site, "migration", "validate", given, {}, false), 3);
  EXPECT_EQ(output_, "_id           66ab00000000000000000001\nstatus        FAILED\nerrorMessage  no\n\n"
                     "CHECK        RESULT  WHAT\ncredentials  FAILED  The password: is wrong\noplog        PASSED\n");
  // What it has found out is no failure of the command.
  EXPECT_EQ(*run(site, "migration", "validate", given), 3);
  EXPECT_THAT(output_, HasSubstr(R"("status":"FAILED","errorMessage":"no","checks":[)"));
  EXPECT_THAT(output_, Not(HasSubstr(R"("error":)")));
  auto begun = given;
  begun["--no-wait"] = "";
  EXPECT_EQ(*run(site, "migration", "validate", begun), 0);
  EXPECT_EQ(output_, R"({"_id":"66ab00000000000000000001","status":"PENDING"})" "\n");
}

}  // namespace
}  // namespace drover::remote
