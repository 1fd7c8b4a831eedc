#include "cli/help_text.h"

#include <array>
#include <charconv>
#include <cstdint>

#include <fmt/format.h>

namespace drover::cli {
namespace {

constexpr std::int64_t kNoLimitWorthNaming = 10'000'000;

bool number_of(std::string_view text, std::int64_t& number) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size();
}

// Where the next word begins that is no option's value, outside of quotes.
std::size_t next_break(std::string_view command) {
  bool quoted = false;
  for (std::size_t i = 0; i < command.size(); ++i) {
    if (command[i] == '"' || command[i] == '\'') quoted = !quoted;
    if (i == 0 || quoted || command[i] != ' ') continue;
    const auto before = command.substr(0, i);
    const auto word = before.substr(before.find_last_of(' ') + 1);
    if (!word.starts_with('-') || command.substr(i).starts_with(" -")) return i;
  }
  return command.size();
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  constexpr std::string_view kBlanks = " \n\t";
  std::string lines;
  std::size_t used = indent;
  for (std::size_t at = text.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const auto end = std::min(text.find_first_of(kBlanks, at), text.size());
    const auto word = text.substr(at, end - at);
    if (used > indent && used + 1 + word.size() > columns) {
      lines += '\n' + std::string(indent, ' ');
      used = indent;
    } else if (!lines.empty()) {
      lines += ' ';
      ++used;
    }
    lines += word;
    used += word.size();
    at = text.find_first_not_of(kBlanks, end);
  }
  return lines;
}

std::string wrapped_command(std::string_view command, std::size_t indent) {
  constexpr std::string_view kContinued = " \\";
  constexpr std::size_t kMoreIndent = 4;
  std::string lines;
  std::size_t used = indent;
  while (!command.empty()) {
    const auto piece = command.substr(0, next_break(command));
    command.remove_prefix(piece.size());
    const auto needed = piece.size() + (command.empty() ? 0 : kContinued.size());
    if (!lines.empty() && used + needed > kHelpColumns) {
      lines += fmt::format("{}\n{}{}", kContinued, std::string(indent + kMoreIndent, ' '), piece.substr(1));
      used = indent + kMoreIndent + piece.size() - 1;
    } else {
      lines += piece;
      used += piece.size();
    }
  }
  return lines;
}

std::string allowed_values(std::string_view constraint) {
  if (constraint.starts_with('{') && constraint.ends_with('}')) {
    std::string text;
    for (auto rest = constraint.substr(1, constraint.size() - 2); !rest.empty();) {
      const auto one = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      text += fmt::format("{}{}", text.empty() ? "" : rest.empty() ? " or " : ", ", one);
    }
    return text;
  }
  const auto dots = constraint.find("..");
  std::int64_t low = 0, high = 0;
  if (dots == std::string_view::npos || !number_of(constraint.substr(0, dots), low) || !number_of(constraint.substr(dots + 2), high)) return std::string(constraint);
  return high >= kNoLimitWorthNaming ? fmt::format("from {}", low) : fmt::format("{} to {}", low, high);
}

std::string size_text(std::string_view bytes) {
  std::int64_t size = 0;
  if (!number_of(bytes, size) || size <= 0) return std::string(bytes);
  constexpr std::array<std::string_view, 4> kUnits{"GB", "MB", "KB", ""};
  constexpr std::int64_t kKilo = 1024;
  std::int64_t unit = kKilo * kKilo * kKilo;
  for (const auto name : kUnits) {
    if (size % unit == 0) return fmt::format("{}{}", size / unit, name);
    unit /= kKilo;
  }
  return std::string(bytes);
}

}  // namespace drover::cli
