// What the demo tells at its end: a table for people, and the one object for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/demo_engine.h"

namespace drover::cli {

struct DemoReport {
  struct Kind {
    std::string name;
    std::int64_t count = 0;
  };
  std::string source, destination;  // what they are, without credentials
  std::int64_t loaded_documents = 0;
  std::int64_t loaded_bytes = 0;
  double load_seconds = 0;
  Json engine;                      // what `drover migrate --json` printed (or unfinished_engine), or the control plane told of it
  Json control_plane;               // with --control-plane: DemoWalk::story()
  double max_lag_seconds = 0;
  std::vector<EngineKill> kills;
  std::optional<double> write_unavailable_millis;  // nothing: no writer has come that far
  Json verification;                // what `drover verify --json` printed
  std::vector<Kind> writes;
  std::int64_t repeats = 0;
  std::int64_t ledger_documents = 0;
  std::int64_t ledger_differences = 0;
};

std::string demo_table(const DemoReport& report);
// What is known of an engine that did not come to its end, in the words of its object: `last` is that of one that failed, or null;
// `progress` the newest line of progress in its log, or null. Null when there is neither.
Json unfinished_engine(const Json& last, const Json& progress, double max_lag_seconds);
// {"state","documents","bytes","copySeconds",...,"verification"}: the engine's object with what only the demo can know. What is not
// known, when it failed, is null.
Json demo_json(const DemoReport& report);

}  // namespace drover::cli
