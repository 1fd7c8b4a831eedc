// What prelude.cc builds its types from.
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <js/Object.h>
#include <mozilla/FloatingPoint.h>
#include <sys/random.h>
#include <time.h>

#include "bson/decimal.h"
#include "net/crypto.h"
#include "sandbox/script/objects.h"

namespace drover::sandbox::script {
namespace {

constexpr int kFailedToParse = 9;

bool need_string(JSContext* cx, const JS::CallArgs& args, unsigned index, JS::MutableHandleString out) {
  if (!args.get(index).isString()) return throw_coded(cx, kBadValue, "a string is needed");
  out.set(args.get(index).toString());
  return true;
}

bool native_make(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  const auto whole = [&](unsigned index) {
    std::int32_t number = 0;
    const JS::Value value = args.get(index);
    if (value.isDouble() && mozilla::NumberIsInt32(value.toDouble(), &number)) args[index].setInt32(number);
  };
  if (!args.get(0).isInt32() || args[0].toInt32() < 0 || args[0].toInt32() >= kKinds) return throw_coded(cx, kBadValue, "not a type of BSON's");
  const auto kind = static_cast<Kind>(args[0].toInt32());
  whole(1);
  if (!fits(kind, args.get(1), args.get(2))) return throw_coded(cx, kBadValue, "not a value of its type");
  return set_value(cx, args.rval(), kind, args.get(1), args.get(2));
}

bool native_kind(JSContext*, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  const bool is = args.get(0).isObject() && is_value(&args.get(0).toObject());
  args.rval().setInt32(is ? static_cast<std::int32_t>(kind_of(&args.get(0).toObject())) : -1);
  return true;
}

template <std::uint32_t kSlot>
bool native_slot(JSContext*, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  const bool is = args.get(0).isObject() && is_value(&args.get(0).toObject());
  args.rval().set(is ? JS::GetReservedSlot(&args.get(0).toObject(), kSlot) : JS::UndefinedValue());
  return true;
}

// fail(code, message)
bool native_fail(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  std::string message;
  if (!shown(cx, args.get(1), message)) return false;
  return throw_coded(cx, args.get(0).isInt32() ? args[0].toInt32() : kBadValue, message);
}

bool native_decimal(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  JS::RootedString text(cx);
  std::string utf8;
  if (!need_string(cx, args, 0, &text) || !string_from_js(cx, text, utf8)) return false;
  const auto decimal = bson::decimal_from_string(utf8);
  if (!decimal) return throw_coded(cx, kFailedToParse, fmt::format("Failed to parse '{}' as a decimal", utf8));
  char bytes[16];
  std::memcpy(bytes, &decimal->low, 8);
  std::memcpy(bytes + 8, &decimal->high, 8);
  return bytes_to_js(cx, bytes, sizeof bytes, args.rval());
}

bool native_decimal_text(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  JS::RootedString text(cx);
  std::string bytes;
  if (!need_string(cx, args, 0, &text) || !bytes_from_js(cx, text, bytes) || bytes.size() != 16) return false;
  bson::Decimal128 decimal;
  std::memcpy(&decimal.low, bytes.data(), 8);
  std::memcpy(&decimal.high, bytes.data() + 8, 8);
  return string_to_js(cx, bson::decimal_to_string(decimal), args.rval());
}

bool native_to_base64(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  JS::RootedString text(cx);
  std::string bytes;
  return need_string(cx, args, 0, &text) && bytes_from_js(cx, text, bytes) && string_to_js(cx, net::base64_encode(bytes), args.rval());
}

bool native_from_base64(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  JS::RootedString text(cx);
  std::string utf8;
  if (!need_string(cx, args, 0, &text) || !string_from_js(cx, text, utf8)) return false;
  const auto bytes = net::base64_decode(utf8);
  if (!bytes) return throw_coded(cx, kFailedToParse, "invalid base64");
  return bytes_to_js(cx, bytes->data(), bytes->size(), args.rval());
}

bool native_to_hex(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  JS::RootedString text(cx);
  std::string bytes;
  return need_string(cx, args, 0, &text) && bytes_from_js(cx, text, bytes) && string_to_js(cx, net::hex_encode(bytes), args.rval());
}

bool native_hex_md5(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  if (args.length() != 1) return throw_coded(cx, 16261, "hex_md5 takes a single string argument -- hex_md5(string)");
  if (!args.get(0).isString()) return throw_coded(cx, 16262, "hex_md5 takes a single string argument -- hex_md5(string)");
  JS::RootedString text(cx, args.get(0).toString());
  std::string utf8;
  return string_from_js(cx, text, utf8) && string_to_js(cx, net::hex_encode(net::digest(net::Digest::kMd5, utf8)), args.rval());
}

// The process is ended from outside when the operation is.
bool native_sleep(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  double millis = 0;
  if (args.length() != 1 || !args.get(0).isNumber()) return throw_coded(cx, 16259, "sleep takes a single numeric argument -- sleep(milliseconds)");
  millis = args.get(0).toNumber();
  if (std::isfinite(millis) && millis > 0) {
    const double bounded = std::min(millis, 1e9);
    timespec left{static_cast<time_t>(bounded / 1000), static_cast<long>(std::fmod(bounded, 1000.0) * 1e6)};
    while (::nanosleep(&left, &left) != 0) {
    }
  }
  args.rval().setUndefined();
  return true;
}

bool native_object_id(JSContext* cx, unsigned argc, JS::Value* vp) {
  JS::CallArgs args = JS::CallArgsFromVp(argc, vp);
  std::uint8_t bytes[12];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return throw_coded(cx, kBadValue, "no random numbers");
  const auto seconds = static_cast<std::uint32_t>(::time(nullptr));
  for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(seconds >> (24 - 8 * i));
  return bytes_to_js(cx, bytes, sizeof bytes, args.rval());
}

const JSFunctionSpec kIntrinsics[] = {
    JS_FN("make", native_make, 3, 0),
    JS_FN("kind", native_kind, 1, 0),
    JS_FN("first", native_slot<kFirstSlot>, 1, 0),
    JS_FN("second", native_slot<kSecondSlot>, 1, 0),
    JS_FN("fail", native_fail, 2, 0),
    JS_FN("decimal", native_decimal, 1, 0),
    JS_FN("decimalText", native_decimal_text, 1, 0),
    JS_FN("toBase64", native_to_base64, 1, 0),
    JS_FN("fromBase64", native_from_base64, 1, 0),
    JS_FN("toHex", native_to_hex, 1, 0),
    JS_FN("hexMd5", native_hex_md5, 1, 0),
    JS_FN("sleep", native_sleep, 1, 0),
    JS_FN("newObjectId", native_object_id, 0, 0),
    JS_FS_END,
};

}  // namespace

JSObject* make_intrinsics(JSContext* cx) {
  JS::RootedObject object(cx, JS_NewPlainObject(cx));
  if (!object || !JS_DefineFunctions(cx, object, kIntrinsics)) return nullptr;
  return object;
}

}  // namespace drover::sandbox::script
