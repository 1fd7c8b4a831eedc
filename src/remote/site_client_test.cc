#include "remote/site_client.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote/answer_error.h"
#include "remote/testing/fake_site.h"

namespace drover::remote {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

net::HttpResponse empty_list(const net::HttpRequest&) { return FakeSite::json(200, R"({"results":[],"totalCount":0})"); }

SiteClient client_of(const Login& login, SiteRole role = SiteRole::kAny) { return std::move(*SiteClient::open(login, {role, std::chrono::seconds(5)})); }

TEST(SiteClient, LogsInOnceAndUsesTheNonceAgain) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, R"({"id":"1"})"); });
  auto client = client_of(site.login());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.call({.path = "/orgs/1", .query = {{"a", "b c/"}}}, {}));
  EXPECT_THAT(site.asked(), ElementsAre("GET /api/atlas/v2/orgs/1?a=b%20c%2F", "GET /api/atlas/v2/orgs/1?a=b%20c%2F", "GET /api/atlas/v2/orgs/1?a=b%20c%2F"));
}

TEST(SiteClient, AnOldNonceIsNoWrongKey) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, "{}"); });
  auto client = client_of(site.login());
  ASSERT_TRUE(client.call({.path = "/orgs"}, {}));
  site.forget_nonce();
  const auto again = client.call({.method = "POST", .path = "/orgs", .body = Json(Json::Object{{"name", "x"}})}, {});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(site.asked().back(), R"(POST /api/atlas/v2/orgs {"name":"x"})");
}

TEST(SiteClient, AWrongKeyIsSaidOnceWithoutTheSecret) {
  FakeSite site(empty_list);
  auto login = site.login();
  login.private_key = "another secret";
  auto client = client_of(login);
  const auto refused = client.call({.path = "/orgs"}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(exit_code_of(refused.error()), kExitLoginRefused);
  EXPECT_THAT(refused.error().message, HasSubstr("API key abcdefgh (from a test)"));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("another secret")));
  EXPECT_THAT(site.asked(), ElementsAre());
}

TEST(SiteClient, AServiceAccountLogsInForAToken) {
  FakeSite site(empty_list);
  Login login;
  login.site = site.login().site;
  login.client_id = "mdb_sa_id_1";
  login.client_secret = "mdb_sa_sk_+1";
  login.origin = "a test";
  auto client = client_of(login);
  ASSERT_TRUE(client.call({.path = "/orgs"}, {}));
  ASSERT_TRUE(client.call({.path = "/orgs"}, {}));
  EXPECT_THAT(site.asked(), ElementsAre("token", "GET /api/atlas/v2/orgs", "GET /api/atlas/v2/orgs"));
  login.client_secret = "wrong";
  auto other = client_of(login);
  const auto refused = other.call({.path = "/orgs"}, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(exit_code_of(refused.error()), kExitLoginRefused);
  EXPECT_THAT(refused.error().message, HasSubstr("service account mdb_sa_id_1"));
  EXPECT_THAT(refused.error().message, Not(HasSubstr("wrong")));
}

TEST(SiteClient, TakesTheApiThatTheSiteHas) {
  FakeSite manager(empty_list, {"/api/public/v1.0", "/api/ext/v1"});
  auto client = client_of(manager.login());
  ASSERT_TRUE(client.call({.path = "/orgs"}, {}));
  EXPECT_THAT(manager.asked(), ElementsAre("GET /api/public/v1.0/orgs"));
  const auto atlas = client_of(manager.login(), SiteRole::kAtlas).call({.api = Api::kAtlas, .path = "/orgs"}, {});
  ASSERT_FALSE(atlas);
  EXPECT_EQ(exit_code_of(atlas.error()), 3);
  EXPECT_THAT(atlas.error().message, HasSubstr("an Atlas site"));
  const auto ext = client_of(manager.login(), SiteRole::kAtlas).call({.api = Api::kExt, .path = "/groups/1/liveMigrations"}, {});
  ASSERT_FALSE(ext);
  EXPECT_THAT(ext.error().message, HasSubstr("no Atlas site"));
  EXPECT_TRUE(client_of(manager.login(), SiteRole::kManager).call({.method = "POST", .api = Api::kExt, .path = "/x", .body = Json(Json::Object{})}, {}));
}

TEST(SiteClient, FollowsPagesToTheEnd) {
  static constexpr int kTotal = 2 * kItemsPerPage + 7;
  FakeSite site([](const net::HttpRequest& request) {
    const auto page = std::stoi(request.query.substr(request.query.find("pageNum=") + 8));
    std::string items;
    for (int i = (page - 1) * kItemsPerPage; i < std::min(page * kItemsPerPage, kTotal); ++i) items += fmt::format("{}{{\"id\":{}}}", items.empty() ? "" : ",", i);
    return FakeSite::json(200, fmt::format(R"({{"results":[{}],"totalCount":{}}})", items, kTotal));
  });
  auto client = client_of(site.login());
  const auto all = client.list({.path = "/orgs"}, 1'000'000, {});
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), static_cast<std::size_t>(kTotal));
  for (int i = 0; i < kTotal; ++i) EXPECT_EQ((*all)[i].find("id")->dump(), std::to_string(i));
  EXPECT_EQ(site.asked().size(), 3u);
  EXPECT_EQ(client.list({.path = "/orgs"}, 5, {})->size(), 5u);
  EXPECT_EQ(site.asked().size(), 4u);
}

TEST(SiteClient, WhatMovesToTheNextPageMeanwhileIsThereOnce) {
  FakeSite site([](const net::HttpRequest& request) {
    const auto page = std::stoi(request.query.substr(request.query.find("pageNum=") + 8));
    std::string items;
    for (int i = page == 1 ? 0 : kItemsPerPage - 1; i < (page == 1 ? kItemsPerPage : kItemsPerPage + 3); ++i) items += fmt::format("{}{{\"id\":{}}}", items.empty() ? "" : ",", i);
    return FakeSite::json(200, fmt::format(R"({{"results":[{}]}})", items));
  });
  const auto all = client_of(site.login()).list({.path = "/orgs"}, 1000, {});
  ASSERT_EQ(all->size(), static_cast<std::size_t>(kItemsPerPage + 3));
}

TEST(SiteClient, AnArrayIsAList) {
  FakeSite site([](const net::HttpRequest&) { return FakeSite::json(200, R"([{"projectId":"1"}])"); });
  EXPECT_EQ(client_of(site.login()).list({.path = "/x"}, 10, {})->size(), 1u);
}

TEST(SiteClient, AnAnswerOfSomethingElseIsAnError) {
  FakeSite site([](const net::HttpRequest& request) { return request.path.ends_with("list") ? FakeSite::json(200, R"({"id":1})") : FakeSite::json(200, "<html>"); });
  auto client = client_of(site.login());
  EXPECT_EQ(client.call({.path = "/orgs"}, {}).error().code, ErrorCode::kFailure);
  EXPECT_EQ(client.list({.path = "/list"}, 10, {}).error().code, ErrorCode::kFailure);
}

TEST(SiteClient, AServerThatIsNotASiteIsToldApart) {
  auto log = make_null_log();
  const auto other = net::HttpServer::start({}, [](const net::HttpRequest&) { return net::HttpResponse{200, {}, "text/html", "<html>"}; }, *log);
  Login login;
  login.site = fmt::format("http://127.0.0.1:{}", (*other)->port());
  login.public_key = login.private_key = "k";
  const auto answer = client_of(login).call({.path = "/orgs"}, {});
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("not the API of a site"));
  (*other)->stop();
  const auto gone = client_of(login).call({.path = "/orgs"}, {});
  ASSERT_FALSE(gone);
  EXPECT_EQ(exit_code_of(gone.error()), 75);
}

TEST(SiteClient, WhetherAChangeWasDoneIsNotPretended) {
  FakeSite site([](const net::HttpRequest& request) {
    if (request.method == "POST") std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    return FakeSite::json(200, "{}");
  });
  auto client = std::move(*SiteClient::open(site.login(), {SiteRole::kAny, std::chrono::seconds(1)}));
  ASSERT_TRUE(client.call({.path = "/orgs"}, {}));
  const auto lost = client.call({.method = "POST", .path = "/groups", .body = Json(Json::Object{})}, {});
  ASSERT_FALSE(lost);
  EXPECT_EQ(exit_code_of(lost.error()), 75);
  EXPECT_THAT(lost.error().message, HasSubstr("not known whether it was done"));
}

TEST(UrlEncoding, LeavesNothingThatAPathCouldMisread) {
  EXPECT_EQ(url_encoded("a/b c?d#e%f&g=h+ü"), "a%2Fb%20c%3Fd%23e%25f%26g%3Dh%2B%C3%BC");
  EXPECT_EQ(url_encoded("Az09-._~"), "Az09-._~");
}

}  // namespace
}  // namespace drover::remote
