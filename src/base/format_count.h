#pragma once

#include <cstdint>
#include <string>

namespace drover {

std::string format_count(std::uint64_t count);  // 1,234,567

}  // namespace drover
