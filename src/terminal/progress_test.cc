#include <cstdlib>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "terminal/format.h"
#include "terminal/progress_display.h"
#include "terminal/progress_renderer.h"

namespace drover::terminal {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using State = CollectionProgress::State;

ProgressView sample() {
  ProgressView view;
  view.phase = "collection copy";
  view.collections = {{"shop.orders", 50, 100, 500, 1000, State::kCopying},
                      {"shop.customers", 10, 10, 100, 100, State::kDone},
                      {"shop.carts", 0, 10, 0, 100, State::kWaiting}};
  view.documents_per_second = 1234;
  view.bytes_per_second = 5.6e6;
  view.lag_seconds = 0.3;
  return view;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return all;
}

TEST(RenderScreen, HasALinePerCollectionATotalAndTheStatus) {
  const auto lines = render_screen(sample(), {.width = 100});
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_THAT(lines[0], HasSubstr("shop.carts"));
  EXPECT_THAT(lines[1], HasSubstr("100 %"));
  EXPECT_THAT(lines[2], HasSubstr("50 %"));
  EXPECT_THAT(lines[2], HasSubstr("50 / 100"));
  EXPECT_THAT(lines[3], HasSubstr("all 3 collections"));
  EXPECT_EQ(lines[4], "collection copy · 1,234 documents/s · 5.6 MB/s · lag 0.3 s");
}

TEST(RenderScreen, FitsEveryWidthAndHeight) {
  auto view = sample();
  view.collections[0].ns = "database." + std::string(240, 'x');
  view.note = "waiting for one more thing";
  for (int i = 0; i < 500; ++i) view.collections.push_back({"many.c" + std::to_string(i), 1, 2, 1, 2, State::kCopying});
  for (const std::size_t width : {1, 2, 10, 20, 40, 60, 80, 120, 400}) {
    for (const std::size_t height : {1, 5, 24, 100}) {
      const auto lines = render_screen(view, {.width = width, .height = height});
      if (height > 4) {
        EXPECT_LT(lines.size(), height);
      }
      if (width < 60) continue;
      for (const auto& line : lines) EXPECT_LT(columns(line), width) << line;
    }
  }
}

TEST(RenderScreen, NamesDoNotDriveTheTerminal) {
  auto view = sample();
  view.collections[0].ns = "shop.a\x1b[31mred\nline";
  view.note = "waits for shop.a\x1b[31mred";
  const auto lines = render_screen(view, {80, 24, false, true});
  EXPECT_THAT(joined(lines), Not(HasSubstr("\x1b")));
  EXPECT_THAT(joined(lines), HasSubstr("shop.a?[31mred line"));
  EXPECT_EQ(lines.size(), render_screen(sample(), {80, 24, false, true}).size());
}

TEST(RenderScreen, ColourOnlyWhenAsked) {
  EXPECT_THAT(joined(render_screen(sample(), {.colour = false})), Not(HasSubstr("\x1b")));
  EXPECT_THAT(joined(render_screen(sample(), {.colour = true})), HasSubstr("\x1b[36m"));
  EXPECT_THAT(joined(render_screen(sample(), {.unicode = false})), HasSubstr("###"));
}

TEST(RenderScreen, EstimatesThatArePassedAreNotShownAsDone) {
  ProgressView view;
  view.collections = {{"a.b", 500, 100, 5000, 1000, State::kCopying}};
  const auto lines = render_screen(view, {.width = 100});
  EXPECT_THAT(lines[0], HasSubstr("99 %"));
  EXPECT_THAT(lines[0], HasSubstr("500 / 500"));
}

TEST(RenderScreen, MovingCollectionsAreShownBeforeFinishedOnes) {
  ProgressView view;
  for (int i = 0; i < 50; ++i) view.collections.push_back({"done.c" + std::to_string(i), 1, 1, 1, 1, State::kDone});
  view.collections.push_back({"z.moving", 1, 2, 1, 2, State::kCopying});
  EXPECT_THAT(joined(render_screen(view, {})), HasSubstr("z.moving"));
}

ProgressView following() {
  ProgressView view;
  view.phase = "change event application";
  view.events_applied = 1234567;
  view.events_per_second = 735;
  view.lag_seconds = 154;
  return view;
}

TEST(RenderStatus, LeavesOutWhatMattersLeastWhereThereIsNoRoom) {
  auto view = following();
  view.note = "ready: type commit";
  const auto status = [&](std::size_t width) { return render_screen(view, {.width = width}).back(); };
  EXPECT_EQ(status(120), "change event application · 1,234,567 changes applied (735/s) · lag 2 min 34 s · ready: type commit");
  EXPECT_EQ(status(94), "change event application · 1,234,567 changes applied · lag 2 min 34 s · ready: type commit");
  EXPECT_EQ(status(80), "change event application · lag 2 min 34 s · ready: type commit");
  EXPECT_EQ(status(50), "lag 2 min 34 s · ready: type commit");
  EXPECT_EQ(status(31), "lag 2 min 34 s · ready: type …");
}

TEST(RenderStatus, SaysWhyThereIsNoCommitAndWhenTheCopyEndsFirst) {
  auto view = following();
  view.note = "76,287 changed documents are still to be compared";
  EXPECT_EQ(render_screen(view, {}).back(), "lag 2 min 34 s · 76,287 changed documents are still to be compared");
  auto copying = sample();
  copying.events_applied = 76287;
  copying.events_per_second = 735;
  copying.eta_seconds = 7620;
  EXPECT_EQ(render_screen(copying, {}).back(), "collection copy · 76,287 changes applied · lag 0.3 s · ETA 2 h 07 min");
  ProgressView ended;
  ended.phase = "committed";
  EXPECT_EQ(render_screen(ended, {.width = 6}).back(), "comm…");
}

TEST(RenderStatus, OutsideATerminalEverythingIsThere) {
  auto view = following();
  view.note = "ready: type commit";
  EXPECT_EQ(render_line(view), "change event application · 1,234,567 changes applied (735/s) · lag 2 min 34 s · ready: type commit");
}

TEST(RenderStatus, WithholdsWhatIsNotKnown) {
  auto view = sample();
  view.lag_seconds.reset();
  EXPECT_THAT(render_line(view), Not(HasSubstr("lag")));
  EXPECT_THAT(render_line(view), Not(HasSubstr("ETA")));
  view.eta_seconds = 90;
  EXPECT_THAT(render_line(view), HasSubstr("ETA 1 min 30 s"));
}

class Display : public ::testing::Test {
 protected:
  std::string path_ = ::testing::TempDir() + "drover_display_" + std::to_string(::getpid());
  int file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  ~Display() override {
    ::close(file_);
    ::unlink(path_.c_str());
  }
  std::string written() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
};

TEST_F(Display, OutsideATerminalIsOneLineEveryFewSeconds) {
  using namespace std::chrono_literals;
  ProgressDisplay display(file_);
  auto view = sample();
  display.show(view, 0s);
  view.collections[0].documents = 60;
  display.show(view, 1s);
  const auto first = written();
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 1);
  display.show(view, 6s);
  view.phase = "cutover";
  display.show(view, 6100ms);
  const auto all = written();
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 3);
  EXPECT_THAT(all, Not(HasSubstr("\x1b")));
}

// A terminal without a person: what is written to one end is read at the other.
class Terminal : public ::testing::Test {
 protected:
  int master_ = ::posix_openpt(O_RDWR | O_NOCTTY);
  int slave_ = -1;
  void SetUp() override {
    ASSERT_GE(master_, 0);
    ASSERT_EQ(::grantpt(master_), 0);
    ASSERT_EQ(::unlockpt(master_), 0);
    slave_ = ::open(::ptsname(master_), O_RDWR | O_NOCTTY);
    ASSERT_GE(slave_, 0);
    winsize size{.ws_row = 24, .ws_col = 60, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::ioctl(slave_, TIOCSWINSZ, &size), 0);
    ::setenv("TERM", "xterm", 1);
  }
  void TearDown() override {
    ::unsetenv("NO_COLOR");
    ::close(slave_);
    ::close(master_);
  }
  std::string written() const {
    ::fcntl(master_, F_SETFL, O_NONBLOCK);
    std::string all;
    char part[4096];
    for (ssize_t got; (got = ::read(master_, part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(got));
    return all;
  }
};

TEST_F(Terminal, IsRedrawnInPlace) {
  using namespace std::chrono_literals;
  ProgressDisplay display(slave_);
  ASSERT_TRUE(display.is_terminal());
  display.show(sample(), 0s);
  EXPECT_THAT(written(), Not(HasSubstr("\x1b[5A")));
  display.show(sample(), 50ms);  // too early
  EXPECT_EQ(written(), "");
  display.show(sample(), 300ms);
  EXPECT_THAT(written(), HasSubstr("\x1b[5A\r\x1b[J"));
  display.print("a word");
  EXPECT_THAT(written(), HasSubstr("a word\r\n"));
  display.leave();
  display.show(sample(), 1s);
  EXPECT_THAT(written(), Not(HasSubstr("\x1b[5A")));
}

TEST_F(Terminal, ColoursCanBeRefused) {
  ::setenv("NO_COLOR", "1", 1);
  ProgressDisplay display(slave_);
  display.show(sample(), std::chrono::seconds(0));
  EXPECT_THAT(written(), Not(HasSubstr("\x1b[3")));
}

}  // namespace
}  // namespace drover::terminal
