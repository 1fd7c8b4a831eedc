#include "sandbox/script/objects.h"

#include <cmath>
#include <limits>

#include <js/BigInt.h>
#include <js/MemoryFunctions.h>
#include <js/Object.h>
#include <js/String.h>

namespace drover::sandbox::script {

using bson::View;

namespace {

const JSClass kValueClass = {"BSON", JSCLASS_HAS_RESERVED_SLOTS(3)};

JSObject* make_value(JSContext* cx, Kind kind, JS::HandleValue first, JS::HandleValue second) {
  JS::RootedObject prototype(cx, realm_of(cx).prototypes[static_cast<int>(kind)]);
  JSObject* object = JS_NewObjectWithGivenProto(cx, &kValueClass, prototype);
  if (object == nullptr) return nullptr;
  JS::SetReservedSlot(object, kKindSlot, JS::Int32Value(static_cast<std::int32_t>(kind)));
  JS::SetReservedSlot(object, kFirstSlot, first);
  JS::SetReservedSlot(object, kSecondSlot, second);
  return object;
}

constexpr std::uint32_t kOriginSlot = 0;

void forget_origin(JS::GCContext*, JSObject* object) {
  const JS::Value slot = JS::GetReservedSlot(object, kOriginSlot);
  if (slot.isUndefined()) return;
  auto* origin = static_cast<Origin*>(slot.toPrivate());
  JS::RemoveAssociatedMemory(object, origin->counted, JS::MemoryUse::Embedding1);
  delete origin;
}

const JSClassOps kDocumentOps = {.finalize = forget_origin};
const JSClass kDocumentClass = {"Object", JSCLASS_HAS_RESERVED_SLOTS(1) | JSCLASS_FOREGROUND_FINALIZE, &kDocumentOps};

}  // namespace

bool fits(Kind kind, const JS::Value& first, const JS::Value& second) {
  const auto text = [](const JS::Value& value, std::size_t size) { return value.isString() && JS::GetStringLength(value.toString()) == size; };
  const auto number = [](const JS::Value& value, double most) {
    return value.isNumber() && value.toNumber() >= 0 && value.toNumber() <= most && value.toNumber() == std::trunc(value.toNumber());
  };
  switch (kind) {
    case Kind::kObjectId: return text(first, kObjectIdBytes);
    case Kind::kLong: return first.isBigInt();
    case Kind::kInt: return first.isInt32();
    case Kind::kDecimal: return text(first, kDecimalBytes);
    case Kind::kTimestamp: return number(first, std::numeric_limits<std::uint32_t>::max()) && number(second, std::numeric_limits<std::uint32_t>::max());
    case Kind::kBinary: return first.isInt32() && number(first, std::numeric_limits<std::uint8_t>::max()) && second.isString();
    case Kind::kMinKey:
    case Kind::kMaxKey: return true;
    case Kind::kDbPointer: return first.isString() && text(second, kObjectIdBytes);
    case Kind::kCode: return first.isString();
    case Kind::kRegex: return first.isString() && second.isString();
  }
  return false;
}

bool is_value(JSObject* object) { return JS::GetClass(object) == &kValueClass; }
Kind kind_of(JSObject* object) { return static_cast<Kind>(JS::GetReservedSlot(object, kKindSlot).toInt32()); }

bool set_value(JSContext* cx, JS::MutableHandleValue out, Kind kind, JS::HandleValue first, JS::HandleValue second) {
  JSObject* object = make_value(cx, kind, first, second);
  if (object == nullptr) return false;
  out.setObject(*object);
  return true;
}

bool bytes_to_js(JSContext* cx, const void* data, std::size_t size, JS::MutableHandleValue out) {
  JSString* text = JS_NewStringCopyN(cx, static_cast<const char*>(data), size);
  if (text == nullptr) return false;
  out.setString(text);
  return true;
}

bool bytes_from_js(JSContext* cx, JS::HandleString text, std::string& out) {
  JSLinearString* linear = JS_EnsureLinearString(cx, text);
  if (linear == nullptr) return false;
  const std::size_t length = JS::GetLinearStringLength(linear);
  out.resize(length);
  for (std::size_t i = 0; i < length; ++i) out[i] = static_cast<char>(JS::GetLinearStringCharAt(linear, i));
  return true;
}

const Origin* origin_of(JSObject* object) {
  if (JS::GetClass(object) != &kDocumentClass) return nullptr;
  const JS::Value slot = JS::GetReservedSlot(object, kOriginSlot);
  return slot.isUndefined() ? nullptr : static_cast<const Origin*>(slot.toPrivate());
}

JSObject* new_document_object(JSContext* cx, View document, const Bytes& bytes, bool reference) {
  if (!bytes) return reference ? JS_NewObjectWithGivenProto(cx, nullptr, realm_of(cx).db_ref) : JS_NewPlainObject(cx);
  JS::RootedObject prototype(cx, reference ? realm_of(cx).db_ref.get() : JS::GetRealmObjectPrototype(cx));
  if (!prototype) return nullptr;
  JSObject* object = JS_NewObjectWithGivenProto(cx, &kDocumentClass, prototype);
  if (object == nullptr) return nullptr;
  auto* origin = new Origin{bytes, document, sizeof(Origin) + document.size()};
  JS::AddAssociatedMemory(object, origin->counted, JS::MemoryUse::Embedding1);
  JS::SetReservedSlot(object, kOriginSlot, JS::PrivateValue(origin));
  return object;
}

}  // namespace drover::sandbox::script
