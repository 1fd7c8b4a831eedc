#include "cli/version.h"

namespace drover::cli {

std::string version_text() { return "drover " DROVER_VERSION; }
std::string version_number() { return DROVER_VERSION; }

}  // namespace drover::cli
