// What is taken away on the source's site while work comes, on an embedded store: each moment at which the two can meet.
#include "control/source_removals.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <thread>
#include <unistd.h>

#include "bson/ejson.h"
#include "cluster/mongo_deployment.h"
#include "control/event_log.h"
#include "control/project_facts.h"
#include "interposed.h"
#include "moved_clock.h"
#include "net/http_server.h"
#include "sandbox/server/sandbox.h"

namespace drover::control {
namespace {

using How = SourceRemovals::How;

std::string path_of(const char* name) {
  return (std::filesystem::temp_directory_path() / ("drover removals " + std::to_string(::getpid()) + name)).string();
}

template <typename T>
T good(Result<T> result) {
  EXPECT_TRUE(result) << (result ? "" : result.error().message);
  return std::move(*result);
}
void good(const Status& status) { EXPECT_TRUE(status) << (status ? "" : status.error().message); }

class Removals : public ::testing::Test {
 protected:
  void SetUp() override {
    sandbox_ = good(sandbox::Sandbox::start({.dbpath = path_of("data"), .port = 0, .version = {8, 0, 4}}, *runtime_, *log_));
    deployment_ = good(cluster::connect({.uri = sandbox_->uri()}, *runtime_, {}));
    sealed_ = std::make_unique<SealedKeys>(good(SealedKeys::open(path_of("key"))));
    store_ = std::make_unique<Store>(*deployment_, *runtime_);
    good(store_->open());
    identity_ = std::make_unique<Identity>(*store_, *sealed_, *runtime_);
    links_ = std::make_unique<SiteLinks>(*store_, *sealed_, *runtime_);
    keys_ = std::make_unique<AgentKeys>(*store_, *sealed_, *runtime_);
    agents_ = std::make_unique<Agents>(*store_, *runtime_);
    jobs_ = std::make_unique<AgentJobs>(*store_, *sealed_, *runtime_);
    events_ = std::make_unique<EventLog>(*store_, *runtime_);
    deployments_ = std::make_unique<Deployments>(*store_, *sealed_, *events_, *runtime_);
    worker_ = std::make_unique<LinkWorker>(LinkWorker::Parts{*links_, *identity_, *agents_, *deployments_, *jobs_}, AtlasOptions{}, *runtime_, *log_);
    removals_ = std::make_unique<SourceRemovals>(SourceRemovals::Parts{*keys_, *agents_, *deployments_, *jobs_, *worker_}, *runtime_);
    org_ = good(identity_->create_organization("Source")).id;
    group_ = good(identity_->create_project(org_, "Shop")).id;
    key_ = good(keys_->create(group_, "mig01", "", "")).id;
    hello("mig01", key_);
    deployment_id_ = good(deployments_->add(group_, "shopRS", {"db1:27017", "db2:27017"}, {})).id;
  }
  void TearDown() override {
    deployment_.reset();
    sandbox_.reset();
    std::filesystem::remove_all(path_of("data"));
    std::filesystem::remove(path_of("key"));
  }

  void hello(const std::string& hostname, const std::string& key) {
    good(agents_->hello(group_, {.agent_id = hostname, .hostname = hostname, .version = "v", .address = "127.0.0.1", .key = key, .platform = {}, .monitoring = true, .cloud_migration = true}));
  }
  std::string work(const char* desired = "RUN", const char* host = "mig01", const char* cluster = "shopRS", const char* kind = "migration") {
    const auto id = new_id(*runtime_);
    const auto item = good(Json::parse(fmt::format(R"({{"id": "{}", "kind": "{}", "revision": 1, "desired": "{}", "migrationHost": "{}",
      "source": {{"groupId": "{}", "clusterName": "{}"}}}})", id, kind, desired, host, group_, cluster)));
    EXPECT_TRUE(good(jobs_->take("link", item)));
    return id;
  }
  std::string accepted() {
    const auto id = work();
    good(jobs_->accept(id));
    return id;
  }
  void sample(const std::string& host) {
    Json::Array hosts{Json::Object{{"host", host}, {"reached", true}, {"typeName", "REPLICA_PRIMARY"}, {"version", "8.0.4"}, {"metrics", Json::Object{{"CONNECTIONS", 1}}}}};
    good(deployments_->take_sample(group_, "v", Json(Json::Object{{"deploymentId", deployment_id_}, {"hosts", std::move(hosts)}})));
  }
  Agent agent(const char* hostname = "mig01") { return *good(agents_->by_hostname(group_, hostname)); }
  static std::vector<std::string> ids(const std::vector<AgentJob>& jobs) {
    std::vector<std::string> all;
    for (const auto& job : jobs) all.push_back(job.id);
    return all;
  }
  Json migration(const std::string& id, std::int64_t sequence, const char* desired = "RUN", const char* kind = "migration") {
    return Json::Object{{"id", id}, {"kind", kind}, {"revision", 1}, {"desired", desired}, {"migrationHost", "mig01"}, {"sequence", sequence},
                        {"source", Json::Object{{"groupId", group_}, {"clusterName", "shopRS"}}}};
  }
  // An atlas site that lists `items`, and knows nothing else.
  std::unique_ptr<net::HttpServer> atlas(const Json::Array& items) {
    const auto answer = [&](const net::HttpRequest& request) -> net::HttpResponse {
      if (request.path.ends_with("/claim")) {
        claims_.push_back(request.body);
        return {200, {}, "application/json", Json(Json::Object{{"linkId", std::string(24, '9')}, {"orgId", std::string(24, '1')}, {"orgName", "Atlas"}}).dump()};
      }
      if (request.path.ends_with("/held")) {
        held_.push_back(request.body);
        return {200, {}, "application/json", "{}"};
      }
      if (!request.path.ends_with("/work")) return {503, {}, "application/json", "{}"};
      return {200, {}, "application/json", Json(Json::Object{{"items", items}}).dump()};
    };
    return good(net::HttpServer::start({}, answer, *log_));
  }
  SiteLink connected(const net::HttpServer& atlas, char link) {
    const auto token = encode_token({fmt::format("http://127.0.0.1:{}", atlas.port()), std::string(24, '1'), std::string(24, link), std::string(64, 'c')});
    good(links_->claimed(good(links_->begin(org_, token)), std::string(24, '1'), "Atlas"));
    return *good(links_->of_org(org_));
  }
  void silence() {
    good(store_->update("agents", bson::make_document({{"hostname", "mig01"}}), bson::make_document({{"$set", bson::make_document({{"lastPoll", std::int64_t{0}}})}})));
    ASSERT_FALSE(agent().alive);
  }
  std::vector<std::string> remove_key(How how = How::kUnlessNeeded) {
    const auto removed = good(removals_->remove_key(group_, key_, how));
    EXPECT_TRUE(removed.there);
    return ids(removed.needed_by);
  }
  bool key_is_there() { return good(keys_->exists(group_, key_)); }
  Json failure() { return Json(Json::Object{{"state", "FAILED"}}); }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<sandbox::Sandbox> sandbox_;
  std::unique_ptr<cluster::Deployment> deployment_;
  std::unique_ptr<SealedKeys> sealed_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Identity> identity_;
  std::unique_ptr<SiteLinks> links_;
  std::unique_ptr<AgentKeys> keys_;
  std::unique_ptr<Agents> agents_;
  std::unique_ptr<AgentJobs> jobs_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<Deployments> deployments_;
  std::unique_ptr<LinkWorker> worker_;
  std::unique_ptr<SourceRemovals> removals_;
  std::vector<std::string> claims_;  // that the atlas site was sent
  std::vector<std::string> held_;  // what the atlas site was told
  std::string org_, group_, key_, deployment_id_;
};

TEST_F(Removals, AHostThatIsNeededKeepsItsKey) {
  const auto id = accepted();
  EXPECT_EQ(remove_key(), std::vector<std::string>{id});
  EXPECT_TRUE(key_is_there());
  EXPECT_EQ(agent().leaving, "") << "nothing is changed";
  // Once its last report is there the host is free.
  good(jobs_->report(group_, "mig01", id, kOwnReport + 1, failure()));
  EXPECT_TRUE(remove_key().empty());
  EXPECT_FALSE(key_is_there());
  EXPECT_NE(agent().leaving, "");
  hello("mig01", "another key");
  EXPECT_EQ(agent().leaving, "") << "it is provisioned again";
}

TEST_F(Removals, WorkForOthersKeepsNothing) {
  const auto id = work("RUN", "mig02", "other");
  good(jobs_->accept(id));
  EXPECT_TRUE(remove_key().empty());
}

TEST_F(Removals, AValidationAndAStopNeedTheirHost) {
  const auto validation = work("RUN", "mig01", "shopRS", "validation"), stopping = work("STOP");
  good(jobs_->accept(validation));
  good(jobs_->accept(stopping));
  EXPECT_EQ(remove_key(), (std::vector<std::string>{validation, stopping}));
}

TEST_F(Removals, AnAgentWhoseKeyIsNotKnownMayBeOfThisOne) {
  hello("mig01", "");
  const auto id = accepted();
  EXPECT_EQ(remove_key(), std::vector<std::string>{id});
}

TEST_F(Removals, ByForceAtOnce) {
  accepted();
  EXPECT_TRUE(remove_key(How::kForced).empty());
  EXPECT_FALSE(key_is_there());
  EXPECT_NE(agent().leaving, "");
}

TEST_F(Removals, WaitsForWorkThatIsBeingTaken) {
  for (const bool accept : {true, false}) {
    const auto id = work();
    std::thread decision([&] {
      static_cast<void>(runtime_->sleep(std::chrono::milliseconds(300), {}));
      EXPECT_NE(agent().leaving, "") << "whoever takes it sees the mark";
      good(accept ? jobs_->accept(id) : jobs_->refuse(id, failure()));
    });
    const auto needed_by = remove_key();
    decision.join();
    EXPECT_EQ(needed_by, accept ? std::vector<std::string>{id} : std::vector<std::string>{});
    EXPECT_EQ(key_is_there(), accept);
    good(jobs_->remove(id));
  }
}

TEST_F(Removals, WorkIsDecidedOnce) {
  const auto id = work();
  EXPECT_TRUE(good(jobs_->for_agent(group_, "mig01")).empty()) << "nobody is given it before";
  good(jobs_->accept(id));
  good(jobs_->refuse(id, failure()));
  EXPECT_TRUE(good(jobs_->find(id))->report.is_null());
  EXPECT_EQ(good(jobs_->for_agent(group_, "mig01")).size(), 1u);
  const auto other = work();
  good(jobs_->refuse(other, failure()));
  good(jobs_->accept(other));
  EXPECT_FALSE(good(jobs_->find(other))->accepted);
}

TEST_F(Removals, ADeploymentThatIsReadKeepsItsHosts) {
  const auto id = accepted();
  const auto first = Deployments::host_id(group_, "db1:27017"), second = Deployments::host_id(group_, "db2:27017");
  EXPECT_EQ(ids(good(removals_->remove_host(group_, first)).needed_by), std::vector<std::string>{id});
  EXPECT_EQ(good(deployments_->hosts(group_)).size(), 2u);
  EXPECT_EQ(good(deployments_->find(group_, deployment_id_))->leaving, "");
  good(jobs_->remove(id));
  EXPECT_TRUE(good(removals_->remove_host(group_, first)).there);
  EXPECT_EQ(good(deployments_->find(group_, deployment_id_))->leaving, "") << "another host of it stays";
  EXPECT_TRUE(good(removals_->remove_host(group_, second)).there);
  EXPECT_FALSE(good(deployments_->find(group_, deployment_id_)));
  EXPECT_FALSE(good(removals_->remove_host(group_, second)).there);
}

TEST_F(Removals, AProjectGoesWithWhatItHas) {
  const auto id = accepted();
  EXPECT_EQ(ids(good(removals_->needing_project(group_))), std::vector<std::string>{id});
  EXPECT_TRUE(key_is_there());
  EXPECT_EQ(agent().leaving, "");
  good(jobs_->remove(id));
  EXPECT_TRUE(good(removals_->needing_project(group_)).empty());
  EXPECT_TRUE(key_is_there()) << "whoever asks takes nothing away";
  sample("db1:27017");
  for (int twice = 0; twice < 2; ++twice) {
    good(removals_->forget_project(group_));
    EXPECT_FALSE(key_is_there());
    EXPECT_TRUE(good(agents_->of_project(group_)).empty());
    for (const auto* collection : {"deployments", "hosts", "measurements"}) EXPECT_EQ(good(store_->count(collection, bson::Document())), 0) << collection;
  }
}

TEST_F(Removals, WorkThatIsTakenKeepsItsProject) {
  const auto deletion = *good(identity_->begin_deleting(Tenant::kProject, group_));
  EXPECT_TRUE(good(removals_->needing_project(group_)).empty());
  EXPECT_TRUE(good(identity_->stays(Tenant::kProject, group_))) << "work comes now, and is given out";
  EXPECT_FALSE(good(identity_->settle_deleting(Tenant::kProject, group_, deletion.mark)));
  EXPECT_TRUE(good(identity_->project(group_)));
}

// What the mark was for is over when somebody has taken it away: work may have come by it.
TEST_F(Removals, OnlyWhatHasItsMarkIsTakenAway) {
  using Removal = Deployments::Removal;
  const auto first = Deployments::host_id(group_, "db1:27017"), second = Deployments::host_id(group_, "db2:27017");
  const auto mark = [&](const char* by) { good(deployments_->take_away(*good(deployments_->find(group_, deployment_id_)), by)); };
  for (const auto& host : {first, second}) {
    mark("one");
    EXPECT_TRUE(good(deployments_->set_credentials(group_, deployment_id_, {})));
    EXPECT_EQ(good(deployments_->remove_host(group_, host, "one")), Removal::kNotMarked);
    mark("one");
    mark("other");
    EXPECT_EQ(good(deployments_->remove_host(group_, host, "one")), Removal::kNotMarked);
    EXPECT_TRUE(good(deployments_->host(group_, host)));
    EXPECT_EQ(good(deployments_->remove_host(group_, host, "other")), Removal::kDone);
    EXPECT_EQ(good(deployments_->remove_host(group_, host, "other")), Removal::kNotThere);
  }
  EXPECT_FALSE(good(deployments_->find(group_, deployment_id_)));
  // An agent that has registered since it was read is another one.
  const auto before = agent();
  hello("mig01", "another key");
  EXPECT_FALSE(good(agents_->take_away(before, "one")));
  EXPECT_EQ(agent().leaving, "");
  EXPECT_TRUE(good(agents_->take_away(agent(), "one")));
}

TEST_F(Removals, ASampleThatComesTooLateLeavesNothing) {
  sample("db1:27017");
  EXPECT_GT(good(store_->count("measurements", bson::Document())), 0);
  for (const auto* host : {"db1:27017", "db2:27017"}) EXPECT_TRUE(good(removals_->remove_host(group_, Deployments::host_id(group_, host))).there);
  sample("db1:27017");
  EXPECT_EQ(good(store_->count("hosts", bson::Document())), 0);
  EXPECT_EQ(good(store_->count("measurements", bson::Document())), 0);
}

TEST_F(Removals, WhatProjectsTellIsAskedForOnceForAllOfThem) {
  const auto other = good(identity_->create_project(org_, "Other")).id, empty = good(identity_->create_project(org_, "Empty")).id;
  good(agents_->hello(other, {.agent_id = "a", .hostname = "a", .version = "v", .address = "127.0.0.1", .key = "k", .platform = {}, .monitoring = true, .cloud_migration = false}));
  good(deployments_->add(other, "two", {"db1:27017"}, {}));
  sample("db1:27017");
  Interposed counting(*deployment_);
  int asked = 0;
  counting.before = [&](bson::View) { ++asked; };
  Store store(counting, *runtime_);
  Agents agents(store, *runtime_);
  Deployments deployments(store, *sealed_, *events_, *runtime_);
  const auto facts = good(facts_of_projects(agents, deployments, {group_, other, empty}));
  EXPECT_EQ(asked, 3);
  ASSERT_EQ(facts.size(), 3u);
  const auto& first = facts.at(group_);
  EXPECT_EQ(first.active_agents, 1);
  EXPECT_GT(first.last_active_millis, 0);
  EXPECT_EQ(first.hosts.at("primary"), 1);
  EXPECT_EQ(facts.at(other).active_agents, 1);
  EXPECT_EQ(facts.at(other).hosts.at("primary"), 0);
  EXPECT_EQ(facts.at(empty).active_agents, 0);
  EXPECT_EQ(facts.at(empty).last_active_millis, 0);
  EXPECT_EQ(facts.at(empty).hosts.size(), first.hosts.size());
}

TEST_F(Removals, WhatHadBegunComesByTheNextLinkWhileItsHostIsAway) {
  const auto begun = new_id(*runtime_), fresh = new_id(*runtime_);
  Json::Array listed{migration(begun, 0)};
  const auto site = atlas(listed);
  const auto first = connected(*site, '2');
  worker_->look_for_work(group_);
  ASSERT_TRUE(good(jobs_->find(begun))->accepted);
  good(worker_->disconnect(first, LinkWorker::How::kForced, {}));
  ASSERT_FALSE(good(jobs_->find(begun)));
  silence();
  listed.push_back(migration(fresh, 0));
  const auto second = connected(*site, '3');
  worker_->look_for_work(group_);
  EXPECT_TRUE(good(jobs_->find(begun))->accepted) << "its host goes on with it when it is back";
  EXPECT_EQ(good(jobs_->find(fresh))->sequence, kOwnReport) << "what is to begin needs its host now";
  // Of a link whose claim was not answered the proof is kept: it may be the one that has all of this.
  const auto other = good(identity_->create_organization("Other")).id;
  const auto token = encode_token({"http://127.0.0.1:1", std::string(24, '1'), std::string(24, '5'), std::string(64, 'c')});
  const auto unsent = good(links_->begin(other, token));
  good(worker_->disconnect(unsent, LinkWorker::How::kBoth, {}));
  EXPECT_TRUE(good(links_->former_of(unsent)).empty()) << "nobody has heard of it";
  // The same token again has another secret, and the claim of either may have come there.
  for (std::size_t times = 1; times <= 2; ++times) {
    EXPECT_FALSE(worker_->claim_now(good(links_->begin(other, token)), {}));
    const auto unanswered = *good(links_->of_org(other));
    good(worker_->disconnect(unanswered, LinkWorker::How::kBoth, {}));
    const auto former = good(links_->former_of(unanswered));
    ASSERT_EQ(former.size(), times);
    EXPECT_EQ(std::count_if(former.begin(), former.end(), [&](const auto& one) { return one.link == unanswered.link && one.proof == succession_proof(unanswered.secret); }), 1);
  }
  // A host that is none any more ends nothing: its engine may run. Both sites say so, and it goes on when the host is back.
  good(worker_->disconnect(second, LinkWorker::How::kForced, {}));
  EXPECT_TRUE(remove_key().empty());
  connected(*site, '4');
  EXPECT_TRUE(held_.empty());
  worker_->look_for_work(group_);
  const auto held = *good(jobs_->find(begun));
  EXPECT_TRUE(held.undecided());
  EXPECT_NE(held.held.find("mig01"), std::string::npos) << held.held;
  EXPECT_NE(held.held_since, 0);
  ASSERT_EQ(held_.size(), 1u);
  EXPECT_NE(held_[0].find(held.held), std::string::npos) << held_[0];
  worker_->look_for_work(group_);
  EXPECT_EQ(held_.size(), 1u) << "a site that does not keep it is not told at each look";
  EXPECT_TRUE(good(jobs_->for_agent(group_, "mig01")).empty());
  MovedClock patience;
  SourceRemovals removals(SourceRemovals::Parts{*keys_, *agents_, *deployments_, *jobs_, *worker_}, patience);
  EXPECT_EQ(good(removals.needing_project(group_)).size(), 1u) << "it needs its source";
  EXPECT_EQ(patience.sleeps(), 0) << "and nobody waits for a decision on it";
  EXPECT_TRUE(good(jobs_->hold(begun, "another reason")));
  EXPECT_FALSE(good(jobs_->hold(begun, "another reason")));
  key_ = good(keys_->create(group_, "mig01", "", "")).id;
  hello("mig01", key_);
  worker_->look_for_work(group_);
  EXPECT_TRUE(good(jobs_->find(begun))->accepted);
  EXPECT_EQ(good(jobs_->find(begun))->held, "");
}

// However often a link was given up before: the eldest may be the one that has migrations.
TEST_F(Removals, EveryFormerLinkIsShownToTheNextClaim) {
  Json::Array nothing;
  const auto site = atlas(nothing);
  SiteLink former;
  former.org = org_;
  former.peer_org = std::string(24, '1');
  const int more = kMaxFormerKept + 3;
  for (int i = 0; i < more; ++i) {
    former.link = fmt::format("{:024x}", i);
    former.secret = std::string(64, static_cast<char>('a' + i % 6));
    good(links_->remember(former));
  }
  EXPECT_EQ(good(store_->count("formerLinks", bson::Document())), kMaxFormerKept);
  const auto link = good(links_->begin(org_, encode_token({fmt::format("http://127.0.0.1:{}", site->port()), std::string(24, '1'), std::string(24, '9'), std::string(64, 'c')})));
  good(worker_->claim_now(link, {}));
  std::set<std::string> shown;
  for (const auto& claim : claims_) {
    const auto body = good(Json::parse(claim));
    EXPECT_EQ(*body.find("linkSecret")->as_string(), link.secret);
    EXPECT_LE(body.find("formerLinks")->as_array()->size(), kMaxFormerLinks);
    for (const auto& one : *body.find("formerLinks")->as_array()) shown.insert(*one.find("linkId")->as_string());
  }
  EXPECT_EQ(shown.size(), static_cast<std::size_t>(kMaxFormerKept));
  EXPECT_FALSE(shown.contains(fmt::format("{:024x}", 0))) << "the eldest have gone";
  EXPECT_TRUE(shown.contains(fmt::format("{:024x}", 3)));
  EXPECT_EQ(good(store_->count("formerLinks", bson::Document())), 0);
  EXPECT_TRUE(good(links_->of_org(org_))->claimed);
}

TEST_F(Removals, NothingThatIsMissingHereEndsWhatHadBegun) {
  constexpr std::int64_t kHeard = (std::int64_t{7} << 32) + 12;
  const auto cutover = new_id(*runtime_), stop = new_id(*runtime_), elsewhere = new_id(*runtime_), fresh = new_id(*runtime_);
  auto foreign = *migration(elsewhere, kHeard).as_object();
  foreign.back().second = Json(Json::Object{{"groupId", std::string(24, '9')}, {"clusterName", "shopRS"}});
  Json::Array listed;
  const auto site = atlas(listed);
  connected(*site, '2');
  for (const auto* host : {"db1:27017", "db2:27017"}) EXPECT_TRUE(good(removals_->remove_host(group_, Deployments::host_id(group_, host))).there);
  listed = {migration(cutover, kHeard, "CUTOVER"), migration(stop, kHeard, "STOP"), Json(foreign), migration(fresh, 0)};
  worker_->look_for_work(group_);
  for (const auto& id : {cutover, stop}) {
    EXPECT_TRUE(good(jobs_->find(id))->undecided()) << "the other site waits for a stop, and gives it up by itself";
    EXPECT_EQ(good(jobs_->find(id))->held, "the project monitors no deployment named shopRS");
  }
  EXPECT_FALSE(good(jobs_->find(elsewhere))) << "nothing is kept of what is another organization's";
  EXPECT_TRUE(good(jobs_->find(fresh))->refused());
  ASSERT_EQ(held_.size(), 3u);
  EXPECT_NE(held_[2].find("has no project"), std::string::npos) << held_[2];
  // What is known there is not told again.
  auto known = *migration(cutover, kHeard, "CUTOVER").as_object();
  known.emplace_back("heldBecause", "the project monitors no deployment named shopRS");
  listed = {Json(known)};
  worker_->look_for_work(group_);
  EXPECT_EQ(held_.size(), 3u);
  deployment_id_ = good(deployments_->add(group_, "shopRS", {"db1:27017", "db2:27017"}, {})).id;
  worker_->look_for_work(group_);
  EXPECT_TRUE(good(jobs_->find(cutover))->accepted);
}

// This site's store may have lost what it knew of it: what the other one has heard of it says that it had begun, and what counts there.
TEST_F(Removals, WhatTheOtherSiteHasHeardOfHadBegun) {
  constexpr std::int64_t kHeard = (std::int64_t{7} << 32) + 12;
  const auto begun = new_id(*runtime_), later = new_id(*runtime_);
  Json::Array listed{migration(begun, kHeard)};
  const auto site = atlas(listed);
  connected(*site, '2');
  silence();
  worker_->look_for_work(group_);
  EXPECT_TRUE(good(jobs_->find(begun))->accepted) << "its host goes on with it when it is back";
  good(jobs_->remove(begun));
  EXPECT_TRUE(remove_key().empty());
  listed = {migration(later, kHeard, "RUN", "validation")};
  worker_->look_for_work(group_);
  const auto refused = *good(jobs_->find(later));
  EXPECT_TRUE(refused.refused());
  EXPECT_FALSE(refused.needs_source());
  EXPECT_EQ(refused.sequence, kHeard + 1) << "a lower one would be dropped there";
  // An agent that still has it is told that it is not to.
  EXPECT_FALSE(good(jobs_->report(group_, "mig01", later, kHeard + 2, failure())));
  EXPECT_EQ(good(jobs_->find(later))->sequence, kHeard + 1);
}

TEST_F(Removals, AReportDoesNotDecideOnWhatIsUndecided) {
  const auto id = work();
  EXPECT_TRUE(good(jobs_->report(group_, "mig01", id, std::int64_t{8} << 32, failure())));
  EXPECT_TRUE(good(jobs_->find(id))->undecided()) << "it would be given to nobody, and be looked at by nobody";
  good(jobs_->accept(id));
  EXPECT_TRUE(good(jobs_->report(group_, "mig01", id, std::int64_t{8} << 32, failure())));
  EXPECT_EQ(good(jobs_->find(id))->sequence, std::int64_t{8} << 32);
}

// Whoever disconnected died in between, or a list of work that was read before has brought more.
TEST_F(Removals, JobsOfALinkThatIsGoneAreSwept) {
  const auto begun = new_id(*runtime_);
  Json::Array listed{migration(begun, 0)};
  const auto site = atlas(listed);
  const auto first = connected(*site, '2');
  worker_->look_for_work(group_);
  good(worker_->sweep());
  ASSERT_TRUE(good(jobs_->find(begun))) << "its link is there";
  good(links_->remove(first));
  connected(*site, '3');
  worker_->look_for_work(group_);
  good(worker_->sweep());
  EXPECT_FALSE(good(jobs_->find(begun)));
  silence();
  worker_->look_for_work(group_);
  const auto again = *good(jobs_->find(begun));
  EXPECT_EQ(again.link, std::string(24, '3'));
  EXPECT_TRUE(again.accepted);
}

TEST_F(Removals, ALinkGoesBeforeItsJobs) {
  const auto id = new_id(*runtime_);
  Json::Array listed{migration(id, 0)};
  const auto site = atlas(listed);
  const auto link = connected(*site, '2');
  worker_->look_for_work(group_);
  // The store changes no document any more, as if this process had died.
  const auto fail_point = [&](const char* mode) {
    good(deployment_->run_command("admin", good(bson::from_ejson(fmt::format(R"({{"configureFailPoint": "failCommand", "mode": "{}", "data": {{"failCommands": ["update", "findAndModify"], "errorCode": 13}}}})", mode)))));
  };
  fail_point("alwaysOn");
  (void)worker_->disconnect(link, LinkWorker::How::kForced, {});
  EXPECT_FALSE(good(links_->of_org(org_)));
  EXPECT_TRUE(good(jobs_->find(id)));
  fail_point("off");
  good(worker_->sweep());
  EXPECT_FALSE(good(jobs_->find(id)));
}

}  // namespace
}  // namespace drover::control
