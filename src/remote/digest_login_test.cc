#include "remote/digest_login.h"

#include <gtest/gtest.h>

namespace drover::remote {
namespace {

// The example of RFC 2617, 3.5.
TEST(Digest, AnswersAsTheRfcDoes) {
  const auto challenge = parse_challenge(
      R"(Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41")");
  ASSERT_TRUE(challenge);
  EXPECT_FALSE(challenge->stale);
  const auto header = digest_authorization(*challenge, {"Mufasa", "Circle Of Life"}, "GET", "/dir/index.html", "0a4f113b", 1);
  EXPECT_EQ(header,
            R"(Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", algorithm=MD5, )"
            R"(qop=auth, nc=00000001, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41")");
}

TEST(Digest, ReadsTheChallengeOfASite) {
  const auto challenge = parse_challenge(R"(Digest realm="MMS Public API", domain="", nonce="aGVsbG8=", algorithm=MD5, qop="auth", stale=true)");
  ASSERT_TRUE(challenge);
  EXPECT_EQ(challenge->realm, "MMS Public API");
  EXPECT_EQ(challenge->nonce, "aGVsbG8=");
  EXPECT_TRUE(challenge->stale);
}

TEST(Digest, TakesNoOtherChallenge) {
  for (const auto* wrong : {"", "Basic realm=\"oauth\"", "Digest", "Digest realm=\"r\", qop=\"auth\"", "Digest realm=\"r\", nonce=\"n\"",
                            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"", "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"",
                            "Digest nonce=\"n"})
    EXPECT_FALSE(parse_challenge(wrong)) << wrong;
}

TEST(Digest, QuotesWhatItWasGiven) {
  const auto header = digest_authorization({.realm = "a\"b", .nonce = "n", .opaque = "", .stale = false}, {"u", "p"}, "GET", "/", "c", 2);
  EXPECT_NE(header.find(R"(realm="a\"b")"), std::string::npos);
  EXPECT_NE(header.find("nc=00000002"), std::string::npos);
}

}  // namespace
}  // namespace drover::remote
