#include "verifier/verifier.h"

#include <algorithm>
#include <atomic>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "cluster/testing/stub_deployment.h"
#include "verifier/document_difference.h"

namespace drover::verifier {
namespace {

using testing::HasSubstr;

bson::Document json(const std::string& text) { return bson::from_ejson(text).value(); }

// Collections in memory, read in _id order, three documents to a reply.
class MemoryDeployment : public cluster::StubDeployment {
 public:
  struct Collection {
    CollectionInfo info;
    std::map<std::string, bson::Document> documents;
  };

  Collection& add(const std::string& ns, const std::string& options = "{}") {
    auto& collection = collections_[*Namespace::parse(ns)];
    collection.info.ns = *Namespace::parse(ns);
    collection.info.uuid.bytes[0] = static_cast<std::uint8_t>(collections_.size());
    collection.info.options = json(options);
    collection.info.indexes = {json(R"({"v": 2, "key": {"_id": 1}, "name": "_id_"})")};
    return collection;
  }
  void put(const std::string& ns, const std::string& text) {
    auto document = json(text);
    auto key = bson::key_string(document["_id"]);
    collections_[*Namespace::parse(ns)].documents[key] = std::move(document);
  }

  bool gone = false;  // all that was listed, by the time it is read
  Result<ClusterTime> majority_time() override { return ClusterTime{5, 1}; }
  Result<std::vector<std::string>> list_databases() override { return std::vector<std::string>{"admin", "d"}; }
  Result<std::vector<CollectionInfo>> list_collections(const std::string& db) override {
    std::vector<CollectionInfo> infos;
    for (const auto& [ns, collection] : collections_) {
      if (ns.db == db) infos.push_back(collection.info);
    }
    return infos;
  }
  Result<cluster::CollectionSize> size_of(const Namespace& ns) override {
    return cluster::CollectionSize{static_cast<std::int64_t>(collections_[ns].documents.size()), bytes_};
  }
  Result<std::vector<bson::Value>> sample_ids(const Namespace& ns, const Uuid&, int) override {
    std::vector<bson::Value> ids;
    for (const auto& [key, document] : collections_[ns].documents) ids.emplace_back(document["_id"]);
    std::reverse(ids.begin(), ids.end());
    return ids;
  }
  Result<std::unique_ptr<cluster::DocumentCursor>> read_range(const cluster::RangeRead& read) override {
    EXPECT_EQ(read.at.time, (ClusterTime{5, 1}));
    std::vector<bson::Document> documents;
    for (const auto& [key, document] : collections_[read.ns].documents) {
      if (read.min.exists() && key < bson::key_string(read.min.element())) continue;
      if (read.max.exists() && key >= bson::key_string(read.max.element())) continue;
      documents.push_back(document);
    }
    ++ranges_read;
    if (gone) return fail(ErrorCode::kDestination, "ns not found", 26);
    return std::make_unique<Cursor>(*this, std::move(documents));
  }
  Result<cluster::StateRead> read_by_ids(const Namespace& ns, const Uuid&, std::span<const bson::Value> ids,
                                         ClusterTime, std::size_t) override {
    cluster::StateRead read;
    for (const auto& id : ids) {
      const auto found = collections_[ns].documents.find(bson::key_string(id.element()));
      if (found != collections_[ns].documents.end()) read.documents.push_back(found->second);
    }
    return read;
  }

  std::int64_t bytes_ = 1000;
  std::atomic<int> ranges_read = 0;
  std::atomic<int> failures = 0;  // how many of the next replies fail
  ErrorCode failure_code = ErrorCode::kTemporary;
  int replies_per_cursor = 0;  // then it is lost; 0: never

 private:
  class Cursor : public cluster::DocumentCursor {
   public:
    Cursor(MemoryDeployment& owner, std::vector<bson::Document> documents)
        : owner_(owner), documents_(std::move(documents)) {}
    Result<cluster::DocumentBatch> next(const std::stop_token&) override {
      if (owner_.failures > 0 && owner_.failures-- > 0) return fail(owner_.failure_code, "connection lost");
      if (owner_.replies_per_cursor > 0 && replies_++ == owner_.replies_per_cursor)
        return fail(ErrorCode::kTemporary, "cursor id not found");
      const auto count = std::min<std::size_t>(3, documents_.size() - at_);
      const auto items = std::span(documents_).subspan(at_, count);
      at_ += count;
      cluster::DocumentBatch batch;
      const auto reply = std::make_shared<const bson::Document>(bson::make_array(items));
      batch.reply = reply;
      batch.array = reply->view();
      batch.last = at_ == documents_.size();
      return batch;
    }

   private:
    MemoryDeployment& owner_;
    std::vector<bson::Document> documents_;
    std::size_t at_ = 0;
    int replies_ = 0;
  };

  std::map<Namespace, Collection> collections_;
};

class Verify : public testing::Test {
 protected:
  Verify() {
    for (auto* side : {&source, &destination}) {
      side->add("d.c");
      for (int i = 0; i < 20; ++i) side->put("d.c", R"({"_id": )" + std::to_string(i) + R"(, "a": {"b": 1, "c": 2}})");
    }
  }
  Result<Report> run() {
    auto runtime = make_real_runtime();
    return verify(source, destination, options, *runtime, nullptr, {});
  }
  Mismatch only() {
    const auto report = run();
    EXPECT_TRUE(report);
    EXPECT_FALSE(report->equal);
    EXPECT_EQ(report->mismatch_count, 1u);
    return report->mismatches.empty() ? Mismatch{} : report->mismatches.front();
  }

  MemoryDeployment source, destination;
  Options options{.parallelism = 2};
};

std::string id_of(const Mismatch& mismatch) { return bson::to_ejson(mismatch.id.element()); }

TEST_F(Verify, EqualSidesAreEqual) {
  const auto report = run();
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->equal);
  EXPECT_EQ(report->collections, 1u);
  EXPECT_EQ(report->source.documents, 20u);
  EXPECT_EQ(report->source, report->destination);
  EXPECT_GT(report->source.bytes, 400u);
}

TEST_F(Verify, EveryRangeIsReadOnceAndTogetherTheyAreAll) {
  source.bytes_ = 300 << 20;
  const auto report = run();
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->equal);
  EXPECT_EQ(report->source.documents, 20u);
  EXPECT_EQ(source.ranges_read, 5);
}

TEST_F(Verify, AMissingDocument) {
  source.put("d.c", R"({"_id": "only"})");
  const auto mismatch = only();
  EXPECT_EQ(mismatch.kind, MismatchKind::kMissing);
  EXPECT_EQ(id_of(mismatch), "\"only\"");
}

TEST_F(Verify, AnExtraDocument) {
  destination.put("d.c", R"({"_id": -1})");
  EXPECT_EQ(only().kind, MismatchKind::kExtra);
}

TEST_F(Verify, TypesOrderAndBytesCount) {
  destination.put("d.c", R"({"_id": 3, "a": {"b": 1.0, "c": 2}})");
  auto mismatch = only();
  EXPECT_EQ(mismatch.kind, MismatchKind::kDifferent);
  EXPECT_EQ(mismatch.detail, "field a.b: int on the source, double on the destination");
  destination.put("d.c", R"({"_id": 3, "a": {"c": 2, "b": 1}})");
  EXPECT_THAT(only().detail, HasSubstr("another order"));
  destination.put("d.c", R"({"_id": 3, "a": {"b": 1, "c": 3}})");
  EXPECT_EQ(only().detail, "field a.c: another int");
  destination.put("d.c", R"({"_id": 3.0, "a": {"b": 1, "c": 2}})");
  EXPECT_EQ(only().detail, "field _id: int on the source, double on the destination");
}

TEST_F(Verify, IndexesAndOptions) {
  source.add("d.c").info.indexes.push_back(json(R"({"v": 2, "key": {"a": 1}, "name": "a_1"})"));
  auto mismatch = only();
  EXPECT_EQ(mismatch.kind, MismatchKind::kMissingIndex);
  EXPECT_THAT(mismatch.detail, HasSubstr("a_1"));
  destination.add("d.c").info.indexes.push_back(json(R"({"v": 2, "key": {"a": 1}, "name": "a_1", "sparse": true})"));
  EXPECT_EQ(only().kind, MismatchKind::kCatalog);
  source.add("d.c");
  EXPECT_EQ(only().kind, MismatchKind::kExtraIndex);
  destination.add("d.c", R"({"validationLevel": "off"})");
  EXPECT_THAT(only().detail, HasSubstr("validationLevel"));
}

TEST_F(Verify, CollectionsAndViews) {
  source.add("d.lone");
  EXPECT_EQ(only().kind, MismatchKind::kMissingCollection);
  options.included = [](const Namespace& ns) { return ns.collection != "lone"; };
  EXPECT_TRUE(run()->equal);
  auto& view = destination.add("d.view", R"({"viewOn": "c", "pipeline": []})").info;
  view.kind = CollectionKind::kView;
  EXPECT_EQ(only().kind, MismatchKind::kExtraCollection);
}

TEST_F(Verify, ACollectionThatGoesMeanwhileIsOneDifference) {
  source.bytes_ = 300 << 20;  // many ranges
  destination.gone = true;
  const auto mismatch = only();
  EXPECT_EQ(mismatch.kind, MismatchKind::kCatalog);
  EXPECT_THAT(mismatch.detail, HasSubstr("while it was compared"));
}

TEST_F(Verify, WhatOnlyOneSideHasIsCounted) {
  source.add("d.lone");
  for (int i = 0; i < 4; ++i) source.put("d.lone", R"({"_id": )" + std::to_string(i) + "}");
  const auto before = run()->destination;
  EXPECT_EQ(run()->source.documents, before.documents + 4);
  destination.add("d.other");
  destination.put("d.other", R"({"_id": 1})");
  EXPECT_EQ(run()->destination.documents, before.documents + 1);
}

TEST_F(Verify, ARefusalOfWhatIsListedIsTheEnd) {
  options.listed = [] { return fail(ErrorCode::kUsage, "nothing to compare"); };
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kUsage);
}

TEST_F(Verify, CollatedCollectionsAreLookedUp) {
  for (auto* side : {&source, &destination}) side->add("d.c", R"({"collation": {"locale": "en", "strength": 2}})");
  EXPECT_TRUE(run()->equal);
  source.put("d.c", R"({"_id": "s"})");
  EXPECT_EQ(only().kind, MismatchKind::kMissing);
  destination.put("d.c", R"({"_id": "s", "x": 1})");
  EXPECT_EQ(only().kind, MismatchKind::kDifferent);
  source.put("d.c", R"({"_id": "s", "x": 1})");
  destination.put("d.c", R"({"_id": "t"})");
  EXPECT_EQ(only().kind, MismatchKind::kExtra);
}

TEST_F(Verify, AllAreCountedAndTheFirstListed) {
  options.max_mismatches = 3;
  for (int i = 100; i < 110; ++i) source.put("d.c", R"({"_id": )" + std::to_string(i) + "}");
  const auto report = run();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->mismatch_count, 10u);
  EXPECT_EQ(report->mismatches.size(), 3u);
}

TEST_F(Verify, ASideThatFailsIsAnErrorAndNotAMismatch) {
  destination.failures = 1;
  destination.failure_code = ErrorCode::kDestination;
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kDestination);
  EXPECT_THAT(report.error().message, HasSubstr("d.c"));
}

TEST_F(Verify, ALostCursorDoesNotBeginARangeAnew) {
  options.retry_delay = {};
  source.replies_per_cursor = destination.replies_per_cursor = 1;
  for (const auto* collection_options : {"{}", R"({"collation": {"locale": "en", "strength": 2}})"}) {
    for (auto* side : {&source, &destination}) side->add("d.c", collection_options);
    const auto report = run();
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->equal);
    EXPECT_EQ(report->source.documents, 20u);
    EXPECT_EQ(report->destination.documents, 20u);
  }
  source.put("d.c", R"({"_id": 7, "a": 1})");
  EXPECT_EQ(only().kind, MismatchKind::kDifferent);
}

TEST_F(Verify, AReadingThatGetsNoFurtherIsAnError) {
  options.retry_delay = {};
  source.failures = 1000;
  const auto report = run();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kTemporary);
  EXPECT_GT(source.failures, 900);
}

TEST(DocumentDifference, NamesTheField) {
  EXPECT_EQ(document_difference(json(R"({"_id": 1, "a": [1, {"b": "x"}]})"), json(R"({"_id": 1, "a": [1, {"b": "yy"}]})")),
            "field a.1.b: string of 6 bytes on the source, of 7 on the destination");
  EXPECT_EQ(document_difference(json(R"({"_id": 1, "a": 1})"), json(R"({"_id": 1})")), "field a is only on the source");
  EXPECT_EQ(document_difference(json(R"({"_id": 1})"), json(R"({"_id": 1, "b": 1})")), "field b is only on the destination");
  EXPECT_EQ(document_difference(json(R"({"_id": 1})"), json(R"({"_id": 1})")), "");
}

TEST(DocumentDifference, TellsNoMoreOfALongPathThanItsBeginning) {
  bson::Document source = json(R"({"x": 1})"), destination = json(R"({"x": 2})");
  for (int i = 0; i < 100; ++i) {
    source = bson::make_document({{std::string(9, 'a'), source}});
    destination = bson::make_document({{std::string(9, 'a'), destination}});
  }
  const auto deep = document_difference(source, destination);
  EXPECT_THAT(deep, testing::StartsWith("field aaaaaaaaa.aaaaaaaaa."));
  EXPECT_THAT(deep, testing::EndsWith("...: another int"));
  EXPECT_EQ(deep.size(), std::string("field ...: another int").size() + kMostFieldPath);
  const std::string most(kMostFieldPath, 'k');
  EXPECT_EQ(document_difference(bson::make_document({{most, 1}}), bson::make_document({{most, 2}})), "field " + most + ": another int");
  const std::string umlauts = most.substr(1) + "\xc3\xa4";  // the limit is in the midst of a character
  EXPECT_EQ(document_difference(bson::make_document({{umlauts, 1}}), bson::make_document({{umlauts, 2}})), "field " + most.substr(1) + "...: another int");
}

// Names may be data: the keys of a map.
TEST(DocumentDifference, WithholdsTheNames) {
  const auto told = [](const char* source, const char* destination) { return document_difference(json(source), json(destination), FieldNames::kWithheld); };
  EXPECT_EQ(told(R"({"who": {"ann@example.net": 1}})", R"({"who": {"ann@example.net": 1.5}})"), "a field: int on the source, double on the destination");
  EXPECT_EQ(told(R"({"who": {"ann@example.net": 1}})", R"({"who": {}})"), "a field is only on the source");
  EXPECT_EQ(told(R"({"a": 1})", R"({"a": 1, "ann@example.net": 1})"), "a field is only on the destination");
  EXPECT_EQ(told(R"({"a": 1, "ann@example.net": 1})", R"({"ann@example.net": 1, "a": 1})"), "fields in another order");
}

}  // namespace
}  // namespace drover::verifier
