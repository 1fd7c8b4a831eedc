#include "control/database_user_reconciler.h"

#include <algorithm>

namespace drover::control {

Status DatabaseUserReconciler::step() {
  TRY(users_.expire());
  for (const auto& user : TRY(users_.deleting())) {
    const auto done = drop_everywhere(user);
    if (!done) log_.warn("database user: it cannot be dropped yet", {{"project", user.group}, {"user", user.name}, {"error", done.error().message}});
  }
  if (host_id_.empty()) return {};
  for (const auto& cluster : TRY(clusters_.local_of(host_id_))) {
    if (cluster.state != "IDLE") continue;
    const auto done = realise(cluster);
    if (!done) log_.warn("database users: a step failed, it is tried again", {{"cluster", cluster.name}, {"error", done.error().message}});
  }
  return {};
}

Status DatabaseUserReconciler::realise(const Cluster& cluster) {
  const auto users = TRY(users_.not_applied(cluster.group, cluster.id));
  if (users.empty()) return {};
  const auto deployment = TRY(clusters_.connect(cluster));
  for (const auto& user : users) TRY(apply(user, cluster, *deployment));
  return {};
}

Status DatabaseUserReconciler::apply(const DatabaseUser& user, const Cluster& cluster, cluster::Deployment& deployment) {
  const bool wanted = user.is_of(cluster.name);
  if (wanted) {
    if (!TRY(users_.note_present(user, cluster.id))) return {};  // it is another one by now: the next step's
    TRY(make_database_user(deployment, user, TRY(users_.password(user))));
  } else if (std::find(user.present_on.begin(), user.present_on.end(), cluster.id) != user.present_on.end()) {
    TRY(drop_database_user(deployment, user));
    TRY(users_.note_absent(user, cluster.id));
  }
  if (TRY(users_.note_applied(user, cluster.id))) return {};
  // Changed or deleted meanwhile, and perhaps made so by another process before this one was done.
  const auto now = TRY(users_.by_id(user.id));
  if (!now || now->deleting) return drop_database_user(deployment, user);
  return users_.apply_again(user);
}

Status DatabaseUserReconciler::drop_everywhere(const DatabaseUser& user) {
  const auto clusters = TRY(clusters_.local_of_group(user.group));
  for (const auto& id : user.present_on) {
    const auto found = std::find_if(clusters.begin(), clusters.end(), [&](const Cluster& cluster) { return cluster.id == id; });
    if (found == clusters.end()) {
      TRY(users_.note_absent(user, id));  // it went with its cluster
    } else if (found->host_id == host_id_ && found->state == "IDLE") {
      TRY(drop_database_user(*TRY(clusters_.connect(*found)), user));
      TRY(users_.note_absent(user, id));
    }
  }
  return users_.forget(user);
}

}  // namespace drover::control
