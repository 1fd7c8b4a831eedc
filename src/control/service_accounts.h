// Service accounts of an organization (spec/control-plane.md 3.1.7): OAuth 2.0 client credentials. A secret is shown once and
// kept as a keyed hash, and so are the access tokens that it buys. Thread-safe; several processes on one store.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "control/identity.h"
#include "control/roles.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

inline constexpr std::chrono::seconds kAccessTokenLife{3600};
inline constexpr std::int64_t kMinSecretHours = 8, kMaxSecretHours = 365 * 24;
inline constexpr std::int64_t kMaxAccountsOfOrganization = 200;  // as many more as requests are answered at once
inline constexpr std::size_t kMaxSecrets = 2;  // of one account

struct ServiceSecret {
  std::string id, created, expires, last_used;
  std::string tail;    // what the masked value shows
  std::string secret;  // only when it has just been made
};

struct ServiceAccount {
  std::string client_id;  // "mdb_sa_id_" and 24 hexadecimal digits
  std::string org, name, description, created;
  std::vector<Grant> grants;
  std::vector<ServiceSecret> secrets;
  std::vector<std::string> access_list;  // ranges that its tokens may be used from; empty: everywhere
};

class ServiceAccounts {
 public:
  ServiceAccounts(Store& store, const SealedKeys& keys, Runtime& runtime) : store_(store), keys_(keys), runtime_(runtime) {}

  Result<ServiceAccount> create(const std::string& org, const std::string& name, const std::string& description,
                                const std::vector<std::string>& org_roles, std::int64_t secret_hours);
  // An account of the project's organization, as its member, with these roles in the project. `access_list`: what it is bound to.
  Result<ServiceAccount> create_in_project(const Project& project, const std::string& name, const std::string& description,
                                           const std::vector<std::string>& group_roles, std::int64_t secret_hours,
                                           const std::vector<std::string>& access_list = {});
  // What is given becomes so. False: there is no such account.
  struct Changes {
    std::optional<std::string> name, description;
    std::optional<std::vector<std::string>> org_roles;
  };
  Result<bool> change(const std::string& org, const std::string& client_id, const Changes& changes);
  // Those with a role in it.
  Result<Listed<ServiceAccount>> of_project(const std::string& group, Page page);
  // Its roles in the project become these; none: it has none there any more. kNoSuch: there is no such account in the project's organization.
  Result<RoleChange> set_project_roles(const Project& project, const std::string& client_id, const std::vector<std::string>& group_roles, const MayChange& may = {});
  // The roles in a project that has just been deleted.
  Status forget_project(const std::string& group);
  // All of an organization that is deleted, and their tokens; `but`: one that is kept for now.
  Status forget_organization(const std::string& org, const std::string& but = {});
  Result<Listed<ServiceAccount>> of_org(const std::string& org, Page page);
  Result<std::optional<ServiceAccount>> find(const std::string& org, const std::string& client_id);
  // Its tokens end with it.
  Result<bool> remove(const std::string& org, const std::string& client_id);
  // kWrongState: it has as many as it may. Nothing: there is no such account.
  Result<std::optional<ServiceSecret>> add_secret(const std::string& org, const std::string& client_id, std::int64_t hours);
  // The tokens that it was shown for end with it.
  Result<bool> remove_secret(const std::string& org, const std::string& client_id, const std::string& secret_id);

  // An access token; nothing when the secret is wrong or has expired.
  Result<std::optional<std::string>> token_for(const std::string& client_id, const std::string& secret);
  // Only by the client that it was made for.
  Status revoke(const std::string& client_id, const std::string& token);
  Result<bool> knows(const std::string& client_id, const std::string& secret);
  // The id of the secret that this is; empty: none of the client's, or one that has expired.
  Result<std::string> secret_id(const std::string& client_id, const std::string& secret);
  Result<std::optional<ServiceAccount>> account_of_token(const std::string& token);

 private:
  Result<bool> is_there(const Project& project);
  Result<ServiceAccount> keep_new(ServiceAccount account, std::int64_t secret_hours);
  ServiceSecret make_secret(std::int64_t hours) const;
  bson::Document document_of(const ServiceSecret& secret) const;
  bson::DateTime now() const;

  Store& store_;
  const SealedKeys& keys_;
  Runtime& runtime_;
};

}  // namespace drover::control
