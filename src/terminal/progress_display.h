// Shows a ProgressView on a file descriptor: redrawn in place on a terminal, one line every few seconds elsewhere.
// One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "terminal/progress_renderer.h"
#include "terminal/progress_view.h"

namespace drover::terminal {

inline constexpr std::chrono::milliseconds kRedrawInterval{200};
inline constexpr std::chrono::seconds kPlainLineInterval{5};

class ProgressDisplay {
 public:
  // The descriptor is not owned. Colour is off when NO_COLOR is set; bars are plain unless the locale is UTF-8.
  explicit ProgressDisplay(int descriptor);
  ~ProgressDisplay();  // leaves the last picture on the screen
  ProgressDisplay(const ProgressDisplay&) = delete;

  bool is_terminal() const { return is_terminal_; }
  // Cheap to call often: draws when the interval has passed, or when the phase (on a terminal: or the note) is another than
  // before.
  void show(const ProgressView& view, std::chrono::nanoseconds now);
  // Draws whatever the interval. Call it with the final state.
  void show_now(const ProgressView& view, std::chrono::nanoseconds now);
  // A line of text above the picture.
  void print(std::string_view line);
  // What follows is printed below the picture, for example a question.
  void leave();

 private:
  void draw(const std::vector<std::string>& lines);
  void erase(std::string& out);
  void write_all(std::string_view text);

  const int descriptor_;
  const bool is_terminal_;
  Screen screen_;
  std::vector<std::string> drawn_;
  std::string last_phase_, last_note_, last_line_;
  bool shown_ = false;
  std::chrono::nanoseconds shown_at_{0};
};

}  // namespace drover::terminal
