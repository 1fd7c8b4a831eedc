#include "control/identity.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "control/fields.h"
#include "net/crypto.h"

namespace drover::control {
namespace {

constexpr std::size_t kPublicKeyLetters = 8;
constexpr std::string_view kOwner = "ORG_OWNER";
constexpr int kAttempts = 10;

bool owns(const std::vector<Grant>& grants) {
  return std::any_of(grants.begin(), grants.end(), [](const Grant& grant) { return grant.role == kOwner; });
}

Organization organization_of(bson::View document) {
  return {text_of(document, "_id"), text_of(document, "name"), text_of(document, "created")};
}
Project project_of(bson::View document) {
  return {text_of(document, "_id"), text_of(document, "orgId"), text_of(document, "name"), text_of(document, "created")};
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
      const auto role = item.document_value();
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

// {$or: [...]} of what the grants show; nothing when that is nothing.
template <typename Add>
bson::Document any_of(const std::vector<Grant>& grants, Add&& add) {
  bson::Builder filter;
  auto any = filter.open_array("$or");
  for (const auto& grant : grants) add(any, grant);
  any.append(bson::make_document({{"_id", ""}}));  // $or refuses to be empty
  any.close();
  return std::move(filter).finish();
}

template <typename T, typename Read>
Result<Listed<T>> list(Store& store, const char* collection, const bson::Document& filter, Page page, Read&& read) {
  Listed<T> listed;
  for (const auto& document : TRY(store.find(collection, filter, page))) listed.items.push_back(read(document));
  listed.total = TRY(store.count(collection, filter));
  return listed;
}

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

std::string iso_time(Runtime& runtime) { return iso_time(runtime.wall_time()); }

std::string iso_time(std::chrono::system_clock::time_point time) {
  const auto now = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

Result<Organization> Identity::create_organization(const std::string& name, const std::string& by) {
  TRY(check_name("name", name));
  Organization org{new_id(runtime_), name, iso_time(runtime_)};
  // All descendants of one count together: a new organization's key may make others, too.
  std::string root;
  if (!by.empty()) {
    const auto maker = TRY(store_.find_one("orgs", bson::make_document({{"_id", by}})));
    if (!maker) return fail(ErrorCode::kWrongState, "the organization of whoever asks was deleted");
    const auto of_maker = text_of(*maker, "root");
    root = of_maker.empty() ? by : of_maker;
    if (TRY(store_.count("orgs", bson::make_document({{"root", root}}))) >= kMaxOrganizationsOfRoot)
      return fail(ErrorCode::kWrongState, fmt::format("{} organizations were made with the keys of organization {} and of those that came of it, which is as many as may be; "
                                                      "`drover server --create-organization` on the server's machine makes more", kMaxOrganizationsOfRoot, root));
  }
  TRY(store_.insert("orgs", bson::make_document({{"_id", org.id}, {"name", org.name}, {"created", org.created}, {"root", root}})));
  return org;
}

Result<std::optional<Organization>> Identity::organization(const std::string& id) {
  const auto found = TRY(store_.find_one("orgs", bson::make_document({{"_id", id}})));
  if (!found) return std::optional<Organization>();
  return std::optional(organization_of(*found));
}

Result<Listed<Organization>> Identity::organizations(const std::vector<Grant>& visible_to, Page page) {
  const auto filter = any_of(visible_to, [](auto& any, const Grant& grant) {
    if (!grant.org.empty()) any.append(bson::make_document({{"_id", grant.org}}));
  });
  return list<Organization>(store_, "orgs", filter, page, organization_of);
}

Result<bool> Identity::rename_organization(const std::string& id, const std::string& name) {
  TRY(check_name("name", name));
  return store_.update("orgs", bson::make_document({{"_id", id}}), bson::make_document({{"$set", bson::make_document({{"name", name}})}}));
}

Result<bool> Identity::delete_organization(const std::string& id) {
  const auto mark = new_id(runtime_);
  const auto by_id = bson::make_document({{"_id", id}}), marked = bson::make_document({{"_id", id}, {"deleting", mark}});
  if (!TRY(store_.update("orgs", by_id, bson::make_document({{"$set", bson::make_document({{"deleting", mark}})}})))) return false;
  const auto projects = TRY(store_.count("projects", bson::make_document({{"orgId", id}})));
  if (projects > 0) {
    TRY(store_.update("orgs", marked, bson::make_document({{"$unset", bson::make_document({{"deleting", ""}})}})));
    return fail(ErrorCode::kWrongState, fmt::format("the organization has {} projects; delete them first", projects));
  }
  if (TRY(store_.remove("orgs", marked)) == 0) return fail(ErrorCode::kWrongState, "the organization is being changed; try again");
  TRY(store_.remove("apiKeys", bson::make_document({{"orgId", id}})));
  return true;
}

Result<bool> Identity::project_stays(const std::string& id) { return stays("projects", id); }

Result<bool> Identity::stays(const char* collection, const std::string& id) {
  const auto found = TRY(store_.find_one(collection, bson::make_document({{"_id", id}})));
  if (!found) return false;
  const auto mark = text_of(*found, "deleting");
  if (mark.empty()) return true;
  if (mark >= first_id_of(runtime_.wall_time() - kLettingGo)) return false;
  return store_.update(collection, bson::make_document({{"_id", id}, {"deleting", mark}}), bson::make_document({{"$unset", bson::make_document({{"deleting", ""}})}}));
}

Result<Project> Identity::create_project(const std::string& org, const std::string& name) {
  TRY(check_name("name", name));
  if (TRY(store_.count("projects", bson::make_document({{"orgId", org}}))) >= kMaxProjectsOfOrganization)
    return fail(ErrorCode::kUnsupported, fmt::format("an organization has at most {} projects; delete one first", kMaxProjectsOfOrganization));
  Project project{new_id(runtime_), org, name, iso_time(runtime_)};
  const bool made = TRY(store_.insert("projects", bson::make_document({{"_id", project.id},
                                                                       {"orgId", org},
                                                                       {"name", name},
                                                                       {"created", project.created}})));
  if (!made) return fail(ErrorCode::kWrongState, fmt::format("a project named {} is there already", name));
  if (TRY(stays("orgs", org))) return project;
  TRY(store_.remove("projects", bson::make_document({{"_id", project.id}})));
  return fail(ErrorCode::kUnsupported, "the organization is being deleted");
}

Result<std::optional<Project>> Identity::project(const std::string& id) {
  const auto found = TRY(store_.find_one("projects", bson::make_document({{"_id", id}})));
  if (!found) return std::optional<Project>();
  return std::optional(project_of(*found));
}

Result<Listed<Project>> Identity::projects(const std::string& org, const std::vector<Grant>& visible_to, Page page) {
  const auto seen = any_of(visible_to, [](auto& any, const Grant& grant) {
    const std::vector<Grant> one{grant};
    if (!grant.group.empty()) any.append(bson::make_document({{"_id", grant.group}}));
    else if (allows(one, Access::kGroupRead, grant.org, "")) any.append(bson::make_document({{"orgId", grant.org}}));
  });
  bson::Builder filter;
  if (!org.empty()) filter.append("orgId", org);
  filter.append_all(seen);
  return list<Project>(store_, "projects", std::move(filter).finish(), page, project_of);
}

Result<std::vector<Project>> Identity::projects_named(const std::string& name, const std::vector<Grant>& visible_to) {
  std::vector<Project> seen;
  for (const auto& document : TRY(store_.find("projects", bson::make_document({{"name", name}})))) {
    auto project = project_of(document);
    if (allows(visible_to, Access::kGroupRead, project.org, project.id)) seen.push_back(std::move(project));
  }
  return seen;
}

Result<bool> Identity::rename_project(const std::string& id, const std::string& name) {
  TRY(check_name("name", name));
  const auto changed = TRY(store_.try_update("projects", bson::make_document({{"_id", id}}), bson::make_document({{"$set", bson::make_document({{"name", name}})}})));
  if (changed == Changed::kDuplicate) return fail(ErrorCode::kWrongState, fmt::format("a project named {} is there already", name));
  return changed == Changed::kYes;
}

Result<std::optional<std::string>> Identity::begin_deleting_project(const std::string& id) {
  const auto mark = new_id(runtime_);
  const bool there = TRY(store_.update("projects", bson::make_document({{"_id", id}}), bson::make_document({{"$set", bson::make_document({{"deleting", mark}})}})));
  return there ? std::optional(mark) : std::optional<std::string>();
}

Status Identity::stop_deleting_project(const std::string& id, const std::string& mark) {
  TRY(store_.update("projects", bson::make_document({{"_id", id}, {"deleting", mark}}), bson::make_document({{"$unset", bson::make_document({{"deleting", ""}})}})));
  return {};
}

Result<bool> Identity::delete_project(const std::string& id, const std::string& mark) {
  const auto found = TRY(project(id));
  if (!found) return false;
  bson::Builder filter;
  filter.append("_id", id);
  if (!mark.empty()) filter.append("deleting", mark);
  if (TRY(store_.remove("projects", std::move(filter).finish())) == 0) return false;
  TRY(take_project_roles(found->org, id));
  return true;
}

Status Identity::take_project_roles(const std::string& org, const std::string& group) {
  for (std::int64_t taken = 0; taken < 2 * kMaxKeysOfOrganization; ++taken) {
    bson::Builder update;
    update.open_document("$pull").open_document("roles").append("groupId", group);
    if (!TRY(store_.update("apiKeys", bson::make_document({{"orgId", org}, {"roles.groupId", group}}), std::move(update).finish()))) break;
  }
  return {};
}

Result<ApiKey> Identity::create_key(const std::string& org, const std::string& description,
                                    const std::vector<std::string>& org_roles) {
  ApiKey key;
  key.org = org;
  key.description = description;
  for (const auto& role : TRY(roles_of_org(org_roles))) key.grants.push_back({role, org, ""});
  return keep_new_key(std::move(key));
}

Result<ApiKey> Identity::create_project_key(const Project& project, const std::string& description, const std::vector<std::string>& group_roles) {
  ApiKey key;
  key.org = project.org;
  key.description = description;
  key.grants.push_back({"ORG_MEMBER", project.org, ""});
  for (const auto& role : TRY(roles_of_project(group_roles))) key.grants.push_back({role, "", project.id});
  auto made = TRY(keep_new_key(std::move(key)));
  if (TRY(this->project(project.id))) return made;
  TRY(store_.remove("apiKeys", bson::make_document({{"_id", made.id}})));
  return fail(ErrorCode::kWrongState, "the project was deleted meanwhile");
}

Result<Listed<ApiKey>> Identity::project_keys(const std::string& group, Page page) {
  return list<ApiKey>(store_, "apiKeys", bson::make_document({{"roles.groupId", group}}), page, key_of);
}

Result<bool> Identity::remove_key_from_project(const std::string& group, const std::string& id) {
  bson::Builder update;
  update.open_document("$pull").open_document("roles").append("groupId", group);
  return store_.update("apiKeys", bson::make_document({{"_id", id}, {"roles.groupId", group}}), std::move(update).finish());
}

Result<bool> Identity::set_project_roles(const Project& project, const std::string& id, const std::optional<std::vector<std::string>>& group_roles,
                                         const std::optional<std::string>& description) {
  std::vector<std::string> wanted;
  if (group_roles) wanted = TRY(roles_of_project(*group_roles));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto found = TRY(key(project.org, id));
    if (!found) return false;
    auto grants = found->grants;
    const bool of_project = std::ranges::any_of(grants, [&](const Grant& grant) { return grant.group == project.id; });
    if (!group_roles && !of_project) return false;  // another project's, or the organization's alone: not its to describe
    if (group_roles) {
      std::erase_if(grants, [&](const Grant& grant) { return grant.group == project.id; });
      for (const auto& role : wanted) grants.push_back({role, "", project.id});
    }
    if (!TRY(write_key(*found, grants, description))) continue;
    // It may have been deleted while the roles were written, after its own were taken from the keys.
    if (TRY(this->project(project.id))) return true;
    TRY(take_project_roles(project.org, project.id));
    return false;
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
  return store_.update("apiKeys", std::move(filter).finish(), std::move(update).finish());
}

Result<ApiKey> Identity::keep_new_key(ApiKey key) {
  TRY(check_text("desc", key.description, kMaxDescriptionBytes));
  if (TRY(store_.count("apiKeys", bson::make_document({{"orgId", key.org}}))) >= kMaxKeysOfOrganization)
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
    if (TRY(store_.insert("apiKeys", std::move(document).finish()))) return key;  // else the name is taken
  }
}

Result<std::optional<ApiKey>> Identity::key(const std::string& org, const std::string& id) {
  const auto found = TRY(store_.find_one("apiKeys", bson::make_document({{"_id", id}, {"orgId", org}})));
  if (!found) return std::optional<ApiKey>();
  return std::optional(key_of(*found));
}

Result<Listed<ApiKey>> Identity::keys(const std::string& org, Page page) {
  return list<ApiKey>(store_, "apiKeys", bson::make_document({{"orgId", org}}), page, key_of);
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
    if (TRY(store_.remove("apiKeys", std::move(filter).finish())) > 0) return true;
  }
  return fail(ErrorCode::kWrongState, "the key changes all the time; try again");
}

// It counts no more before the others are counted: of two at the same time both may be refused, but not both let go. One that is left so by a process that
// died opens as before, can be let go again, and counts again after kLettingGo.
Result<std::string> Identity::stop_counting(const std::string& org, const std::string& id) {
  TRY(count_those_left(org));
  const auto mark = new_id(runtime_);
  TRY(store_.update("apiKeys", bson::make_document({{"_id", id}, {"orgId", org}}), bson::make_document({{"$set", bson::make_document({{"deleting", mark}})}})));
  bson::Builder others;
  others.append("orgId", org);
  others.open_document("deleting").append("$exists", false);
  others.open_document("roles").open_document("$elemMatch").append("role", kOwner).append("orgId", org);
  if (TRY(store_.count("apiKeys", std::move(others).finish())) > 0) return mark;
  bson::Builder update;
  update.open_document("$unset").append("deleting", "");
  TRY(store_.update("apiKeys", bson::make_document({{"_id", id}, {"orgId", org}, {"deleting", mark}}), std::move(update).finish()));
  return fail(ErrorCode::kWrongState, "this is the last key of an owner; nobody could get into the organization any more");
}

// Marks of processes that died, and those of an older version, which say not whose they are. To take one away is safe at any time: whoever made it
// finds it gone, and looks again.
Status Identity::count_those_left(const std::string& org) {
  const auto cutoff = first_id_of(runtime_.wall_time() - kLettingGo);
  for (std::int64_t gone = 0; gone < 2 * kMaxKeysOfOrganization; ++gone) {
    bson::Builder filter, update;
    filter.append("orgId", org);
    {
      auto any = filter.open_array("$or");
      any.append(bson::make_document({{"deleting", true}}));
      any.append(bson::make_document({{"deleting", bson::make_document({{"$lt", cutoff}})}}));
    }
    update.open_document("$unset").append("deleting", "");
    if (!TRY(store_.update("apiKeys", std::move(filter).finish(), std::move(update).finish()))) break;
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
  return store_.update("apiKeys", bson::make_document({{"_id", id}, {"orgId", org}}), std::move(update).finish());
}

Result<bool> Identity::disallow_key_from(const std::string& org, const std::string& id, const std::string& range) {
  bson::Builder update;
  update.open_document("$pull").append("accessList", range);
  return store_.update("apiKeys", bson::make_document({{"_id", id}, {"orgId", org}, {"accessList", range}}), std::move(update).finish());
}

Result<std::optional<ApiKey>> Identity::key_by_name(const std::string& public_key) {
  const auto found = TRY(store_.find_one("apiKeys", bson::make_document({{"publicKey", public_key}})));
  if (!found) return std::optional<ApiKey>();
  auto key = key_of(*found);
  key.ha1 = TRY(keys_.unseal(seal_name(public_key), text_of(*found, "ha1")));
  return std::optional(std::move(key));
}

}  // namespace drover::control
