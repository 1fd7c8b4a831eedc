#include "api/role_guard.h"

#include <algorithm>

namespace drover::api {
namespace {

constexpr const char* kOwner = "GROUP_OWNER";

}  // namespace

RestResult<int> may_give(const RestRequest& request, const std::vector<std::string>& given, const std::string& whom, const std::vector<control::Grant>& held) {
  const auto& group = request.name("groupId");
  if (control::allows(request.caller->grants, control::Access::kGroupOwn, request.org, group)) return 0;
  const auto refused = [](const char* why) { return refuse(403, "USER_UNAUTHORIZED", why); };
  if (std::find(given.begin(), given.end(), kOwner) != given.end()) return refused("Only an owner of the project makes another one.");
  for (const auto& role : given)
    if (control::is_group_role(role) && !control::allows_as_much_as(request.caller->grants, role, request.org, group))
      return refused("Nobody but an owner of the project gives a role that allows more than its own.");
  if (!whom.empty() && whom == request.caller->id) return refused("Nobody but an owner of the project changes its own roles.");
  if (control::allows(held, control::Access::kGroupOwn, request.org, group)) return refused("Only an owner of the project changes what an owner of it may do.");
  return 0;
}

std::vector<std::string> ranges_of_maker(const RestRequest& request) {
  if (control::allows(request.caller->grants, control::Access::kOrgOwn, request.org, "")) return {};
  return request.caller->access_list;
}

control::MayChange may_give_at_change(const RestRequest& request, const std::vector<std::string>& given, const std::string& whom, std::optional<RestError>& refused) {
  return [&request, given, whom, &refused](const std::vector<control::Grant>& held) {
    auto may = may_give(request, given, whom, held);
    if (!may) refused = std::move(may).error();
    return may.has_value();
  };
}

}  // namespace drover::api
