// API keys, and the roles that they have.
#include <algorithm>

#include <fmt/format.h>

#include "control/identity_documents.h"
#include "net/crypto.h"

namespace drover::control {
namespace {

constexpr std::size_t kPublicKeyLetters = 8;
constexpr std::string_view kOwner = "ORG_OWNER";
constexpr int kAttempts = 10;

bool owns(const std::vector<Grant>& grants) {
  return std::any_of(grants.begin(), grants.end(), [](const Grant& grant) { return grant.role == kOwner; });
}

ApiKey key_of(bson::View document) {
  ApiKey key;
  key.id = text_of(document, "_id");
  key.org = text_of(document, "orgId");
  key.description = text_of(document, "desc");
  key.public_key = text_of(document, "publicKey");
  key.access_list = texts_of(document, "accessList");
  if (const auto roles = document["roles"].to_array()) {
    for (const auto& item : *roles) {
      const auto role = object_in(item);
      key.grants.push_back({text_of(role, "role"), text_of(role, "orgId"), text_of(role, "groupId")});
    }
  }
  return key;
}

void append_roles(bson::Builder& to, const std::vector<Grant>& grants) {
  auto roles = to.open_array("roles");
  for (const auto& grant : grants) roles.append(bson::make_document({{"role", grant.role}, {"orgId", grant.org}, {"groupId", grant.group}}));
}

std::string letters(std::size_t count) {
  std::string out;
  while (out.size() < count) {
    // Bytes above the last whole multiple of 26 would make some letters likelier.
    for (const unsigned char byte : net::random_bytes(count)) {
      if (byte < 234 && out.size() < count) out += static_cast<char>('a' + byte % 26);
    }
  }
  return out;
}

std::string secret_uuid() {
  const auto hex = net::hex_encode(net::random_bytes(16));
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4), hex.substr(20));
}

std::string seal_name(std::string_view public_key) { return fmt::format("apiKey {}", public_key); }

// Each once, in their order.
Result<std::vector<std::string>> checked_roles(const std::vector<std::string>& roles, bool (*is_role)(std::string_view), const char* of_what) {
  if (roles.empty()) return fail(ErrorCode::kUsage, "roles must name at least one role");
  std::vector<std::string> once;
  for (const auto& role : roles) {
    if (!is_role(role)) return fail(ErrorCode::kUsage, fmt::format("roles: {} is not a role of {}", role, of_what));
    if (std::ranges::find(once, role) == once.end()) once.push_back(role);
  }
  return once;
}
Result<std::vector<std::string>> roles_of_org(const std::vector<std::string>& roles) { return checked_roles(roles, is_org_role, "an organization"); }
Result<std::vector<std::string>> roles_of_project(const std::vector<std::string>& roles) { return checked_roles(roles, is_group_role, "a project"); }

}  // namespace

Result<ApiKey> Identity::create_key(const std::string& org, const std::string& description,
                                    const std::vector<std::string>& org_roles) {
  ApiKey key;
  key.org = org;
  key.description = description;
  for (const auto& role : TRY(roles_of_org(org_roles))) key.grants.push_back({role, org, ""});
  return keep_new_key(std::move(key));
}

Result<ApiKey> Identity::create_project_key(const Project& project, const std::string& description, const std::vector<std::string>& group_roles,
                                            const std::vector<std::string>& access_list) {
  ApiKey key;
  key.access_list = access_list;
  key.org = project.org;
  key.description = description;
  key.grants.push_back({"ORG_MEMBER", project.org, ""});
  for (const auto& role : TRY(roles_of_project(group_roles))) key.grants.push_back({role, "", project.id});
  auto made = TRY(keep_new_key(std::move(key)));
  if (TRY(this->project(project.id))) return made;
  TRY(store_.remove(kApiKeys, bson::make_document({{"_id", made.id}})));
  return fail(ErrorCode::kWrongState, "the project was deleted meanwhile");
}

Result<Listed<ApiKey>> Identity::project_keys(const std::string& group, Page page) {
  return list<ApiKey>(store_, kApiKeys, bson::make_document({{"roles.groupId", group}}), page, key_of);
}

Result<RoleChange> Identity::remove_key_from_project(const Project& project, const std::string& id, const MayChange& may) {
  return change_project_roles(project, id, std::vector<std::string>(), std::nullopt, may);
}

Result<RoleChange> Identity::set_project_roles(const Project& project, const std::string& id, const std::optional<std::vector<std::string>>& group_roles,
                                               const std::optional<std::string>& description, const MayChange& may) {
  if (!group_roles) return change_project_roles(project, id, std::nullopt, description, may);
  return change_project_roles(project, id, TRY(roles_of_project(*group_roles)), description, may);
}

Result<RoleChange> Identity::change_project_roles(const Project& project, const std::string& id, const std::optional<std::vector<std::string>>& wanted,
                                                  const std::optional<std::string>& description, const MayChange& may) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(key(project.org, id));
    if (!found) return RoleChange::kNoSuch;
    auto grants = found->grants;
    const bool of_project = std::ranges::any_of(grants, [&](const Grant& grant) { return grant.group == project.id; });
    // Another project's, or the organization's alone: nothing of it is this project's to change.
    if ((!wanted || wanted->empty()) && !of_project) return RoleChange::kNoSuch;
    if (may && !may(grants)) return RoleChange::kRefused;
    if (wanted) {
      std::erase_if(grants, [&](const Grant& grant) { return grant.group == project.id; });
      for (const auto& role : *wanted) grants.push_back({role, "", project.id});
    }
    if (!TRY(write_key(*found, grants, description))) continue;
    // It may have been deleted while the roles were written, after its own were taken from the keys.
    if (TRY(this->project(project.id))) return RoleChange::kDone;
    TRY(take_project_roles(project.org, project.id));
    return RoleChange::kNoSuch;
  }
  return fail(ErrorCode::kWrongState, "the key's roles change all the time; try again");
}

Result<bool> Identity::change_key(const std::string& org, const std::string& id, const std::optional<std::vector<std::string>>& org_roles,
                                  const std::optional<std::string>& description) {
  std::vector<std::string> wanted;
  if (org_roles) wanted = TRY(roles_of_org(*org_roles));
  if (description) TRY(check_text("desc", *description, kMaxDescriptionBytes));  // before an owner's key is let go
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(key(org, id));
    if (!found) return false;
    auto grants = found->grants;
    if (org_roles) {
      std::erase_if(grants, [&](const Grant& grant) { return !grant.org.empty(); });
      for (const auto& role : wanted) grants.push_back({role, org, ""});
    }
    const auto mark = owns(found->grants) && !owns(grants) ? TRY(stop_counting(org, id)) : std::string();
    if (TRY(write_key(*found, grants, description, mark))) return true;
  }
  return fail(ErrorCode::kWrongState, "the key's roles change all the time; try again");
}

Result<bool> Identity::write_key(const ApiKey& before, const std::vector<Grant>& grants, const std::optional<std::string>& description, const std::string& mark) {
  if (description) TRY(check_text("desc", *description, kMaxDescriptionBytes));
  bson::Builder filter, update;
  filter.append("_id", before.id).append("orgId", before.org);
  append_roles(filter, before.grants);
  if (!mark.empty()) filter.append("deleting", mark);
  {
    auto set = update.open_document("$set");
    append_roles(set, grants);
    if (description) set.append("desc", *description);
  }
  // No owner's any more, it needs no mark; one that becomes an owner's counts.
  if (owns(grants) != owns(before.grants)) update.open_document("$unset").append("deleting", "");
  return store_.update(kApiKeys, std::move(filter).finish(), std::move(update).finish());
}

Result<ApiKey> Identity::keep_new_key(ApiKey key) {
  TRY(check_text("desc", key.description, kMaxDescriptionBytes));
  if (TRY(store_.count(kApiKeys, bson::make_document({{"orgId", key.org}}))) >= kMaxKeysOfOrganization)
    return fail(ErrorCode::kWrongState, fmt::format("an organization has at most {} API keys; delete one first", kMaxKeysOfOrganization));
  key.id = new_id(runtime_);
  for (;;) {
    key.public_key = letters(kPublicKeyLetters);
    key.private_key = secret_uuid();
    const auto ha1 = net::hex_encode(net::digest(
        net::Digest::kMd5, fmt::format("{}:{}:{}", key.public_key, kDigestRealm, key.private_key)));
    bson::Builder document;
    document.append("_id", key.id).append("orgId", key.org).append("desc", key.description).append("publicKey", key.public_key);
    document.append("ha1", keys_.seal(seal_name(key.public_key), ha1)).append("created", iso_time(runtime_));
    append_roles(document, key.grants);
    if (!key.access_list.empty()) {
      auto list = document.open_array("accessList");
      for (const auto& range : key.access_list) list.append(range);
    }
    if (TRY(store_.insert(kApiKeys, std::move(document).finish()))) return key;  // else the name is taken
  }
}

Result<std::optional<ApiKey>> Identity::key(const std::string& org, const std::string& id) {
  const auto found = TRY(store_.find_one(kApiKeys, bson::make_document({{"_id", id}, {"orgId", org}})));
  if (!found) return std::optional<ApiKey>();
  return std::optional(key_of(*found));
}

Result<Listed<ApiKey>> Identity::keys(const std::string& org, Page page) {
  return list<ApiKey>(store_, kApiKeys, bson::make_document({{"orgId", org}}), page, key_of);
}

Result<bool> Identity::delete_key(const std::string& org, const std::string& id) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(key(org, id));
    if (!found) return false;
    // With the roles that it was looked at with: it may be made an owner's meanwhile, on which another one's removal counts.
    bson::Builder filter;
    filter.append("_id", id).append("orgId", org);
    append_roles(filter, found->grants);
    if (owns(found->grants)) filter.append("deleting", TRY(stop_counting(org, id)));
    if (TRY(store_.remove(kApiKeys, std::move(filter).finish())) > 0) return true;
  }
  return fail(ErrorCode::kWrongState, "the key changes all the time; try again");
}

// It counts no more before the others are counted: of two at the same time both may be refused, but not both let go. One that is left so by a process that
// died opens as before, can be let go again, and counts again after kLettingGo.
Result<std::string> Identity::stop_counting(const std::string& org, const std::string& id) {
  TRY(count_those_left(org));
  const auto mark = new_id(runtime_);
  TRY(store_.update(kApiKeys, bson::make_document({{"_id", id}, {"orgId", org}}), bson::make_document({{"$set", bson::make_document({{"deleting", mark}})}})));
  if (!TRY(is_last_owner(org, id))) return mark;
  bson::Builder update;
  update.open_document("$unset").append("deleting", "");
  TRY(store_.update(kApiKeys, bson::make_document({{"_id", id}, {"orgId", org}, {"deleting", mark}}), std::move(update).finish()));
  return fail(ErrorCode::kWrongState, "this is the last key of an owner; nobody could get into the organization any more");
}

Result<bool> Identity::is_last_owner(const std::string& org, const std::string& id) {
  bson::Builder others;
  others.append("orgId", org);
  others.open_document("_id").append("$ne", id);
  others.open_document("deleting").append("$exists", false);
  others.open_document("roles").open_document("$elemMatch").append("role", kOwner).append("orgId", org);
  return TRY(store_.count(kApiKeys, std::move(others).finish())) == 0;
}

// Marks of processes that died, and those of an older version, which say not whose they are. Another host's clock may be ahead or behind. To take one away is safe at any time: whoever made it
// finds it gone, and looks again.
Status Identity::count_those_left(const std::string& org) {
  const auto young = ids_around(runtime_.wall_time(), kLettingGo);
  for (std::int64_t gone = 0; gone < 2 * kMaxKeysOfOrganization; ++gone) {
    bson::Builder filter, update;
    filter.append("orgId", org);
    {
      auto any = filter.open_array("$or");
      any.append(bson::make_document({{"deleting", true}}));
      any.append(bson::make_document({{"deleting", bson::make_document({{"$lt", young.first}})}}));
      any.append(bson::make_document({{"deleting", bson::make_document({{"$gte", young.second}})}}));
    }
    update.open_document("$unset").append("deleting", "");
    if (!TRY(store_.update(kApiKeys, std::move(filter).finish(), std::move(update).finish()))) break;
  }
  return {};
}

Result<bool> Identity::allow_key_from(const std::string& org, const std::string& id, const std::vector<std::string>& ranges) {
  const auto found = TRY(key(org, id));
  if (!found) return false;
  if (found->access_list.size() + ranges.size() > kMaxKeyRanges)
    return fail(ErrorCode::kWrongState, fmt::format("an API key's access list has at most {} entries", kMaxKeyRanges));
  bson::Builder update;
  {
    auto add = update.open_document("$addToSet");
    auto list = add.open_document("accessList");
    auto each = list.open_array("$each");
    for (const auto& range : ranges) each.append(range);
  }
  return store_.update(kApiKeys, bson::make_document({{"_id", id}, {"orgId", org}}), std::move(update).finish());
}

Result<bool> Identity::disallow_key_from(const std::string& org, const std::string& id, const std::string& range) {
  bson::Builder update;
  update.open_document("$pull").append("accessList", range);
  return store_.update(kApiKeys, bson::make_document({{"_id", id}, {"orgId", org}, {"accessList", range}}), std::move(update).finish());
}

Result<std::optional<ApiKey>> Identity::key_by_name(const std::string& public_key) {
  const auto found = TRY(store_.find_one(kApiKeys, bson::make_document({{"publicKey", public_key}})));
  if (!found) return std::optional<ApiKey>();
  auto key = key_of(*found);
  key.ha1 = TRY(keys_.unseal(seal_name(public_key), text_of(*found, "ha1")));
  return std::optional(std::move(key));
}

Status Identity::take_project_roles(const std::string& org, const std::string& group) {
  for (std::int64_t taken = 0; taken < 2 * kMaxKeysOfOrganization; ++taken) {
    bson::Builder update;
    update.open_document("$pull").open_document("roles").append("groupId", group);
    if (!TRY(store_.update(kApiKeys, bson::make_document({{"orgId", org}, {"roles.groupId", group}}), std::move(update).finish()))) break;
  }
  return {};
}

}  // namespace drover::control
