// Where a migration host may run, and which source a migration may read, by operating system (spec/control-plane.md 5.5).
// Rules as data, judged on the migration host and again on its site.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace drover {

// The era of a migration's source: FCV 4.4 and 5.0, or 6.0.8 and later.
enum class MigrationPath { kLegacy, kSync };
const char* name_of(MigrationPath path);  // "legacy", "sync"
std::optional<MigrationPath> migration_path_of(std::string_view name);

struct HostPlatform {
  std::string os;            // "linux", "windows", "macos"
  std::string arch;          // as uname says it: "x86_64", "aarch64", …
  std::string distribution;  // os-release's ID: "ubuntu", "rhel", "amzn", "debian", …
  std::string version;       // os-release's VERSION_ID: "22.04", "9.3", "2023"
};

// A row of the list of platforms for the sync path. `version` also stands for its minor ones: "9" for "9.3".
struct SyncPlatform {
  std::string_view distribution;
  std::string_view version;
  bool arm;                // also on aarch64
  std::string_view named;  // "Red Hat Enterprise Linux 9"
};
std::span<const SyncPlatform> sync_platforms();

// Nothing when a migration host may run there, else the sentence that refuses it, with its remedy.
std::optional<std::string> refuses_host(const HostPlatform& platform, MigrationPath path);
// Whatever the path: what can be no migration host at all.
std::optional<std::string> refuses_host(const HostPlatform& platform);
// Of a source's member, by its hostInfo (os.type). An empty one is not known, and is not refused.
std::optional<std::string> refuses_source(std::string_view os);

// "Linux" → "linux", "Windows" → "windows", "Darwin" and "Mac OS X" → "macos"; others in small letters.
std::string os_of_host_info(std::string_view type);

// From os-release's text: ID and VERSION_ID.
void read_os_release(std::string_view text, HostPlatform& platform);

}  // namespace drover
