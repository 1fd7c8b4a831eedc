#include "cli/input_lines.h"

#include <unistd.h>

#include <gtest/gtest.h>

namespace drover::cli {
namespace {

using std::chrono::milliseconds;

class Input : public testing::Test {
 protected:
  Input() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Input() override {
    ::close(ends_[0]);
    close();
  }
  void write(const std::string& text) { EXPECT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size())); }
  void close() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

  int ends_[2] = {-1, -1};
};

TEST_F(Input, EveryLineOfWhatComesAtOnce) {
  InputLines lines(ends_[0]);
  EXPECT_EQ(lines.next(milliseconds(0)), std::nullopt);
  write("status\ncommit\r\nhal");
  EXPECT_EQ(lines.next(milliseconds(0)), "status");
  EXPECT_EQ(lines.next(milliseconds(0)), "commit");
  EXPECT_EQ(lines.next(milliseconds(0)), std::nullopt);
  write("f\n");
  EXPECT_EQ(lines.next(milliseconds(0)), "half");
  EXPECT_FALSE(lines.ended());
}

TEST_F(Input, TheLastMayLackItsNewline) {
  InputLines lines(ends_[0]);
  write("\ncommit");
  close();
  EXPECT_EQ(lines.next(milliseconds(0)), "");
  EXPECT_EQ(lines.next(milliseconds(0)), "commit");
  EXPECT_EQ(lines.next(milliseconds(0)), std::nullopt);
  EXPECT_TRUE(lines.ended());
}

TEST_F(Input, ALineWithoutEndTakesNoMemory) {
  InputLines lines(ends_[0]);
  for (int i = 0; i < 20; ++i) {
    write(std::string(kLongestInputLine, 'x'));
    EXPECT_EQ(lines.next(milliseconds(0)), std::nullopt);
  }
  write("\ncommit\n");
  EXPECT_LE(lines.next(milliseconds(0)).value().size(), kLongestInputLine);
  EXPECT_EQ(lines.next(milliseconds(0)), "commit");
}

}  // namespace
}  // namespace drover::cli
