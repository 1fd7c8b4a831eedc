#pragma once

#include <string>

namespace drover::cli {

// "drover 0.1.0"
std::string version_text();

}  // namespace drover::cli
