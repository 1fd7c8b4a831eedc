#include "bson/types.h"

#include <fmt/format.h>

namespace drover::bson {

const char* type_name(Type type) {
  switch (type) {
    case Type::kEnd: return "missing";
    case Type::kDouble: return "double";
    case Type::kString: return "string";
    case Type::kDocument: return "object";
    case Type::kArray: return "array";
    case Type::kBinary: return "binData";
    case Type::kUndefined: return "undefined";
    case Type::kObjectId: return "objectId";
    case Type::kBool: return "bool";
    case Type::kDateTime: return "date";
    case Type::kNull: return "null";
    case Type::kRegex: return "regex";
    case Type::kDbPointer: return "dbPointer";
    case Type::kCode: return "javascript";
    case Type::kSymbol: return "symbol";
    case Type::kCodeWithScope: return "javascriptWithScope";
    case Type::kInt32: return "int";
    case Type::kTimestamp: return "timestamp";
    case Type::kInt64: return "long";
    case Type::kDecimal128: return "decimal";
    case Type::kMinKey: return "minKey";
    case Type::kMaxKey: return "maxKey";
  }
  return "unknown";
}

std::string ObjectId::to_string() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(24);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string Timestamp::to_string() const { return fmt::format("{}.{}", seconds, increment); }

}  // namespace drover::bson
