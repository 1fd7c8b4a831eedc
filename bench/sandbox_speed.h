// The sandbox by itself, beside what a MongoDB 4.4.1 one-member replica set was measured to do on a machine with two cores.
// The client runs on the same cores, as it did there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.h"

namespace drover::bench {

struct SpeedFigure {
  std::string name;
  std::string key;                 // in JSON
  std::int64_t operations = 0;
  double seconds = 0;
  double server_core_seconds = 0;  // 0: not known
  double reference = 0;            // operations a second; 0: none was measured

  double rate() const { return seconds > 0 ? static_cast<double>(operations) / seconds : 0; }
  double server_micros() const { return operations > 0 ? server_core_seconds * 1e6 / static_cast<double>(operations) : 0; }
};

// `documents` small documents, a quarter as many of 1 KB. `server`: the process whose CPU is counted, 0 when not known.
// `only`: a figure's key, and what it cannot do without; empty: all.
Result<std::vector<SpeedFigure>> measure_sandbox(const std::string& uri, std::int64_t documents, pid_t server, const std::string& only);

}  // namespace drover::bench
