#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "model/collection_info.h"
#include "model/namespace.h"
#include "model/namespace_filter.h"
#include "model/server_version.h"

namespace drover {
namespace {

TEST(Namespace, ParsesAtTheFirstDot) {
  EXPECT_EQ(Namespace::parse("db.a.b"), (Namespace{"db", "a.b"}));
  EXPECT_EQ(Namespace::parse("db.a.b")->to_string(), "db.a.b");
  for (const char* bad : {"", "db", ".a", "db."}) EXPECT_FALSE(Namespace::parse(bad)) << bad;
  EXPECT_TRUE(is_internal_database("__mdb_internal_mongosync"));
  EXPECT_FALSE(is_internal_database("Admin"));
}

TEST(ServerVersion, CutsSuffixes) {
  EXPECT_EQ(ServerVersion::parse("8.0.0-rc1"), (ServerVersion{8, 0, 0}));
  EXPECT_EQ(ServerVersion::parse("4.4"), (ServerVersion{4, 4, 0}));
  EXPECT_FALSE(ServerVersion::parse("four"));
  EXPECT_LT(*ServerVersion::parse("4.4.29"), *ServerVersion::parse("4.10.1"));
}

CollectionInfo collection(const char* options, std::initializer_list<const char*> indexes) {
  CollectionInfo info{.ns = {"db", "c"}, .options = bson::from_ejson(options).value()};
  for (const char* index : indexes) info.indexes.push_back(bson::from_ejson(index).value());
  return info;
}

constexpr const char* kId = R"({"v": 2, "key": {"_id": 1}, "name": "_id_"})";
constexpr const char* kUnique = R"({"v": 2, "unique": true, "key": {"a": 1}, "name": "a_1"})";
constexpr const char* kPlain = R"({"v": 2, "key": {"b": 1, "c": 1}, "name": "b_1"})";

TEST(CollectionInfo, UniqueIndexesAreSecondaryAndTrue) {
  const auto info = collection("{}", {kId, kUnique, kPlain, R"({"v": 2, "key": {"d": 1}, "name": "d_1", "unique": 0})"});
  ASSERT_EQ(unique_indexes(info).size(), 1u);
  EXPECT_EQ(unique_indexes(info)[0]["name"].string_value(), "a_1");
}

TEST(CollectionInfo, EqualWhateverTheOrderOfIndexes) {
  const auto source = collection(R"({"capped": true, "size": 4096})", {kId, kUnique, kPlain});
  auto destination = collection(R"({"capped": true, "size": 4096})", {kId, kPlain, kUnique});
  destination.uuid.bytes[0] = 1;  // every collection has its own
  EXPECT_EQ(difference(source, destination), std::nullopt);
}

TEST(CollectionInfo, SaysTheFirstDifference) {
  const auto source = collection(R"({"capped": true, "size": 4096})", {kId, kUnique});
  const auto said = [&](const CollectionInfo& destination) { return difference(source, destination).value_or(""); };
  EXPECT_EQ(said(collection(R"({"capped": true, "size": 8192})", {kId, kUnique})),
            R"(options: size is { "$numberInt" : "4096" } on the source and { "$numberInt" : "8192" } on the destination)");
  EXPECT_EQ(said(collection(R"({"capped": true})", {kId, kUnique})), "options: field size is only on the source");
  EXPECT_EQ(said(collection(R"({"capped": true, "size": 4096, "max": 3})", {kId, kUnique})),
            "options: field max is only on the destination");
  EXPECT_EQ(said(collection(R"({"capped": true, "size": 4096})", {kId})), "index a_1 is only on the source");
  EXPECT_EQ(said(collection(R"({"capped": true, "size": 4096})", {kId, kUnique, kPlain})),
            "index b_1 is only on the destination");
  EXPECT_EQ(said(collection(R"({"capped": true, "size": 4096})",
                            {kId, R"({"v": 2, "unique": true, "key": {"a": -1}, "name": "a_1"})"})),
            R"(index a_1: key is { "a" : { "$numberInt" : "1" } } on the source and { "a" : { "$numberInt" : "-1" } } on the destination)");
  auto view = source;
  view.kind = CollectionKind::kView;
  EXPECT_EQ(said(view), "a collection on the source and a view on the destination");
}

NamespaceFilter filter(std::vector<std::string> includes, std::vector<std::string> excludes) {
  return NamespaceFilter::parse(includes, excludes).value();
}

TEST(NamespaceFilter, WithoutListsEverythingButInternalDatabases) {
  const NamespaceFilter all;
  EXPECT_TRUE(all.selects_everything());
  EXPECT_TRUE(all.matches({"shop", "orders"}));
  EXPECT_TRUE(all.matches({"shop", ""}));
  for (const char* db : {"admin", "local", "config", "__mdb_internal_mongosync"}) {
    EXPECT_FALSE(all.matches({db, "c"})) << db;
    EXPECT_FALSE(all.selects_some_of(db)) << db;
  }
}

TEST(NamespaceFilter, IncludesNameDatabasesAndCollections) {
  const auto some = filter({"shop", "blog.posts", "blog.a.b"}, {});
  EXPECT_TRUE(some.matches({"shop", "anything"}));
  EXPECT_TRUE(some.matches({"blog", "posts"}));
  EXPECT_TRUE(some.matches({"blog", "a.b"}));
  EXPECT_TRUE(some.matches({"blog", "system.buckets.posts"}));
  EXPECT_FALSE(some.matches({"blog", "a"}));
  EXPECT_FALSE(some.matches({"blog", "comments"}));
  EXPECT_FALSE(some.matches({"shop2", "orders"}));
  EXPECT_TRUE(some.selects_some_of("blog"));
  EXPECT_FALSE(some.selects_all_of("blog"));
  EXPECT_TRUE(some.selects_all_of("shop"));
  EXPECT_FALSE(some.selects_some_of("sho"));
}

TEST(NamespaceFilter, IncludesThatNothingBelongsTo) {
  const auto filter = NamespaceFilter::parse(std::vector<std::string>{"shop", "crm.people", "crm.gone"}, {}).value();
  const std::vector<Namespace> present{{"shop", "a"}, {"crm", "people"}};
  EXPECT_EQ(filter.unmatched_includes(present), (std::vector<Namespace>{{"crm", "gone"}}));
  EXPECT_TRUE(NamespaceFilter().unmatched_includes({}).empty());
}

TEST(NamespaceFilter, ExcludesThatNothingBelongsTo) {
  const auto some = filter({}, {"shop", "crm.people", "crm.gone", "shpo", "crm.series"});
  const std::vector<Namespace> present{{"shop", "a"}, {"crm", "people"}, {"crm", "system.buckets.series"}};
  EXPECT_EQ(some.unmatched_excludes(present), (std::vector<Namespace>{{"crm", "gone"}, {"shpo", ""}}));
  EXPECT_TRUE(filter({"shop"}, {}).unmatched_excludes({}).empty());
}

TEST(NamespaceFilter, BucketsAreKnownByTheirCollection) {
  EXPECT_EQ(without_buckets_prefix({"shop", "system.buckets.ts"}), (Namespace{"shop", "ts"}));
  EXPECT_EQ(without_buckets_prefix({"shop", "ts"}), (Namespace{"shop", "ts"}));
}

TEST(NamespaceFilter, ExcludesWin) {
  const auto some = filter({"shop"}, {"shop.logs", "tmp"});
  EXPECT_TRUE(some.matches({"shop", "orders"}));
  EXPECT_FALSE(some.matches({"shop", "logs"}));
  EXPECT_FALSE(some.selects_all_of("shop"));
  const auto rest = filter({}, {"tmp"});
  EXPECT_TRUE(rest.matches({"shop", "logs"}));
  EXPECT_FALSE(rest.matches({"tmp", "x"}));
  EXPECT_FALSE(rest.selects_some_of("tmp"));
}

TEST(NamespaceFilter, RefusesWhatCannotBeMeant) {
  const auto error = [](std::vector<std::string> includes, std::vector<std::string> excludes) {
    const auto parsed = NamespaceFilter::parse(includes, excludes);
    if (parsed) return std::string();
    EXPECT_EQ(parsed.error().code, ErrorCode::kUsage);
    return parsed.error().message;
  };
  EXPECT_EQ(error({""}, {}), R"(--include "": name a database or database.collection)");
  EXPECT_EQ(error({".c"}, {}), R"(--include ".c": no database before the dot)");
  EXPECT_EQ(error({}, {"db."}),
            R"(--exclude "db.": no collection after the dot; name the database alone for all of its collections)");
  EXPECT_EQ(error({"db.*"}, {}),
            R"(--include "db.*": patterns are not supported; name the database alone for all of its collections)");
  EXPECT_EQ(error({"d*"}, {}), R"(--include "d*": patterns are not supported; name each database)");
  EXPECT_EQ(error({"a b.c"}, {}), R"(--include "a b.c": a database name cannot hold any of / \ " $ or a space)");
  EXPECT_EQ(error({"admin.system.users"}, {}),
            R"(--include "admin.system.users": database admin is internal and never migrated; remove the option)");
  EXPECT_EQ(error({"db.c"}, {"db"}), R"(--include "db.c": --exclude "db" leaves nothing of it; remove one of the two)");
  EXPECT_EQ(error({"db.c"}, {"db.c"}), R"(--include "db.c": --exclude "db.c" leaves nothing of it; remove one of the two)");
  EXPECT_NE(error({std::string(64, 'd')}, {}), "");
  EXPECT_NE(error({"db." + std::string(255, 'c')}, {}), "");
  EXPECT_NE(error({"db.a$b"}, {}), "");
}

}  // namespace
}  // namespace drover
