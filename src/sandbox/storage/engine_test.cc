#include "sandbox/storage/engine.h"

#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "bson/ejson.h"
#include "sandbox/storage/keys.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {
namespace {

using testing::ElementsAre;

bson::Document doc(std::string_view json) { return bson::from_ejson(json).value(); }
const auto kIdIndex = R"({"v": 2, "key": {"_id": 1}, "name": "_id_"})";

class EngineTest : public testing::Test {
 protected:
  EngineTest() { open({.in_memory = true, .background = false}); }

  void open(EngineOptions options) {
    engine_.reset();
    auto engine = Engine::open(std::move(options), *runtime_, *log_);
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = std::move(*engine);
  }
  template <typename F>
  bson::Timestamp write(F body) {
    auto unit = engine_->begin_write();
    body(*unit);
    const auto ts = unit->commit();
    EXPECT_TRUE(ts) << ts.error().message;
    return ts.value_or(bson::Timestamp{});
  }
  void create(const std::string& name, std::string_view options = "{}") {
    write([&](WriteUnit& unit) { EXPECT_TRUE(unit.create_collection({"db", name}, doc(options), doc(kIdIndex))); });
  }
  bson::Timestamp insert(const std::string& name, std::string_view json) {
    return write([&](WriteUnit& unit) {
      const auto id = unit.insert(unit.catalog().find(Namespace{"db", name}), doc(json));
      EXPECT_TRUE(id) << id.error().message;
    });
  }
  static std::vector<std::string> documents(const Reader& reader, const std::string& name) {
    std::vector<std::string> result;
    const auto collection = reader.catalog().find(Namespace{"db", name});
    if (!collection) return {"no collection"};
    RecordCursor cursor(reader, *collection);
    while (const auto document = cursor.next().value()) result.push_back(bson::to_shell(*document));
    return result;
  }
  std::vector<std::string> documents(const std::string& name) { return documents(*make_reader(*engine_, engine_->view()), name); }
  std::vector<bson::Document> oplog(bson::Timestamp after) {
    std::vector<bson::Document> result;
    auto cursor = engine_->oplog({after.seconds, after.increment + 1});
    while (const auto entry = cursor->next().value()) result.emplace_back(*entry);
    return result;
  }

  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::unique_ptr<Log> log_ = make_null_log();
  std::unique_ptr<Engine> engine_;
};

// Whatever was expected, in whatever order they come: each _id is taken once.
TEST_F(EngineTest, ExpectedInsertsAreUnique) {
  create("c");
  create("d");
  insert("c", R"({"_id": 50})");
  insert("d", R"({"_id": 5})");
  std::vector<bson::Document> owned;
  for (int i = 0; i < 300; ++i) owned.push_back(bson::make_document({{"_id", i}}));
  const std::vector<bson::View> all(owned.begin(), owned.end());
  const auto try_insert = [&](WriteUnit& unit, const std::string& name, int id) {
    const auto result = unit.insert(unit.catalog().find(Namespace{"db", name}), owned[static_cast<std::size_t>(id)]);
    if (result) return true;
    EXPECT_EQ(result.error().server_code, code::kDuplicateKey);
    EXPECT_EQ(unit.duplicate()->key_value, owned[static_cast<std::size_t>(id)]);
    return false;
  };
  const auto expect = [&](WriteUnit& unit, int from, int to) {
    unit.expect_inserts(unit.catalog().find(Namespace{"db", "c"}), std::span(all).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
  };
  write([&](WriteUnit& unit) {
    expect(unit, 0, 100);  // one of them is there
    for (int i = 0; i < 100; ++i) EXPECT_EQ(try_insert(unit, "c", i), i != 50) << i;
    for (const int again : {7, 50, 99, 0}) EXPECT_FALSE(try_insert(unit, "c", again)) << again;
  });
  write([&](WriteUnit& unit) {
    expect(unit, 100, 200);  // none is
    EXPECT_TRUE(try_insert(unit, "c", 150));
    EXPECT_TRUE(try_insert(unit, "c", 120));
    for (int i = 121; i < 200; ++i) EXPECT_EQ(try_insert(unit, "c", i), i != 150) << i;
    EXPECT_FALSE(try_insert(unit, "d", 5));
    EXPECT_TRUE(try_insert(unit, "d", 6));
    EXPECT_FALSE(try_insert(unit, "c", 199));
    EXPECT_FALSE(try_insert(unit, "c", 99));  // outside of what was expected
    EXPECT_TRUE(try_insert(unit, "c", 100));
    EXPECT_TRUE(try_insert(unit, "c", 200));
    EXPECT_FALSE(try_insert(unit, "d", 6));
  });
  write([&](WriteUnit& unit) {
    expect(unit, 100, 300);  // the half of it is there
    for (int i = 100; i < 300; ++i) EXPECT_EQ(try_insert(unit, "c", i), i > 200 || (i > 100 && i < 120)) << i;
  });
  EXPECT_EQ(documents("c").size(), 300u);
  EXPECT_EQ(oplog({0, 0}).back()["o"].document_value()["_id"].to_int64(), 299);
}

TEST_F(EngineTest, AUnitIsSeenWholeOrNotAtAll) {
  create("c");
  const auto before = engine_->view();
  {
    auto unit = engine_->begin_write();
    const auto collection = unit->catalog().find(Namespace{"db", "c"});
    ASSERT_TRUE(unit->insert(collection, doc(R"({"_id": 1})")));
    EXPECT_THAT(documents(*unit, "c"), ElementsAre("{ _id: 1 }"));
    EXPECT_THAT(documents("c"), testing::IsEmpty());
  }
  EXPECT_THAT(documents("c"), testing::IsEmpty());
  insert("c", R"({"_id": 2})");
  EXPECT_THAT(documents("c"), ElementsAre("{ _id: 2 }"));
  EXPECT_THAT(documents(*make_reader(*engine_, before), "c"), testing::IsEmpty());
  EXPECT_EQ(engine_->view()->catalog->find(Namespace{"db", "c"})->counters->copy().records, 1);
}

TEST_F(EngineTest, TimesIncreaseAndTheOplogHasEveryWrite) {
  create("c");
  const auto start = engine_->last_committed();
  const auto first = insert("c", R"({"_id": 1})");
  const auto second = write([&](WriteUnit& unit) {
    const auto collection = unit.catalog().find(Namespace{"db", "c"});
    const auto record = unit.find_by_id(*collection, doc(R"({"_id": 1})")["_id"]).value();
    ASSERT_TRUE(record);
    EXPECT_TRUE(unit.update(collection, record->id, record->document, doc(R"({"_id": 1, "a": 1})"), doc(R"({"$v": 1, "$set": {"a": 1}})")));
  });
  EXPECT_LT(start, first);
  EXPECT_LT(first, second);
  const auto entries = oplog(start);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0]["op"].string_value(), "i");
  EXPECT_EQ(entries[1]["op"].string_value(), "u");
  EXPECT_EQ(bson::to_shell(entries[1]["o2"].document_value()), "{ _id: 1 }");
  EXPECT_EQ(*entries[1]["ts"].to_timestamp(), second);
}

// Housekeeping's own time would come long after the test has failed. What an earlier start has written is cut with the rest.
TEST_F(EngineTest, TheOplogIsCutByWhatIsWritten) {
  constexpr std::uint64_t kSize = 256 << 10;
  const auto path = (std::filesystem::temp_directory_path() / ("drover-engine-" + std::to_string(runtime_->random()))).string();
  const auto pad = std::string(10'000, 'x');
  const auto insert_some = [&](int from) {
    for (int i = from; i < from + 100; ++i) insert("c", "{\"_id\": " + std::to_string(i) + ", \"x\": \"" + pad + "\"}");
  };
  open({.dbpath = path, .background = false, .oplog_bytes = kSize});
  create("c");
  insert_some(0);
  const auto of_the_first_start = engine_->last_committed();
  EXPECT_GT(engine_->oplog_bytes(), 2 * kSize);
  open({.dbpath = path, .housekeeping_interval = std::chrono::hours(1), .oplog_bytes = kSize});
  // What is counted is what is there.
  std::int64_t entries = 0;
  const auto bytes = [&] {
    std::uint64_t sum = 0;
    entries = 0;
    auto cursor = engine_->oplog({});
    for (; const auto entry = cursor->next().value(); ++entries) sum += entry->size();
    return sum;
  };
  for (const int from : {100, 200, 300}) {
    insert_some(from);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    // It may be in the middle of a cut whenever it is asked.
    bool is_cut = false;
    std::uint64_t counted = 0, there = 0;
    while (!is_cut && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      counted = engine_->oplog_bytes();
      there = bytes();
      is_cut = counted <= 2 * kSize && counted == there && engine_->oplog_entries() == entries;
    }
    EXPECT_TRUE(is_cut) << counted << " counted, " << there << " there";
    EXPECT_GT(engine_->oldest_oplog_time(), of_the_first_start);
    EXPECT_LE(engine_->oldest_oplog_time(), engine_->last_committed());
  }
  // Counts are kept, and made where an earlier version has kept those of bytes alone.
  const auto of_bytes = engine_->store().get(kMeta, "oplog").value()->substr(0, 16);
  open({.dbpath = path, .background = false, .oplog_bytes = kSize});
  bytes();
  EXPECT_EQ(engine_->oplog_entries(), entries);
  kv::Batch batch;
  batch.put(kMeta, "oplog", of_bytes);
  ASSERT_TRUE(engine_->store().write(batch, true));
  open({.dbpath = path, .background = false, .oplog_bytes = kSize});
  bytes();
  EXPECT_EQ(engine_->oplog_entries(), entries);
  engine_.reset();
  std::filesystem::remove_all(path);
}

// A cursor that has read nothing yet, or rests, and an oplog that goes on without it.
TEST_F(EngineTest, AnOplogCursorHasNoGap) {
  constexpr std::uint64_t kSize = 64 << 10;
  open({.in_memory = true, .housekeeping_interval = std::chrono::hours(1), .oplog_bytes = kSize});
  create("c");
  const auto start = insert("c", R"({"_id": 0})");
  const auto unread = engine_->oplog(start), read = engine_->oplog(start), later = engine_->oplog({start.seconds, start.increment + 1});
  const auto from_the_oldest = engine_->oplog({});
  ASSERT_TRUE(read->next().value());
  read->rest();
  insert("c", R"({"_id": 1})");
  const auto third = insert("c", R"({"_id": 2})");
  const auto pad = std::string(10'000, 'x');
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (int i = 3; engine_->oldest_oplog_time() <= third && std::chrono::steady_clock::now() < deadline; ++i) {
    insert("c", "{\"_id\": " + std::to_string(i) + ", \"x\": \"" + pad + "\"}");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_GT(engine_->oldest_oplog_time(), third);
  for (const auto* cursor : {&unread, &read, &later}) {
    const auto next = (*cursor)->next();
    ASSERT_FALSE(next);
    EXPECT_EQ(next.error().server_code, 136);
  }
  EXPECT_TRUE(from_the_oldest->next().value());
  const auto at_the_end = engine_->oplog({engine_->last_committed().seconds, engine_->last_committed().increment + 1});
  EXPECT_FALSE(at_the_end->next().value());
  insert("c", R"({"_id": "last"})");
  EXPECT_TRUE(at_the_end->next().value());
}

// An entry larger than the whole oplog stays until there is another, and is counted as long.
TEST_F(EngineTest, AnEntryLargerThanTheOplogIsKept) {
  constexpr std::uint64_t kSize = 64 << 10;
  open({.in_memory = true, .housekeeping_interval = std::chrono::milliseconds(1), .oplog_bytes = kSize});
  create("c");
  const auto only = insert("c", R"({"_id": 1, "x": ")" + std::string(2 * kSize, 'x') + "\"}");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (engine_->oldest_oplog_time() < only && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(engine_->oldest_oplog_time(), only);
  EXPECT_GT(engine_->oplog_bytes(), 2 * kSize);
  auto rest = engine_->oplog({});
  const auto entry = rest->next().value();
  ASSERT_TRUE(entry);
  EXPECT_EQ((*entry)["ts"].to_timestamp(), only);
  EXPECT_FALSE(rest->next().value());
}

TEST_F(EngineTest, AHandedOutTimeCanBeReadAgainExactly) {
  create("c");
  insert("c", R"({"_id": 1})");
  const auto time = engine_->hand_out_time(Engine::HandOut::kAskedFor);
  const auto later = write([&](WriteUnit& unit) {
    const auto collection = unit.catalog().find(Namespace{"db", "c"});
    EXPECT_TRUE(unit.insert(collection, doc(R"({"_id": 2})")));
    EXPECT_TRUE(unit.insert(collection, doc(R"({"_id": 3})")));
  });
  insert("c", R"({"_id": 4})");
  const auto view = engine_->view_at(time);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_THAT(documents(*make_reader(*engine_, *view), "c"), ElementsAre("{ _id: 1 }"));
  // A time in the middle of a commit, or one that nobody was given, cannot be had: never something near it.
  const auto refused = engine_->view_at(later);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().server_code, code::kSnapshotTooOld);
}

// Longer than an iterator lives: nothing is left out, given twice or seen of what came later.
TEST_F(EngineTest, LongWalksReadTheirViewToTheEnd) {
  constexpr int kDocuments = 25'000, kLater = 100;
  create("c");
  const auto insert_many = [&](int from, int count) {
    write([&](WriteUnit& unit) {
      const auto collection = unit.catalog().find(Namespace{"db", "c"});
      for (int i = from; i < from + count; ++i) ASSERT_TRUE(unit.insert(collection, bson::make_document({{"_id", i}})));
    });
  };
  insert_many(0, kDocuments);
  const auto reader = make_reader(*engine_, engine_->view());
  const auto collection = reader->catalog().find(Namespace{"db", "c"});
  for (const bool forward : {true, false}) {
    RecordCursor records(*reader, *collection, forward);
    IndexCursor entries(*reader, *collection->id_index(), "", "\xff", forward);
    for (int i = 0; i < kDocuments; ++i) {
      if (i == kDocuments / 4) insert_many(kDocuments + (forward ? 0 : kLater), kLater);
      const auto document = records.next().value();
      const auto id = entries.next().value();
      ASSERT_TRUE(document && id) << i;
      ASSERT_EQ((*document)["_id"].to_int64(), forward ? i : kDocuments - 1 - i);
      ASSERT_EQ(*id, records.id());
    }
    EXPECT_FALSE(records.next().value());
    EXPECT_FALSE(entries.next().value());
  }
}

// Of large documents an iterator walks through a few at a time; gaps of any width lie between them.
TEST_F(EngineTest, WalksThroughLargeDocumentsLeaveNoneOut) {
  create("before");
  create("c");
  create("behind");
  insert("before", R"({"_id": 1})");
  insert("behind", R"({"_id": 1})");
  const std::vector<std::uint8_t> bytes(300'000);
  const bson::Binary pad{0, bytes};
  std::vector<std::int64_t> left;
  for (int i = 0; i < 150; ++i) {
    write([&](WriteUnit& unit) {
      const auto collection = unit.catalog().find(Namespace{"db", "c"});
      const auto document = bson::make_document({{"_id", i}, {"pad", pad}});
      const auto id = unit.insert(collection, document);
      ASSERT_TRUE(id);
      const bool stays = i == 3 || i == 40 || i == 41 || i >= 130;
      if (stays) left.push_back(i);
      else ASSERT_TRUE(unit.remove(collection, *id, document));
    });
  }
  const auto reader = make_reader(*engine_, engine_->view());
  const auto collection = reader->catalog().find(Namespace{"db", "c"});
  const auto walk = [&](bool forward, std::optional<RecordId> after) {
    std::vector<std::int64_t> found;
    RecordCursor records(*reader, *collection, forward, after);
    while (const auto document = records.next().value()) found.push_back((*document)["_id"].to_int64().value_or(-1));
    EXPECT_FALSE(records.next().value());
    return found;
  };
  EXPECT_EQ(walk(true, {}), left);
  EXPECT_EQ(walk(false, {}), std::vector<std::int64_t>(left.rbegin(), left.rend()));
  EXPECT_EQ(walk(true, RecordId{41}), std::vector<std::int64_t>(left.begin() + 2, left.end()));
}

TEST_F(EngineTest, UniqueIndexesRefuseAndSayWhichKey) {
  create("c");
  write([&](WriteUnit& unit) {
    EXPECT_TRUE(unit.create_indexes(unit.catalog().find(Namespace{"db", "c"}), {doc(R"({"v": 2, "unique": true, "key": {"a": 1}, "name": "a_1"})")}));
  });
  insert("c", R"({"_id": 1, "a": "x"})");
  auto unit = engine_->begin_write();
  const auto collection = unit->catalog().find(Namespace{"db", "c"});
  const auto again = unit->insert(collection, doc(R"({"_id": 2, "a": "x"})"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().server_code, 11000);
  EXPECT_EQ(again.error().message, "E11000 duplicate key error collection: db.c index: a_1 dup key: { a: \"x\" }");
  EXPECT_EQ(bson::to_shell(unit->duplicate()->key_value), "{ a: \"x\" }");
  // Within one unit too.
  EXPECT_TRUE(unit->insert(collection, doc(R"({"_id": 3, "a": "y"})")));
  EXPECT_FALSE(unit->insert(collection, doc(R"({"_id": 4, "a": "y"})")));
  EXPECT_FALSE(unit->insert(collection, doc(R"({"_id": 3, "a": "z"})")));
}

TEST_F(EngineTest, ATransactionReadsItsViewAndItsOwnWrites) {
  create("c");
  insert("c", R"({"_id": 1})");
  auto transaction = engine_->begin_transaction(engine_->view());
  insert("c", R"({"_id": 2})");
  {
    auto statement = transaction->begin_statement();
    EXPECT_TRUE(statement->insert(statement->catalog().find(Namespace{"db", "c"}), doc(R"({"_id": 3})")));
    EXPECT_TRUE(statement->commit());
  }
  EXPECT_THAT(documents(*transaction->reader(), "c"), ElementsAre("{ _id: 1 }", "{ _id: 3 }"));
  EXPECT_THAT(documents("c"), ElementsAre("{ _id: 1 }", "{ _id: 2 }"));
  const auto start = engine_->last_committed();
  ASSERT_TRUE(transaction->commit(doc(R"({"id": 1, "uid": 1})"), 5));
  EXPECT_THAT(documents("c"), ElementsAre("{ _id: 1 }", "{ _id: 2 }", "{ _id: 3 }"));
  const auto entries = oplog(start);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].view().at_path("o.applyOps.0.op").to_string_view(), "i");
  EXPECT_EQ(entries[0]["txnNumber"].to_int64(), 5);
}

TEST_F(EngineTest, TheFirstWriterWins) {
  create("c");
  insert("c", R"({"_id": 1})");
  const auto touch = [](WriteUnit& unit) {
    const auto collection = unit.catalog().find(Namespace{"db", "c"});
    const auto record = unit.find_by_id(*collection, doc(R"({"_id": 1})")["_id"]).value();
    return unit.update(collection, record->id, record->document, doc(R"({"_id": 1, "t": 1})"), doc(R"({"_id": 1, "t": 1})"));
  };
  auto first = engine_->begin_transaction(engine_->view());
  auto second = engine_->begin_transaction(engine_->view());
  {
    auto statement = first->begin_statement();
    EXPECT_TRUE(touch(*statement));
    EXPECT_TRUE(statement->commit());
  }
  {
    auto statement = second->begin_statement();
    const auto refused = touch(*statement);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().server_code, code::kWriteConflict);
  }
  {
    auto unit = engine_->begin_write();
    EXPECT_FALSE(touch(*unit));  // an ordinary write waits for the transaction and comes again
  }
  first->abort();
  write([&](WriteUnit& unit) { EXPECT_TRUE(touch(unit)); });
  {
    auto statement = second->begin_statement();  // changed since its view
    const auto refused = touch(*statement);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().server_code, code::kWriteConflict);
  }
}

TEST_F(EngineTest, AnAbortedTransactionLeavesNothing) {
  create("c");
  {
    auto transaction = engine_->begin_transaction(engine_->view());
    auto statement = transaction->begin_statement();
    EXPECT_TRUE(statement->insert(statement->catalog().find(Namespace{"db", "c"}), doc(R"({"_id": 1})")));
    EXPECT_TRUE(statement->commit());
    statement.reset();
  }
  EXPECT_THAT(documents("c"), testing::IsEmpty());
  insert("c", R"({"_id": 1})");
}

TEST_F(EngineTest, ACappedCollectionForgetsItsOldest) {
  create("c", R"({"capped": true, "size": 4096, "max": 2})");
  for (const auto* json : {R"({"_id": 1})", R"({"_id": 2})", R"({"_id": 3})"}) insert("c", json);
  EXPECT_THAT(documents("c"), ElementsAre("{ _id: 2 }", "{ _id: 3 }"));
  insert("c", R"({"_id": 1})");  // its _id is free again
}

// In one unit: an _id that has gone is found again where it has come back, and is taken.
TEST_F(EngineTest, WhatOneUnitRemovesAndInsertsAgainIsIndexed) {
  create("capped", R"({"capped": true, "size": 4096, "max": 1})");
  create("plain");
  insert("capped", R"({"_id": 7})");
  insert("plain", R"({"_id": 7})");
  write([&](WriteUnit& unit) {
    const auto capped = unit.catalog().find(Namespace{"db", "capped"}), plain = unit.catalog().find(Namespace{"db", "plain"});
    for (const auto* json : {R"({"_id": 6})", R"({"_id": 7, "again": 1})"}) EXPECT_TRUE(unit.insert(capped, doc(json)));
    const auto old = unit.find_by_id(*plain, doc(R"({"_id": 7})")["_id"]).value();
    EXPECT_TRUE(unit.remove(plain, old->id, old->document));
    EXPECT_TRUE(unit.insert(plain, doc(R"({"_id": 7, "again": 1})")));
    EXPECT_FALSE(unit.insert(plain, doc(R"({"_id": 7})")));
  });
  for (const std::string name : {"capped", "plain"}) {
    const auto reader = make_reader(*engine_, engine_->view());
    const auto collection = reader->catalog().find(Namespace{"db", name});
    const auto found = reader->find_by_id(*collection, doc(R"({"_id": 7})")["_id"]).value();
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(bson::to_shell(found->document), "{ _id: 7, again: 1 }");
    auto unit = engine_->begin_write();
    EXPECT_FALSE(unit->insert(collection, doc(R"({"_id": 7})"))) << name;
  }
}

TEST_F(EngineTest, LongIndexBuildsFollowWritesAndCheckAtTheEnd) {
  create("c");
  for (int i = 0; i < 10; ++i) insert("c", "{\"_id\": " + std::to_string(i) + ", \"a\": " + std::to_string(i) + "}");
  const auto build = Uuid::random(*runtime_);
  write([&](WriteUnit& unit) {
    EXPECT_TRUE(unit.start_index_build(unit.catalog().find(Namespace{"db", "c"}), build, {doc(R"({"v": 2, "unique": true, "key": {"a": 1}, "name": "a_1"})")}));
  });
  std::optional<RecordId> at;
  write([&](WriteUnit& unit) { at = unit.add_index_entries(unit.catalog().find(Namespace{"db", "c"}), build, {}, 5).value(); });
  insert("c", R"({"_id": 100, "a": 3})");  // a duplicate, while nobody checks
  write([&](WriteUnit& unit) { EXPECT_TRUE(unit.add_index_entries(unit.catalog().find(Namespace{"db", "c"}), build, at, 100)); });
  auto unit = engine_->begin_write();
  const auto refused = unit->commit_index_build(unit->catalog().find(Namespace{"db", "c"}), build);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().server_code, 11000);
}

// What nobody carries on is aborted, with its entry; what somebody does is left alone.
TEST_F(EngineTest, WhatNobodyCarriesOnIsTidied) {
  create("c");
  insert("c", R"({"_id": 1, "a": 1})");
  const auto collection = [](const Reader& reader) { return reader.catalog().find(Namespace{"db", "c"}); };
  const auto build = Uuid::random(*runtime_), output = Uuid::random(*runtime_);
  auto building = engine_->carry_on(build);
  auto filling = engine_->carry_on(output);
  write([&](WriteUnit& unit) {
    EXPECT_TRUE(unit.start_index_build(collection(unit), build, {doc(R"({"v": 2, "key": {"a": 1}, "name": "a_1"})")}));
    EXPECT_TRUE(unit.create_collection({"db", std::string(kUnfinishedOutput) + output.to_string()}, doc(R"({"temp": true})"), bson::View()));
  });
  const auto is_there = [&] { return collection(*make_reader(*engine_, engine_->view()))->index("a_1") != nullptr; };
  const auto has_output = [&] { return engine_->view()->catalog->find(Namespace{"db", std::string(kUnfinishedOutput) + output.to_string()}) != nullptr; };
  ASSERT_TRUE(engine_->tidy_abandoned());
  EXPECT_TRUE(is_there() && has_output());
  write([&](WriteUnit& unit) {
    const auto refused = unit.rename_collection(collection(unit), {"db", "other"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().server_code, 12587);
  });
  building.reset();
  ASSERT_TRUE(engine_->tidy_abandoned());
  EXPECT_FALSE(is_there());
  EXPECT_TRUE(has_output());
  EXPECT_TRUE(oplog({}).back()["o"].document_value()["abortIndexBuild"].exists());
  filling.reset();
  const auto before = engine_->last_committed();
  ASSERT_TRUE(engine_->tidy_abandoned());
  EXPECT_FALSE(has_output());
  EXPECT_GT(engine_->last_committed(), before);
}

TEST_F(EngineTest, WhoseCollectionIsDroppedIsTold) {
  create("c");
  insert("c", R"({"_id": 1, "a": 1})");
  const auto build = Uuid::random(*runtime_);
  const auto carried = engine_->carry_on(build);
  const auto collection = [](const Reader& reader) { return reader.catalog().find(Namespace{"db", "c"}); };
  write([&](WriteUnit& unit) { EXPECT_TRUE(unit.start_index_build(collection(unit), build, {doc(R"({"v": 2, "key": {"a": 1}, "name": "a_1"})")})); });
  EXPECT_FALSE(carried->aborted());
  write([&](WriteUnit& unit) { EXPECT_TRUE(unit.drop_collection(collection(unit))); });
  ASSERT_TRUE(carried->aborted());
  EXPECT_EQ(carried->aborted()->server_code, 276);
  const auto entries = oplog({});
  EXPECT_TRUE(entries.at(entries.size() - 2)["o"].document_value()["abortIndexBuild"].exists());
  EXPECT_TRUE(entries.back()["o"].document_value()["drop"].exists());
}

TEST_F(EngineTest, WhoWaitsToWriteMayBeStopped) {
  create("c");
  auto writing = engine_->begin_write();
  std::thread([&] {
    std::stop_source stop;
    EXPECT_EQ(engine_->begin_write(Patience{std::chrono::milliseconds(30), stop.get_token()}).error().server_code, 50);
    stop.request_stop();
    EXPECT_EQ(engine_->begin_write(Patience{kNoTimeout, stop.get_token()}).error().server_code, 11601);
  }).join();
  writing.reset();
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_TRUE(engine_->begin_write(Patience{Duration::zero(), stopped.get_token()}));  // nobody is in the way
}

// Each ends what it has filled itself, and what a start finds unfinished is aborted as what it was.
TEST_F(EngineTest, BuildsOfOneCollectionKeepApart) {
  const auto path = (std::filesystem::temp_directory_path() / ("drover-engine-" + std::to_string(runtime_->random()))).string();
  open({.dbpath = path, .background = false});
  create("c");
  for (int i = 0; i < 10; ++i) insert("c", "{\"_id\": " + std::to_string(i) + ", \"a\": " + std::to_string(i) + "}");
  const auto collection = [](const Reader& reader) { return reader.catalog().find(Namespace{"db", "c"}); };
  const auto begin = [&](const std::string& name) {
    const auto build = Uuid::random(*runtime_);
    write([&](WriteUnit& unit) { EXPECT_TRUE(unit.start_index_build(collection(unit), build, {doc(R"({"v": 2, "key": {"a": 1}, "name": ")" + name + "\"}")})); });
    return build;
  };
  const auto fill = [&](const Uuid& build, std::optional<RecordId> after, std::size_t limit) {
    std::optional<RecordId> last;
    write([&](WriteUnit& unit) { last = unit.add_index_entries(collection(unit), build, after, limit).value(); });
    return last;
  };
  const auto entries = [&](const std::string& name) {
    const auto reader = make_reader(*engine_, engine_->view());
    IndexCursor cursor(*reader, *collection(*reader)->index(name), "", std::string(1, '\xff') + std::string(8, '\xff'));
    int found = 0;
    while (cursor.next().value()) ++found;
    return found;
  };
  const auto is_ready = [&](const std::string& name) { return collection(*make_reader(*engine_, engine_->view()))->index(name)->ready; };
  const auto first = begin("first");
  const auto at = fill(first, {}, 5);
  const auto second = begin("second"), third = begin("third");
  fill(first, at, 100);
  EXPECT_EQ(entries("second"), 0);
  fill(second, {}, 5);
  write([&](WriteUnit& unit) { EXPECT_TRUE(unit.commit_index_build(collection(unit), first)); });
  EXPECT_TRUE(is_ready("first"));
  EXPECT_FALSE(is_ready("second"));
  EXPECT_EQ(bson::to_shell(oplog({}).back().view().at_path("o.indexes").document_value()), "{ 0: { v: 2, key: { a: 1 }, name: \"first\" } }");
  write([&](WriteUnit& unit) { EXPECT_TRUE(unit.abort_index_build(collection(unit), third, Error{ErrorCode::kFailure, "killed", 11601, {}})); });
  EXPECT_EQ(entries("first"), 10);
  EXPECT_EQ(entries("second"), 5);
  const auto fourth = begin("fourth");
  const auto before = engine_->last_committed();
  open({.dbpath = path, .background = false});
  ASSERT_EQ(collection(*make_reader(*engine_, engine_->view()))->indexes.size(), 2u);  // and _id
  EXPECT_EQ(entries("first"), 10);
  const auto aborted = oplog(before);
  ASSERT_EQ(aborted.size(), 2u);
  std::set<Uuid> builds;
  for (const auto& entry : aborted) builds.insert(entry.view().at_path("o.indexBuildUUID").to_uuid().value_or(Uuid()));
  EXPECT_EQ(builds, (std::set<Uuid>{second, fourth}));
  engine_.reset();
  std::filesystem::remove_all(path);
}

// What an open transaction has written is in the index, and was not asked whether its keys were taken.
TEST_F(EngineTest, ABuildIsNotCommittedOverATransaction) {
  create("c");
  insert("c", R"({"_id": 1, "a": 1})");
  const auto build = Uuid::random(*runtime_);
  const auto collection = [](const Reader& reader) { return reader.catalog().find(Namespace{"db", "c"}); };
  write([&](WriteUnit& unit) {
    EXPECT_TRUE(unit.start_index_build(collection(unit), build, {doc(R"({"v": 2, "unique": true, "key": {"a": 1}, "name": "a_1"})")}));
  });
  write([&](WriteUnit& unit) { EXPECT_TRUE(unit.add_index_entries(collection(unit), build, {}, 100)); });
  const auto commit_build = [&] {
    auto unit = engine_->begin_write();
    const auto done = unit->commit_index_build(collection(*unit), build);
    return done ? 0 : done.error().server_code;
  };
  auto transaction = engine_->begin_transaction(engine_->view());
  {
    auto statement = transaction->begin_statement();
    ASSERT_TRUE(statement->insert(collection(*statement), doc(R"({"_id": 2, "a": 1})")));
    ASSERT_TRUE(statement->commit());
  }
  EXPECT_EQ(commit_build(), code::kWriteConflict);
  ASSERT_TRUE(transaction->commit(doc(R"({"id": 1})"), 1));
  EXPECT_EQ(commit_build(), code::kDuplicateKey);
}

// One unit of a build holds up every other writer: it is short, however large the documents are, or their keys.
TEST_F(EngineTest, AStepOfAnIndexBuildIsBoundedInBytes) {
  create("c");
  constexpr int kDocuments = 8;
  const auto pad = std::string(1'500'000, 'x');
  for (int i = 0; i < kDocuments; ++i) insert("c", "{\"_id\": " + std::to_string(i) + ", \"a\": [" + std::to_string(i) + ", \"y\"], \"x\": \"" + pad + "\"}");
  for (const auto* key : {"a", "x"}) {
    const auto build = Uuid::random(*runtime_);
    const auto name = std::string(key) + "_1";
    write([&](WriteUnit& unit) {
      const auto spec = doc("{\"v\": 2, \"key\": {\"" + std::string(key) + "\": 1}, \"name\": \"" + name + "\"}");
      EXPECT_TRUE(unit.start_index_build(unit.catalog().find(Namespace{"db", "c"}), build, {spec}));
    });
    std::optional<RecordId> at;
    int steps = 0;
    for (bool more = true; more && steps <= kDocuments; ++steps) {
      write([&](WriteUnit& unit) {
        const auto next = unit.add_index_entries(unit.catalog().find(Namespace{"db", "c"}), build, at, 1000).value();
        EXPECT_LE(unit.bytes(), WriteUnit::kMaxBuildStepBytes + 2 * pad.size());
        more = next.has_value();
        if (next) at = next;
      });
    }
    EXPECT_EQ(steps, 4) << "three documents in a step, and one that finds the end";
    write([&](WriteUnit& unit) { EXPECT_TRUE(unit.commit_index_build(unit.catalog().find(Namespace{"db", "c"}), build)); });
    const auto reader = make_reader(*engine_, engine_->view());
    const auto index = reader->catalog().find(Namespace{"db", "c"})->index(name);
    IndexCursor entries(*reader, *index, "", std::string(1, '\xff') + std::string(8, '\xff'));
    int found = 0;
    while (entries.next().value()) ++found;
    EXPECT_EQ(found, key == std::string("a") ? 2 * kDocuments : kDocuments);
  }
}

TEST_F(EngineTest, DropsAndRenamesKeepOldViewsWhole) {
  create("c");
  insert("c", R"({"_id": 1})");
  const auto before = engine_->view();
  write([&](WriteUnit& unit) { EXPECT_TRUE(unit.rename_collection(unit.catalog().find(Namespace{"db", "c"}), {"db", "d"})); });
  EXPECT_THAT(documents("d"), ElementsAre("{ _id: 1 }"));
  write([&](WriteUnit& unit) { EXPECT_TRUE(unit.drop_collection(unit.catalog().find(Namespace{"db", "d"}))); });
  EXPECT_THAT(documents("d"), ElementsAre("no collection"));
  EXPECT_THAT(documents(*make_reader(*engine_, before), "c"), ElementsAre("{ _id: 1 }"));
}

// What is logged is committed by a primary alone; and the term that it was elected in is in every entry, after a restart too.
TEST_F(EngineTest, ASecondaryCommitsNothing) {
  const auto path = (std::filesystem::temp_directory_path() / ("drover-engine-" + std::to_string(runtime_->random()))).string();
  open({.dbpath = path, .background = false});
  create("c");
  const auto first = insert("c", R"({"_id": 1})");
  EXPECT_EQ(engine_->term(), 1);
  {
    auto under_way = engine_->begin_write();
    ASSERT_TRUE(under_way->insert(under_way->catalog().find(Namespace{"db", "c"}), doc(R"({"_id": 2})")));
    std::jthread steps_down([&] { engine_->step_down(); });  // waits for it
    EXPECT_TRUE(under_way->commit());
  }
  EXPECT_FALSE(engine_->is_primary());
  {
    auto transaction = engine_->begin_transaction(engine_->view());
    {
      auto statement = transaction->begin_statement();
      ASSERT_TRUE(statement->insert(statement->catalog().find(Namespace{"db", "c"}), doc(R"({"_id": 3})")));
      ASSERT_TRUE(statement->commit());
    }
    const auto refused = transaction->commit(doc(R"({"id": 1})"), 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().server_code, 11602);
  }
  EXPECT_FALSE(engine_->append_note(doc("{}")));
  EXPECT_THAT(documents("c"), ElementsAre("{ _id: 1 }", "{ _id: 2 }"));
  ASSERT_TRUE(engine_->be_elected());
  EXPECT_TRUE(engine_->is_primary());
  insert("c", R"({"_id": 4})");
  const auto entries = oplog(first);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0]["t"].to_int64(), 1);
  EXPECT_EQ(bson::to_shell(entries[1]["o"].document_value()), "{ msg: \"new primary\" }");
  for (const auto i : {1u, 2u}) EXPECT_EQ(entries[i]["t"].to_int64(), 2);
  open({.dbpath = path, .background = false});
  EXPECT_EQ(engine_->term(), 2);
  engine_.reset();
  std::filesystem::remove_all(path);
}

TEST_F(EngineTest, WhatIsLeftOfAnOutputIsDroppedAtTheStartAndAfterAnElection) {
  const auto path = (std::filesystem::temp_directory_path() / ("drover-engine-" + std::to_string(runtime_->random()))).string();
  open({.dbpath = path, .background = false});
  create("tmp.agg_out.mine");
  create("temporary", R"({"temp": true})");
  for (const bool restarts : {false, true}) {
    create("tmp.agg_out.1", R"({"temp": true})");
    insert("tmp.agg_out.1", R"({"_id": 1})");
    if (restarts) {
      open({.dbpath = path, .background = false});
    } else {
      engine_->step_down();
      ASSERT_TRUE(engine_->be_elected());
    }
    EXPECT_THAT(documents("tmp.agg_out.1"), ElementsAre("no collection"));
    EXPECT_EQ(oplog({}).back().view().at_path("o.drop").to_string_view(), "tmp.agg_out.1");
    for (const auto* name : {"tmp.agg_out.mine", "temporary"}) EXPECT_THAT(documents(name), testing::IsEmpty());
  }
  engine_.reset();
  std::filesystem::remove_all(path);
}

TEST_F(EngineTest, ARestartFindsEverything) {
  const auto path = (std::filesystem::temp_directory_path() / ("drover-engine-" + std::to_string(runtime_->random()))).string();
  open({.dbpath = path, .background = false});
  create("c");
  write([&](WriteUnit& unit) {
    EXPECT_TRUE(unit.create_indexes(unit.catalog().find(Namespace{"db", "c"}), {doc(R"({"v": 2, "key": {"a": 1}, "name": "a_1"})")}));
  });
  const auto last = insert("c", R"({"_id": 1, "a": [1, 2]})");
  open({.dbpath = path, .background = false});
  EXPECT_THAT(documents("c"), ElementsAre("{ _id: 1, a: [ 1, 2 ] }"));
  const auto collection = engine_->view()->catalog->find(Namespace{"db", "c"});
  EXPECT_EQ(collection->counters->copy().records, 1);
  EXPECT_NE(collection->index("a_1")->multikey->load(), 0u);
  EXPECT_GE(engine_->last_committed(), last);
  EXPECT_LT(last, insert("c", R"({"_id": 2})"));
  engine_.reset();
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace drover::sandbox
