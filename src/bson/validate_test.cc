#include "bson/validate.h"

#include <gtest/gtest.h>

#include "bson/builder.h"

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

}  // namespace
}  // namespace drover::bson
