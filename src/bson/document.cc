#include "bson/document.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/check.h"
#include "bson/builder.h"
#include "bson/decimal.h"

namespace drover::bson {

namespace {

constexpr std::uint8_t kEmptyDocument[5] = {5, 0, 0, 0, 0};

std::uint32_t read_size(const std::uint8_t* at) {
  std::uint32_t size;
  std::memcpy(&size, at, sizeof size);
  return size;
}

std::string_view c_string(const std::uint8_t* at) { return reinterpret_cast<const char*>(at); }

// A BSON string at `at`, without its NUL. Embedded NULs are part of it.
std::string_view sized_string(const std::uint8_t* at) {
  return {reinterpret_cast<const char*>(at + 4), read_size(at) - 1};
}

}  // namespace

std::uint32_t Element::rare_value_size_at(Type type, const std::uint8_t* value) {
  switch (type) {
    case Type::kRegex: {
      const auto pattern = c_string(value).size() + 1;
      return static_cast<std::uint32_t>(pattern + c_string(value + pattern).size() + 1);
    }
    case Type::kDbPointer: return 4 + read_size(value) + 12;
    default: CHECK(false, "iteration over a document that was not validated");
  }
}

ObjectId Element::object_id_value() const { return read<ObjectId>(); }

Decimal128 Element::decimal_value() const { return read<Decimal128>(); }

std::string_view Element::string_value() const { return sized_string(value()); }

View Element::document_value() const { return View(value()); }

Binary Element::binary_value() const {
  const std::uint32_t size = read_size(value());
  return {value()[4], {value() + 5, size}};
}

Regex Element::regex_value() const {
  const std::string_view pattern = c_string(value());
  return {pattern, c_string(value() + pattern.size() + 1)};
}

DbPointer Element::db_pointer_value() const {
  DbPointer pointer{sized_string(value()), {}};
  std::memcpy(pointer.id.bytes.data(), value() + value_size_ - 12, 12);
  return pointer;
}

std::string_view Element::code_with_scope_code() const { return sized_string(value() + 4); }

View Element::code_with_scope_scope() const { return View(value() + 8 + read_size(value() + 4)); }

std::optional<std::int64_t> Element::to_int64() const {
  switch (type()) {
    case Type::kInt32: return int32_value();
    case Type::kInt64: return int64_value();
    case Type::kDouble: {
      const double number = std::trunc(double_value());
      if (!(number >= -0x1p63 && number < 0x1p63)) return std::nullopt;
      return static_cast<std::int64_t>(number);
    }
    case Type::kDecimal128: return decimal_to_int64(decimal_value());
    default: return std::nullopt;
  }
}

std::optional<double> Element::to_double() const {
  switch (type()) {
    case Type::kInt32: return int32_value();
    case Type::kInt64: return static_cast<double>(int64_value());
    case Type::kDouble: return double_value();
    case Type::kDecimal128: return decimal_to_double(decimal_value());
    default: return std::nullopt;
  }
}

std::optional<std::string_view> Element::to_string_view() const {
  if (!is_string()) return std::nullopt;
  return string_value();
}

std::optional<View> Element::to_document() const {
  if (!is_document()) return std::nullopt;
  return document_value();
}

std::optional<View> Element::to_array() const {
  if (!is_array()) return std::nullopt;
  return document_value();
}

std::optional<Uuid> Element::to_uuid() const {
  if (type() != Type::kBinary) return std::nullopt;
  const Binary binary = binary_value();
  Uuid uuid;
  if (binary.subtype != 4 || binary.data.size() != uuid.bytes.size()) return std::nullopt;
  std::memcpy(uuid.bytes.data(), binary.data.data(), uuid.bytes.size());
  return uuid;
}

std::optional<Timestamp> Element::to_timestamp() const {
  if (type() != Type::kTimestamp) return std::nullopt;
  return timestamp_value();
}

bool Element::is_truthy() const {
  switch (type()) {
    case Type::kEnd:
    case Type::kNull:
    case Type::kUndefined: return false;
    case Type::kBool: return bool_value();
    case Type::kInt32: return int32_value() != 0;
    case Type::kInt64: return int64_value() != 0;
    case Type::kDouble: return double_value() != 0;
    case Type::kDecimal128: return !decimal_is_zero(decimal_value());
    default: return true;
  }
}

bool Element::same_value_bytes(const Element& other) const {
  if (type() != other.type() || value_size_ != other.value_size_) return false;
  return !exists() || std::memcmp(value(), other.value(), value_size_) == 0;
}

View::View() : data_(kEmptyDocument) {}

Element View::operator[](std::string_view key) const {
  for (const Element& element : *this) {
    if (element.key() == key) return element;
  }
  return {};
}

Element View::at_path(std::string_view dotted) const {
  View at = *this;
  while (true) {
    const auto dot = dotted.find('.');
    const Element element = at[dotted.substr(0, dot)];
    if (dot == std::string_view::npos || !element) return element;
    if (!element.is_document() && !element.is_array()) return {};
    at = element.document_value();
    dotted.remove_prefix(dot + 1);
  }
}

std::size_t View::field_count() const {
  std::size_t count = 0;
  for (auto it = begin(); it != end(); ++it) ++count;
  return count;
}

Document::Document() : bytes_(std::begin(kEmptyDocument), std::end(kEmptyDocument)) {}

Value::Value(const Element& element) {
  if (!element) return;
  Builder builder;
  builder.append("", element);
  document_ = std::make_shared<const Document>(std::move(builder).finish());
}

}  // namespace drover::bson
