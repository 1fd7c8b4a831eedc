// How organizations and projects go.
#include "control/identity_documents.h"

namespace drover::control {
namespace {

constexpr int kMostAtOnce = 100;

const char* collection_of(Tenant tenant) { return tenant == Tenant::kOrganization ? kOrgs : kProjects; }

bson::Document marked(const std::string& id, const std::string& mark) { return there(bson::make_document({{"_id", id}, {"deleting", mark}})); }

}  // namespace

Result<std::optional<Identity::Deletion>> Identity::begin_deleting(Tenant tenant, const std::string& id) {
  const auto mark = new_id(runtime_);
  if (TRY(store_.update(collection_of(tenant), there(id), set_of(bson::make_document({{"deleting", mark}}))))) return std::optional(Deletion{mark, false});
  if (!TRY(store_.find_one(collection_of(tenant), bson::make_document({{"_id", id}})))) return std::optional<Deletion>();
  return std::optional(Deletion{"", true});
}

Status Identity::stop_deleting(Tenant tenant, const std::string& id, const std::string& mark) {
  TRY(store_.update(collection_of(tenant), marked(id, mark), unset_of("deleting")));
  return {};
}

Result<bool> Identity::settle_deleting(Tenant tenant, const std::string& id, const std::string& mark) {
  return store_.update(collection_of(tenant), marked(id, mark), set_of(bson::make_document({{"gone", true}})));
}

Result<bool> Identity::stays(Tenant tenant, const std::string& id) {
  const auto* collection = collection_of(tenant);
  for (;;) {
    const auto found = TRY(store_.find_one(collection, there(id)));
    if (!found) return false;
    const auto mark = text_of(*found, "deleting");
    // Another one may have marked it meanwhile, or settled it.
    if (mark.empty() || TRY(store_.update(collection, marked(id, mark), unset_of("deleting")))) return true;
  }
}

Result<std::vector<std::string>> Identity::settled(Tenant tenant) {
  std::vector<std::string> ids;
  for (const auto& document : TRY(store_.find(collection_of(tenant), bson::make_document({{"gone", true}}), {1, kMostAtOnce}))) ids.push_back(text_of(document, "_id"));
  return ids;
}

Status Identity::take_keys(const std::string& org, const std::string& but) {
  bson::Builder filter;
  filter.append("orgId", org);
  if (!but.empty()) filter.open_document("_id").append("$ne", but);
  TRY(store_.remove(kApiKeys, std::move(filter).finish()));
  return {};
}

Result<bool> Identity::is_known(Tenant tenant, const std::string& id) {
  return TRY(store_.find_one(collection_of(tenant), bson::make_document({{"_id", id}}))).has_value();
}

// An organization's first key is there before it: whoever was making it has either finished or died.
Result<std::int64_t> Identity::take_keys_of_nothing() {
  std::int64_t taken = 0;
  const auto [young, not_yet] = ids_around(runtime_.wall_time(), kKeyOfNothingKept);
  for (const auto& [org, keys] : TRY(store_.count_by(kApiKeys, bson::Document(), "orgId"))) {
    if (TRY(is_known(Tenant::kOrganization, org))) continue;
    bson::Builder filter;
    filter.append("orgId", org);
    {
      auto any = filter.open_array("$or");
      any.append(bson::make_document({{"_id", bson::make_document({{"$lt", young}})}}));
      any.append(bson::make_document({{"_id", bson::make_document({{"$gte", not_yet}})}}));
    }
    taken += TRY(store_.remove(kApiKeys, std::move(filter).finish()));
  }
  return taken;
}

Status Identity::forget(Tenant tenant, const std::string& id) {
  const auto gone = bson::make_document({{"_id", id}, {"gone", true}});
  if (tenant == Tenant::kProject)
    if (const auto found = TRY(store_.find_one(kProjects, gone))) TRY(take_project_roles(text_of(*found, "orgId"), id));
  TRY(store_.remove(collection_of(tenant), gone));
  return {};
}

}  // namespace drover::control
