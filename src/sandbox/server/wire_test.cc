// Whole frames through a session: what is a command and what is not.
#include <cstring>
#include <filesystem>

#include "sandbox/server/client_for_tests.h"
#include "sandbox/server/message.h"

namespace drover::sandbox {
namespace {

using Bytes = std::vector<std::uint8_t>;

template <typename T>
void put(Bytes& out, T value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

Bytes op_query(std::string_view ns, const bson::Document& document) {
  Bytes out;
  for (const std::int32_t field : {0, 7, 0, 2004, 0}) put(out, field);  // header, flags
  out.insert(out.end(), ns.begin(), ns.end());
  out.push_back(0);
  for (const std::int32_t field : {0, -1}) put(out, field);
  out.insert(out.end(), document.bytes().begin(), document.bytes().end());
  const auto size = static_cast<std::int32_t>(out.size());
  std::memcpy(out.data(), &size, sizeof size);
  return out;
}

class WireTest : public SandboxClientTest {
 protected:
  std::unique_ptr<net::WireSession> session() {
    return sandbox_->dispatcher().accept({.id = 9, .peer = "127.0.0.1:40000", .local = "127.0.0.1:27017", .loopback = true});
  }
  // The document of the OP_REPLY, and its flags.
  bson::Document ask(const Bytes& frame) {
    const auto reply = session()->handle(frame);
    EXPECT_TRUE(reply.frame && reply.frame->size() > 36);
    if (!reply.frame || reply.frame->size() <= 36) return bson::Document();
    std::memcpy(&flags_, reply.frame->data() + 16, sizeof flags_);
    return bson::Document(bson::View(reply.frame->data() + 36));
  }
  std::int32_t flags_ = 0;
};

TEST_F(WireTest, OpQueryOnACollectionIsNoCommand) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "victim", "documents": [{"_id": 1}]})");
    for (const auto* ns : {"t.k", "t.victim", "t.a.$cmd", "t.$cmd.sys.inprog"}) {
      const auto frame = op_query(ns, bson::make_document({{"drop", "victim"}}));
      if (version == kTest44) {
        const auto session = this->session();
        EXPECT_TRUE(session->handle(frame).frame) << ns;
      } else {
        EXPECT_EQ(ask(frame)["code"].to_int64(), 5739101) << ns;
        EXPECT_EQ(flags_, 2);
      }
    }
    EXPECT_EQ(find("t", "victim").size(), 1U);
  }
}

TEST_F(WireTest, OpQueryOnTheCommandNamespaceIsOne) {
  start(kTest44);
  EXPECT_TRUE(ask(op_query("admin.$cmd", bson::make_document({{"ping", 1}})))["ok"].is_truthy());
  EXPECT_EQ(ask(op_query("admin.$cmd", bson::make_document({{"ping", 1}, {"$db", "other"}})))["code"].to_int64(), 40621);
  start(kTest80);
  EXPECT_TRUE(ask(op_query("admin.$cmd", bson::make_document({{"isMaster", 1}})))["ok"].is_truthy());
  EXPECT_EQ(ask(op_query("admin.$cmd", bson::make_document({{"ping", 1}})))["code"].to_int64(), 352);
}

// Nothing is made on the disk before it is known that it can be served.
TEST_F(WireTest, ABusyPortLeavesNothingBehind) {
  const auto listening = Sandbox::start({.port = 0}, *runtime_, *log_);
  ASSERT_TRUE(listening) << listening.error().message;
  const auto path = std::filesystem::temp_directory_path() / ("drover-busy-" + std::to_string(runtime_->random()));
  EXPECT_FALSE(Sandbox::start({.dbpath = path / "data", .port = (*listening)->port()}, *runtime_, *log_));
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    const auto started = Sandbox::start({.dbpath = path / "data", .port = 0}, *runtime_, *log_);
    EXPECT_TRUE(started);
  }
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace drover::sandbox
