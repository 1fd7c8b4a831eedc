// The rows of verbs.cc, by what they are about.
#pragma once

#include <vector>

#include "remote/verb.h"

namespace drover::remote {

std::vector<Verb> identity_verbs();   // org, project, key, service-account, agent-key
std::vector<Verb> manager_verbs();    // deployment, host
std::vector<Verb> link_verbs();       // link
std::vector<Verb> atlas_verbs();      // cluster, access-list
std::vector<Verb> database_user_verbs();  // database-user
std::vector<Verb> database_role_verbs();  // database-role
std::vector<Verb> network_verbs();    // peering, private-endpoint
std::vector<Verb> migration_verbs();  // migration
std::vector<Verb> event_verbs();      // event

inline constexpr const char* kOrgOwner = "Organization Owner";
inline constexpr const char* kProjectOwner = "Project Owner or Organization Owner";
inline constexpr const char* kProjectUserAdmin = "Project User Admin, Project Owner or Organization Owner";
inline constexpr const char* kDatabaseUserAdmin = "Project Database Access Admin, Project Owner or Organization Owner";

}  // namespace drover::remote
