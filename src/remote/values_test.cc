// Paths in JSON, names of things, errors of answers, lines of migrations.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote/answer_error.h"
#include "remote/json_path.h"
#include "remote/migration_line.h"
#include "remote/thing.h"

namespace drover::remote {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Json json(std::string_view text) { return *Json::parse(text); }

TEST(Paths, FindWhatIsThere) {
  const auto value = json(R"({"a":{"b":1,"c":null},"roles":[{"roleName":"X"},{"roleName":"Y"},{}],"hosts":["h1","h2"],"on":true,"n":1.5,"o":{"p":[{"q":1}]}})");
  EXPECT_EQ(text_at(value, "a.b"), "1");
  EXPECT_EQ(text_at(value, "a.c"), "");
  EXPECT_EQ(text_at(value, "a.x.y"), "");
  EXPECT_EQ(text_at(value, "roles.roleName"), "X, Y");
  EXPECT_EQ(text_at(value, "hosts"), "h1, h2");
  EXPECT_EQ(text_at(value, "hosts.1"), "h2");
  EXPECT_EQ(text_at(value, "hosts.2"), "");
  EXPECT_EQ(text_at(value, "on") + text_at(value, "n"), "true1.5");
  EXPECT_EQ(text_at(value, "o"), R"({"p":[{"q":1}]})");
  EXPECT_EQ(expand(value, "{a.b}:{hosts.0}!"), "1:h1!");
  EXPECT_EQ(expand(value, "nowhere|a.b|hosts.0"), "1");
  EXPECT_EQ(expand(value, "nowhere|neither"), "");
}

TEST(Paths, MakeBodies) {
  Json body(Json::Object{});
  body = with(body, "source.clusterName", "rs");
  body = with(body, "source.ssl", false);
  body = with(body, "migrationHosts.0", "mig01");
  body = with(body, "migrationHosts.1", "mig02");
  body = with(body, "source.clusterName", "other");
  body = with(body, "specs.0.configs.0.size", "M10");
  EXPECT_EQ(body.dump(), R"({"source":{"clusterName":"other","ssl":false},"migrationHosts":["mig01","mig02"],"specs":[{"configs":[{"size":"M10"}]}]})");
}

TEST(Paths, OpenEverythingForPeople) {
  const auto shown = opened(json(R"({"id":"1","links":[{"href":"x"}],"a":{"b":null,"links":1},"names":["x","y"],"none":[],"o":{},
                                     "checks":[{"id":"c1","status":"PASSED"},{"id":"c2","detail":"why","at":{"n":[1,2]}}],"specs":[{"configs":[{"size":"M10"}]}]})"));
  const std::vector<std::pair<std::string, std::string>> fields{{"id", "1"}, {"a.b", ""}, {"names", "x, y"}, {"none", ""}, {"o", "{}"}};
  EXPECT_EQ(shown.fields, fields);
  ASSERT_EQ(shown.lists.size(), 2u);
  EXPECT_EQ(shown.lists[0].path, "checks");
  EXPECT_EQ(shown.lists[0].columns, (std::vector<std::string>{"id", "status", "detail", "at.n"}));
  EXPECT_EQ(shown.lists[0].rows, (std::vector<std::vector<std::string>>{{"c1", "PASSED", "", ""}, {"c2", "", "why", "1, 2"}}));
  EXPECT_EQ(shown.lists[1].path, "specs.0.configs");
  EXPECT_EQ(shown.lists[1].rows, (std::vector<std::vector<std::string>>{{"M10"}}));
}

const std::vector<Json> kProjects{json(R"({"id":"66ee00000000000000000001","name":"Shop"})"), json(R"({"id":"66ee00000000000000000002","name":"Books"})"),
                                  json(R"({"id":"66ee00000000000000000003","name":"Books"})")};

TEST(Things, AreFoundByIdOrByNameOfOne) {
  const auto& project = facts_of(Thing::kProject);
  EXPECT_EQ(*pick(project, kProjects, "Shop"), "66ee00000000000000000001");
  EXPECT_EQ(*pick(project, kProjects, "66ee00000000000000000003"), "66ee00000000000000000003");
  EXPECT_TRUE(is_sendable(project, "66ee00000000000000000003"));
  EXPECT_FALSE(is_sendable(project, "66EE00000000000000000003"));
  EXPECT_FALSE(is_sendable(project, "Shop"));
  EXPECT_FALSE(is_sendable(facts_of(Thing::kCluster), "66ee00000000000000000003"));
}

TEST(Things, OfOneNameAreToldApart) {
  const auto several = pick(facts_of(Thing::kProject), kProjects, "Books");
  ASSERT_FALSE(several);
  EXPECT_EQ(exit_code_of(several.error()), 2);
  EXPECT_THAT(several.error().message, HasSubstr("66ee00000000000000000002 (Books), 66ee00000000000000000003 (Books)"));
  EXPECT_THAT(several.error().message, Not(HasSubstr("Shop")));
}

TEST(Things, ThatAreNotThereAreSaidSo) {
  const auto none = pick(facts_of(Thing::kProject), kProjects, "Shpo");
  ASSERT_FALSE(none);
  EXPECT_EQ(exit_code_of(none.error()), kExitNotFound);
  EXPECT_THAT(none.error().message, HasSubstr("66ee00000000000000000001 (Shop)"));
  EXPECT_EQ(exit_code_of(pick(facts_of(Thing::kProject), {}, "x").error()), kExitNotFound);
}

TEST(Things, NeedNoNameWhenThereIsOne) {
  EXPECT_EQ(*pick_only(facts_of(Thing::kProject), {kProjects[0]}, "--project"), "66ee00000000000000000001");
  EXPECT_THAT(pick_only(facts_of(Thing::kProject), kProjects, "--project").error().message, HasSubstr("--project"));
  EXPECT_EQ(exit_code_of(pick_only(facts_of(Thing::kProject), {}, "--project").error()), kExitNotFound);
}

TEST(Things, HaveTheNamesThatPeopleSee) {
  EXPECT_EQ(*pick(facts_of(Thing::kHost), {json(R"({"id":"1","hostname":"db1","port":27017})")}, "db1:27017"), "1");
  EXPECT_EQ(*pick(facts_of(Thing::kKey), {json(R"({"id":"1","publicKey":"abcdefgh","desc":"mine"})")}, "mine"), "1");
  EXPECT_EQ(*pick(facts_of(Thing::kCluster), {json(R"({"id":"66ee00000000000000000001","name":"c"})")}, "66ee00000000000000000001"), "c");
  EXPECT_EQ(*pick(facts_of(Thing::kMigration), {json(R"({"_id":"1","destination":{"clusterName":"c"}})")}, "c"), "1");
}

TEST(Things, OfSeveralMigrationsTheOneThatGoesOnIsMeant) {
  const auto one = [](const char* id, const char* status, const char* created) {
    return json(fmt::format(R"({{"_id":"{}","status":"{}","created":"{}","destination":{{"clusterName":"shop"}}}})", id, status, created));
  };
  const auto& facts = facts_of(Thing::kMigration);
  const auto failed = one("1", "FAILED", "2026-08-10T03:10:30Z");
  const auto complete = one("3", "COMPLETE", "2026-08-12T03:10:30Z");
  const auto expired = one("2", "EXPIRED", "2026-08-11T03:10:30Z");
  const std::vector<Json> ended{failed, complete, expired};
  EXPECT_EQ(*pick(facts, ended, "shop"), "3");
  EXPECT_EQ(*pick(facts, ended, "2", PickFor::kChange), "2");
  const auto refused = pick(facts, ended, "shop", PickFor::kChange);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kWrongState);
  EXPECT_THAT(refused.error().message, HasSubstr("3 (shop, COMPLETE, of 2026-08-12T03:10:30Z)"));
  const std::vector<Json> with_one_that_goes_on{failed, one("4", "WORKING", "2026-08-09T03:10:30Z"), complete};
  for (const auto what : {PickFor::kReading, PickFor::kChange}) EXPECT_EQ(*pick(facts, with_one_that_goes_on, "shop", what), "4");
}

net::HttpAnswer answer(int status, std::string body) { return {status, {}, std::move(body)}; }

TEST(Errors, SayWhoseTurnItIs) {
  const auto code_of = [](int status, const std::string& code) {
    return exit_code_of(error_of_answer(answer(status, R"({"errorCode":")" + code + R"(","detail":"d"})"), {"GET x", "API key k", "", ""}));
  };
  EXPECT_EQ(code_of(400, "INVALID_ATTRIBUTE"), 2);
  EXPECT_EQ(code_of(400, "MISSING_ATTRIBUTE"), 2);
  EXPECT_EQ(code_of(400, "LIVE_MIGRATION_NOT_SUPPORTED"), 3);
  EXPECT_EQ(code_of(400, "LOCAL_CLUSTERS_DISABLED"), 3);
  EXPECT_EQ(code_of(400, "LIVE_MIGRATION_NOT_READY_FOR_CUTOVER"), 4);
  EXPECT_EQ(code_of(400, "DEPLOYMENT_NOT_REACHABLE"), 6);
  EXPECT_EQ(code_of(401, "UNEXPECTED_ERROR"), 9);
  EXPECT_EQ(code_of(403, "USER_UNAUTHORIZED"), 10);
  EXPECT_EQ(code_of(404, "GROUP_NOT_FOUND"), 11);
  EXPECT_EQ(code_of(409, "CONFLICT"), 4);
  EXPECT_EQ(code_of(429, "RATE_LIMITED"), 75);
  EXPECT_EQ(code_of(503, "SERVICE_UNAVAILABLE"), 75);
  EXPECT_EQ(code_of(500, "UNEXPECTED_ERROR"), 1);
}

TEST(Errors, TellWhatTheServerSaidAndWhatToDo) {
  auto error = error_of_answer(answer(403, R"({"errorCode":"USER_UNAUTHORIZED","detail":"Not authorized."})"), {"POST http://h/api", "API key abc (from f)", "Organization Owner", ""});
  EXPECT_EQ(error.message, "POST http://h/api: 403 USER_UNAUTHORIZED: Not authorized. API key abc (from f) lacks the role for this (Organization Owner); an Organization Owner "
                           "makes a key that has it (drover key create).");
  for (const auto* code : {"IP_ADDRESS_NOT_ON_WHITELIST", "IP_ADDRESS_NOT_ON_ACCESS_LIST"}) {
    const auto address = error_of_answer(answer(403, fmt::format(R"({{"errorCode":"{}","detail":"Not from there."}})", code)), {"GET x", "API key abc", "", ""});
    EXPECT_THAT(address.message, HasSubstr("access list"));
    EXPECT_THAT(address.message, ::testing::Not(HasSubstr("role"))) << code;
  }
  const auto failure = failure_of(error);
  EXPECT_EQ(failure.find("error")->find("status")->dump(), "403");
  EXPECT_EQ(*failure.find("error")->find("errorCode")->as_string(), "USER_UNAUTHORIZED");
  EXPECT_EQ(*failure.find("error")->find("detail")->as_string(), "Not authorized.");
  error = error_of_answer(answer(404, R"({"errorCode":"GROUP_NOT_FOUND","detail":"No group."})"), {"GET x", "k", "", "drover project list"});
  EXPECT_THAT(error.message, HasSubstr("`drover project list`"));
}

TEST(Errors, AreNoCarrierOfWhatDrivesATerminal) {
  const auto error = error_of_answer(answer(500, "{\"errorCode\":\"X\",\"detail\":\"a\\u001b[2Jb\"}"), {"GET x", "k", "", ""});
  EXPECT_THAT(error.message, HasSubstr("a?[2Jb"));
  const auto html = error_of_answer(answer(502, "<html>\x1b[2J"), {"GET x", "k", "", ""});
  EXPECT_EQ(html.message, "GET x: 502");
  EXPECT_EQ(exit_code_of(html), 75);
}

TEST(MigrationLine, TellsWhereItStands) {
  const auto copying = json(R"({"status":"WORKING","state":"WORKING","phase":"COLLECTION_COPY","copiedBytes":450000000,"totalBytes":1000000000,"lagTimeSeconds":3,"etaSeconds":40})");
  EXPECT_EQ(migration_line(copying), "WORKING  collection copy  45 %  450.0 MB of 1.0 GB  lag 3 s  ETA 40 s");
  const auto ready = json(R"({"status":"WORKING","state":"WORKING","readyForCutover":true,"lagTimeSeconds":0,"timerExpiresAt":"2026-08-10T03:10:30Z"})");
  EXPECT_EQ(migration_line(ready), "WORKING  lag 0 s  ready for cutover until 2026-08-10T03:10:30Z");
  EXPECT_NE(migration_stage(copying), migration_stage(ready));
  EXPECT_EQ(migration_line(json(R"({"status":"NEW"})")), "NEW");
  EXPECT_EQ(migration_line(json(R"({"status":"WORKING","state":"CUTOVER","phase":"COMMITTING","copiedBytes":0,"totalBytes":0})")), "WORKING  committing (cutover)");
  EXPECT_EQ(migration_line(json(R"({"status":"WORKING","state":"WORKING","phase":"COLLECTION_COPY","hostSilentSince":"2026-08-10T03:10:30Z"})")),
            "WORKING  HOST SILENT since 2026-08-10T03:10:30Z  collection copy");
}

TEST(MigrationLine, TellsThatTheEngineIsSilentOrPaused) {
  EXPECT_EQ(migration_line(json(R"({"status":"WORKING","engineSilentSince":"2026-08-10T03:10:30Z","enginePaused":false,"phase":"COLLECTION_COPY"})")),
            "WORKING  ENGINE SILENT since 2026-08-10T03:10:30Z  collection copy");
  EXPECT_EQ(migration_line(json(R"({"status":"WORKING","engineSilentSince":null,"enginePaused":true,"phase":"COLLECTION_COPY"})")), "WORKING  ENGINE PAUSED  collection copy");
}

TEST(MigrationLine, KnowsTheEnds) {
  const auto failed = json(R"({"status":"FAILED","outcome":"FAILED","errorMessage":"the\nsource"})"), cancelled = json(R"({"status":"FAILED","outcome":"CANCELLED"})");
  EXPECT_EQ(migration_line(failed), "FAILED  the source");
  EXPECT_EQ(migration_line(cancelled), "FAILED (cancelled)");
  EXPECT_EQ(exit_of(json(R"({"status":"COMPLETE"})")), 0);
  EXPECT_EQ(what_is_next(failed), "");
  EXPECT_EQ(what_is_next(json(R"({"status":"COMPLETE","destination":{"clusterName":"shop-atlas"},"copiedBytes":1000000000,"warnings":["Writes are blocked."]})")),
            "You have successfully migrated to shop-atlas. The first copy was 1.0 GB.\nThe applications go there, and may write again: `drover cluster show shop-atlas` "
            "tells the connection string.\nWrites are blocked.");
  EXPECT_EQ(exit_of(failed), 1);
  EXPECT_EQ(exit_of(cancelled), 4);
  EXPECT_EQ(exit_of(json(R"({"status":"EXPIRED"})")), 8);
  EXPECT_TRUE(has_ended(failed));
  EXPECT_FALSE(has_ended(json(R"({"status":"WORKING"})")));
}

}  // namespace
}  // namespace drover::remote
