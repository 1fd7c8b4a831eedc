#include "control/deployment_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/json_document.h"

namespace drover::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Json json(const char* text) { return *Json::parse(text); }

TEST(Summaries, OfAReplicaSet) {
  const auto hosts = json(R"([
    {"host": "a:1", "reached": true, "typeName": "REPLICA_PRIMARY", "version": "7.0.13", "replicaSetName": "rs", "featureCompatibilityVersion": "6.0",
     "os": "linux", "community": false, "tlsEnabled": true, "oplogSizeBytes": 1048576.0, "authMechanisms": ["SCRAM-SHA-256"], "missingActions": [],
     "databases": [{"name": "shop", "storageSize": 10, "dataSize": 20}, {"name": "local", "storageSize": 1000, "dataSize": 1000}]},
    {"host": "b:2", "reached": true, "typeName": "REPLICA_SECONDARY", "version": "6.0.17", "replicaSetName": "rs", "tlsEnabled": true,
     "missingActions": ["top"]},
    {"host": "c:3", "reached": false, "loginFailed": true}])");
  const auto summary = summary_of({}, *hosts.as_array());
  EXPECT_TRUE(summary.reached);
  EXPECT_THAT(summary.members, ElementsAre("a:1", "b:2"));
  const auto& next = summary.next;
  EXPECT_EQ(next.topology + next.replica_set + next.version + next.fcv + next.os, "REPLICA_SETrs6.0.176.0linux");
  EXPECT_EQ(next.community, false);
  EXPECT_EQ(next.db_bytes, 10);
  EXPECT_EQ(next.data_bytes, 20);
  EXPECT_EQ(next.oplog_bytes, 1048576);
  EXPECT_THAT(next.missing_actions, ElementsAre("top"));
  EXPECT_TRUE(next.login_failed);

  MonitoredDeployment again;
  read_summary(summary_document(next), again);
  EXPECT_EQ(again.version, "6.0.17");
  EXPECT_EQ(again.community, false);
  EXPECT_THAT(again.missing_actions, ElementsAre("top"));
}

TEST(Summaries, SizesThatNobodyCanHaveAreBounded) {
  const auto hosts = json(R"([{"host": "a:1", "reached": true, "typeName": "REPLICA_PRIMARY", "version": "7.0.13", "oplogSizeBytes": 1e300,
     "databases": [{"name": "shop", "storageSize": 1e300, "dataSize": -1e300}]}])");
  const auto summary = summary_of({}, *hosts.as_array());
  EXPECT_EQ(summary.next.oplog_bytes, std::int64_t{1} << 60);
  EXPECT_EQ(summary.next.db_bytes, std::int64_t{1} << 60);
  EXPECT_EQ(summary.next.data_bytes, 0);
}

TEST(Summaries, WhatNobodySaysThisTimeIsAsItWas) {
  MonitoredDeployment before;
  before.topology = "REPLICA_SET";
  before.version = "6.0.17";
  before.db_bytes = 7;
  const auto silent = summary_of(before, *json(R"([{"host": "a:1", "reached": false}])").as_array());
  EXPECT_FALSE(silent.reached);
  EXPECT_EQ(silent.next.topology + silent.next.version, "REPLICA_SET6.0.17");
  const auto without = summary_of(before, *json(R"([{"host": "a:1", "reached": true, "typeName": "STANDALONE", "version": "6.0.18"}])").as_array());
  EXPECT_EQ(without.next.topology + without.next.version, "STANDALONE6.0.18");
  EXPECT_EQ(without.next.db_bytes, 7);
}

TEST(Summaries, AMongosMakesItSharded) {
  const auto hosts = json(R"([{"host": "m:1", "reached": true, "typeName": "SHARD_MONGOS", "version": "8.0.1", "shards": [{"name": "s0"}, {"name": "s1"}]},
                              {"host": "a:1", "reached": true, "typeName": "SHARD_PRIMARY", "version": "8.0.1", "replicaSetName": "s0"}])");
  const auto summary = summary_of({}, *hosts.as_array());
  EXPECT_EQ(summary.next.topology, "SHARDED");
  EXPECT_EQ(summary.next.shards, 2);
  EXPECT_EQ(summary.next.replica_set, "");
}

TEST(Figures, CountersBecomeRates) {
  const auto host = json(R"({"metrics": {"CONNECTIONS": 7, "a b": 1, "SAID": "x"}, "counters": {"OPCOUNTER_INSERT": 300, "ASSERT_USER": 1, "$inc": 5, "": 1, "DEEP": {"A": 1}}})");
  EXPECT_EQ(counters_of(host).dump(), R"({"OPCOUNTER_INSERT":300,"ASSERT_USER":1})");
  EXPECT_EQ(figures_of(host, bson::View(), 0).dump(), R"({"CONNECTIONS":7})");
  const auto before = document_of(json(R"({"OPCOUNTER_INSERT": 100, "ASSERT_USER": 5})"));
  const auto figures = figures_of(host, before, 60'000);
  EXPECT_EQ(figures.find("CONNECTIONS")->dump().substr(0, 1), "7");
  EXPECT_NEAR(*figures.find("OPCOUNTER_INSERT")->as_double(), 200.0 / 60.0, 1e-9);
  EXPECT_EQ(figures.find("ASSERT_USER"), nullptr) << "the server began anew";
  EXPECT_EQ(figures_of(host, before, 0).find("OPCOUNTER_INSERT"), nullptr);
}

TEST(Facts, OnlyWhatIsKnownIsKept) {
  const auto facts = facts_of(json(R"({"typeName": "STANDALONE", "documents": [{"card": "4111"}], "version": "6.0.17"})"));
  EXPECT_EQ(facts.dump(), R"({"typeName":"STANDALONE","version":"6.0.17"})");
}

TEST(Events, OfWhatChangedInAMember) {
  const auto facts = [](const char* text) { return document_of(json(text)); };
  const auto before = facts(R"({"typeName": "REPLICA_SECONDARY", "version": "6.0.17", "uptimeMsec": 5000})");
  EXPECT_THAT(events_of(before, json(R"({"typeName": "REPLICA_SECONDARY", "version": "6.0.17", "uptimeMsec": 65000})")), IsEmpty());
  EXPECT_THAT(events_of(before, json(R"({"typeName": "REPLICA_PRIMARY", "version": "6.0.18", "uptimeMsec": 10})")),
              ElementsAre("HOST_NOW_PRIMARY", "VERSION_CHANGED", "HOST_RESTARTED"));
  EXPECT_THAT(events_of(bson::View(), json(R"({"typeName": "REPLICA_PRIMARY"})")), IsEmpty());
}

TEST(Figures, AreRatiosOfWhatHasGrown) {
  const auto before = document_of(json(R"({"OP_LATENCY_READS": 10.0, "OP_COUNT_READS": 2, "OP_LATENCY_WRITES": 5, "OP_COUNT_WRITES": 7, "QUERY_EXECUTOR_SCANNED": 0, "DOCUMENT_METRICS_RETURNED": 0})"));
  const auto figures = figures_of(json(R"({"counters": {"OP_LATENCY_READS": 40.0, "OP_COUNT_READS": 12, "OP_LATENCY_WRITES": 5, "OP_COUNT_WRITES": 7,
      "QUERY_EXECUTOR_SCANNED": 100, "DOCUMENT_METRICS_RETURNED": 25}, "databases": [{"name": "shop", "dataSize": 10, "storageSize": 3, "indexSize": 4}, {"name": "admin", "dataSize": 5, "indexSize": 1}]})"),
                                  before, 60'000);
  EXPECT_DOUBLE_EQ(*figures.find("OP_EXECUTION_TIME_READS")->as_double(), 3);
  EXPECT_EQ(figures.find("OP_EXECUTION_TIME_WRITES"), nullptr) << "there were none";
  EXPECT_DOUBLE_EQ(*figures.find("QUERY_TARGETING_SCANNED_PER_RETURNED")->as_double(), 4);
  EXPECT_EQ(figures.find("QUERY_TARGETING_SCANNED_OBJECTS_PER_RETURNED"), nullptr) << "not told";
  EXPECT_EQ(figures.find("OP_LATENCY_READS"), nullptr);
  EXPECT_EQ(figures.find("DB_DATA_SIZE_TOTAL")->dump(), "15");
  EXPECT_EQ(figures.find("DB_DATA_SIZE_TOTAL_WO_SYSTEM")->dump(), "10");
  EXPECT_EQ(figures.find("DB_INDEX_SIZE_TOTAL")->dump(), "5");
}

TEST(Sizes, OfAHostAreOfAllButLocal) {
  const auto sizes = sizes_told(json(R"({"databases": [{"name": "shop", "dataSize": 10, "indexSize": 4}, {"name": "admin", "dataSize": 5, "indexSize": 1}, {"name": "local", "dataSize": 1000, "indexSize": 90}]})"));
  ASSERT_TRUE(sizes);
  EXPECT_EQ(sizes->data, 15);
  EXPECT_EQ(sizes->indexes, 5);
  EXPECT_FALSE(sizes_told(json(R"({"typeName": "REPLICA_SECONDARY"})"))) << "not told this time";
}

TEST(Credentials, EachMechanismNeedsItsOwn) {
  const auto check = [](AuthMechanism mechanism, const char* user, const char* password, bool tls, const char* certificate) {
    return check_credentials({.mechanism = mechanism, .username = user, .password = password, .tls = tls, .client_certificate_path = certificate}).has_value();
  };
  EXPECT_TRUE(check(AuthMechanism::kNone, "", "", false, ""));
  EXPECT_FALSE(check(AuthMechanism::kNone, "u", "", false, ""));
  EXPECT_TRUE(check(AuthMechanism::kScramSha1, "u", "p", false, ""));
  EXPECT_FALSE(check(AuthMechanism::kScramSha256, "u", "", false, ""));
  EXPECT_FALSE(check(AuthMechanism::kScramSha256, "", "p", false, ""));
  EXPECT_TRUE(check(AuthMechanism::kX509, "", "", true, "/c.pem"));
  EXPECT_FALSE(check(AuthMechanism::kX509, "", "", false, "/c.pem"));
  EXPECT_FALSE(check(AuthMechanism::kX509, "", "", true, ""));
  EXPECT_TRUE(check(AuthMechanism::kLdap, "u", "p", false, ""));
  EXPECT_TRUE(check(AuthMechanism::kKerberos, "u@R", "", false, ""));
  EXPECT_FALSE(check(AuthMechanism::kKerberos, "u@R", "p", false, ""));
}

TEST(DatabaseSizes, AreMeasurementsOfThePublicApi) {
  const auto sizes = sizes_by_database(*Json::parse(R"({"databases": [
      {"name": "shop", "collections": 3, "objects": 10, "avgObjSize": 12.5, "dataSize": 125, "storageSize": 4096, "indexes": 4, "indexSize": 8192,
       "fsUsedSize": 25, "fsTotalSize": 100}, {"name": ""}, {"name": "a.b", "dataSize": "x"}]})"));
  ASSERT_EQ(sizes.databases.size(), 2u);
  EXPECT_EQ(sizes.databases[0].first, "shop");
  EXPECT_EQ(*sizes.databases[0].second.find("DATABASE_DATA_SIZE")->as_double(), 125);
  EXPECT_EQ(*sizes.databases[0].second.find("DATABASE_AVERAGE_OBJECT_SIZE")->as_double(), 12.5);
  EXPECT_EQ(sizes.databases[0].second.find("DATABASE_FILE_SIZE"), nullptr);
  EXPECT_EQ(sizes.databases[1].second.find("DATABASE_DATA_SIZE"), nullptr);
  EXPECT_EQ(*sizes.disk.find("DISK_PARTITION_SPACE_FREE")->as_double(), 75);
  EXPECT_EQ(*sizes.disk.find("DISK_PARTITION_SPACE_PERCENT_USED")->as_double(), 25);
  EXPECT_TRUE(sizes_by_database(*Json::parse(R"({"databases": [{"name": "d", "fsTotalSize": 0}]})")).disk.is_null());
  EXPECT_TRUE(sizes_by_database(*Json::parse("{}")).databases.empty());
}

}  // namespace
}  // namespace drover::control
