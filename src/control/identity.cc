// Organizations and projects.
#include <ctime>

#include <fmt/format.h>

#include "control/identity_documents.h"

namespace drover::control {
namespace {

Organization organization_of(bson::View document) {
  return {text_of(document, "_id"), text_of(document, "name"), text_of(document, "created")};
}
Project project_of(bson::View document) {
  return {text_of(document, "_id"), text_of(document, "orgId"), text_of(document, "name"), text_of(document, "created")};
}

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
  auto planned = TRY(plan_organization(name, by));
  TRY(keep_organization(planned));
  return std::move(planned.org);
}

// The key comes first: without its organization nobody sees it, and an organization without a key nobody could get into.
Result<Identity::Founded> Identity::found_organization(const std::string& name, const std::string& description, const std::vector<std::string>& org_roles, const std::string& by,
                                                       const std::function<Status(const Founded&)>& tell) {
  const auto planned = TRY(plan_organization(name, by));
  Founded founded{planned.org, TRY(create_key(planned.org.id, description, org_roles))};
  auto done = tell ? tell(founded) : Status();
  if (done) done = keep_organization(planned);
  if (done) return founded;
  // An answer that did not come says nothing of the organization: it may be there, and needs its key then.
  if (done.error().code == ErrorCode::kTemporary || done.error().code == ErrorCode::kInterrupted) return tl::unexpected(std::move(done).error());
  if (const auto taken = take_keys(planned.org.id, ""); !taken) done.error().message += "; its key could not be taken back: " + taken.error().message;
  return tl::unexpected(done.error());
}

Result<Identity::Planned> Identity::plan_organization(const std::string& name, const std::string& by) {
  TRY(check_name("name", name));
  Planned planned{{new_id(runtime_), name, iso_time(runtime_)}, ""};
  if (by.empty()) return planned;
  // All descendants of one count together: a new organization's key may make others, too.
  const auto maker = TRY(store_.find_one(kOrgs, there(by)));
  if (!maker) return fail(ErrorCode::kWrongState, "the organization of whoever asks was deleted");
  const auto of_maker = text_of(*maker, "root");
  planned.root = of_maker.empty() ? by : of_maker;
  if (TRY(store_.count(kOrgs, bson::make_document({{"root", planned.root}}))) >= kMaxOrganizationsOfRoot)
    return fail(ErrorCode::kWrongState, fmt::format("{} organizations were made with the keys of organization {} and of those that came of it, which is as many as may be; "
                                                    "`drover server --create-organization` on the server's machine makes more", kMaxOrganizationsOfRoot, planned.root));
  return planned;
}

Status Identity::keep_organization(const Planned& planned) {
  const auto& org = planned.org;
  TRY(store_.insert(kOrgs, bson::make_document({{"_id", org.id}, {"name", org.name}, {"created", org.created}, {"root", planned.root}})));
  return {};
}

Result<std::optional<Organization>> Identity::organization(const std::string& id) {
  const auto found = TRY(store_.find_one(kOrgs, there(id)));
  if (!found) return std::optional<Organization>();
  return std::optional(organization_of(*found));
}

Result<Listed<Organization>> Identity::organizations(const std::vector<Grant>& visible_to, Page page) {
  const auto filter = any_of(visible_to, [](auto& any, const Grant& grant) {
    if (!grant.org.empty()) any.append(bson::make_document({{"_id", grant.org}}));
  });
  return list<Organization>(store_, kOrgs, there(filter), page, organization_of);
}

Result<bool> Identity::rename_organization(const std::string& id, const std::string& name) {
  TRY(check_name("name", name));
  return store_.update(kOrgs, there(id), set_of(bson::make_document({{"name", name}})));
}

Result<Project> Identity::create_project(const std::string& org, const std::string& name) {
  TRY(check_name("name", name));
  if (TRY(count_projects(org)) >= kMaxProjectsOfOrganization)
    return fail(ErrorCode::kUnsupported, fmt::format("an organization has at most {} projects; delete one first", kMaxProjectsOfOrganization));
  Project project{new_id(runtime_), org, name, iso_time(runtime_)};
  const bool made = TRY(store_.insert(kProjects, bson::make_document({{"_id", project.id},
                                                                       {"orgId", org},
                                                                       {"name", name},
                                                                       {"created", project.created}})));
  if (!made) return fail(ErrorCode::kWrongState, fmt::format("a project named {} is there already", name));
  if (TRY(stays(Tenant::kOrganization, org))) return project;
  TRY(store_.remove(kProjects, bson::make_document({{"_id", project.id}})));
  return fail(ErrorCode::kUnsupported, "the organization was deleted meanwhile");
}

Result<std::int64_t> Identity::count_projects(const std::string& org) { return store_.count(kProjects, there(bson::make_document({{"orgId", org}}))); }

Result<std::optional<Project>> Identity::project(const std::string& id) {
  const auto found = TRY(store_.find_one(kProjects, there(id)));
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
  append_there(filter);
  return list<Project>(store_, kProjects, std::move(filter).finish(), page, project_of);
}

Result<std::vector<Project>> Identity::projects_named(const std::string& name, const std::vector<Grant>& visible_to) {
  std::vector<Project> seen;
  TRY(store_.each(kProjects, there(bson::make_document({{"name", name}})), [&](bson::View document) -> Status {
    auto project = project_of(document);
    if (allows(visible_to, Access::kGroupRead, project.org, project.id)) seen.push_back(std::move(project));
    return {};
  }));
  return seen;
}

Result<bool> Identity::rename_project(const std::string& id, const std::string& name) {
  TRY(check_name("name", name));
  const auto changed = TRY(store_.try_update(kProjects, there(id), set_of(bson::make_document({{"name", name}}))));
  if (changed == Changed::kDuplicate) return fail(ErrorCode::kWrongState, fmt::format("a project named {} is there already", name));
  return changed == Changed::kYes;
}

}  // namespace drover::control
