// How organizations, projects and API keys are written down. For those who read them beside Identity itself.
#pragma once

#include "bson/builder.h"
#include "bson/document.h"
#include "control/fields.h"
#include "control/identity.h"

namespace drover::control {

inline constexpr const char* kOrgs = "orgs";
inline constexpr const char* kProjects = "projects";
inline constexpr const char* kApiKeys = "apiKeys";

inline bson::Document set_of(bson::View fields) { return bson::make_document({{"$set", fields}}); }
inline bson::Document unset_of(std::string_view field) { return bson::make_document({{"$unset", bson::make_document({{field, ""}})}}); }

// Of what is gone only its document is there, until all that it had is taken away: nobody sees it.
inline void append_there(bson::Builder& filter) { filter.open_document("gone").append("$exists", false); }
inline bson::Document there(bson::View filter) {
  bson::Builder all;
  all.append_all(filter);
  append_there(all);
  return std::move(all).finish();
}
inline bson::Document there(const std::string& id) { return there(bson::make_document({{"_id", id}})); }

template <typename T, typename Read>
Result<Listed<T>> list(Store& store, const char* collection, const bson::Document& filter, Page page, Read&& read) {
  Listed<T> listed;
  for (const auto& document : TRY(store.find(collection, filter, page))) listed.items.push_back(read(document));
  listed.total = TRY(store.count(collection, filter));
  return listed;
}

}  // namespace drover::control
