// applyOps: what a server's own oplog holds, applied again, gives the same documents.
#include "sandbox/server/client_for_tests.h"

namespace drover::sandbox {
namespace {

class ApplyOps : public SandboxClientTest, public ::testing::WithParamInterface<ServerVersion> {
 protected:
  void SetUp() override { start(GetParam()); }
  // Entries about `d` from the oplog, as mongorestore sends them: without what names this server's collections.
  std::vector<bson::Document> recorded() {
    std::vector<bson::Document> entries;
    for (const auto& entry : find("local", "oplog.rs", R"({"ns": {"$in": ["d.c", "d.$cmd"]}})")) {
      bson::Builder out;
      for (const auto& field : entry) {
        if (field.key() != "ui") out.append_raw(field);
      }
      entries.push_back(std::move(out).finish());
    }
    return entries;
  }
  bson::Document apply(const std::vector<bson::Document>& entries) {
    bson::Builder command;
    {
      auto list = command.open_array("applyOps");
      for (const auto& entry : entries) list.append(entry);
    }
    return run("admin", std::move(command).finish().view());
  }
};

TEST_P(ApplyOps, ItsOwnOplogGivesTheSameDocuments) {
  ASSERT_EQ(code("d", R"({"create": "c"})"), 0);
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": [1, 2, 3], "s": {"x": 1, "y": 2}}, {"_id": 2}, {"_id": {"k": 1}, "v": 1}]})"), 0);
  ASSERT_EQ(code("d", R"({"update": "c", "updates": [{"q": {"_id": 1}, "u": {"$set": {"a.1": 7, "s.x": 8, "new": {"deep": true}}, "$unset": {"s.y": 1}, "$inc": {"n": 5}}},
                                                     {"q": {"_id": 2}, "u": {"whole": "document"}}, {"q": {"_id": 3}, "u": {"$push": {"l": 1}}, "upsert": true},
                                                     {"q": {"_id": 1}, "u": {"$push": {"a": 9}}}, {"q": {"_id": 1}, "u": {"$pop": {"a": -1}}}]})"), 0);
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"n": 1}, "name": "n_1", "sparse": true}]})"), 0);
  ASSERT_EQ(code("d", R"({"delete": "c", "deletes": [{"q": {"_id": {"k": 1}}, "limit": 1}]})"), 0);
  const auto entries = recorded();
  const auto before = find("d", "c");
  ASSERT_EQ(before.size(), 3U);
  ASSERT_EQ(code("d", R"({"drop": "c"})"), 0);
  for (int times = 0; times < 2; ++times) {
    for (const auto& entry : entries) {
      const auto name = entry.view().at_path("o").document_value().first().key();
      if (name == "startIndexBuild" || name == "commitIndexBuild") continue;
      // Done again, an update of what has changed since may fail; done in order from the start it may not.
      const auto reply = apply({entry});
      if (times == 0) { ASSERT_TRUE(reply["ok"].is_truthy()) << text(entry) << text(reply); }
      if (name == "drop") break;
    }
    const auto after = find("d", "c");
    ASSERT_EQ(after.size(), before.size());
    for (std::size_t i = 0; i < before.size() && times == 0; ++i) EXPECT_TRUE(after[i].view().same_bytes(before[i])) << text(before[i]) << text(after[i]);
  }
}

TEST_P(ApplyOps, WritesAreSeenAsAnyOther) {
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "u": 1}]})"), 0);
  ASSERT_EQ(code("d", R"({"createIndexes": "c", "indexes": [{"key": {"u": 1}, "name": "u_1", "unique": true}]})"), 0);
  const auto stream = watch("d", "c", "{}");
  const auto doubled = run("admin", R"({"applyOps": [{"op": "i", "ns": "d.c", "o": {"_id": 2, "u": 2}}, {"op": "i", "ns": "d.c", "o": {"_id": 3, "u": 1}}]})");
  EXPECT_FALSE(doubled["ok"].is_truthy()) << text(doubled);
  // All together or not at all, up to 6.
  const bool together = GetParam() < ServerVersion{7, 0, 0};
  EXPECT_EQ(find("d", "c").size(), together ? 1U : 2U);
  ASSERT_EQ(code("admin", R"({"applyOps": [{"op": "u", "ns": "d.c", "o2": {"_id": 1}, "o": {"$v": 1, "$set": {"u": 9}}}]})"), 0);
  const auto events = batch(more("d", "c", stream));
  ASSERT_EQ(events.size(), together ? 1U : 2U);
  EXPECT_EQ(events.back()["operationType"].to_string_view(), "update");
  EXPECT_EQ(events.back().view().at_path("updateDescription.updatedFields.u").to_int64(), 9);
}

// The index of _id is never changed by an update, so that its entries would be those of other documents.
TEST_P(ApplyOps, NoEntryChangesAnId) {
  ASSERT_EQ(code("d", R"({"insert": "c", "documents": [{"_id": 1, "a": 1}]})"), 0);
  const auto apply = [&](const std::string& more) { return code("admin", R"({"applyOps": [{"ns": "d.c", )" + more + "}]}"); };
  if (GetParam() >= ServerVersion{5, 0, 0}) {
    EXPECT_NE(apply(R"("op": "u", "o2": {"_id": 1}, "o": {"$v": 2, "diff": {"u": {"_id": 5}}})"), 0);
    EXPECT_NE(apply(R"("op": "u", "o2": {"_id": 1}, "o": {"$v": 2, "diff": {"d": {"_id": false}}})"), 0);
    EXPECT_NE(apply(R"("op": "u", "b": true, "o2": {"_id": 7}, "o": {"$v": 2, "diff": {"u": {"_id": 8}}})"), 0);
  }
  EXPECT_NE(apply(R"("op": "u", "o2": {"_id": 1}, "o": {"_id": 5, "a": 1})"), 0);
  EXPECT_NE(apply(R"("op": "i", "o": {"_id": [1, 2]})"), 0);
  EXPECT_NE(code("admin", R"({"applyOps": [{"op": "i", "ns": "local.oplog.rs", "o": {"_id": 1}}]})"), 0);
  EXPECT_EQ(text(find("d", "c", R"({"_id": 1})").at(0)), R"({"_id":1,"a":1})");
  EXPECT_EQ(find("d", "c").size(), 1u);
  EXPECT_TRUE(run("d", R"({"validate": "c"})")["valid"].is_truthy());
}

TEST_P(ApplyOps, ACollectionGetsTheUuidThatItsEntryNames) {
  const auto create = [&](const std::string& name, const std::string& uuid) {
    return run("admin", R"({"applyOps": [{"op": "c", "ns": "d.$cmd", "ui": {"$uuid": ")" + uuid + R"("}, "o": {"create": ")" + name + R"("}}]})");
  };
  const std::string one = "00000000-0000-4000-8000-000000000001", two = "00000000-0000-4000-8000-000000000002";
  for (int times = 0; times < 2; ++times) EXPECT_TRUE(create("c", one)["ok"].is_truthy());
  const auto listed = batch(run("d", R"({"listCollections": 1})"));
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].view().at_path("info.uuid").to_uuid()->to_string(), one);
  EXPECT_EQ(create("c", two)["code"].to_int64(), 48);
  EXPECT_EQ(create("other", one)["code"].to_int64(), 72);
  // By UUID, whatever the name.
  EXPECT_EQ(code("admin", R"({"applyOps": [{"op": "i", "ns": "d.other", "ui": {"$uuid": ")" + one + R"("}, "o": {"_id": 1}}]})"), 0);
  EXPECT_EQ(find("d", "c").size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Versions, ApplyOps, ::testing::Values(kTest44, kTest80));

}  // namespace
}  // namespace drover::sandbox
