#include "control/database_user_reconciler.h"

#include <algorithm>
#include <set>

namespace drover::control {
namespace {

// A user or a role, as its records have it and a deployment gets it.
Status make(DatabaseUsers& users, const DatabaseUser& user, cluster::Deployment& deployment) { return make_database_user(deployment, user, TRY(users.password(user))); }
Status make(CustomRoles&, const CustomRole& role, cluster::Deployment& deployment) { return make_custom_role(deployment, role); }
Status drop(const DatabaseUser& user, cluster::Deployment& deployment) { return drop_database_user(deployment, user); }
Status drop(const CustomRole& role, cluster::Deployment& deployment) { return drop_custom_role(deployment, role); }

template <typename Records, typename Item>
Status apply(Records& records, const Item& item, bool wanted, const Cluster& cluster, cluster::Deployment& deployment) {
  if (wanted) {
    if (!TRY(records.note_present(item, cluster.id))) return {};  // it is another one by now: the next step's
    TRY(make(records, item, deployment));
  } else if (std::find(item.present_on.begin(), item.present_on.end(), cluster.id) != item.present_on.end()) {
    TRY(drop(item, deployment));
    TRY(records.note_absent(item, cluster.id));
  }
  if (TRY(records.note_applied(item, cluster.id))) return {};
  // Changed or deleted meanwhile, and perhaps made so by another process before this one was done.
  const auto now = TRY(records.by_id(item.id));
  if (!now || now->deleting) return drop(item, deployment);
  return records.apply_again(item);
}

template <typename Records, typename Item>
Status drop_everywhere(Records& records, const Item& item, Clusters& clusters, const std::string& host_id) {
  const auto of_group = TRY(clusters.local_of_group(item.group));
  for (const auto& id : item.present_on) {
    const auto found = std::find_if(of_group.begin(), of_group.end(), [&](const Cluster& cluster) { return cluster.id == id; });
    if (found == of_group.end()) {
      TRY(records.note_absent(item, id));  // it went with its cluster
    } else if (found->host_id == host_id && found->state == "IDLE") {
      TRY(drop(item, *TRY(clusters.connect(*found))));
      TRY(records.note_absent(item, id));
    }
  }
  return records.forget(item);
}

// Inherited custom roles; Atlas's own are on every deployment.
bool has_all(const std::set<std::string>& there, const CustomRole& role) {
  return std::all_of(role.inherited.begin(), role.inherited.end(), [&](const DatabaseUserRole& one) { return is_database_role(one) || there.contains(one.name); });
}

}  // namespace

Status DatabaseUserReconciler::step() {
  TRY(users_.expire());
  for (const auto& user : TRY(users_.deleting())) {
    const auto done = drop_everywhere(users_, user, clusters_, host_id_);
    if (!done) log_.warn("database user: it cannot be dropped yet", {{"project", user.group}, {"user", user.name}, {"error", done.error().message}});
  }
  for (const auto& role : TRY(roles_.deleting())) {
    const auto done = drop_everywhere(roles_, role, clusters_, host_id_);
    if (!done) log_.warn("custom role: it cannot be dropped yet", {{"project", role.group}, {"role", role.name}, {"error", done.error().message}});
  }
  if (host_id_.empty()) return {};
  for (const auto& cluster : TRY(clusters_.local_of(host_id_))) {
    if (cluster.state != "IDLE") continue;
    const auto done = realise(cluster);
    if (!done) log_.warn("database users and roles: a step failed, it is tried again", {{"cluster", cluster.name}, {"error", done.error().message}});
  }
  return {};
}

Status DatabaseUserReconciler::realise(const Cluster& cluster) {
  auto roles = TRY(roles_.not_applied(cluster.group, cluster.id));
  const auto users = TRY(users_.not_applied(cluster.group, cluster.id));
  if (users.empty() && roles.empty()) return {};
  const auto deployment = TRY(clusters_.connect(cluster));
  Status first = realise_roles(std::move(roles), cluster, *deployment);
  for (const auto& user : users) {
    const auto done = apply(users_, user, user.is_of(cluster.name), cluster, *deployment);
    if (!done && first) first = done;
  }
  return first;
}

Status DatabaseUserReconciler::realise_roles(std::vector<CustomRole> roles, const Cluster& cluster, cluster::Deployment& deployment) {
  if (roles.empty()) return {};
  std::set<std::string> there;
  for (const auto& role : TRY(roles_.of_group(cluster.group)))
    if (std::find(role.applied_to.begin(), role.applied_to.end(), cluster.id) != role.applied_to.end()) there.insert(role.name);
  Status first;
  for (bool more = true; more;) {
    more = false;
    for (auto role = roles.begin(); role != roles.end();) {
      if (!has_all(there, *role)) {
        ++role;
        continue;
      }
      const auto done = apply(roles_, *role, true, cluster, deployment);
      if (done) there.insert(role->name);
      else if (first) first = done;
      role = roles.erase(role);
      more = true;
    }
  }
  return first;
}

}  // namespace drover::control
