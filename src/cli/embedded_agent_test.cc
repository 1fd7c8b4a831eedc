// The agent inside the server, when another one takes its place: on a clock that runs faster.
#include "cli/embedded_agent.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/http_server.h"

namespace drover::cli {
namespace {

constexpr int kFaster = 600;  // a minute is a tenth of a second

class FastClock final : public Runtime {
 public:
  SteadyTime now() override { return begun_ + (real_->now() - begun_) * kFaster; }
  std::chrono::system_clock::time_point wall_time() override { return real_->wall_time(); }
  std::uint64_t random() override { return real_->random(); }
  bool sleep(Duration duration, const std::stop_token& stop) override { return real_->sleep(duration / kFaster, stop); }
  std::unique_ptr<Thread> spawn(std::string name, std::function<void(std::stop_token)> body) override { return real_->spawn(std::move(name), std::move(body)); }
  std::unique_ptr<Monitor> make_monitor() override { return real_->make_monitor(); }
  void reached(std::string_view point) override { real_->reached(point); }

 private:
  std::unique_ptr<Runtime> real_ = make_real_runtime();
  const SteadyTime begun_ = real_->now();
};

TEST(EmbeddedAgent, ComesBackWhenItsPlaceIsFreeAndTakesItFromNobody) {
  const auto path = ::testing::TempDir() + "embedded agent " + std::to_string(::getpid());
  std::filesystem::create_directories(path);
  const auto log = make_null_log();
  std::atomic<int> hellos = 0, asked = 0, polls = 0;
  std::atomic<bool> polled_while_away = false;
  // Another one has the place after the first poll, and is gone when it was asked for the third time.
  const auto answer = [&](const net::HttpRequest& request) -> net::HttpResponse {
    const auto refused = [](const char* code) { return net::HttpResponse{409, {}, "application/json", fmt::format(R"({{"errorCode": "{}"}})", code)}; };
    if (request.path == "/agent/v1/hello") return ++hellos, net::HttpResponse{200, {}, "application/json", R"({"epoch": 1, "pollSeconds": 5, "monitoringSeconds": 60})"};
    if (request.path == "/agent/v1/hello/free") {
      if (++asked < 3) return refused("INVALID_STATE");
      return {200, {}, "application/json", R"({"epoch": 3, "pollSeconds": 5, "monitoringSeconds": 60})"};
    }
    if (request.path != "/agent/v1/poll") return {200, {}, "application/json", "{}"};
    if (++polls == 1) return refused("SESSION_REPLACED");
    if (asked < 3) polled_while_away = true;
    return {200, {}, "application/json", R"({"jobs": [], "monitor": []})"};
  };
  auto site = net::HttpServer::start({}, answer, *log);
  ASSERT_TRUE(site);
  {
    std::ofstream(path + "/agent.config") << fmt::format("mmsGroupId={}\nmmsApiKey={}\nmmsBaseUrl=http://127.0.0.1:{}\n", std::string(24, '1'), std::string(64, 'a'), (*site)->port());
    ::chmod((path + "/agent.config").c_str(), 0600);
  }
  FastClock clock;
  EmbeddedAgent agent({.config = path + "/agent.config", .data = path + "/agent", .hostname = "mig01"}, clock, *log);
  {
    std::jthread running([&](const std::stop_token& stop) { agent.run(stop); });
    for (int i = 0; i < 1000 && polls < 3; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(hellos, 1) << "it took the place of the one that lives";
  EXPECT_EQ(asked, 3);
  EXPECT_GE(polls, 3);
  EXPECT_FALSE(polled_while_away);
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace drover::cli
