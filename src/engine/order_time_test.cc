#include "engine/order_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/testing/stub_deployment.h"

namespace drover::engine {
namespace {

// Its majority is behind what it has acknowledged.
class Source final : public cluster::StubDeployment {
 public:
  Result<ClusterTime> majority_time() override { return ClusterTime{5, 0}; }
  Result<ClusterTime> append_note(bson::View) override {
    ++asked;
    if (asked <= failures) return tl::unexpected(failure);
    return ClusterTime{9, 1};
  }
  int asked = 0, failures = 0;
  Error failure{ErrorCode::kTemporary, "source: not primary", 10107, {}};
};

class OrderTime : public testing::Test {
 protected:
  Source source_;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
};

TEST_F(OrderTime, ComesAfterWhatNoMajorityHasYet) {
  EXPECT_EQ(time_of_order(source_, *runtime_, {}).value(), (ClusterTime{9, 1}));
}

TEST_F(OrderTime, AnElectionIsWaitedFor) {
  source_.failures = 2;
  EXPECT_EQ(time_of_order(source_, *runtime_, {}).value(), (ClusterTime{9, 1}));
  EXPECT_EQ(source_.asked, 3);
}

TEST_F(OrderTime, WithoutItNothingIsOrdered) {
  source_.failures = 1;
  source_.failure = {ErrorCode::kSource, "source: not authorized", 13, {}};
  const auto none = time_of_order(source_, *runtime_, {});
  ASSERT_FALSE(none);
  EXPECT_EQ(source_.asked, 1);
  EXPECT_EQ(none.error().code, ErrorCode::kSource);
  EXPECT_THAT(none.error().message, testing::AllOf(testing::HasSubstr("nothing is committed"), testing::HasSubstr("not authorized")));
  std::stop_source stop;
  stop.request_stop();
  source_ = {};
  source_.failures = 1000;
  EXPECT_EQ(time_of_order(source_, *runtime_, stop.get_token()).error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace drover::engine
