// The whole live workload against servers in memory that lose requests and replies: whatever happens, the ledgers are true.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "workload/live_workload.h"
#include "workload/mini_server.h"

namespace drover::workload {
namespace {

constexpr std::int64_t kEnough = 3000;

class WholeWorkload : public testing::TestWithParam<int> {
 protected:
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  MiniServer source_, destination_;
  LiveWorkload workload_{source_, destination_, *runtime_, {.writes_per_second = 1e6, .seed = 7, .loaded_flights = 0}};

  bool wait_until(const std::function<bool()>& holds) {
    while (!holds()) {
      if (const auto failure = workload_.failure()) {
        ADD_FAILURE() << failure->message;
        return false;
      }
      runtime_->sleep(std::chrono::milliseconds(1), {});
    }
    return true;
  }
  void start() {
    ASSERT_TRUE(workload_.prepare({}));
    destination_.block();
    for (auto* server : {&source_, &destination_}) server->lose_one_in(GetParam());
    workload_.start();
  }
  void stop() {
    workload_.stop();
    for (auto* server : {&source_, &destination_}) server->lose_one_in(0);
  }
  void cut_over() {
    source_.block();
    destination_.become_copy_of(source_);
    destination_.open();
  }
};

TEST_P(WholeWorkload, LedgersAreTrueAfterACutover) {
  start();
  ASSERT_TRUE(wait_until([&] { return workload_.total() > kEnough; }));
  cut_over();
  ASSERT_TRUE(wait_until([&] { return workload_.switchover().writers_on_destination() == workload_.writers(); }));
  EXPECT_TRUE(workload_.switchover().unavailable());
  const auto at_cutover = workload_.total();
  workload_.switchover().release();
  ASSERT_TRUE(wait_until([&] { return workload_.total() > at_cutover + kEnough; }));
  stop();
  ASSERT_FALSE(workload_.failure());
  EXPECT_THAT(workload_.differences(destination_).value(), testing::IsEmpty());
  for (std::size_t i = 0; i < kWriteKinds; ++i) EXPECT_GT(workload_.count(static_cast<WriteKind>(i)), 0) << i;

  auto& orders = destination_.collection("shop.orders");
  ASSERT_FALSE(orders.empty());
  orders.erase(orders.begin());
  EXPECT_EQ(workload_.differences(destination_).value().size(), 1u);
}

TEST_P(WholeWorkload, ASourceThatIsRestoredIsUsedAgain) {
  start();
  ASSERT_TRUE(wait_until([&] { return workload_.total() > kEnough; }));
  source_.block();
  const auto blocked = workload_.total();
  source_.open();
  ASSERT_TRUE(wait_until([&] { return workload_.total() > blocked + kEnough; }));
  stop();
  EXPECT_EQ(workload_.switchover().writers_on_destination(), 0);
  EXPECT_THAT(workload_.differences(source_).value(), testing::IsEmpty());
}

// Nothing lost; and one in fifty requests and replies.
INSTANTIATE_TEST_SUITE_P(Losses, WholeWorkload, testing::Values(0, 50));

}  // namespace
}  // namespace drover::workload
