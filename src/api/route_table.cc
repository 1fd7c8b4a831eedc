#include "api/route_table.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include <fmt/format.h>

namespace drover::api {
namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(path.front() == '/' ? 1 : 0);
    const auto end = path.find('/');
    segments.push_back(path.substr(0, end));
    path = end == std::string_view::npos ? std::string_view() : path.substr(end);
  }
  return segments;
}

// How many literal segments; nothing when the path is another.
std::optional<int> fits(std::string_view pattern, const std::vector<std::string_view>& path, std::map<std::string, std::string>& names) {
  const auto wanted = segments_of(pattern);
  if (wanted.size() != path.size()) return std::nullopt;
  int literal = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      const auto end = wanted[i].find('}');
      const auto suffix = wanted[i].substr(end + 1);
      if (path[i].size() <= suffix.size() || !path[i].ends_with(suffix)) return std::nullopt;
      names[std::string(wanted[i].substr(1, end - 1))] = path[i].substr(0, path[i].size() - suffix.size());
      if (!suffix.empty()) ++literal;
    } else if (wanted[i] == path[i]) {
      ++literal;
    } else {
      return std::nullopt;
    }
  }
  return literal;
}

// Of the calendar.
bool is_date(std::string_view text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  }
  const auto number = [&](std::size_t from, std::size_t size) { return std::stoi(std::string(text.substr(from, size))); };
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)), std::chrono::month(static_cast<unsigned>(number(5, 2))), std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  return date.ok();
}

// Of an Accept header that is content with JSON of whatever version.
constexpr std::array<std::string_view, 3> kJsonTypes{"application/json", "application/*", "*/*"};

}  // namespace

RouteMatch RouteTable::match(Family family, std::string_view method, std::string_view path) const {
  const auto segments = segments_of(path);
  RouteMatch best;
  int best_literal = -1;
  for (const auto& route : routes_) {
    if (std::find(route.families.begin(), route.families.end(), family) == route.families.end()) continue;
    std::map<std::string, std::string> names;
    const auto literal = fits(route.path, segments, names);
    if (!literal || *literal < best_literal) continue;
    if (*literal > best_literal) best = {};
    best_literal = *literal;
    best.allowed.insert(route.method);
    if (route.method != method) {
      best.other_method = true;
    } else if (best.route == nullptr) {
      best.route = &route;
      best.names = std::move(names);
    }
  }
  return best;
}

std::optional<std::string> negotiate_version(const Route& route, std::string_view header) {
  // Media types are the same in any case (RFC 9110, 8.3.1).
  std::string accept(header);
  std::ranges::transform(accept, accept.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  constexpr std::string_view kPrefix = "application/vnd.atlas.", kForm = "+json";
  const auto at = accept.find(kPrefix);
  if (at == std::string_view::npos) {
    const bool any = accept.empty() || std::ranges::any_of(kJsonTypes, [&](std::string_view type) { return accept.find(type) != std::string_view::npos; });
    return any ? std::optional(route.versions.front()) : std::nullopt;
  }
  const auto asked = std::string_view(accept).substr(at + kPrefix.size(), 10);
  if (!is_date(asked) || !std::string_view(accept).substr(at + kPrefix.size() + asked.size()).starts_with(kForm)) return std::nullopt;
  std::optional<std::string> found;
  for (const auto& version : route.versions)
    if (version <= asked) found = version;
  return found;
}

std::string deprecated_since(const Route& route, std::string_view version) {
  const auto newer = std::find_if(route.versions.begin(), route.versions.end(), [&](const std::string& one) { return one > version; });
  if (newer == route.versions.end()) return "";
  std::tm date{};
  date.tm_year = std::stoi(newer->substr(0, 4)) - 1900;
  date.tm_mon = std::stoi(newer->substr(5, 2)) - 1;
  date.tm_mday = std::stoi(newer->substr(8, 2));
  const auto time = ::timegm(&date);
  ::gmtime_r(&time, &date);
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {} {} {} 00:00:00 GMT", kDays[date.tm_wday], date.tm_mday, kMonths[date.tm_mon], date.tm_year + 1900);
}

}  // namespace drover::api
