#include "sandbox/script/values.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#include <js/Array.h>
#include <js/BigInt.h>
#include <js/CharacterEncoding.h>
#include <js/Conversions.h>
#include <js/Date.h>
#include <js/Exception.h>
#include <js/MemoryFunctions.h>
#include <js/Object.h>
#include <js/PropertyAndElement.h>
#include <js/RegExp.h>
#include <js/RegExpFlags.h>
#include <js/StableStringChars.h>
#include <js/String.h>
#include <jsfriendapi.h>
#include <mozilla/FloatingPoint.h>
#include <sys/random.h>
#include <time.h>

#include "bson/decimal.h"
#include "net/crypto.h"

namespace drover::sandbox::script {

using bson::Builder;
using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

namespace {

constexpr int kMaxDepth = 150;
constexpr std::size_t kMaxBytes = 16 * 1024 * 1024 + 16 * 1024;
constexpr int kBadValue = 2;
constexpr int kFailedToParse = 9;
constexpr std::size_t kObjectIdBytes = 12, kDecimalBytes = 16;

// ---- objects of BSON's own types ----

constexpr std::uint32_t kKindSlot = 0, kFirstSlot = 1, kSecondSlot = 2;
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

// What the slots of a kind may hold. The prelude passes on what scripts gave it, through functions that scripts can change.
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

// Bytes as a string of characters up to 255.
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

// ---- objects that came from documents ----

struct Origin {
  Bytes bytes;
  View document;
  std::size_t counted;
};
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
  JS::RegExpFlags flags;
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

// ---- JavaScript to BSON ----

class Writer {
 public:
  explicit Writer(JSContext* cx) : cx_(cx) {}

  bool write(JS::HandleValue value, Builder& out, std::string_view key, const Element& guide, bool whole_guide, bool top) {
    if (!count(key.size() + 2)) return false;
    if (key.find('\0') != std::string_view::npos) {
      return throw_coded(cx_, 16985, "JavaScript property (name) contains a null char which is not allowed in BSON. ");
    }
    if (value.isString()) {
      JS::RootedString text(cx_, value.toString());
      std::string utf8;
      if (!string_from_js(cx_, text, utf8) || !count(utf8.size())) return false;
      out.append(key, utf8);
      return true;
    }
    if (value.isNumber()) return number(value.toNumber(), out, key, guide);
    if (value.isBoolean()) return out.append(key, value.toBoolean()), true;
    if (value.isUndefined()) return out.append(key, bson::Undefined{}), true;
    if (value.isNull()) return out.append(key, bson::Null{}), true;
    if (value.isObject()) {
      JS::RootedObject object(cx_, &value.toObject());
      return write_object(object, out, key, guide, whole_guide, top);
    }
    return throw_coded(cx_, 16662, fmt::format("unable to convert JavaScript property to mongo element {}", key));
  }

 private:
  bool count(std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ <= kMaxBytes) return true;
    return throw_coded(cx_, 10334, fmt::format("BSONObj size: {} (0x{:X}) is invalid. Size must be between 0 and {}({}MB)", bytes_, bytes_,
                                               kMaxBytes, 16));
  }

  static bool number(double value, Builder& out, std::string_view key, const Element& guide) {
    const bool fits = value >= std::numeric_limits<std::int32_t>::min() && value <= std::numeric_limits<std::int32_t>::max();
    if (guide.type() == Type::kInt32 && fits && value == std::trunc(value)) {
      out.append(key, static_cast<std::int32_t>(value));
    } else {
      out.append(key, value);
    }
    return true;
  }

  bool write_object(JS::HandleObject object, Builder& out, std::string_view key, const Element& guide, bool whole_guide, bool top) {
    if (is_value(object)) return own_type(object, out, key);
    if (JS_ObjectIsFunction(object)) return function(object, out, key);
    bool is = false;
    if (!JS::ObjectIsRegExp(cx_, object, &is)) return false;
    if (is) return regex(object, out, key, whole_guide ? guide : Element());
    if (!JS::ObjectIsDate(cx_, object, &is)) return false;
    if (is) return date(object, out, key);
    if (!JS::IsArrayObject(cx_, object, &is)) return false;
    if (++depth_ > kMaxDepth) {
      return throw_coded(cx_, 17279, fmt::format("Exceeded depth limit of {} when converting js object to BSON. Do you have a cycle?", kMaxDepth));
    }
    const bool done = is ? array(object, out, key, guide, whole_guide) : document(object, out, key, whole_guide, top);
    --depth_;
    return done;
  }

  bool own_type(JS::HandleObject object, Builder& out, std::string_view key) {
    const JS::RootedValue first(cx_, JS::GetReservedSlot(object, kFirstSlot));
    const JS::RootedValue second(cx_, JS::GetReservedSlot(object, kSecondSlot));
    if (!fits(kind_of(object), first, second)) return throw_coded(cx_, kBadValue, "not a value of its type");
    std::string a, b;
    const auto text = [&](const JS::Value& value, std::string& into) {
      JS::RootedString string(cx_, value.toString());
      return string_from_js(cx_, string, into);
    };
    switch (kind_of(object)) {
      case Kind::kObjectId: {
        if (!bytes(first, a)) return false;
        bson::ObjectId id;
        std::memcpy(id.bytes.data(), a.data(), std::min(a.size(), id.bytes.size()));
        out.append(key, id);
        return true;
      }
      case Kind::kLong: out.append(key, JS::ToBigInt64(first.toBigInt())); return true;
      case Kind::kInt: out.append(key, first.toInt32()); return true;
      case Kind::kDecimal: {
        if (!bytes(first, a)) return false;
        bson::Decimal128 decimal;
        if (a.size() == 16) {
          std::memcpy(&decimal.low, a.data(), 8);
          std::memcpy(&decimal.high, a.data() + 8, 8);
        }
        out.append(key, decimal);
        return true;
      }
      case Kind::kTimestamp:
        out.append(key, bson::Timestamp{static_cast<std::uint32_t>(first.toNumber()), static_cast<std::uint32_t>(second.toNumber())});
        return true;
      case Kind::kBinary: {
        if (!bytes(second, b) || !count(b.size())) return false;
        out.append(key, bson::Binary{static_cast<std::uint8_t>(first.toInt32()), {reinterpret_cast<const std::uint8_t*>(b.data()), b.size()}});
        return true;
      }
      case Kind::kMinKey: out.append(key, bson::MinKey{}); return true;
      case Kind::kMaxKey: out.append(key, bson::MaxKey{}); return true;
      case Kind::kDbPointer: {
        if (!text(first, a) || !bytes(second, b)) return false;
        bson::ObjectId id;
        std::memcpy(id.bytes.data(), b.data(), std::min(b.size(), id.bytes.size()));
        return raw_db_pointer(out, key, a, id);
      }
      case Kind::kCode: return code(first, second, out, key);
      case Kind::kRegex:
        if (!text(first, a) || !text(second, b)) return false;
        out.append(key, bson::Regex{a, b});
        return true;
    }
    return true;
  }

  bool bytes(const JS::Value& value, std::string& into) {
    JS::RootedString string(cx_, value.toString());
    return bytes_from_js(cx_, string, into);
  }

  static void put_int32(std::vector<std::uint8_t>& out, std::size_t value) {
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  static void put_string(std::vector<std::uint8_t>& out, std::string_view text) {
    put_int32(out, text.size() + 1);
    out.insert(out.end(), text.begin(), text.end());
    out.push_back(0);
  }
  // A field of a type that the builder has no form for.
  static void append_bytes(Builder& out, std::string_view key, Type type, const std::vector<std::uint8_t>& value) {
    std::vector<std::uint8_t> document;
    put_int32(document, 4 + 1 + 1 + value.size() + 1);
    document.push_back(static_cast<std::uint8_t>(type));
    document.push_back(0);
    document.insert(document.end(), value.begin(), value.end());
    document.push_back(0);
    out.append(key, View(document.data()).first());
  }

  static bool raw_db_pointer(Builder& out, std::string_view key, const std::string& ns, const bson::ObjectId& id) {
    std::vector<std::uint8_t> value;
    put_string(value, ns);
    value.insert(value.end(), id.bytes.begin(), id.bytes.end());
    append_bytes(out, key, Type::kDbPointer, value);
    return true;
  }

  bool code(JS::HandleValue text, JS::HandleValue scope, Builder& out, std::string_view key) {
    std::string source;
    JS::RootedString string(cx_, text.toString());
    if (!string_from_js(cx_, string, source) || !count(source.size())) return false;
    Document wrapped;
    if (scope.isObject()) {
      Builder inner;
      if (!write(scope, inner, "", {}, false, false)) return inner.close(), false;
      wrapped = std::move(inner).finish();
    }
    if (!wrapped.view().first().is_document()) {  // an array, or a value of BSON's, is no scope
      out.append(key, bson::Code{source});
      return true;
    }
    const auto scope_bytes = wrapped.view().first().value_bytes();
    std::vector<std::uint8_t> value;
    put_int32(value, 4 + 4 + source.size() + 1 + scope_bytes.size());
    put_string(value, source);
    value.insert(value.end(), scope_bytes.begin(), scope_bytes.end());
    append_bytes(out, key, Type::kCodeWithScope, value);
    return true;
  }

  bool function(JS::HandleObject object, Builder& out, std::string_view key) {
    JS::RootedFunction function(cx_, JS_GetObjectFunction(object));
    if (!function || JS_GetFunctionScript(cx_, function) == nullptr) return throw_coded(cx_, 16716, "cannot convert native function to BSON");
    JS::RootedString text(cx_, JS_DecompileFunction(cx_, function));
    std::string source;
    if (!text || !string_from_js(cx_, text, source) || !count(source.size())) return false;
    out.append(key, bson::Code{source});
    return true;
  }

  // Its text is that of a literal, "a\/b" and "(?:)"; one that came from a document and is `guide` still has the document's.
  bool regex(JS::HandleObject object, Builder& out, std::string_view key, const Element& guide) {
    JS::RootedString source(cx_, JS::GetRegExpSource(cx_, object));
    std::string pattern;
    if (!source || !string_from_js(cx_, source, pattern)) return false;
    const JS::RegExpFlags flags = JS::GetRegExpFlags(cx_, object);
    std::string options;
    if (flags.global()) options += 'g';
    if (flags.ignoreCase()) options += 'i';
    if (flags.multiline()) options += 'm';
    if (flags.dotAll()) options += 's';
    if (flags.unicode()) options += 'u';
    if (flags.sticky()) options += 'y';
    if (guide.type() != Type::kRegex || guide.regex_value().pattern != pattern || guide.regex_value().options != options) {
      JS::RootedValue literal(cx_), getter(cx_, realm_of(cx_).regexp_source);
      if (!JS::Call(cx_, object, getter, JS::HandleValueArray::empty(), &literal)) return false;
      if (!literal.isString()) return throw_coded(cx_, kBadValue, "a regular expression has no text");
      source = literal.toString();
      if (!string_from_js(cx_, source, pattern)) return false;
    }
    if (!count(pattern.size())) return false;
    if (pattern.find('\0') != std::string::npos) return throw_coded(cx_, kBadValue, "a regular expression that contains a null char is not allowed in BSON");
    out.append(key, bson::Regex{pattern, options});
    return true;
  }

  bool date(JS::HandleObject object, Builder& out, std::string_view key) {
    double millis = 0;
    if (!js::DateGetMsecSinceEpoch(cx_, object, &millis)) return false;
    out.append(key, bson::DateTime{std::isfinite(millis) ? static_cast<std::int64_t>(millis) : 0});
    return true;
  }

  bool array(JS::HandleObject object, Builder& out, std::string_view key, const Element& guide, bool whole_guide) {
    std::uint32_t length = 0;
    if (!JS::GetArrayLength(cx_, object, &length)) return false;
    auto items = out.open_array(key);
    const bool guided = whole_guide && guide.is_array();
    auto guides = guided ? guide.document_value().begin() : View::Iterator();
    JS::RootedValue value(cx_);
    for (std::uint32_t i = 0; i < length; ++i) {
      Element item_guide;
      if (guided && guides != View::Iterator()) item_guide = *guides++;
      if (!JS_GetElement(cx_, object, i, &value)) return false;
      if (!item(value, items, item_guide, whole_guide)) return false;
    }
    return true;
  }

  // Each goes through a builder of its own, for the array's numbers its items itself.
  bool item(JS::HandleValue value, bson::ArrayBuilder& items, const Element& guide, bool whole_guide) {
    Builder one;
    if (!count(5)) return false;  // the least of what an item's number takes
    if (!write(value, one, "", guide, whole_guide, false)) return false;
    items.append(std::move(one).finish().view().first());
    return true;
  }

  bool document(JS::HandleObject object, Builder& out, std::string_view key, bool whole_guide, bool top) {
    const Origin* origin = origin_of(object);
    if (origin != nullptr && !whole_guide) {
      // Is it what it was?
      const std::size_t before = bytes_;
      Builder same;
      if (!fields(object, same, "", origin, true, false)) return false;
      const auto wrapped = std::move(same).finish();
      if (wrapped.view().first().document_value().same_bytes(origin->document) && !top) {
        out.append(key, origin->document);
        return true;
      }
      if (wrapped.view().first().document_value().same_bytes(origin->document)) return append_top(out, key, origin->document);
      bytes_ = before;
    }
    return fields(object, out, key, origin, whole_guide, top);
  }

  static bool append_top(Builder& out, std::string_view key, View document) {
    const Element id = document["_id"];
    auto nested = out.open_document(key);
    if (id) nested.append_raw(id);
    for (const Element& field : document) {
      if (field.key() != "_id") nested.append_raw(field);
    }
    return true;
  }

  bool fields(JS::HandleObject object, Builder& out, std::string_view key, const Origin* origin, bool whole_guide, bool top) {
    JS::Rooted<JS::IdVector> ids(cx_, JS::IdVector(cx_));
    if (!JS_Enumerate(cx_, object, &ids)) return false;
    auto nested = out.open_document(key);
    JS::RootedValue value(cx_), name(cx_);
    JS::RootedId id(cx_);
    std::string field;
    const auto put = [&](std::size_t i, bool want_id) {
      id = ids[i];
      if (id.isSymbol()) return true;
      if (!JS_IdToValue(cx_, id, &name)) return false;
      JS::RootedString text(cx_, JS::ToString(cx_, name));
      if (!text || !string_from_js(cx_, text, field)) return false;
      if (top && (field == "_id") != want_id) return true;
      if (!JS_GetPropertyById(cx_, object, id, &value)) return false;
      const Element guide = origin != nullptr ? origin->document[field] : Element();
      return write(value, nested, field, guide, whole_guide, false);
    };
    for (int pass = top ? 0 : 1; pass < 2; ++pass) {
      for (std::size_t i = 0; i < ids.length(); ++i) {
        if (!put(i, pass == 0)) return false;
      }
    }
    return true;
  }

  JSContext* cx_;
  std::size_t bytes_ = 0;
  int depth_ = 0;
};

// ---- what the prelude is made of ----

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

bool from_js(JSContext* cx, JS::HandleValue value, Builder& out, std::string_view key, bool top) {
  if (!Writer(cx).write(value, out, key, {}, false, top)) return false;
  if (out.size() <= kMaxBytes) return true;
  return throw_coded(cx, 10334, fmt::format("BSONObj size: {} (0x{:X}) is invalid. Size must be between 0 and {}({}MB)", out.size(), out.size(), kMaxBytes, 16));
}

JSObject* make_intrinsics(JSContext* cx) {
  JS::RootedObject object(cx, JS_NewPlainObject(cx));
  if (!object || !JS_DefineFunctions(cx, object, kIntrinsics)) return nullptr;
  return object;
}

}  // namespace drover::sandbox::script
