#include "engine/changed_keys.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/key_string.h"

namespace drover::engine {
namespace {

using Spellings = ChangedKeys::Spellings;

bson::Value value(std::int32_t n) { return bson::Value(bson::make_document({{"", n}})[""]); }
bson::Value value(double n) { return bson::Value(bson::make_document({{"", n}})[""]); }
std::string key(const bson::Value& id) { return bson::key_string(id.element()); }

const Uuid kOne{{1}}, kOther{{2}};

TEST(ChangedKeys, knows_a_key_once) {
  ChangedKeys keys;
  keys.add(kOne, key(value(1)), value(1), Spellings::kOne);
  const auto bytes = keys.bytes();
  keys.add(kOne, key(value(1)), value(1), Spellings::kOne);
  keys.add(kOne, key(value(1.0)), value(1.0), Spellings::kOne);
  EXPECT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys.bytes(), bytes);
  EXPECT_TRUE(keys.contains(kOne, key(value(1.0))));
  EXPECT_FALSE(keys.contains(kOther, key(value(1))));
}

TEST(ChangedKeys, keeps_every_spelling_when_each_is_a_document) {
  ChangedKeys keys;
  keys.add(kOne, "same", value(1), Spellings::kAll);
  keys.add(kOne, "same", value(1.0), Spellings::kAll);
  EXPECT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys.take(kOne, 1, 1 << 20).size(), 2u);  // a key's spellings stay together
  EXPECT_TRUE(keys.empty());
}

TEST(ChangedKeys, takes_no_more_than_so_many_bytes) {
  ChangedKeys keys;
  for (int n = 0; n < 10; ++n) keys.add(kOne, key(value(n)), value(n), Spellings::kOne);
  const auto each = keys.bytes() / 10;
  EXPECT_EQ(keys.take(kOne, 10, 3 * each).size(), 4u);  // one more shows that it is enough
  EXPECT_EQ(keys.take(kOne, 10, 0).size(), 1u);
  EXPECT_EQ(keys.size(), 5u);
}

std::vector<int> numbers(const std::vector<ChangedKeys::Key>& keys) {
  std::vector<int> all;
  for (const auto& one : keys) all.push_back(one.id.element().int32_value());
  return all;
}

// Whoever changes all the time stands behind those that wait.
TEST(ChangedKeys, goes_round) {
  ChangedKeys keys;
  const auto add = [&](int n) { keys.add(kOne, key(value(n)), value(n), Spellings::kOne); };
  for (int n = 0; n < 5; ++n) add(n);
  EXPECT_EQ(numbers(keys.take(kOne, 2, 1 << 20)), (std::vector{0, 1}));
  add(0);
  add(1);
  EXPECT_EQ(numbers(keys.take(kOne, 2, 1 << 20)), (std::vector{2, 3}));
  add(2);
  EXPECT_EQ(numbers(keys.take(kOne, 2, 1 << 20)), (std::vector{4}));  // the low ones are read first, and not to be in its way
  EXPECT_EQ(numbers(keys.take(kOne, 5, 1 << 20)), (std::vector{0, 1, 2}));
  EXPECT_TRUE(keys.empty());
  EXPECT_EQ(keys.bytes(), 0u);
}

// Inserts with ascending _ids come behind the last that was taken: after one way to the end it is the lowest ones' turn.
TEST(ChangedKeys, begins_again_at_the_end) {
  ChangedKeys keys;
  const auto add = [&](int n) { keys.add(kOne, key(value(n)), value(n), Spellings::kOne); };
  for (int n = 0; n < 4; ++n) add(n);
  EXPECT_EQ(numbers(keys.take(kOne, 2, 1 << 20)), (std::vector{0, 1}));
  add(0);
  EXPECT_EQ(numbers(keys.take(kOne, 5, 1 << 20)), (std::vector{2, 3}));
  add(4);
  EXPECT_EQ(numbers(keys.take(kOne, 1, 1 << 20)), (std::vector{0}));
}

// What a reply had no room for is not passed over, though it was taken, and though nothing else was left.
TEST(ChangedKeys, keeps_the_turn_of_what_is_put_back) {
  ChangedKeys keys;
  const auto add = [&](int n) { keys.add(kOne, key(value(n)), value(n), Spellings::kOne); };
  for (int n = 0; n < 5; ++n) add(n);
  EXPECT_EQ(numbers(keys.take(kOne, 5, 1 << 20)), (std::vector{0, 1, 2, 3, 4}));
  add(0);
  for (const int n : {3, 4}) add(n);
  keys.set_turn(kOne, key(value(3)));
  EXPECT_EQ(numbers(keys.take(kOne, 5, 1 << 20)), (std::vector{3, 4}));
  EXPECT_EQ(numbers(keys.take(kOne, 5, 1 << 20)), (std::vector{0}));
  keys.set_turn(kOne, key(value(3)));  // forgotten meanwhile, as all of them
  EXPECT_TRUE(keys.empty());
}

// With large _ids that is as much as a key.
TEST(ChangedKeys, counts_what_it_keeps_for_the_turns) {
  ChangedKeys keys;
  const std::string large(1 << 20, 'x');
  const auto id = [&](char last) { return bson::Value(bson::make_document({{"", large + last}})[""]); };
  for (const char last : {'a', 'b', 'c'}) keys.add(kOne, large + last, id(last), Spellings::kOne);
  const auto each = keys.bytes() / 3;
  EXPECT_EQ(keys.take(kOne, 1, SIZE_MAX).size(), 1u);
  EXPECT_EQ(keys.key_bytes(), 2 * each);
  EXPECT_EQ(keys.bytes(), 2 * each + large.size() + 2);
  keys.set_turn(kOne, "short");
  EXPECT_EQ(keys.bytes(), 2 * each + 5);
  EXPECT_EQ(keys.take(kOne, 1, SIZE_MAX).size(), 1u);
  EXPECT_EQ(keys.bytes(), each + large.size() + 2);
  keys.forget(kOne, {}, {});
  EXPECT_EQ(keys.bytes(), 0u);
}

TEST(ChangedKeys, takes_some_and_forgets_ranges) {
  ChangedKeys keys;
  for (int n = 0; n < 10; ++n) keys.add(kOne, key(value(n)), value(n), Spellings::kOne);
  keys.add(kOther, key(value(3)), value(3), Spellings::kOne);
  EXPECT_EQ(keys.collection_after(kOne), kOther);
  EXPECT_EQ(keys.collection_after(kOther), kOne);  // in turns
  EXPECT_EQ(keys.take(kOne, 4, 1 << 20).size(), 4u);
  EXPECT_EQ(keys.count(kOne), 6u);
  keys.forget(kOne, key(value(6)), key(value(8)));
  EXPECT_EQ(keys.count(kOne), 4u);
  EXPECT_FALSE(keys.contains(kOne, key(value(7))));
  EXPECT_TRUE(keys.contains(kOne, key(value(8))));
  keys.forget(kOne, {}, {});
  EXPECT_EQ(keys.collection_after(kOther), kOther);
  keys.forget(kOther, {}, {});
  EXPECT_TRUE(keys.empty());
  EXPECT_EQ(keys.bytes(), 0u);
}

}  // namespace
}  // namespace drover::engine
