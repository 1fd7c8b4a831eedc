// A ProgressView as text. Pure: what a terminal is like is passed in.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "terminal/progress_view.h"

namespace drover::terminal {

struct Screen {
  std::size_t width = 80;
  std::size_t height = 24;
  bool colour = false;
  bool unicode = true;
};

// One line per collection (of many, those that move, then those that wait), a line for all of them, and the status line.
// No line is wider than the screen, and there are fewer lines than it is high. Where the status line has no room for everything, rates
// and counts are left out, then the phase: how far behind, how long still, and the note are the last to be cut.
std::vector<std::string> render_screen(const ProgressView& view, const Screen& screen);

// The same in one line, for a pipe or a file.
std::string render_line(const ProgressView& view);

}  // namespace drover::terminal
