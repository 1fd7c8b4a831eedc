// CRC-32C (Castagnoli), as OP_MSG's checksum.
#pragma once

#include <cstdint>
#include <span>

namespace drover::sandbox {

std::uint32_t crc32c(std::span<const std::uint8_t> data);

}  // namespace drover::sandbox
