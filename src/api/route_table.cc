#include "api/route_table.h"

#include <algorithm>

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
      if (path[i].empty()) return std::nullopt;
      names[std::string(wanted[i].substr(1, wanted[i].size() - 2))] = path[i];
    } else if (wanted[i] == path[i]) {
      ++literal;
    } else {
      return std::nullopt;
    }
  }
  return literal;
}

bool is_date(std::string_view text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

}  // namespace

RouteMatch RouteTable::match(Family family, std::string_view method, std::string_view path) const {
  const auto segments = segments_of(path);
  RouteMatch best;
  int best_literal = -1;
  for (const auto& route : routes_) {
    if (std::find(route.families.begin(), route.families.end(), family) == route.families.end()) continue;
    std::map<std::string, std::string> names;
    const auto literal = fits(route.path, segments, names);
    if (!literal) continue;
    if (route.method != method) {
      best.other_method = true;
    } else if (*literal > best_literal) {
      best_literal = *literal;
      best.route = &route;
      best.names = std::move(names);
    }
  }
  return best;
}

std::optional<std::string> negotiate_version(const Route& route, std::string_view accept) {
  constexpr std::string_view kPrefix = "application/vnd.atlas.";
  const auto at = accept.find(kPrefix);
  if (at == std::string_view::npos) return route.versions.front();
  const auto asked = accept.substr(at + kPrefix.size(), 10);
  if (!is_date(asked)) return std::nullopt;
  std::optional<std::string> found;
  for (const auto& version : route.versions)
    if (version <= asked) found = version;
  return found;
}

}  // namespace drover::api
