#include "control/site_links.h"

#include <fmt/format.h>

#include "base/uuid.h"
#include "control/fields.h"
#include "net/crypto.h"
#include "net/http_client.h"
#include "net/loopback.h"

namespace drover::control {
namespace {

constexpr const char* kCollection = "siteLinks";
constexpr const char* kFormer = "formerLinks";
constexpr std::size_t kSecretBytes = 32, kProofName = 16;
constexpr int kAttempts = 20;
constexpr int kUnauthorized = 401;

bson::Document by_id(std::string_view id) { return bson::make_document({{"_id", id}}); }
bson::Document of(const SiteLink& link) { return bson::make_document({{"_id", link.org}, {"linkId", link.link}}); }
bson::Document set(const bson::Document& fields) { return bson::make_document({{"$set", fields}}); }

bson::Document former_filter(const std::string& org, const std::string& peer_org) { return bson::make_document({{"orgId", org}, {"peerOrgId", peer_org}}); }

// The secret and the metadata do not go over a network in clear.
Status check_transport(const std::string& base_url) {
  const auto url = TRY_WITH(net::parse_url(base_url), "the link-token's address");
  if (url.tls || net::is_loopback_host(url.host)) return {};
  return fail(ErrorCode::kUsage, fmt::format("the link-token names {}, which is neither https:// nor loopback", url.origin()));
}

}  // namespace

std::string SiteLinks::seal_name(std::string_view org) const { return fmt::format("siteLink {}", org); }

std::int64_t SiteLinks::now_millis() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count();
}

Result<SiteLink> SiteLinks::link_of(bson::View document) const {
  SiteLink link;
  link.org = text_of(document, "_id");
  link.link = text_of(document, "linkId");
  link.base_url = text_of(document, "baseUrl");
  link.claimed = text_of(document, "state") == "CLAIMED";
  link.peer_org = text_of(document, "peerOrgId");
  link.peer_org_name = text_of(document, "peerOrgName");
  link.projects_revision = number_of(document, "projectsRevision");
  link.last_sync_millis = number_of(document, "lastSyncAt");
  link.revision = number_of(document, "revision");
  link.last_error = text_of(document, "lastError");
  const auto life = std::chrono::duration_cast<std::chrono::milliseconds>(kLinkFreshFor).count();
  link.refused = flag_of(document, "refused");
  link.tried = flag_of(document, "claimTried") || !link.last_error.empty();  // builds before claimTried told of a try by its error
  link.token_org = text_of(document, "tokenOrgId");
  link.synced = link.claimed && !link.refused && link.last_sync_millis != 0 && now_millis() - link.last_sync_millis < life;
  link.secret = TRY(keys_.unseal(seal_name(link.org), text_of(document, "sealedSecret")));
  if (const auto sealed = text_of(document, "sealedToken"); !sealed.empty())
    link.token_secret = TRY(keys_.unseal(seal_name(link.org), sealed));
  return link;
}

Result<SiteLink> SiteLinks::begin(const std::string& org, const std::string& text) {
  const auto token = TRY(decode_token(text));
  TRY(check_transport(token.base_url));
  const bool made = TRY(store_.insert(kCollection, bson::make_document({{"_id", org},
                                                                        {"linkId", token.link},
                                                                        {"baseUrl", token.base_url},
                                                                        {"tokenOrgId", token.org},
                                                                        {"sealedSecret", keys_.seal(seal_name(org), net::hex_encode(net::random_bytes(kSecretBytes)))},
                                                                        {"sealedToken", keys_.seal(seal_name(org), token.secret)},
                                                                        {"state", "CLAIMING"},
                                                                        {"projectsRevision", std::int64_t{0}},
                                                                        {"lastSyncAt", std::int64_t{0}},
                                                                        {"revision", std::int64_t{1}}})));
  const auto found = TRY(of_org(org));
  if (!found) return fail(ErrorCode::kTemporary, "the link was removed at the same time");
  if (!made && found->link != token.link)
    return fail(ErrorCode::kWrongState, "the organization is connected by another link-token; disconnect it first");
  return *found;
}

Result<std::optional<SiteLink>> SiteLinks::of_org(const std::string& org) {
  const auto found = TRY(store_.find_one(kCollection, by_id(org)));
  if (!found) return std::optional<SiteLink>();
  return std::optional(TRY(link_of(*found)));
}

Result<bool> SiteLinks::exists(const std::string& link) { return TRY(store_.find_one(kCollection, bson::make_document({{"linkId", link}}))).has_value(); }

Result<std::vector<SiteLink>> SiteLinks::all(std::map<std::string, std::string>& unreadable) {
  std::vector<SiteLink> links;
  TRY(store_.each(kCollection, bson::Document(), [&](bson::View document) -> Status {
    auto link = link_of(document);
    if (link) links.push_back(std::move(*link));
    else unreadable.emplace(text_of(document, "_id"), link.error().message);
    return {};
  }));
  return links;
}

Status SiteLinks::trying(const SiteLink& link) {
  if (!link.tried) TRY(store_.update(kCollection, of(link), set(bson::make_document({{"claimTried", true}}))));
  return {};
}

Status SiteLinks::claimed(const SiteLink& link, const std::string& peer_org, const std::string& peer_org_name) {
  bson::Builder update;
  update.append("$set", bson::make_document({{"state", "CLAIMED"}, {"peerOrgId", peer_org}, {"peerOrgName", peer_org_name}}));
  update.open_document("$unset").append("sealedToken", "");
  TRY(store_.update(kCollection, of(link), std::move(update).finish()));
  TRY(store_.remove(kFormer, former_filter(link.org, peer_org)));
  return {};
}

Status SiteLinks::remember(const SiteLink& link) {
  bson::Builder old;
  old.open_document("at").append("$lt", now_millis() - std::chrono::duration_cast<std::chrono::milliseconds>(kFormerLinkKept).count());
  TRY(store_.remove(kFormer, std::move(old).finish()));
  const auto proof = succession_proof(link.secret);
  const auto id = fmt::format("{}/{}", link.link, net::hex_encode(net::digest(net::Digest::kSha256, proof)).substr(0, kProofName));
  const bool made = TRY(store_.insert(kFormer, bson::make_document({{"_id", id},
                                                                    {"linkId", link.link},
                                                                    {"orgId", link.org},
                                                                    {"peerOrgId", link.peer_org},
                                                                    {"sealedProof", keys_.seal("formerLink " + id, proof)},
                                                                    {"at", now_millis()}})));
  if (!made) TRY(store_.update(kFormer, by_id(id), set(bson::make_document({{"at", now_millis()}}))));
  for (const auto& over : TRY(store_.find(kFormer, former_filter(link.org, link.peer_org), {2, kMaxFormerKept}, Order::kNewestFirst))) TRY(store_.remove(kFormer, by_id(text_of(over, "_id"))));
  return {};
}

Result<std::vector<FormerLink>> SiteLinks::former_of(const SiteLink& link) {
  std::vector<FormerLink> former;
  for (const auto& found : TRY(store_.find(kFormer, former_filter(link.org, link.token_org), {1, kMaxFormerKept}, Order::kNewestFirst))) {
    const auto id = text_of(found, "_id");
    const auto of = text_of(found, "linkId");
    former.push_back({of.empty() ? id : of, TRY(keys_.unseal("formerLink " + id, text_of(found, "sealedProof")))});  // of an older store: its id is the link's
  }
  return former;
}

Result<std::int64_t> SiteLinks::next_projects_revision(const std::string& org) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(store_.find_one(kCollection, by_id(org)));
    if (!found) return fail(ErrorCode::kWrongState, "the organization is not connected");
    const auto revision = number_of(*found, "revision"), next = number_of(*found, "projectsRevision") + 1;
    const auto filter = bson::make_document({{"_id", org}, {"revision", revision}});
    if (TRY(store_.update(kCollection, filter, set(bson::make_document({{"projectsRevision", next}, {"revision", revision + 1}}))))) return next;
  }
  return fail(ErrorCode::kTemporary, "another process synchronises the organization at the same time");
}

Status SiteLinks::synced(const SiteLink& link) {
  TRY(store_.update(kCollection, of(link), set(bson::make_document({{"lastSyncAt", now_millis()}, {"lastError", ""}, {"refused", false}}))));
  return {};
}

Status SiteLinks::failed(const SiteLink& link, const Error& why) {
  const bool refused = link.claimed && why.server_code == kUnauthorized;
  const auto text = refused ? fmt::format("{}. The link was ended at the Atlas site. Disconnect here and connect by a new link-token: `drover link disconnect`, `drover link create-token` "
                                          "there, `drover link connect`.", why.message.substr(0, why.message.find_last_not_of('.') + 1))
                            : why.message;
  if (text == link.last_error && refused == link.refused) return {};
  TRY(store_.update(kCollection, of(link), set(bson::make_document({{"lastError", text}, {"refused", refused}}))));
  return {};
}

Status SiteLinks::remove(const SiteLink& link) {
  TRY(store_.remove(kCollection, of(link)));
  return {};
}

Status SiteLinks::forget_organization(const std::string& org) {
  TRY(store_.remove(kFormer, bson::make_document({{"orgId", org}})));
  TRY(store_.remove(kCollection, by_id(org)));
  return {};
}

Result<std::string> SiteLinks::site_id() {
  TRY(store_.insert("meta", bson::make_document({{"_id", "site"}, {"siteId", Uuid::random(runtime_).to_string()}})));
  const auto found = TRY(store_.find_one("meta", by_id("site")));
  if (!found) return fail(ErrorCode::kTemporary, "the site's id cannot be read");
  return text_of(*found, "siteId");
}

}  // namespace drover::control
