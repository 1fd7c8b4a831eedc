// Replays the recorded scenarios' inserts, finds, updates and aggregations on collections in memory, and compares with
// what the real server answered. Steps that need more than the query language (cursors, indexes, DDL) end a scenario.
#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/oplog_diff.h"
#include "sandbox/query/pipeline.h"
#include "sandbox/query/projection.h"
#include "sandbox/query/sort.h"
#include "sandbox/query/update.h"

namespace drover::sandbox::query {
namespace {

using bson::Document;
using bson::Element;
using bson::View;

Document load(const std::string& name) {
  std::ifstream file(std::string(DROVER_CORPUS) + "/" + name + ".json");
  std::stringstream text;
  text << file.rdbuf();
  auto parsed = bson::from_ejson(text.str());
  EXPECT_TRUE(parsed) << name << ": " << (parsed ? "" : parsed.error().message);
  return parsed ? std::move(*parsed) : Document();
}

std::string show(View document) { return bson::to_relaxed_ejson(Document(document)); }

class Replay {
 public:
  // False: this step is beyond the query language.
  bool step(View command, View reply) {
    const std::string_view name = command.first().key();
    const std::string collection(command.first().to_string_view().value_or(""));
    if (name == "create") {
      if (const auto spec = command["collation"].to_document()) collations_[collection] = *bson::Collator::open(*spec);
      return true;
    }
    if (name == "insert") {
      for (const Element& e : command["documents"].document_value())
        collections_[collection].emplace_back(e.document_value());
      return !reply["writeErrors"];
    }
    if (name == "createIndexes") return true;
    if (name == "delete") {
      collections_[collection].clear();
      return true;
    }
    if (name == "find") {
      check_find(collection, command, reply);
      return true;
    }
    if (name == "aggregate") {
      check_reply(aggregate(collection, command), command, reply);
      return true;
    }
    if (name == "update") {
      check_update(collection, command, reply);
      return true;
    }
    return false;
  }

 private:
  void check_update(const std::string& collection, View command, View reply) {
    bson::Builder actual;
    std::int32_t matched = 0, modified = 0, index = 0;
    bson::ArrayBuilder errors, upserted;
    for (const Element& e : command["updates"].document_value()) {
      const auto outcome = update(collection, e.document_value());
      if (outcome) {
        matched += outcome->matched + (outcome->upserted_id.exists() ? 1 : 0);
        modified += outcome->modified;
        if (outcome->upserted_id.exists())
          upserted.append(bson::make_document({{"index", index}, {"_id", outcome->upserted_id}}));
      } else {
        errors.append(bson::make_document(
            {{"index", index}, {"code", outcome.error().server_code}, {"errmsg", outcome.error().message}}));
        break;
      }
      ++index;
    }
    actual.append("n", matched).append("nModified", modified);
    if (upserted.count() > 0) actual.append("upserted", bson::ArrayView{std::move(upserted).finish().view()});
    if (errors.count() > 0) actual.append("writeErrors", bson::ArrayView{std::move(errors).finish().view()});
    actual.append("ok", 1.0);
    EXPECT_EQ(show(std::move(actual).finish()), show(reply)) << show(command);
  }

  struct Outcome {
    std::int32_t matched = 0, modified = 0;
    bson::Value upserted_id;
  };

  Result<Outcome> update(const std::string& collection, View statement) {
    UpdateOptions options{.multi = statement["multi"].is_truthy()};
    options.array_filters = statement["arrayFilters"].to_array();
    const auto update = TRY(Update::parse(statement["u"], options));
    const auto matcher = TRY(Matcher::parse(statement["q"].document_value()));
    Outcome outcome;
    for (Document& document : collections_[collection]) {
      MatchDetails details;
      if (!matcher.matches(document, &details)) continue;
      ++outcome.matched;
      auto applied = TRY(update.apply(document, {.details = &details}));
      outcome.modified += applied.modified;
      if (applied.modified) {
        auto replayed = apply_oplog_update(document, applied.oplog_object);
        EXPECT_TRUE(replayed);
        if (replayed) {
          EXPECT_EQ(show(*replayed), show(applied.document));
        }
      }
      document = std::move(applied.document);
      if (!options.multi) break;
    }
    if (outcome.matched == 0 && statement["upsert"].is_truthy()) {
      auto inserted = TRY(update.upsert_document(matcher, {}, [] { return bson::ObjectId{}; }));
      outcome.upserted_id = bson::Value(inserted["_id"]);
      collections_[collection].push_back(std::move(inserted));
    }
    return outcome;
  }

  Result<std::vector<Document>> aggregate(const std::string& collection, View command) {
    PipelineContext context;
    context.evaluation = std::make_shared<EvaluationContext>();
    context.open_foreign = [this](const ForeignQuery& query) -> Result<DocumentSourcePtr> {
      const auto matcher = TRY(Matcher::parse(query.filter));
      std::vector<Document> matching;
      for (const Document& document : collections_[query.collection]) {
        if (matcher.matches(document)) matching.push_back(document);
      }
      return make_vector_source(std::move(matching));
    };
    auto pipeline = TRY(Pipeline::parse(command["pipeline"].document_value(), context));
    const auto matcher = TRY(Matcher::parse(pipeline.take_leading_match()));
    std::vector<Document> matching;
    for (const Document& document : collections_[collection]) {
      if (matcher.matches(document)) matching.push_back(document);
    }
    auto source = std::move(pipeline).run(make_vector_source(std::move(matching)));
    std::vector<Document> results;
    while (auto document = TRY(source->next())) results.push_back(std::move(*document));
    return results;
  }

  void check_find(const std::string& collection, View command, View reply) {
    check_reply(find(collection, command), command, reply);
  }

  static void check_reply(const Result<std::vector<Document>>& result, View command, View reply) {
    const std::string what = show(command);
    if (!result) {
      EXPECT_EQ(result.error().server_code, reply["code"].to_int64().value_or(0)) << what << result.error().message;
      EXPECT_EQ(result.error().message, reply["errmsg"].to_string_view().value_or("(none)")) << what;
      return;
    }
    ASSERT_TRUE(reply["cursor"]) << what << " should fail: " << show(reply);
    bson::ArrayBuilder got;
    for (const Document& document : *result) got.append(document);
    bson::Builder wanted;
    wanted.append("r", reply["cursor"].document_value()["firstBatch"]);
    bson::Builder actual;
    actual.append("r", bson::ArrayView{std::move(got).finish().view()});
    EXPECT_EQ(show(std::move(actual).finish()), show(std::move(wanted).finish())) << what;
  }

  Result<std::vector<Document>> find(const std::string& collection, View command) {
    auto collator = collations_[collection];
    if (const auto spec = command["collation"].to_document()) collator = TRY(bson::Collator::open(*spec));
    const auto matcher = TRY(Matcher::parse(command["filter"].to_document().value_or(View()), collator));
    const auto sort = TRY(SortPattern::parse(command["sort"].to_document().value_or(View()), collator));
    const auto projection = TRY(Projection::parse(command["projection"].to_document().value_or(View()), &matcher));
    std::vector<std::pair<std::string, const Document*>> hits;
    for (const Document& document : collections_[collection]) {
      if (!TRY(matcher.try_matches(document))) continue;
      hits.emplace_back(TRY(sort.key(document)), &document);
    }
    std::stable_sort(hits.begin(), hits.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Document> out;
    for (const auto& [key, document] : hits) out.push_back(TRY(projection.apply(*document)));
    return out;
  }

  std::map<std::string, std::vector<Document>> collections_;
  std::map<std::string, std::shared_ptr<const bson::Collator>> collations_;
};

class Corpus : public testing::TestWithParam<const char*> {};

TEST_P(Corpus, AnswersAsRecorded) {
  const Document scenario = load(GetParam());
  Replay replay;
  int steps = 0;
  for (const Element& step : scenario["steps"].document_value()) {
    const View object = step.document_value();
    if (!replay.step(object["command"].document_value(), object["reply"].document_value())) break;
    ++steps;
  }
  EXPECT_GT(steps, 1);
}

INSTANTIATE_TEST_SUITE_P(Find, Corpus,
                         testing::Values("find/arrays-paths", "find/collation", "find/compare-eq", "find/compare-gt",
                                         "find/compare-lte", "find/in-nin", "find/logical", "find/projection",
                                         "find/sort-order", "find/sort-order-indexed"));

INSTANTIATE_TEST_SUITE_P(Update, Corpus,
                         testing::Values("update/array-operators", "update/field-operators",
                                         "update/replace-upsert-multi"));

INSTANTIATE_TEST_SUITE_P(Aggregate, Corpus, testing::Values("aggregate/stages"));

}  // namespace
}  // namespace drover::sandbox::query
