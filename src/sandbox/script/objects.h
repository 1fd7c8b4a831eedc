// The objects that stand for BSON's values in a script: those of BSON's own types, and those that were made from a document and remember it.
// Only for this directory's source files. All functions return false, or null, with an exception pending. One thread.
#pragma once

#include "sandbox/script/values.h"

namespace drover::sandbox::script {

inline constexpr std::size_t kObjectIdBytes = 12, kDecimalBytes = 16;

// What an object of the class for BSON's own types holds.
inline constexpr std::uint32_t kKindSlot = 0, kFirstSlot = 1, kSecondSlot = 2;
bool is_value(JSObject* object);
Kind kind_of(JSObject* object);

// What the slots of a kind may hold. The prelude passes on what scripts gave it, through functions that scripts can change.
bool fits(Kind kind, const JS::Value& first, const JS::Value& second);

bool set_value(JSContext* cx, JS::MutableHandleValue out, Kind kind, JS::HandleValue first, JS::HandleValue second);

// Bytes as a string of characters up to 255.
bool bytes_to_js(JSContext* cx, const void* data, std::size_t size, JS::MutableHandleValue out);
bool bytes_from_js(JSContext* cx, JS::HandleString text, std::string& out);

// Where an object came from. It holds the bytes.
struct Origin {
  Bytes bytes;
  bson::View document;
  std::size_t counted;  // bytes that the garbage collector was told of
};

// Null where it came from no document.
const Origin* origin_of(JSObject* object);

// An empty object for `document`; with `bytes` it remembers it. `reference`: with the prototype of DBRef.
JSObject* new_document_object(JSContext* cx, bson::View document, const Bytes& bytes, bool reference);

}  // namespace drover::sandbox::script
