// What a user may do: actions on resources. Pure values. The order in which resources match is the server's
// (authorization_session_impl.cpp, buildResourceSearchList).
#pragma once

#include <compare>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bson/builder.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox::auth {

struct ResourcePattern {
  enum class Kind {
    kCluster,
    kAnyNormal,       // {db: "", collection: ""}: every collection but system.*, of every database but local and config
    kDatabase,        // {db, collection: ""}
    kCollectionName,  // {db: "", collection}
    kCollection,      // {db, collection}
    kBuckets,         // {db, system_buckets}: of time-series collections; either may be empty for any
    kAny,             // {anyResource: true}
  };
  Kind kind = Kind::kCluster;
  std::string db;
  std::string collection;
  auto operator<=>(const ResourcePattern&) const = default;

  static ResourcePattern cluster() { return {Kind::kCluster, {}, {}}; }
  static ResourcePattern any_normal() { return {Kind::kAnyNormal, {}, {}}; }
  static ResourcePattern any() { return {Kind::kAny, {}, {}}; }
  static ResourcePattern database(std::string db) { return {Kind::kDatabase, std::move(db), {}}; }
  static ResourcePattern collection_name(std::string name) { return {Kind::kCollectionName, {}, std::move(name)}; }
  static ResourcePattern any_buckets() { return {Kind::kBuckets, {}, {}}; }
  static ResourcePattern exact(std::string db, std::string name) {
    return {Kind::kCollection, std::move(db), std::move(name)};
  }
};

class PrivilegeSet {
 public:
  void add(const ResourcePattern& resource, std::string_view action) { actions_[resource].emplace(action); }
  template <typename Actions>
  void add_all(const ResourcePattern& resource, const Actions& actions) {
    for (const auto& action : actions) add(resource, action);
  }
  void remove(const ResourcePattern& resource, std::string_view action);
  void merge(const PrivilegeSet& other);
  bool allows(std::string_view action, const Resource& resource) const;
  // Any action on this collection; on anything in this database.
  bool any_on(const Namespace& collection) const;
  bool any_in(std::string_view db) const;
  bool empty() const { return actions_.empty(); }
  const std::map<ResourcePattern, std::set<std::string, std::less<>>>& entries() const { return actions_; }

  // [{resource: {...}, actions: [...]}, ...] as rolesInfo, usersInfo and connectionStatus print it.
  bson::Document to_bson() const;
  // Reads that array; the error is the server's.
  static Result<PrivilegeSet> parse(bson::View array);

 private:
  bool has(const ResourcePattern& resource, std::string_view action) const;
  std::map<ResourcePattern, std::set<std::string, std::less<>>> actions_;
};

// Stands for every action.
inline constexpr std::string_view kAnyAction = "anyAction";

}  // namespace drover::sandbox::auth
