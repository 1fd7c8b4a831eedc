#include "api/monitoring_json.h"

#include <gtest/gtest.h>

namespace drover::api {
namespace {

TEST(Times, AreReadAndWritten) {
  EXPECT_EQ(iso_of_millis(1'772'356'200'999), "2026-03-01T09:10:00Z");
  EXPECT_EQ(millis_of_iso("2026-03-01T09:10:00Z"), 1'772'356'200'000);
  for (const auto* wrong : {"", "2026-03-01", "2026-03-01T09:10:00", "2026-03-01T09:10:00+01:00", "yesterday"}) EXPECT_FALSE(millis_of_iso(wrong)) << wrong;
  EXPECT_EQ(millis_of_duration("PT1H30M"), 5'400'000);
  EXPECT_EQ(millis_of_duration("P1DT1S"), 86'401'000);
  EXPECT_EQ(millis_of_duration("P2W"), 1'209'600'000);
  for (const auto* wrong : {"", "P", "PT", "1H", "P1H", "PT1D", "PTH", "PT1H2", "P1Y", "PT99999999999H"}) EXPECT_FALSE(millis_of_duration(wrong)) << wrong;
}

TEST(Measurements, AreBucketsWithHoles) {
  MeasurementQuery query{0, 180'000, 60'000, "PT1M", {"CONNECTIONS"}};
  const std::vector<control::MeasuredPoint> points{{0, {{"CONNECTIONS", 4}}}, {60'000, {{"CONNECTIONS", 6}}}, {61'000, {{"CONNECTIONS", 8}, {"OPCOUNTER_CMD", 1}}}};
  const Json json(measurements_json(Measured::kHost, query, points));
  const auto& measured = *json.find("measurements")->as_array();
  ASSERT_EQ(measured.size(), 1u);
  EXPECT_EQ(measured[0].find("units")->dump(), "\"SCALAR\"");
  const auto& data = *measured[0].find("dataPoints")->as_array();
  ASSERT_EQ(data.size(), 4u);
  EXPECT_EQ(*data[0].find("value")->as_double(), 4);
  EXPECT_EQ(*data[1].find("value")->as_double(), 7);
  EXPECT_TRUE(data[2].find("value")->is_null());
  EXPECT_EQ(units_of(Measured::kHost, "OPCOUNTER_CMD"), "SCALAR_PER_SECOND");
  EXPECT_FALSE(units_of(Measured::kHost, "MAGIC"));
  EXPECT_EQ(units_of(Measured::kDatabase, "DATABASE_DATA_SIZE"), "BYTES");
  EXPECT_EQ(units_of(Measured::kDisk, "DISK_PARTITION_SPACE_PERCENT_USED"), "PERCENT");
  EXPECT_FALSE(units_of(Measured::kDisk, "CONNECTIONS"));
}

RestResult<MeasurementQuery> asked(std::initializer_list<std::pair<const char*, const char*>> query) {
  RestRequest request;
  for (const auto& [name, value] : query) {
    request.every_query.emplace_back(name, value);
    request.query[name] = value;
  }
  return parse_measurement_query(Measured::kHost, request, 1'772'356'200'000);
}

TEST(MeasurementQueries, AreOfAPeriodOrFromStartToEnd) {
  const auto period = asked({{"granularity", "PT1M"}, {"period", "PT1H"}, {"m", "CONNECTIONS"}, {"m", "OPCOUNTER_CMD"}, {"m", "CONNECTIONS"}});
  ASSERT_TRUE(period);
  EXPECT_EQ(period->end, 1'772'356'200'000);
  EXPECT_EQ(period->start, period->end - 3'600'000);
  EXPECT_EQ(period->names, (std::vector<std::string>{"CONNECTIONS", "OPCOUNTER_CMD"}));
  const auto between = asked({{"granularity", "PT1H"}, {"start", "2026-03-01T08:00:00Z"}, {"end", "2026-03-01T09:00:00Z"}});
  ASSERT_TRUE(between);
  EXPECT_EQ(between->end - between->start, 3'600'000);
  EXPECT_TRUE(between->names.empty());
}

TEST(MeasurementQueries, ThatAreAmbiguousOrTooBigAreRefused) {
  const std::initializer_list<std::initializer_list<std::pair<const char*, const char*>>> all{
      {{"period", "PT1H"}},
      {{"granularity", "PT1M"}},
      {{"granularity", "PT2M"}, {"period", "PT1H"}},
      {{"granularity", "PT1M"}, {"period", "an hour"}},
      {{"granularity", "PT1M"}, {"period", "PT1H"}, {"start", "2026-03-01T08:00:00Z"}, {"end", "2026-03-01T09:00:00Z"}},
      {{"granularity", "PT1M"}, {"period", "PT1H"}, {"end", "2026-03-01T09:00:00Z"}},
      {{"granularity", "PT1M"}, {"start", "2026-03-01T08:00:00Z"}},
      {{"granularity", "PT1M"}, {"start", "2026-03-01T09:00:00Z"}, {"end", "2026-03-01T08:00:00Z"}},
      {{"granularity", "PT1M"}, {"start", "2026-03-01T08:00:00Z"}, {"end", "2026-03-01T08:00:00Z"}},
      {{"granularity", "PT10S"}, {"period", "P30D"}},
      {{"granularity", "PT1M"}, {"period", "PT1H"}, {"m", "CONNECTIONS"}, {"m", "MAGIC"}},
      {{"granularity", "PT1M"}, {"period", "PT1H"}, {"m", "DATABASE_DATA_SIZE"}},
  };
  int row = 0;
  for (const auto& query : all) EXPECT_FALSE(asked(query)) << row++;
}

TEST(Hosts, AreNoDataUntilTheFirstPing) {
  RestRequest request;
  request.base = "http://h/api/public/v1.0";
  control::MonitoredHost host;
  host.id = "1";
  host.group = "g";
  host.hostname = "db1";
  host.port = 27017;
  EXPECT_EQ(host_json(request, host, nullptr).find("typeName")->dump(), "\"NO_DATA\"");
  EXPECT_EQ(host_json(request, host, nullptr).find("lastPing"), nullptr);
  host.last_ping_millis = 1'772'356'200'000;
  host.facts = *Json::parse(R"({"typeName": "REPLICA_PRIMARY", "version": "6.0.17", "uptimeMsec": 60000.0, "memSizeMB": 16384.0})");
  const auto json = host_json(request, host, nullptr);
  EXPECT_EQ(json.find("typeName")->dump(), "\"REPLICA_PRIMARY\"");
  EXPECT_EQ(json.find("uptimeMsec")->dump(), "60000");
  EXPECT_EQ(json.find("lastRestart")->dump(), "\"2026-03-01T09:09:00Z\"");
}

}  // namespace
}  // namespace drover::api
