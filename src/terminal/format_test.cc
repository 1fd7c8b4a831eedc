#include "terminal/format.h"

#include <gtest/gtest.h>

namespace drover::terminal {
namespace {

TEST(Format, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(999'999), "1.0 MB");
  EXPECT_EQ(format_bytes(1.25e9), "1.2 GB");
  EXPECT_EQ(format_bytes(5e15), "5000.0 TB");
}

TEST(Format, Durations) {
  EXPECT_EQ(format_duration(-1), "0.0 s");
  EXPECT_EQ(format_duration(0.44), "0.4 s");
  EXPECT_EQ(format_duration(9.99), "10 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(185), "3 min 05 s");
  EXPECT_EQ(format_duration(7620), "2 h 07 min");
}

TEST(Format, NothingIsHundredPercentBeforeItIsDone) {
  EXPECT_EQ(format_percent(0), "0 %");
  EXPECT_EQ(format_percent(0.9999), "99 %");
  EXPECT_EQ(format_percent(1), "100 %");
}

TEST(Format, FitPadsOrShortensInTheMiddle) {
  EXPECT_EQ(fit("ab", 4), "ab  ");
  EXPECT_EQ(fit("abcdefgh", 5), "ab…gh");
  EXPECT_EQ(fit("äöüß", 3), "ä…ß");
  EXPECT_EQ(fit("abc", 1), "…");
  EXPECT_EQ(fit("abc", 0), "");
  EXPECT_EQ(columns("äöü"), 3u);
}

TEST(Format, WideCharactersTakeTwoColumnsAndMarksNone) {
  EXPECT_EQ(columns("漢字"), 4u);
  EXPECT_EQ(columns("e\u0301"), 1u);
  EXPECT_EQ(columns("ключ✓"), 5u);
  EXPECT_EQ(columns("a\xff" "b"), 3u);  // not UTF-8
  EXPECT_EQ(fit("漢字", 5), "漢字 ");
  EXPECT_EQ(fit("漢字漢字", 5), "漢…字");
  EXPECT_EQ(fit("漢字漢字", 4), "…字 ");  // half a character does not fit
  EXPECT_EQ(fit("ae\u0301io", 3), "a…o");
}

}  // namespace
}  // namespace drover::terminal
