// Servers that answer with bytes that are no BSON, or with BSON that no server sends: each is an error that names the server and the
// command, and nothing is taken for something else.
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/runtime.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "cluster/mongo_deployment.h"
#include "cluster/testing/nested_bytes.h"
#include "model/change_event.h"
#include "stub_server.h"

namespace drover::cluster {
namespace {

using ::testing::HasSubstr;
using drover::testing::Bytes;
using drover::testing::StubServer;

bson::Document json(const std::string& text) { return bson::from_ejson(text).value(); }

const Namespace kItems{"d", "items"};
constexpr const char* kUuid = R"({"$uuid": "00112233-4455-6677-8899-aabbccddeeff"})";

// {cursor: {id: 0, ns: "d.items", firstBatch: [{_id: 1, text: "abc"}]}, ok: 1}, and where things stand in it.
Bytes batch(std::int64_t id = 0, std::string_view field = "firstBatch") {
  bson::Builder reply;
  {
    auto cursor = reply.open_document("cursor");
    cursor.append("id", id).append("ns", "d.items");
    cursor.open_array(field).append(bson::make_document({{"_id", 1}, {"text", "abc"}}));
  }
  reply.append("ok", 1.0).append("operationTime", ClusterTime{5, 1});
  return std::move(reply).finish().bytes();
}
std::size_t find(const Bytes& bytes, std::string_view text) {
  const auto at = std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()).find(text);
  EXPECT_NE(at, std::string_view::npos) << text;
  return at;
}
Bytes with_int(Bytes bytes, std::size_t at, std::int32_t value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

// The same reply, broken where its documents are.
std::vector<Bytes> broken(const Bytes& reply) {
  std::vector<Bytes> all;
  const auto text = find(reply, "text");
  for (const int length : {-1, 0, 3, 5, 1 << 30, INT32_MAX}) all.push_back(with_int(reply, text + 5, length));
  const auto item = find(reply, "_id") - 5;  // the document's length
  for (const int length : {-5, 0, 4, 6, 1000, INT32_MAX}) all.push_back(with_int(reply, item, length));
  for (const auto at : {text + 5 + 4 + 3, text + 5 + 4 + 4, reply.size() - 1}) {  // the ends of the string, its document, the reply
    all.push_back(reply);
    all.back()[at] = 7;
  }
  all.push_back(reply);
  all.back()[text - 1] = 99;  // an unknown type
  for (const int length : {-1, 0, 4, 100000}) all.push_back(with_int(reply, 0, length));
  return all;
}

class HostileServerTest : public ::testing::Test {
 protected:
  void answer(const std::string& name, Bytes bytes) {
    server_.answer([name, bytes = std::move(bytes)](std::string_view asked, bson::View) -> std::optional<Bytes> {
      return asked == name ? std::optional(bytes) : std::nullopt;
    });
  }
  std::unique_ptr<Deployment> open(std::string_view more = "") {
    return connect({.uri = server_.uri(more), .side = Side::kSource}, *runtime_, stop_.get_token()).value();
  }
  Result<DocumentBatch> read() {
    auto cursor = TRY(deployment_->read_range({.ns = kItems, .uuid = {}, .min = {}, .max = {}, .at = {.level = ReadAt::Level::kMajority, .time = ClusterTime{1, 1}}}));
    for (;;) {
      auto batch = TRY(cursor->next({}));
      if (batch.last) return batch;
    }
  }
  void expect_refused(const Error& error, std::string_view command, std::string_view what) {
    EXPECT_EQ(error.code, ErrorCode::kTemporary);
    EXPECT_THAT(error.message, HasSubstr("source: " + std::string(command) + " on"));
    EXPECT_THAT(error.message, HasSubstr(server_.address() + " sent " + std::string(what)));
  }

  StubServer server_;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::stop_source stop_;
  std::unique_ptr<Deployment> deployment_ = open();
};

TEST_F(HostileServerTest, ABatchThatIsNoBsonIsRefused) {
  answer("find", batch());
  ASSERT_TRUE(read());
  for (const auto& bytes : broken(batch())) {
    answer("find", bytes);
    deployment_ = open();  // the driver waits for half a second before it asks a server again that has failed
    const auto result = read();
    ASSERT_FALSE(result);
    expect_refused(result.error(), "find", "invalid BSON at byte");
  }
  answer("find", batch());
  EXPECT_TRUE(read()) << "another connection is as good as any";
}

TEST_F(HostileServerTest, ALaterBatchThatIsNoBsonIsRefused) {
  for (const auto& bytes : broken(batch(0, "nextBatch"))) {
    server_.answer([bytes](std::string_view asked, bson::View) -> std::optional<Bytes> {
      if (asked == "find") return batch(7);
      return asked == "getMore" ? std::optional(bytes) : std::nullopt;
    });
    deployment_ = open();
    const auto result = read();
    ASSERT_FALSE(result);
    expect_refused(result.error(), "getMore", "invalid BSON at byte");
  }
}

// What reads all of a small result reads no more than that.
TEST_F(HostileServerTest, CursorsThatNeverEndAreRefused) {
  bson::ArrayBuilder many;
  const std::string text(std::size_t{1} << 20, 'x');
  for (int i = 0; i < 15; ++i) many.append(bson::make_document({{"_id", i}, {"v", text}}).view());
  const auto list = std::move(many).finish();
  for (const bool nothing : {false, true}) {
    server_.answer([&](std::string_view asked, bson::View) -> std::optional<Bytes> {
      if (asked != "listCollections" && asked != "getMore") return std::nullopt;
      bson::Builder reply;
      {
        auto cursor = reply.open_document("cursor");
        cursor.append("id", std::int64_t{7}).append("ns", "d.$cmd.listCollections");
        cursor.append(asked == "getMore" ? "nextBatch" : "firstBatch", bson::ArrayView{nothing ? bson::View() : list.view()});
      }
      reply.append("ok", 1.0).append("operationTime", ClusterTime{5, 1});
      return std::move(reply).finish().bytes();
    });
    deployment_ = open();
    const auto collections = deployment_->list_collections("d");
    ASSERT_FALSE(collections);
    EXPECT_THAT(collections.error().message, HasSubstr(nothing ? "gives 1000 batches of nothing" : "gives more than 256 MB"));
  }
}

TEST_F(HostileServerTest, NestingIsLimited) {
  const auto wrap = [](const Bytes& document) {
    bson::Builder reply;
    {
      auto cursor = reply.open_document("cursor");
      cursor.append("id", std::int64_t{0}).append("ns", "d.items");
      cursor.open_array("firstBatch").append(bson::View(document.data()));
    }
    reply.append("ok", 1.0).append("operationTime", ClusterTime{5, 1});
    return std::move(reply).finish().bytes();
  };
  answer("find", wrap(nested(180)));
  EXPECT_TRUE(read());
  for (const int levels : {300, 10000}) {
    answer("find", wrap(nested(levels)));
    const auto result = read();
    ASSERT_FALSE(result);
    expect_refused(result.error(), "find", "a document of more than 256 levels");
  }
}

// What a migration copies as it is.
TEST_F(HostileServerTest, ContentIsNobodysBusiness) {
  bson::Builder reply;
  {
    auto cursor = reply.open_document("cursor");
    cursor.append("id", std::int64_t{0}).append("ns", "d.items");
    cursor.open_array("firstBatch").append(bson::make_document({{"_id", "\xff\xfe"}, {"\xc3", 1}, {"twice", 1}, {"twice", 2}, {"$x.y", 1}, {"", 1}}));
  }
  reply.append("ok", 1.0).append("operationTime", ClusterTime{5, 1});
  answer("find", std::move(reply).finish().bytes());
  const auto batch = read();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->array.first().document_value().field_count(), 6u);
}

TEST_F(HostileServerTest, CommandsOfEveryKindAreGuarded) {
  const auto bytes = with_int(batch(), find(batch(), "_id") - 5, 1 << 20);
  const auto check = [&](const char* name, const std::function<std::optional<Error>()>& call) {
    answer(name, bytes);
    const auto error = call();
    ASSERT_TRUE(error) << name;
    expect_refused(*error, name, "invalid BSON at byte");
  };
  const auto error_of = [](auto result) { return result ? std::optional<Error>() : std::optional(std::move(result).error()); };
  check("listDatabases", [&] { return error_of(deployment_->list_databases()); });
  check("listCollections", [&] { return error_of(deployment_->list_collections("d")); });
  check("collStats", [&] { return error_of(deployment_->size_of(kItems)); });
  check("buildInfo", [&] { return error_of(deployment_->facts()); });
  check("appendOplogNote", [&] { return error_of(deployment_->append_note(bson::View())); });
  check("insert", [&] { return error_of(deployment_->insert({Uuid{}, 1}, kItems, bson::make_document({{"0", bson::make_document({{"_id", 1}})}}))); });
  check("ping", [&] { return error_of(deployment_->run_command("d", bson::make_document({{"ping", 1}}))); });
}

// By the driver's own watch of the servers, and by the handshake of a connection.
TEST_F(HostileServerTest, AHandshakeThatIsNoBsonIsRefused) {
  const auto fine = server_.hello().bytes();
  std::vector<std::pair<Bytes, std::string>> answers = {
      {with_int(fine, find(fine, "setName") + 8, 1 << 24), "invalid BSON"},
      {with_int(fine, find(fine, "hosts") + 6, 1 << 24), "invalid BSON"},
      {nested(10000), "a document of more than 256 levels"},
      {json(R"({"ismaster": true, "setName": "stub", "hosts": [1, {}], "minWireVersion": 0, "maxWireVersion": 9, "ok": 1})").bytes(), "'hosts' that are no names"},
      {json(R"({"ok": 0, "code": 0, "errmsg": "no"})").bytes(), "an error whose code is none"},
  };
  for (const bool monitored : {true, false}) {
    for (const auto& [bytes, what] : answers) {
      // Handshakes name their client; the first is the watch's.
      auto handshakes = std::make_shared<std::atomic<int>>(0);
      server_.answer([sent = bytes, monitored, handshakes](std::string_view asked, bson::View command) -> std::optional<Bytes> {
        if (asked != "isMaster" && asked != "ismaster" && asked != "hello") return std::nullopt;
        if (monitored) return sent;
        return command["client"].exists() && ++*handshakes > 1 ? std::optional(sent) : std::nullopt;
      });
      const auto time = open()->majority_time();
      ASSERT_FALSE(time);
      EXPECT_THAT(time.error().message, HasSubstr("source: find on"));
      EXPECT_THAT(time.error().message, HasSubstr(server_.address() + " sent " + what));
    }
  }
}

// So a server answers that has lost count at its unclean shutdown.
TEST_F(HostileServerTest, SizesBelowNothingAreNothing) {
  server_.answer([](std::string_view asked, bson::View) -> std::optional<Bytes> {
    return asked == "collStats" ? std::optional(json(R"({"count": -3, "size": -2673610, "ok": 1})").bytes()) : std::nullopt;
  });
  const auto size = open()->size_of(kItems);
  ASSERT_TRUE(size) << size.error().message;
  EXPECT_EQ(size->documents, 0);
  EXPECT_EQ(size->bytes, 0);
}

TEST_F(HostileServerTest, LimitsThatAreNoneHurtNobody) {
  const auto with = [&](const char* name, const bson::Document& value) {
    bson::Builder hello;
    for (const auto& field : server_.hello())
      if (field.key() != name) hello.append_raw(field);
    if (const auto one = value["v"]) hello.append(name, one);
    return std::move(hello).finish().bytes();
  };
  for (const char* name : {"maxBsonObjectSize", "maxMessageSizeBytes", "maxWriteBatchSize", "maxWireVersion", "logicalSessionTimeoutMinutes"}) {
    for (const char* value : {R"({})", R"({"v": 0})", R"({"v": -1})", R"({"v": "x"})", R"({"v": null})", R"({"v": {"$numberLong": "99999999999"}})"}) {
      const auto hello = with(name, json(value));
      server_.answer([hello](std::string_view asked, bson::View) -> std::optional<Bytes> {
        if (asked == "find") return json(R"({"cursor": {"id": {"$numberLong": "0"}, "ns": "d.x", "firstBatch": []}, "operationTime": {"$timestamp": {"t": 5, "i": 1}}, "ok": 1})").bytes();
        return asked == "isMaster" || asked == "ismaster" || asked == "hello" ? std::optional(hello) : std::nullopt;
      });
      const auto time = open()->majority_time();
      if (time) {
        EXPECT_EQ(*time, (ClusterTime{5, 1}));
      } else {
        EXPECT_THAT(time.error().message, HasSubstr("source: find on")) << name << value;
      }
    }
  }
}

TEST_F(HostileServerTest, ShapesThatNoServerSendsAreErrors) {
  using Call = std::function<std::optional<Error>()>;
  const auto error_of = [](auto result) { return result ? std::optional<Error>() : std::optional(std::move(result).error()); };
  const Call range = [&] { return error_of(read()); };
  const Call by_ids = [&] {
    const std::vector ids{bson::Value(json(R"({"v": 1})")["v"])};
    return error_of(deployment_->read_by_ids(kItems, {}, ids, ClusterTime{1, 1}, kAllBytes));
  };
  const Call group = [&] {
    const std::vector ids{bson::Value(json(R"({"v": 1})")["v"])};
    return error_of(deployment_->read_group(kItems, {}, ids, ClusterTime{1, 1}, kAllBytes));
  };
  const Call window = [&] { return error_of(deployment_->oplog_window()); };
  const Call databases = [&] { return error_of(deployment_->list_databases()); };
  const Call collections = [&] { return error_of(deployment_->list_collections("d")); };
  const Call time = [&] { return error_of(deployment_->majority_time()); };
  const Call note = [&] { return error_of(deployment_->append_note(bson::View())); };
  const Call insert = [&] { return error_of(deployment_->insert({Uuid{}, 1}, kItems, bson::make_document({{"0", bson::make_document({{"_id", 1}})}}))); };
  const Call command = [&] { return error_of(deployment_->run_command("d", bson::make_document({{"ping", 1}}))); };

  const std::string at = R"(, "operationTime": {"$timestamp": {"t": 5, "i": 1}}, "ok": 1})";
  const std::string zero = R"({"$numberLong": "0"})";
  const auto cursor_of = [&](const std::string& items) { return R"({"cursor": {"id": )" + zero + R"(, "ns": "d.x", "firstBatch": [)" + items + "]}" + at; };
  const std::string info = std::string(R"("info": {"uuid": )") + kUuid + "}";
  struct Case {
    const char* command;
    std::string reply;
    const Call* call;
    const char* says;
  };
  const std::vector<Case> cases = {
      {"find", R"({"cursor": {"id": "0", "ns": "d.x", "firstBatch": []})" + at, &range, "holds no cursor"},
      {"find", R"({"cursor": {"id": {"$numberDouble": "0.5"}, "ns": "d.x", "firstBatch": []})" + at, &range, "holds no cursor"},
      {"find", R"({"cursor": {"ns": "d.x", "firstBatch": []})" + at, &by_ids, "holds no cursor"},
      {"find", R"({"cursor": {"id": null, "ns": "d.x", "firstBatch": []})" + at, &group, "holds no cursor"},
      {"find", R"({"n": 1)" + at, &range, "holds no cursor"},
      {"find", R"({"cursor": [])" + at, &by_ids, "holds no cursor"},
      {"find", R"({"cursor": {"id": )" + zero + R"(, "ns": "d.x", "firstBatch": {}})" + at, &range, "holds no cursor"},
      {"find", R"({"cursor": {"id": )" + zero + R"(, "ns": "d.x", "firstBatch": [1]})" + at, &group, "holds no cursor"},
      {"find", R"({"cursor": {"id": {"$numberLong": "5"}, "firstBatch": []})" + at, &range, "holds no cursor"},
      {"find", R"({"cursor": {"id": )" + zero + R"(, "ns": "d.x", "firstBatch": []}, "ok": 1})", &range, "operationTime"},
      {"find", R"({"cursor": {"id": )" + zero + R"(, "ns": "d.x", "firstBatch": []}, "operationTime": 7, "ok": 1})", &by_ids, "operationTime"},
      {"find", R"({"cursor": {"id": )" + zero + R"(, "ns": "d.x", "firstBatch": []}, "operationTime": 7, "ok": 1})", &time, "operationTime"},
      {"find", cursor_of(R"({"x": 1})"), &window, "without its time (ts)"},
      {"find", cursor_of(R"({"ts": 5})"), &window, "without its time (ts)"},
      {"find", cursor_of("").replace(cursor_of("").find(", \"ok\": 1"), 9, ""), &range, "does not say whether it was done (ok)"},
      {"ping", R"({"ok": "yes"})", &command, "does not say whether it was done (ok)"},
      {"ping", R"({"ok": 0})", &command, "no message"},
      {"ping", R"({"ok": {}, "errmsg": "no"})", &command, ""},
      {"appendOplogNote", R"({"operationTime": "now", "ok": 1})", &note, "operationTime"},
      {"listDatabases", R"({"ok": 1})", &databases, "lists no databases"},
      {"listDatabases", R"({"databases": {}, "ok": 1})", &databases, "lists no databases"},
      {"listDatabases", R"({"databases": [{}], "ok": 1})", &databases, "a database without a name"},
      {"listDatabases", R"({"databases": [{"name": "a\u0000b"}], "ok": 1})", &databases, "a database without a name"},
      {"listCollections", cursor_of(R"({"type": "collection", "options": {}, )" + info + "}"), &collections, "a collection without a name"},
      {"listCollections", cursor_of(R"({"name": 5, "type": "collection", "options": {}, )" + info + "}"), &collections, "a collection without a name"},
      {"listCollections", cursor_of(R"({"name": "a\u0000b", "type": "collection", "options": {}, )" + info + "}"), &collections, "a collection without a name"},
      {"listCollections", cursor_of(R"({"name": "a", "options": {}, )" + info + "}"), &collections, "'d.a' with the type ''"},
      {"listCollections", cursor_of(R"({"name": "a", "type": "heap", "options": {}, )" + info + "}"), &collections, "'d.a' with the type 'heap'"},
      {"listCollections", cursor_of(R"({"name": "a", "type": "collection", )" + info + "}"), &collections, "'d.a' without its options"},
      {"listCollections", cursor_of(R"({"name": "a", "type": "view", "options": []})"), &collections, "'d.a' without its options"},
      {"listCollections", cursor_of(R"({"name": "a", "type": "collection", "options": {}, "info": {}})"), &collections, "'d.a' without its UUID"},
      {"listIndexes", cursor_of(R"({"v": 2, "key": {"a": 1}})"), &collections, "an index without a name"},
      {"listIndexes", cursor_of(R"({"v": 2, "key": [1], "name": "a_1"})"), &collections, "an index without its key"},
      {"listIndexes", cursor_of(R"({"v": 2, "key": "a", "name": "a_1"})"), &collections, "an index without its key"},
      {"insert", R"({"ok": 1})", &insert, "what was written"},
      {"insert", R"({"n": -1, "ok": 1})", &insert, "what was written"},
      {"insert", R"({"n": 1, "writeErrors": {}, "ok": 1})", &insert, "what was written"},
      {"insert", R"({"n": 0, "ok": 1})", &insert, "0 that were done"},
      {"insert", R"({"n": 7, "ok": 1})", &insert, "7 that were done"},
      {"commitTransaction", R"({"operationTime": 5, "ok": 1})", &group, "operationTime"},
  };
  const auto empty = json(cursor_of("")).bytes();
  const auto listing = json(cursor_of(R"({"name": "a", "type": "collection", "options": {}, )" + info + "}")).bytes();
  for (const auto& one : cases) {
    const auto reply = json(one.reply).bytes();
    server_.answer([command = one.command, reply, empty, listing](std::string_view asked, bson::View) -> std::optional<Bytes> {
      if (asked == command) return reply;
      if (asked == "find") return empty;
      return asked == "listCollections" ? std::optional(listing) : std::nullopt;
    });
    const auto error = (*one.call)();
    ASSERT_TRUE(error) << one.command << ": " << one.reply;
    EXPECT_THAT(error->message, HasSubstr(one.says)) << one.reply;
    if (std::string_view(one.says).find("that were done") != std::string_view::npos) continue;  // of a batch: it is repeated
    EXPECT_NE(error->code, ErrorCode::kTemporary) << one.reply << " " << error->message;
  }
}

}  // namespace
}  // namespace drover::cluster
