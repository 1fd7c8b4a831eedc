// Named faults for the simulator (tests/sim): each breaks one rule, and `make sim-mutants` must catch it. In the product
// every one is constant false and costs nothing.
#pragma once

#include <string_view>

namespace drover::engine {

#ifdef DROVER_MUTANTS
bool mutant(std::string_view name);  // defined by the simulator
#else
constexpr bool mutant(std::string_view) { return false; }
#endif

}  // namespace drover::engine
