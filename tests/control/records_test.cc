// The other records of a store: what bounds them, and what happens to them at the same time.
#include "control_plane.h"

#include <map>
#include <thread>

#include "bson/ejson.h"
#include "control/agent_jobs.h"
#include "control/agents.h"
#include "control/database_users.h"
#include "control/deployments.h"
#include "control/event_log.h"
#include "control/events.h"
#include "control/identity.h"
#include "control/service_accounts.h"
#include "control/site_links.h"
#include "control/store_key.h"

namespace drover::control {
namespace {

TEST_F(ControlPlane, ProjectsKeysAndAccountsOfAnOrganizationAreBounded) {
  Identity identity(*store_, *keys_, clock_);
  ServiceAccounts accounts(*store_, *keys_, clock_);
  const auto org = good(identity.create_organization("o")).id, other = good(identity.create_organization("other")).id;
  for (int i = 0; i < kMaxProjectsOfOrganization; ++i) good(identity.create_project(org, "p" + std::to_string(i)));
  const auto project = identity.create_project(org, "one more");
  ASSERT_FALSE(project);
  EXPECT_EQ(project.error().message, "an organization has at most 250 projects; delete one first");
  for (int i = 0; i < kMaxKeysOfOrganization; ++i) good(store_->insert("apiKeys", bson::make_document({{"_id", "k" + std::to_string(i)}, {"orgId", org}, {"publicKey", "k" + std::to_string(i)}})));
  const auto key = identity.create_key(org, "one more", {"ORG_OWNER"});
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().message, "an organization has at most 500 API keys; delete one first");
  EXPECT_FALSE(identity.create_project_key(Project{std::string(24, 'a'), org, "p", ""}, "one more", {"GROUP_OWNER"}));
  for (int i = 0; i < kMaxAccountsOfOrganization; ++i) good(store_->insert("serviceAccounts", bson::make_document({{"_id", "a" + std::to_string(i)}, {"orgId", org}})));
  EXPECT_FALSE(accounts.create(org, "one more", "d", {"ORG_OWNER"}, 24));
  good(identity.create_project(other, "p"));
  good(identity.create_key(other, "d", {"ORG_OWNER"}));
  good(accounts.create(other, "n", "d", {"ORG_OWNER"}, 24));
}

TEST_F(ControlPlane, ClustersAreCountedByProject) {
  const auto other = std::string(24, '5'), none = std::string(24, '6');
  good(clusters_->register_deployment(kGroup, "second", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
  good(clusters_->register_deployment(other, "shop", sandbox_->uri(), Json(Json::Object{}), Json(Json::Object{})));
  EXPECT_EQ(good(clusters_->count_by_group({kGroup, none})), (std::map<std::string, std::int64_t>{{kGroup, 2}}));
  EXPECT_EQ(good(clusters_->count_by_group({kGroup, other, none})), (std::map<std::string, std::int64_t>{{kGroup, 2}, {other, 1}}));
}

TEST_F(ControlPlane, AllHostsOfAProjectAreListed) {
  EventLog events(*store_, clock_);
  Deployments deployments(*store_, *keys_, events, clock_);
  for (int i = 0; i < 620; ++i)
    good(store_->insert("hosts", bson::make_document({{"_id", fmt::format("h{:04}", i)}, {"groupId", kGroup}, {"deploymentId", i % 2 ? "a" : "b"}, {"hostname", "h"}, {"port", i}})));
  EXPECT_EQ(good(deployments.hosts(kGroup)).size(), 620u);
  EXPECT_EQ(good(deployments.hosts(kGroup, "a")).size(), 310u);
}

TEST_F(ControlPlane, WhoeverHasAnAgentKeyNamesOnlySoManyHosts) {
  EventLog events(*store_, clock_);
  Deployments deployments(*store_, *keys_, events, clock_);
  const auto deployment = good(deployments.add(kGroup, "", {"h0.example.net:27017"}, {}));
  const auto sample = [&](int from, int to) {
    Json::Array hosts;
    for (int i = from; i < to; ++i) hosts.push_back(Json::Object{{"host", fmt::format("h{}.example.net:27017", i)}, {"reached", false}});
    return deployments.take_sample(kGroup, "v", Json(Json::Object{{"deploymentId", deployment.id}, {"hosts", std::move(hosts)}}));
  };
  good(sample(1, 151));
  good(sample(151, 301));
  EXPECT_EQ(good(deployments.hosts(kGroup)).size(), kMaxHostsOfDeployment);
  good(sample(1, 1001));  // one that is too long is taken as far
  EXPECT_EQ(good(deployments.hosts(kGroup)).size(), kMaxHostsOfDeployment);
  EXPECT_LE(good(deployments.find(kGroup, deployment.id))->hosts.size(), kMaxHostsOfDeployment);
  // A list reads no more than its page, and what is only counted is counted in the store.
  const auto page = good(deployments.hosts(kGroup, "", {2, 30}));
  EXPECT_EQ(page.size(), 30u);
  EXPECT_EQ(good(deployments.count_hosts(kGroup, deployment.id)), static_cast<std::int64_t>(kMaxHostsOfDeployment));
  EXPECT_EQ(good(deployments.count_hosts(kGroup, "another")), 0);
  good(store_->update("hosts", bson::make_document({{"_id", page.front().id}}), bson::make_document({{"$set", bson::make_document({{"down", true}, {"lastPing", 5}})}})));
  good(store_->update("hosts", bson::make_document({{"_id", page.back().id}}), bson::make_document({{"$set", bson::make_document({{"down", false}, {"lastPing", 5}})}})));
  good(deployments.add(kSource, "", {"other:1"}, {}));
  auto counts = good(deployments.host_counts({kGroup, kSource}));
  EXPECT_EQ(counts.size(), 2u);
  EXPECT_EQ(counts[deployment.id].all, static_cast<std::int64_t>(kMaxHostsOfDeployment));
  EXPECT_GE(counts[deployment.id].down, 1);
  EXPECT_EQ(counts[deployment.id].silent, static_cast<std::int64_t>(kMaxHostsOfDeployment) - 1) << "of one a sample has come, and it is not down";
  EXPECT_EQ(static_cast<std::int64_t>(good(deployments.hosts_down(kGroup)).size()), counts[deployment.id].down);
  EXPECT_TRUE(good(deployments.host_counts({})).empty());
}

TEST_F(ControlPlane, ALinkThatCannotBeReadKeepsNoOtherFromBeingServed) {
  SiteLinks site_links(*store_, *keys_, clock_);
  const auto one = std::string(24, '7'), other = std::string(24, '8');
  for (const auto& org : {one, other}) good(site_links.begin(org, good(links_->create_token(kOrg, {}, "http://127.0.0.1:1"))));
  good(store_->update("siteLinks", bson::make_document({{"_id", one}}), bson::make_document({{"$set", bson::make_document({{"sealedSecret", "bm90IHNlYWxlZA=="}})}})));
  std::map<std::string, std::string> unreadable;
  const auto all = good(site_links.all(unreadable));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all.front().org, other);
  ASSERT_EQ(unreadable.size(), 1u);
  EXPECT_EQ(unreadable.begin()->first, one);
  EXPECT_FALSE(unreadable.begin()->second.empty());
}

TEST_F(ControlPlane, HostNamesThatAreGoneMakeRoom) {
  Agents agents(*store_, clock_);
  const auto hello = [&](int number) {
    Hello one;
    one.agent_id = "a";
    one.hostname = "h" + std::to_string(number);
    return agents.hello(kGroup, one);
  };
  for (int i = 0; i < kMaxAgentsOfProject; ++i) good(hello(i));
  EXPECT_FALSE(hello(1000)) << "all of them live";
  good(store_->insert("agentJobs", bson::make_document({{"_id", "job"}, {"groupId", kGroup}, {"hostname", "h0"}})));
  clock_.move(kAgentDownAfter + minutes(1));
  good(hello(2));
  good(hello(1000));
  EXPECT_TRUE(good(agents.by_hostname(kGroup, "h0"))) << "it has a job";
  EXPECT_FALSE(good(agents.by_hostname(kGroup, "h1")));
  EXPECT_TRUE(good(agents.by_hostname(kGroup, "h2"))) << "it lives";
}

TEST_F(ControlPlane, OfTwoOwnersKeysThatAreDeletedAtOnceOneStays) {
  Identity identity(*store_, *keys_, clock_);
  for (int round = 0; round < 5; ++round) {
    const auto org = good(identity.create_organization("o" + std::to_string(round)));
    std::vector<std::string> keys;
    for (int i = 0; i < 2; ++i) keys.push_back(good(identity.create_key(org.id, "owner", {"ORG_OWNER"})).id);
    {
      std::vector<std::jthread> threads;
      for (const auto& key : keys) threads.emplace_back([&] { static_cast<void>(identity.delete_key(org.id, key)); });
    }
    EXPECT_GE(good(identity.keys(org.id, {})).total, 1);
    // Who is left is the last one, also when nobody won; the other one can go.
    int gone = 0;
    for (const auto& key : keys) {
      const auto deleted = identity.delete_key(org.id, key);
      gone += deleted && *deleted ? 1 : 0;
    }
    EXPECT_LE(gone, 1);
    EXPECT_EQ(good(identity.keys(org.id, {})).total, 1);
  }
}

TEST_F(ControlPlane, OfTwoOwnersKeysThatAreDeletedTwiceAtOnceOneStays) {
  Identity identity(*store_, *keys_, clock_);
  for (int round = 0; round < 20; ++round) {
    const auto org = good(identity.create_organization("o" + std::to_string(round)));
    std::vector<std::string> keys;
    for (int i = 0; i < 2; ++i) keys.push_back(good(identity.create_key(org.id, "owner", {"ORG_OWNER"})).id);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 6; ++i) {
        threads.emplace_back([&, i] {
          const auto& key = keys[static_cast<std::size_t>(i % 2)];
          if (i < 4) static_cast<void>(identity.delete_key(org.id, key));
          else static_cast<void>(identity.change_key(org.id, key, std::vector<std::string>{"ORG_MEMBER"}, std::nullopt));
        });
      }
    }
    int owners = 0;
    for (const auto& key : good(identity.keys(org.id, {})).items) owners += key.grants.front().role == "ORG_OWNER" ? 1 : 0;
    ASSERT_GE(owners, 1) << round;
  }
}

TEST_F(ControlPlane, AnOwnersKeyThatADeadProcessWasDeletingCountsAgain) {
  Identity identity(*store_, *keys_, clock_);
  const auto org = good(identity.create_organization("o"));
  const auto one = good(identity.create_key(org.id, "one", {"ORG_OWNER"})).id, other = good(identity.create_key(org.id, "other", {"ORG_OWNER"})).id;
  const auto mark = [&](const bson::Document& set) {
    good(store_->update("apiKeys", bson::make_document({{"_id", one}}), bson::make_document({{"$set", set}})));
  };
  mark(bson::make_document({{"deleting", new_id(clock_)}}));
  EXPECT_FALSE(identity.delete_key(org.id, other)) << "somebody is about to delete the only other one";
  clock_.move(kLettingGo + std::chrono::seconds(2));
  EXPECT_TRUE(good(identity.change_key(org.id, other, std::vector<std::string>{"ORG_MEMBER"}, std::nullopt)));
  EXPECT_FALSE(identity.delete_key(org.id, one));
  EXPECT_TRUE(good(identity.change_key(org.id, other, std::vector<std::string>{"ORG_OWNER"}, std::nullopt)));
  // By a process whose clock is far ahead: it counts again no later.
  clock_.move(hours(24));
  mark(bson::make_document({{"deleting", new_id(clock_)}}));
  clock_.move(-hours(24));
  EXPECT_TRUE(good(identity.change_key(org.id, other, std::vector<std::string>{"ORG_MEMBER"}, std::nullopt)));
  EXPECT_TRUE(good(identity.change_key(org.id, other, std::vector<std::string>{"ORG_OWNER"}, std::nullopt)));
  mark(bson::make_document({{"deleting", true}}));  // as an older version has left it
  EXPECT_TRUE(good(identity.delete_key(org.id, other)));
  EXPECT_FALSE(identity.delete_key(org.id, one));
}

TEST_F(ControlPlane, RolesInAProjectGoWithIt) {
  Identity identity(*store_, *keys_, clock_);
  ServiceAccounts accounts(*store_, *keys_, clock_);
  const auto org = good(identity.create_organization("o"));
  const auto gone = good(identity.create_project(org.id, "gone")), stays = good(identity.create_project(org.id, "stays"));
  const auto key = good(identity.create_project_key(gone, "k", {"GROUP_OWNER", "GROUP_READ_ONLY"}));
  EXPECT_EQ(good(identity.set_project_roles(stays, key.id, std::vector<std::string>{"GROUP_READ_ONLY"}, std::nullopt)), RoleChange::kDone);
  const auto account = good(accounts.create_in_project(gone, "a", "an account", {"GROUP_OWNER"}, 24));
  EXPECT_EQ(good(accounts.set_project_roles(stays, account.client_id, {"GROUP_READ_ONLY"})), RoleChange::kDone);
  const auto deletion = *good(identity.begin_deleting(Tenant::kProject, gone.id));
  EXPECT_TRUE(good(identity.settle_deleting(Tenant::kProject, gone.id, deletion.mark)));
  good(accounts.forget_project(gone.id));
  good(identity.forget(Tenant::kProject, gone.id));
  const auto roles = [](const std::vector<Grant>& grants) {
    std::string all;
    for (const auto& grant : grants) all += grant.role + " ";
    return all;
  };
  EXPECT_EQ(roles(good(identity.key(org.id, key.id))->grants), "ORG_MEMBER GROUP_READ_ONLY ");
  EXPECT_EQ(roles(good(accounts.find(org.id, account.client_id))->grants), "ORG_MEMBER GROUP_READ_ONLY ");
  // Whoever has read the project before gives nobody a role in it any more.
  EXPECT_EQ(good(identity.set_project_roles(gone, key.id, std::vector<std::string>{"GROUP_OWNER"}, std::nullopt)), RoleChange::kNoSuch);
  EXPECT_EQ(good(accounts.set_project_roles(gone, account.client_id, {"GROUP_OWNER"})), RoleChange::kNoSuch);
  EXPECT_FALSE(identity.create_project_key(gone, "late", {"GROUP_OWNER"}));
  EXPECT_FALSE(accounts.create_in_project(gone, "late", "an account", {"GROUP_OWNER"}, 24));
  EXPECT_EQ(good(identity.project_keys(gone.id, {})).total, 0);
  EXPECT_EQ(good(accounts.of_project(gone.id, {})).total, 0);
}

TEST_F(ControlPlane, AccountsOfAnOrganizationGoWithTheirTokens) {
  ServiceAccounts accounts(*store_, *keys_, clock_);
  const auto account = good(accounts.create(kOrg, "a", "an account", {"ORG_OWNER"}, 24)), other = good(accounts.create(kSource, "b", "an account", {"ORG_OWNER"}, 24));
  const auto token = *good(accounts.token_for(account.client_id, account.secrets.front().secret)), kept = *good(accounts.token_for(other.client_id, other.secrets.front().secret));
  good(accounts.forget_organization(kOrg));
  EXPECT_FALSE(good(accounts.account_of_token(token)));
  EXPECT_TRUE(good(accounts.account_of_token(kept)));
  EXPECT_EQ(good(accounts.of_org(kOrg, {})).total, 0);
  EXPECT_EQ(good(store_->count("accessTokens", bson::Document())), 1);
}

TEST_F(ControlPlane, ACustomRoleThatADeadProcessWasRemovingCanBeGivenAgain) {
  CustomRoles roles(*store_, clock_);
  CustomRole wanted;
  wanted.group = kGroup;
  wanted.name = "auditor";
  wanted.actions = {{"FIND", {{false, "shop", ""}}}};
  const auto role = good(roles.add(wanted));
  good(store_->update("customRoles", bson::make_document({{"_id", role.id}}), bson::make_document({{"$set", bson::make_document({{"leaving", new_id(clock_)}})}})));
  EXPECT_FALSE(good(roles.may_be_given(kGroup, "auditor")));
  clock_.move(-kLeavingFor - std::chrono::seconds(3));
  EXPECT_TRUE(good(roles.may_be_given(kGroup, "auditor"))) << "of one whose clock is ahead";
  good(store_->update("customRoles", bson::make_document({{"_id", role.id}}), bson::make_document({{"$set", bson::make_document({{"leaving", new_id(clock_)}})}})));
  clock_.move(kLeavingFor + std::chrono::seconds(2));
  EXPECT_TRUE(good(roles.may_be_given(kGroup, "auditor")));
  EXPECT_TRUE(good(roles.of_group(kGroup)).front().leaving.empty());
  EXPECT_TRUE(good(roles.remove(kGroup, "auditor")).there);
}

TEST_F(ControlPlane, ADeploymentThatWasNeverReachedIsDownAfterAWhile) {
  EventLog events(*store_, clock_);
  Deployments deployments(*store_, *keys_, events, clock_);
  const auto id = good(deployments.add(kSource, "", {"never:1"}, {})).id;
  const auto sample = [&](const char* host) {
    good(deployments.take_sample(kSource, "1", good(Json::parse(fmt::format(R"({{"deploymentId": "{}", "hosts": [{}]}})", id, host)))));
  };
  const auto host = [&] { return good(deployments.hosts(kSource, id)).front(); };
  const auto now = [&] { return *good(deployments.find(kSource, id)); };
  const char* refused = R"({"host": "never:1", "reached": false, "loginFailed": true, "error": "connection refused"})";
  sample(refused);
  const auto first = host().unreached_since, failed = now().login_failed_since;
  EXPECT_NE(first, 0);
  EXPECT_NE(failed, 0);
  EXPECT_FALSE(host().down);
  EXPECT_EQ(host().last_error, "connection refused");
  EXPECT_EQ(now().last_error, "never:1: connection refused");
  clock_.move(kHostDownAfter + std::chrono::seconds(1));
  sample(refused);
  EXPECT_TRUE(host().down);
  EXPECT_EQ(host().unreached_since, first);
  EXPECT_EQ(now().login_failed_since, failed) << "since then, not now";
  EXPECT_EQ(good(deployments.hosts_down(kSource)).size(), 1u);
  sample(R"({"host": "never:1", "reached": true, "typeName": "STANDALONE"})");
  EXPECT_FALSE(host().down);
  EXPECT_EQ(host().unreached_since, 0);
  EXPECT_EQ(now().login_failed_since, 0);
  EXPECT_EQ(now().last_error, "");
}

TEST_F(ControlPlane, RestartsOfAnHourAreCounted) {
  EventLog events(*store_, clock_);
  Deployments deployments(*store_, *keys_, events, clock_);
  const auto id = good(deployments.add(kSource, "", {"db:1"}, {})).id;
  const auto restarts = [&](int uptime) {
    good(deployments.take_sample(kSource, "1", good(Json::parse(fmt::format(
        R"({{"deploymentId": "{}", "hosts": [{{"host": "db:1", "reached": true, "typeName": "STANDALONE", "uptimeMsec": {}}}]}})", id, uptime)))));
    const auto points = good(deployments.measurements().of_host(Deployments::host_id(kSource, "db:1"), 0, imports_->now_millis()));
    for (const auto& [name, value] : points.back().values)
      if (name == "RESTARTS_IN_LAST_HOUR") return value;
    return -1.0;
  };
  EXPECT_EQ(restarts(500'000), 0);
  clock_.move(minutes(1));
  EXPECT_EQ(restarts(1000), 1);
  clock_.move(minutes(1));
  EXPECT_EQ(restarts(500), 2);
  clock_.move(minutes(1));
  EXPECT_EQ(restarts(60'500), 2);
  clock_.move(minutes(58));
  EXPECT_EQ(restarts(3'540'500), 1) << "the first one is longer ago";
}

TEST_F(ControlPlane, AJobThatIsGoneDoesNotComeBackFromAListThatIsOld) {
  AgentJobs jobs(*store_, *keys_, clock_);
  const auto id = std::string(24, '7'), other = std::string(24, '8');
  const auto item = [](const std::string& of, const char* desired, int revision) {
    return Json(Json::Object{{"id", of}, {"kind", "migration"}, {"desired", desired}, {"revision", revision}, {"migrationHost", "mig01"},
                             {"source", Json::Object{{"groupId", std::string(24, '3')}, {"clusterName", "src"}}}});
  };
  EXPECT_TRUE(good(jobs.take(link_, item(id, "RUN", 1))));
  good(jobs.accept(id));
  ASSERT_EQ(good(jobs.for_agent(kSource, "mig01")).size(), 1u);
  good(jobs.remove(id));
  const auto gone = [&] {
    EXPECT_FALSE(good(jobs.find(id)));
    EXPECT_TRUE(good(jobs.of_link(link_)).empty());
    EXPECT_TRUE(good(jobs.open_of_project(kSource)).empty());
    EXPECT_TRUE(good(jobs.for_agent(kSource, "mig01")).empty());
    EXPECT_FALSE(good(jobs.report(kSource, "mig01", id, 100, Json(Json::Object{{"state", "RUNNING"}}))));
  };
  gone();
  // As another process has read it before.
  EXPECT_TRUE(good(jobs.take(link_, item(id, "CUTOVER", 2))));
  good(jobs.accept(id));
  gone();
  EXPECT_FALSE(good(jobs.take(link_, item(id, "FORGET", 3)))) << "to be told again that it is forgotten";
  good(jobs.remove(id));
  gone();
  EXPECT_EQ(good(store_->count("agentJobs", bson::Document())), 1);
  clock_.move(kRemovedKept + minutes(1));
  good(jobs.remove(other));
  EXPECT_EQ(good(store_->count("agentJobs", bson::Document())), 0);
}

TEST_F(ControlPlane, AJobThatWentWithItsLinkComesAgainByTheNextOne) {
  AgentJobs jobs(*store_, *keys_, clock_);
  const auto id = std::string(24, '7'), next = std::string(24, '9');
  const auto item = [&](const char* desired) {
    return Json(Json::Object{{"id", id}, {"kind", "migration"}, {"desired", desired}, {"revision", 4}, {"migrationHost", "mig01"},
                             {"source", Json::Object{{"groupId", kSource}, {"clusterName", "src"}}}});
  };
  EXPECT_TRUE(good(jobs.take(link_, item("RUN"))));
  const auto stolen = jobs.take(next, item("RUN"));
  ASSERT_FALSE(stolen) << "it is another link's";
  good(jobs.remove_of_link(link_));
  EXPECT_FALSE(good(jobs.take(next, item("FORGET"))));
  EXPECT_TRUE(good(jobs.take(next, item("RUN"))));
  good(jobs.accept(id));
  ASSERT_EQ(good(jobs.for_agent(kSource, "mig01")).size(), 1u);
  EXPECT_EQ(good(jobs.of_link(next)).size(), 1u);
  EXPECT_TRUE(good(jobs.of_link(link_)).empty());
  EXPECT_FALSE(good(jobs.find(id))->begun) << "no host had it before";
  EXPECT_FALSE(jobs.take(link_, item("RUN"))) << "the list of the old one";
  // What had begun is known as such for as long as another link can take it over.
  good(jobs.remove_of_link(next));
  clock_.move(kBegunKept - hours(1));
  good(jobs.remove(std::string(24, '8')));
  EXPECT_TRUE(good(jobs.take(link_, item("RUN"))));
  EXPECT_TRUE(good(jobs.find(id))->begun);
  EXPECT_TRUE(good(jobs.for_agent(kSource, "mig01")).empty()) << "it is looked at anew";
  good(jobs.remove_of_link(link_));
  clock_.move(kBegunKept + hours(1));
  good(jobs.remove(std::string(24, '8')));
  EXPECT_EQ(good(store_->count("agentJobs", bson::Document())), 0);
}

TEST_F(ControlPlane, ALinkThatIsRefusedIsNotSynchronised) {
  SiteLinks site(*store_, *keys_, clock_);
  const auto begun = good(site.begin(kOrg, encode_token({"http://127.0.0.1:1", kGroup, link_, std::string(64, 'c')})));
  good(site.claimed(begun, kGroup, "Atlas"));
  const auto now = [&] { return *good(site.of_org(kOrg)); };
  good(site.synced(now()));
  EXPECT_TRUE(now().synced);
  good(site.failed(now(), Error{ErrorCode::kTemporary, "no route", 0, {}}));
  EXPECT_TRUE(now().synced) << "what it has told is known there for a while";
  good(site.failed(now(), Error{ErrorCode::kUsage, "the destination's site answered 401 LINK_INVALID: gone.", 401, {}}));
  EXPECT_FALSE(now().synced);
  EXPECT_NE(now().last_error.find("gone. The link was ended at the Atlas site. Disconnect here"), std::string::npos) << now().last_error;
  good(site.synced(now()));
  EXPECT_TRUE(now().synced);
  EXPECT_EQ(now().last_error, "");
}

TEST_F(ControlPlane, WhoWasDisplacedTakesThePlaceOfNoneThatLives) {
  Agents agents(*store_, clock_);
  Hello first{.agent_id = "first", .hostname = "mig01", .version = "v", .address = "127.0.0.1", .key = "k", .platform = {}, .monitoring = true, .cloud_migration = true}, second = first;
  second.agent_id = "second";
  first.only_if_free = true;
  const auto taken = good(agents.hello(kSource, first));
  EXPECT_TRUE(taken.first) << "there is none";
  const auto theirs = good(agents.hello(kSource, second));
  EXPECT_FALSE(theirs.first);
  EXPECT_GT(theirs.epoch, taken.epoch);
  const auto refused = agents.hello(kSource, first);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kWrongState);
  EXPECT_TRUE(good(agents.beat(kSource, "second", theirs.epoch, "127.0.0.1", "k", Agents::Beat::kPoll))) << "its session has not ended by that";
  clock_.move(minutes(6));
  EXPECT_GT(good(agents.hello(kSource, first)).epoch, theirs.epoch);
  EXPECT_FALSE(good(agents.beat(kSource, "second", theirs.epoch, "127.0.0.1", "k", Agents::Beat::kPoll)));
}

TEST_F(ControlPlane, EpochsRiseOverAStoreThatWasLost) {
  MovedClock clock;  // the store keeps the right one
  Agents agents(*store_, clock);
  const Hello hello{.agent_id = "a", .hostname = "mig01", .version = "v", .address = "127.0.0.1", .key = "k", .platform = {}, .monitoring = true, .cloud_migration = true};
  std::int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const auto epoch = good(agents.hello(kSource, hello)).epoch;
    EXPECT_GT(epoch, last) << "at one time";
    last = epoch;
  }
  good(agents.forget_project(kSource));
  clock.move(minutes(1));
  const auto anew = good(agents.hello(kSource, hello));
  EXPECT_TRUE(anew.first);
  EXPECT_GT(anew.epoch, last) << "what was told under the last one is older";
  clock.move(-hours(24 * 365 * 10));
  const auto back = good(agents.hello(kSource, hello)).epoch;
  EXPECT_EQ(back, anew.epoch + 1) << "a clock that is set back";
  clock.move(hours(24 * 365 * 200));
  const auto far = good(agents.hello(kSource, hello)).epoch;
  EXPECT_GT(far, back);
  EXPECT_LT(far, std::int64_t{1} << 30) << "a clock that is wrong leaves room";
  EXPECT_EQ(good(agents.hello(kSource, hello)).epoch, far + 1);
}

TEST_F(ControlPlane, TheProofOfALinkIsKeptForTheNextClaimOfTheSameOrganization) {
  SiteLinks site(*store_, *keys_, clock_);
  const auto connect = [&](const std::string& link, const std::string& peer) {
    const auto begun = good(site.begin(kOrg, encode_token({"http://127.0.0.1:1", peer, link, std::string(64, 'c')})));
    const auto former = good(site.former_of(begun));
    good(site.claimed(begun, peer, "Atlas"));
    return std::pair(*good(site.of_org(kOrg)), former);
  };
  const auto [first, none] = connect(std::string(24, 'a'), kGroup);
  EXPECT_TRUE(none.empty());
  good(site.remember(first));
  good(site.remove(first));
  const auto [elsewhere, nothing] = connect(std::string(24, 'b'), kSource);
  EXPECT_TRUE(nothing.empty()) << "another organization's site hears nothing of it";
  good(site.remove(elsewhere));
  const auto [second, proofs] = connect(std::string(24, 'c'), kGroup);
  ASSERT_EQ(proofs.size(), 1u);
  EXPECT_EQ(proofs.front().link, first.link);
  EXPECT_EQ(proofs.front().proof, succession_proof(first.secret));
  EXPECT_TRUE(good(site.former_of(second)).empty()) << "it has been heard";
}

TEST_F(ControlPlane, WhatALinkTellsIsBounded) {
  const auto project = [](std::size_t size) { return Json(Json::Object{{"name", std::string(size, 'x')}}); };
  EXPECT_FALSE(links_->put_project(link_, std::string(24, 'a'), 2, project(10), kMaxProjectBytes + 1));
  int taken = 0;
  for (int i = 10; i < 60; ++i) taken += links_->put_project(link_, "0000000000000000000000" + std::to_string(i), 2, project(10), kMaxProjectBytes) ? 1 : 0;
  EXPECT_EQ(taken, kMaxProjectsBytes / static_cast<std::int64_t>(kMaxProjectBytes));
  // The same again, and smaller ones, are taken; so is more once others are gone.
  good(links_->put_project(link_, "000000000000000000000010", 3, project(10), kMaxProjectBytes));
  EXPECT_FALSE(links_->put_project(link_, std::string(24, 'b'), 3, project(10), kMaxProjectBytes));
  good(links_->put_project(link_, "000000000000000000000010", 4, project(10), 10));
  good(links_->put_project(link_, std::string(24, 'b'), 4, project(10), kMaxProjectBytes - 10));
  good(links_->finish_sync(link_, 5, {}));
  good(links_->put_project(link_, std::string(24, 'c'), 5, project(10), kMaxProjectBytes));
}

TEST_F(ControlPlane, WhatAllLinksOfAnOrganizationTellIsBounded) {
  std::vector<std::string> links;
  for (char c : {'b', 'c', 'd', 'e', 'f'}) {
    const auto token = good(decode_token(good(links_->create_token(kOrg, {}, "http://h"))));
    links.push_back(good(links_->claim(token.link, token.secret, {"s", "o", "O", std::string(64, c), "127.0.0.1"}))->id);
  }
  int taken = 0;
  for (const auto& link : links)
    for (int i = 10; i < 10 + kMaxProjectsBytes / static_cast<std::int64_t>(kMaxProjectBytes); ++i)
      taken += links_->put_project(link, "0000000000000000000000" + std::to_string(i), 2, Json(Json::Object{}), kMaxProjectBytes) ? 1 : 0;
  EXPECT_EQ(taken, kMaxProjectsBytesOfOrganization / static_cast<std::int64_t>(kMaxProjectBytes));
  // What is told again takes no more room, and what is gone makes some.
  good(links_->put_project(links.front(), "000000000000000000000010", 3, Json(Json::Object{}), kMaxProjectBytes));
  good(links_->finish_sync(links.front(), 4, {}));
  good(links_->put_project(links.back(), std::string(24, 'a'), 4, Json(Json::Object{}), 10));
}

TEST_F(ControlPlane, AnotherKeyThanTheStoresIsRefused) {
  good(bind_key(*store_, *keys_));
  good(bind_key(*store_, *keys_));
  const auto other = good(SealedKeys::open(path_of("other key")));
  std::filesystem::remove(path_of("other key"));
  const auto refused = bind_key(*store_, other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("--key-file"), std::string::npos);
  good(bind_key(*store_, *keys_));
}

TEST_F(ControlPlane, AStoreThatHangsHoldsACallerNoLongerThanItsLimit) {
  const auto impatient = good(cluster::connect({.uri = sandbox_->uri(), .app_name = "impatient", .reply_limit = std::chrono::milliseconds(300)}, clock_, {}));
  Store store(*impatient, clock_);
  const auto hang = [&](const char* command, int times) {
    good(deployment_->run_command("admin", good(bson::from_ejson(fmt::format(
        R"({{"configureFailPoint": "failCommand", "mode": {{"times": {}}}, "data": {{"failCommands": ["{}"], "blockConnection": true, "blockTimeMS": 4000, "appName": "impatient"}}}})", times, command)))));
  };
  const auto begun = clock_.now();
  hang("find", 1);
  EXPECT_TRUE(good(store.find_one("meta", bson::make_document({{"_id", "schema"}}))));
  // A write whose reply is lost so is done once.
  hang("insert", 1);
  EXPECT_TRUE(good(store.insert("orgs", bson::make_document({{"_id", "once"}}))));
  hang("find", 100);
  const auto refused = store.find_one("meta", bson::make_document({{"_id", "schema"}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTemporary) << refused.error().message;
  EXPECT_EQ(refused.error().message.find("source"), std::string::npos) << refused.error().message;
  EXPECT_TRUE(refused.error().message.starts_with("the control plane's store does not answer: ")) << refused.error().message;
  EXPECT_LT(clock_.now() - begun, std::chrono::seconds(40));
  // Nobody else waits for it, until it answers again.
  const auto first = clock_.now();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(store.find_one("meta", bson::make_document({{"_id", "schema"}})));
  EXPECT_LT(clock_.now() - first, std::chrono::seconds(20)) << "one of them asked, at most twice";
  hang("find", 0);
  clock_.sleep(kStoreProbeEvery + std::chrono::milliseconds(100), {});
  EXPECT_TRUE(good(store.find_one("meta", bson::make_document({{"_id", "schema"}}))));
  EXPECT_TRUE(good(store.find_one("meta", bson::make_document({{"_id", "schema"}}))));
}

TEST_F(ControlPlane, OneCommandThatIsSlowSilencesNoOther) {
  const auto impatient = good(cluster::connect({.uri = sandbox_->uri(), .app_name = "impatient", .reply_limit = std::chrono::milliseconds(300)}, clock_, {}));
  Store store(*impatient, clock_);
  good(deployment_->run_command("admin", good(bson::from_ejson(
      R"({"configureFailPoint": "failCommand", "mode": "alwaysOn", "data": {"failCommands": ["aggregate"], "blockConnection": true, "blockTimeMS": 2000, "appName": "impatient"}})"))));
  std::atomic<bool> ended{false};
  std::thread slow([&] {
    EXPECT_FALSE(store.count("orgs", bson::Document()));
    ended = true;
  });
  do {
    EXPECT_TRUE(store.find_one("meta", bson::make_document({{"_id", "schema"}})));
    clock_.sleep(std::chrono::milliseconds(10), {});
  } while (!ended);
  slow.join();
  EXPECT_TRUE(store.find_one("meta", bson::make_document({{"_id", "schema"}})));
  good(deployment_->run_command("admin", good(bson::from_ejson(R"({"configureFailPoint": "failCommand", "mode": "off"})"))));
}

TEST_F(ControlPlane, ATokenExpires) {
  const auto token = good(decode_token(good(links_->create_token(kOrg, {}, "http://h"))));
  clock_.move(hours(24 * 7) + minutes(1));
  EXPECT_FALSE(good(links_->claim(token.link, token.secret, {"s", "o", "O", std::string(64, 'b'), "127.0.0.1"})));
  EXPECT_EQ(good(links_->of_org(kOrg)).size(), 1u) << "nobody can claim it any more";
  EXPECT_EQ(good(store_->count("orgLinks", bson::Document())), 2);
  good(links_->create_token(kOrg, {}, "http://h"));
  EXPECT_EQ(good(links_->of_org(kOrg)).size(), 2u);  // the expired one is gone; the claimed one stays
  EXPECT_TRUE(good(links_->exists(link_)));
}

TEST_F(ControlPlane, EventsAreForgottenWhenTheyAreOld) {
  EventLog log(*store_, clock_);
  Events events(*store_, clock_);
  const auto count = [&] { return good(events.list(Events::Of::kGroup, kGroup, {}, {1, 1})).total; };
  for (int i = 0; i < kSweepBatch + 20; ++i) good(log.tell(kGroup, "X_OLD"));
  clock_.move(hours(24));
  good(log.tell(kGroup, "X_NEW"));
  EXPECT_EQ(good(events.forget_older_than(kEventsKept)), 0);
  clock_.move(kEventsKept - hours(12));
  EXPECT_EQ(good(events.forget_older_than(kEventsKept)), kSweepBatch) << "a bounded number at a time";
  EXPECT_EQ(count(), 21);
  std::stop_source once;
  once.request_stop();
  events.keep_for(kEventsKept, *log_, once.get_token());
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(*good(events.list(Events::Of::kGroup, kGroup, {}, {1, 1})).items.front().find("eventTypeName")->as_string(), "X_NEW");
}

TEST_F(ControlPlane, AnOlderStoreIsBroughtToThisSchema) {
  const auto schema = [&] { return number_of(*good(store_->find_one("meta", bson::make_document({{"_id", "schema"}}))), "version"); };
  const auto put = [&](int version) {
    good(store_->update("meta", bson::make_document({{"_id", "schema"}}), bson::make_document({{"$set", bson::make_document({{"version", version}})}})));
  };
  EXPECT_EQ(schema(), kStoreSchema);
  bson::Builder old;
  old.append("createIndexes", "orgLinks");
  {
    auto indexes = old.open_array("indexes");
    auto spec = indexes.open_document();
    spec.append("key", bson::make_document({{"tokenHash", 1}})).append("name", "token").append("unique", true);
  }
  good(deployment_->run_command(kStoreDatabase, std::move(old).finish()));
  put(1);
  Store again(*deployment_, clock_);
  good(again.open());
  EXPECT_EQ(schema(), kStoreSchema);
  const auto indexes = good(deployment_->run_command(kStoreDatabase, bson::make_document({{"listIndexes", "orgLinks"}})));
  for (const auto& index : *indexes.view().at_path("cursor.firstBatch").to_array()) EXPECT_NE(text_of(index.document_value(), "name"), "token");
  good(again.open());
  put(kStoreSchema + 1);
  const auto refused = again.open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
}

TEST_F(ControlPlane, RecordsOfNetworksAreCountedAndConditional) {
  NetworkContainer wanted;
  wanted.group = kGroup;
  wanted.provider = "AWS";
  wanted.region = "EU_WEST_1";
  const auto container = good(networks_->add_container(wanted));
  EXPECT_FALSE(networks_->add_container(wanted));
  EXPECT_TRUE(good(networks_->available_peers(kGroup)).empty());
  auto peer = *good(networks_->add_peer({"", kGroup, "AWS", container.id, "EU_WEST_1", "INITIATING", "", Json(Json::Object{})}, container));
  EXPECT_FALSE(good(networks_->add_peer({"", kGroup, "AWS", container.id, "EU_WEST_1", "INITIATING", "", Json(Json::Object{})}, container))) << "it is counted on since";
  EXPECT_EQ(good(networks_->count_peers(kGroup, "AWS")), 1) << "and taken back";
  EXPECT_FALSE(networks_->remove_container(kGroup, container.id));
  peer.status = "AVAILABLE";
  EXPECT_TRUE(good(networks_->change_peer(peer)));
  EXPECT_FALSE(good(networks_->change_peer(peer))) << "it is not as it was read any more";
  ASSERT_EQ(good(networks_->available_peers(kGroup)).size(), 1u);
  const auto read = *good(networks_->peer(kGroup, peer.id));
  good(networks_->count_on(kGroup, "PRIVATE_LINK"));
  EXPECT_EQ(good(networks_->peer(kGroup, peer.id))->revision, read.revision);
  good(networks_->count_on(kGroup, "VPC_PEERING"));  // a migration goes through it now
  EXPECT_FALSE(good(networks_->remove_peer(read)));
  EXPECT_FALSE(good(networks_->change_peer(read)));
  ASSERT_EQ(good(networks_->available_peers(kGroup)).size(), 1u);
  const auto service = good(networks_->add_service({"", kGroup, "AWS", "EU_WEST_1", "AVAILABLE", "", Json(Json::Object{}), {}}));
  std::atomic<int> added = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        added += good(networks_->change_service(kGroup, "AWS", service.id, [i](EndpointService& one) -> Status {
          one.endpoints.push_back({"vpce-" + std::to_string(i), i % 2 == 0 ? "AVAILABLE" : "PENDING", "", Json(Json::Object{})});
          return {};
        })) ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(added, 8);
  EXPECT_EQ(good(networks_->service(kGroup, "AWS", service.id))->endpoints.size(), 8u);
  EXPECT_EQ(good(networks_->available_endpoints(kGroup, service.id)).size(), 4u);
  EXPECT_EQ(good(networks_->available_endpoints(kGroup, "vpce-2")).size(), 1u);
  // Who has read the service before it was counted on decides anew.
  int read_before = 0;
  EXPECT_TRUE(good(networks_->change_service(kGroup, "AWS", service.id, [&](EndpointService&) -> Status {
    return ++read_before == 1 ? networks_->count_on(kGroup, "PRIVATE_LINK") : Status();
  })));
  EXPECT_EQ(read_before, 2);
  EXPECT_TRUE(good(networks_->available_endpoints(kGroup, "vpce-3")).empty());
  EXPECT_FALSE(networks_->remove_service(kGroup, "AWS", service.id));
  EXPECT_FALSE(good(networks_->service(std::string(24, '9'), "AWS", service.id)));
}

TEST_F(ControlPlane, ChangesOfOnePeerOrContainerAtOnceAreAllKept) {
  NetworkContainer wanted;
  wanted.group = kGroup;
  wanted.provider = "AWS";
  wanted.region = "EU_WEST_2";
  wanted.fields = Json(Json::Object{});
  const auto container = good(networks_->add_container(wanted));
  const auto unused = good(networks_->add_container({"", kGroup, "AWS", "EU_WEST_3", false, Json(Json::Object{})}));
  const auto peer = *good(networks_->add_peer({"", kGroup, "AWS", container.id, "EU_WEST_2", "INITIATING", "", Json(Json::Object{})}, container));
  // One that an older version wrote does not count yet.
  good(store_->update("networkPeers", bson::make_document({{"_id", peer.id}}), bson::make_document({{"$unset", bson::make_document({{"revision", ""}})}})));
  const auto with = [](const Json& fields, int number) {
    auto all = *fields.as_object();
    all.emplace_back("f" + std::to_string(number), number);
    return Json(std::move(all));
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        for (;;) {
          auto one = *good(networks_->peer(kGroup, peer.id));
          one.fields = with(one.fields, i);
          if (good(networks_->change_peer(one))) break;
        }
        for (;;) {
          auto one = *good(networks_->container(kGroup, unused.id));
          one.fields = with(one.fields, i);
          if (good(networks_->change_container(one))) break;
        }
      });
    }
  }
  EXPECT_EQ(good(networks_->peer(kGroup, peer.id))->fields.as_object()->size(), 8u);
  EXPECT_EQ(good(networks_->container(kGroup, unused.id))->fields.as_object()->size(), 8u);
  EXPECT_FALSE(networks_->change_container(*good(networks_->container(kGroup, container.id)))) << "a peer uses it";
}

TEST_F(ControlPlane, NoPeerIsLeftWithoutItsContainer) {
  for (int round = 0; round < 15; ++round) {
    const auto container = good(networks_->add_container({"", kGroup, "AWS", "R" + std::to_string(round), false, Json(Json::Object{})}));
    {
      std::vector<std::jthread> threads;
      threads.emplace_back([&] { static_cast<void>(networks_->add_peer({"", kGroup, "AWS", container.id, "R", "INITIATING", "", Json(Json::Object{})}, container)); });
      threads.emplace_back([&] { static_cast<void>(networks_->remove_container(kGroup, container.id)); });
    }
    const bool there = good(networks_->container(kGroup, container.id)).has_value();
    for (const auto& peer : good(networks_->peers(kGroup, "AWS", {1, 100}))) {
      EXPECT_TRUE(there || peer.container != container.id) << round;
    }
  }
  EXPECT_FALSE(networks_->add_peer({"", kGroup, "AWS", std::string(24, '9'), "R", "INITIATING", "", Json(Json::Object{})}, {std::string(24, '9'), kGroup, "AWS", "R", false, Json(Json::Object{}), 1}));
  EXPECT_EQ(good(networks_->count_peers(std::string(24, '9'), "")), 0);
}

TEST_F(ControlPlane, DatabaseUsersAreRememberedUntilTheyAreNowhere) {
  CustomRoles roles(*store_, clock_);
  DatabaseUsers users(*store_, *keys_, roles, clock_);
  DatabaseUser wanted;
  wanted.group = kGroup;
  wanted.database = "admin";
  wanted.name = "app";
  wanted.roles = {{"readWrite", "shop"}};
  wanted.labels = Json(Json::Array());
  const auto user = good(users.add(wanted, "a good password"));
  EXPECT_FALSE(users.add(wanted, "a good password"));
  EXPECT_EQ(good(users.password(user)), "a good password");
  ASSERT_EQ(good(users.not_applied(kGroup, "c1")).size(), 1u);
  EXPECT_TRUE(good(users.note_present(user, "c1")));
  EXPECT_TRUE(good(users.note_applied(user, "c1")));
  EXPECT_TRUE(good(users.not_applied(kGroup, "c1")).empty());
  // A change is to be applied anew, and who read the user before it is told so.
  auto changed = *good(users.find(kGroup, "admin", "app"));
  changed.roles = {{"read", "shop"}};
  EXPECT_TRUE(good(users.change(changed, "")));
  EXPECT_FALSE(good(users.change(changed, "")));
  EXPECT_FALSE(good(users.note_applied(user, "c1")));
  EXPECT_EQ(good(users.not_applied(kGroup, "c1")).size(), 1u);
  EXPECT_TRUE(good(users.remove(kGroup, "admin", "app")));
  EXPECT_FALSE(good(users.remove(kGroup, "admin", "app")));
  EXPECT_FALSE(good(users.find(kGroup, "admin", "app")));
  EXPECT_EQ(good(users.count(kGroup)), 0);
  auto going = good(users.deleting());
  ASSERT_EQ(going.size(), 1u);
  EXPECT_EQ(going[0].present_on, std::vector<std::string>{"c1"});
  good(users.forget(going[0]));
  ASSERT_EQ(good(users.deleting()).size(), 1u);  // it is somewhere yet
  // One of the same name becomes it.
  const auto again = good(users.add(wanted, "another password"));
  EXPECT_EQ(again.id, user.id);
  EXPECT_EQ(good(users.password(*good(users.find(kGroup, "admin", "app")))), "another password");
  EXPECT_TRUE(good(users.deleting()).empty());
  EXPECT_TRUE(good(users.remove(kGroup, "admin", "app")));
  going = good(users.deleting());
  good(users.note_absent(going[0], "c1"));
  good(users.forget(going[0]));
  EXPECT_TRUE(good(users.deleting()).empty());
  // A time that has come ends one.
  wanted.delete_after = iso_time(clock_);
  good(users.add(wanted, "a good password"));
  clock_.move(minutes(1));
  good(users.expire());
  EXPECT_EQ(good(users.count(kGroup)), 0);
  // They go with their project, those that are being deleted too, and no other's.
  wanted.delete_after.clear();
  wanted.group = kSource;
  good(users.add(wanted, "a good password"));
  good(users.forget_project(kGroup));
  EXPECT_TRUE(good(users.deleting()).empty());
  EXPECT_EQ(good(users.count(kSource)), 1);
}

}  // namespace
}  // namespace drover::control
