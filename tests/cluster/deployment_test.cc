// Every method of the port, over libmongoc, against an embedded server in 4.4 and in 8.0 mode.
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "cluster/mongo_deployment.h"
#include "sandbox_process.h"

namespace drover::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

bson::Document json(const std::string& text) { return bson::from_ejson(text).value(); }
bson::Value value(const std::string& text) { return bson::Value(json("{\"v\": " + text + "}")["v"]); }
// Canonical Extended JSON without blanks: types show.
std::string text(const bson::Element& element) {
  auto shown = bson::to_ejson(element);
  std::erase(shown, ' ');
  return shown;
}

class DeploymentTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {}
  static void TearDownTestSuite() { sandboxes().clear(); }
  // One server per version for the whole program: tests use collections of their own.
  static std::map<std::string, std::unique_ptr<drover::testing::SandboxProcess>>& sandboxes() {
    static std::map<std::string, std::unique_ptr<drover::testing::SandboxProcess>> all;
    return all;
  }

  void SetUp() override {
    auto& sandbox = sandboxes()[GetParam()];
    if (!sandbox) sandbox = std::make_unique<drover::testing::SandboxProcess>(GetParam());
    sandbox_ = sandbox.get();
    std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    ns_ = {"d", name.substr(0, name.find('/'))};
    deployment_ = open(Side::kSource);
    ASSERT_TRUE(deployment_->drop_collection(ns_));
  }

  std::unique_ptr<Deployment> open(Side side, const std::string& more = "") {
    return connect({.uri = sandbox_->uri() + "?serverSelectionTimeoutMS=3000" + more, .side = side}, *runtime_, stop_.get_token()).value();
  }
  CollectionInfo info() {
    const auto infos = deployment_->list_collections("d").value();
    for (const auto& one : infos) {
      if (one.ns == ns_) return one;
    }
    ADD_FAILURE() << ns_.to_string() << " is not listed";
    return {};
  }
  WriteContext next() { return {session_, ++number_}; }
  void fill(const std::vector<std::string>& documents) {
    std::vector<bson::Document> parsed;
    for (const auto& one : documents) parsed.push_back(json(one));
    const auto reply = deployment_->insert(next(), ns_, bson::make_array(parsed));
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_EQ(reply->n, static_cast<std::int64_t>(documents.size()));
  }
  std::vector<std::string> read_ids(const RangeRead& range) {
    std::vector<std::string> ids;
    auto cursor = deployment_->read_range(range);
    EXPECT_TRUE(cursor) << cursor.error().message;
    if (!cursor) return ids;
    for (bool last = false; !last;) {
      const auto batch = (*cursor)->next({});
      EXPECT_TRUE(batch) << batch.error().message;
      if (!batch) return ids;
      for (const auto& item : batch->array) ids.push_back(text(item.document_value()["_id"]));
      last = batch->last;
    }
    return ids;
  }
  bson::Document only_document(const std::string& id) {
    const std::vector ids = {value(id)};
    const auto state = deployment_->read_by_ids(ns_, info().uuid, ids, {}, kAllBytes);
    EXPECT_TRUE(state && state->documents.size() == 1);
    return state && !state->documents.empty() ? state->documents.front() : bson::Document();
  }

  drover::testing::SandboxProcess* sandbox_ = nullptr;
  std::unique_ptr<Runtime> runtime_ = make_real_runtime();
  std::stop_source stop_;
  std::unique_ptr<Deployment> deployment_;
  Namespace ns_;
  const Uuid session_ = Uuid::random(*runtime_);
  std::int64_t number_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Versions, DeploymentTest, ::testing::Values("4.4", "8.0"),
                         [](const auto& info) { return info.param == "4.4" ? "v44" : "v80"; });

TEST_P(DeploymentTest, Facts) {
  const auto facts = deployment_->facts();
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(std::to_string(facts->version.major) + "." + std::to_string(facts->version.minor), GetParam());
  EXPECT_EQ(facts->fcv.major, facts->version.major);
  EXPECT_EQ(facts->set_name, "rs0");
  EXPECT_TRUE(facts->is_writable_primary);
  EXPECT_FALSE(facts->is_mongos);
  EXPECT_FALSE(facts->authorization);
  EXPECT_EQ(facts->hosts.size(), 1u);
  EXPECT_NE(facts->replica_set_id, bson::ObjectId{});
}

TEST_P(DeploymentTest, Times) {
  const auto before = deployment_->majority_time();
  ASSERT_TRUE(before) << before.error().message;
  const auto note = deployment_->append_note(json(R"({"drover": "test"})"));
  ASSERT_TRUE(note) << note.error().message;
  EXPECT_GT(*note, *before);
  EXPECT_GE(deployment_->majority_time().value(), *note);
}

TEST_P(DeploymentTest, InsertIsDoneOncePerNumber) {
  const auto documents = bson::make_array(std::vector{json(R"({"_id": 1})"), json(R"({"_id": 2})")});
  const auto context = next();
  for (int i = 0; i < 2; ++i) {
    const auto reply = deployment_->insert(context, ns_, documents);
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->n, 2);
    EXPECT_TRUE(reply->errors.empty());
  }
  const auto again = deployment_->insert(next(), ns_, documents);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->n, 0);
  ASSERT_EQ(again->errors.size(), 2u);
  EXPECT_EQ(again->errors[1].code, 11000);
  EXPECT_EQ(again->errors[1].index, 1);
}

// Whoever reads only the first of the two believes that the rest of the batch lasts.
TEST_P(DeploymentTest, WriteErrorsDoNotHideAWriteConcernError) {
  fill({R"({"_id": 1})"});
  ASSERT_TRUE(deployment_->run_command("admin", json(R"({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": {
      "failCommands": ["insert"], "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}})")));
  const auto documents = bson::make_array(std::vector{json(R"({"_id": 1})"), json(R"({"_id": 2})")});
  const auto context = next();
  const auto unsure = deployment_->insert(context, ns_, documents);
  ASSERT_FALSE(unsure);
  EXPECT_EQ(unsure.error().code, ErrorCode::kTemporary) << unsure.error().message;
  const auto repeated = deployment_->insert(context, ns_, documents);
  ASSERT_TRUE(repeated) << repeated.error().message;
  EXPECT_EQ(repeated->n, 1);
  EXPECT_EQ(repeated->errors.size(), 1u);
}

TEST_P(DeploymentTest, BytesAreKept) {
  fill({R"({"_id": 1, "zero": {"$timestamp": {"t": 0, "i": 0}}, "b": 1, "a": {"$numberLong": "2"}})"});
  EXPECT_EQ(only_document("1"), json(R"({"_id": 1, "zero": {"$timestamp": {"t": 0, "i": 0}}, "b": 1, "a": {"$numberLong": "2"}})"));
  const auto zero = json(R"({"_id": 1, "a": 1.0, "zero": {"$timestamp": {"t": 0, "i": 0}}})");
  const std::vector<bson::View> documents = {zero};
  const auto reply = deployment_->replace(next(), ns_, documents);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(only_document("1"), zero);
  const auto refused = deployment_->insert(next(), ns_, bson::make_array(std::vector{zero}));
  ASSERT_TRUE(refused) << refused.error().message;
  ASSERT_EQ(refused->errors.size(), 1u);
  EXPECT_EQ(refused->errors[0].code, 11000) << refused->errors[0].message;
}

// The stream unpacks them, not the driver.
TEST_P(DeploymentTest, CompressedRepliesAreRead) {
  std::vector<std::string> documents;
  for (int i = 0; i < 3000; ++i) documents.push_back("{\"_id\": " + std::to_string(i) + ", \"text\": \"" + std::string(static_cast<std::size_t>(i % 900), 'x') + "\"}");
  fill(documents);
  for (const char* compressor : {"snappy", "zlib", "zstd"}) {
    deployment_ = open(Side::kSource, std::string("&compressors=") + compressor);
    EXPECT_EQ(read_ids({.ns = ns_, .uuid = info().uuid, .min = {}, .max = {}, .at = {}}).size(), 3000u) << compressor;
    EXPECT_TRUE(deployment_->majority_time()) << compressor;
  }
}

TEST_P(DeploymentTest, ReplaceInsertsAndReplaces) {
  fill({R"({"_id": 1, "a": 1})"});
  const auto one = json(R"({"_id": 1, "b": 1})"), two = json(R"({"_id": {"x": 1}, "b": 2})");
  const std::vector<bson::View> documents = {one, two};
  ASSERT_TRUE(deployment_->replace(next(), ns_, documents));
  EXPECT_EQ(only_document("1"), one);
  EXPECT_EQ(only_document(R"({"x": 1})"), two);
  const std::vector ids = {value("1"), value("7")};
  const auto removed = deployment_->remove(next(), ns_, ids);
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(removed->n, 1);
}

TEST_P(DeploymentTest, RangesCrossTypes) {
  fill({R"({"_id": {"$minKey": 1}})", R"({"_id": null})", R"({"_id": 1})", R"({"_id": 2.5})", R"({"_id": "a"})",
        R"({"_id": {"k": 1}})", R"({"_id": true})", R"({"_id": {"$maxKey": 1}})"});
  const auto uuid = info().uuid;
  const auto time = deployment_->majority_time().value();
  EXPECT_EQ(read_ids({.ns = ns_, .uuid = uuid, .at = {.time = time}, .batch_documents = 2}).size(), 8u);
  EXPECT_THAT(read_ids({.ns = ns_, .uuid = uuid, .max = value("2"), .at = {.time = time}, .ids_only = true}),
              ElementsAre(R"({"$minKey":1})", "null", R"({"$numberInt":"1"})"));
  EXPECT_THAT(read_ids({.ns = ns_, .uuid = uuid, .min = value("2"), .max = value(R"({"k": 1})"), .batch_documents = 1}),
              ElementsAre(R"({"$numberDouble":"2.5"})", "\"a\""));
}

TEST_P(DeploymentTest, ACollectionThatIsGoneIsError26) {
  fill({R"({"_id": 1})"});
  const auto uuid = info().uuid;
  const Namespace other{"d", "renamed"};
  ASSERT_TRUE(deployment_->rename_collection(ns_, other, true));
  EXPECT_EQ(read_ids({.ns = ns_, .uuid = uuid}).size(), 1u);  // by UUID, whatever its name
  ASSERT_TRUE(deployment_->drop_collection(other));
  ASSERT_TRUE(deployment_->drop_collection(other));  // gone already
  const auto cursor = deployment_->read_range({.ns = ns_, .uuid = uuid});
  ASSERT_FALSE(cursor);
  EXPECT_EQ(cursor.error().server_code, 26);
  const std::vector ids = {value("1")};
  EXPECT_EQ(deployment_->read_by_ids(ns_, uuid, ids, {}, kAllBytes).error().server_code, 26);
}

TEST_P(DeploymentTest, AReadByIdsEndsWithTheReplyThatIsLargeEnough) {
  std::vector<std::string> documents;
  std::vector<bson::Value> ids;
  for (int i = 0; i < 20; ++i) {
    documents.push_back(R"({"_id": )" + std::to_string(i) + R"(, "pad": ")" + std::string(1 << 20, 'x') + "\"}");
    ids.push_back(value(std::to_string(i)));
  }
  for (const auto& document : documents) fill({document});
  const auto some = deployment_->read_by_ids(ns_, info().uuid, ids, {}, 1);
  ASSERT_TRUE(some) << some.error().message;
  EXPECT_FALSE(some->complete);
  EXPECT_GE(some->documents.size(), 1u);
  EXPECT_LT(some->documents.size(), 17u);
  const auto all = deployment_->read_by_ids(ns_, info().uuid, ids, {}, kAllBytes);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_TRUE(all->complete);
  EXPECT_EQ(all->documents.size(), 20u);
}

TEST_P(DeploymentTest, ManyIdsAndAGroup) {
  std::vector<std::string> documents;
  std::vector<bson::Value> ids;
  for (int i = 0; i < 3000; ++i) {
    documents.push_back(R"({"_id": )" + std::to_string(i) + R"(, "pad": ")" + std::string(100, 'x') + "\"}");
    ids.push_back(value(std::to_string(i * 2)));
  }
  fill(documents);
  const auto uuid = info().uuid;
  const auto time = deployment_->majority_time().value();
  const auto state = deployment_->read_by_ids(ns_, uuid, ids, time, kAllBytes);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->documents.size(), 1500u);
  EXPECT_TRUE(state->complete);
  EXPECT_GE(state->operation_time, time);
  const auto exact = deployment_->read_by_ids(ns_, uuid, ids, time, 1);
  ASSERT_TRUE(exact) << exact.error().message;
  EXPECT_TRUE(exact->complete);  // it fits into one reply
  for (int i = 0; i < 2; ++i) {
    const auto group = deployment_->read_group(ns_, uuid, std::span(ids).first(10), time, 1);
    ASSERT_TRUE(group) << group.error().message;
    EXPECT_EQ(group->documents.size(), 10u);
    EXPECT_TRUE(group->complete);  // it fits into one reply
    EXPECT_GE(group->operation_time, time);
    const auto too_many = deployment_->read_group(ns_, uuid, ids, time, 1);
    ASSERT_TRUE(too_many) << too_many.error().message;
    EXPECT_FALSE(too_many->complete);
    EXPECT_LT(too_many->documents.size(), 1500u);
  }
  const auto whole = deployment_->read_group(ns_, uuid, ids, time, kAllBytes);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(whole->documents.size(), 1500u);
  const auto sample = deployment_->sample_ids(ns_, uuid, 20);
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_EQ(sample->size(), 20u);
  const auto size = deployment_->size_of(ns_);
  ASSERT_TRUE(size) << size.error().message;
  EXPECT_EQ(size->documents, 3000);
  EXPECT_GT(size->bytes, 300'000);
}

TEST_P(DeploymentTest, TransactionsAreWholeOrNot) {
  fill({R"({"_id": 1, "u": "a"})", R"({"_id": 2, "u": "b"})"});
  const std::vector specs = {json(R"({"v": 2, "key": {"u": 1}, "name": "u_1", "unique": true})")};
  ASSERT_TRUE(deployment_->create_indexes(ns_, specs));
  using Kind = TransactionStatement::Kind;
  std::vector<TransactionStatement> swap = {{Kind::kDelete, ns_, value("1"), {}},
                                            {Kind::kDelete, ns_, value("2"), {}},
                                            {Kind::kInsert, ns_, {}, json(R"({"_id": 1, "u": "b"})")},
                                            {Kind::kInsert, ns_, {}, json(R"({"_id": 2, "u": "a"})")}};
  const auto done = deployment_->transaction(next(), swap);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(only_document("1"), json(R"({"_id": 1, "u": "b"})"));
  const std::vector<TransactionStatement> bad = {{Kind::kDelete, ns_, value("1"), {}},
                                                 {Kind::kInsert, ns_, {}, json(R"({"_id": 3, "u": "a"})")}};
  const auto refused = deployment_->transaction(next(), bad);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().server_code, 11000);
  EXPECT_EQ(only_document("1"), json(R"({"_id": 1, "u": "b"})"));
}

TEST_P(DeploymentTest, HoldersOfUniqueValues) {
  fill({R"({"_id": 1, "a": [1, 2], "b": "x"})", R"({"_id": 2, "b": "y"})", R"({"_id": 3, "a": 5, "b": "x"})",
        R"({"_id": 4, "a": [], "b": "z"})"});
  const auto index = json(R"({"v": 2, "key": {"a": 1, "b": 1}, "name": "i", "unique": true})");
  const auto holders = [&](const std::string& document) {
    std::vector<std::string> ids;
    const auto found = deployment_->find_holders(ns_, index, json(document));
    EXPECT_TRUE(found) << found.error().message;
    if (found) {
      for (const auto& id : *found) ids.push_back(text(id.element()));
    }
    return ids;
  };
  EXPECT_THAT(holders(R"({"_id": 9, "a": [2, 5], "b": "x"})"),
              UnorderedElementsAre(R"({"$numberInt":"1"})", R"({"$numberInt":"3"})"));
  EXPECT_THAT(holders(R"({"_id": 9, "b": "y"})"), ElementsAre(R"({"$numberInt":"2"})"));
  EXPECT_THAT(holders(R"({"_id": 2, "b": "y"})"), ElementsAre());
  EXPECT_THAT(holders(R"({"_id": 9, "a": {"$undefined": true}, "b": "z"})"), ElementsAre(R"({"$numberInt":"4"})"));
}

TEST_P(DeploymentTest, TheCatalogComesBackAsItWasMade) {
  const auto id_index = json(R"({"v": 2, "key": {"_id": 1}, "name": "_id_"})");
  ASSERT_TRUE(deployment_->create_collection(ns_, json(R"({"validator": {"a": {"$exists": true}}, "validationLevel": "moderate"})"),
                                             &id_index));
  const std::vector specs = {json(R"({"v": 2, "key": {"a": 1}, "name": "a_1"})"),
                             json(R"({"v": 2, "key": {"b": -1}, "name": "b", "sparse": true, "unique": true})")};
  ASSERT_TRUE(deployment_->create_indexes(ns_, specs));
  auto made = info();
  EXPECT_FALSE(made.uuid.is_nil());
  ASSERT_EQ(made.indexes.size(), 3u);
  EXPECT_EQ(made.indexes[0]["name"].to_string_view(), "_id_");
  EXPECT_EQ(made.options["validationLevel"].to_string_view(), "moderate");
  // Its own description creates the same once more.
  const Namespace copy{"d", "copy"};
  ASSERT_TRUE(deployment_->drop_collection(copy));
  ASSERT_TRUE(deployment_->create_collection(copy, made.options, &made.indexes[0]));
  ASSERT_TRUE(deployment_->create_indexes(copy, std::span(made.indexes).subspan(1)));
  ns_.collection = "copy";
  auto copied = info();
  copied.ns = made.ns;
  EXPECT_EQ(difference(made, copied), std::nullopt);
  ASSERT_TRUE(deployment_->drop_index(copy, "a_1"));
  ASSERT_TRUE(deployment_->drop_index(copy, "a_1"));
  ASSERT_TRUE(deployment_->coll_mod(copy, json(R"({"validationLevel": "off"})")));
  EXPECT_EQ(info().options["validationLevel"].to_string_view(), "off");
  ASSERT_TRUE(deployment_->drop_collection(copy));
  EXPECT_THAT(deployment_->list_databases().value(), ::testing::Contains("d"));
}

// What old drivers left in the description of an index, and servers list but refuse in a new one.
TEST_P(DeploymentTest, AnIndexWithAnOldDriversFields) {
  const std::vector<bson::Document> specs{
      json(R"({"v": 1, "key": {"old": 1}, "name": "old_1", "ns": "d.elsewhere", "safe": true, "background": true})")};
  fill({R"({"_id": 1, "old": 1})"});
  const auto made = deployment_->create_indexes(ns_, specs);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(info().indexes.back()["name"].to_string_view(), "old_1");
}

TEST_P(DeploymentTest, TheOplogFromAGivenEntry) {
  fill({R"({"_id": 1})"});
  const auto from = deployment_->majority_time().value();
  fill({R"({"_id": 2})", R"({"_id": 3})"});
  auto cursor = deployment_->tail_oplog(from);
  ASSERT_TRUE(cursor) << cursor.error().message;
  std::vector<bson::Document> entries;
  for (int i = 0; i < 50 && entries.size() < 3; ++i) {
    const auto batch = (*cursor)->next(std::chrono::milliseconds(100), {});
    ASSERT_TRUE(batch) << batch.error().message;
    for (const auto& entry : *batch) {
      if (entry["op"].to_string_view() != "n") entries.emplace_back(entry);
    }
  }
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0]["ts"].to_timestamp(), from);
  EXPECT_EQ(entries[1].view().at_path("o._id").to_int64(), 2);
  EXPECT_EQ(deployment_->oplog_entry(from).value(), entries[0]);
  const auto window = deployment_->oplog_window();
  ASSERT_TRUE(window) << window.error().message;
  EXPECT_LE(window->first, from);
  EXPECT_GT(window->second, from);
}

// A majority read's time need not be an entry's.
TEST_P(DeploymentTest, TheOplogFromATimeBetweenTwoEntries) {
  fill({R"({"_id": 1})"});
  auto from = deployment_->majority_time().value();
  from.increment += 1'000'000;  // of the same second, and after all entries so far
  for (int i = 2; i < 100 && deployment_->majority_time().value() < from; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    fill({fmt::format(R"({{"_id": {}}})", i)});
  }
  auto cursor = deployment_->tail_oplog(from);
  ASSERT_TRUE(cursor) << cursor.error().message;
  const auto batch = (*cursor)->next(std::chrono::milliseconds(1000), {});
  ASSERT_TRUE(batch) << batch.error().message;
  ASSERT_FALSE(batch->empty());
  EXPECT_GT(batch->front()["ts"].to_timestamp(), from);
}

TEST_P(DeploymentTest, AnOplogThatBeginsLaterIsSaidSo) {
  auto cursor = deployment_->tail_oplog({5, 1});
  const auto batch = cursor ? (*cursor)->next(std::chrono::milliseconds(100), {}) : tl::unexpected(cursor.error());
  ASSERT_FALSE(batch);
  EXPECT_EQ(batch.error().server_code, 286);
  EXPECT_EQ(batch.error().code, ErrorCode::kSource);
  EXPECT_EQ(deployment_->oplog_entry({5, 1}).error().server_code, 286);
}

TEST_P(DeploymentTest, StateIsSavedUnderItsEpoch) {
  ASSERT_TRUE(deployment_->run_command(std::string(kStateDatabase), json(R"({"dropDatabase": 1})")));
  const auto save = [&](const char* document, StateCondition condition) {
    const auto saved = deployment_->save_state(next(), "x_test", json(document), condition);
    EXPECT_TRUE(saved) << saved.error().message;
    return saved.value_or(false);
  };
  EXPECT_TRUE(save(R"({"_id": "a", "epoch": 2})", StateCondition::kEpochBelow));
  EXPECT_FALSE(save(R"({"_id": "a", "epoch": 2})", StateCondition::kEpochBelow));
  EXPECT_TRUE(save(R"({"_id": "a", "epoch": 2, "x": 1})", StateCondition::kEpochAtMost));
  EXPECT_FALSE(save(R"({"_id": "a", "epoch": 1})", StateCondition::kEpochAtMost));
  EXPECT_FALSE(save(R"({"_id": "a", "epoch": 3})", StateCondition::kSameEpoch));
  EXPECT_TRUE(save(R"({"_id": "a", "epoch": 2, "x": 1})", StateCondition::kSameEpoch));
  EXPECT_FALSE(save(R"({"_id": "b", "epoch": 2})", StateCondition::kSameEpoch));
  auto state = deployment_->load_state("x_test");
  ASSERT_TRUE(state);
  ASSERT_EQ(state->size(), 1u);
  EXPECT_EQ(state->front(), json(R"({"_id": "a", "epoch": 2, "x": 1})"));
  const std::vector ids = {value("\"a\"")};
  ASSERT_TRUE(deployment_->remove_state(next(), "x_test", ids, 1));
  EXPECT_EQ(deployment_->load_state("x_test")->size(), 1u) << "removed under an older epoch";
  ASSERT_TRUE(deployment_->remove_state(next(), "x_test", ids, 2));
  EXPECT_TRUE(deployment_->load_state("x_test")->empty());
  ASSERT_TRUE(deployment_->run_command(std::string(kStateDatabase), json(R"({"dropDatabase": 1})")));
}

// A time that nothing was read at yet must not become the server's own: all that is older would be taken for settled.
TEST_P(DeploymentTest, StateWithAZeroTimeIsKept) {
  for (const auto* document : {R"({"_id": "p", "epoch": 2, "r": {"$timestamp": {"t": 0, "i": 0}}, "n": 1})",
                               R"({"_id": "p", "epoch": 3, "r": {"$timestamp": {"t": 0, "i": 0}}, "n": 2})"}) {
    const auto saved = deployment_->save_state(next(), "x_test", json(document), StateCondition::kEpochAtMost);
    ASSERT_TRUE(saved) << saved.error().message;
    EXPECT_TRUE(*saved);
    const auto state = deployment_->load_state("x_test");
    ASSERT_EQ(state->size(), 1u);
    EXPECT_EQ(bson::to_relaxed_ejson(state->front()), bson::to_relaxed_ejson(json(document)));
  }
  const auto older = deployment_->save_state(next(), "x_test", json(R"({"_id": "p", "epoch": 1, "r": {"$timestamp": {"t": 0, "i": 0}}})"),
                                             StateCondition::kEpochAtMost);
  ASSERT_TRUE(older) << older.error().message;
  EXPECT_FALSE(*older);
}

TEST_P(DeploymentTest, AFencedSessionIsShutOut) {
  fill({R"({"_id": 1})"});
  for (int i = 0; i < 2; ++i) {
    const auto fenced = deployment_->fence_session(session_);
    ASSERT_TRUE(fenced) << fenced.error().message;
  }
  const auto late = deployment_->insert(next(), ns_, bson::make_array(std::vector{json(R"({"_id": 2})")}));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().server_code, 225);
  EXPECT_EQ(late.error().code, ErrorCode::kWrongState);
  const std::vector sessions = {session_};
  EXPECT_EQ(deployment_->running_operations(sessions).value(), 0);
}

TEST_P(DeploymentTest, TheWriteBlock) {
  const auto block = deployment_->write_block();
  ASSERT_TRUE(block) << block.error().message;
  EXPECT_EQ(block->supported, GetParam() != "4.4");
  EXPECT_FALSE(block->effective);  // authorization is off
  EXPECT_FALSE(block->enabled);
  const auto writes = deployment_->running_writes();
  ASSERT_TRUE(writes) << writes.error().message;
  EXPECT_EQ(writes->others, 0);
  EXPECT_EQ(writes->block_changes, 0);
  EXPECT_TRUE(writes->transactions.empty());
  if (!block->supported) return;
  for (const bool enabled : {true, true, false, false}) {
    ASSERT_TRUE(deployment_->set_write_block(enabled));
    EXPECT_EQ(deployment_->write_block()->enabled, enabled);
  }
}

TEST_P(DeploymentTest, AStopEndsAWaitingCall) {
  const auto from = deployment_->majority_time().value();
  auto cursor = deployment_->tail_oplog(from);
  ASSERT_TRUE(cursor);
  ASSERT_TRUE((*cursor)->next(std::chrono::milliseconds(10), {}));
  std::stop_source stop;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop.request_stop();
  });
  const auto begun = std::chrono::steady_clock::now();
  Result<std::vector<bson::View>> batch = std::vector<bson::View>{};
  while (batch) batch = (*cursor)->next(std::chrono::seconds(20), stop.get_token());
  EXPECT_EQ(batch.error().code, ErrorCode::kInterrupted);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(15));
}

TEST_P(DeploymentTest, AHalfOpenConnectionIsTemporary) {
  auto impatient = open(Side::kDestination, "&socketTimeoutMS=500");
  ASSERT_TRUE(impatient->majority_time());
  sandbox_->pause();
  const auto lost = impatient->majority_time();
  sandbox_->resume();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kTemporary);
  auto found = impatient->majority_time();
  for (int i = 0; i < 20 && !found && found.error().code == ErrorCode::kTemporary; ++i) found = impatient->majority_time();
  EXPECT_TRUE(found) << found.error().message;
}

TEST_P(DeploymentTest, ARestartedServerIsFoundAgain) {
  fill({R"({"_id": 1})"});
  sandbox_->kill();
  const auto lost = deployment_->majority_time();
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::kTemporary);
  sandbox_->restart();
  const auto found = deployment_->majority_time();
  EXPECT_TRUE(found) << found.error().message;
  EXPECT_EQ(read_ids({.ns = ns_, .uuid = info().uuid}).size(), 1u);
}

}  // namespace
}  // namespace drover::cluster
