// The checks, one per idea. Each appends what it finds; an error means that a deployment did not answer.
#pragma once

#include <vector>

#include "base/error.h"
#include "cluster/deployment.h"
#include "model/collection_info.h"
#include "model/namespace_filter.h"
#include "preflight/preflight.h"

namespace drover::preflight {

using Findings = std::vector<Finding>;

// Shape: what kind of deployment, which version, whether both are one.
void check_topology(Side side, const cluster::Facts& facts, Findings& findings);
void check_versions(const cluster::Facts& source, const cluster::Facts& destination, Findings& findings);
void check_distinct(const cluster::Facts& source, const cluster::Facts& destination, Findings& findings);

// What the source holds and this version does not carry exactly; only namespaces that the filter matches.
void check_catalog(const std::vector<CollectionInfo>& collections, const ServerVersion& destination,
                   const NamespaceFilter& filter, Findings& findings);

// Whether the connection's user may do all that will be done. `privileges` is connectionStatus's
// authInfo.authenticatedUserPrivileges.
void check_privileges(Side side, bson::View privileges, const cluster::Facts& facts, Findings& findings);

Status check_oplog(cluster::Deployment& source, Findings& findings);

// How the application's writes will be stopped at the cutover.
void check_writers(const cluster::WriteBlock& block, const ServerVersion& version, Writers writers, Findings& findings);

// What --include and --exclude name and is not there, and whether they leave anything.
void check_filter(const std::vector<CollectionInfo>& collections, const NamespaceFilter& filter, Findings& findings);

// What the destination holds already: nothing, a migration of this source, or something else.
Status check_destination_content(cluster::Deployment& destination, const cluster::Facts& facts, const FoundMigration& found,
                                 Findings& findings);

// Every collection outside of the internal databases.
Result<std::vector<CollectionInfo>> list_all(cluster::Deployment& deployment);

}  // namespace drover::preflight
