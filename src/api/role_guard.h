// Who gives roles in a project without owning it (Cloud Manager's Project User Admin) makes nobody its owner, gives nothing that it may not do itself,
// and changes nothing of an owner's and nothing of its own: what another key of its making may do, it may do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/rest.h"
#include "control/identity.h"

namespace drover::api {

// Of a request whose path names the project. `whom`: the id of the key or account, empty for a new one, and what it holds; `given`: the roles in the
// project that it is to have.
RestResult<int> may_give(const RestRequest& request, const std::vector<std::string>& given, const std::string& whom = {}, const std::vector<control::Grant>& held = {});

// What a key or account that the caller makes in a project may be used from: from where the caller may be, unless it is an owner of the organization, who says
// of each key from where. Else whoever is bound to addresses would make itself a key that is not.
std::vector<std::string> ranges_of_maker(const RestRequest& request);

// For changes that Identity and ServiceAccounts make: as may_give, of the key or account `whom` as it is at the moment of its change. `refused` outlives it.
control::MayChange may_give_at_change(const RestRequest& request, const std::vector<std::string>& given, const std::string& whom, std::optional<RestError>& refused);

}  // namespace drover::api
