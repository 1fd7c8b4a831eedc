// BSON and JavaScript's values, as a server's functions see them. Names SpiderMonkey: only for this directory's source files.
//
// Numbers of 32 bits and doubles are plain numbers; everything else that JavaScript has no type for (NumberLong, ObjectId, BinData, ...) is
// an object of one class, whose slots hold what it is and its value, and whose prototype comes from prelude.cc. What is in the slots cannot
// be changed by scripts. Code becomes a function.
//
// On the way back plain numbers are doubles, whole or not. Where an object came from a document and is as it was, it goes back with the
// bytes that it had; where it was changed, its own fields that were 32-bit integers stay such while they are whole. Objects nest 150 deep.
//
// All functions return false with an exception pending. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <jsapi.h>

#include "bson/builder.h"
#include "bson/document.h"

namespace drover::sandbox::script {

// What an object of the class for BSON's own types is: the first slot. The order is the prelude's.
enum class Kind : std::int32_t { kObjectId, kLong, kInt, kDecimal, kTimestamp, kBinary, kMinKey, kMaxKey, kDbPointer, kCode, kRegex };
inline constexpr int kKinds = 11;

// The bytes that documents came in, kept for as long as objects made from them live.
using Bytes = std::shared_ptr<const std::vector<std::uint8_t>>;

// What belongs to one global object: the prototypes, and errors that carry a server's code.
struct Realm {
  JS::PersistentRootedObject global;
  JS::PersistentRootedObject prototypes[kKinds];
  JS::PersistentRootedObject db_ref;         // prototype
  JS::PersistentRootedValue regexp_source;   // the getter of RegExp's `source`
  JS::PersistentRootedValue coded_error;     // the last that was thrown by throw_coded
  int code = 0;
  std::string message;
  std::function<bool(JSContext*, std::string_view source, JS::MutableHandleValue)> make_function;
};
Realm& realm_of(JSContext* cx);

extern const JSClass kGlobalClass;  // its first slot is the Realm

// An error with a code of the server's.
bool throw_coded(JSContext* cx, int code, const std::string& message);

bool string_to_js(JSContext* cx, std::string_view text, JS::MutableHandleValue out);
bool string_from_js(JSContext* cx, JS::HandleString text, std::string& out);
// The most that a value may take as BSON, or a string in it.
inline constexpr std::size_t kMaxBytes = 16 * 1024 * 1024 + 16 * 1024;
inline constexpr int kBadValue = 2;  // the code of what is of a wrong type or form

// As String(value): may run scripts.
bool shown(JSContext* cx, JS::HandleValue value, std::string& out);

// `bytes`, where they are given, are those that the element lies in: its documents can then go back as they came.
bool to_js(JSContext* cx, const bson::Element& element, const Bytes& bytes, JS::MutableHandleValue out);
bool document_to_js(JSContext* cx, bson::View document, const Bytes& bytes, JS::MutableHandleValue out);

// Appends under `key`. Over 16 MB in all: 10334. `top`: an object's _id comes first.
bool from_js(JSContext* cx, JS::HandleValue value, bson::Builder& out, std::string_view key, bool top);

// What prelude.cc builds its types from: make(kind, a, b), kind(value), first(object), second(object), and the encodings. Put into an object.
JSObject* make_intrinsics(JSContext* cx);

}  // namespace drover::sandbox::script
