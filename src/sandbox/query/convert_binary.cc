#include "sandbox/query/convert_binary.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/plain_text.h"
#include "net/crypto.h"
#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

namespace {

using bson::Type;

constexpr std::pair<std::string_view, BinaryFormat> kFormats[] = {
    {"auto", BinaryFormat::kAuto}, {"base64", BinaryFormat::kBase64}, {"base64url", BinaryFormat::kBase64Url},
    {"hex", BinaryFormat::kHex},   {"utf8", BinaryFormat::kUtf8},     {"uuid", BinaryFormat::kUuid}};

std::string_view name_of(BinaryFormat wanted) {
  for (const auto& [name, format] : kFormats) {
    if (format == wanted) return name;
  }
  return "";
}

constexpr std::array<std::size_t, 4> kUuidDashes = {8, 13, 18, 23};
constexpr std::size_t kUuidBytes = 16, kUuidText = 36;

// "8f2e..." in lower or upper case; nothing when a character is no digit.
std::optional<std::string> bytes_of_hex(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'f') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string dashed(std::string_view bytes) {
  std::string text = net::hex_encode(bytes);
  for (const auto at : kUuidDashes) text.insert(at, 1, '-');
  return text;
}

std::optional<std::string> bytes_of_uuid(std::string_view text) {
  if (text.size() != kUuidText) return std::nullopt;
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = std::ranges::find(kUuidDashes, i) != kUuidDashes.end();
    if (dash != (text[i] == '-')) return std::nullopt;
    if (!dash) digits.push_back(text[i]);
  }
  return bytes_of_hex(digits);
}

bool is_base64(std::string_view text, std::string_view last_two) {
  const auto body = text.substr(0, text.find('='));
  return text.size() - body.size() <= 2 && text.substr(body.size()).find_first_not_of('=') == std::string_view::npos &&
         std::ranges::all_of(body, [&](unsigned char c) { return std::isalnum(c) != 0 || last_two.find(static_cast<char>(c)) != std::string_view::npos; });
}

std::optional<std::string> bytes_of_base64(std::string_view text) { return is_base64(text, "+/") ? net::base64_decode(text) : std::nullopt; }

std::optional<std::string> bytes_of_base64_url(std::string_view text) {
  if (!is_base64(text, "-_")) return std::nullopt;
  std::string standard(text.substr(0, text.find('=')));
  if (standard.size() % 4 == 1) return std::nullopt;  // six bits are no byte
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  standard.append((4 - standard.size() % 4) % 4, '=');
  return net::base64_decode(standard);
}

std::string base64_url(std::string_view bytes) {
  std::string text = net::base64_encode(bytes);
  std::erase(text, '=');
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

tl::unexpected<Error> not_parsed(std::string_view text, std::string_view why) {
  return bad(code::kConversionFailure, fmt::format("Failed to parse BinData '{}' in $convert with no onError value: {}", text, why));
}

// The bytes that `text` stands for, or why there are none.
Result<std::string> parsed(std::string_view text, BinaryFormat format) {
  std::optional<std::string> bytes;
  std::string_view why;
  switch (format) {
    case BinaryFormat::kBase64:
      bytes = bytes_of_base64(text);
      why = "invalid base64";
      break;
    case BinaryFormat::kBase64Url:
      bytes = bytes_of_base64_url(text);
      why = "invalid base64";
      break;
    case BinaryFormat::kHex:
      if (text.size() % 2 == 0) bytes = bytes_of_hex(text);
      why = text.size() % 2 == 0 ? "Invalid hexadecimal digit" : "Hex blob with odd digit count";
      break;
    case BinaryFormat::kUtf8: bytes = std::string(text); break;
    case BinaryFormat::kUuid: {
      bytes = bytes_of_uuid(text);
      if (!bytes) return not_parsed(text, fmt::format("Invalid UUID string: {}", text));
      break;
    }
    case BinaryFormat::kAuto: return not_parsed(text, "Invalid format 'auto'");
  }
  if (!bytes) return not_parsed(text, why);
  return std::move(*bytes);
}

}  // namespace

std::optional<BinaryFormat> find_binary_format(std::string_view name) {
  for (const auto& [known, format] : kFormats) {
    if (known == name) return format;
  }
  return std::nullopt;
}

Result<Datum> text_of_binary(const Datum& value, BinaryFormat format) {
  const auto binary = value.element().binary_value();
  const std::string_view bytes(reinterpret_cast<const char*>(binary.data.data()), binary.data.size());
  const bool is_uuid = binary.subtype == kUuidSubtype && bytes.size() == kUuidBytes;
  const auto failed = [&](std::string_view why) {
    return bad(code::kConversionFailure, fmt::format("Failed to convert '{}' to string in $convert with no onError value: {}", printed(value), why));
  };
  switch (format) {
    case BinaryFormat::kAuto: return Datum::from(std::string_view(is_uuid ? dashed(bytes) : net::base64_encode(bytes)));
    case BinaryFormat::kBase64: return Datum::from(std::string_view(net::base64_encode(bytes)));
    case BinaryFormat::kBase64Url: return Datum::from(std::string_view(base64_url(bytes)));
    case BinaryFormat::kHex: return Datum::from(std::string_view(upper(net::hex_encode(bytes))));
    case BinaryFormat::kUtf8:
      if (!bson::facts_of_text(bytes).utf8) return failed("BinData does not represent a valid UTF-8 string");
      return Datum::from(bytes);
    case BinaryFormat::kUuid:
      if (!is_uuid) return failed("BinData does not represent a valid UUID");
      return Datum::from(std::string_view(dashed(bytes)));
  }
  return failed(fmt::format("Invalid format '{}'", name_of(format)));
}

Result<Datum> binary_of_text(const Datum& value, BinaryFormat format, std::uint8_t subtype) {
  const std::string_view text = value.element().string_value();
  if ((format == BinaryFormat::kUuid) != (subtype == kUuidSubtype)) return not_parsed(text, "Only the 'uuid' format is allowed with the UUID subtype");
  const auto bytes = TRY(parsed(text, format));
  bson::Builder out;
  out.append("", bson::Binary{subtype, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}});
  return Datum::copy(std::move(out).finish().view().first());
}

Result<Datum> binary_of_binary(const Datum& value, std::uint8_t subtype) {
  if (value.element().binary_value().subtype == subtype) return value;
  return bad(code::kConversionFailure, "Conversions between different BinData subtypes are not supported");
}

}  // namespace drover::sandbox::query
