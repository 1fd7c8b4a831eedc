#include "model/migration_platform.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

namespace drover {
namespace {

// mongosync's list of April 2025; Debian 12 is ours: this program is built and tested there.
constexpr std::array<SyncPlatform, 10> kSyncPlatforms{{
    {"amzn", "2", true, "Amazon Linux 2"},
    {"amzn", "2023", true, "Amazon Linux 2023"},
    {"rhel", "7", false, "Red Hat Enterprise Linux 7"},
    {"rhel", "8", false, "Red Hat Enterprise Linux 8"},
    {"rhel", "9", false, "Red Hat Enterprise Linux 9"},
    {"ubuntu", "18.04", false, "Ubuntu 18.04"},
    {"ubuntu", "20.04", false, "Ubuntu 20.04"},
    {"ubuntu", "22.04", false, "Ubuntu 22.04"},
    {"ubuntu", "24.04", false, "Ubuntu 24.04"},
    {"debian", "12", true, "Debian 12"},
}};
constexpr std::array<std::string_view, 4> k64Bit{"x86_64", "aarch64", "ppc64le", "s390x"};

bool is_version(std::string_view given, std::string_view listed) {
  return given == listed || (given.size() > listed.size() && given.starts_with(listed) && given[listed.size()] == '.');
}

std::string all_named() {
  std::string text;
  for (const auto& row : kSyncPlatforms) text += fmt::format("{}{}", text.empty() ? "" : ", ", row.named);
  return text;
}

}  // namespace

const char* name_of(MigrationPath path) { return path == MigrationPath::kLegacy ? "legacy" : "sync"; }

std::optional<MigrationPath> migration_path_of(std::string_view name) {
  if (name == "legacy") return MigrationPath::kLegacy;
  if (name == "sync") return MigrationPath::kSync;
  return std::nullopt;
}

std::span<const SyncPlatform> sync_platforms() { return kSyncPlatforms; }

std::optional<std::string> refuses_host(const HostPlatform& platform) {
  if (platform.os != "linux") {
    return fmt::format("a migration host cannot be provisioned on {}; provision it on 64-bit Linux",
                       platform.os == "windows" ? "Windows" : platform.os == "macos" ? "macOS" : platform.os);
  }
  if (std::find(k64Bit.begin(), k64Bit.end(), platform.arch) == k64Bit.end())
    return fmt::format("a migration host needs a 64-bit CPU, and this one is {}; provision it on 64-bit Linux", platform.arch);
  return std::nullopt;
}

std::optional<std::string> refuses_host(const HostPlatform& platform, MigrationPath path) {
  if (auto refused = refuses_host(platform)) return refused;
  if (path == MigrationPath::kLegacy) return std::nullopt;
  for (const auto& row : kSyncPlatforms) {
    if (row.distribution != platform.distribution || !is_version(platform.version, row.version)) continue;
    if (platform.arch == "x86_64" || (row.arm && platform.arch == "aarch64")) return std::nullopt;
    return fmt::format("{} on {} is not among the platforms for sources of 6.0.8 and later; provision a host on x86_64", row.named,
                       platform.arch);
  }
  return fmt::format("{} {} is not among the platforms for sources of 6.0.8 and later; provision a host on one of: {}",
                     platform.distribution.empty() ? "this Linux" : platform.distribution, platform.version, all_named());
}

std::optional<std::string> refuses_source(std::string_view os) {
  if (os != "macos") return std::nullopt;
  return "a source on macOS cannot be migrated; restore it on Linux or Windows first";
}

std::string os_of_host_info(std::string_view type) {
  if (type == "Darwin" || type == "Mac OS X") return "macos";
  std::string lower(type);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

void read_os_release(std::string_view text, HostPlatform& platform) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    auto value = line.substr(equals + 1);
    while (!value.empty() && (value.back() == '\r' || value.back() == ' ')) value.remove_suffix(1);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
      value = value.substr(1, value.size() - 2);
    if (line.substr(0, equals) == "ID") platform.distribution = value;
    if (line.substr(0, equals) == "VERSION_ID") platform.version = value;
  }
}

}  // namespace drover
