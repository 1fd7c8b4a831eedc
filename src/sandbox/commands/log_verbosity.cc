#include "sandbox/commands/log_verbosity.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

struct Component {
  std::string_view path;
  ServerVersion since = {};
};
// In the server's order; who stands under another comes later than that.
constexpr Component kComponents[] = {
    {"accessControl"}, {"command"}, {"control"}, {"executor"}, {"geo"}, {"index"}, {"network"}, {"processHealth", {5, 2, 0}}, {"query"}, {"query.rejected", {8, 0, 0}},
    {"replication"}, {"replication.election"}, {"replication.heartbeats"}, {"replication.initialSync"}, {"replication.rollback"}, {"sharding"},
    {"sharding.rangeDeleter", {5, 2, 0}}, {"sharding.shardingCatalogRefresh"}, {"sharding.migration"}, {"sharding.reshard", {5, 0, 0}}, {"sharding.migrationPerf", {5, 2, 0}},
    {"storage"}, {"storage.recovery"}, {"storage.journal"}, {"write"}, {"ftdc"}, {"network.asio"}, {"network.bridge"}, {"tracking"}, {"transaction"},
    {"tenantMigration", {5, 0, 0}}, {"network.connectionPool"}, {"test"}};
constexpr std::int32_t kAsTheWhole = -1;
constexpr int kMostDepth = 2;

using Levels = std::map<std::string, std::int32_t, std::less<>>;  // by path; "" the whole

std::int32_t level_of(const Levels& all, std::string_view path) {
  const auto at = all.find(path);
  return at != all.end() ? at->second : path.empty() ? 0 : kAsTheWhole;
}

bool exists(std::string_view path, ServerVersion version) {
  return std::ranges::any_of(kComponents, [&](const Component& one) { return one.path == path && version >= one.since; });
}

std::string shown(std::string_view path) { return path.empty() ? "default" : std::string(path); }

void append_below(bson::Builder& out, const Levels& all, std::string_view parent, ServerVersion version) {
  out.append("verbosity", level_of(all, parent));
  for (const auto& [path, since] : kComponents) {
    const auto dot = path.rfind('.');
    const auto above = dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
    if (version < since || above != parent) continue;
    auto part = out.open_document(path.substr(above.empty() ? 0 : above.size() + 1));
    append_below(part, all, path, version);
  }
}

Status read_settings(bson::View settings, const std::string& parent, ServerVersion version, int depth, std::vector<std::pair<std::string, std::int32_t>>& found) {
  for (const auto& field : settings) {
    if (field.key() == "verbosity") {
      if (!field.is_number()) {
        return server_error(code::kBadValue, fmt::format("Expected {}.verbosity to be a number, but found {}", shown(parent), bson::type_name(field.type())));
      }
      found.emplace_back(parent, static_cast<std::int32_t>(std::clamp<std::int64_t>(field.to_int64().value_or(0), kAsTheWhole, INT32_MAX)));
      continue;
    }
    const auto path = parent.empty() ? std::string(field.key()) : fmt::format("{}.{}", parent, field.key());
    if (field.key().find('.') != std::string_view::npos || !exists(path, version)) {
      return server_error(code::kBadValue, fmt::format("Invalid component name {}.{}", shown(parent), field.key()));
    }
    if (field.is_number()) {
      found.emplace_back(path, static_cast<std::int32_t>(std::clamp<std::int64_t>(field.to_int64().value_or(0), kAsTheWhole, INT32_MAX)));
    } else if (field.is_document() && depth < kMostDepth) {
      TRY(read_settings(field.document_value(), path, version, depth + 1, found));
    } else {
      return server_error(code::kBadValue, fmt::format("Invalid type {}for component {}.{}", bson::type_name(field.type()), shown(parent), field.key()));
    }
  }
  return {};
}

}  // namespace

bson::Document LogVerbosity::shown(ServerVersion version) const {
  bson::Builder out;
  levels_.with([&](const Levels& all) { append_below(out, all, "", version); });
  return std::move(out).finish();
}

Status LogVerbosity::set(bson::View settings, ServerVersion version) {
  std::vector<std::pair<std::string, std::int32_t>> found;
  TRY(read_settings(settings, "", version, 0, found));
  levels_.with([&](Levels& all) {
    for (const auto& [path, level] : found) {
      if (level < 0) all.erase(path);
      else all[path] = level;
    }
  });
  return {};
}

std::int32_t LogVerbosity::level() const {
  return levels_.with([](const Levels& all) { return level_of(all, ""); });
}

void LogVerbosity::set_level(std::int32_t level) {
  levels_.with([&](Levels& all) { all[""] = level; });
}

}  // namespace drover::sandbox
