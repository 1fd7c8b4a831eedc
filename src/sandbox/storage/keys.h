// Where things are in the store: key spaces and keys. All integers are big-endian, so that byte order is number order.
//
//   meta     "format"           -> version of this layout
//            "ident"            -> next ident (8 bytes)
//            "oplog"            -> bytes written to and removed from the oplog since ever (16 bytes)
//            "c" ident          -> a collection: namespace, uuid, options, indexes (BSON)
//            "n" ident          -> its counters: records, bytes (16 bytes)
//            "m" ident          -> an index's multikey bits (8 bytes)
//   records  ident record-id    -> document
//   index    ident key          -> record id; the _id index, whose keys are unique
//            ident key record-id -> nothing; all others. Uniqueness is checked by looking for the key's prefix.
//   oplog    ts                 -> entry
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bson/document.h"
#include "bson/types.h"
#include "kv/store.h"
#include "sandbox/storage/catalog.h"

namespace drover::sandbox {

inline constexpr kv::KeySpace kMeta = 0;
inline constexpr kv::KeySpace kRecords = 1;
inline constexpr kv::KeySpace kIndexes = 2;
inline constexpr kv::KeySpace kOplog = 3;

inline void append_big_endian(std::string& out, std::uint64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
  out.append(bytes, 8);
}
inline std::string big_endian(std::uint64_t value) {
  std::string out;
  append_big_endian(out, value);
  return out;
}
inline std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

inline std::string record_key(Ident ident, RecordId id) {
  std::string key = big_endian(ident);
  append_big_endian(key, static_cast<std::uint64_t>(id));
  return key;
}
inline std::string index_key(Ident ident, std::string_view encoded) {
  std::string key = big_endian(ident);
  key.append(encoded);
  return key;
}
inline std::string index_entry(Ident ident, std::string_view encoded, RecordId id) {
  std::string key = index_key(ident, encoded);
  append_big_endian(key, static_cast<std::uint64_t>(id));
  return key;
}
inline std::string meta_key(char kind, Ident ident) {
  std::string key(1, kind);
  append_big_endian(key, ident);
  return key;
}
inline std::string_view bytes_of(bson::View document) {
  return {reinterpret_cast<const char*>(document.data()), document.size()};
}
inline bson::View view_of(std::string_view bytes) { return bson::View(reinterpret_cast<const std::uint8_t*>(bytes.data())); }
inline bson::Document document_of(std::string_view bytes) { return bson::Document(view_of(bytes)); }

}  // namespace drover::sandbox
