// The relation of an organization here to one at a manager site: made by a link-token, claimed once, deleted by either side
// (docs/design/control-plane.md, "A link"). A token is shown when it is made and never again; its secret, and the one that
// the manager proposes with its claim, are kept as keyed hashes. Thread-safe; several processes may work on one store.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

inline constexpr std::chrono::hours kLinkTokenLife{24 * 7};   // to be claimed in
inline constexpr std::chrono::hours kSucceededKept{24 * 30};  // which link has succeeded one
inline constexpr std::chrono::minutes kSyncedFor{5};          // after metadata came
inline constexpr int kMaxLinksOfOrganization = 50;
inline constexpr int kMaxAccessListIps = 200;
inline constexpr int kMaxProjectsOfLink = 500;
inline constexpr std::size_t kMaxProjectBytes = 256 << 10;    // what a link tells of one project, as it was sent
inline constexpr std::int64_t kMaxProjectsBytes = 8 << 20;    // of all of a link's
inline constexpr std::int64_t kMaxProjectsBytesOfOrganization = 32 << 20;  // of all its links': they are told in one answer

struct Link {
  enum class State { kTokenIssued, kSynced, kNotSynced };
  std::string id;
  std::string org;
  State state = State::kTokenIssued;
  std::string created;
  std::string site, peer_org, peer_org_name;  // who claimed it
  std::vector<std::string> access_list;
  std::string last_sync;  // empty: never
};
const char* name_of(Link::State state);  // "TOKEN_ISSUED"

// What a link-token carries.
struct LinkToken {
  std::string base_url, org, link, secret;
};
std::string encode_token(const LinkToken& token);
Result<LinkToken> decode_token(std::string_view text);  // kUsage

// A link that a manager site has given up alone, because this one did not answer. Its proof opens nothing: it says that whoever claims a link held that one.
struct FormerLink {
  std::string link, proof;
};
inline constexpr std::size_t kMaxFormerLinks = 8;  // of one claim
std::string succession_proof(std::string_view link_secret);

struct Claim {
  std::string site, org, org_name;
  std::string secret;   // 64 hexadecimal digits
  std::string address;  // from where it comes
};

class Links {
 public:
  Links(Store& store, const SealedKeys& keys, Runtime& runtime) : store_(store), keys_(keys), runtime_(runtime) {}

  // The link-token's text. `access_list`: addresses and ranges; empty: from everywhere.
  Result<std::string> create_token(const std::string& org, const std::vector<std::string>& access_list, const std::string& base_url);
  // Link-tokens that have expired are not among them.
  Result<std::vector<Link>> of_org(const std::string& org);
  // False when there is none. Its migrations are the caller's to look at first.
  Result<bool> remove_of_org(const std::string& org);
  Status remove(const std::string& link);
  Result<bool> exists(const std::string& link);
  Result<std::optional<Link>> find(const std::string& link);

  // Nothing: there is no such link, its token has expired, or the secret is another. kWrongState: somebody else has claimed it.
  // kUnsupported: the address is not in the token's list. The same claim again succeeds.
  Result<std::optional<Link>> claim(const std::string& link, const std::string& token_secret, const Claim& claim);
  // By the secret that was claimed with.
  Result<std::optional<Link>> authenticate(const std::string& link, const std::string& secret);
  // Of `former`, those that the holder of `link` held before it: of the same organization here, claimed by the same organization of the same site, and proven.
  Result<std::vector<std::string>> succeeded_by(const Link& link, const std::vector<FormerLink>& former);
  // From now on `former` is none any more, and what it has, or is given by whoever has read of it before, is `link`'s: LiveImports::move_to_link. Kept for kSucceededKept.
  Status succeed(const std::string& former, const std::string& link);
  // Nothing: it is there, or nobody has succeeded it.
  Result<std::optional<std::string>> successor_of(const std::string& link);

  // The metadata of one project, as the manager sent it, in `bytes` bytes. The answer is the revision that is kept; a lower one changes nothing.
  // kUsage: it is more than is kept of a project, of a link, or of an organization.
  Result<std::int64_t> put_project(const std::string& link, const std::string& project, std::int64_t revision, const Json& metadata,
                                   std::size_t bytes = 0);
  // Ends a synchronisation: projects that are not named and are of an older revision are forgotten. How many those were.
  Result<std::int64_t> finish_sync(const std::string& link, std::int64_t revision, const std::vector<std::string>& projects);
  // A project is told of once: by the newest link that is synchronised, or the newest of those that are not.
  struct LinkedProject {
    std::string link, project;
    Json metadata;
    std::vector<std::string> rivals;  // links of other sites, or of other organizations of them, that tell of a project by this id, too
  };
  Result<std::vector<LinkedProject>> projects_of_org(const std::string& org);
  Result<std::optional<LinkedProject>> project_of_org(const std::string& org, const std::string& project);

 private:
  Link link_of(bson::View document);
  Result<std::int64_t> bytes_of_org_without(const std::string& link, const std::string& id);
  Result<std::vector<LinkedProject>> projects_where(const std::string& org, const std::string& project);
  bson::DateTime now() const;

  Store& store_;
  const SealedKeys& keys_;
  Runtime& runtime_;
};

}  // namespace drover::control
