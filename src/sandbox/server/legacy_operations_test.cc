// The wire protocol's operations of servers up to 5.0, frame by frame.
#include <cstring>

#include "sandbox/query/doc_for_tests.h"
#include "sandbox/server/client_for_tests.h"
#include "sandbox/server/legacy_operations.h"
#include "sandbox/server/message.h"

namespace drover::sandbox {
namespace {

using query::doc;
using Bytes = std::vector<std::uint8_t>;

constexpr std::int32_t kTailable = 2, kAwaitData = 32, kExhaust = 64;

class Frame {
 public:
  explicit Frame(OpCode op) {
    for (const std::int32_t field : {0, 7, 0, static_cast<std::int32_t>(op)}) number(field);
  }
  template <typename T>
  Frame& number(T value) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
    out_.insert(out_.end(), bytes, bytes + sizeof value);
    return *this;
  }
  Frame& name(std::string_view text) {
    out_.insert(out_.end(), text.begin(), text.end());
    out_.push_back(0);
    return *this;
  }
  Frame& document(const bson::Document& document) {
    out_.insert(out_.end(), document.bytes().begin(), document.bytes().end());
    return *this;
  }
  Bytes finish() {
    const auto size = static_cast<std::int32_t>(out_.size());
    std::memcpy(out_.data(), &size, sizeof size);
    return out_;
  }

 private:
  Bytes out_;
};

Bytes op_query(std::string_view ns, std::string_view document, std::int32_t to_return = 0, std::int32_t flags = 0, std::int32_t skip = 0) {
  return Frame(OpCode::kQuery).number(flags).name(ns).number(skip).number(to_return).document(doc(std::string(document))).finish();
}
Bytes op_get_more(std::string_view ns, std::int32_t to_return, std::int64_t cursor) {
  return Frame(OpCode::kGetMore).number(0).name(ns).number(to_return).number(cursor).finish();
}
Bytes op_insert(std::string_view ns, std::initializer_list<std::string_view> documents, std::int32_t flags = 0) {
  Frame frame(OpCode::kInsert);
  frame.number(flags).name(ns);
  for (const auto document : documents) frame.document(doc(std::string(document)));
  return frame.finish();
}
Bytes op_update(std::string_view ns, std::int32_t flags, std::string_view filter, std::string_view update) {
  return Frame(OpCode::kUpdate).number(0).name(ns).number(flags).document(doc(std::string(filter))).document(doc(std::string(update))).finish();
}
Bytes op_delete(std::string_view ns, std::int32_t flags, std::string_view filter) {
  return Frame(OpCode::kDelete).number(0).name(ns).number(flags).document(doc(std::string(filter))).finish();
}

struct OpReply {
  std::int32_t id = 0, answers = 0, flags = 0, position = 0;
  std::int64_t cursor = 0;
  std::vector<bson::Document> documents;
};
OpReply parsed(const Bytes& frame) {
  OpReply out;
  EXPECT_GE(frame.size(), 36U);
  if (frame.size() < 36) return out;
  const auto read = [&](auto& value, std::size_t at) { std::memcpy(&value, frame.data() + at, sizeof value); };
  std::int32_t operation, count;
  read(out.id, 4), read(out.answers, 8), read(operation, 12), read(out.flags, 16), read(out.cursor, 20), read(out.position, 28), read(count, 32);
  EXPECT_EQ(operation, 1);
  for (std::size_t at = 36; at < frame.size(); at += out.documents.back().size()) out.documents.emplace_back(bson::View(frame.data() + at));
  EXPECT_EQ(out.documents.size(), static_cast<std::size_t>(count));
  return out;
}

class LegacyOperationsTest : public SandboxClientTest {
 protected:
  void begin(ServerVersion version = kTest44) {
    session_.reset();  // before its server goes
    start(version);
    session_ = sandbox_->dispatcher().accept({.id = 9, .peer = "127.0.0.1:40000", .local = "127.0.0.1:27017", .loopback = true});
  }
  void TearDown() override {
    session_.reset();
    SandboxClientTest::TearDown();
  }
  void tell(const Bytes& frame) {
    const auto reply = session_->handle(frame);
    EXPECT_FALSE(reply.frame || reply.close);
  }
  OpReply ask(const Bytes& frame) {
    auto reply = session_->handle(frame);
    next_ = std::move(reply.next_request);
    EXPECT_TRUE(reply.frame);
    return reply.frame ? parsed(*reply.frame) : OpReply();
  }
  bson::Document last_error() { return ask(op_query("t.$cmd", R"({"getlasterror": 1})", -1)).documents.at(0); }
  void insert_ten() {
    for (int i = 0; i < 10; ++i) run("t", R"({"insert": "k", "documents": [{"_id": )" + std::to_string(i) + R"(, "odd": )" + std::to_string(i % 2) + "}]}");
  }

  std::unique_ptr<net::WireSession> session_;
  std::optional<Bytes> next_;
};

TEST_F(LegacyOperationsTest, WritesAreCarriedOutAndGetLastErrorTellsHow) {
  begin();
  tell(op_insert("t.k", {R"({"_id": 1})", R"({"_id": 2})"}));
  EXPECT_TRUE(last_error()["err"].is_null());
  tell(op_insert("t.k", {R"({"_id": 3})", R"({"_id": 1})", R"({"_id": 4})"}));
  EXPECT_EQ(last_error()["code"].to_int64(), 11000);
  EXPECT_EQ(find("t", "k").size(), 3U);
  tell(op_insert("t.k", {R"({"_id": 1})", R"({"_id": 4})"}, 1));  // ContinueOnError
  EXPECT_EQ(find("t", "k").size(), 4U);
  tell(op_update("t.k", 0, "{}", R"({"$set": {"a": 1}})"));
  EXPECT_EQ(last_error()["n"].to_int64(), 1);
  tell(op_update("t.k", 2, "{}", R"({"$set": {"a": 2}})"));
  EXPECT_EQ(last_error()["n"].to_int64(), 4);
  tell(op_update("t.k", 1, R"({"_id": 5})", R"({"b": 1})"));
  EXPECT_EQ(last_error()["upserted"].to_int64(), 5);
  tell(op_delete("t.k", 1, R"({"a": 2})"));
  EXPECT_EQ(find("t", "k").size(), 4U);
  tell(op_delete("t.k", 0, R"({"a": 2})"));
  EXPECT_EQ(find("t", "k").size(), 1U);
  tell(op_insert("t.$cmd.x", {R"({"_id": 1})"}));  // refused before it is carried out
  EXPECT_NE(last_error()["code"].to_int64().value_or(0), 0);
}

TEST_F(LegacyOperationsTest, AQueryIsAFindWithItsModifiers) {
  begin();
  insert_ten();
  auto reply = ask(op_query("t.k", R"({"odd": 1})"));
  EXPECT_EQ(reply.documents.size(), 5U);
  EXPECT_EQ(reply.flags, 8);
  EXPECT_EQ(reply.answers, 7);
  EXPECT_EQ(reply.cursor, 0);
  reply = ask(op_query("t.k", R"({"$query": {"odd": 0}, "$orderby": {"_id": -1}, "$snapshot": true})", -2));
  ASSERT_EQ(reply.documents.size(), 2U);
  EXPECT_EQ(reply.documents[0]["_id"].to_int64(), 8);
  EXPECT_EQ(reply.cursor, 0);
  reply = ask(op_query("t.k", R"({"query": {"odd": 0}, "orderby": {"_id": -1}, "$maxTimeMS": 60000})", 1, 0, 1));
  ASSERT_EQ(reply.documents.size(), 1U);
  EXPECT_EQ(reply.documents[0]["_id"].to_int64(), 6);
  const auto projected = Frame(OpCode::kQuery).number(0).name("t.k").number(0).number(1).document(doc("{}")).document(doc(R"({"_id": 1})")).finish();
  EXPECT_EQ(ask(projected).documents.at(0), doc(R"({"_id": 0})"));
  reply = ask(op_query("t.k", R"({"$query": {"odd": 0}, "$explain": true})"));
  ASSERT_EQ(reply.documents.size(), 1U);
  EXPECT_TRUE(reply.documents[0]["queryPlanner"].is_document());
  EXPECT_FALSE(reply.documents[0]["ok"]);
  reply = ask(op_query("t.k", R"({"$nonsense": 1})"));
  EXPECT_EQ(reply.flags, 2);
  EXPECT_EQ(reply.documents.at(0)["code"].to_int64(), 2);
  EXPECT_TRUE(reply.documents[0]["$err"].is_string());
}

TEST_F(LegacyOperationsTest, BatchesFollowAndCursorsEnd) {
  begin();
  insert_ten();
  auto reply = ask(op_query("t.k", "{}", 4));
  EXPECT_EQ(reply.documents.size(), 4U);
  ASSERT_NE(reply.cursor, 0);
  EXPECT_FALSE(next_);
  const auto cursor = reply.cursor;
  reply = ask(op_get_more("t.k", 3, cursor));
  EXPECT_EQ(reply.documents.size(), 3U);
  EXPECT_EQ(reply.position, 4);
  EXPECT_EQ(reply.cursor, cursor);
  EXPECT_EQ(ask(op_get_more("t.other", 3, cursor)).flags, 2);
  tell(Frame(OpCode::kKillCursors).number(0).number(2).number(std::int64_t{5}).number(cursor).finish());
  reply = ask(op_get_more("t.k", 3, cursor));
  EXPECT_EQ(reply.flags, 1);
  EXPECT_TRUE(reply.documents.empty());
}

// However many are named, only those that there are cost a command.
TEST_F(LegacyOperationsTest, ManyCursorsAreKilledAtOnce) {
  begin();
  insert_ten();
  const auto first = ask(op_query("t.k", "{}", 4)).cursor, second = ask(op_query("t.k", "{}", 4)).cursor;
  const auto commands = [&] { return run("admin", R"({"serverStatus": 1})").view().at_path("opcounters.command").to_int64().value_or(-1); };
  const auto before = commands();
  Frame kill(OpCode::kKillCursors);
  kill.number(0).number(kMaxLegacyKills).number(first);
  for (std::int32_t i = 2; i < kMaxLegacyKills; ++i) kill.number(std::int64_t{i});
  tell(kill.number(second).finish());
  EXPECT_LT(commands() - before, 10);
  EXPECT_EQ(ask(op_get_more("t.k", 3, first)).flags, 1);
  EXPECT_EQ(ask(op_get_more("t.k", 3, second)).flags, 1);
  // A list with something else in it kills nothing.
  const auto third = ask(op_query("t.k", "{}", 4)).cursor;
  EXPECT_NE(code("t", R"({"killCursors": "k", "cursors": [{"$numberLong": ")" + std::to_string(third) + R"("}, "x"]})"), 0);
  EXPECT_EQ(ask(op_get_more("t.k", 3, third)).flags, 8);
}

TEST_F(LegacyOperationsTest, ExhaustSendsAllBatchesUnasked) {
  begin();
  insert_ten();
  auto reply = ask(op_query("t.k", "{}", 4, kExhaust));
  EXPECT_EQ(reply.documents.size(), 4U);
  std::size_t documents = 4;
  for (int batches = 0; next_ && batches < 10; ++batches) {
    const auto before = reply.id;
    reply = ask(*next_);
    EXPECT_EQ(reply.answers, before);
    EXPECT_EQ(reply.position, static_cast<std::int32_t>(documents));
    documents += reply.documents.size();
  }
  EXPECT_EQ(documents, 10U);
  EXPECT_EQ(reply.cursor, 0);
  EXPECT_FALSE(next_);
  // Only that query was: the next one's batches are asked for.
  EXPECT_NE(ask(op_query("t.k", "{}", 4)).cursor, 0);
  EXPECT_FALSE(next_);
}

TEST_F(LegacyOperationsTest, ATailableCursorWaits) {
  begin();
  run("t", R"({"create": "capped", "capped": true, "size": 4096})");
  run("t", R"({"insert": "capped", "documents": [{"_id": 1}]})");
  auto reply = ask(op_query("t.capped", "{}", 0, kTailable | kAwaitData));
  ASSERT_NE(reply.cursor, 0);
  run("t", R"({"insert": "capped", "documents": [{"_id": 2}]})");
  EXPECT_EQ(ask(op_get_more("t.capped", 0, reply.cursor)).documents.size(), 1U);
}

TEST_F(LegacyOperationsTest, MalformedOnesCloseTheConnection) {
  begin();
  const Bytes frames[] = {
      Frame(OpCode::kInsert).number(0).finish(),
      Frame(OpCode::kUpdate).number(0).name("t.k").number(0).document(doc("{}")).finish(),
      Frame(OpCode::kDelete).number(0).name("t.k").number(0).document(doc("{}")).number(1).finish(),
      Frame(OpCode::kGetMore).number(0).name("t.k").number(0).number(1).finish(),
      Frame(OpCode::kKillCursors).number(0).number(0).finish(),
      Frame(OpCode::kKillCursors).number(0).number(1).finish(),
      Frame(OpCode::kKillCursors).number(0).number(30'000).number(std::int64_t{1}).finish(),
      Frame(OpCode::kQuery).number(0).name("t.k").number(0).finish(),
  };
  for (const auto& frame : frames) EXPECT_TRUE(session_->handle(frame).close);
}

TEST_F(LegacyOperationsTest, EndedWith50) {
  begin(kTest50);
  tell(op_insert("t.k", {R"({"_id": 1})"}));
  EXPECT_EQ(ask(op_query("t.k", "{}")).documents.size(), 1U);
  begin(kTest60);
  EXPECT_EQ(ask(op_query("t.k", "{}")).documents.at(0)["code"].to_int64(), 5739101);
  EXPECT_TRUE(session_->handle(op_insert("t.k", {R"({"_id": 1})"})).close);
  EXPECT_EQ(find("t", "k").size(), 0U);
}

}  // namespace
}  // namespace drover::sandbox
