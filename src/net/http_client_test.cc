#include "net/http_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include <gtest/gtest.h>

#include "net/http_server.h"
#include "net/listener.h"
#include "net/loopback.h"

namespace drover::net {
namespace {

TEST(Urls, AreParsed) {
  const auto plain = parse_url("http://h:8080/base/");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->origin(), "http://h:8080");
  EXPECT_EQ(plain->path, "/base");
  EXPECT_EQ(parse_url("https://manager.example.net")->origin(), "https://manager.example.net:443");
  EXPECT_EQ(parse_url("http://[::1]:9")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:9")->origin(), "http://[::1]:9");
  for (const auto* wrong : {"", "h", "ftp://h", "http://", "http://u:secret@h", "http://h:0", "http://h:x", "http://h:70000",
                            "http://[::1", "http://[::1]x", "http://h/?q", "http://h /"}) {
    const auto url = parse_url(wrong);
    EXPECT_FALSE(url) << wrong;
    if (!url) {
      EXPECT_EQ(url.error().message.find("secret"), std::string::npos);
    }
  }
}

class ClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<Log> log_ = make_null_log();

  std::unique_ptr<HttpServer> serve(HttpServer::Handler handler) {
    auto server = HttpServer::start({}, std::move(handler), *log_);
    EXPECT_TRUE(server);
    return std::move(*server);
  }
  static HttpClient client(int port, const std::string& path = "") {
    return std::move(*HttpClient::open({.base_url = "http://127.0.0.1:" + std::to_string(port) + path}));
  }
};

TEST_F(ClientTest, ARequestArrivesWholeAndSoDoesItsAnswer) {
  HttpRequest seen;
  const auto server = serve([&](const HttpRequest& request) {
    seen = request;
    return HttpResponse{201, {{"X-Answer", "yes"}}, "text/plain", std::string(100'000, 'a')};
  });
  const auto answer = client(server->port(), "/base").call({.method = "POST", .target = "/x?y=1", .headers = {{"X-Key", "v"}}, .body = "{}"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body.size(), 100'000u);
  EXPECT_EQ(answer->header("x-answer"), "yes");
  EXPECT_EQ(seen.method + seen.path + seen.query + seen.body, "POST/base/xy=1{}");
  EXPECT_EQ(seen.header("X-Key"), "v");
}

TEST_F(ClientTest, AnAnswerThatIsTooLargeIsAnError) {
  const auto server = serve([](const HttpRequest&) { return HttpResponse{200, {}, "text/plain", std::string(100'000, 'a')}; });
  const auto answer = client(server->port()).call({.target = "/", .max_answer_bytes = 1000});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTemporary);
}

TEST_F(ClientTest, ASilentServerIsGivenUp) {
  auto silent = listen_on("127.0.0.1", 0);
  ASSERT_TRUE(silent);
  const auto answer = client(silent->front().port()).call({.target = "/secret?token=abc", .timeout = std::chrono::milliseconds(50)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTemporary);
  EXPECT_EQ(answer.error().message.find("abc"), std::string::npos);
}

TEST_F(ClientTest, AStopRequestEndsTheWait) {
  auto silent = listen_on("127.0.0.1", 0);
  ASSERT_TRUE(silent);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  const auto answer = client(silent->front().port()).call({.target = "/"}, stop.get_token());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInterrupted);
}

TEST_F(ClientTest, NobodyListens) {
  int port = 0;
  {
    auto gone = listen_on("127.0.0.1", 0);
    port = gone->front().port();
  }
  const auto answer = client(port).call({.target = "/"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTemporary);
}

TEST_F(ClientTest, LineBreaksInHeadersAreRefused) {
  const auto server = serve([](const HttpRequest&) { return HttpResponse{}; });
  const auto answer = client(server->port()).call({.target = "/", .headers = {{"X-Key", "a\r\nX-Other: b"}}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUsage);
}

TEST_F(ClientTest, WhatIsNotHttpIsAnError) {
  auto listener = listen_on("127.0.0.1", 0);
  ASSERT_TRUE(listener);
  std::jthread garbage([&] {
    PeerName peer;
    int link = -1;
    for (int i = 0; i < 500 && link < 0; ++i) {
      link = listener->front().accept(peer);
      if (link < 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (link < 0) return;
    char request[4096];
    [[maybe_unused]] const auto got = ::recv(link, request, sizeof request, 0);
    [[maybe_unused]] const auto sent = ::send(link, "SSH-2.0-x\r\n\r\n", 13, MSG_NOSIGNAL);
    ::close(link);
  });
  EXPECT_FALSE(client(listener->front().port()).call({.target = "/"}));
}

TEST(Proxy, IsNamedPlainlyAndForTlsOnly) {
  const auto refused = [](const char* url, const char* proxy) {
    const auto client = HttpClient::open({.base_url = url, .proxy = proxy});
    return client ? std::string("none") : client.error().code == ErrorCode::kUsage ? client.error().message : "another code";
  };
  EXPECT_EQ(refused("https://manager.example.net", "http://proxy.example.net:3128"), "none");
  EXPECT_EQ(refused("http://127.0.0.1:8080", "http://127.0.0.1:3128"), "a proxy is for a server with https:// only");
  for (const char* proxy : {"https://p:3128", "http://p:3128/path"}) EXPECT_EQ(refused("https://m", proxy), "the proxy must be http://HOST:PORT") << proxy;
  for (const char* proxy : {"p:3128", "http://user:secret@p:3128", "socks5://p:1080"}) {
    const auto why = refused("https://m", proxy);
    EXPECT_EQ(why.find("secret"), std::string::npos);
    EXPECT_NE(why, "none") << proxy;
  }
}

TEST(Loopback, IsMeantByNamesThatNobodyElseCanHave) {
  for (const char* host : {"localhost", "::1", "127.0.0.1", "127.1.2.3"}) EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const char* host : {"", "[::1]", "127.example.com", "localhost.example.com", "10.0.0.1", "0.0.0.0"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

}  // namespace
}  // namespace drover::net
