// Database users of a project (spec/control-plane.md 3.5): records that are realised on the project's local clusters, and kept
// as records for registered ones, whose users are their administrators' own. A password is sealed in the store, for clusters that
// are made later, and never told. Thread-safe; several processes may work on one store.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "cluster/deployment.h"
#include "control/applied_records.h"
#include "control/custom_roles.h"
#include "control/database_roles.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

inline constexpr std::int64_t kMaxDatabaseUsers = 100;  // of a project
inline constexpr std::size_t kMinPasswordBytes = 8;

struct DatabaseUser {
  std::string id, group, database, name;
  std::vector<DatabaseUserRole> roles;
  std::vector<std::string> clusters;  // by name; empty: all of the project
  Json labels;                        // [{"key", "value"}]
  std::string description;
  std::string delete_after;           // ISO 8601; empty: it stays
  std::int64_t revision = 0;
  bool deleting = false;              // gone for callers; still to be dropped where it is
  std::vector<std::string> present_on, applied_to;  // ids of local clusters: where it may be, and where it is as it stands here

  bool is_of(const std::string& cluster) const;
};

// Names that this site gives users of its own: of local clusters, of migrations.
bool is_reserved_user(std::string_view name);

class DatabaseUsers {
 public:
  DatabaseUsers(Store& store, const SealedKeys& keys, CustomRoles& roles, Runtime& runtime)
      : store_(store), keys_(keys), roles_(roles), runtime_(runtime), applied_(store, "databaseUsers") {}

  // kUsage: the password, a role, or the name will not do; kWrongState: there is one of that name, or too many.
  Result<DatabaseUser> add(DatabaseUser user, const std::string& password);
  Result<std::optional<DatabaseUser>> find(const std::string& group, const std::string& database, const std::string& name);
  Result<std::vector<DatabaseUser>> of_group(const std::string& group, Page page);
  Result<std::int64_t> count(const std::string& group);
  // `user` as it was read, with what is to be changed; an empty password stays as it is. False: somebody else was faster.
  Result<bool> change(const DatabaseUser& user, const std::string& password);
  Result<bool> remove(const std::string& group, const std::string& database, const std::string& name);

  // With their project, which has no clusters any more.
  Status forget_project(const std::string& group);

  // For the reconciler.
  Status expire();
  Result<std::vector<DatabaseUser>> deleting();
  Result<std::vector<DatabaseUser>> not_applied(const std::string& group, const std::string& cluster);
  // False: it has changed since it was read, or is gone.
  Result<bool> note_present(const DatabaseUser& user, const std::string& cluster);
  Result<bool> note_applied(const DatabaseUser& user, const std::string& cluster);
  Status note_absent(const DatabaseUser& user, const std::string& cluster);
  Status apply_again(const DatabaseUser& user);
  Status forget(const DatabaseUser& user);  // when it is deleting, and nowhere
  Result<std::optional<DatabaseUser>> by_id(const std::string& id);
  Result<std::string> password(const DatabaseUser& user);

 private:
  // Each is one of Atlas's, or a custom role of the project that may be given.
  Status check_roles(const DatabaseUser& user);
  Result<bool> write(const DatabaseUser& user, const std::string& password);

  Store& store_;
  const SealedKeys& keys_;
  CustomRoles& roles_;
  Runtime& runtime_;
  AppliedRecords applied_;
};

// On a deployment: made, or, when it is there, made so. Both may be done again.
Status make_database_user(cluster::Deployment& deployment, const DatabaseUser& user, const std::string& password);
Status drop_database_user(cluster::Deployment& deployment, const DatabaseUser& user);

}  // namespace drover::control
