#include "terminal/progress_display.h"

#include <cerrno>
#include <cstdlib>
#include <sys/ioctl.h>
#include <utility>
#include <unistd.h>

namespace drover::terminal {
namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (!is_set(name)) continue;
    const std::string value = std::getenv(name);
    return value.find("UTF-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

bool can_redraw(int descriptor) {
  const char* kind = std::getenv("TERM");
  return ::isatty(descriptor) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

void measure(int descriptor, Screen& screen) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return;
  screen.width = size.ws_col;
  screen.height = size.ws_row;
}

}  // namespace

ProgressDisplay::ProgressDisplay(int descriptor) : descriptor_(descriptor), is_terminal_(can_redraw(descriptor)) {
  screen_.colour = is_terminal_ && !is_set("NO_COLOR");
  screen_.unicode = locale_is_utf8();
}

ProgressDisplay::~ProgressDisplay() { leave(); }

void ProgressDisplay::show(const ProgressView& view, std::chrono::nanoseconds now) {
  const std::chrono::nanoseconds interval =
      is_terminal_ ? std::chrono::nanoseconds(kRedrawInterval) : std::chrono::nanoseconds(kPlainLineInterval);
  // Into a file or a pipe, where every line stays, a note that changes all the time is no news.
  const bool news = view.phase != last_phase_ || (is_terminal_ && view.note != last_note_);
  if (shown_ && !news && now - shown_at_ < interval) return;
  show_now(view, now);
}

void ProgressDisplay::show_now(const ProgressView& view, std::chrono::nanoseconds now) {
  shown_ = true;
  shown_at_ = now;
  last_phase_ = view.phase;
  last_note_ = view.note;
  if (is_terminal_) {
    measure(descriptor_, screen_);  // people resize windows
    draw(render_screen(view, screen_));
    return;
  }
  auto line = render_line(view);
  if (line == last_line_) return;  // nothing moved: nothing to say
  last_line_ = line;
  write_all(line + "\n");
}

void ProgressDisplay::print(std::string_view line) {
  std::string out;
  erase(out);
  out.append(line).append("\n");
  write_all(out);
  if (!drawn_.empty()) draw(std::exchange(drawn_, {}));
}

void ProgressDisplay::leave() { drawn_.clear(); }

void ProgressDisplay::draw(const std::vector<std::string>& lines) {
  std::string out;
  erase(out);
  for (const auto& line : lines) out += line + "\n";
  write_all(out);
  drawn_ = lines;
}

// Back to the first line of the picture, and blank from there on.
void ProgressDisplay::erase(std::string& out) {
  if (!drawn_.empty()) out += "\x1b[" + std::to_string(drawn_.size()) + "A\r\x1b[J";
}

void ProgressDisplay::write_all(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(descriptor_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // whoever read this has gone; the migration has not
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace drover::terminal
