#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/validate.h"
#include "workload/datasets.h"
#include "workload/debian_packages.h"
#include "workload/odd_collections.h"

namespace drover::workload {
namespace {

std::string converted(const std::string& json, std::vector<FieldRule> rules) {
  const auto record = Json::parse(json).value();
  bson::Builder out;
  append_record(out, *record.as_object(), rules);
  return bson::to_canonical_ejson(std::move(out).finish());
}

TEST(Record, InfersTypes) {
  EXPECT_EQ(converted(R"({"i":1,"l":5000000000,"d":1.5,"t":1517966773840,"s":"x","n":null,"day":"1970-01-02","a":[1,"y"]})", {}),
            R"({ "i" : { "$numberInt" : "1" }, "l" : { "$numberLong" : "5000000000" }, "d" : { "$numberDouble" : "1.5" }, )"
            R"("t" : { "$date" : { "$numberLong" : "1517966773840" } }, "s" : "x", "n" : null, )"
            R"("day" : { "$date" : { "$numberLong" : "86400000" } }, "a" : [ { "$numberInt" : "1" }, "y" ] })");
}

TEST(Record, FollowsRulesIntoNestedDocuments) {
  EXPECT_EQ(converted(R"({"cost":7,"x":1.5,"y":2.5,"rest":true,"votes":3,"id":"58fa3f0be4b0b7ea54524859"})",
                      {{"cost", "a.b.cost", FieldKind::kDecimal},
                       {"votes", "a.b.votes", FieldKind::kInt64},
                       {"missing", "a.c", FieldKind::kInt64},
                       {"x,y", "at", FieldKind::kPoint},
                       {"id", "id", FieldKind::kObjectId}}),
            R"({ "a" : { "b" : { "cost" : { "$numberDecimal" : "7" }, "votes" : { "$numberLong" : "3" } } }, )"
            R"("at" : { "type" : "Point", "coordinates" : [ { "$numberDouble" : "1.5" }, { "$numberDouble" : "2.5" } ] }, )"
            R"("id" : { "$oid" : "58fa3f0be4b0b7ea54524859" }, "rest" : true })");
}

TEST(Record, ParsesDates) {
  EXPECT_EQ(parse_date("2000-01-01T08:00:00.250Z"), 946713600250);
  EXPECT_EQ(parse_date("2015/01/01 01:00:00"), 1420074000000);
  EXPECT_EQ(parse_date("Jun 12 1998"), 897609600000);
  EXPECT_EQ(parse_date("01/31/2015"), 1422662400000);
  EXPECT_EQ(parse_date("1960-02-29"), -310521600000);
  for (const char* bad : {"", "next week", "Foo 12 1998", "2000-13-01", "2000-01-01 at noon"}) EXPECT_FALSE(parse_date(bad)) << bad;
}

TEST(Record, KeepsTextOfCellsThatRulesNameText) {
  const std::vector<std::string> columns = {"zip", "n", "d", "e"}, cells = {"00501", "12", "-1.50", ""};
  const std::vector<FieldRule> rules = {{"zip", "zip", FieldKind::kString}};
  EXPECT_EQ(Json(record_of_cells(columns, cells, rules)).dump(), R"({"zip":"00501","n":12,"d":-1.5})");
}

TEST(DebianPackages, BecomeDocuments) {
  const ControlParagraph paragraph = {{"Package", "a"}, {"Version", "1:2"}, {"Architecture", "all"}, {"Installed-Size", "3"},
                                      {"MD5sum", "00ff"}, {"Depends", "b (>= 1) | c, d:any"}, {"Tag", "x::y, z"}};
  EXPECT_EQ(bson::to_relaxed_ejson(package_document(paragraph, 2)),
            R"({ "_id" : { "package" : "a", "version" : "1:2", "architecture" : "all", "copy" : 2 }, "package" : "a", )"
            R"("version" : "1:2", "architecture" : "all", "copy" : 2, "installedSize" : 3072, )"
            R"("md5" : { "$binary" : { "base64" : "AP8=", "subType" : "00" } }, "depends" : [ { "package" : "b", "relation" : ">=", )"
            R"("version" : "1", "alternatives" : [ { "package" : "c" } ] }, { "package" : "d", "architecture" : "any" } ], )"
            R"("tags" : [ "x::y", "z" ] })");
}

class SmallDataset : public testing::Test {
 protected:
  const std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / fmt::format("drover workload test {}", ::getpid());
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::vector<std::string> read(const Dataset& dataset, int copy) {
    std::vector<std::string> all;
    const auto status = read_dataset(dataset, directory_.string(), copy, [&](bson::Document document) -> Status {
      all.push_back(bson::to_relaxed_ejson(document));
      return {};
    });
    EXPECT_TRUE(status) << status.error().message;
    return all;
  }
};

TEST_F(SmallDataset, CopiesDifferInTheirIds) {
  std::ofstream(directory_ / "t.csv") << "k,v\na,1\nb,2\n";
  Dataset dataset{.file = "t.csv", .ns = {"d", "t"}, .id = IdKind::kString, .id_columns = {"k"}};
  EXPECT_THAT(read(dataset, 0), testing::ElementsAre(R"({ "_id" : "a", "k" : "a", "v" : 1 })", R"({ "_id" : "b", "k" : "b", "v" : 2 })"));
  EXPECT_THAT(read(dataset, 1), testing::ElementsAre(R"({ "_id" : "a#1", "k" : "a", "v" : 1, "copy" : 1 })",
                                                     R"({ "_id" : "b#1", "k" : "b", "v" : 2, "copy" : 1 })"));
  dataset.id = IdKind::kDecimal;
  EXPECT_EQ(read(dataset, 1)[1], R"({ "_id" : { "$numberDecimal" : "10000001" }, "k" : "b", "v" : 2, "copy" : 1 })");
}

TEST_F(SmallDataset, AMissingFileSaysWhatToDo) {
  const Dataset dataset{.file = "none.json", .ns = {"d", "t"}};
  const auto status = read_dataset(dataset, directory_.string(), 0, [](bson::Document) { return Status(); });
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, testing::AllOf(testing::HasSubstr("none.json"), testing::HasSubstr("npm ci")));
}

TEST(Datasets, TableIsConsistent) {
  std::set<std::string> seen;
  for (const auto& dataset : datasets()) {
    EXPECT_TRUE(seen.insert(dataset.ns.to_string()).second);
    for (const auto index : dataset.indexes) EXPECT_TRUE(bson::from_ejson(index)) << index;
  }
  EXPECT_NE(row_object_id({"a", "b"}, 0, 1), row_object_id({"a", "b"}, 1, 1));
  EXPECT_LT(row_object_id({"a", "b"}, 0, 1), row_object_id({"a", "b"}, 0, 256));
}

TEST(OddCollections, AreValidAndTheSameEveryTime) {
  const auto all = odd_collections(), again = odd_collections();
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_LE(all[i].ns.to_string().size(), 255u);
    for (const auto index : all[i].indexes) EXPECT_TRUE(bson::from_ejson(index)) << index;
    ASSERT_EQ(all[i].documents.size(), again[i].documents.size());
    for (std::size_t k = 0; k < all[i].documents.size(); ++k) {
      EXPECT_TRUE(bson::validate(all[i].documents[k].bytes()));
      EXPECT_LE(all[i].documents[k].size(), bson::kMaxDocumentBytes);
      EXPECT_TRUE(all[i].documents[k] == again[i].documents[k]);
    }
  }
}

// The real files, where they are installed: what is promised is at least 250,000 documents.
TEST(Datasets, RealDataIsLargeEnough) {
  if (!std::filesystem::exists(DROVER_DATASETS)) return;  // `npm ci` in tools/datasets has not been run
  std::int64_t documents = 0;
  for (const auto& dataset : datasets()) {
    if (dataset.file.empty()) continue;  // enough without a Debian's index, too
    std::int64_t here = 0;
    const auto status = read_dataset(dataset, DROVER_DATASETS, 0, [&](bson::Document document) -> Status {
      if (here++ % 20 == 0) { EXPECT_TRUE(bson::validate(document.bytes())); }
      return {};
    });
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_GT(here, 50) << dataset.file;
    documents += here;
  }
  EXPECT_GE(documents, 250'000);
}

}  // namespace
}  // namespace drover::workload
