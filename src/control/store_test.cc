// How long callers wait for a store that does not answer, on one that does what the test has it do and a clock that only waiting moves.
#include "control/store.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "cluster/testing/stub_deployment.h"

namespace drover::control {
namespace {

using std::chrono::seconds;

class WaitedClock final : public Runtime {
 public:
  SteadyTime time{std::chrono::hours(1)};
  SteadyTime now() override { return time; }
  std::chrono::system_clock::time_point wall_time() override { return {}; }
  std::uint64_t random() override { return 7; }
  bool sleep(Duration duration, const std::stop_token&) override {
    time += duration;
    return true;
  }
  std::unique_ptr<Thread> spawn(std::string, std::function<void(std::stop_token)>) override { throw std::logic_error("no threads here"); }
  std::unique_ptr<Monitor> make_monitor() override { throw std::logic_error("no monitors here"); }
  void reached(std::string_view) override {}
};

class SilentStore final : public cluster::StubDeployment {
 public:
  explicit SilentStore(WaitedClock& clock) : clock_(clock) {}
  Result<bson::Document> run_command(const std::string&, bson::View command) override {
    commands.emplace_back(command);
    if (on_command) on_command();
    if (clock_.time >= until) return next ? next() : bson::make_document({{"n", 1}, {"cursor", bson::make_document({{"id", std::int64_t{0}}, {"firstBatch", bson::ArrayView{bson::View()}}})}});
    clock_.time += takes;
    return fail(ErrorCode::kTemporary, "source: no primary");
  }
  SteadyTime until{};  // it does not answer
  Duration takes{};    // to say so
  std::vector<bson::Document> commands;
  std::function<void()> on_command;
  std::function<Result<bson::Document>()> next;

 private:
  WaitedClock& clock_;
};

class Waiting : public testing::Test {
 protected:
  Status ask() {
    const auto found = store_.find("orgs", bson::Document());
    return found ? Status() : tl::unexpected(found.error());
  }
  Duration passed() const { return clock_.time - begun_; }
  void away(Duration how_long, Duration takes) {
    begun_ = clock_.time;
    silent_.until = clock_.time + how_long;
    silent_.takes = takes;
  }

  WaitedClock clock_;
  SilentStore silent_{clock_};
  Store store_{silent_, clock_};
  SteadyTime begun_{};
};

TEST_F(Waiting, AnElectionIsWaitedForByReadsAndWrites) {
  for (const auto takes : {Duration(std::chrono::milliseconds(1)), Duration(kStoreReplyLimit)}) {
    ASSERT_TRUE(ask());
    away(seconds(10), takes);
    EXPECT_TRUE(ask());
    EXPECT_LE(passed(), seconds(10) + kStoreReplyLimit);
    away(seconds(10), takes);
    silent_.commands.clear();
    EXPECT_TRUE(store_.update("orgs", bson::Document(), bson::Document()));
    ASSERT_GT(silent_.commands.size(), 1u);
    EXPECT_EQ(silent_.commands.front()["txnNumber"].to_int64(), silent_.commands.back()["txnNumber"].to_int64()) << "the same write again";
  }
}

TEST_F(Waiting, OneThatHangsHoldsCallersOnceAndThenNobody) {
  ASSERT_TRUE(ask());
  away(std::chrono::hours(1), kStoreReplyLimit);
  const auto failed = ask();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kTemporary);
  EXPECT_NE(failed.error().message.find("store does not answer"), std::string::npos);
  EXPECT_LE(passed(), kStorePatience + kStoreReplyLimit);
  begun_ = clock_.time;
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(ask());
  EXPECT_EQ(passed(), Duration(0));
  // One looks now and then, and only once.
  clock_.time += kStoreProbeEvery;
  EXPECT_FALSE(ask());
  EXPECT_EQ(passed(), kStoreProbeEvery + kStoreReplyLimit);
  silent_.until = {};
  clock_.time += kStoreProbeEvery;
  EXPECT_TRUE(ask());
  EXPECT_TRUE(ask());
}

// Who comes in the midst of it waits for the rest alone.
TEST_F(Waiting, AllCallersWaitForOneSilence) {
  ASSERT_TRUE(ask());
  away(std::chrono::hours(1), std::chrono::milliseconds(1));
  bool first = true;
  silent_.on_command = [&] {
    if (passed() < seconds(6) || !std::exchange(first, false)) return;
    const auto came = clock_.time;
    EXPECT_FALSE(ask());
    EXPECT_LE(clock_.time - came, kStorePatience - seconds(5));
  };
  EXPECT_FALSE(ask());
  EXPECT_FALSE(first);
  EXPECT_LE(passed(), kStorePatience + seconds(1));
}

TEST_F(Waiting, ACommandThatIsSlowAloneIsNotRepeated) {
  ASSERT_TRUE(ask());
  away(std::chrono::hours(1), kStoreReplyLimit);
  // Another one is answered meanwhile.
  silent_.on_command = [&] {
    silent_.on_command = {};
    const auto until = std::exchange(silent_.until, {});
    clock_.time += seconds(1);
    EXPECT_TRUE(ask());
    silent_.until = until;
  };
  silent_.commands.clear();
  EXPECT_FALSE(ask());
  EXPECT_EQ(silent_.commands.size(), 2u);
  silent_.until = {};
  EXPECT_TRUE(ask()) << "the store is not taken for silent";
}

// An answer that is none is not one of no documents.
TEST_F(Waiting, AnAnswerWithoutACursorIsAnError) {
  for (const auto& answer : {bson::make_document({{"ok", 1.0}}), bson::make_document({{"cursor", bson::make_document({{"id", "0"}, {"firstBatch", bson::ArrayView{bson::View()}}})}}),
                             bson::make_document({{"cursor", bson::make_document({{"id", std::int64_t{0}}, {"firstBatch", bson::ArrayView{bson::make_document({{"0", 7}})}}})}})}) {
    silent_.next = [&]() -> Result<bson::Document> { return answer; };
    const auto found = store_.find("orgs", bson::Document());
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().message, "reading the store's orgs: the answer holds no cursor with documents");
  }
}

TEST_F(Waiting, WhatACursorHadIsReadAnewWhenItsServerIsGone) {
  const auto batch = [](const char* name, std::int64_t cursor, const char* id) {
    bson::Builder reply;
    {
      auto open = reply.open_document("cursor");
      open.append("id", cursor).append("ns", "drover.orgs");
      open.open_array(name).append(bson::make_document({{"_id", id}}));
    }
    return std::move(reply).finish();
  };
  int asked = 0;
  silent_.next = [&]() -> Result<bson::Document> {
    switch (++asked) {
      case 1:
      case 3: return batch("firstBatch", 9, "a");
      case 2: return fail(ErrorCode::kTemporary, "source: cursor not found", 43);
      default: return batch("nextBatch", 0, "b");
    }
  };
  const auto found = store_.find("orgs", bson::Document());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->size(), 2u);
  EXPECT_EQ(asked, 4);
}

}  // namespace
}  // namespace drover::control
