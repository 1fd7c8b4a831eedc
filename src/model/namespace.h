// "database.collection". A value; compares by bytes, as the server does.
#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace drover {

struct Namespace {
  std::string db;
  std::string collection;  // may contain dots; empty for a database as a whole

  auto operator<=>(const Namespace&) const = default;
  std::string to_string() const { return collection.empty() ? db : db + "." + collection; }
  // Nothing without a dot, or with an empty part.
  static std::optional<Namespace> parse(std::string_view text);
};

// The database that holds a migration's state on the destination; excluded from every copy, stream and comparison.
inline constexpr std::string_view kStateDatabase = "__mdb_internal_mongosync";

// admin, local, config and our own: never migrated.
bool is_internal_database(std::string_view db);
// system.* collections that are not user data (system.views is a catalog, system.profile a log, ...).
bool is_system_collection(std::string_view collection);
// Those that a server makes by itself, for what is migrated otherwise or not at all: views, profiles, buckets.
bool is_server_owned_collection(std::string_view collection);

}  // namespace drover

template <>
struct std::hash<drover::Namespace> {
  std::size_t operator()(const drover::Namespace& ns) const noexcept {
    return std::hash<std::string>()(ns.db) * 31 + std::hash<std::string>()(ns.collection);
  }
};
