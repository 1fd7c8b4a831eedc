#include "sandbox/query/datum.h"

#include <cstring>

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/calendar.h"

namespace drover::sandbox::query {

using bson::Type;

Datum Datum::make_inline(Type type, const void* value, std::size_t size) {
  Datum result;
  result.type_ = type;
  result.inline_ = true;
  result.small_[0] = static_cast<std::uint8_t>(type);
  if (size > 0) std::memcpy(result.small_ + 2, value, size);
  return result;
}

Datum Datum::from(double value) { return make_inline(Type::kDouble, &value, sizeof value); }
Datum Datum::from(std::int32_t value) { return make_inline(Type::kInt32, &value, sizeof value); }
Datum Datum::from(std::int64_t value) { return make_inline(Type::kInt64, &value, sizeof value); }
Datum Datum::from(bool value) {
  const std::uint8_t byte = value ? 1 : 0;
  return make_inline(Type::kBool, &byte, 1);
}
Datum Datum::from(bson::ObjectId value) { return make_inline(Type::kObjectId, value.bytes.data(), 12); }
Datum Datum::from(bson::DateTime value) { return make_inline(Type::kDateTime, &value.millis, sizeof value.millis); }
Datum Datum::from(bson::Timestamp value) {
  const std::uint64_t bits = value.value();
  return make_inline(Type::kTimestamp, &bits, sizeof bits);
}
Datum Datum::from(bson::Decimal128 value) {
  const std::uint64_t words[2] = {value.low, value.high};
  return make_inline(Type::kDecimal128, words, sizeof words);
}
Datum Datum::null() { return make_inline(Type::kNull, nullptr, 0); }

Datum Datum::integer(std::int64_t value) {
  if (value == static_cast<std::int32_t>(value)) return from(static_cast<std::int32_t>(value));
  return from(value);
}

Datum Datum::borrow(const bson::Element& element) {
  if (!element.exists()) return {};
  if (element.value_size() <= kInline - 2 && element.type() != Type::kDocument && element.type() != Type::kArray) {
    return make_inline(element.type(), element.value(), element.value_size());
  }
  Datum result;
  result.type_ = element.type();
  result.element_ = element;
  return result;
}

Datum Datum::copy(const bson::Element& element) { return borrow(element).own(); }

Datum Datum::from(std::string_view value) {
  bson::Builder builder;
  builder.append("", value);
  return hold(std::move(builder).finish());
}

Datum Datum::document(const bson::Document& value) { return document(value.view()); }

Datum Datum::document(bson::View value) {
  bson::Builder builder;
  builder.append("", value);
  return hold(std::move(builder).finish());
}

Datum Datum::array(bson::ArrayBuilder&& items) {
  const bson::Document bytes = std::move(items).finish();
  bson::Builder builder;
  builder.append("", bson::ArrayView{bytes.view()});
  return hold(std::move(builder).finish());
}

Datum Datum::hold(bson::Document wrapped) {
  auto owner = std::make_shared<const bson::Document>(std::move(wrapped));
  Datum result;
  result.element_ = owner->view().first();
  result.type_ = result.element_.type();
  result.owner_ = std::move(owner);
  return result;
}

Datum Datum::inside(const bson::Element& element) const {
  Datum result = borrow(element);
  if (!result.inline_) result.owner_ = owner_;
  return result;
}

Datum Datum::own() const {
  if (inline_ || owner_ || type_ == Type::kEnd) return *this;
  bson::Builder builder;
  builder.append("", element_);
  return hold(std::move(builder).finish());
}

bson::Element Datum::element() const {
  if (type_ == Type::kEnd) return {};
  return inline_ ? bson::Element(small_) : element_;
}

bool Datum::is_number() const {
  return type_ == Type::kInt32 || type_ == Type::kInt64 || type_ == Type::kDouble || type_ == Type::kDecimal128;
}

std::size_t Datum::bytes() const { return sizeof(Datum) + (inline_ || missing() ? 0 : element_.size() + 32); }

std::string printed(bson::View document) {
  std::string text = "{";
  for (const bson::Element& field : document) {
    if (text.size() > 1) text += ", ";
    text += fmt::format("{}: {}", field.key(), printed(field));
  }
  return text + "}";
}

std::string printed(const bson::Element& value) {
  switch (value.type()) {
    case bson::Type::kDocument: return printed(value.document_value());
    case bson::Type::kArray: {
      std::string text = "[";
      const bson::View items = value.document_value();
      for (const bson::Element& item : items) text += (text.size() > 1 ? ", " : "") + printed(item);
      return text + "]";
    }
    case bson::Type::kDouble: return fmt::format("{:.6g}", value.double_value());
    case bson::Type::kObjectId: return value.object_id_value().to_string();
    case bson::Type::kDateTime: return format_iso_date(value.date_value().millis);
    default: return bson::to_shell(value);
  }
}

}  // namespace drover::sandbox::query
