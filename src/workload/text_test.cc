#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workload/control_file.h"
#include "workload/csv_reader.h"
#include "workload/json_items.h"

namespace drover::workload {
namespace {

using testing::ElementsAre;

TEST(CsvReader, ReadsQuotesLineBreaksAndShortRecords) {
  std::istringstream text("a,b,c\r\n1,\"x, \"\"y\"\"\nz\",3\n\n4,5\n,,\n");
  auto reader = CsvReader::open(text).value();
  EXPECT_THAT(reader.columns(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(*reader.next().value(), ElementsAre("1", "x, \"y\"\nz", "3"));
  EXPECT_THAT(*reader.next().value(), ElementsAre("4", "5", ""));
  EXPECT_THAT(*reader.next().value(), ElementsAre("", "", ""));
  EXPECT_FALSE(reader.next().value());
}

TEST(CsvReader, RefusesBrokenTables) {
  std::istringstream empty("");
  EXPECT_FALSE(CsvReader::open(empty));
  std::istringstream open_quote("a\n\"b");
  auto reader = CsvReader::open(open_quote).value();
  EXPECT_FALSE(reader.next());
  std::istringstream too_many("a\n1,2\n");
  auto wide = CsvReader::open(too_many).value();
  EXPECT_FALSE(wide.next());
}

TEST(JsonItems, ReadsTheItemsOfATopLevelArray) {
  std::istringstream text(" [ {\"a\": [1, {\"b\": \"]},\\\"\"}]} ,2.5,\"x\\\\\", null ] ");
  auto items = JsonItems::open(text).value();
  EXPECT_EQ(items.next().value()->dump(), R"({"a":[1,{"b":"]},\""}]})");
  EXPECT_EQ(*items.next().value()->as_double(), 2.5);
  EXPECT_EQ(*items.next().value()->as_string(), "x\\");
  EXPECT_TRUE(items.next().value()->is_null());
  EXPECT_FALSE(items.next().value());
}

TEST(JsonItems, FindsAnArrayWithinAnObject) {
  std::istringstream text(R"({"type":"T","meta":{"features":[9]},"features": [{"id":1},{"id":2}],"z":0})");
  auto items = JsonItems::open(text, "features").value();
  EXPECT_EQ(items.next().value()->dump(), R"({"id":1})");
  EXPECT_EQ(items.next().value()->dump(), R"({"id":2})");
  EXPECT_FALSE(items.next().value());
}

TEST(JsonItems, ReportsWhatIsNotThere) {
  for (const char* bad : {"", "{}", R"({"a":1})", R"({"a":1,)", "7"}) {
    std::istringstream text(bad);
    EXPECT_FALSE(JsonItems::open(text, "features")) << bad;
  }
  std::istringstream cut("[{\"a\":1},{\"a\"");
  auto items = JsonItems::open(cut).value();
  EXPECT_TRUE(items.next());
  EXPECT_FALSE(items.next());
  std::istringstream empty("[]");
  EXPECT_FALSE(JsonItems::open(empty).value().next().value());
}

TEST(ControlReader, ReadsParagraphsWithContinuationLines) {
  std::istringstream text("Package: a\nTag: x::y,\n z::w\nDescription: one: two\n\n\nPackage: b\n");
  ControlReader reader(text);
  EXPECT_THAT(*reader.next(), ElementsAre(std::pair("Package", "a"), std::pair("Tag", "x::y, z::w"),
                                          std::pair("Description", "one: two")));
  EXPECT_THAT(*reader.next(), ElementsAre(std::pair("Package", "b")));
  EXPECT_FALSE(reader.next());
}

TEST(ControlReader, ParsesRelations) {
  const auto relations = parse_relations("libc6 (>= 2.34), ttf-dejavu | fonts:any (<< 1:2~rc1), x");
  ASSERT_EQ(relations.size(), 3u);
  EXPECT_EQ(relations[0][0].package, "libc6");
  EXPECT_EQ(relations[0][0].relation, ">=");
  EXPECT_EQ(relations[0][0].version, "2.34");
  ASSERT_EQ(relations[1].size(), 2u);
  EXPECT_EQ(relations[1][1].package, "fonts");
  EXPECT_EQ(relations[1][1].architecture, "any");
  EXPECT_EQ(relations[1][1].version, "1:2~rc1");
  EXPECT_EQ(relations[2][0].relation, "");
}

}  // namespace
}  // namespace drover::workload
