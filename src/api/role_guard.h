// Who gives roles in a project without owning it (Cloud Manager's Project User Admin) makes nobody its owner, gives nothing that it may not do itself,
// and changes nothing of an owner's and nothing of its own: what another key of its making may do, it may do.
#pragma once

#include <string>
#include <vector>

#include "api/rest.h"
#include "control/roles.h"

namespace drover::api {

// Of a request whose path names the project. `whom`: the id of the key or account, empty for a new one, and what it holds; `given`: the roles in the
// project that it is to have.
RestResult<int> may_give(const RestRequest& request, const std::vector<std::string>& given, const std::string& whom = {}, const std::vector<control::Grant>& held = {});

}  // namespace drover::api
