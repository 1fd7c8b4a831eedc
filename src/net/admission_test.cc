#include "net/admission.h"

#include <vector>

#include <gtest/gtest.h>

namespace drover::net {
namespace {

class AdmissionTest : public ::testing::Test {
 protected:
  Admission::Clock::time_point now_;
  Admission admission_{4, [this] { return now_; }};
  std::vector<Admission::Id> closed_;

  // All who are there have been waited for for long enough.
  Admission::Ruling enter(const std::string& address = "127.0.0.1") {
    now_ += Admission::kReadingPatience;
    return enter_at_once(address);
  }

  Admission::Ruling enter_at_once(const std::string& address = "127.0.0.1") {
    auto id = std::make_shared<Admission::Id>(0);
    const auto ruling = admission_.enter(address, [this, id] { closed_.push_back(*id); });
    *id = ruling.id;
    return ruling;
  }
};

using Ids = std::vector<Admission::Id>;

TEST_F(AdmissionTest, WhoHasWaitedLongestMakesRoom) {
  const auto first = enter(), second = enter(), third = enter(), fourth = enter();
  EXPECT_TRUE(closed_.empty());
  EXPECT_TRUE(admission_.await(first.id, Awaiting::kHead));  // a drip: it has begun when it did
  const auto fifth = enter();
  EXPECT_EQ(fifth.verdict, Admission::Verdict::kInForAnother);
  EXPECT_EQ(closed_, Ids{first.id});
  EXPECT_FALSE(admission_.await(first.id, Awaiting::kNothing)) << "what still comes from it must not be carried out";
  // One that was served waits since then.
  admission_.await(second.id, Awaiting::kNothing);
  admission_.await(second.id, Awaiting::kReading);
  admission_.await(second.id, Awaiting::kHead);
  enter();
  EXPECT_EQ(closed_, (Ids{first.id, third.id}));
  enter();
  EXPECT_EQ(closed_, (Ids{first.id, third.id, fourth.id}));
  EXPECT_EQ(admission_.size(), 4u);
}

TEST_F(AdmissionTest, HeadsBeforeBodiesBeforeReadersAndNobodyWhoIsServed) {
  const auto reader = enter(), body = enter(), head = enter(), served = enter();
  admission_.await(reader.id, Awaiting::kReading);
  admission_.await(body.id, Awaiting::kBody);
  admission_.await(served.id, Awaiting::kNothing);
  for (int i = 0; i < 3; ++i) admission_.await(enter().id, Awaiting::kNothing);
  EXPECT_EQ(closed_, (Ids{head.id, body.id, reader.id}));
  const auto none = enter();
  EXPECT_EQ(none.id, 0u);
  EXPECT_EQ(none.verdict, Admission::Verdict::kFull);
  EXPECT_FALSE(admission_.lower_limit());
  admission_.leave(served.id);
  admission_.leave(served.id);
  EXPECT_NE(enter().id, 0u);
  EXPECT_EQ(closed_.size(), 3u);
}

TEST_F(AdmissionTest, AnAddressHasHalfAndMakesRoomForItself) {
  const auto other = enter("10.0.0.1");
  const auto first = enter("10.0.0.2"), second = enter("10.0.0.2"), third = enter("10.0.0.2");
  EXPECT_EQ(closed_, Ids{first.id}) << "not the other's, though that is older";
  admission_.await(second.id, Awaiting::kNothing);
  admission_.await(third.id, Awaiting::kNothing);
  EXPECT_EQ(enter("10.0.0.2").verdict, Admission::Verdict::kShareUsed);
  EXPECT_NE(enter("10.0.0.3").id, 0u);
  EXPECT_TRUE(admission_.await(other.id, Awaiting::kHead));
}

// Behind one that is to come in later everybody waits: an address whose connections begin anew before they are old enough would keep all out.
TEST_F(AdmissionTest, AnAddressAtItsShareHoldsNobodyUp) {
  const auto first = enter("10.0.0.2"), second = enter("10.0.0.2");
  admission_.await(first.id, Awaiting::kBody);
  admission_.await(second.id, Awaiting::kReading);
  EXPECT_EQ(enter_at_once("10.0.0.2").verdict, Admission::Verdict::kTooSoon);
  now_ += Admission::kLeastPatience;
  EXPECT_EQ(enter_at_once("10.0.0.2").verdict, Admission::Verdict::kShareUsed);
  admission_.await(second.id, Awaiting::kHead);  // one that begins anew changes nothing
  EXPECT_EQ(enter_at_once("10.0.0.2").verdict, Admission::Verdict::kShareUsed);
  EXPECT_EQ(enter_at_once("10.0.0.3").verdict, Admission::Verdict::kIn);
  now_ += Admission::kBodyPatience;
  EXPECT_EQ(enter_at_once("10.0.0.2").verdict, Admission::Verdict::kInForAnother);
  EXPECT_EQ(closed_, Ids{second.id}) << "heads first";
}

TEST_F(AdmissionTest, WhoHasMostMakesRoomBeforeWhoIsSlow) {
  const auto slow = enter("10.0.0.1");
  const auto first = enter("127.0.0.1");
  enter("10.0.0.2");
  enter("::1");
  EXPECT_NE(enter("10.0.0.3").id, 0u);
  EXPECT_EQ(closed_, Ids{first.id}) << "this machine has two";
  EXPECT_NE(enter("10.0.0.4").id, 0u);
  EXPECT_EQ(closed_, (Ids{first.id, slow.id})) << "all have one: the oldest";
}

TEST_F(AdmissionTest, LoopbackHasNoShareOfItsOwn) {
  for (int i = 0; i < 4; ++i) EXPECT_NE(enter(i % 2 == 0 ? "127.0.0.1" : "::1").id, 0u);
  EXPECT_TRUE(closed_.empty());
}

TEST_F(AdmissionTest, WhoHasOnlyJustComeNeedNotMakeRoom) {
  for (int i = 0; i < 4; ++i) enter_at_once();
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kTooSoon);
  now_ += Admission::kLeastPatience - std::chrono::milliseconds(1);
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kTooSoon);
  EXPECT_TRUE(closed_.empty());
  now_ += std::chrono::milliseconds(1);
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kInForAnother);
  // A next request may take as long again.
  for (Admission::Id id = 2; id <= 5; ++id) EXPECT_TRUE(admission_.await(id, Awaiting::kNothing));
  EXPECT_TRUE(admission_.await(3, Awaiting::kHead));
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kTooSoon);
}

// Else a crowd that fills all places but one with halves of requests would leave that one to everybody else, each for a moment.
TEST_F(AdmissionTest, WhoHasOnlyJustComeIsKeptBeforeWhoDripsABody) {
  const auto body = enter(), second = enter(), third = enter();
  for (const auto& one : {body, second, third}) admission_.await(one.id, Awaiting::kBody);
  now_ += Admission::kBodyPatience;
  const auto fresh = enter_at_once();
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kInForAnother);
  EXPECT_EQ(closed_, Ids{body.id});
  EXPECT_TRUE(admission_.await(fresh.id, Awaiting::kNothing));
}

// In a burst all who have not sent their head yet are young: whoever sends a body, or reads, is not to pay for that.
TEST_F(AdmissionTest, ABodyAndAReadingHaveMoreTimeThanAHead) {
  const auto body = enter(), reader = enter(), busy = enter();
  admission_.await(body.id, Awaiting::kBody);
  admission_.await(reader.id, Awaiting::kReading);
  admission_.await(busy.id, Awaiting::kNothing);
  now_ += Admission::kLeastPatience;
  const auto young = enter_at_once();
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kTooSoon);
  now_ += Admission::kLeastPatience;
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kInForAnother);
  EXPECT_EQ(closed_, Ids{young.id}) << "a head that has been waited for goes first";
  const auto next = closed_.back() + 1;  // who came in for it
  EXPECT_TRUE(admission_.await(next, Awaiting::kNothing));
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kTooSoon);
  now_ += Admission::kBodyPatience;
  admission_.await(enter_at_once().id, Awaiting::kNothing);
  EXPECT_EQ(closed_.back(), body.id);
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kTooSoon);
  now_ += Admission::kReadingPatience;
  admission_.await(enter_at_once().id, Awaiting::kNothing);
  EXPECT_EQ(closed_, (Ids{young.id, body.id, reader.id}));
  EXPECT_EQ(enter_at_once().verdict, Admission::Verdict::kFull);
}

TEST(AdmissionLimit, IsLoweredByWhatHasTurnedOutToBeTooMany) {
  Admission::Clock::time_point now;
  Admission admission(100, [&] { return now; });
  int closed = 0;
  for (int i = 0; i < 40; ++i) admission.enter("127.0.0.1", [&] { ++closed; });
  EXPECT_TRUE(admission.lower_limit());
  EXPECT_EQ(admission.size(), 30u) << "at once: descriptors are needed now";
  now += Admission::kLeastPatience;
  EXPECT_EQ(admission.enter("127.0.0.1", [] {}).verdict, Admission::Verdict::kInForAnother);
  EXPECT_EQ(closed, 11);
  while (admission.lower_limit()) {
  }
  EXPECT_EQ(admission.size(), 16u);
}

TEST(Origin, IsAHostOrANetworkOfIPv6) {
  EXPECT_EQ(origin_of("10.1.2.3"), "10.1.2.3");
  EXPECT_EQ(origin_of("127.8.0.1"), "");
  EXPECT_EQ(origin_of("::1"), "");
  EXPECT_EQ(origin_of("2001:db8:1:2::7"), origin_of("2001:db8:1:2:ffff::"));
  EXPECT_NE(origin_of("2001:db8:1:2::7"), origin_of("2001:db8:1:3::7"));
  EXPECT_EQ(origin_of("fe80::1%eth0"), origin_of("fe80::2%eth0"));
}

}  // namespace
}  // namespace drover::net
