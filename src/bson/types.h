// BSON's scalar types as plain values. Spelled as in bsonspec.org; `Timestamp` is MongoDB's internal one (cluster times).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>

namespace drover::bson {

enum class Type : std::uint8_t {
  kEnd = 0x00,
  kDouble = 0x01,
  kString = 0x02,
  kDocument = 0x03,
  kArray = 0x04,
  kBinary = 0x05,
  kUndefined = 0x06,
  kObjectId = 0x07,
  kBool = 0x08,
  kDateTime = 0x09,
  kNull = 0x0a,
  kRegex = 0x0b,
  kDbPointer = 0x0c,
  kCode = 0x0d,
  kSymbol = 0x0e,
  kCodeWithScope = 0x0f,
  kInt32 = 0x10,
  kTimestamp = 0x11,
  kInt64 = 0x12,
  kDecimal128 = 0x13,
  kMinKey = 0xff,
  kMaxKey = 0x7f,
};

// "double", "string", "object", ... as $type and error messages spell them. "missing" for kEnd.
const char* type_name(Type type);

struct ObjectId {
  std::array<std::uint8_t, 12> bytes{};
  auto operator<=>(const ObjectId&) const = default;
  std::string to_string() const;  // 24 hex digits
};

struct DateTime {
  std::int64_t millis = 0;  // since 1970, UTC
  auto operator<=>(const DateTime&) const = default;
};

struct Timestamp {
  std::uint32_t seconds = 0;
  std::uint32_t increment = 0;
  auto operator<=>(const Timestamp&) const = default;
  bool is_zero() const { return seconds == 0 && increment == 0; }
  std::uint64_t value() const { return static_cast<std::uint64_t>(seconds) << 32 | increment; }
  static Timestamp from_value(std::uint64_t v) {
    return {static_cast<std::uint32_t>(v >> 32), static_cast<std::uint32_t>(v)};
  }
  std::string to_string() const;  // "1599568215.3"
};

// IEEE 754-2008 decimal128 in BID encoding, little-endian words as BSON stores them.
struct Decimal128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Decimal128&) const = default;  // same bits, not same number: see compare.h
};

}  // namespace drover::bson
