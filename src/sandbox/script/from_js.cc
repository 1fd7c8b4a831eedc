// JavaScript to BSON.
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#include <js/Array.h>
#include <js/BigInt.h>
#include <js/Conversions.h>
#include <js/Date.h>
#include <js/PropertyAndElement.h>
#include <js/RegExp.h>
#include <js/RegExpFlags.h>
#include <jsfriendapi.h>

#include "sandbox/script/objects.h"

namespace drover::sandbox::script {

using bson::Builder;
using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

namespace {

constexpr int kMaxDepth = 150;

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

}  // namespace

bool from_js(JSContext* cx, JS::HandleValue value, Builder& out, std::string_view key, bool top) {
  if (!Writer(cx).write(value, out, key, {}, false, top)) return false;
  if (out.size() <= kMaxBytes) return true;
  return throw_coded(cx, 10334, fmt::format("BSONObj size: {} (0x{:X}) is invalid. Size must be between 0 and {}({}MB)", out.size(), out.size(), kMaxBytes, 16));
}

}  // namespace drover::sandbox::script
