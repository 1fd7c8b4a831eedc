// What the server does by itself waits while fsync has locked writes, and waits nowhere that its end or its clients would wait for.
#include <chrono>
#include <thread>

#include "sandbox/commands/expired_images.h"
#include "sandbox/commands/member.h"
#include "sandbox/commands/ttl.h"
#include "sandbox/server/client_for_tests.h"
#include "sandbox/server/server_state.h"
#include "sandbox/storage/engine.h"

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
