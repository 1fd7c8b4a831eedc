// The compressors of MongoDB's wire protocol, by the names and numbers that it gives them. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace drover::net {

enum class Compressor : std::uint8_t { kNone = 0, kSnappy = 1, kZlib = 2, kZstd = 3 };

std::optional<Compressor> compressor_of_name(std::string_view name);  // "snappy", "zlib", "zstd"
std::optional<Compressor> compressor_of_id(std::uint8_t id);

Result<std::vector<std::uint8_t>> compress(Compressor compressor, std::span<const std::uint8_t> plain);
// Exactly `size` bytes, which the caller has bounded, or an error: nothing more is ever allocated.
Result<std::vector<std::uint8_t>> decompress(Compressor compressor, std::span<const std::uint8_t> packed, std::size_t size);

}  // namespace drover::net
