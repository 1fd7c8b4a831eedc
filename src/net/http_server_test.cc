#include "net/http_server.h"

#include <atomic>
#include <latch>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "net/http_client.h"

namespace drover::net {
namespace {

constexpr std::size_t kFew = 30;

// A connection of somebody who means no good.
class Peer {
 public:
  explicit Peer(int port, std::string_view sends = "") : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    send(sends);
  }
  Peer(Peer&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  ~Peer() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  void send(std::string_view text) {
    if (!text.empty()) static_cast<void>(::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL));
  }
  bool is_closed(int millis = 0) const {
    pollfd entry{descriptor_, POLLIN | POLLRDHUP, 0};
    return ::poll(&entry, 1, millis) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  }
  // Until the other side has ended, within ten seconds.
  std::string receive() const {
    std::string text(64 << 10, '\0');
    std::size_t size = 0;
    for (pollfd entry{descriptor_, POLLIN, 0}; size < text.size() && ::poll(&entry, 1, 10'000) > 0;) {
      const auto got = ::recv(descriptor_, text.data() + size, text.size() - size, 0);
      if (got <= 0) break;
      size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return text;
  }

 private:
  int descriptor_;
};

class CrowdTest : public ::testing::Test {
 protected:
  std::unique_ptr<Log> log_ = make_null_log();
  std::atomic<int> served_{0};
  std::unique_ptr<HttpServer> server_;

  void serve(HttpServer::Handler handler) {
    auto server = HttpServer::start({.max_connections = kFew}, std::move(handler), *log_);
    ASSERT_TRUE(server);
    server_ = std::move(*server);
  }
  void serve() {
    serve([this](const HttpRequest&) {
      ++served_;
      return HttpResponse{200, {}, "text/plain", "here"};
    });
  }
  std::vector<Peer> crowd(std::size_t size, std::string_view sends) {
    std::vector<Peer> peers;
    for (std::size_t i = 0; i < size; ++i) peers.emplace_back(server_->port(), sends);
    return peers;
  }
  Result<HttpAnswer> call() const {
    const auto client = HttpClient::open({.base_url = "http://127.0.0.1:" + std::to_string(server_->port())});
    return client->call({.target = "/", .timeout = std::chrono::seconds(5)});
  }
  void expect_answers(const char* while_what) {
    for (int i = 0; i < 20; ++i) {
      const auto answer = call();
      ASSERT_TRUE(answer) << while_what << ": " << answer.error().message;
      EXPECT_EQ(answer->status, 200);
    }
  }
};

TEST_F(CrowdTest, WhoAsksForNothingMakesRoom) {
  serve();
  const auto idle = crowd(2 * kFew, "");
  expect_answers("idle connections");
  EXPECT_TRUE(idle.front().is_closed());
  EXPECT_FALSE(idle.back().is_closed()) << "no more than was needed";
}

TEST_F(CrowdTest, WhatWaitsForNobodyIsAnsweredWhileAllOthersWait) {
  std::latch released(1);
  auto server = HttpServer::start({.handlers = 2, .never_waits = [](const HttpRequest& request) { return request.path == "/"; }},
                                  [&](const HttpRequest& request) {
                                    if (request.path != "/") released.wait();
                                    return HttpResponse{200, {}, "text/plain", "here"};
                                  },
                                  *log_);
  ASSERT_TRUE(server);
  server_ = std::move(*server);
  auto waiting = crowd(kFew / 2, "GET /slow HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  expect_answers("all handlers wait");
  released.count_down();
  for (const auto& peer : waiting) EXPECT_NE(peer.receive().find("200 OK"), std::string::npos);
}

TEST_F(CrowdTest, DripsDoNotMakeAConnectionYounger) {
  serve();
  auto drips = crowd(2 * kFew, "GET / HTTP/1.1\r\nX-A: ");
  for (int i = 0; i < 10; ++i) {
    for (auto& peer : drips) peer.send("a");
    expect_answers("heads that drip in");
  }
  const auto before = served_.load();
  const auto bodies = crowd(2 * kFew, "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{");
  expect_answers("bodies that drip in");
  EXPECT_EQ(served_, before + 20) << "a request that is not whole was carried out";
}

TEST_F(CrowdTest, WhatIsNoRequestIsRefusedByAnErrorObject) {
  serve();
  struct Row {
    std::string sends;
    int status;
    const char* code;
  };
  for (const auto& row : {Row{"POST / HTTP/1.1\r\nContent-Length: 2000000000\r\n\r\n", 413, "PAYLOAD_TOO_LARGE"},
                          Row{"GET / HTTP/1.1\r\nX: " + std::string(kMaxHttpHeadBytes, 'a'), 431, "REQUEST_HEAD_TOO_LARGE"},
                          Row{"SSH-2.0-client\r\n\r\n", 400, "INVALID_REQUEST"}}) {
    const auto answer = Peer(server_->port(), row.sends).receive();
    EXPECT_NE(answer.find("HTTP/1.1 " + std::to_string(row.status)), std::string::npos) << answer;
    EXPECT_NE(answer.find("application/json"), std::string::npos) << answer;
    const auto body = Json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
    ASSERT_TRUE(body) << answer;
    EXPECT_EQ(*body->find("error")->as_int(), row.status);
    EXPECT_EQ(*body->find("errorCode")->as_string(), row.code);
  }
  EXPECT_EQ(served_, 0);
}

TEST_F(CrowdTest, WhoDoesNotReadMakesRoom) {
  serve([](const HttpRequest& request) {
    return HttpResponse{200, {}, "text/plain", std::string(request.path == "/large" ? 16'000'000 : 1, 'a')};
  });
  const auto deaf = crowd(kFew, "GET /large HTTP/1.1\r\n\r\n");
  expect_answers("answers that nobody reads");
}

TEST_F(CrowdTest, WhatIsBeingCarriedOutStays) {
  std::latch all_there(8), go_on(1);
  serve([&](const HttpRequest& request) {
    if (request.path == "/slow") {
      if (!all_there.try_wait()) all_there.count_down();
      go_on.wait();
    }
    ++served_;
    return HttpResponse{200, {}, "text/plain", "done"};
  });
  std::vector<std::thread> callers;
  std::atomic<int> answered{0};
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      const auto client = HttpClient::open({.base_url = "http://127.0.0.1:" + std::to_string(server_->port())});
      if (const auto answer = client->call({.target = "/slow"}); answer && answer->body == "done") ++answered;
    });
  }
  all_there.wait();
  const auto idle = crowd(3 * kFew, "");
  go_on.count_down();
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(answered, 8);
  expect_answers("after all of it");
}

// RFC 9112 3.2; before HTTP/1.1 there was none.
TEST_F(CrowdTest, ARequestNamesItsHostOnce) {
  serve();
  const auto status = [&](std::string_view head) { return Peer(server_->port(), head).receive().substr(0, 12); };
  EXPECT_EQ(status("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(served_, 0);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200");
  EXPECT_EQ(status("GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200");
  EXPECT_EQ(served_, 2);
}

}  // namespace
}  // namespace drover::net
