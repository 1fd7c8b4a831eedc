// "Live Migration: Connect to Atlas", the manager site's half of a link (docs/design/control-plane.md): one for an organization.
// The manager makes a secret of its own and keeps it before it claims, so that a claim whose answer was lost is repeated with
// the same. The token is forgotten with the claim. Thread-safe; several processes may work on one store.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/runtime.h"
#include "control/links.h"
#include "control/sealed_keys.h"
#include "control/store.h"

namespace drover::control {

inline constexpr std::chrono::minutes kLinkFreshFor{5};  // SYNCED for so long after a synchronisation
inline constexpr std::chrono::hours kFormerLinkKept{24 * 30};  // the proof that this site held a link that it gave up alone
inline constexpr int kMaxFormerKept = 64;  // of them, of an organization here and one of an atlas site: the newest

struct SiteLink {
  std::string org;
  std::string link;      // the atlas site's id of it
  std::string base_url;
  std::string secret;    // the link's own
  std::string token_secret;  // until it is claimed
  bool claimed = false;
  std::string peer_org, peer_org_name;
  std::int64_t projects_revision = 0;
  std::int64_t last_sync_millis = 0;
  std::int64_t revision = 0;
  std::string last_error;
  bool synced = false;   // by this site's clock, and not refused
  bool refused = false;  // the other site does not know it any more: by its last answer
  bool tried = false;    // its claim was sent, or was about to be
  std::string token_org; // the atlas site's organization, as the link-token named it
};

class SiteLinks {
 public:
  SiteLinks(Store& store, const SealedKeys& keys, Runtime& runtime) : store_(store), keys_(keys), runtime_(runtime) {}

  // Takes a token: from now on the link is being claimed. kUsage: it is no token, or of a site that may not be spoken to so.
  // kWrongState: the organization has another link. The same token again answers the link as it is.
  Result<SiteLink> begin(const std::string& org, const std::string& token);
  Result<std::optional<SiteLink>> of_org(const std::string& org);
  Result<bool> exists(const std::string& link);
  // One that cannot be read keeps no other from being served: it is left out, and `unreadable` says why, by its organization.
  Result<std::vector<SiteLink>> all(std::map<std::string, std::string>& unreadable);
  // Before its claim is sent: whoever gives the link up from then on remembers it.
  Status trying(const SiteLink& link);
  Status claimed(const SiteLink& link, const std::string& peer_org, const std::string& peer_org_name);
  // The next number of a synchronisation, durable before it is used.
  Result<std::int64_t> next_projects_revision(const std::string& org);
  Status synced(const SiteLink& link);
  // A link that the other site does not know any more (401) is not synchronised from then on.
  Status failed(const SiteLink& link, const Error& why);
  // Only while it is this link.
  Status remove(const SiteLink& link);
  // Of an organization that is deleted: one that was begun too late.
  Status forget_organization(const std::string& org);
  // Keeps the proof that this site held the link, for the next claim from the same organization of an atlas site; a claim that was answered ends that.
  // Of one token there may be several, each with a secret of its own: the claim of any may be the one that came there.
  Status remember(const SiteLink& link);
  Result<std::vector<FormerLink>> former_of(const SiteLink& link);

  // Of this site: a UUID, made once.
  Result<std::string> site_id();

 private:
  Result<SiteLink> link_of(bson::View document) const;
  std::string seal_name(std::string_view org) const;
  std::int64_t now_millis() const;

  Store& store_;
  const SealedKeys& keys_;
  Runtime& runtime_;
};

}  // namespace drover::control
