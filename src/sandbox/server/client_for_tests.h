// A client of a sandbox without sockets, for tests.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/runtime.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/server/dispatcher.h"
#include "sandbox/server/sandbox.h"

namespace drover::sandbox {

inline constexpr ServerVersion kTest44{4, 4, 1};
inline constexpr ServerVersion kTest50{5, 0, 31};
inline constexpr ServerVersion kTest60{6, 0, 20};
inline constexpr ServerVersion kTest70{7, 0, 16};
inline constexpr ServerVersion kTest80{8, 0, 4};

// What waits for ever is a failure that says what it waits in: the whole program ends, since nothing else could end the wait.
class TestDeadline {
 public:
  TestDeadline() : thread_([](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kLimit, [] { return false; });
    if (stop.stop_requested()) return;
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::fprintf(stderr, "[  FAILED  ] %s.%s still waits after %d seconds\n", test ? test->test_suite_name() : "", test ? test->name() : "",
                 static_cast<int>(kLimit.count()));
    std::fflush(stderr);
    std::_Exit(1);
  }) {}

 private:
  static constexpr std::chrono::seconds kLimit{300};  // sanitizers are slow
  std::jthread thread_;
};

class SandboxClientTest : public ::testing::Test {
 protected:
  void start(SandboxOptions options) {
    client_.reset();
    sandbox_.reset();
    options.listen = false;
    auto started = Sandbox::start(options, *runtime_, *log_);
    ASSERT_TRUE(started) << started.error().message;
    sandbox_ = std::move(*started);
    client_ = std::make_unique<ClientConnection>(sandbox_->state(), true);
    client_->id = 1;
  }
  void start(ServerVersion version) { start(SandboxOptions{.version = version}); }

  bson::Document run(const std::string& db, bson::View command) {
    bson::Builder out;
    out.append_all(command).append("$db", db);
    const auto body = std::move(out).finish();
    return sandbox_->dispatcher().run(*client_, {.body = body, .sequences = {}}).reply;
  }
  bson::Document run(const std::string& db, const std::string& command) {
    const auto parsed = bson::from_ejson(command);
    EXPECT_TRUE(parsed) << command;
    return run(db, parsed ? parsed->view() : bson::View());
  }
  // 0 when it went well.
  template <typename Command>
  std::int64_t code(const std::string& db, const Command& command) {
    return code_of(run(db, command));
  }
  static std::int64_t code_of(const bson::Document& reply) { return reply["ok"].is_truthy() ? 0 : reply["code"].to_int64().value_or(-1); }
  // Relaxed extended JSON without any space.
  static std::string text(bson::View document) {
    auto out = bson::to_relaxed_ejson(document);
    std::erase(out, ' ');
    return out;
  }
  static std::string text(const bson::Element& element) { return element.is_document() || element.is_array() ? text(element.document_value()) : ""; }

  // The documents of a reply's first or next batch.
  static std::vector<bson::Document> batch(const bson::Document& reply) {
    std::vector<bson::Document> out;
    for (const char* name : {"cursor.firstBatch", "cursor.nextBatch"}) {
      const auto list = reply.view().at_path(name).to_array();
      if (!list) continue;
      for (const auto& item : *list) out.emplace_back(item.document_value());
    }
    return out;
  }
  std::vector<bson::Document> find(const std::string& db, const std::string& collection, const std::string& filter = "{}") {
    return batch(run(db, R"({"find": ")" + collection + R"(", "filter": )" + filter + R"(, "batchSize": 100000})"));
  }
  bson::Document last_entry() { return batch(run("local", R"({"find": "oplog.rs", "sort": {"$natural": -1}, "limit": 1})")).at(0); }

  // A change stream: its cursor's id, and what a getMore gives.
  std::int64_t watch(const std::string& db, const std::string& collection, const std::string& options, const std::string& stages = "") {
    const auto reply = run(db, R"({"aggregate": )" + (collection.empty() ? std::string("1") : "\"" + collection + "\"") + R"(, "pipeline": [{"$changeStream": )" +
                                   options + "}" + (stages.empty() ? "" : ", " + stages) + R"(], "cursor": {}})");
    EXPECT_TRUE(reply["ok"].is_truthy()) << text(reply);
    return reply.view().at_path("cursor.id").to_int64().value_or(0);
  }
  bson::Document more(const std::string& db, const std::string& collection, std::int64_t cursor) {
    bson::Builder command;
    command.append("getMore", cursor).append("collection", collection.empty() ? "$cmd.aggregate" : collection).append("maxTimeMS", 50);
    return run(db, std::move(command).finish().view());
  }

  TestDeadline deadline_;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<Sandbox> sandbox_;
  std::unique_ptr<ClientConnection> client_;
};

}  // namespace drover::sandbox
