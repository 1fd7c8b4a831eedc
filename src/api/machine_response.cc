#include "api/machine_response.h"

#include <fmt/format.h>

namespace drover::api {

net::HttpResponse machine_response(const RestResult<RestReply>& found, std::string_view realm) {
  net::HttpResponse response;
  response.headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  if (found) {
    response.status = found->status;
    if (!found->body.is_null()) response.body = dump_sorted(found->body, false);
    return response;
  }
  response.status = found.error().status;
  response.body = dump_sorted(error_body(found.error()), false);
  response.headers.emplace_back("X-Error-Code", found.error().code);
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", fmt::format("Basic realm=\"{}\"", realm));
  if (response.status == 429) response.headers.emplace_back("Retry-After", "60");
  if (response.status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

}  // namespace drover::api
