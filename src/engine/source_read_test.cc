#include "engine/source_read.h"

#include <gtest/gtest.h>

#include "cluster/testing/stub_deployment.h"

namespace drover::engine {
namespace {

Error gone() { return Error{ErrorCode::kSource, "ns does not exist", kServerNamespaceNotFound, {}}; }

class Source final : public cluster::StubDeployment {
 public:
  Result<ClusterTime> append_note(bson::View) override {
    if (refused) return tl::unexpected(*refused);
    ++notes;
    return ClusterTime{1, 1};
  }
  int notes = 0;
  std::optional<Error> refused;
};

class SourceRead : public testing::Test {
 protected:
  // Answers with `outcomes`, one after another.
  Result<int> read(std::vector<Result<int>> outcomes) {
    std::size_t at = 0;
    auto result = read_or_gone(source_, *runtime_, {}, [&]() -> Result<int> {
      notes_at_.push_back(source_.notes);
      return outcomes.at(at++);
    });
    EXPECT_EQ(at, outcomes.size());
    return result;
  }
  Source source_;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::vector<int> notes_at_;  // how many notes had a majority at each read
};

TEST_F(SourceRead, WhatIsThereIsReadOnce) {
  EXPECT_EQ(read({7}).value(), 7);
  EXPECT_EQ(notes_at_, std::vector{0});
}

// The drop that the primary told of was undone.
TEST_F(SourceRead, GoneIsNotBelievedBeforeAMajorityHasTheDrop) {
  EXPECT_EQ(read({tl::unexpected(gone()), 7}).value(), 7);
  EXPECT_EQ(notes_at_, (std::vector{0, 1}));
}

TEST_F(SourceRead, GoneIsBelievedAfterwards) {
  const auto result = read({tl::unexpected(gone()), tl::unexpected(gone())});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().server_code, kServerNamespaceNotFound);
  EXPECT_EQ(notes_at_, (std::vector{0, 1}));
}

TEST_F(SourceRead, WithoutAMajorityNothingIsBelieved) {
  source_.refused = Error{ErrorCode::kSource, "not authorized", 13, {}};
  const auto result = read({tl::unexpected(gone())});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().server_code, 13);
}

TEST_F(SourceRead, OtherErrorsArePassedOn) {
  const auto result = read({tl::unexpected(Error{ErrorCode::kSource, "broken", 8, {}})});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().server_code, 8);
  EXPECT_EQ(notes_at_, std::vector{0});
}

}  // namespace
}  // namespace drover::engine
