#include "control/links.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "net/address_range.h"
#include "control/fields.h"
#include "control/identity.h"
#include "control/json_document.h"
#include "net/crypto.h"

namespace drover::control {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kMaxTokenText = 4096;
constexpr const char* kLinks = "orgLinks";
constexpr const char* kProjects = "linkProjects";
constexpr int kAttempts = 20;

bson::Document by_id(std::string_view id) { return bson::make_document({{"_id", id}}); }

// One that was succeeded is none any more.
bson::Document living(std::string_view field, std::string_view value) {
  bson::Builder filter;
  filter.append(field, value);
  filter.open_document("successor").append("$exists", false);
  return std::move(filter).finish();
}

std::int64_t millis_of(bson::View document, std::string_view field) {
  const auto element = document[field];
  return element.type() == bson::Type::kDateTime ? element.date_value().millis : 0;
}

std::string base64url(std::string text) {
  for (auto& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

std::string from_base64url(std::string_view text) {
  std::string plain(text);
  for (auto& c : plain) c = c == '-' ? '+' : c == '_' ? '/' : c;
  plain.append((4 - plain.size() % 4) % 4, '=');
  return plain;
}

}  // namespace

const char* name_of(Link::State state) {
  switch (state) {
    case Link::State::kTokenIssued: return "TOKEN_ISSUED";
    case Link::State::kSynced: return "SYNCED";
    case Link::State::kNotSynced: return "NOT_SYNCED";
  }
  return "";
}

std::string succession_proof(std::string_view link_secret) {
  return net::hex_encode(net::hmac(net::Digest::kSha256, link_secret, "drover link succession"));
}

std::string encode_token(const LinkToken& token) {
  const Json json(Json::Object{{"v", 1}, {"baseUrl", token.base_url}, {"orgId", token.org}, {"linkId", token.link}, {"secret", token.secret}});
  return base64url(net::base64_encode(json.dump()));
}

Result<LinkToken> decode_token(std::string_view text) {
  const auto wrong = fail(ErrorCode::kUsage, "this is not a link-token; copy the whole text that was shown when it was generated");
  if (text.size() > kMaxTokenText) return wrong;
  const auto plain = net::base64_decode(from_base64url(text));
  if (!plain) return wrong;
  const auto json = Json::parse(*plain);
  if (!json) return wrong;
  const auto* version = json->find("v");
  if (version == nullptr || version->as_int() == nullptr) return wrong;
  if (*version->as_int() != 1)
    return fail(ErrorCode::kUsage, fmt::format("this link-token is of version {}, which a newer manager understands", *version->as_int()));
  LinkToken token;
  for (const auto& [name, field] : {std::pair{"baseUrl", &token.base_url}, {"orgId", &token.org}, {"linkId", &token.link}, {"secret", &token.secret}}) {
    const auto* value = json->find(name);
    if (value == nullptr || value->as_string() == nullptr || value->as_string()->empty()) return wrong;
    *field = *value->as_string();
  }
  return token;
}

bson::DateTime Links::now() const {
  return {std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count()};
}

Link Links::link_of(bson::View document) {
  Link link;
  link.id = text_of(document, "_id");
  link.org = text_of(document, "orgId");
  link.created = text_of(document, "created");
  link.access_list = texts_of(document, "accessListIps");
  const auto by = object_of(document, "claimedBy");
  link.site = text_of(by, "siteId");
  link.peer_org = text_of(by, "orgId");
  link.peer_org_name = text_of(by, "orgName");
  const auto synced = millis_of(document, "lastSyncAt");
  if (synced != 0) link.last_sync = iso_time(std::chrono::system_clock::time_point(std::chrono::milliseconds(synced)));
  if (link.site.empty()) {
    link.state = Link::State::kTokenIssued;
  } else {
    const auto life = std::chrono::duration_cast<std::chrono::milliseconds>(kSyncedFor).count();
    link.state = now().millis - synced < life ? Link::State::kSynced : Link::State::kNotSynced;
  }
  return link;
}

Result<std::string> Links::create_token(const std::string& org, const std::vector<std::string>& access_list, const std::string& base_url) {
  {  // What nobody claimed in time is gone.
    bson::Builder expired;
    expired.append("orgId", org);
    expired.open_document("claimedBy").append("$exists", false);
    expired.open_document("tokenExpires").append("$lt", now());
    TRY(store_.remove(kLinks, std::move(expired).finish()));
    bson::Builder succeeded;
    succeeded.append("orgId", org);
    succeeded.open_document("succeededAt").append("$lt", bson::DateTime{now().millis - std::chrono::milliseconds(kSucceededKept).count()});
    TRY(store_.remove(kLinks, std::move(succeeded).finish()));
  }
  if (TRY(store_.count(kLinks, living("orgId", org))) >= kMaxLinksOfOrganization)
    return fail(ErrorCode::kWrongState, fmt::format("the organization has {} links already; delete those that are not used", kMaxLinksOfOrganization));
  LinkToken token{base_url, org, new_id(runtime_), net::hex_encode(net::random_bytes(kSecretBytes))};
  bson::Builder document;
  document.append("_id", token.link).append("orgId", org).append("tokenHash", keys_.hash(token.secret));
  const auto life = std::chrono::duration_cast<std::chrono::milliseconds>(kLinkTokenLife).count();
  document.append("tokenExpires", bson::DateTime{now().millis + life});
  {
    auto list = document.open_array("accessListIps");
    for (const auto& range : access_list) list.append(range);
  }
  document.append("created", iso_time(runtime_)).append("revision", std::int64_t{1});
  TRY(store_.insert(kLinks, std::move(document).finish()));
  return encode_token(token);
}

Result<std::vector<Link>> Links::of_org(const std::string& org) {
  std::vector<Link> links;
  for (const auto& document : TRY(store_.find(kLinks, living("orgId", org)))) {
    const bool expired = !document["claimedBy"].exists() && millis_of(document, "tokenExpires") <= now().millis;
    if (!expired) links.push_back(link_of(document));
  }
  return links;
}

Result<bool> Links::remove_of_org(const std::string& org) {
  const auto links = TRY(of_org(org));
  for (const auto& link : links) TRY(remove(link.id));
  TRY(store_.remove(kLinks, bson::make_document({{"orgId", org}})));  // tokens that have expired
  return !links.empty();
}

// The link first: without it its projects are seen by nobody, and a crash leaves only those.
Status Links::remove(const std::string& link) {
  TRY(store_.remove(kLinks, by_id(link)));
  TRY(store_.remove(kProjects, bson::make_document({{"linkId", link}})));
  return {};
}

Result<std::optional<Link>> Links::find(const std::string& link) {
  const auto found = TRY(store_.find_one(kLinks, living("_id", link)));
  if (!found) return std::optional<Link>();
  return std::optional(link_of(*found));
}

Result<bool> Links::exists(const std::string& link) { return TRY(store_.find_one(kLinks, living("_id", link))).has_value(); }

Result<std::optional<Link>> Links::claim(const std::string& id, const std::string& token_secret, const Claim& claim) {
  const auto token_hash = keys_.hash(token_secret), secret_hash = keys_.hash(claim.secret);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(store_.find_one(kLinks, living("_id", id)));
    if (!found || !net::equal_constant_time(text_of(*found, "tokenHash"), token_hash)) return std::optional<Link>();
    const auto from = texts_of(*found, "accessListIps");
    if (!from.empty() && !net::any_contains(from, claim.address))
      return fail(ErrorCode::kUnsupported, fmt::format("the link may not be used from {}", claim.address));
    if ((*found)["claimedBy"].exists()) {
      if (net::equal_constant_time(text_of(*found, "secretHash"), secret_hash)) return std::optional(link_of(*found));
      return fail(ErrorCode::kWrongState, "this link-token was used already; generate another one");
    }
    if (millis_of(*found, "tokenExpires") <= now().millis) return std::optional<Link>();
    bson::Builder update;
    {
      auto set = update.open_document("$set");
      set.append("claimedBy", bson::make_document({{"siteId", claim.site}, {"orgId", claim.org}, {"orgName", claim.org_name}}));
      set.append("secretHash", secret_hash).append("successionHash", keys_.hash(succession_proof(claim.secret)));
    }
    update.open_document("$inc").append("revision", std::int64_t{1});
    bson::Builder unclaimed;
    unclaimed.append("_id", id);
    unclaimed.open_document("claimedBy").append("$exists", false);
    TRY(store_.update(kLinks, std::move(unclaimed).finish(), std::move(update).finish()));
  }
  return fail(ErrorCode::kTemporary, "the link changes all the time; try again");
}

Result<std::optional<Link>> Links::authenticate(const std::string& id, const std::string& secret) {
  if (!is_id(id)) return std::optional<Link>();
  const auto found = TRY(store_.find_one(kLinks, living("_id", id)));
  if (!found || !(*found)["claimedBy"].exists()) return std::optional<Link>();
  if (!net::equal_constant_time(text_of(*found, "secretHash"), keys_.hash(secret))) return std::optional<Link>();
  if (!(*found)["successionHash"].exists())  // claimed at an older version
    TRY(store_.update(kLinks, by_id(id), bson::make_document({{"$set", bson::make_document({{"successionHash", keys_.hash(succession_proof(secret))}})}})));
  return std::optional(link_of(*found));
}

Result<std::vector<std::string>> Links::succeeded_by(const Link& link, const std::vector<FormerLink>& former) {
  std::vector<std::string> proven;
  for (const auto& [id, proof] : former) {
    if (!is_id(id) || id == link.id) continue;
    const auto found = TRY(store_.find_one(kLinks, by_id(id)));
    if (!found || !net::equal_constant_time(text_of(*found, "successionHash"), keys_.hash(proof))) continue;
    const auto before = link_of(*found);
    if (before.org == link.org && before.site == link.site && before.peer_org == link.peer_org) proven.push_back(id);
  }
  std::sort(proven.begin(), proven.end());
  proven.erase(std::unique(proven.begin(), proven.end()), proven.end());
  return proven;
}

// Its projects are told by the next one.
Status Links::succeed(const std::string& former, const std::string& link) {
  TRY(store_.update(kLinks, by_id(former), bson::make_document({{"$set", bson::make_document({{"successor", link}, {"succeededAt", now()}})}})));
  TRY(store_.remove(kProjects, bson::make_document({{"linkId", former}})));
  return {};
}

Result<std::optional<std::string>> Links::successor_of(const std::string& link) {
  const auto found = TRY(store_.find_one(kLinks, by_id(link)));
  if (!found || text_of(*found, "successor").empty()) return std::optional<std::string>();
  return std::optional(text_of(*found, "successor"));
}

Result<std::int64_t> Links::put_project(const std::string& link, const std::string& project, std::int64_t revision, const Json& metadata,
                                        std::size_t bytes) {
  const auto id = fmt::format("{}/{}", link, project);
  if (bytes > kMaxProjectBytes) return fail(ErrorCode::kUsage, fmt::format("a link tells at most {} bytes of a project; it is {} bytes", kMaxProjectBytes, bytes));
  bson::Builder others;
  others.append("linkId", link);
  others.open_document("_id").append("$ne", id);
  if (TRY(store_.sum(kProjects, std::move(others).finish(), "bytes")) + static_cast<std::int64_t>(bytes) > kMaxProjectsBytes)
    return fail(ErrorCode::kUsage, fmt::format("a link tells at most {} bytes of all its projects", kMaxProjectsBytes));
  if (TRY(bytes_of_org_without(link, id)) + static_cast<std::int64_t>(bytes) > kMaxProjectsBytesOfOrganization)
    return fail(ErrorCode::kUsage, fmt::format("all links of an organization tell at most {} bytes of their projects", kMaxProjectsBytesOfOrganization));
  if (TRY(store_.count(kProjects, bson::make_document({{"linkId", link}}))) >= kMaxProjectsOfLink &&
      !TRY(store_.find_one(kProjects, by_id(id)))) {
    return fail(ErrorCode::kUsage, fmt::format("a link carries at most {} projects", kMaxProjectsOfLink));
  }
  bson::Builder older;
  older.append("_id", id);
  older.open_document("revision").append("$lt", revision);
  bson::Builder update;
  {
    auto set = update.open_document("$set");
    set.append("linkId", link).append("projectId", project).append("revision", revision).append("bytes", static_cast<std::int64_t>(bytes));
    append_json(set, "project", metadata);
  }
  if (TRY(store_.upsert(kProjects, std::move(older).finish(), std::move(update).finish()))) return revision;
  const auto kept = TRY(store_.find_one(kProjects, by_id(id)));
  return kept ? number_of(*kept, "revision") : revision;
}

// Of all projects of the organization that the link is of, but for the one of this id.
Result<std::int64_t> Links::bytes_of_org_without(const std::string& link, const std::string& id) {
  const auto found = TRY(find(link));
  if (!found) return 0;
  bson::Builder filter;
  {
    auto of = filter.open_document("linkId");
    auto in = of.open_array("$in");
    for (const auto& one : TRY(of_org(found->org))) in.append(one.id);
  }
  filter.open_document("_id").append("$ne", id);
  return store_.sum(kProjects, std::move(filter).finish(), "bytes");
}

Result<std::int64_t> Links::finish_sync(const std::string& link, std::int64_t revision, const std::vector<std::string>& projects) {
  bson::Builder others;
  others.append("linkId", link);
  others.open_document("revision").append("$lt", revision);
  {
    auto named = others.open_document("projectId");
    auto list = named.open_array("$nin");
    for (const auto& project : projects) list.append(project);
  }
  const auto removed = TRY(store_.remove(kProjects, std::move(others).finish()));
  bson::Builder update;
  update.open_document("$set").append("lastSyncAt", now());
  update.open_document("$max").append("projectsRevision", revision);
  TRY(store_.update(kLinks, by_id(link), std::move(update).finish()));
  return removed;
}

Result<std::vector<Links::LinkedProject>> Links::projects_of_org(const std::string& org) { return projects_where(org, ""); }

Result<std::optional<Links::LinkedProject>> Links::project_of_org(const std::string& org, const std::string& project) {
  auto found = TRY(projects_where(org, project));
  if (found.empty()) return std::optional<LinkedProject>();
  return std::optional(std::move(found.front()));
}

Result<std::vector<Links::LinkedProject>> Links::projects_where(const std::string& org, const std::string& project) {
  // The one that serves comes first: ids are in the order of their making.
  auto links = TRY(of_org(org));
  std::sort(links.begin(), links.end(), [](const Link& a, const Link& b) {
    const bool lives = a.state == Link::State::kSynced;
    return lives == (b.state == Link::State::kSynced) ? a.id > b.id : lives;
  });
  std::vector<LinkedProject> projects;
  std::map<std::string, std::pair<std::size_t, const Link*>> told;  // by project: where in `projects`, and by whom
  for (const auto& link : links) {
    if (link.state == Link::State::kTokenIssued) continue;
    bson::Builder filter;
    filter.append("linkId", link.id);
    if (!project.empty()) filter.append("projectId", project);
    for (const auto& found : TRY(store_.find(kProjects, std::move(filter).finish(), {1, kMaxProjectsOfLink}))) {
      const auto id = text_of(found, "projectId");
      const auto [known, is_new] = told.try_emplace(id, projects.size(), &link);
      const auto& [at, serving] = known->second;
      if (is_new) projects.push_back({link.id, id, json_of(object_of(found, "project")), {}});
      else if (serving->site != link.site || serving->peer_org != link.peer_org) projects[at].rivals.push_back(link.id);
    }
  }
  return projects;
}

}  // namespace drover::control
