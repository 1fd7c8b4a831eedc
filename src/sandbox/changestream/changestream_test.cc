#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/changestream/event_builder.h"
#include "sandbox/changestream/event_splitter.h"
#include "sandbox/changestream/options.h"
#include "sandbox/changestream/resume_token.h"

namespace drover::sandbox::changestream {
namespace {

constexpr ServerVersion k44{4, 4, 1};
constexpr ServerVersion k80{8, 0, 4};
const Uuid kUuid = *Uuid::parse("01234567-89ab-cdef-0123-456789abcdef");

bson::Document json(const char* text) { return *bson::from_ejson(text); }

Options options(const Namespace& ns, const char* spec, ServerVersion version) {
  const auto stage = bson::make_document({{"$changeStream", json(spec)}});
  auto parsed = Options::parse(ns, stage.view().first(), version);
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *parsed;
}

int refusal(const Namespace& ns, const char* spec, ServerVersion version) {
  const auto stage = bson::make_document({{"$changeStream", json(spec)}});
  const auto parsed = Options::parse(ns, stage.view().first(), version);
  return parsed ? 0 : parsed.error().server_code;
}

ResumeToken event_token(std::uint32_t seconds, std::int64_t index, int id, int version = 1) {
  const auto document = bson::make_document({{"_id", id}});
  return ResumeToken::event(version, {seconds, 1}, index, kUuid, {.operation_type = "insert", .key_name = "documentKey", .key = document});
}

TEST(ResumeToken, LooksAsTheServersDo) {
  EXPECT_EQ(ResumeToken::high_water_mark({0x5f5f5f5f, 7}).to_hex(), "825F5F5F5F000000072B0229296E04");
  const auto hex = event_token(0x5f5f5f5f, 0, 1).to_hex();
  EXPECT_TRUE(hex.starts_with("825F5F5F5F000000012B022C0100296E5A10040123456789ABCDEF0123456789ABCDEF46")) << hex;
  EXPECT_TRUE(hex.ends_with("04"));
}

TEST(ResumeToken, SortsAsEventsDo) {
  const std::vector<std::string> order = {ResumeToken::high_water_mark({1, 1}).to_hex(),
                                          event_token(1, 0, 5).to_hex(),
                                          event_token(1, 1, 1).to_hex(),
                                          event_token(1, 200, 1).to_hex(),
                                          event_token(1, 70000, 1).to_hex(),
                                          ResumeToken::high_water_mark({2, 0}).to_hex(),
                                          event_token(2, 0, 1).to_hex()};
  for (std::size_t i = 1; i < order.size(); ++i) EXPECT_LT(order[i - 1], order[i]) << i;
}

TEST(ResumeToken, RoundTrip) {
  auto token = event_token(9, 300, 7);
  token.from_invalidate = true;
  const auto wrapped = bson::make_document({{"t", token.to_document()}});
  const auto again = ResumeToken::parse(wrapped["t"]);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->to_hex(), token.to_hex());
  EXPECT_EQ(again->time, token.time);
  EXPECT_EQ(again->txn_index, 300);
  EXPECT_EQ(again->uuid, kUuid);
  EXPECT_TRUE(again->from_invalidate);
}

TEST(ResumeToken, Version2NamesTheOperationAndNumbersFragments) {
  EXPECT_EQ(ResumeToken::high_water_mark({0x5f5f5f5f, 7}, 2).to_hex(), "825F5F5F5F000000072B0429296E1404");
  auto token = event_token(9, 0, 7, 2);
  const auto whole = token.to_hex();
  EXPECT_NE(whole.find("463C6F7065726174696F6E54797065003C696E73657274"), std::string::npos) << whole;
  std::string before = whole;
  for (const int fragment : {0, 1, 40}) {
    token.fragment = fragment;
    EXPECT_LT(before, token.to_hex()) << fragment;
    before = token.to_hex();
    const auto wrapped = bson::make_document({{"t", token.to_document()}});
    const auto again = ResumeToken::parse(wrapped["t"]);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->fragment, fragment);
    EXPECT_EQ(again->to_hex(), token.to_hex());
  }
}

TEST(ResumeToken, Version2WithoutACollection) {
  const auto token = ResumeToken::event(2, {9, 1}, 0, std::nullopt, {.operation_type = "dropDatabase", .key_name = {}, .key = {}});
  const auto wrapped = bson::make_document({{"t", token.to_document()}});
  const auto again = ResumeToken::parse(wrapped["t"]);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->to_hex(), token.to_hex());
  EXPECT_FALSE(again->uuid);
  EXPECT_FALSE(again->fragment);
}

TEST(Splitting, SmallFieldsShareTheFirstFragment) {
  const auto token = event_token(9, 0, 7, 2);
  bson::Builder event;
  event.append("_id", token.to_document()).append("operationType", "update");
  event.append("fullDocument", std::string(3000, 'f')).append("ns", "n").append("fullDocumentBeforeChange", std::string(3000, 'b'));
  const auto document = std::move(event).finish();
  const auto fragments = split_event(document, token, 4000);
  ASSERT_TRUE(fragments) << fragments.error().message;
  ASSERT_EQ(fragments->size(), 2U);
  const auto& first = (*fragments)[0];
  EXPECT_EQ(bson::to_relaxed_ejson(first.document["splitEvent"].document_value()), bson::to_relaxed_ejson(json(R"({"fragment":1,"of":2})")));
  EXPECT_TRUE(first.document["ns"].exists() && first.document["operationType"].exists() && first.document["fullDocument"].exists());
  EXPECT_FALSE(first.document["fullDocumentBeforeChange"].exists());
  EXPECT_EQ(first.document["_id"].document_value()["_data"].to_string_view(), first.token.to_hex());
  EXPECT_TRUE((*fragments)[1].document["fullDocumentBeforeChange"].exists());
  const auto too_small = split_event(document, token, 2000);
  ASSERT_FALSE(too_small);
  EXPECT_EQ(too_small.error().server_code, 7182500);
}

TEST(Splitting, ResumesBehindAFragment) {
  auto token = event_token(9, 0, 7, 2);
  bson::Builder event;
  event.append("_id", token.to_document()).append("a", std::string(9 << 20, 'a')).append("b", std::string(9 << 20, 'b')).append("c", std::string(9 << 20, 'c'));
  const auto document = std::move(event).finish();
  const auto all = EventSplitter(std::nullopt).split(document, token);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), 3U);
  auto after_second = token;
  after_second.fragment = 1;
  const auto rest = EventSplitter(after_second).split(document, token);
  ASSERT_TRUE(rest) << rest.error().message;
  ASSERT_EQ(rest->size(), 1U);
  EXPECT_TRUE(rest->front().document["c"].exists());
  const auto small = bson::make_document({{"_id", token.to_document()}, {"a", 1}});
  EXPECT_EQ(EventSplitter(after_second).split(small, token).error().server_code, 280);
  EXPECT_EQ(EventSplitter(after_second).split(document, event_token(10, 0, 7, 2)).error().server_code, 280);
}

TEST(ResumeToken, GarbageIsRefused) {
  for (const char* text : {"", "8", "zz", "82", "825F5F5F5F00000007", "825F5F5F5F000000072B0629296E04", "825F5F5F5F000000072B0229296E5A1004"}) {
    const auto wrapped = bson::make_document({{"t", bson::make_document({{"_data", text}})}});
    EXPECT_FALSE(ResumeToken::parse(wrapped["t"])) << text;
  }
}

TEST(Options, Refusals) {
  EXPECT_EQ(refusal({"a", "t"}, "{}", k44), 0);
  EXPECT_EQ(refusal({"a", "t"}, R"({"bogus": 1})", k44), 40415);
  EXPECT_EQ(refusal({"a", "t"}, R"({"showExpandedEvents": true})", k44), 40415);
  EXPECT_EQ(refusal({"a", "t"}, R"({"showExpandedEvents": true})", k80), 0);
  EXPECT_EQ(refusal({"local", "t"}, "{}", k44), 73);
  EXPECT_EQ(refusal({"a", "system.views"}, "{}", k44), 73);
  EXPECT_EQ(refusal({"a", ""}, R"({"allChangesForCluster": true})", k44), 72);
  EXPECT_EQ(refusal({"admin", ""}, R"({"allChangesForCluster": true})", k44), 0);
  EXPECT_EQ(refusal({"a", "t"}, R"({"startAtOperationTime": {"$timestamp": {"t": 1, "i": 1}}, "resumeAfter": {"_data": "825F5F5F5F000000072B0229296E04"}})", k44), 40674);
}

TEST(Options, ScopeOfAStream) {
  const auto cluster = options({"admin", ""}, R"({"allChangesForCluster": true})", k44);
  EXPECT_TRUE(cluster.concerns("a.b"));
  EXPECT_FALSE(cluster.concerns("local.x"));
  EXPECT_FALSE(cluster.concerns("a.system.views"));
  const auto database = options({"a", ""}, "{}", k44);
  EXPECT_TRUE(database.concerns("a.b.c"));
  EXPECT_FALSE(database.concerns("ab.c"));
  const auto collection = options({"a", "b"}, "{}", k44);
  EXPECT_TRUE(collection.concerns("a.b"));
  EXPECT_FALSE(collection.concerns("a.b.c"));
}

class Events : public ::testing::Test {
 protected:
  std::optional<Event> make(const Options& options, const char* entry) {
    entry_ = json(entry);
    auto event = make_event(options, Operation::parse(entry_), lookups_);
    EXPECT_TRUE(event) << event.error().message;
    return std::move(*event);
  }
  // Without its token.
  static std::string shown(const Event& event) {
    bson::Builder out;
    for (const auto& field : event.document) {
      if (field.key() != "_id") out.append_raw(field);
    }
    return bson::to_relaxed_ejson(std::move(out).finish());
  }
  static std::string relaxed(const char* text) { return bson::to_relaxed_ejson(json(text)); }

  Lookups lookups_{.current_document = [](const Uuid&, const bson::Element&) -> Result<std::optional<bson::Document>> { return std::optional<bson::Document>(); },
                   .before = [](const Operation&) -> Result<std::optional<bson::Document>> { return std::optional<bson::Document>(); }};
  bson::Document entry_;
};

TEST_F(Events, UpdateWithLookupOfADocumentThatIsGone) {
  const auto event = make(options({"a", "t"}, R"({"fullDocument": "updateLookup"})", k44),
                          R"({"op": "u", "ns": "a.t", "ui": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}, "o": {"$v": 1, "$set": {"x": 2}},
                              "o2": {"_id": 1}, "ts": {"$timestamp": {"t": 5, "i": 2}}})");
  ASSERT_TRUE(event);
  EXPECT_EQ(shown(*event), relaxed(R"({"operationType": "update", "clusterTime": {"$timestamp": {"t": 5, "i": 2}}, "fullDocument": null,
      "ns": {"db": "a", "coll": "t"}, "documentKey": {"_id": 1}, "updateDescription": {"updatedFields": {"x": 2}, "removedFields": []}})"));
}

TEST_F(Events, AViewIsCreatedChangedAndDropped) {
  const auto stream = options({"a", ""}, R"({"showExpandedEvents": true})", k80);
  const auto created = make(stream, R"({"op": "i", "ns": "a.system.views", "ui": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"},
      "o": {"_id": "a.v", "viewOn": "t", "pipeline": []}, "ts": {"$timestamp": {"t": 5, "i": 2}}})");
  ASSERT_TRUE(created);
  EXPECT_EQ(shown(*created), relaxed(R"({"operationType": "create", "clusterTime": {"$timestamp": {"t": 5, "i": 2}}, "ns": {"db": "a", "coll": "v"},
      "operationDescription": {"viewOn": "t", "pipeline": []}})"));
  const auto changed = make(stream, R"({"op": "u", "ns": "a.system.views", "o": {"_id": "a.v", "viewOn": "u", "pipeline": []}, "o2": {"_id": "a.v"},
      "ts": {"$timestamp": {"t": 5, "i": 3}}})");
  ASSERT_TRUE(changed);
  EXPECT_EQ(shown(*changed), relaxed(R"({"operationType": "modify", "clusterTime": {"$timestamp": {"t": 5, "i": 3}}, "ns": {"db": "a", "coll": "v"},
      "operationDescription": {"viewOn": "u", "pipeline": []}})"));
  const char* drop = R"({"op": "d", "ns": "a.system.views", "o": {"_id": "a.v"}, "ts": {"$timestamp": {"t": 5, "i": 4}}})";
  const auto dropped = make(stream, drop);
  ASSERT_TRUE(dropped);
  EXPECT_EQ(shown(*dropped), relaxed(R"({"operationType": "drop", "clusterTime": {"$timestamp": {"t": 5, "i": 4}}, "ns": {"db": "a", "coll": "v"}})"));
  EXPECT_FALSE(make(options({"a", ""}, "{}", k80), drop));
  EXPECT_FALSE(make(options({"b", ""}, R"({"showExpandedEvents": true})", k80), drop));
}

TEST_F(Events, DropInvalidatesACollectionsStreamOnly) {
  const char* entry = R"({"op": "c", "ns": "a.$cmd", "o": {"drop": "t"}, "ts": {"$timestamp": {"t": 5, "i": 2}}})";
  EXPECT_TRUE(make(options({"a", "t"}, "{}", k44), entry)->invalidates);
  EXPECT_FALSE(make(options({"a", ""}, "{}", k44), entry)->invalidates);
  EXPECT_FALSE(make(options({"a", "u"}, "{}", k44), entry));
  EXPECT_FALSE(make(options({"b", ""}, "{}", k44), entry));
}

TEST_F(Events, DropDatabaseInvalidatesADatabasesStream) {
  const char* entry = R"({"op": "c", "ns": "a.$cmd", "o": {"dropDatabase": 1}, "ts": {"$timestamp": {"t": 5, "i": 2}}})";
  EXPECT_TRUE(make(options({"a", ""}, "{}", k44), entry)->invalidates);
  EXPECT_FALSE(make(options({"admin", ""}, R"({"allChangesForCluster": true})", k44), entry)->invalidates);
}

TEST_F(Events, ExpandedEventsAreShownWhenAskedFor) {
  const char* entry = R"({"op": "c", "ns": "a.$cmd", "ui": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"},
                          "o": {"create": "t", "capped": true}, "ts": {"$timestamp": {"t": 5, "i": 2}}, "wall": {"$date": "2026-01-01T00:00:00Z"}})";
  EXPECT_FALSE(make(options({"a", ""}, "{}", k80), entry));
  const auto event = make(options({"a", ""}, R"({"showExpandedEvents": true})", k80), entry);
  ASSERT_TRUE(event);
  EXPECT_EQ(shown(*event), relaxed(R"({"operationType": "create", "clusterTime": {"$timestamp": {"t": 5, "i": 2}}, "collectionUUID": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"},
      "wallTime": {"$date": "2026-01-01T00:00:00Z"}, "ns": {"db": "a", "coll": "t"}, "operationDescription": {"capped": true}})"));
}

TEST_F(Events, ImagesBeforeAndAfterAnUpdate) {
  const char* entry = R"({"op": "u", "ns": "a.t", "ui": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}, "o": {"$v": 2, "diff": {"u": {"x": 2}}},
                          "o2": {"_id": 1}, "ts": {"$timestamp": {"t": 5, "i": 2}}})";
  const auto wanted = options({"a", "t"}, R"({"fullDocument": "required", "fullDocumentBeforeChange": "whenAvailable"})", k80);
  lookups_.before = [](const Operation& operation) -> Result<std::optional<bson::Document>> {
    EXPECT_EQ(operation.entry, (bson::Timestamp{5, 2}));
    return std::optional(json(R"({"_id": 1, "x": 1})"));
  };
  const auto event = make(wanted, entry);
  ASSERT_TRUE(event);
  EXPECT_EQ(bson::to_relaxed_ejson(event->document["fullDocument"].document_value()), bson::to_relaxed_ejson(json(R"({"_id":1,"x":2})")));
  EXPECT_EQ(bson::to_relaxed_ejson(event->document["fullDocumentBeforeChange"].document_value()), bson::to_relaxed_ejson(json(R"({"_id":1,"x":1})")));
  lookups_.before = [](const Operation&) -> Result<std::optional<bson::Document>> { return std::optional<bson::Document>(); };
  const auto document = json(entry);
  const auto missing = make_event(wanted, Operation::parse(document), lookups_);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().server_code, 47);
}

TEST_F(Events, NotesAndForeignNamespacesAreNoEvents) {
  EXPECT_FALSE(make(options({"a", "t"}, "{}", k44), R"({"op": "n", "ns": "", "o": {"msg": "x"}, "ts": {"$timestamp": {"t": 5, "i": 2}}})"));
  EXPECT_FALSE(make(options({"a", "t"}, "{}", k44), R"({"op": "i", "ns": "a.u", "o": {"_id": 1}, "ts": {"$timestamp": {"t": 5, "i": 2}}})"));
}

}  // namespace
}  // namespace drover::sandbox::changestream
