#pragma once

#include <string>

namespace drover::cli {

// "drover 0.1.0"
std::string version_text();
std::string version_number();  // "0.1.0"

}  // namespace drover::cli
