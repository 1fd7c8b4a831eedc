#include "bson/key_string.h"

#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "bson/collation.h"
#include "bson/decimal.h"

namespace drover::bson {

namespace {

// The byte that a value starts with. Between kEndOfNested and 0xff, and so is its complement.
enum class Tag : std::uint8_t {
  kMinKey = 0x08,
  kUndefined = 0x10,
  kNull = 0x18,
  kNumber = 0x20,
  kString = 0x28,
  kDocument = 0x30,
  kArray = 0x38,
  kBinary = 0x40,
  kObjectId = 0x48,
  kBool = 0x50,
  kDateTime = 0x58,
  kTimestamp = 0x60,
  kRegex = 0x68,
  kDbPointer = 0x70,
  kCode = 0x78,
  kCodeWithScope = 0x80,
  kMaxKey = 0xf0,
};

constexpr char kEndOfNested = 0x00;
constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;

Tag tag_of(Type type) {
  switch (type) {
    case Type::kMinKey: return Tag::kMinKey;
    case Type::kEnd:
    case Type::kUndefined: return Tag::kUndefined;
    case Type::kNull: return Tag::kNull;
    case Type::kDouble:
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDecimal128: return Tag::kNumber;
    case Type::kString:
    case Type::kSymbol: return Tag::kString;
    case Type::kDocument: return Tag::kDocument;
    case Type::kArray: return Tag::kArray;
    case Type::kBinary: return Tag::kBinary;
    case Type::kObjectId: return Tag::kObjectId;
    case Type::kBool: return Tag::kBool;
    case Type::kDateTime: return Tag::kDateTime;
    case Type::kTimestamp: return Tag::kTimestamp;
    case Type::kRegex: return Tag::kRegex;
    case Type::kDbPointer: return Tag::kDbPointer;
    case Type::kCode: return Tag::kCode;
    case Type::kCodeWithScope: return Tag::kCodeWithScope;
    case Type::kMaxKey: return Tag::kMaxKey;
  }
  CHECK(false, "a BSON type that does not exist");
}

void put_big_endian(std::string& out, std::uint64_t value, int bytes) {
  char buffer[8];
  for (int i = bytes; i-- > 0; value >>= 8) buffer[i] = static_cast<char>(value);
  out.append(buffer, bytes);
}

void put_raw(std::string& out, const std::uint8_t* data, std::size_t size) {
  out.append(reinterpret_cast<const char*>(data), size);
}

// Ends with 0x00; inside, 0x00 is 01 01 and 0x01 is 01 02. No encoding is a prefix of another, which inversion needs.
void put_text(std::string& out, std::string_view text) {
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) > 1) continue;
    out.append(text, plain, i - plain);
    out += '\x01';
    out += static_cast<char>(text[i] + 1);
    plain = i + 1;
  }
  out.append(text, plain, text.size() - plain);
  out += '\0';
}

// For text that cannot hold a NUL: names, patterns.
void put_name(std::string& out, std::string_view name) {
  out += name;
  out += '\0';
}

// A number is the greatest double not above it, then what it has beyond that double.
struct SplitNumber {
  double floor = 0;
  bool exact = true;
  // Read only when the floor is whole and large: how many whole units above it, and whether there is more.
  std::int64_t units = 0;
  bool fraction = false;
  Decimal128 decimal;  // the number itself; read only when there is a remainder that units do not say
};

// From here on doubles are more than 1 apart, up to where int64 ends: remainders are mostly whole, so two bytes say them.
bool has_units(double floor) { return std::abs(floor) >= 0x1p53 && floor >= -0x1p63 && floor < 0x1p63; }

SplitNumber split_integer(std::int64_t value) {
  SplitNumber split;
  split.floor = static_cast<double>(value);
  if (split.floor >= 0x1p63 || static_cast<std::int64_t>(split.floor) > value) {
    split.floor = std::nextafter(split.floor, -std::numeric_limits<double>::infinity());
  }
  split.units = value - static_cast<std::int64_t>(split.floor);
  split.exact = split.units == 0;
  return split;
}

SplitNumber split_decimal(Decimal128 value) {
  const DoubleFloor floor = decimal_floor_to_double(value);
  SplitNumber split{.floor = floor.value, .exact = floor.exact, .decimal = value};
  if (floor.exact || !has_units(floor.value)) return split;
  const std::int64_t whole = decimal_floor_to_int64(value).value();
  split.units = whole - static_cast<std::int64_t>(floor.value);
  split.fraction = decimal_compare(value, decimal_from_int64(whole)) != 0;
  return split;
}

SplitNumber split_number(const Element& element) {
  switch (element.type()) {
    case Type::kInt32: return {.floor = static_cast<double>(element.int32_value())};
    case Type::kInt64: return split_integer(element.int64_value());
    case Type::kDouble: return {.floor = element.double_value()};
    default: return split_decimal(element.decimal_value());
  }
}

// NaN is all zeros, below -Infinity. Both zeros are one.
std::uint64_t ordered_bits(double value) {
  if (std::isnan(value)) return 0;
  if (value == 0) return kSignBit;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  return bits & kSignBit ? ~bits : bits | kSignBit;
}

// 17 bytes that order decimals of one sign.
void put_decimal(std::string& out, Decimal128 value) {
  const NormalizedDecimal parts = decimal_normalize(value);
  const std::size_t start = out.size();
  constexpr int kBias = 0x4000;
  put_big_endian(out, static_cast<std::uint64_t>(parts.exponent + kBias), 2);
  put_big_endian(out, static_cast<std::uint64_t>(parts.coefficient >> 64), 7);
  put_big_endian(out, static_cast<std::uint64_t>(parts.coefficient), 8);
  if (!parts.negative) return;
  for (std::size_t i = start; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
}

void put_number(std::string& out, const Element& element) {
  const SplitNumber split = split_number(element);
  put_big_endian(out, ordered_bits(split.floor), 8);
  if (has_units(split.floor)) {
    put_big_endian(out, static_cast<std::uint64_t>(split.units) << 1 | (split.fraction ? 1 : 0), 2);
    if (split.fraction) put_decimal(out, split.decimal);
    return;
  }
  out += split.exact ? '\0' : '\x01';
  if (!split.exact) put_decimal(out, split.decimal);
}

void put_value(std::string& out, const Element& value, const Collator* collator);

void put_fields(std::string& out, View document, const Collator* collator) {
  for (const Element& field : document) {
    out += static_cast<char>(tag_of(field.type()));
    put_name(out, field.key());
    put_value(out, field, collator);
  }
  out += kEndOfNested;
}

void put_items(std::string& out, View array, const Collator* collator) {
  for (const Element& item : array) {
    out += static_cast<char>(tag_of(item.type()));
    put_value(out, item, collator);
  }
  out += kEndOfNested;
}

// What follows the tag.
void put_value(std::string& out, const Element& value, const Collator* collator) {
  switch (tag_of(value.type())) {
    case Tag::kMinKey:
    case Tag::kUndefined:
    case Tag::kNull:
    case Tag::kMaxKey: return;
    case Tag::kNumber: return put_number(out, value);
    case Tag::kString:
      return collator ? put_text(out, collator->sort_key(value.string_value())) : put_text(out, value.string_value());
    case Tag::kDocument: return put_fields(out, value.document_value(), collator);
    case Tag::kArray: return put_items(out, value.document_value(), collator);
    case Tag::kBinary: {
      const Binary binary = value.binary_value();
      put_big_endian(out, binary.data.size(), 4);
      out += static_cast<char>(binary.subtype);
      return put_raw(out, binary.data.data(), binary.data.size());
    }
    case Tag::kObjectId: return put_raw(out, value.value(), 12);
    case Tag::kBool: out += value.bool_value() ? '\x01' : '\x00'; return;
    case Tag::kDateTime:
      return put_big_endian(out, static_cast<std::uint64_t>(value.date_value().millis) ^ kSignBit, 8);
    case Tag::kTimestamp: return put_big_endian(out, value.timestamp_value().value(), 8);
    case Tag::kRegex:
      put_name(out, value.regex_value().pattern);
      return put_name(out, value.regex_value().options);
    case Tag::kDbPointer: {
      const DbPointer pointer = value.db_pointer_value();
      put_big_endian(out, pointer.ns.size(), 4);
      out += pointer.ns;
      return put_raw(out, pointer.id.bytes.data(), pointer.id.bytes.size());
    }
    case Tag::kCode: return put_text(out, value.string_value());
    case Tag::kCodeWithScope:
      put_text(out, value.code_with_scope_code());
      return put_fields(out, value.code_with_scope_scope(), nullptr);
  }
}

}  // namespace

void append_key_string(std::string& out, const Element& value, const Collator* collator, bool descending) {
  const std::size_t start = out.size();
  out += static_cast<char>(tag_of(value.type()));
  put_value(out, value, collator);
  if (!descending) return;
  for (std::size_t i = start; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
}

std::string key_string(const Element& value, const Collator* collator) {
  std::string out;
  append_key_string(out, value, collator);
  return out;
}

std::string_view key_string_lowest() { return {"\x00", 1}; }
std::string_view key_string_highest() { return "\xff"; }

}  // namespace drover::bson
