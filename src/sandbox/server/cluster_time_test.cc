// $clusterTime: the clock that clients move, and who may.
#include <filesystem>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

#include "sandbox/auth/internal_command.h"
#include "sandbox/commands/support.h"
#include "sandbox/server/client_for_tests.h"
#include "sandbox/server/server_state.h"

namespace drover::sandbox {
namespace {

class ClusterTimeTest : public SandboxClientTest {
 protected:
  std::uint32_t now() { return static_cast<std::uint32_t>(wall_millis(*runtime_) / 1000); }
  static bson::Document told(bson::Timestamp time, std::int64_t key = 0, std::string hash = std::string(20, '\0'), std::uint8_t subtype = 0) {
    bson::Builder out;
    out.append("clusterTime", time);
    out.open_document("signature")
        .append("hash", bson::Binary{subtype, {reinterpret_cast<const std::uint8_t*>(hash.data()), hash.size()}})
        .append("keyId", key);
    return std::move(out).finish();
  }
  static bson::Document with(const std::string& command, std::string_view field, bson::View value) {
    bson::Builder out;
    out.append_all(bson::from_ejson(command)->view()).append(field, value);
    return std::move(out).finish();
  }
  bson::Document ping(bson::View cluster_time) { return run("admin", with(R"({"ping": 1})", "$clusterTime", cluster_time).view()); }
  static bson::Timestamp clock(const bson::Document& reply) { return reply.view().at_path("$clusterTime.clusterTime").to_timestamp().value_or(bson::Timestamp()); }
  static bson::Timestamp operated(const bson::Document& reply) { return reply["operationTime"].to_timestamp().value_or(bson::Timestamp()); }
  static std::string outcome(const bson::Document& reply) {
    if (reply["ok"].is_truthy()) return "ok";
    return fmt::format("{} {}", reply["code"].to_int64().value_or(0), reply["errmsg"].to_string_view().value_or(""));
  }
  std::vector<bson::Document> stored_keys() { return auth::find_internal(sandbox_->state().services, "admin", "system.keys", bson::View()).value(); }
  bool log_in(const std::string& user) {
    const auto found = sandbox_->state().users.user({user, "admin"});
    return found && *found && client_->auth.log_in(*found);
  }
};

TEST_F(ClusterTimeTest, WhatClientsTellMovesTheClock) {
  for (const auto version : {kTest44, kTest50, kTest80}) {
    start(version);
    const auto before = run("admin", R"({"ping": 1})");
    EXPECT_EQ(clock(before), operated(before));
    const bson::Timestamp heard{now() + 1000, 7};
    const auto reply = ping(told(heard));
    EXPECT_EQ(outcome(reply), "ok");
    EXPECT_EQ(clock(reply), heard);
    EXPECT_EQ(operated(reply), operated(before)) << "nothing was committed";
    // Whoever sends none is told too, and what is older moves nothing.
    EXPECT_EQ(clock(run("admin", R"({"hello": 1})")), heard);
    EXPECT_EQ(clock(ping(told({heard.seconds - 500, 1}))), heard);
    const auto written = run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
    EXPECT_GT(operated(written), heard);
    EXPECT_EQ(operated(written).seconds, heard.seconds);
    EXPECT_EQ(clock(written), operated(written));
    EXPECT_EQ(last_entry()["ts"].to_timestamp(), operated(written));
  }
}

TEST_F(ClusterTimeTest, IncrementsEndBeforeTheirBitsDo) {
  start(kTest80);
  run("t", R"({"create": "c"})");
  const bson::Timestamp heard{now() + 1000, INT32_MAX};
  EXPECT_EQ(outcome(ping(told(heard))), "ok");
  EXPECT_EQ(operated(run("t", R"({"insert": "c", "documents": [{"_id": 1}]})")), (bson::Timestamp{heard.seconds + 1, 1}));
}

TEST_F(ClusterTimeTest, WhatIsNoTimeIsRefused) {
  for (const auto version : {kTest44, kTest70, kTest80}) {
    start(version);
    const bool idl = version >= kTest80;
    const std::string subject = version < kTest50 ? "cluster time" : "$clusterTime";
    const auto far = ping(told({now() + 366 * 24 * 3600, 1}));
    EXPECT_EQ(far["code"].to_int64(), 205);
    EXPECT_NE(far["errmsg"].string_value().find("New " + subject + ", "), std::string_view::npos) << text(far);
    EXPECT_EQ(far["codeName"].to_string_view(), "ClusterTimeFailsRateLimiter");
    EXPECT_EQ(outcome(ping(told({now(), 0x80000000u}))), "40484 " + subject + " cannot be advanced beyond its maximum value");
    EXPECT_EQ(outcome(run("admin", R"({"ping": 1, "$clusterTime": 5})")),
              idl ? "14 BSON field 'ping.$clusterTime' is the wrong type 'int', expected type 'object'" : "10065 invalid parameter: expected an object ($clusterTime)");
    EXPECT_EQ(outcome(run("admin", R"({"ping": 1, "$clusterTime": {}})")),
              idl ? "40414 BSON field 'ping.$clusterTime.clusterTime' is missing but a required field" : "4 Missing expected field \"clusterTime\"");
    EXPECT_EQ(outcome(run("admin", R"({"ping": 1, "$clusterTime": {"clusterTime": 1}})")),
              idl ? "14 BSON field 'ping.$clusterTime.clusterTime' is the wrong type 'int', expected type 'timestamp'"
                  : "14 \"clusterTime\" had the wrong type. Expected timestamp, found int");
    const std::string time = R"({"ping": 1, "$clusterTime": {"clusterTime": {"$timestamp": {"t": 1, "i": 1}})";
    EXPECT_EQ(outcome(run("admin", time + "}}")), idl ? "ok" : "4 Missing expected field \"signature\"");
    EXPECT_EQ(code_of(run("admin", time + R"(, "signature": {}}})")), idl ? 40414 : 4);
    EXPECT_EQ(code_of(run("admin", time + R"(, "signature": {"hash": {"$binary": {"base64": "", "subType": "00"}}, "keyId": "x"}}})")), 14);
    EXPECT_EQ(outcome(ping(told({1, 1}, 0, "short"))), "12 Unsupported SHA1Block hash length: 5");
    EXPECT_EQ(code_of(ping(told({1, 1}, 0, std::string(20, 'x'), 5))), 12);
    const auto after = run("admin", R"({"ping": 1})");
    EXPECT_EQ(clock(after), operated(after)) << "nothing of it counts";
  }
}

// A time that was heard of is waited for, one that nobody knows is refused.
TEST_F(ClusterTimeTest, ReadsAfterATimeWaitForIt) {
  for (const auto version : {kTest44, kTest80}) {
    start(version);
    run("t", R"({"insert": "c", "documents": [{"_id": 1}]})");
    const bson::Timestamp later{now() + 1000, 1};
    const auto read = [&](std::string_view more) {
      bson::Builder concern;
      concern.append("afterClusterTime", later);
      return run("t", with(R"({"find": "c", "filter": {}, )" + std::string(more) + "}", "readConcern", std::move(concern).finish()).view());
    };
    EXPECT_EQ(code_of(read(R"("maxTimeMS": 50)")), 72);
    ping(told(later));
    EXPECT_EQ(code_of(read(R"("maxTimeMS": 50)")), 50);
    std::jthread writer([&] {
      ClientConnection other(sandbox_->state(), true);
      runtime_->sleep(std::chrono::milliseconds(50), {});
      const auto body = bson::from_ejson(R"({"insert": "c", "documents": [{"_id": 2}], "$db": "t"})");
      sandbox_->dispatcher().run(other, {.body = body->view(), .sequences = {}});
    });
    EXPECT_EQ(batch(read(R"("maxTimeMS": 60000)")).size(), 2u);
  }
}

TEST_F(ClusterTimeTest, WithAuthorizationTimesAreSigned) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("drover_cluster_time_{}", ::getpid());
  for (const auto version : {kTest44, kTest80}) {
    std::filesystem::remove_all(path);
    const auto start_again = [&] { start(SandboxOptions{.dbpath = path.string(), .auth = true, .version = version}); };
    start_again();
    ASSERT_EQ(code("admin", R"({"createUser": "root", "pwd": "pw", "roles": ["root"], "mechanisms": ["SCRAM-SHA-1"]})"), 0);
    ASSERT_TRUE(log_in("root"));
    const auto first = run("admin", R"({"ping": 1})");
    const auto signed_time = bson::Document(first["$clusterTime"].document_value());
    const auto key = signed_time.view().at_path("signature.keyId").to_int64();
    const auto keys = stored_keys();
    ASSERT_EQ(keys.size(), 2u);
    EXPECT_EQ(keys.front()["_id"].to_int64(), key);
    EXPECT_EQ(keys.front()["purpose"].to_string_view(), "HMAC");
    EXPECT_EQ(outcome(ping(signed_time)), "ok");

    const bson::Timestamp later{now() + 1'000'000, 1};
    EXPECT_EQ(ping(told(later))["code"].to_int64(), 211);
    EXPECT_EQ(outcome(ping(told(later, *key))), "204 Proof does not match the cluster time");
    EXPECT_EQ(outcome(ping(told({1, 1}))), "ok") << "nobody asks for the proof of what is known";
    EXPECT_LT(clock(run("admin", R"({"ping": 1})")), later);

    // Who has not logged in yet, as drivers do in their handshake, moves nothing with a dummy.
    client_ = std::make_unique<ClientConnection>(sandbox_->state(), true);
    EXPECT_EQ(outcome(run("admin", with(R"({"isMaster": 1})", "$clusterTime", told(later)).view())), "ok");
    ASSERT_TRUE(log_in("root"));
    EXPECT_LT(clock(run("admin", R"({"ping": 1})")), later);

    // Signatures outlive a start.
    start_again();
    ASSERT_TRUE(log_in("root"));
    EXPECT_EQ(stored_keys().size(), 2u);
    EXPECT_EQ(outcome(ping(signed_time)), "ok");

    // Whoever has the privilege needs none.
    ASSERT_EQ(code("admin", R"({"createRole": "clock", "roles": [], "privileges": [{"resource": {"cluster": true}, "actions": ["advanceClusterTime"]}]})"), 0);
    ASSERT_EQ(code("admin", R"({"createUser": "clock", "pwd": "pw", "roles": ["clock"], "mechanisms": ["SCRAM-SHA-1"]})"), 0);
    client_ = std::make_unique<ClientConnection>(sandbox_->state(), true);
    ASSERT_TRUE(log_in("clock"));
    const auto moved = ping(told(later));
    EXPECT_EQ(outcome(moved), "ok");
    EXPECT_EQ(clock(moved), later);
    EXPECT_EQ(moved.view().at_path("$clusterTime.signature.keyId").to_int64(), 0);
    client_.reset();
    sandbox_.reset();
  }
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace drover::sandbox
