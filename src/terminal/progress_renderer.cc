#include "terminal/progress_renderer.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/format_count.h"
#include "terminal/format.h"
#include "terminal/table.h"

namespace drover::terminal {
namespace {

constexpr std::size_t kMaxCollectionLines = 12;
constexpr std::size_t kMaxNameColumns = 40;
constexpr std::size_t kMaxBarColumns = 30;
constexpr std::size_t kCountColumns = 24;  // 1,234,567 / 9,999,999

using State = CollectionProgress::State;

std::string paint(const Screen& screen, const char* code, const std::string& text) {
  return screen.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

double fraction(const CollectionProgress& progress) {
  if (progress.state == State::kDone) return 1;
  double done = 0;
  if (progress.total_bytes > 0) {
    done = static_cast<double>(progress.bytes) / static_cast<double>(progress.total_bytes);
  } else if (progress.total_documents > 0) {
    done = static_cast<double>(progress.documents) / static_cast<double>(progress.total_documents);
  }
  // The total is an estimate of a live collection: what is not done is never shown as done.
  return std::min(done, 0.999);
}

CollectionProgress sum(const ProgressView& view) {
  CollectionProgress all;
  all.state = State::kDone;
  for (const auto& one : view.collections) {
    all.documents += one.documents;
    all.total_documents += std::max(one.total_documents, one.documents);
    all.bytes += one.bytes;
    all.total_bytes += std::max(one.total_bytes, one.bytes);
    if (one.state != State::kDone) all.state = State::kCopying;
  }
  return all;
}

std::string bar(double done, std::size_t width, const Screen& screen) {
  const auto filled = std::min(width, static_cast<std::size_t>(done * static_cast<double>(width)));
  std::string full, rest;
  for (std::size_t i = 0; i < filled; ++i) full += screen.unicode ? "█" : "#";
  for (std::size_t i = filled; i < width; ++i) rest += screen.unicode ? "░" : ".";
  return paint(screen, done >= 1 ? "32" : "36", full) + paint(screen, "2", rest);
}

const char* word(State state) {
  switch (state) {
    case State::kWaiting: return "waiting";
    case State::kCopying: return "";
    case State::kIndexing: return "indexes";
    case State::kDone: return "copied";
  }
  return "";
}

// Moving first, then waiting, then done; the larger first.
std::vector<const CollectionProgress*> most_active(const ProgressView& view, std::size_t most) {
  const auto rank = [](const CollectionProgress& one) {
    switch (one.state) {
      case State::kCopying: return 0;
      case State::kIndexing: return 1;
      case State::kWaiting: return 2;
      case State::kDone: return 3;
    }
    return 3;
  };
  std::vector<const CollectionProgress*> chosen;
  for (const auto& one : view.collections) chosen.push_back(&one);
  std::stable_sort(chosen.begin(), chosen.end(), [&](const auto* a, const auto* b) {
    return std::pair(rank(*a), -static_cast<double>(a->total_bytes)) < std::pair(rank(*b), -static_cast<double>(b->total_bytes));
  });
  if (chosen.size() > most) chosen.resize(most);
  std::sort(chosen.begin(), chosen.end(), [](const auto* a, const auto* b) { return a->ns < b->ns; });  // lines stay in place
  return chosen;
}

struct Columns {
  std::size_t name, bar, count;
};

Columns lay_out(const std::vector<const CollectionProgress*>& shown, std::size_t width) {
  std::size_t name = columns("all 9999 collections");
  for (const auto* one : shown) name = std::max(name, columns(printable(one->ns)));
  // name, two blanks, bar, blank, "100 %", two blanks, count, blank, state
  constexpr std::size_t kFixed = 2 + 1 + 5 + 2 + 1 + 7;
  Columns result{std::min({name, kMaxNameColumns, width / 3}), 0, 0};
  if (width >= result.name + kFixed + kCountColumns + 8) result.count = kCountColumns;
  const auto used = result.name + kFixed + result.count;
  result.bar = width > used ? std::min(width - used, kMaxBarColumns) : 0;
  return result;
}

std::string collection_line(const CollectionProgress& one, const std::string& name, const Columns& at, const Screen& screen) {
  const auto done = fraction(one);
  std::string count;
  if (at.count > 0) {
    count = fmt::format("{} / {}", format_count(one.documents), format_count(std::max(one.total_documents, one.documents)));
    count = fmt::format("  {:>{}}", count, at.count);
  }
  std::string line = fit(name, at.name) + "  " + bar(done, at.bar, screen);
  line += fmt::format(" {:>5}{} ", format_percent(done), count);
  return line + paint(screen, one.state == State::kDone ? "32" : "2", word(one.state));
}

// What the status line may have to do without, in this order; the last two never.
enum class Worth { kEventRate, kByteRate, kDocumentRate, kEventCount, kPhase, kTimes, kNote };

struct Part {
  Worth worth;
  std::string text;
  const char* separator = " · ";  // from the one before
};

std::vector<Part> status_parts(const ProgressView& view) {
  std::vector<Part> parts{{Worth::kPhase, view.phase}};
  if (view.documents_per_second >= 0.5) {
    parts.push_back({Worth::kDocumentRate, fmt::format("{} documents/s", format_count(std::llround(view.documents_per_second)))});
    parts.push_back({Worth::kByteRate, fmt::format("{}/s", format_bytes(view.bytes_per_second))});
  }
  if (view.events_applied > 0) {
    parts.push_back({Worth::kEventCount, fmt::format("{} changes applied", format_count(view.events_applied))});
    if (view.events_per_second >= 0.5)
      parts.push_back({Worth::kEventRate, fmt::format("({}/s)", format_count(std::llround(view.events_per_second))), " "});
  }
  if (view.lag_seconds) parts.push_back({Worth::kTimes, fmt::format("lag {}", format_duration(*view.lag_seconds))});
  if (view.eta_seconds) parts.push_back({Worth::kTimes, fmt::format("ETA {}", format_duration(*view.eta_seconds))});
  if (!view.note.empty()) parts.push_back({Worth::kNote, printable(view.note)});
  return parts;
}

std::string in_one_line(const std::vector<Part>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : part.separator) + part.text;
  return text;
}

std::string cut(std::string text, std::size_t width) {
  if (columns(text) <= width) return text;
  std::string kept;  // fit() shortens in the middle; a status is read from the left
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80 && ++used > width - 1) break;
    kept += text[i];
  }
  return width == 0 ? std::string() : kept + "…";
}

// Without what is worth least, as far as there is no room for it.
std::string fitting(std::vector<Part> parts, std::size_t width) {
  while (parts.size() > 1 && columns(in_one_line(parts)) > width) {
    const auto least = std::min_element(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.worth < b.worth; });
    if (least->worth >= Worth::kTimes) break;
    parts.erase(least);
  }
  return cut(in_one_line(parts), width);
}

}  // namespace

std::vector<std::string> render_screen(const ProgressView& view, const Screen& screen) {
  const auto width = screen.width > 1 ? screen.width - 1 : screen.width;  // the last column makes some terminals wrap
  const auto room = screen.height > 4 ? screen.height - 4 : 0;
  const auto shown = most_active(view, std::min(room, kMaxCollectionLines));
  const auto at = lay_out(shown, width);
  std::vector<std::string> lines;
  for (const auto* one : shown) lines.push_back(collection_line(*one, printable(one->ns), at, screen));
  if (view.collections.size() > 1) {
    const auto name = fmt::format("all {} collections", view.collections.size());
    lines.push_back(collection_line(sum(view), name, at, screen));
  }
  lines.push_back(paint(screen, "1", fitting(status_parts(view), width)));
  return lines;
}

std::string render_line(const ProgressView& view) {
  const auto all = sum(view);
  const auto done = std::count_if(view.collections.begin(), view.collections.end(),
                                  [](const auto& one) { return one.state == State::kDone; });
  auto line = in_one_line(status_parts(view));
  if (!view.collections.empty()) {
    line += fmt::format(" · {} of {} documents ({}), {} of {} collections", format_count(all.documents),
                        format_count(all.total_documents), format_percent(fraction(all)), done, view.collections.size());
  }
  return line;
}

}  // namespace drover::terminal
