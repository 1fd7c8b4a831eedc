// What the server does by itself waits while fsync has locked writes, and waits nowhere that its end or its clients would wait for.
#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <vector>

#include "sandbox/commands/expired_images.h"
#include "sandbox/commands/member.h"
#include "sandbox/commands/ttl.h"
#include "sandbox/server/client_for_tests.h"
#include "sandbox/server/server_state.h"
#include "sandbox/storage/engine.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {
namespace {

class FsyncLockTest : public SandboxClientTest {
 protected:
  Services& services() { return sandbox_->state().services; }
  void lock() { ASSERT_EQ(code("admin", R"({"fsync": 1, "lock": true})"), 0); }
  void unlock() { ASSERT_EQ(code("admin", R"({"fsyncUnlock": 1})"), 0); }
};

TEST_F(FsyncLockTest, NothingExpires) {
  start(kTest60);
  run("t", R"({"createIndexes": "c", "indexes": [{"key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 1}]})");
  run("t", R"({"insert": "c", "documents": [{"_id": 1, "at": {"$date": "2020-01-01T00:00:00Z"}}]})");
  run("t", R"({"create": "kept", "changeStreamPreAndPostImages": {"enabled": true}})");
  run("t", R"({"insert": "kept", "documents": [{"_id": 1}]})");
  run("t", R"({"delete": "kept", "deletes": [{"q": {}, "limit": 0}]})");
  run("admin", R"({"setClusterParameter": {"changeStreamOptions": {"preAndPostImages": {"expireAfterSeconds": 1}}}})");
  runtime_->sleep(std::chrono::milliseconds(1100), {});
  ASSERT_EQ(find("config", "system.preimages").size(), 1u);
  lock();
  ASSERT_TRUE(delete_expired(services(), {}));
  ASSERT_TRUE(delete_expired_images(services(), {}));
  EXPECT_EQ(find("t", "c").size(), 1u);
  EXPECT_EQ(find("config", "system.preimages").size(), 1u);
  unlock();
  ASSERT_TRUE(delete_expired(services(), {}));
  ASSERT_TRUE(delete_expired_images(services(), {}));
  EXPECT_EQ(find("t", "c").size(), 0u);
  EXPECT_EQ(find("config", "system.preimages").size(), 0u);
}

TEST_F(FsyncLockTest, NobodyIsElected) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    ASSERT_EQ(code("admin", R"({"replSetStepDown": 60, "force": true})"), 0);
    lock();
    const auto before = services().engine.last_committed();
    EXPECT_EQ(code("admin", R"({"replSetFreeze": 0})"), 0);
    EXPECT_EQ(code("admin", R"({"replSetStepUp": 1})"), 125);
    EXPECT_FALSE(run("admin", R"({"isMaster": 1})")["ismaster"].is_truthy());
    EXPECT_EQ(services().engine.last_committed(), before);
    EXPECT_EQ(find("local", "system.replset", R"({"term": 2})").size(), 0u) << "whoever reads as a secondary may";
    unlock();
    EXPECT_EQ(code("admin", R"({"replSetStepUp": 1})"), 0);
    EXPECT_TRUE(run("admin", R"({"isMaster": 1})")["ismaster"].is_truthy());
    EXPECT_EQ(find("local", "system.replset", R"({"term": 2})").size(), 1u);
  }
}

// What an election writes aside of the oplog comes later where somebody has locked between.
TEST_F(FsyncLockTest, TheConfigurationIsRecordedOnceNothingIsLocked) {
  start(kTest80);
  ASSERT_EQ(code("admin", R"({"replSetStepDown": 60, "force": true})"), 0);
  ASSERT_TRUE(services().engine.be_elected());
  lock();
  ASSERT_TRUE(services().member.stand(services()));
  EXPECT_EQ(find("local", "system.replset", R"({"term": 2})").size(), 0u);
  unlock();
  ASSERT_TRUE(services().member.stand(services()));
  EXPECT_EQ(find("local", "system.replset", R"({"term": 2})").size(), 1u);
}

// All of them wait for who commits; whoever is first then keeps no other waiting, and each has its own to give back.
TEST_F(FsyncLockTest, ManyLockAtOnce) {
  start(kTest80);
  constexpr int kClients = 4;
  auto unit = services().engine.begin_write();
  std::vector<std::jthread> clients;
  std::array<std::int64_t, kClients> counts{};
  for (auto& count : counts) {
    clients.emplace_back([&] {
      ClientConnection other(sandbox_->state(), true);
      const auto body = bson::from_ejson(R"({"fsync": 1, "lock": true, "maxTimeMS": 20000, "$db": "admin"})");
      count = sandbox_->dispatcher().run(other, {.body = body->view(), .sequences = {}}).reply["lockCount"].to_int64().value_or(-1);
    });
  }
  runtime_->sleep(std::chrono::milliseconds(100), {});
  unit.reset();
  clients.clear();
  std::ranges::sort(counts);
  EXPECT_EQ(counts, (std::array<std::int64_t, kClients>{1, 2, 3, 4}));
  for (int left = kClients - 1; left >= 0; --left) {
    EXPECT_EQ(code("t", R"({"insert": "c", "documents": [{}], "maxTimeMS": 20})"), 50);
    EXPECT_EQ(run("admin", R"({"fsyncUnlock": 1})")["lockCount"].to_int64(), left);
  }
  EXPECT_EQ(code("admin", R"({"fsyncUnlock": 1})"), 20);
  EXPECT_EQ(code("t", R"({"insert": "c", "documents": [{}]})"), 0);
}

TEST_F(FsyncLockTest, TheEndDoesNotWait) {
  start(kTest80);
  lock();
  const auto began = std::chrono::steady_clock::now();
  client_.reset();
  sandbox_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
}

}  // namespace
}  // namespace drover::sandbox
