// Processes that run scripts, started from this test program.
#include "sandbox/script/hosts.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/script/host_for_tests.h"
#include "sandbox/script/protocol.h"

namespace drover::sandbox::script {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kGoOn = [] { return Status(); };

class HostsTest : public testing::Test {
 protected:
  static bson::Document request(Request what, std::string_view source = "", std::string_view arguments = "[]") {
    const auto list = *bson::from_ejson("{\"a\": " + std::string(arguments) + "}");
    return bson::make_document({{"do", static_cast<std::int32_t>(what)}, {"globals", 0}, {"source", source}, {"arguments", list.view().first()}});
  }
  static std::string call(HostProcess& host, std::string_view source, std::string_view arguments = "[]", const HostProcess::Check& check = kGoOn) {
    auto result = host.ask(request(Request::kCall, source, arguments), check);
    if (!result) return std::to_string(result.error().server_code) + " " + result.error().message;
    auto text = bson::to_relaxed_ejson(*result);
    std::erase(text, ' ');
    return text;
  }
  Hosts::Lease take(const std::string& owner = "owner") {
    auto lease = hosts.take(owner, kGoOn);
    EXPECT_TRUE(lease) << lease.error().message;
    EXPECT_TRUE((**lease).ask(request(Request::kBegin), kGoOn));
    return std::move(*lease);
  }

  std::unique_ptr<Runtime> runtime = make_real_runtime();
  Hosts hosts{{.most = 2}, *runtime};
};

TEST_F(HostsTest, CallsAFunction) {
  auto lease = take();
  EXPECT_EQ(call(*lease, "function(a, b) { return a + b }", "[1, 2]"), R"({"value":3.0})");
  EXPECT_EQ(call(*lease, "nothing").substr(0, 4), "139 ");
  EXPECT_EQ(call(*lease, "1"), R"({"value":1.0})");
}

TEST_F(HostsTest, TheNextOperationHasTheSameProcessAndNothingOfTheLast) {
  {
    auto lease = take();
    EXPECT_EQ(call(*lease, "function() { leak = 1; return leak }"), R"({"value":1.0})");
  }
  EXPECT_EQ(hosts.running(), 1u);
  auto lease = take();
  EXPECT_EQ(hosts.running(), 1u);
  EXPECT_EQ(call(*lease, "typeof leak"), R"({"value":"undefined"})");
}

TEST_F(HostsTest, AProcessIsForOneOwner) {
  const auto pid_of = [&](const std::string& owner) {
    auto lease = take(owner);
    return (*lease).pid();
  };
  const auto first = pid_of("a");
  EXPECT_EQ(pid_of("a"), first);
  const auto second = pid_of("b");
  EXPECT_NE(second, first);
  EXPECT_EQ(pid_of("a"), first);
  EXPECT_EQ(hosts.running(), 2u);
  // With no room for a third the one that has been idle longest makes place.
  const auto third = pid_of("c");
  EXPECT_NE(third, first);
  EXPECT_NE(third, second);
  EXPECT_EQ(hosts.running(), 2u);
  EXPECT_EQ(pid_of("a"), first);
  EXPECT_NE(pid_of("b"), second);
}

TEST_F(HostsTest, ManyShortCallsAreInterrupted) {
  auto lease = take();
  const auto began = Clock::now();
  const auto interrupted = [&] { return Clock::now() - began > std::chrono::milliseconds(100) ? Status(fail(ErrorCode::kFailure, "time", 50)) : Status(); };
  std::string last;
  while (Clock::now() - began < std::chrono::seconds(20)) {
    last = call(*lease, "1", "[]", interrupted);
    if (last != R"({"value":1.0})") break;
  }
  EXPECT_EQ(last, "50 time");
}

TEST_F(HostsTest, AnEndlessLoopEndsWithItsOperation) {
  {
    auto lease = take();
    const auto began = Clock::now();
    const auto interrupted = [&] { return Clock::now() - began > std::chrono::milliseconds(100) ? Status(fail(ErrorCode::kFailure, "time", 50)) : Status(); };
    EXPECT_EQ(call(*lease, "function() { while (true) {} }", "[]", interrupted), "50 time");
    EXPECT_FALSE((*lease).usable());
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(30));
  }
  EXPECT_EQ(hosts.running(), 0u);
  auto lease = take();
  EXPECT_EQ(call(*lease, "1"), R"({"value":1.0})");
}

TEST_F(HostsTest, SoDoesASleepAndABacktrackingExpression) {
  for (const std::string_view source : {"sleep(100000)", "/^(a+)+$/.test('a'.repeat(40) + 'b')", "function() { for (;;) JSON.stringify([1, 2, 3].map(String)) }"}) {
    auto lease = take();
    const auto began = Clock::now();
    const auto interrupted = [&] { return Clock::now() - began > std::chrono::milliseconds(50) ? Status(fail(ErrorCode::kFailure, "time", 50)) : Status(); };
    EXPECT_EQ(call(*lease, source, "[]", interrupted), "50 time") << source;
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(30));
  }
}

TEST_F(HostsTest, MemoryEndsWhereItsShareDoes) {
  for (const std::string_view source : {"function() { var a = []; while (1) a.push({x: a.length}) }", "function() { var s = 'x'; while (1) s += s + s[0] }",
                                        "function() { var a = []; while (1) a.push(new Uint8Array(1 << 20).fill(1)) }", "new Array(3e8).fill(1.5).length",
                                        "function() { var s = 'x'.repeat(1 << 29); return s.charCodeAt(5) + s.toUpperCase() + s.split('') }"}) {
    {
      auto lease = take();
      // Close to its share the engine may collect garbage for long: then it is the time that ends it, as it would an operation.
      const auto began = Clock::now();
      const auto interrupted = [&] { return Clock::now() - began > std::chrono::seconds(30) ? Status(fail(ErrorCode::kFailure, "time", 50)) : Status(); };
      const auto text = call(*lease, source, "[]", interrupted);
      EXPECT_TRUE(text.starts_with("139 ") || text == "50 time") << source << ": " << text;
    }
    auto lease = take();
    EXPECT_EQ(call(*lease, "1"), R"({"value":1.0})");
  }
}

TEST_F(HostsTest, LargeDocumentsGoThrough) {
  auto lease = take();
  const std::string large(15 << 20, 'x');
  EXPECT_EQ(call(*lease, "function(s) { return s.length }", "[\"" + large + "\"]"), R"({"value":15728640.0})");
  EXPECT_EQ(call(*lease, "function(s) { return {s: s} }", "[\"" + large + "\"]").size(), large.size() + std::string(R"({"value":{"s":""}})").size());
}

TEST_F(HostsTest, MoreThanThereMayBeWait) {
  auto first = take();
  auto second = take();
  EXPECT_EQ(hosts.running(), 2u);
  const auto began = Clock::now();
  const auto third = hosts.take("owner", [&] { return Clock::now() - began > std::chrono::milliseconds(50) ? Status(fail(ErrorCode::kFailure, "time", 50)) : Status(); });
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().server_code, 50);
  std::thread waiting([&] { auto late = hosts.take("owner", kGoOn); EXPECT_TRUE(late); });
  { const auto gone = std::move(first); }
  waiting.join();
  EXPECT_EQ(hosts.running(), 2u);
}

TEST_F(HostsTest, TheProcessesBoundHasRoomForThem) {
  ResidentLimit limit(resident_bytes() * 2 + 2 * kHostBytes);
  const auto free_before = limit.try_set_aside(kHostBytes);
  ASSERT_TRUE(free_before);
  limit.give_back(kHostBytes);
  Hosts bounded({.most = 8, .process = &limit}, *runtime);
  std::vector<Hosts::Lease> leases;
  const auto hurried = [n = 0]() mutable { return ++n > 3 ? Status(fail(ErrorCode::kFailure, "time", 50)) : Status(); };
  while (leases.size() < 8) {
    auto lease = bounded.take("owner", hurried);
    if (!lease) break;
    leases.push_back(std::move(*lease));
  }
  EXPECT_GE(leases.size(), 1u);
  EXPECT_LT(leases.size(), 8u);
}

TEST_F(HostsTest, LocalTimesAreTheServers) {
  ::setenv("TZ", "Asia/Tokyo", 1);
  auto lease = take();
  EXPECT_EQ(call(*lease, "new Date(0).getHours()"), R"({"value":9.0})");
  ::unsetenv("TZ");
}

// What the calls come to is in confine_test.cc.
TEST_F(HostsTest, TheProcessIsConfined) {
  auto lease = take();
  EXPECT_EQ(call(*lease, "1"), R"({"value":1.0})");
  std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  int pid = 0;
  ASSERT_TRUE(children >> pid);
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word, mode, capabilities;
  while (status >> word) {
    if (word == "Seccomp:") status >> mode;
    if (word == "CapEff:") status >> capabilities;
  }
  EXPECT_EQ(mode, "2");
  EXPECT_EQ(capabilities, "0000000000000000");
}

}  // namespace
}  // namespace drover::sandbox::script
