#include "engine/mutants.h"

#include <string>

#include "simulation.h"

namespace drover {
namespace {
std::string active;
}

bool engine::mutant(std::string_view name) { return name == active; }

void sim::set_mutant(std::string_view name) { active = name; }

}  // namespace drover
