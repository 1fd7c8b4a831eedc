// Makes the custom roles and database users of projects so on the local clusters that run on this host: roles first, each after those that it inherits.
// A place is noted before anything is made there, so that whatever happens in between, it is found again; what it does may be done twice, and several
// processes may do it. One that cannot be made does not hold up the others.
#pragma once

#include <string>
#include <vector>

#include "base/log.h"
#include "control/clusters.h"
#include "control/database_users.h"

namespace drover::control {

class DatabaseUserReconciler {
 public:
  // `host_id`: of this process's local clusters; empty: it has none, and only forgets what is nowhere any more.
  DatabaseUserReconciler(DatabaseUsers& users, CustomRoles& roles, Clusters& clusters, std::string host_id, Log& log)
      : users_(users), roles_(roles), clusters_(clusters), host_id_(std::move(host_id)), log_(log) {}

  // Looks at everything once. What fails is tried again the next time. One thread.
  Status step();

 private:
  Status realise(const Cluster& cluster);
  Status realise_roles(std::vector<CustomRole> roles, const Cluster& cluster, cluster::Deployment& deployment);

  DatabaseUsers& users_;
  CustomRoles& roles_;
  Clusters& clusters_;
  const std::string host_id_;
  Log& log_;
};

}  // namespace drover::control
