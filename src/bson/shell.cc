// to_shell: values as the server's messages print them, quirks included (long strings are cut, 1e300 is "1e+300.0").
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "base/uuid.h"
#include "bson/decimal.h"
#include "bson/ejson.h"

namespace drover::bson {

namespace {

constexpr std::size_t kMaxString = 159;  // longer ones are cut
constexpr std::size_t kCutString = 150;
constexpr std::size_t kMaxCode = 79;
constexpr std::size_t kMaxBinary = 80;
constexpr std::size_t kCut = 70;

std::string print_double(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.16g", value);
  const bool plain = std::strpbrk(text, ".EN") == nullptr;
  return plain ? std::string(text) + ".0" : text;
}

std::string print_string(std::string_view text) {
  if (text.size() > kMaxString) return fmt::format("\"{}...\"", text.substr(0, kCutString));
  return fmt::format("\"{}\"", text);
}

std::string print_code(std::string_view code) {
  if (code.size() > kMaxCode) return fmt::format("{}...", code.substr(0, kCut));
  return std::string(code);
}

std::string print_binary(const Element& value) {
  if (const auto uuid = value.to_uuid()) return fmt::format("UUID(\"{}\")", uuid->to_string());
  const Binary binary = value.binary_value();
  const bool cut = binary.data.size() > kMaxBinary;
  std::string hex;
  for (const std::uint8_t byte : binary.data.first(cut ? kCut : binary.data.size())) hex += fmt::format("{:02X}", byte);
  return fmt::format("BinData({}, {}{})", binary.subtype, hex, cut ? "..." : "");
}

std::string print_fields(View view, bool is_array) {
  if (view.empty()) return is_array ? "[]" : "{}";
  std::string text = is_array ? "[ " : "{ ";
  bool first = true;
  for (const Element& field : view) {
    if (!first) text += ", ";
    first = false;
    if (!is_array) text.append(field.key()).append(": ");
    text += to_shell(field);
  }
  return text + (is_array ? " ]" : " }");
}

}  // namespace

std::string to_shell(View document) { return print_fields(document, false); }

std::string to_shell(const Element& value) {
  switch (value.type()) {
    case Type::kEnd: return "EOO";
    case Type::kDouble: return print_double(value.double_value());
    case Type::kString:
    case Type::kSymbol: return print_string(value.string_value());
    case Type::kDocument: return print_fields(value.document_value(), false);
    case Type::kArray: return print_fields(value.document_value(), true);
    case Type::kBinary: return print_binary(value);
    case Type::kUndefined: return "undefined";
    case Type::kObjectId: return fmt::format("ObjectId('{}')", value.object_id_value().to_string());
    case Type::kBool: return value.bool_value() ? "true" : "false";
    case Type::kDateTime: return fmt::format("new Date({})", value.date_value().millis);
    case Type::kNull: return "null";
    case Type::kRegex: return fmt::format("/{}/{}", value.regex_value().pattern, value.regex_value().options);
    case Type::kDbPointer:
      return fmt::format("DBRef('{}',{})", value.db_pointer_value().ns, value.db_pointer_value().id.to_string());
    case Type::kCode: return print_code(value.string_value());
    case Type::kCodeWithScope:
      return fmt::format("CodeWScope( {}, {})", value.code_with_scope_code(), to_shell(value.code_with_scope_scope()));
    case Type::kInt32: return std::to_string(value.int32_value());
    case Type::kTimestamp:
      return fmt::format("Timestamp({}, {})", value.timestamp_value().seconds, value.timestamp_value().increment);
    case Type::kInt64: return std::to_string(value.int64_value());
    case Type::kDecimal128: return decimal_to_string(value.decimal_value());
    case Type::kMinKey: return "MinKey";
    case Type::kMaxKey: return "MaxKey";
  }
  return "?";
}

}  // namespace drover::bson
