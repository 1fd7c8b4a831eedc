#include <gtest/gtest.h>

#include "base/bounded_queue.h"
#include "base/error.h"
#include "base/format_count.h"
#include "base/json.h"
#include "base/runtime.h"
#include "base/uuid.h"

namespace drover {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorCode::kUsage, "odd");
  return n / 2;
}
Result<int> quarter(int n) {
  const int once = TRY(half(n));
  return TRY_WITH(half(once), "second half");
}
Status check(int n) {
  TRY(half(n));
  return {};
}

TEST(Error, TryUnwrapsAndPropagates) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message, "second half: odd");
  EXPECT_EQ(quarter(7).error().message, "odd");
  EXPECT_FALSE(check(3));
  EXPECT_TRUE(check(2));
}

TEST(Error, ExitCodesAreTheDocumentedOnes) {
  EXPECT_EQ(exit_code(ErrorCode::kFailure), 1);
  EXPECT_EQ(exit_code(ErrorCode::kUsage), 2);
  EXPECT_EQ(exit_code(ErrorCode::kUnsupported), 3);
  EXPECT_EQ(exit_code(ErrorCode::kWrongState), 4);
  EXPECT_EQ(exit_code(ErrorCode::kSource), 5);
  EXPECT_EQ(exit_code(ErrorCode::kDestination), 6);
  EXPECT_EQ(exit_code(ErrorCode::kMismatch), 7);
  EXPECT_EQ(exit_code(ErrorCode::kTimedOut), 8);
  EXPECT_EQ(exit_code(ErrorCode::kTemporary), 75);
}

TEST(FormatCount, GroupsByThree) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(Json, RoundTripsAndKeepsOrder) {
  const auto parsed = Json::parse(R"({"b":1,"a":[true,null,"x\n\u00e9",-2.5]})");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->dump(), "{\"b\":1,\"a\":[true,null,\"x\\n\u00e9\",-2.5]}");
  EXPECT_FALSE(Json::parse("{\"a\":"));
  EXPECT_FALSE(Json::parse(std::string(100, '[') + std::string(100, ']')));
}

TEST(Json, InvalidUtf8IsReplaced) { EXPECT_EQ(json_quote("a\xff" "b"), "\"a\xef\xbf\xbd" "b\""); }

TEST(Uuid, ParsesWhatItPrints) {
  auto runtime = make_real_runtime();
  const auto uuid = Uuid::random(*runtime);
  EXPECT_EQ(Uuid::parse(uuid.to_string()), uuid);
  EXPECT_EQ(uuid.to_string()[14], '4');
  EXPECT_FALSE(Uuid::parse("not-a-uuid"));
}

TEST(BoundedQueue, ClosesAndStops) {
  auto runtime = make_real_runtime();
  BoundedQueue<int> queue(*runtime, 2);
  int sum = 0;
  auto consumer = runtime->spawn("consumer", [&](std::stop_token stop) {
    while (auto item = queue.pop(stop)) sum += *item;
  });
  for (int i = 1; i <= 10; ++i) EXPECT_TRUE(queue.push(i, {}));
  queue.close();
  consumer->join();
  EXPECT_EQ(sum, 55);
  EXPECT_FALSE(queue.push(1, {}));
}

}  // namespace
}  // namespace drover
