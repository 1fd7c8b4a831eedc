// The body of POST /api/v1/start (spec/engine.md 2.2), as what the engine is asked to do. What mongosync knows and this
// engine does not do yet is refused by its name, never ignored; a field that nobody knows is refused too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/sync_control.h"

namespace drover::api {

struct StartBody {
  engine::SyncRequest request;
  std::vector<std::string> warnings;  // what is accepted for old clients and has no effect, in words
};

// kUsage for what is malformed, kUnsupported for what is not done yet.
Result<StartBody> parse_start_body(std::string_view text);

}  // namespace drover::api
