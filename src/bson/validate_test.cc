#include "bson/validate.h"

#include <gtest/gtest.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "bson/random_values.h"

namespace drover::bson {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(Validate, RefusesBrokenStructure) {
  EXPECT_TRUE(validate(Bytes{5, 0, 0, 0, 0}));
  EXPECT_FALSE(validate(Bytes{}));
  EXPECT_FALSE(validate(Bytes{4, 0, 0, 0}));
  EXPECT_FALSE(validate(Bytes{5, 0, 0, 0, 1}));
  EXPECT_FALSE(validate(Bytes{6, 0, 0, 0, 0}));                                  // longer than the bytes
  EXPECT_FALSE(validate(Bytes{5, 0, 0, 0, 0, 0}));                               // shorter
  EXPECT_FALSE(validate(Bytes{6, 0, 0, 0, 0, 0}));                               // ends early
  EXPECT_FALSE(validate(Bytes{8, 0, 0, 0, 0x21, 'a', 0, 0}));                    // unknown type
  EXPECT_FALSE(validate(Bytes{8, 0, 0, 0, 0x0a, 'a', 'b', 0}));                  // name runs into the end
  EXPECT_FALSE(validate(Bytes{9, 0, 0, 0, 0x08, 'a', 0, 2, 0}));                 // boolean 2
  EXPECT_FALSE(validate(Bytes{12, 0, 0, 0, 0x02, 'a', 0, 0, 0, 0, 0, 0}));       // string of length 0
  EXPECT_FALSE(validate(Bytes{13, 0, 0, 0, 0x02, 'a', 0, 1, 0, 0, 0, 'x', 0}));  // string without NUL
  EXPECT_FALSE(validate(Bytes{13, 0, 0, 0, 0x05, 'a', 0, 255, 255, 255, 255, 0, 0}));
}

Document nested(int levels) {
  Document document;
  for (int i = 0; i < levels; ++i) document = make_document({{"a", document}});
  return document;
}

TEST(Validate, LimitsNesting) {
  EXPECT_TRUE(validate(nested(100).bytes(), 100));
  EXPECT_FALSE(validate(nested(101).bytes(), 100));
  EXPECT_TRUE(validate(nested(kMaxNesting).bytes()));
  EXPECT_FALSE(validate(nested(kMaxNesting + 1).bytes()));
}

TEST(Validate, AnEmptyDocumentAtTheBottomIsNoLevel) {
  EXPECT_FALSE(exceeds_levels(Document(), 0));
  EXPECT_FALSE(exceeds_levels(nested(3), 3));
  EXPECT_TRUE(exceeds_levels(nested(4), 3));
  EXPECT_TRUE(exceeds_levels(make_document({{"a", 1}}), 0));
  Builder holds_array;
  holds_array.open_array("").append(nested(2));
  const auto document = std::move(holds_array).finish();
  EXPECT_FALSE(exceeds_levels(document, 4));
  EXPECT_TRUE(exceeds_levels(document, 3));
  EXPECT_FALSE(exceeds_levels(nested(kMaxStoredLevels), kMaxStoredLevels));
  EXPECT_TRUE(exceeds_levels(nested(kMaxStoredLevels + 1), kMaxStoredLevels));
}

// Reads every value; fails when an element lies outside of its document.
void walk(View view, int& elements) {
  const std::uint8_t* const end = view.data() + view.size();
  for (const Element& element : view) {
    ++elements;
    ASSERT_LT(element.raw().data() + element.size(), end);
    if (element.is_document() || element.is_array()) walk(element.document_value(), elements);
    if (element.type() == Type::kCodeWithScope) walk(element.code_with_scope_scope(), elements);
  }
}

Bytes mutated(Bytes bytes, RandomValues& random) {
  for (auto changes = 1 + random.below(3); changes > 0; --changes) {
    const auto at = random.below(bytes.size());
    switch (random.below(5)) {
      case 0: bytes[at] ^= static_cast<std::uint8_t>(1 << random.below(8)); break;
      case 1: bytes[at] = static_cast<std::uint8_t>(random.below(256)); break;
      case 2: bytes[at] = static_cast<std::uint8_t>(random.below(0x14)); break;  // types
      case 3: bytes.resize(at + 1); break;
      default: bytes[at] = static_cast<std::uint8_t>(bytes[at] + random.below(3) - 1);
    }
  }
  // Half the time the outer length is right, so that the walk gets past it.
  if (bytes.size() >= 5 && random.below(2)) {
    const auto size = static_cast<std::int32_t>(bytes.size());
    std::memcpy(bytes.data(), &size, sizeof size);
    bytes.back() = 0;
  }
  return bytes;
}

TEST(Validate, NoMutationLetsIterationEscape) {
  RandomValues random(1);
  const Document rare = from_ejson(R"({"s": {"$code": "f", "$scope": {"a": 1}},
    "p": {"$dbPointer": {"$ref": "db.c", "$id": {"$oid": "0102030405060708090a0b0c"}}}})").value();
  int refused = 0, accepted = 0, elements = 0;
  for (int i = 0; i < 60'000; ++i) {
    Builder builder;
    builder.append("nested", random.document()).append_all(rare).append_all(random.document());
    const Bytes original = std::move(builder).finish().bytes();
    ASSERT_TRUE(validate(original));
    Bytes bytes = mutated(original, random);
    bytes.shrink_to_fit();  // so that AddressSanitizer sees a step beyond the end
    const auto valid = validate(bytes);
    (valid ? accepted : refused)++;
    if (!valid) continue;
    walk(*valid, elements);
    to_shell(*valid);
    for (const Element& element : *valid) key_string(element);
    ASSERT_EQ(compare_documents(*valid, *valid), 0);
  }
  EXPECT_GT(refused, 5'000);
  EXPECT_GT(accepted, 5'000);
  EXPECT_GT(elements, accepted);
}

}  // namespace
}  // namespace drover::bson
