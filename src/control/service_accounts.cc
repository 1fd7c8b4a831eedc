#include "control/service_accounts.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/fields.h"
#include "control/identity_documents.h"
#include "net/crypto.h"

namespace drover::control {
namespace {

constexpr const char* kAccounts = "serviceAccounts";
constexpr const char* kTokens = "accessTokens";
constexpr std::size_t kSecretBytes = 30;  // 40 characters of base64
constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kTail = 4;
constexpr int kAttempts = 10;

bson::Document account_filter(const std::string& org, const std::string& client) { return bson::make_document({{"_id", client}, {"orgId", org}}); }

void append_group_role(bson::ArrayBuilder& to, const std::string& role, const std::string& group) {
  to.append(bson::make_document({{"role", role}, {"groupId", group}}));
}

Status check_group_roles(const std::vector<std::string>& roles) {
  for (const auto& role : roles)
    if (!is_group_role(role)) return fail(ErrorCode::kUsage, fmt::format("roles: {} is not a role of a project", role));
  return {};
}

Status check_org_roles(const std::vector<std::string>& roles) {
  if (roles.empty()) return fail(ErrorCode::kUsage, "roles must name at least one role");
  for (const auto& role : roles)
    if (!is_org_role(role)) return fail(ErrorCode::kUsage, fmt::format("roles: {} is not a role of an organization", role));
  return {};
}

std::string url_safe(std::string text) {
  for (auto& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

ServiceAccount account_of(bson::View document) {
  ServiceAccount account;
  account.client_id = text_of(document, "_id");
  account.org = text_of(document, "orgId");
  account.name = text_of(document, "name");
  account.description = text_of(document, "description");
  account.created = text_of(document, "created");
  account.access_list = texts_of(document, "accessList");
  for (const auto& role : texts_of(document, "roles")) account.grants.push_back({role, account.org, ""});
  if (const auto roles = document["groupRoles"].to_array())
    for (const auto& item : *roles) account.grants.push_back({text_of(object_in(item), "role"), "", text_of(object_in(item), "groupId")});
  if (const auto secrets = document["secrets"].to_array()) {
    for (const auto& item : *secrets) {
      const auto secret = object_in(item);
      account.secrets.push_back({text_of(secret, "id"), text_of(secret, "created"), text_of(secret, "expires"), text_of(secret, "lastUsed"),
                                 text_of(secret, "tail"), ""});
    }
  }
  return account;
}

}  // namespace

bson::DateTime ServiceAccounts::now() const {
  return {std::chrono::duration_cast<std::chrono::milliseconds>(runtime_.wall_time().time_since_epoch()).count()};
}

ServiceSecret ServiceAccounts::make_secret(std::int64_t hours) const {
  ServiceSecret made;
  made.id = new_id(runtime_);
  made.created = iso_time(runtime_);
  made.expires = iso_time(runtime_.wall_time() + std::chrono::hours(hours));
  made.secret = "mdb_sa_sk_" + url_safe(net::base64_encode(net::random_bytes(kSecretBytes)));
  made.tail = made.secret.substr(made.secret.size() - kTail);
  return made;
}

bson::Document ServiceAccounts::document_of(const ServiceSecret& secret) const {
  return bson::make_document({{"id", secret.id}, {"hash", keys_.hash(secret.secret)}, {"created", secret.created}, {"expires", secret.expires},
                              {"lastUsed", ""}, {"tail", secret.tail}});
}

Result<ServiceAccount> ServiceAccounts::create(const std::string& org, const std::string& name, const std::string& description,
                                               const std::vector<std::string>& org_roles, std::int64_t secret_hours) {
  TRY(check_org_roles(org_roles));
  ServiceAccount account;
  account.org = org;
  account.name = name;
  account.description = description;
  for (const auto& role : org_roles) account.grants.push_back({role, org, ""});
  return keep_new(std::move(account), secret_hours);
}

Result<ServiceAccount> ServiceAccounts::create_in_project(const Project& project, const std::string& name, const std::string& description,
                                                          const std::vector<std::string>& group_roles, std::int64_t secret_hours,
                                                          const std::vector<std::string>& access_list) {
  if (group_roles.empty()) return fail(ErrorCode::kUsage, "roles must name at least one role");
  TRY(check_group_roles(group_roles));
  ServiceAccount account;
  account.org = project.org;
  account.name = name;
  account.description = description;
  account.access_list = access_list;
  account.grants.push_back({"ORG_MEMBER", project.org, ""});
  for (const auto& role : group_roles) account.grants.push_back({role, "", project.id});
  auto made = TRY(keep_new(std::move(account), secret_hours));
  if (TRY(is_there(project))) return made;
  TRY(store_.remove(kAccounts, bson::make_document({{"_id", made.client_id}})));
  return fail(ErrorCode::kWrongState, "the project was deleted meanwhile");
}

Result<bool> ServiceAccounts::is_there(const Project& project) { return TRY(store_.count(kProjects, there(project.id))) > 0; }

Result<ServiceAccount> ServiceAccounts::keep_new(ServiceAccount account, std::int64_t secret_hours) {
  TRY(check_name("name", account.name));
  TRY(check_text("description", account.description, kMaxDescriptionBytes));
  if (secret_hours < kMinSecretHours || secret_hours > kMaxSecretHours)
    return fail(ErrorCode::kUsage, fmt::format("secretExpiresAfterHours must be from {} to {}", kMinSecretHours, kMaxSecretHours));
  if (TRY(store_.count(kAccounts, bson::make_document({{"orgId", account.org}}))) >= kMaxAccountsOfOrganization)
    return fail(ErrorCode::kWrongState, fmt::format("an organization has at most {} service accounts; delete one first", kMaxAccountsOfOrganization));
  account.client_id = "mdb_sa_id_" + new_id(runtime_);
  account.created = iso_time(runtime_);
  account.secrets.push_back(make_secret(secret_hours));
  bson::Builder document;
  document.append("_id", account.client_id).append("orgId", account.org).append("name", account.name).append("description", account.description);
  document.append("created", account.created);
  {
    auto roles = document.open_array("roles");
    for (const auto& grant : account.grants)
      if (!grant.org.empty()) roles.append(grant.role);
  }
  {
    auto roles = document.open_array("groupRoles");
    for (const auto& grant : account.grants)
      if (!grant.group.empty()) append_group_role(roles, grant.role, grant.group);
  }
  document.open_array("secrets").append(document_of(account.secrets.front()));
  if (!account.access_list.empty()) {
    auto list = document.open_array("accessList");
    for (const auto& range : account.access_list) list.append(range);
  }
  TRY(store_.insert(kAccounts, std::move(document).finish()));
  return account;
}

Result<bool> ServiceAccounts::change(const std::string& org, const std::string& client_id, const Changes& changes) {
  bson::Builder set;
  if (changes.name) {
    TRY(check_name("name", *changes.name));
    set.append("name", *changes.name);
  }
  if (changes.description) {
    TRY(check_text("description", *changes.description, kMaxDescriptionBytes));
    set.append("description", *changes.description);
  }
  if (changes.org_roles) {
    TRY(check_org_roles(*changes.org_roles));
    auto roles = set.open_array("roles");
    for (const auto& role : *changes.org_roles) roles.append(role);
  }
  if (!changes.name && !changes.description && !changes.org_roles) return TRY(find(org, client_id)).has_value();
  return store_.update(kAccounts, account_filter(org, client_id), bson::make_document({{"$set", std::move(set).finish()}}));
}

Result<Listed<ServiceAccount>> ServiceAccounts::of_project(const std::string& group, Page page) {
  Listed<ServiceAccount> listed;
  const auto filter = bson::make_document({{"groupRoles.groupId", group}});
  for (const auto& document : TRY(store_.find(kAccounts, filter, page))) listed.items.push_back(account_of(document));
  listed.total = TRY(store_.count(kAccounts, filter));
  return listed;
}

Result<RoleChange> ServiceAccounts::set_project_roles(const Project& project, const std::string& client_id, const std::vector<std::string>& group_roles,
                                                      const MayChange& may) {
  TRY(check_group_roles(group_roles));
  // The project's own are taken out, and the new ones put in, in one update: of two at the same time one is whole.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(store_.find_one(kAccounts, account_filter(project.org, client_id)));
    if (!found) return RoleChange::kNoSuch;
    const auto before = account_of(*found);
    if (may && !may(before.grants)) return RoleChange::kRefused;
    bson::Builder filter, set;
    filter.append_all(account_filter(project.org, client_id));
    {
      auto roles = filter.open_array("roles");
      for (const auto& role : texts_of(*found, "roles")) roles.append(role);
    }
    if ((*found)["groupRoles"]) {
      auto roles = filter.open_array("groupRoles");
      for (const auto& grant : before.grants)
        if (!grant.group.empty()) append_group_role(roles, grant.role, grant.group);
    } else {
      filter.open_document("groupRoles").append("$exists", false);
    }
    {
      auto roles = set.open_array("groupRoles");
      for (const auto& grant : before.grants)
        if (!grant.group.empty() && grant.group != project.id) append_group_role(roles, grant.role, grant.group);
      for (const auto& role : group_roles) append_group_role(roles, role, project.id);
    }
    if (!TRY(store_.update(kAccounts, std::move(filter).finish(), bson::make_document({{"$set", std::move(set).finish()}})))) continue;
    // It may have been deleted while the roles were written, after its own were taken from the accounts.
    if (group_roles.empty() || TRY(is_there(project))) return RoleChange::kDone;
    TRY(forget_project(project.id));
    return RoleChange::kNoSuch;
  }
  return fail(ErrorCode::kWrongState, "the account's roles change all the time; try again");
}

Status ServiceAccounts::forget_project(const std::string& group) {
  for (std::int64_t taken = 0; taken < 2 * kMaxAccountsOfOrganization; ++taken) {
    bson::Builder update;
    update.open_document("$pull").open_document("groupRoles").append("groupId", group);
    if (!TRY(store_.update(kAccounts, bson::make_document({{"groupRoles.groupId", group}}), std::move(update).finish()))) break;
  }
  return {};
}

Status ServiceAccounts::forget_organization(const std::string& org, const std::string& but) {
  return store_.each(kAccounts, bson::make_document({{"orgId", org}}), [&](bson::View account) -> Status {
    const auto id = text_of(account, "_id");
    if (id == but) return {};
    // Its tokens before it, by which they are found, and once more what was made of it meanwhile: without it that opens nothing.
    const auto tokens = bson::make_document({{"clientId", id}});
    TRY(store_.remove(kTokens, tokens));
    TRY(store_.remove(kAccounts, account_filter(org, id)));
    TRY(store_.remove(kTokens, tokens));
    return {};
  });
}

Result<Listed<ServiceAccount>> ServiceAccounts::of_org(const std::string& org, Page page) {
  Listed<ServiceAccount> listed;
  const auto filter = bson::make_document({{"orgId", org}});
  for (const auto& document : TRY(store_.find(kAccounts, filter, page))) listed.items.push_back(account_of(document));
  listed.total = TRY(store_.count(kAccounts, filter));
  return listed;
}

Result<std::optional<ServiceAccount>> ServiceAccounts::find(const std::string& org, const std::string& client_id) {
  const auto found = TRY(store_.find_one(kAccounts, account_filter(org, client_id)));
  if (!found) return std::optional<ServiceAccount>();
  return std::optional(account_of(*found));
}

Result<bool> ServiceAccounts::remove(const std::string& org, const std::string& client_id) {
  if (TRY(store_.remove(kAccounts, account_filter(org, client_id))) == 0) return false;
  TRY(store_.remove(kTokens, bson::make_document({{"clientId", client_id}})));
  return true;
}

Result<std::optional<ServiceSecret>> ServiceAccounts::add_secret(const std::string& org, const std::string& client_id, std::int64_t hours) {
  if (hours < kMinSecretHours || hours > kMaxSecretHours)
    return fail(ErrorCode::kUsage, fmt::format("secretExpiresAfterHours must be from {} to {}", kMinSecretHours, kMaxSecretHours));
  const auto made = make_secret(hours);
  bson::Builder push;
  push.open_document("$push").append("secrets", document_of(made));
  bson::Builder room;  // the last one's place is free
  room.append("_id", client_id).append("orgId", org);
  room.open_document(fmt::format("secrets.{}", kMaxSecrets - 1)).append("$exists", false);
  if (TRY(store_.update(kAccounts, std::move(room).finish(), std::move(push).finish()))) return std::optional(made);
  if (!TRY(find(org, client_id))) return std::optional<ServiceSecret>();
  return fail(ErrorCode::kWrongState, fmt::format("a service account has at most {} secrets; delete one first", kMaxSecrets));
}

Result<bool> ServiceAccounts::remove_secret(const std::string& org, const std::string& client_id, const std::string& secret_id) {
  bson::Builder filter;
  filter.append("_id", client_id).append("orgId", org).append("secrets.id", secret_id);
  bson::Builder pull;
  pull.open_document("$pull").open_document("secrets").append("id", secret_id);
  if (!TRY(store_.update(kAccounts, std::move(filter).finish(), std::move(pull).finish()))) return false;
  TRY(store_.remove(kTokens, bson::make_document({{"clientId", client_id}, {"secretId", secret_id}})));
  return true;
}

Result<bool> ServiceAccounts::knows(const std::string& client_id, const std::string& secret) { return !TRY(secret_id(client_id, secret)).empty(); }

Result<std::string> ServiceAccounts::secret_id(const std::string& client_id, const std::string& secret) {
  const auto hash = keys_.hash(secret);
  const auto found = TRY(store_.find_one(kAccounts, bson::make_document({{"_id", client_id}})));
  if (!found) return std::string();
  const auto secrets = (*found)["secrets"].to_array();
  if (!secrets) return std::string();
  for (const auto& item : *secrets) {
    const auto one = object_in(item);
    if (!net::equal_constant_time(text_of(one, "hash"), hash)) continue;
    if (text_of(one, "expires") <= iso_time(runtime_)) return std::string();
    bson::Builder filter;
    filter.append("_id", client_id).append("secrets.id", text_of(one, "id"));
    TRY(store_.update(kAccounts, std::move(filter).finish(),
                      bson::make_document({{"$set", bson::make_document({{"secrets.$.lastUsed", iso_time(runtime_)}})}})));
    return text_of(one, "id");
  }
  return std::string();
}

Result<std::optional<std::string>> ServiceAccounts::token_for(const std::string& client_id, const std::string& secret) {
  const auto shown = TRY(secret_id(client_id, secret));
  if (shown.empty()) return std::optional<std::string>();
  bson::Builder expired;
  expired.append("clientId", client_id);
  expired.open_document("expires").append("$lt", now());
  TRY(store_.remove(kTokens, std::move(expired).finish()));
  const auto token = url_safe(net::base64_encode(net::random_bytes(kTokenBytes)));
  const auto life = std::chrono::duration_cast<std::chrono::milliseconds>(kAccessTokenLife).count();
  TRY(store_.insert(kTokens, bson::make_document({{"_id", keys_.hash(token)}, {"clientId", client_id}, {"secretId", shown}, {"expires", bson::DateTime{now().millis + life}}})));
  return std::optional(token);
}

Status ServiceAccounts::revoke(const std::string& client_id, const std::string& token) {
  TRY(store_.remove(kTokens, bson::make_document({{"_id", keys_.hash(token)}, {"clientId", client_id}})));
  return {};
}

Result<std::optional<ServiceAccount>> ServiceAccounts::account_of_token(const std::string& token) {
  bson::Builder filter;
  filter.append("_id", keys_.hash(token));
  filter.open_document("expires").append("$gt", now());
  const auto found = TRY(store_.find_one(kTokens, std::move(filter).finish()));
  if (!found) return std::optional<ServiceAccount>();
  const auto account = TRY(store_.find_one(kAccounts, bson::make_document({{"_id", text_of(*found, "clientId")}})));
  if (!account) return std::optional<ServiceAccount>();
  auto known = account_of(*account);
  // Also one that was made while its secret was deleted.
  const auto secret = text_of(*found, "secretId");
  if (!secret.empty() && std::none_of(known.secrets.begin(), known.secrets.end(), [&](const ServiceSecret& one) { return one.id == secret; }))
    return std::optional<ServiceAccount>();
  return std::optional(std::move(known));
}

}  // namespace drover::control
