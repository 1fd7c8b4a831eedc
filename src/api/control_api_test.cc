#include <gtest/gtest.h>

#include "api/digest_auth.h"
#include "api/rest.h"
#include "api/route_table.h"
#include "base/runtime.h"
#include "net/crypto.h"

namespace drover::api {
namespace {

std::string md5(const std::string& text) { return net::hex_encode(net::digest(net::Digest::kMd5, text)); }

class DigestTest : public ::testing::Test {
 protected:
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  DigestAuth auth_{*runtime_, "MMS Public API", "site key"};
  const std::string ha1_ = md5("abcdefgh:MMS Public API:secret");

  std::string nonce() {
    const auto challenge = auth_.challenge(false);
    const auto at = challenge.find("nonce=\"") + 7;
    return challenge.substr(at, challenge.find('"', at) - at);
  }
  DigestAnswer answer(const std::string& nonce, const std::string& uri = "/api/public/v1.0/orgs?pretty=true") {
    DigestAnswer answer{"abcdefgh", "MMS Public API", nonce, uri, "", "00000001", "0a4f113b", "auth"};
    answer.response = md5(ha1_ + ":" + nonce + ":00000001:0a4f113b:auth:" + md5("GET:" + uri));
    return answer;
  }
};

TEST_F(DigestTest, TheChallengeIsSpelledAsRecorded) {
  const std::string begin = "Digest realm=\"MMS Public API\", domain=\"\", nonce=\"", end = "\", algorithm=MD5, qop=\"auth\", stale=false";
  const auto challenge = auth_.challenge(false);
  EXPECT_EQ(challenge.substr(0, begin.size()), begin);
  EXPECT_EQ(challenge.substr(begin.size() + 32), end);
  EXPECT_EQ(nonce().size(), 32u);
}

TEST_F(DigestTest, OnlyTheRightAnswerIsRight) {
  const auto right = answer(nonce());
  const auto target = right.uri;
  EXPECT_EQ(auth_.check(right, ha1_, "GET", target), DigestVerdict::kRight);
  EXPECT_EQ(auth_.check(right, ha1_, "POST", target), DigestVerdict::kWrong);
  EXPECT_EQ(auth_.check(right, ha1_, "GET", "/api/public/v1.0/orgs"), DigestVerdict::kWrong);
  EXPECT_EQ(auth_.check(right, md5("other"), "GET", target), DigestVerdict::kWrong);
  auto foreign = answer(net::base64_encode(std::string(24, 'x')));
  EXPECT_EQ(auth_.check(foreign, ha1_, "GET", target), DigestVerdict::kWrong);
  DigestAuth other(*runtime_, "MMS Public API", "another site");
  EXPECT_EQ(other.check(right, ha1_, "GET", target), DigestVerdict::kWrong);
}

TEST_F(DigestTest, WhatComesAgainIsStale) {
  const auto caught = answer(nonce());
  EXPECT_EQ(auth_.check(caught, ha1_, "GET", caught.uri), DigestVerdict::kRight);
  EXPECT_EQ(auth_.check(caught, ha1_, "GET", caught.uri), DigestVerdict::kStale);
  EXPECT_EQ(auth_.check(caught, md5("other"), "GET", caught.uri), DigestVerdict::kWrong) << "that it was used is told to nobody else";
  // Who is challenged at the same moment has a nonce of his own.
  const auto other = answer(nonce()), third = answer(nonce());
  EXPECT_NE(other.nonce, third.nonce);
  EXPECT_EQ(auth_.check(other, ha1_, "GET", other.uri), DigestVerdict::kRight);
  EXPECT_EQ(auth_.check(third, ha1_, "GET", third.uri), DigestVerdict::kRight);
  for (const auto* nc : {"", "0", "00000000", "0x1", "-1", "1 ", "100000000", "g"}) {
    auto wrong = answer(nonce());
    wrong.nc = nc;
    wrong.response = md5(ha1_ + ":" + wrong.nonce + ":" + nc + ":0a4f113b:auth:" + md5("GET:" + wrong.uri));
    EXPECT_EQ(auth_.check(wrong, ha1_, "GET", wrong.uri), DigestVerdict::kWrong) << nc;
  }
}

TEST_F(DigestTest, OneOfAnotherProcessOfTheSiteIsTakenUnlessItWasMadeBefore) {
  const auto before = answer(nonce());
  runtime_->sleep(std::chrono::milliseconds(3), {});
  DigestAuth other(*runtime_, "MMS Public API", "site key");
  EXPECT_EQ(other.check(before, ha1_, "GET", before.uri), DigestVerdict::kStale);
  const auto after = answer(nonce());
  EXPECT_EQ(other.check(after, ha1_, "GET", after.uri), DigestVerdict::kRight);
}

TEST(Pages, LinksKeepTheFilters) {
  RestRequest request;
  request.base = "http://h/api/public/v1.0";
  request.path = "/groups/g/hosts";
  request.every_query = {{"clusterId", "a b&c"}, {"pageNum", "2"}, {"status", "OPEN"}, {"status", "CLOSED"}, {"itemsPerPage", "10"}, {"includeCount", "false"}};
  request.page = {2, 10};
  const auto page = page_of(request, Json::Array(10), 35);
  std::map<std::string, std::string> links;
  for (const auto& link : *page.find("links")->as_array()) links[*link.find("rel")->as_string()] = *link.find("href")->as_string();
  const std::string filters = "&clusterId=a%20b%26c&status=OPEN&status=CLOSED";
  EXPECT_EQ(links["next"], "http://h/api/public/v1.0/groups/g/hosts?includeCount=true&pageNum=3&itemsPerPage=10" + filters);
  EXPECT_EQ(links["previous"], "http://h/api/public/v1.0/groups/g/hosts?includeCount=true&pageNum=1&itemsPerPage=10" + filters);
}

TEST(DigestHeader, IsParsed) {
  const auto parsed = parse_digest(
      R"(Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b", uri="/dir/index.html?a=1,2", qop=auth, nc=00000001, cnonce="0a", response="66", opaque="5c")");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->user, "Mufasa");
  EXPECT_EQ(parsed->uri, "/dir/index.html?a=1,2");
  EXPECT_EQ(parsed->qop, "auth");
  for (const auto* wrong : {"", "Basic abc", "Digest", "Digest username=\"a", "Digest username=\"a\"", "digest x"})
    EXPECT_FALSE(parse_digest(wrong)) << wrong;
}

RouteTable table_of(std::initializer_list<std::pair<const char*, const char*>> routes) {
  RouteTable table;
  for (const auto& [method, path] : routes) table.add({method, path, {Family::kAtlasV2}, {}, {"2023-01-01"}, {}});
  return table;
}

TEST(Routes, ALiteralSegmentWins) {
  const auto table = table_of({{"GET", "/groups/{groupId}/liveMigrations/{id}"}, {"POST", "/groups/{groupId}/liveMigrations/validate"},
                               {"GET", "/groups/{groupId}/liveMigrations/validate"}});
  EXPECT_EQ(table.match(Family::kAtlasV2, "GET", "/groups/1/liveMigrations/validate").route->path,
            "/groups/{groupId}/liveMigrations/validate");
  const auto one = table.match(Family::kAtlasV2, "GET", "/groups/1/liveMigrations/2");
  EXPECT_EQ(one.names.at("id"), "2");
  EXPECT_EQ(one.names.at("groupId"), "1");
  EXPECT_EQ(table.match(Family::kAtlasV1, "GET", "/groups/1/liveMigrations/2").route, nullptr);
  const auto put = table.match(Family::kAtlasV2, "PUT", "/groups/1/liveMigrations/2");
  EXPECT_TRUE(put.route == nullptr && put.other_method);
  EXPECT_EQ(put.allowed, std::set<std::string>{"GET"});
  EXPECT_EQ(table.match(Family::kAtlasV2, "PUT", "/groups/1/liveMigrations/validate").allowed, (std::set<std::string>{"GET", "POST"}));
  for (const auto* nothing : {"/groups/1/liveMigrations", "/groups/1/liveMigrations/", "/groups//liveMigrations/2", "", "/"})
    EXPECT_EQ(table.match(Family::kAtlasV2, "GET", nothing).route, nullptr) << nothing;
}

TEST(Routes, TheMostLiteralPathIsMeantByEveryMethod) {
  const auto table = table_of({{"PATCH", "/containers/{id}"}, {"GET", "/containers/all"}, {"GET", "/containers/{id}"}});
  EXPECT_EQ(table.match(Family::kAtlasV2, "PATCH", "/containers/1").names.at("id"), "1");
  const auto patch = table.match(Family::kAtlasV2, "PATCH", "/containers/all");
  EXPECT_TRUE(patch.route == nullptr && patch.other_method);
}

TEST(Routes, ANameMayHaveASuffix) {
  const auto table = table_of({{"GET", "/accounts/{id}"}, {"POST", "/accounts/{id}:invite"}});
  EXPECT_EQ(table.match(Family::kAtlasV2, "POST", "/accounts/1:invite").names.at("id"), "1");
  EXPECT_EQ(table.match(Family::kAtlasV2, "GET", "/accounts/1:other").names.at("id"), "1:other");
  for (const auto* path : {"/accounts/1:invite", "/accounts/1:a:invite"}) {
    const auto get = table.match(Family::kAtlasV2, "GET", path);
    EXPECT_TRUE(get.route == nullptr && get.other_method) << path;
  }
  for (const auto* path : {"/accounts/:invite", "/accounts/1", "/accounts/1:invite/", "/accounts/"})
    EXPECT_EQ(table.match(Family::kAtlasV2, "POST", path).route, nullptr) << path;
}

TEST(Versions, TheNewestThatIsNotNewer) {
  const Route route{"POST", "/x", {}, {}, {"2023-01-01", "2024-05-30"}, {}};
  EXPECT_EQ(negotiate_version(route, ""), "2023-01-01");
  EXPECT_EQ(negotiate_version(route, "*/*"), "2023-01-01");
  EXPECT_EQ(negotiate_version(route, "application/vnd.atlas.2023-01-01+json"), "2023-01-01");
  EXPECT_EQ(negotiate_version(route, "application/vnd.atlas.2024-05-29+json"), "2023-01-01");
  EXPECT_EQ(negotiate_version(route, "Application/Vnd.Atlas.2023-01-01+JSON"), "2023-01-01") << "media types have no case";
  EXPECT_EQ(negotiate_version(route, "Application/JSON"), "2023-01-01");
  EXPECT_EQ(negotiate_version(route, "application/vnd.atlas.2025-03-12+json"), "2024-05-30");
  EXPECT_FALSE(negotiate_version(route, "application/vnd.atlas.2022-01-01+json"));
  EXPECT_FALSE(negotiate_version(route, "application/vnd.atlas.soon+json"));
  EXPECT_FALSE(negotiate_version(route, "application/vnd.atlas.2023-13-41+json")) << "a day that never was";
  EXPECT_FALSE(negotiate_version(route, "application/vnd.atlas.2024-05-30+csv"));
  EXPECT_FALSE(negotiate_version(route, "text/html"));
  EXPECT_EQ(negotiate_version(route, "text/html, application/json;q=0.9"), "2023-01-01");
  EXPECT_EQ(negotiate_version(route, "application/*"), "2023-01-01");
}

TEST(Versions, ThatAreNotTheNewestAreDeprecated) {
  const Route route{"POST", "/x", {}, {}, {"2023-01-01", "2024-05-30"}, {}};
  EXPECT_EQ(deprecated_since(route, "2023-01-01"), "Thu, 30 May 2024 00:00:00 GMT");
  EXPECT_EQ(deprecated_since(route, "2024-05-30"), "");
}

TEST(RestText, KeysAreSorted) {
  const Json value(Json::Object{{"b", 1}, {"a", Json::Array{Json(nullptr), Json::Object{{"d", "x"}, {"c", true}}}}, {"e", Json::Array()}});
  EXPECT_EQ(dump_sorted(value, false), R"({"a":[null,{"c":true,"d":"x"}],"b":1,"e":[]})");
  EXPECT_EQ(dump_sorted(Json::Object{{"b", 1}, {"a", 2}}, true), "{\n  \"a\" : 2,\n  \"b\" : 1\n}");
}

TEST(RestText, AnError) {
  EXPECT_EQ(dump_sorted(error_body({404, "CLUSTER_NOT_FOUND", "No cluster named c7.", {"c7"}, {}}), false),
            R"({"detail":"No cluster named c7.","error":404,"errorCode":"CLUSTER_NOT_FOUND","parameters":["c7"],"reason":"Not Found"})");
}

TEST(RestText, DetailsAreSentences) {
  const auto detail = [](ErrorCode code, const char* message) { return rest_error({code, message, 0, {}}).detail; };
  EXPECT_EQ(detail(ErrorCode::kUsage, "name must have at most 64 letters"), "name must have at most 64 letters.");
  EXPECT_EQ(detail(ErrorCode::kWrongState, "It is over. Is it?"), "It is over. Is it?");
}

TEST(RestText, PagesHaveTheirNeighbours) {
  RestRequest request;
  request.base = "http://h/api/atlas/v2";
  request.path = "/orgs";
  request.page = {2, 10};
  const auto page = page_of(request, {}, 25);
  EXPECT_EQ(page.find("links")->as_array()->size(), 3u);
  EXPECT_EQ(page.find("totalCount")->dump(), "25");
  request.query["includeCount"] = "false";
  EXPECT_EQ(page_of(request, {}, 25).find("totalCount"), nullptr);
  EXPECT_NE(page_of(request, {}, 25).find("links")->dump().find("includeCount=false"), std::string::npos);
  EXPECT_EQ(page.find("links")->dump().find("includeCount=false"), std::string::npos);
}

}  // namespace
}  // namespace drover::api
