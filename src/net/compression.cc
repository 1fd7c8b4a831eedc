#include "net/compression.h"

#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <fmt/core.h>

namespace drover::net {

namespace {

using Bytes = std::vector<std::uint8_t>;

// Names as clients offer them in the handshake. `noop` is for the server's own tests and is not offered.
constexpr struct {
  std::string_view name;
  Compressor compressor;
} kCompressors[] = {{"snappy", Compressor::kSnappy}, {"zlib", Compressor::kZlib}, {"zstd", Compressor::kZstd}};

const char* chars(std::span<const std::uint8_t> bytes) { return reinterpret_cast<const char*>(bytes.data()); }

tl::unexpected<Error> refused(std::string_view what) {
  return fail(ErrorCode::kUsage, fmt::format("a malformed message: {}", what));
}

Result<Bytes> unpack_snappy(std::span<const std::uint8_t> packed, std::size_t size) {
  std::size_t announced = 0;
  if (!snappy::GetUncompressedLength(chars(packed), packed.size(), &announced) || announced != size) {
    return refused("its snappy data is not of the size it claims");
  }
  Bytes plain(size);
  if (!snappy::RawUncompress(chars(packed), packed.size(), reinterpret_cast<char*>(plain.data()))) {
    return refused("its snappy data is damaged");
  }
  return plain;
}

Result<Bytes> unpack_zlib(std::span<const std::uint8_t> packed, std::size_t size) {
  Bytes plain(size);
  uLongf written = size;
  if (uncompress(plain.data(), &written, packed.data(), packed.size()) != Z_OK || written != size) {
    return refused("its zlib data is damaged, or not of the size it claims");
  }
  return plain;
}

Result<Bytes> unpack_zstd(std::span<const std::uint8_t> packed, std::size_t size) {
  Bytes plain(size);
  const auto written = ZSTD_decompress(plain.data(), size, packed.data(), packed.size());
  if (ZSTD_isError(written) != 0 || written != size) return refused("its zstd data is damaged, or not of the size it claims");
  return plain;
}

}  // namespace

std::optional<Compressor> compressor_of_name(std::string_view name) {
  for (const auto& known : kCompressors) {
    if (known.name == name) return known.compressor;
  }
  return std::nullopt;
}

std::optional<Compressor> compressor_of_id(std::uint8_t id) {
  if (id > static_cast<std::uint8_t>(Compressor::kZstd)) return std::nullopt;
  return static_cast<Compressor>(id);
}

Result<Bytes> compress(Compressor compressor, std::span<const std::uint8_t> plain) {
  Bytes packed;
  switch (compressor) {
    case Compressor::kNone: packed.assign(plain.begin(), plain.end()); return packed;
    case Compressor::kSnappy: {
      packed.resize(snappy::MaxCompressedLength(plain.size()));
      std::size_t written = 0;
      snappy::RawCompress(chars(plain), plain.size(), reinterpret_cast<char*>(packed.data()), &written);
      packed.resize(written);
      return packed;
    }
    case Compressor::kZlib: {
      uLongf written = compressBound(plain.size());
      packed.resize(written);
      if (::compress(packed.data(), &written, plain.data(), plain.size()) != Z_OK) {
        return fail(ErrorCode::kFailure, "compressing a message with zlib failed: out of memory");
      }
      packed.resize(written);
      return packed;
    }
    case Compressor::kZstd: {
      packed.resize(ZSTD_compressBound(plain.size()));
      const auto written = ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), ZSTD_CLEVEL_DEFAULT);
      if (ZSTD_isError(written) != 0) {
        return fail(ErrorCode::kFailure, fmt::format("compressing a message with zstd failed: {}", ZSTD_getErrorName(written)));
      }
      packed.resize(written);
      return packed;
    }
  }
  return fail(ErrorCode::kFailure, "compressing a message: no such compressor");
}

Result<Bytes> decompress(Compressor compressor, std::span<const std::uint8_t> packed, std::size_t size) {
  switch (compressor) {
    case Compressor::kNone:
      if (packed.size() != size) return refused("it is not of the size it claims");
      return Bytes(packed.begin(), packed.end());
    case Compressor::kSnappy: return unpack_snappy(packed, size);
    case Compressor::kZlib: return unpack_zlib(packed, size);
    case Compressor::kZstd: return unpack_zstd(packed, size);
  }
  return refused("an unknown compressor");
}

}  // namespace drover::net
