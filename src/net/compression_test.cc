#include "net/compression.h"

#include <string>

#include <gtest/gtest.h>

namespace drover::net {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes sample() {
  Bytes bytes;
  for (int i = 0; i < 20'000; ++i) bytes.push_back(static_cast<std::uint8_t>(i * i >> 7));
  return bytes;
}

class EveryCompressor : public testing::TestWithParam<Compressor> {};

TEST_P(EveryCompressor, RoundTrip) {
  for (const auto& plain : {sample(), Bytes{}, Bytes{7}}) {
    const auto packed = compress(GetParam(), plain);
    ASSERT_TRUE(packed);
    const auto again = decompress(GetParam(), *packed, plain.size());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(*again, plain);
  }
}

TEST_P(EveryCompressor, AnotherSizeThanClaimedIsRefused) {
  const auto packed = *compress(GetParam(), sample());
  EXPECT_FALSE(decompress(GetParam(), packed, sample().size() - 1));
  EXPECT_FALSE(decompress(GetParam(), packed, sample().size() + 1));
}

TEST_P(EveryCompressor, CutDataIsRefused) {
  const auto packed = *compress(GetParam(), sample());
  for (std::size_t size = 0; size < packed.size(); size += packed.size() / 50) {
    EXPECT_FALSE(decompress(GetParam(), std::span(packed).first(size), sample().size())) << size;
  }
}

INSTANTIATE_TEST_SUITE_P(Compression, EveryCompressor,
                         testing::Values(Compressor::kNone, Compressor::kSnappy, Compressor::kZlib, Compressor::kZstd));

TEST(Compression, NamesAndNumbers) {
  EXPECT_EQ(compressor_of_name("zstd"), Compressor::kZstd);
  EXPECT_EQ(compressor_of_name("noop"), std::nullopt);
  EXPECT_EQ(compressor_of_id(2), Compressor::kZlib);
  EXPECT_EQ(compressor_of_id(4), std::nullopt);
}

}  // namespace
}  // namespace drover::net
