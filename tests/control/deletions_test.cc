// How organizations and projects go: at the same time as something that keeps them, and by processes that die in the middle of it.
#include "control/deletions.h"

#include <functional>
#include <map>
#include <thread>

#include "api/control_api.h"
#include "api/identity_routes.h"
#include "cluster/testing/stub_deployment.h"
#include "control/access_lists.h"
#include "control/agent_keys.h"
#include "control/service_accounts.h"
#include "control/site_links.h"
#include "control_plane.h"

namespace drover::control {
namespace {

// The store of a process that dies at one of its commands: neither that one nor any later one arrives.
class DyingProcess final : public cluster::StubDeployment {
 public:
  DyingProcess(cluster::Deployment& store, int commands) : store_(store), left_(commands) {}
  Result<bson::Document> run_command(const std::string& database, bson::View command) override {
    if (left_-- <= 0) return fail(ErrorCode::kFailure, "the process is dead");
    return store_.run_command(database, command);
  }
  bool died() const { return left_ < 0; }

 private:
  cluster::Deployment& store_;
  int left_;
};

// What one server process has, on a store of its own making.
struct Process {
  Process(cluster::Deployment& deployment, const SealedKeys& keys, Runtime& runtime, Log& log)
      : store(deployment, runtime),
        identity(store, keys, runtime),
        accounts(store, keys, runtime),
        links(store, keys, runtime),
        lists(store, runtime),
        agent_keys(store, keys, runtime),
        deletions(identity,
                  {[this](const std::string& group) -> Status {
                     TRY(agent_keys.forget_project(group));
                     TRY(lists.forget_project(group));
                     return accounts.forget_project(group);
                   },
                   [this](const std::string& org, const std::string& but) -> Status {
                     TRY(links.remove_of_org(org));
                     return accounts.forget_organization(org, but);
                   },
                   [this] { return agent_keys.projects(); }},
                  runtime, log) {
    api::RouteTable routes;
    api::add_identity_routes(routes, identity, deletions, {[](const std::string&) -> api::RestResult<int> { return 0; }, {}, {}, {}});
    // A request that writes something while the project or the organization is deleted.
    for (const auto* path : {"/groups/{groupId}/late", "/orgs/{orgId}/late"})
      routes.add({"POST", path, {api::Family::kAtlasV2}, Access::kOrgRead, {"2023-01-01"}, [this](const api::RestRequest& request) { return late(request); }, api::Route::Body::kObject, "LATE"});
    api::ControlApi::Options options;
    options.families = {api::Family::kAtlasV2};
    options.bearer = [this](const std::string& id) -> Result<std::optional<ApiKey>> {
      if (const auto key = TRY(identity.key(org, id))) return std::optional(*key);
      const auto account = TRY(accounts.find(org, id));
      if (!account) return std::optional<ApiKey>();
      ApiKey caller;
      caller.id = caller.public_key = account->client_id;
      caller.org = account->org;
      caller.grants = account->grants;
      return std::optional(caller);
    };
    options.tell = [this](const Json::Object& event) -> Status {
      told.push_back(*event.front().second.as_string());
      return {};
    };
    options.deletions = &deletions;
    control = std::make_unique<api::ControlApi>(std::move(routes), identity, runtime, log, options);
  }
  int call(const std::string& method, const std::string& path, const std::string& caller) {
    net::HttpRequest request;
    request.method = method;
    request.path = "/api/atlas/v2" + path;
    request.headers = {{"Authorization", "Bearer " + caller}};
    request.peer = "127.0.0.1:1";
    return control->handle(request).status;
  }

  Store store;
  Identity identity;
  ServiceAccounts accounts;
  Links links;
  AccessLists lists;
  AgentKeys agent_keys;
  Deletions deletions;
  std::string org;
  std::function<api::RestResult<api::RestReply>(const api::RestRequest&)> late;
  std::vector<std::string> told;
  std::unique_ptr<api::ControlApi> control;
};

class Going : public ControlPlane {
 protected:
  struct Made {
    std::string org, owner, other, account;
  };
  Made organization() {
    Made made;
    Process process(*deployment_, *keys_, clock_, *log_);
    made.org = good(process.identity.create_organization("o")).id;
    made.owner = good(process.identity.create_key(made.org, "owner", {"ORG_OWNER"})).id;
    made.other = good(process.identity.create_key(made.org, "other", {"ORG_MEMBER"})).id;
    const auto account = good(process.accounts.create(made.org, "a", "an account", {"ORG_OWNER"}, 24));
    good(process.accounts.token_for(account.client_id, account.secrets.front().secret));
    made.account = account.client_id;
    good(process.links.create_token(made.org, {}, "http://127.0.0.1:1"));
    return made;
  }
  std::int64_t left_of(const std::string& org) {
    std::int64_t left = good(store_->count("orgs", bson::make_document({{"_id", org}})));
    for (const auto* collection : {"apiKeys", "serviceAccounts", "orgLinks", "projects"}) left += good(store_->count(collection, bson::make_document({{"orgId", org}})));
    return left + good(store_->count("accessTokens", bson::Document()));
  }
  // A process that looks for what others have left, once.
  void sweep() {
    Process process(*deployment_, *keys_, clock_, *log_);
    std::stop_source once;
    once.request_stop();
    process.deletions.run(once.get_token());
  }
};

TEST_F(Going, AnOrganizationWhoseDeletionWasCutAnywhereIsFinishedByItsCaller) {
  for (const bool by_account : {false, true}) {
    int finished = 0, settled = 0;
    for (int commands = 0; finished == 0; ++commands) {
      ASSERT_LT(commands, 200);
      const auto made = organization();
      const auto caller = by_account ? made.account : made.owner;
      DyingProcess dying(*deployment_, commands);
      int answered = 0;
      {
        Process process(dying, *keys_, clock_, *log_);
        process.org = made.org;
        answered = process.call("DELETE", "/orgs/" + made.org, caller);
      }
      const bool died = dying.died();
      EXPECT_EQ(died, answered != 204) << commands << " " << answered;
      Process process(*deployment_, *keys_, clock_, *log_);
      process.org = made.org;
      const bool gone = !good(process.identity.organization(made.org));
      settled += gone && died ? 1 : 0;
      if (died) {
        // Whoever asks may do it once more, until nothing but the document is left, which the server takes away by itself.
        const int again = process.call("DELETE", "/orgs/" + made.org, caller);
        EXPECT_TRUE(again == 204 || (again == 401 && gone)) << commands << ": " << again;
        if (again == 401) {
          EXPECT_EQ(left_of(made.org), 1) << commands;
          sweep();
        }
      } else {
        finished = 1;
      }
      EXPECT_EQ(left_of(made.org), 0) << commands;
    }
    EXPECT_GT(settled, 5) << "cut in the middle";
  }
}

TEST_F(Going, WhatADeadProcessHasLeftIsFinishedByAnyOther) {
  for (int commands = 0, finished = 0; finished == 0; ++commands) {
    const auto made = organization();
    DyingProcess dying(*deployment_, commands);
    Process process(dying, *keys_, clock_, *log_);
    process.org = made.org;
    finished = process.call("DELETE", "/orgs/" + made.org, made.owner) == 204 ? 1 : 0;
    sweep();
    // Either nothing of it is done, or all.
    const auto left = left_of(made.org);
    EXPECT_EQ(left, good(Identity(*store_, *keys_, clock_).organization(made.org)) ? 6 : 0) << commands;
    Process next(*deployment_, *keys_, clock_, *log_);
    next.org = made.org;
    if (left != 0) {
      EXPECT_EQ(next.call("DELETE", "/orgs/" + made.org, made.owner), 204);
    }
  }
}

TEST_F(Going, AProjectThatIsSettledIsSeenByNobodyAndFinished) {
  const auto made = organization();
  Process process(*deployment_, *keys_, clock_, *log_);
  auto& identity = process.identity;
  const auto project = good(identity.create_project(made.org, "p"));
  const auto key = good(identity.create_project_key(project, "k", {"GROUP_OWNER"}));
  const auto deletion = *good(identity.begin_deleting(Tenant::kProject, project.id));
  EXPECT_TRUE(good(identity.project(project.id))) << "it is there until it is settled";
  EXPECT_TRUE(good(identity.settle_deleting(Tenant::kProject, project.id, deletion.mark)));
  EXPECT_FALSE(good(identity.settle_deleting(Tenant::kProject, project.id, deletion.mark)));
  EXPECT_FALSE(good(identity.project(project.id)));
  EXPECT_FALSE(good(identity.stays(Tenant::kProject, project.id)));
  EXPECT_FALSE(good(identity.rename_project(project.id, "q")));
  EXPECT_EQ(good(identity.count_projects(made.org)), 0);
  EXPECT_EQ(good(identity.projects(made.org, {{"ORG_OWNER", made.org, ""}}, {})).total, 0);
  EXPECT_TRUE(good(identity.projects_named("p", {{"ORG_OWNER", made.org, ""}})).empty());
  EXPECT_FALSE(identity.create_project_key(project, "late", {"GROUP_OWNER"}));
  EXPECT_TRUE(good(identity.begin_deleting(Tenant::kProject, project.id))->settled) << "and finished by whoever asks again";
  sweep();
  EXPECT_EQ(good(store_->count("projects", bson::make_document({{"orgId", made.org}}))), 0);
  EXPECT_EQ(good(identity.key(made.org, key.id))->grants.size(), 1u) << "its roles in the project are gone";
  EXPECT_FALSE(good(identity.begin_deleting(Tenant::kProject, project.id)));
}

TEST_F(Going, WhateverKeepsAProjectWinsOverWhoeverIsAboutToDeleteIt) {
  const auto made = organization();
  Identity identity(*store_, *keys_, clock_);
  const auto id = good(identity.create_project(made.org, "p")).id;
  auto mark = good(identity.begin_deleting(Tenant::kProject, id))->mark;
  EXPECT_TRUE(good(identity.stays(Tenant::kProject, id)));
  EXPECT_FALSE(good(identity.settle_deleting(Tenant::kProject, id, mark)));
  // Of two who delete it one does, and one that stops ends nobody else's.
  mark = good(identity.begin_deleting(Tenant::kProject, id))->mark;
  const auto other = good(identity.begin_deleting(Tenant::kProject, id))->mark;
  EXPECT_FALSE(good(identity.settle_deleting(Tenant::kProject, id, mark)));
  good(identity.stop_deleting(Tenant::kProject, id, mark));
  EXPECT_TRUE(good(identity.settle_deleting(Tenant::kProject, id, other)));
}

TEST_F(Going, AnOrganizationGoesOnceItHasNoProjects) {
  const auto made = organization();
  Process process(*deployment_, *keys_, clock_, *log_);
  process.org = made.org;
  auto& identity = process.identity;
  EXPECT_TRUE(good(identity.rename_organization(made.org, "renamed")));
  EXPECT_FALSE(identity.rename_organization(made.org, "  "));
  EXPECT_EQ(good(identity.organization(made.org))->name, "renamed");
  const auto project = good(identity.create_project(made.org, "p"));
  EXPECT_EQ(process.call("DELETE", "/orgs/" + made.org, made.owner), 409) << "it has a project";
  EXPECT_EQ(process.call("DELETE", "/groups/" + project.id, made.owner), 204);
  good(identity.begin_deleting(Tenant::kOrganization, made.org));  // by a process that died
  EXPECT_EQ(process.call("DELETE", "/groups/" + good(identity.create_project(made.org, "p")).id, made.owner), 204);
  EXPECT_EQ(process.call("DELETE", "/orgs/" + made.org, made.owner), 204);
  EXPECT_EQ(process.call("DELETE", "/orgs/" + made.org, made.owner), 401);
  EXPECT_FALSE(identity.create_project(made.org, "late"));
  EXPECT_FALSE(identity.create_organization("child", made.org)) << "whoever asks was of it";
  EXPECT_EQ(left_of(made.org), 0);
}

TEST_F(Going, OfADeletionAndANewProjectAtOnceOneWins) {
  int made_of_it[2] = {0, 0};
  for (int round = 0; round < 15; ++round) {
    const auto made = organization();
    Process process(*deployment_, *keys_, clock_, *log_);
    process.org = made.org;
    {
      std::vector<std::jthread> threads;
      threads.emplace_back([&] { process.call("DELETE", "/orgs/" + made.org, made.owner); });
      threads.emplace_back([&] { static_cast<void>(process.identity.create_project(made.org, "p")); });
    }
    const bool there = good(process.identity.organization(made.org)).has_value();
    EXPECT_EQ(good(store_->count("projects", bson::make_document({{"orgId", made.org}}))), there ? 1 : 0) << round;
    ++made_of_it[there ? 1 : 0];
    if (there) {
      const auto mark = good(process.identity.begin_deleting(Tenant::kOrganization, made.org))->mark;
      EXPECT_TRUE(good(process.identity.settle_deleting(Tenant::kOrganization, made.org, mark)));
      good(process.deletions.finish_organization(made.org, ""));
    }
  }
  EXPECT_EQ(made_of_it[0] + made_of_it[1], 15);
}

// The request was let in before; what it writes is of something that is not there any more, and goes.
TEST_F(Going, WhatIsWrittenAfterTheEndGoesToo) {
  const auto made = organization(), stranger = organization();
  Process process(*deployment_, *keys_, clock_, *log_);
  process.org = made.org;
  const auto project = good(process.identity.create_project(made.org, "p"));
  process.late = [&](const api::RestRequest& request) -> api::RestResult<api::RestReply> {
    TRY_REST(process.lists.add(project.id, std::vector<AccessListEntry>{AccessListEntry{"203.0.113.1/32", "late", ""}}));
    return api::RestReply{200, Json(Json::Object{{"of", request.org}})};
  };
  const auto lists = [&] { return good(store_->count("accessList", bson::make_document({{"groupId", project.id}}))); };
  EXPECT_EQ(process.call("POST", "/groups/" + project.id + "/late", made.owner), 200);
  EXPECT_EQ(lists(), 1);
  EXPECT_EQ(process.told, std::vector<std::string>{"LATE"});
  const auto write = process.late;
  process.late = [&](const api::RestRequest& request) {
    EXPECT_EQ(process.call("DELETE", "/groups/" + project.id, made.owner), 204);
    EXPECT_EQ(lists(), 0);
    return write(request);
  };
  EXPECT_EQ(process.call("POST", "/groups/" + project.id + "/late", made.owner), 404);
  EXPECT_EQ(lists(), 0);
  // Of an organization: its caller's key is gone, and what the request makes is as well.
  process.late = [&](const api::RestRequest&) -> api::RestResult<api::RestReply> {
    EXPECT_EQ(process.call("DELETE", "/orgs/" + made.org, made.owner), 204);
    TRY_REST(process.identity.create_key(made.org, "late", {"ORG_OWNER"}));
    TRY_REST(process.accounts.create(made.org, "late", "an account", {"ORG_OWNER"}, 24));
    TRY_REST(process.links.create_token(made.org, {}, "http://127.0.0.1:1"));
    return api::RestReply{200, Json(Json::Object{})};
  };
  EXPECT_EQ(process.call("POST", "/orgs/" + made.org + "/late", made.owner), 404);
  EXPECT_EQ(left_of(made.org), 1) << "the token of the other organization's account";
  EXPECT_EQ(left_of(stranger.org), 6);
  EXPECT_EQ(process.told, (std::vector<std::string>{"LATE", "GROUP_DELETED", "ORG_DELETED"}));
}

TEST_F(ControlPlane, AnOrganizationIsThereWithItsFirstKeyOrNotAtAll) {
  Process alive(*deployment_, *keys_, clock_, *log_);
  const auto root = good(alive.identity.create_organization("root")).id;
  for (int commands = 0;; ++commands) {
    DyingProcess dying(*deployment_, commands);
    Process process(dying, *keys_, clock_, *log_);
    const auto founded = process.identity.found_organization("Shop", "first", {"ORG_OWNER"}, root);
    const auto orgs = good(store_->count("orgs", bson::make_document({{"root", root}})));
    if (founded) {
      EXPECT_EQ(orgs, 1);
      const auto key = good(alive.identity.key_by_name(founded->key.public_key));
      ASSERT_TRUE(key);
      EXPECT_EQ(key->org, founded->org.id);
      EXPECT_EQ(good(alive.identity.organization(founded->org.id))->name, "Shop");
      EXPECT_GE(commands, 4);
      break;
    }
    ASSERT_LT(commands, 20) << founded.error().message;
    EXPECT_EQ(orgs, 0) << "after " << commands << " commands";
  }
  // Who could not tell it has made nothing.
  const auto keys = good(store_->count("apiKeys", bson::Document()));
  const auto untold = alive.identity.found_organization("Other", "first", {"ORG_OWNER"}, root, [](const Identity::Founded&) -> Status { return fail(ErrorCode::kFailure, "nobody listens"); });
  ASSERT_FALSE(untold);
  EXPECT_EQ(untold.error().message, "nobody listens");
  EXPECT_EQ(good(store_->count("apiKeys", bson::Document())), keys);
  EXPECT_EQ(good(store_->count("orgs", bson::make_document({{"root", root}}))), 1);
}

// Whoever makes an organization keeps its first key before it, and may die in between; the key of an agent, while its project goes.
TEST_F(Going, KeysOfWhatNeverCameToBeAreTakenAway) {
  const auto kept = organization();
  Process process(*deployment_, *keys_, clock_, *log_);
  const auto nothing = new_id(clock_), gone = new_id(clock_);
  good(process.identity.create_key(nothing, "first owner", {"ORG_OWNER"}));
  AgentKeys agent_keys(*store_, *keys_, clock_);
  const auto project = good(process.identity.create_project(kept.org, "p")).id;
  good(agent_keys.create(project, "d", "", ""));
  good(agent_keys.create(gone, "d", "", ""));
  const auto keys_of = [&](const std::string& org) { return good(store_->count("apiKeys", bson::make_document({{"orgId", org}}))); };
  sweep();
  EXPECT_EQ(keys_of(nothing), 1) << "its organization may come yet";
  EXPECT_EQ(good(agent_keys.list(gone)).size(), 0u);
  EXPECT_EQ(good(agent_keys.list(project)).size(), 1u);
  clock_.move(kKeyOfNothingKept + hours(1));
  sweep();
  EXPECT_EQ(keys_of(nothing), 0);
  EXPECT_EQ(keys_of(kept.org), 2);
  // One from the future is no younger than one from the past.
  good(process.identity.create_key(nothing, "first owner", {"ORG_OWNER"}));
  clock_.move(-(kKeyOfNothingKept + hours(1)));
  sweep();
  EXPECT_EQ(keys_of(nothing), 0);
  EXPECT_EQ(keys_of(kept.org), 2);
}

}  // namespace
}  // namespace drover::control
