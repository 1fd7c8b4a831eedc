// A value while expressions are evaluated: a scalar held inline, or a reference into bytes that are borrowed (from the
// document under evaluation) or shared. Copying is cheap. A default one is missing.
//
// A borrowed Datum lives no longer than the bytes it came from: own() before keeping it beyond that document.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "bson/builder.h"
#include "bson/document.h"

namespace drover::sandbox::query {

class Datum {
 public:
  Datum() = default;
  // Refers to `element`'s bytes; scalars are copied.
  static Datum borrow(const bson::Element& element);
  static Datum from(double value);
  static Datum from(std::int32_t value);
  static Datum from(std::int64_t value);
  static Datum from(bool value);
  static Datum from(std::string_view value);
  static Datum from(bson::ObjectId value);
  static Datum from(bson::DateTime value);
  static Datum from(bson::Timestamp value);
  static Datum from(bson::Decimal128 value);
  static Datum null();
  static Datum document(const bson::Document& value);
  static Datum document(bson::View value);
  static Datum array(bson::ArrayBuilder&& items);
  static Datum copy(const bson::Element& element);

  // An int32 when it fits, else an int64.
  static Datum integer(std::int64_t value);

  bson::Element element() const;
  bson::Type type() const { return type_; }
  bool missing() const { return type_ == bson::Type::kEnd; }
  // Missing, null or undefined.
  bool nullish() const {
    return type_ == bson::Type::kEnd || type_ == bson::Type::kNull || type_ == bson::Type::kUndefined;
  }
  bool is_number() const;
  bool truthy() const { return element().is_truthy(); }
  // A part of this value (a field or item of its document or array), with the same lifetime.
  Datum inside(const bson::Element& element) const;
  // Independent of borrowed bytes.
  Datum own() const;
  std::size_t bytes() const;

  void append_to(bson::Builder& builder, std::string_view key) const { builder.append(key, element()); }

 private:
  static constexpr std::size_t kInline = 18;  // type, empty key, 16 bytes of value
  // `wrapped` is {"": value}.
  static Datum hold(bson::Document wrapped);
  static Datum make_inline(bson::Type type, const void* value, std::size_t size);

  bson::Type type_ = bson::Type::kEnd;
  bool inline_ = false;
  std::uint8_t small_[kInline] = {};
  bson::Element element_;
  std::shared_ptr<const void> owner_;
};

// As the server prints values in errors of expressions: [1, 2], {a: 1}, "text", 1 for the double too, MISSING for nothing.
std::string printed(const bson::Element& value);
std::string printed(bson::View document);
inline std::string printed(const Datum& value) { return value.missing() ? "MISSING" : printed(value.element()); }

}  // namespace drover::sandbox::query
