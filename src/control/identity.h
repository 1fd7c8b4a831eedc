// Organizations, their projects ("groups"), and the programmatic API keys that open them (spec/control-plane.md 3.5). A
// private key is shown once; what digest authentication needs of it is sealed in the store.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"
#include "control/names.h"
#include "control/roles.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

inline constexpr const char* kDigestRealm = "MMS Public API";
inline constexpr std::size_t kMaxKeyRanges = 200;
// Of one organization, each as many more as requests are answered at once.
inline constexpr std::int64_t kMaxProjectsOfOrganization = 250;
inline constexpr std::int64_t kMaxKeysOfOrganization = 500;
inline constexpr std::chrono::hours kKeyOfNothingKept{24};  // of an organization that is being made, or whose maker has died
inline constexpr std::int64_t kMaxOrganizationsOfRoot = 100;  // as many more as requests are answered at once
// An owner's key that is being let go does not count as one for so long; then whoever let it go is taken for dead.
inline constexpr std::chrono::minutes kLettingGo{1};

struct Organization {
  std::string id;
  std::string name;
  std::string created;  // ISO 8601, UTC, whole seconds
};

struct Project {
  std::string id;
  std::string org;
  std::string name;
  std::string created;
};

enum class Tenant { kOrganization, kProject };

// Of a change of the roles that a key or account has in a project: whether it may be, by what it holds at the moment of the change.
using MayChange = std::function<bool(const std::vector<Grant>& held)>;
enum class RoleChange { kDone, kNoSuch, kRefused };

struct ApiKey {
  std::string id;
  std::string org;
  std::string description;
  std::string public_key;   // 8 lowercase letters
  std::string private_key;  // only from create_key
  std::string ha1;          // only from key_by_name: MD5(public:realm:private), as digest authentication needs it
  std::vector<Grant> grants;
  std::vector<std::string> access_list;  // ranges that it may be used from; empty: everywhere
};

// One page, and how many there are on all.
template <typename T>
struct Listed {
  std::vector<T> items;
  std::int64_t total = 0;
};

// Refusals are values that a route turns into its error: kUsage for what the caller sent, kWrongState for a conflict.
class Identity {
 public:
  Identity(Store& store, const SealedKeys& keys, Runtime& runtime) : store_(store), keys_(keys), runtime_(runtime) {}

  // `by`: the organization of whoever asks for it over the API; nothing: whoever has the machine. kWrongState: kMaxOrganizationsOfRoot have
  // been made with the keys of the first one and of those that came of it.
  Result<Organization> create_organization(const std::string& name, const std::string& by = {});
  // An organization with its first key, which has these roles in it. Whoever dies in between leaves no organization, only a key of none, which opens nothing and which nobody
  // has: the same is asked for again. `tell` comes just before it is there; its failure is the call's.
  struct Founded {
    Organization org;
    ApiKey key;
  };
  Result<Founded> found_organization(const std::string& name, const std::string& description, const std::vector<std::string>& org_roles, const std::string& by = {},
                                     const std::function<Status(const Founded&)>& tell = {});
  Result<std::optional<Organization>> organization(const std::string& id);
  Result<Listed<Organization>> organizations(const std::vector<Grant>& visible_to, Page page);

  // False: it is gone.
  Result<bool> rename_organization(const std::string& id, const std::string& name);
  // kWrongState: there is one of that name. kUnsupported: there are too many, or the organization is gone.
  Result<Project> create_project(const std::string& org, const std::string& name);
  Result<std::int64_t> count_projects(const std::string& org);
  Result<std::optional<Project>> project(const std::string& id);
  // Those of one organization, or of all when it is empty, that the grants let see.
  Result<Listed<Project>> projects(const std::string& org, const std::vector<Grant>& visible_to, Page page);
  // Those of this name that the grants let see: one for each organization at most.
  Result<std::vector<Project>> projects_named(const std::string& name, const std::vector<Grant>& visible_to);
  // False: it is gone. kWrongState: another one of the organization has the name.
  Result<bool> rename_project(const std::string& id, const std::string& name);

  // How an organization or a project goes. Whoever deletes one marks it, looks for what keeps it, and settles that while it still finds its mark. Whoever
  // makes something that keeps it (a project its organization; a cluster its project) writes that and asks whether it stays, which takes the mark away. By
  // majority writes and reads one of the two sees the other, whoever dies in between, and no clock is asked. What is settled nobody sees any more; its
  // document stays until all that it had is taken away, so that another process can go on with that (control/deletions.h).
  struct Deletion {
    std::string mark;
    bool settled = false;  // by somebody who may have died: there is no mark
  };
  // Nothing: there is none. Of two who begin the one who came first finds another's mark.
  Result<std::optional<Deletion>> begin_deleting(Tenant tenant, const std::string& id);
  Status stop_deleting(Tenant tenant, const std::string& id, const std::string& mark);
  // False: the mark is another's, or was taken away by something that keeps it.
  Result<bool> settle_deleting(Tenant tenant, const std::string& id, const std::string& mark);
  // For whoever has just made something that keeps it. False: it is gone, and what was made is to be taken back.
  Result<bool> stays(Tenant tenant, const std::string& id);
  // Those that are settled and whose documents are there yet: some of them.
  Result<std::vector<std::string>> settled(Tenant tenant);
  // All keys of an organization that is settled; `but`: the id of one that is kept for now.
  Status take_keys(const std::string& org, const std::string& but);
  // Whether there is a document of it, also of one that is settled.
  Result<bool> is_known(Tenant tenant, const std::string& id);
  // The keys of organizations that there are not, older than kKeyOfNothingKept: how many those were.
  Result<std::int64_t> take_keys_of_nothing();
  // The document of what is settled; of a project, before, the roles in it that API keys of its organization have.
  Status forget(Tenant tenant, const std::string& id);

  // `org_roles` are of that organization.
  Result<ApiKey> create_key(const std::string& org, const std::string& description, const std::vector<std::string>& org_roles);
  // A key of the project's organization (as its member) with these roles in the project. `access_list`: what it is bound to from the beginning.
  Result<ApiKey> create_project_key(const Project& project, const std::string& description, const std::vector<std::string>& group_roles,
                                    const std::vector<std::string>& access_list = {});
  Result<Listed<ApiKey>> project_keys(const std::string& group, Page page);  // those with a role in it
  // Its roles in the project become these; of a key that has none there yet as well. `description` when it is to be another. kNoSuch: there is no such key in
  // the project's organization. kWrongState: it changes all the time.
  Result<RoleChange> set_project_roles(const Project& project, const std::string& id, const std::optional<std::vector<std::string>>& group_roles,
                                       const std::optional<std::string>& description, const MayChange& may = {});
  // Takes its roles in the project from it; the key stays. kNoSuch: it has none.
  Result<RoleChange> remove_key_from_project(const Project& project, const std::string& id, const MayChange& may = {});
  Result<std::optional<ApiKey>> key(const std::string& org, const std::string& id);
  Result<Listed<ApiKey>> keys(const std::string& org, Page page);
  // Its roles in the organization become these, its roles in projects stay. False: there is no such key. kWrongState: the last owner's key cannot be
  // another's, or it changes all the time.
  Result<bool> change_key(const std::string& org, const std::string& id, const std::optional<std::vector<std::string>>& org_roles,
                          const std::optional<std::string>& description);
  // The last owner's key of an organization cannot go: nobody could get in any more.
  Result<bool> delete_key(const std::string& org, const std::string& id);
  // Ranges in CIDR notation. False: there is no such key. kWrongState: too many.
  Result<bool> allow_key_from(const std::string& org, const std::string& id, const std::vector<std::string>& ranges);
  // False: the key has no such range.
  Result<bool> disallow_key_from(const std::string& org, const std::string& id, const std::string& range);
  // Whether no other key of an owner counts: of the organization's.
  Result<bool> is_last_owner(const std::string& org, const std::string& id);
  // For authentication: with its ha1.
  Result<std::optional<ApiKey>> key_by_name(const std::string& public_key);

 private:
  struct Planned {
    Organization org;
    std::string root;  // whose keys made it, or made those that did; empty: none's
  };
  Result<Planned> plan_organization(const std::string& name, const std::string& by);
  Status keep_organization(const Planned& planned);
  Result<ApiKey> keep_new_key(ApiKey key);
  // Before an owner's key stops to be one: from here on it counts no more, unless it is the last (kWrongState). The mark is this caller's, and another
  // one's takes its place: only who still finds its own may go on.
  Result<std::string> stop_counting(const std::string& org, const std::string& id);
  Status count_those_left(const std::string& org);
  // No roles: it has none there any more.
  Result<RoleChange> change_project_roles(const Project& project, const std::string& id, const std::optional<std::vector<std::string>>& wanted,
                                          const std::optional<std::string>& description, const MayChange& may);
  Status take_project_roles(const std::string& org, const std::string& group);
  // False: the key's roles are not `before` any more, or it is not marked so (`mark`, unless it is empty).
  Result<bool> write_key(const ApiKey& before, const std::vector<Grant>& grants, const std::optional<std::string>& description, const std::string& mark = {});

  Store& store_;
  const SealedKeys& keys_;
  Runtime& runtime_;
};

// "2026-08-10T03:10:30Z"
std::string iso_time(Runtime& runtime);
std::string iso_time(std::chrono::system_clock::time_point time);

}  // namespace drover::control
