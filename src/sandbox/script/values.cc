#include "sandbox/script/values.h"

#include <cstring>

#include <fmt/format.h>
#include <js/Array.h>
#include <js/BigInt.h>
#include <js/CharacterEncoding.h>
#include <js/Conversions.h>
#include <js/Date.h>
#include <js/Exception.h>
#include <js/Object.h>
#include <js/PropertyAndElement.h>
#include <js/RegExp.h>
#include <js/RegExpFlags.h>
#include <js/StableStringChars.h>
#include <js/String.h>

#include "sandbox/script/objects.h"

namespace drover::sandbox::script {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

bool is_reference(View document) {
  const Element first = document.first();
  if (!first.is_string() || first.key() != "$ref") return false;
  auto second = document.begin();
  ++second;
  return second != document.end() && second->key() == "$id";
}

bool is_ascii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

bool regex_to_js(JSContext* cx, bson::Regex regex, JS::MutableHandleValue out) {
  JS::RegExpFlags flags(JS::RegExpFlag::NoFlags);
  bool known = true;
  for (const char c : regex.options) {
    switch (c) {
      case 'g': flags |= JS::RegExpFlag::Global; break;
      case 'i': flags |= JS::RegExpFlag::IgnoreCase; break;
      case 'm': flags |= JS::RegExpFlag::Multiline; break;
      case 's': flags |= JS::RegExpFlag::DotAll; break;
      case 'u': flags |= JS::RegExpFlag::Unicode; break;
      case 'y': flags |= JS::RegExpFlag::Sticky; break;
      default: known = false;
    }
  }
  JS::RootedValue pattern(cx);
  if (!string_to_js(cx, regex.pattern, &pattern)) return false;
  if (known) {
    JS::RootedString text(cx, pattern.toString());
    JS::AutoStableStringChars chars(cx);
    if (!chars.initTwoByte(cx, text)) return false;
    const auto range = chars.twoByteRange();
    if (JSObject* object = JS::NewUCRegExpObject(cx, range.begin().get(), range.length(), flags)) {
      out.setObject(*object);
      return true;
    }
    if (JS_IsThrowingOutOfMemory(cx)) return false;
    JS_ClearPendingException(cx);
  }
  // One that JavaScript has not: it is carried through.
  JS::RootedValue options(cx);
  return string_to_js(cx, regex.options, &options) && set_value(cx, out, Kind::kRegex, pattern, options);
}

bool code_to_js(JSContext* cx, std::string_view code, JS::MutableHandleValue out) {
  if (realm_of(cx).make_function(cx, code, out)) return true;
  if (JS_IsThrowingOutOfMemory(cx) || !JS_IsExceptionPending(cx)) return false;
  JS_ClearPendingException(cx);  // what does not compile is carried through
  JS::RootedValue text(cx);
  return string_to_js(cx, code, &text) && set_value(cx, out, Kind::kCode, text, JS::UndefinedHandleValue);
}

bool array_to_js(JSContext* cx, View items, const Bytes& bytes, JS::MutableHandleValue out) {
  JS::RootedValueVector values(cx);
  JS::RootedValue value(cx);
  for (const Element& item : items) {
    if (!to_js(cx, item, bytes, &value) || !values.append(value)) return false;
  }
  JSObject* array = JS::NewArrayObject(cx, values);
  if (array == nullptr) return false;
  out.setObject(*array);
  return true;
}

}  // namespace

const JSClass kGlobalClass = {"global", JSCLASS_GLOBAL_FLAGS, &JS::DefaultGlobalClassOps};

Realm& realm_of(JSContext* cx) { return *static_cast<Realm*>(JS::GetReservedSlot(JS::CurrentGlobalOrNull(cx), 0).toPrivate()); }

bool throw_coded(JSContext* cx, int code, const std::string& message) {
  Realm& realm = realm_of(cx);
  JS_ReportErrorUTF8(cx, "%s", message.c_str());
  JS::RootedValue thrown(cx);
  if (!JS_GetPendingException(cx, &thrown)) return false;
  realm.coded_error = thrown;
  realm.code = code;
  realm.message = message;
  return false;
}

bool string_to_js(JSContext* cx, std::string_view text, JS::MutableHandleValue out) {
  JSString* string = nullptr;
  if (is_ascii(text)) {
    string = JS_NewStringCopyN(cx, text.data(), text.size());
  } else {
    std::size_t length = 0;
    auto chars = JS::LossyUTF8CharsToNewTwoByteCharsZ(cx, JS::UTF8Chars(text.data(), text.size()), &length, js::MallocArena);
    if (!chars) return false;
    string = JS_NewUCStringCopyN(cx, chars.get(), length);
  }
  if (string == nullptr) return false;
  out.setString(string);
  return true;
}

bool string_from_js(JSContext* cx, JS::HandleString text, std::string& out) {
  JSLinearString* linear = JS_EnsureLinearString(cx, text);
  if (linear == nullptr) return false;
  const std::size_t size = JS::GetDeflatedUTF8StringLength(linear);
  if (size > kMaxBytes) return throw_coded(cx, 10334, fmt::format("a string of {} bytes is too large for BSON", size));
  out.resize(size);
  JS::DeflateStringToUTF8Buffer(linear, mozilla::Span<char>(out.data(), out.size()));
  return true;
}

bool shown(JSContext* cx, JS::HandleValue value, std::string& out) {
  JS::RootedString text(cx, JS::ToString(cx, value));
  return text && string_from_js(cx, text, out);
}

bool document_to_js(JSContext* cx, View document, const Bytes& bytes, JS::MutableHandleValue out) {
  JS::RootedObject object(cx, new_document_object(cx, document, bytes, is_reference(document)));
  if (!object) return false;
  JS::RootedValue value(cx), name(cx);
  JS::RootedId id(cx);
  for (const Element& field : document) {
    if (!string_to_js(cx, field.key(), &name)) return false;
    JS::RootedString key(cx, name.toString());
    if (!JS_StringToId(cx, key, &id) || !to_js(cx, field, bytes, &value)) return false;
    if (!JS_DefinePropertyById(cx, object, id, value, JSPROP_ENUMERATE)) return false;
  }
  out.setObject(*object);
  return true;
}

bool to_js(JSContext* cx, const Element& element, const Bytes& bytes, JS::MutableHandleValue out) {
  JS::RootedValue first(cx), second(cx);
  switch (element.type()) {
    case Type::kDouble: out.setNumber(element.double_value()); return true;
    case Type::kInt32: out.setInt32(element.int32_value()); return true;
    case Type::kBool: out.setBoolean(element.bool_value()); return true;
    case Type::kNull: out.setNull(); return true;
    case Type::kEnd:
    case Type::kUndefined: out.setUndefined(); return true;
    case Type::kString:
    case Type::kSymbol: return string_to_js(cx, element.string_value(), out);
    case Type::kDocument: return document_to_js(cx, element.document_value(), bytes, out);
    case Type::kArray: return array_to_js(cx, element.document_value(), bytes, out);
    case Type::kDateTime: {
      JSObject* date = JS::NewDateObject(cx, JS::TimeClip(static_cast<double>(element.date_value().millis)));
      if (date == nullptr) return false;
      out.setObject(*date);
      return true;
    }
    case Type::kObjectId: {
      const auto id = element.object_id_value();
      return bytes_to_js(cx, id.bytes.data(), id.bytes.size(), &first) && set_value(cx, out, Kind::kObjectId, first, second);
    }
    case Type::kInt64: {
      JS::BigInt* number = JS::NumberToBigInt(cx, element.int64_value());
      if (number == nullptr) return false;
      first.setBigInt(number);
      return set_value(cx, out, Kind::kLong, first, second);
    }
    case Type::kDecimal128: {
      const auto decimal = element.decimal_value();
      char both[16];
      std::memcpy(both, &decimal.low, 8);
      std::memcpy(both + 8, &decimal.high, 8);
      return bytes_to_js(cx, both, sizeof both, &first) && set_value(cx, out, Kind::kDecimal, first, second);
    }
    case Type::kTimestamp:
      first.setNumber(element.timestamp_value().seconds);
      second.setNumber(element.timestamp_value().increment);
      return set_value(cx, out, Kind::kTimestamp, first, second);
    case Type::kBinary: {
      const auto binary = element.binary_value();
      first.setInt32(binary.subtype);
      return bytes_to_js(cx, binary.data.data(), binary.data.size(), &second) && set_value(cx, out, Kind::kBinary, first, second);
    }
    case Type::kMinKey: return set_value(cx, out, Kind::kMinKey, first, second);
    case Type::kMaxKey: return set_value(cx, out, Kind::kMaxKey, first, second);
    case Type::kRegex: return regex_to_js(cx, element.regex_value(), out);
    case Type::kDbPointer: {
      const auto pointer = element.db_pointer_value();
      return string_to_js(cx, pointer.ns, &first) && bytes_to_js(cx, pointer.id.bytes.data(), pointer.id.bytes.size(), &second) &&
             set_value(cx, out, Kind::kDbPointer, first, second);
    }
    case Type::kCode: return code_to_js(cx, element.string_value(), out);
    case Type::kCodeWithScope:
      if (element.code_with_scope_scope().empty()) return code_to_js(cx, element.code_with_scope_code(), out);
      return string_to_js(cx, element.code_with_scope_code(), &first) && document_to_js(cx, element.code_with_scope_scope(), nullptr, &second) &&
             set_value(cx, out, Kind::kCode, first, second);
  }
  return throw_coded(cx, 16661, "can't handle type");
}

}  // namespace drover::sandbox::script
