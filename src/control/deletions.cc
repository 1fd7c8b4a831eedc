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
  auto next_keys = runtime_.now();
  do {
    if (runtime_.now() >= next_keys) {
      next_keys = runtime_.now() + kLookForKeysOfNothing;
      if (const auto taken = take_keys_of_nothing(); !taken) log_.warn("keys of organizations and projects that are not there cannot be taken away", {{"error", taken.error().message}});
    }
    if (const auto done = finish_all(); !done) log_.warn("deleted organizations and projects: taking away what they had", {{"error", done.error().message}});
  } while (runtime_.sleep(kLookForSettled, stop));
}

// A project is there before its keys: those of one that is not were written while it went.
Status Deletions::take_keys_of_nothing() {
  if (const auto taken = TRY(identity_.take_keys_of_nothing()); taken > 0) log_.info("API keys of organizations that have not come to be are taken away", {{"keys", taken}});
  if (!parts_.projects_of_agent_keys) return {};
  for (const auto& group : TRY(parts_.projects_of_agent_keys()))
    if (!TRY(identity_.is_known(Tenant::kProject, group))) TRY(parts_.forget_project(group));
  return {};
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
