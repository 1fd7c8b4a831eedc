#include "api/report_body.h"

#include <gtest/gtest.h>

namespace drover::api {
namespace {

std::string refusal(const char* text, std::size_t bytes = 10) {
  const auto checked = check_report(*Json::parse(text), bytes, 100);
  return checked ? "" : checked.error().code;
}

TEST(ReportBodies, AreCheckedBeforeTheyAreKept) {
  EXPECT_EQ(*check_report(*Json::parse(R"({"sequence": 7, "state": "RUNNING"})"), 100, 100), 7);
  for (const auto* state : {"ACCEPTED", "RUNNING", "COMMITTING", "DONE", "COMMITTED", "STOPPED", "FAILED", "FORGOTTEN"})
    EXPECT_EQ(refusal((std::string(R"({"sequence": 1, "state": ")") + state + "\"}").c_str()), "") << state;
  for (const auto* body : {R"({"state": "RUNNING"})", R"({"sequence": 0, "state": "RUNNING"})", R"({"sequence": "1", "state": "RUNNING"})"})
    EXPECT_EQ(refusal(body), "INVALID_ATTRIBUTE") << body;
  EXPECT_EQ(refusal(R"({"sequence": 1})"), "MISSING_ATTRIBUTE");
  EXPECT_EQ(refusal(R"({"sequence": 1, "state": "WHATEVER"})"), "INVALID_ENUM_VALUE");
  EXPECT_EQ(refusal(R"({"sequence": 1, "state": "RUNNING"})", 101), "INVALID_ATTRIBUTE");
}

TEST(ReportBodies, LoseTheOldestLinesOfALogThatIsTooLong) {
  Json::Array lines;
  for (int i = 0; i < 100; ++i) lines.emplace_back(std::string(100, '"') + std::to_string(i));
  Json::Object report{{"state", "RUNNING"}, {"log", lines}, {"warnings", Json::Array{Json("w")}}};
  for (const std::size_t limit : {std::size_t{5000}, std::size_t{2000}, std::size_t{300}}) {
    EXPECT_LE(cut_log(report, limit), limit);
    const auto size = cut_log(report, limit);
    EXPECT_EQ(size, Json(report).dump().size());
    const auto& kept = *report[1].second.as_array();
    ASSERT_FALSE(kept.empty()) << limit;
    EXPECT_EQ(kept.back().dump(), lines.back().dump());
  }
  const auto without_lines = cut_log(report, 10);
  EXPECT_EQ(without_lines, Json(report).dump().size());
  EXPECT_TRUE(report[1].second.as_array()->empty());
  Json::Object without{{"state", "RUNNING"}};
  EXPECT_EQ(cut_log(without, 5), Json(without).dump().size());
}

}  // namespace
}  // namespace drover::api
