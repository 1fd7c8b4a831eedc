// Replies that no honest process gives, by their form, and as the server meets them: from a program that is told what to say.
#include "sandbox/script/reply.h"

#include <chrono>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <stdlib.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/script/host_process.h"
#include "sandbox/script/protocol.h"

namespace drover::sandbox::script {
namespace {

using Clock = std::chrono::steady_clock;

bson::Document from_json(std::string_view text) { return *bson::from_ejson(text); }
bson::Document request(Request what) {
  const auto documents = from_json(R"({"": [{}, {}]})");
  return bson::make_document({{"do", static_cast<std::int32_t>(what)}, {"documents", documents.view().first()}});
}

TEST(Reply, HasTheFormOfItsRequest) {
  EXPECT_TRUE(is_reply(request(Request::kBegin), from_json("{}")));
  EXPECT_TRUE(is_reply(request(Request::kCompile), from_json("{}")));
  EXPECT_TRUE(is_reply(request(Request::kTest), from_json(R"({"value": true})")));
  EXPECT_TRUE(is_reply(request(Request::kCall), from_json(R"({"value": null})")));
  EXPECT_TRUE(is_reply(request(Request::kFold), from_json(R"({"value": {"a": 1}})")));
  EXPECT_TRUE(is_reply(request(Request::kMap), from_json(R"({"emits": [], "done": 2})")));
  EXPECT_TRUE(is_reply(request(Request::kMap), from_json(R"({"emits": [{"k": null, "v": 1}], "done": 1})")));
  for (const auto what : {Request::kBegin, Request::kCompile, Request::kTest, Request::kCall, Request::kFold, Request::kMap}) {
    EXPECT_TRUE(is_reply(request(what), from_json(R"({"code": 139, "message": "no", "last": false})")));
  }
}

TEST(Reply, AnotherFormIsNone) {
  const std::pair<Request, std::string_view> kCases[] = {
      {Request::kCall, "{}"},
      {Request::kCall, R"({"v": 1})"},
      {Request::kCall, R"({"value": 1, "more": 1})"},
      {Request::kFold, "{}"},
      {Request::kTest, "{}"},
      {Request::kTest, R"({"value": 1})"},
      {Request::kCompile, R"({"value": 1})"},
      {Request::kEnd, "{}"},
      {Request::kMap, "{}"},
      {Request::kMap, R"({"emits": {}, "done": 1})"},
      {Request::kMap, R"({"emits": [5], "done": 1})"},
      {Request::kMap, R"({"emits": [1.5], "done": 1})"},
      {Request::kMap, R"({"emits": [{"k": 1}], "done": 1})"},
      {Request::kMap, R"({"emits": [{"v": 1}], "done": 1})"},
      {Request::kMap, R"({"emits": [], "done": 0})"},
      {Request::kMap, R"({"emits": [], "done": -1})"},
      {Request::kMap, R"({"emits": [], "done": 3})"},
      {Request::kMap, R"({"emits": [], "done": 1.0})"},
      {Request::kMap, R"({"emits": []})"},
      // Interruptions, what drivers try again, and no error at all are not the process's to say.
      {Request::kCall, R"({"code": 0, "message": "", "last": false})"},
      {Request::kCall, R"({"code": 50, "message": "", "last": false})"},
      {Request::kCall, R"({"code": 91, "message": "", "last": false})"},
      {Request::kCall, R"({"code": 112, "message": "", "last": false})"},
      {Request::kCall, R"({"code": 10107, "message": "", "last": false})"},
      {Request::kCall, R"({"code": 11600, "message": "", "last": false})"},
      {Request::kCall, R"({"code": 11601, "message": "", "last": false})"},
      {Request::kCall, R"({"code": "139", "message": "", "last": false})"},
      {Request::kCall, R"({"code": 139, "last": false})"},
      {Request::kCall, R"({"code": 139, "message": "", "last": 1})"},
  };
  for (const auto& [what, reply] : kCases) EXPECT_FALSE(is_reply(request(what), from_json(reply))) << reply;
  EXPECT_FALSE(is_reply(request(Request::kCall), bson::make_document({{"code", 139}, {"message", std::string(20000, 'x')}, {"last", false}})));
  EXPECT_FALSE(is_reply(request(Request::kCall), bson::make_document({{"value", std::string(17 << 20, 'x')}})));
}

// A program in place of the process: `script` is the shell's, whose descriptor 3 is the socket.
class LyingProcess : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/drover_reply_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::unique_ptr<HostProcess> start(std::string_view script) const {
    const auto program = directory / "program";
    std::ofstream(program) << "#!/bin/sh\n" << script << "\nexec /bin/cat <&3 >/dev/null\n";
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    auto started = HostProcess::start(program, 1);
    EXPECT_TRUE(started) << started.error().message;
    return std::move(*started);
  }
  std::filesystem::path directory;
};

TEST_F(LyingProcess, IsGivenUp) {
  for (const char* bytes : {R"(\005\000\000\000\000)",                                     // {}
                            R"(\377\377\377\377)", R"(\001\000\000\000)",                  // no size
                            R"(\006\000\000\000\001\000)",                                 // no document
                            R"(\014\000\000\000\020value\000\000)"}) {
    auto host = start(std::string("printf '") + bytes + "' >&3");
    const auto began = Clock::now();
    const auto reply = host->ask(request(Request::kCall), [&] { return Clock::now() - began > std::chrono::seconds(20) ? Status(fail(ErrorCode::kFailure, "time", 50)) : Status(); });
    ASSERT_FALSE(reply) << bytes;
    EXPECT_EQ(reply.error().server_code, 139);
    EXPECT_FALSE(host->usable());
    EXPECT_NE(host->failure(), "");
  }
}

TEST_F(LyingProcess, ThatTricklesIsInterrupted) {
  auto host = start("printf '\\000\\000\\000\\003' >&3; while printf 'x' >&3; do /bin/sleep 0.002; done");
  const auto began = Clock::now();
  const auto reply = host->ask(request(Request::kCall), [&] { return Clock::now() - began > std::chrono::milliseconds(200) ? Status(fail(ErrorCode::kFailure, "time", 50)) : Status(); });
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().server_code, 50);
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(30));
}

TEST_F(LyingProcess, SaysHowItEnded) {
  const auto end_of = [&](std::string_view script) {
    auto host = start(script);
    EXPECT_FALSE(host->ask(request(Request::kCall), [] { return Status(); }));
    return host->failure();
  };
  EXPECT_EQ(end_of("exit 7"), "exit code 7");
  EXPECT_EQ(end_of("kill -9 $$"), "signal 9");
}

}  // namespace
}  // namespace drover::sandbox::script
