#include "control/deletions.h"

namespace drover::control {

Status Deletions::finish_project(const std::string& group) {
  TRY(parts_.forget_project(group));
  return identity_.forget(Tenant::kProject, group);
}

Status Deletions::finish_organization(const std::string& org, const std::string& caller) {
  TRY(parts_.forget_organization(org, caller));
  TRY(identity_.take_keys(org, caller));
  if (!caller.empty()) {
    TRY(parts_.forget_organization(org, ""));
    TRY(identity_.take_keys(org, ""));
  }
  return identity_.forget(Tenant::kOrganization, org);
}

void Deletions::run(const std::stop_token& stop) {
  do {
    if (const auto done = finish_all(); !done) log_.warn("deleted organizations and projects: taking away what they had", {{"error", done.error().message}});
  } while (runtime_.sleep(kLookForSettled, stop));
}

Status Deletions::finish_all() {
  Status all;
  const auto note = [&](Status done) {
    if (!done && all) all = std::move(done);  // one that fails keeps no other
  };
  for (const auto& group : TRY(identity_.settled(Tenant::kProject))) note(finish_project(group));
  for (const auto& org : TRY(identity_.settled(Tenant::kOrganization))) note(finish_organization(org, ""));
  return all;
}

}  // namespace drover::control
