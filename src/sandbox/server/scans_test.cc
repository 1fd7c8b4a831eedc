// Scans that find little: their command's time and its end are looked at all the same.
#include <atomic>

#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

// For the thread that hurries each look at the clock is a millisecond later than the last.
class HurryingRuntime final : public Runtime {
 public:
  SteadyTime now() override {
    if (hurries) ahead_ += std::chrono::milliseconds(1);
    return real_->now() + Duration(ahead_);
  }
  std::chrono::system_clock::time_point wall_time() override { return real_->wall_time(); }
  std::uint64_t random() override { return real_->random(); }
  bool sleep(Duration duration, const std::stop_token& stop) override { return real_->sleep(duration, stop); }
  std::unique_ptr<Thread> spawn(std::string name, std::function<void(std::stop_token)> body) override { return real_->spawn(std::move(name), std::move(body)); }
  std::unique_ptr<Monitor> make_monitor() override { return real_->make_monitor(); }
  void reached(std::string_view fail_point) override { real_->reached(fail_point); }

  static thread_local bool hurries;

 private:
  std::unique_ptr<Runtime> real_ = make_real_runtime();
  static thread_local Duration ahead_;
};
thread_local bool HurryingRuntime::hurries = false;
thread_local Duration HurryingRuntime::ahead_{0};

class ScansTest : public SandboxClientTest {
 protected:
  void SetUp() override {
    runtime_ = std::make_unique<HurryingRuntime>();
    start(kTest80);
    bson::Builder insert;
    insert.append("insert", "c");
    {
      auto documents = insert.open_array("documents");
      for (int i = 0; i < 50000; ++i) documents.open_document().append("_id", i).append("x", i % 7);
    }
    ASSERT_EQ(run("t", std::move(insert).finish())["n"].to_int64(), 50000);
    run("t", R"({"createIndexes": "c", "indexes": [{"key": {"x": 1}, "name": "x"}]})");
  }
  void TearDown() override { HurryingRuntime::hurries = false; }
};

TEST_F(ScansTest, WhatFindsNothingEndsWithItsTime) {
  for (const char* filter : {R"({"y": 1})", R"({"x": {"$gte": 0}, "y": 1})"}) {
    const std::string q(filter);
    for (const auto& command : {R"({"find": "c", "filter": )" + q, R"({"count": "c", "query": )" + q, R"({"distinct": "c", "key": "x", "query": )" + q,
                                R"({"aggregate": "c", "cursor": {}, "pipeline": [{"$match": )" + q + "}]",
                                R"({"update": "c", "updates": [{"q": )" + q + R"(, "u": {"$set": {"z": 1}}, "multi": true}])",
                                R"({"update": "c", "updates": [{"q": )" + q + R"(, "u": {"$set": {"z": 1}}}])",
                                R"({"delete": "c", "deletes": [{"q": )" + q + R"(, "limit": 0}])", R"({"delete": "c", "deletes": [{"q": )" + q + R"(, "limit": 1}])",
                                R"({"findAndModify": "c", "remove": true, "query": )" + q}) {
      HurryingRuntime::hurries = true;
      EXPECT_EQ(code("t", command + R"(, "maxTimeMS": 100})"), 50) << command;  // 50,000 documents are looked at two hundred times
      EXPECT_EQ(code("t", command + R"(, "maxTimeMS": 60000})"), 0) << command;
      HurryingRuntime::hurries = false;
    }
  }
}

}  // namespace
}  // namespace drover::sandbox
