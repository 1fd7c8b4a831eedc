#include "cli/uri_argument.h"

#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "base/input_file.h"

namespace drover::cli {
namespace {

constexpr std::size_t kMaxUriFileBytes = 1 << 20;

std::string trimmed(const std::string& text) {
  const char* blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

Result<std::string> from_file(const std::string& path, const std::stop_token& stop) {
  const auto what = fmt::format("cannot read a connection string from \"{}\"", path);
  auto file = TRY_WITH(InputFile::open(path), what);
  const auto line = trimmed(TRY_WITH(file.read_line(kMaxUriFileBytes, stop), what));
  if (line.empty()) {
    return fail(ErrorCode::kUsage, fmt::format("\"{}\" does not have a connection string on its first line", path));
  }
  return line;
}

}  // namespace

Result<std::string> resolve_uri_argument(const std::string& argument, const std::stop_token& stop) {
  if (argument.starts_with("@")) return from_file(argument.substr(1), stop);
  if (argument.starts_with("env:")) {
    const auto name = argument.substr(4);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || trimmed(value).empty()) {
      return fail(ErrorCode::kUsage, fmt::format("the environment variable {} does not hold a connection string", name));
    }
    return trimmed(value);
  }
  return argument;
}

bool hide_passwords(int argc, char** argv) {
  bool hidden = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument(argv[i]);
    const auto scheme = argument.find("://");
    if (scheme == std::string_view::npos) continue;
    const auto user = scheme + 3;
    const auto at = argument.substr(0, argument.find_first_of("/?", user)).rfind('@');
    const auto colon = argument.find(':', user);
    if (at == std::string_view::npos || at < user || colon == std::string_view::npos || colon > at) continue;
    std::memset(argv[i] + colon + 1, 'x', at - colon - 1);
    hidden = true;
  }
  return hidden;
}

}  // namespace drover::cli
