// One seed: a source under its users, an empty destination, and the engine between them, which is killed, paused, stopped
// and started again until it has committed. Everything is drawn from the seed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace drover::sim {

struct SeedOptions {
  std::uint64_t seed = 1;
  std::string mutant;              // the fault that the engine has
  bool verification = false;       // the documents are compared before the cutover: no difference may be seen
  std::string spool_directory;     // for its temporary files
  std::function<void(const std::string&)> on_failure;  // does not return
  std::function<void(const std::string&)> on_trace;
};

struct SeedResult {
  std::string summary;
  std::uint64_t trace_hash = 0;
};

// The fault that the engine has from now on in this process.
void set_mutant(std::string_view name);

SeedResult simulate(const SeedOptions& options);

}  // namespace drover::sim
