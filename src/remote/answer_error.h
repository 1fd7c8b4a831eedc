// What a site answered, or that it did not, as an error that says what to do; and the exit code of each
// (docs/operations/exit-codes.md). In these errors `server_code` is the HTTP status (0: no answer), and `labels` are the answer's
// errorCode and detail.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "net/http_client.h"

namespace drover::remote {

inline constexpr int kExitLoginRefused = 9;
inline constexpr int kExitNotPermitted = 10;
inline constexpr int kExitNotFound = 11;

struct Asked {
  std::string_view what;   // "GET https://…/api/atlas/v2/orgs"
  std::string_view who;    // "API key abcdefgh (from atlas.json)"
  std::string_view needs;  // the role that the command needs, for a refusal; may be empty
  std::string_view list;   // the command that lists what could have been named; may be empty
};
Error error_of_answer(const net::HttpAnswer& answer, const Asked& asked);
// A thing that is looked for by name and is not there.
Error not_found(std::string message);

int exit_code_of(const Error& error);
// {"error": {"exitCode", "message", and of an answer "status", "errorCode", "detail"}}
Json failure_of(const Error& error);

}  // namespace drover::remote
