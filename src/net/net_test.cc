#include <gtest/gtest.h>

#include "net/crypto.h"

namespace drover::net {
namespace {

TEST(Crypto, KnownAnswers) {
  EXPECT_EQ(hex_encode(digest(Digest::kMd5, "user:mongo:pencil")), "1c33006ec1ffd90f9cadcbcc0e118200");
  EXPECT_EQ(hex_encode(digest(Digest::kSha256, "abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex_encode(hmac(Digest::kSha1, "key", "The quick brown fox jumps over the lazy dog")),
            "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9");
  EXPECT_EQ(hex_encode(*pbkdf2(Digest::kSha1, "password", "salt", 4096)), "4b007901b765489abead49d926f721d065a429c1");
  EXPECT_EQ(hex_encode(*pbkdf2(Digest::kSha1, "password", "salt", 1)), "0c60c80f961f0e71f3a9b524af6012062fe037a6");
  EXPECT_EQ(hex_encode(*pbkdf2(Digest::kSha256, "password", "salt", 2)), "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43");
  // A key longer than a block is hashed first.
  EXPECT_EQ(*pbkdf2(Digest::kSha256, std::string(100, 'k'), "salt", 3), *pbkdf2(Digest::kSha256, digest(Digest::kSha256, std::string(100, 'k')), "salt", 3));
  int asked = 0;
  EXPECT_FALSE(pbkdf2(Digest::kSha256, "password", "salt", 2'000'000'000, [&] { return ++asked < 3; }));
  EXPECT_EQ(asked, 3);
}

TEST(Crypto, Base64BothWays) {
  for (const char* text : {"", "a", "ab", "abc", "abcd"}) EXPECT_EQ(base64_decode(base64_encode(text)), text);
  EXPECT_EQ(base64_encode("any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
  EXPECT_FALSE(base64_decode("abc"));
  EXPECT_FALSE(base64_decode("a*c="));
}

TEST(Crypto, ComparesInConstantTime) {
  EXPECT_TRUE(equal_constant_time("ab", "ab"));
  EXPECT_FALSE(equal_constant_time("ab", "ac"));
  EXPECT_FALSE(equal_constant_time("ab", "abc"));
}

}  // namespace
}  // namespace drover::net
