// What a frame is counted as while it is read and handled.
#include "net/wire_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include <gtest/gtest.h>

#include "base/log.h"

namespace drover::net {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Answers with how much of the requests' memory is in use.
class Counting final : public WireSession {
 public:
  explicit Counting(const MemoryBudget& budget) : budget_(budget) {}
  WireReply handle(std::span<const std::uint8_t>) override {
    const auto used = budget_.used();
    Bytes reply(sizeof used);
    std::memcpy(reply.data(), &used, sizeof used);
    return {.frame = std::move(reply)};
  }

 private:
  const MemoryBudget& budget_;
};

void put(Bytes& out, std::uint32_t value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}
Bytes frame(std::uint32_t operation, std::size_t size, std::uint32_t unpacked) {
  Bytes out;
  for (const std::uint32_t field : {static_cast<std::uint32_t>(size), 1u, 0u, operation, 2013u, unpacked}) put(out, field);
  out.resize(size);
  return out;
}

class WireServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = WireServer::start({.request_memory = &budget_}, [this](ConnectionInfo) { return std::make_unique<Counting>(budget_); }, *log_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    client_ = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(client_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void TearDown() override { ::close(client_); }
  std::size_t counted(const Bytes& sent) {
    EXPECT_EQ(::send(client_, sent.data(), sent.size(), 0), static_cast<ssize_t>(sent.size()));
    std::size_t used = 0;
    EXPECT_EQ(::recv(client_, &used, sizeof used, MSG_WAITALL), static_cast<ssize_t>(sizeof used));
    return used;
  }

  std::unique_ptr<Log> log_ = make_null_log();
  MemoryBudget budget_{100'000'000};
  std::unique_ptr<WireServer> server_;
  int client_ = -1;
};

constexpr std::uint32_t kMessage = 2013, kCompressed = 2012;

TEST_F(WireServerTest, LargeFramesAreCounted) {
  EXPECT_EQ(counted(frame(kMessage, 16, 0)), 0u);
  EXPECT_EQ(counted(frame(kMessage, 1000, 0)), 0u);
  EXPECT_EQ(counted(frame(kMessage, 1'000'000, 7'000'000)), 1'000'000u);
  EXPECT_EQ(budget_.used(), 0u);
}

// A frame of a hundred bytes may become one of 48 MB: with what it becomes, and again while it is unpacked.
TEST_F(WireServerTest, CompressedFramesAreCountedWithWhatTheyBecome) {
  EXPECT_EQ(counted(frame(kCompressed, 100, 1000)), 0u);
  EXPECT_EQ(counted(frame(kCompressed, 100, 7'000'000)), 14'000'000u);
  EXPECT_EQ(counted(frame(kCompressed, 1'000'000, 7'000'000)), 15'000'000u);
  EXPECT_EQ(counted(frame(kCompressed, 100, 0xffff'ffff)), 2 * kMaxWireMessageBytes);
}

// Its length as a message's is legal: it would be waited for.
TEST_F(WireServerTest, AClientThatSpeaksTlsIsLeftAtOnce) {
  for (const std::uint8_t length : {0x00, 0x02}) {
    TearDown();
    SetUp();
    Bytes hello{0x16, 0x03, 0x01, length, 0x80, 0x01, 0x00, 0x00, 0x7c, 0x03, 0x03};
    hello.resize(64, 0x55);
    ASSERT_EQ(::send(client_, hello.data(), hello.size(), 0), static_cast<ssize_t>(hello.size()));
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(client_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::uint8_t byte = 0;
    errno = 0;
    EXPECT_LE(::recv(client_, &byte, 1, 0), 0);
    EXPECT_NE(errno, EAGAIN);
  }
  // The same first bytes, and an answer to nothing: a message.
  TearDown();
  SetUp();
  auto message = frame(kMessage, 0x0316, 0);
  message[5] = 0x01;
  EXPECT_EQ(counted(message), 0u);
}

}  // namespace
}  // namespace drover::net
