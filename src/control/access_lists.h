// The IP access list of a project (spec/control-plane.md 3.5), a record that the rules of live migration consult: from where
// a migration host may reach the project's clusters. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "control/store.h"

namespace drover::control {

inline constexpr int kMaxAccessListEntries = 200;  // of a project, and of one request
inline constexpr std::size_t kMaxCommentBytes = 80;

struct AccessListEntry {
  std::string cidr;          // "203.0.113.7/32"
  std::string comment;
  std::string delete_after;  // ISO 8601; empty: stays
};

class AccessLists {
 public:
  AccessLists(Store& store, Runtime& runtime) : store_(store), runtime_(runtime) {}

  // Adds them, or changes the comments of those that are there. kUsage: one is no address; kWrongState: too many.
  Status add(const std::string& group, const std::vector<AccessListEntry>& entries);
  Result<std::vector<AccessListEntry>> of_group(const std::string& group, Page page);
  Result<std::int64_t> count(const std::string& group);
  Result<std::optional<AccessListEntry>> find(const std::string& group, const std::string& address_or_cidr);
  Result<bool> remove(const std::string& group, const std::string& address_or_cidr);
  Status forget_project(const std::string& group);
  // Whether an entry that has not expired contains the address.
  Result<bool> allows(const std::string& group, const std::string& address);

 private:
  Status forget_expired(const std::string& group);
  Store& store_;
  Runtime& runtime_;
};

}  // namespace drover::control
