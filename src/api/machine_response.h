// How the interfaces between Drover's own processes (agents, sites) answer: JSON or no body, never cached, and on a failed
// login the challenge of Basic authentication.
#pragma once

#include <string_view>

#include "api/rest.h"
#include "net/http_message.h"

namespace drover::api {

// `realm` names who is asked for: "drover agent".
net::HttpResponse machine_response(const RestResult<RestReply>& found, std::string_view realm);

}  // namespace drover::api
