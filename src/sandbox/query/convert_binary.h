// $convert between binary data and strings (8.0): base64, base64url, hex, utf8, uuid. Its failures are 241 ConversionFailure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "sandbox/query/datum.h"

namespace drover::sandbox::query {

enum class BinaryFormat { kAuto, kBase64, kBase64Url, kHex, kUtf8, kUuid };
inline constexpr std::uint8_t kUuidSubtype = 4;

std::optional<BinaryFormat> find_binary_format(std::string_view name);
Result<Datum> text_of_binary(const Datum& value, BinaryFormat format);
Result<Datum> binary_of_text(const Datum& value, BinaryFormat format, std::uint8_t subtype);
// Binary data as binary data: nothing changes, or it fails.
Result<Datum> binary_of_binary(const Datum& value, std::uint8_t subtype);

}  // namespace drover::sandbox::query
