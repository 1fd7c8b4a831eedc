#include "sandbox/query/schema_encrypt.h"

#include <fmt/core.h>

#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;

namespace {

constexpr std::uint8_t kEncryptedSubtype = 6;
constexpr std::uint8_t kUuidSubtype = 4;
// How an encrypted value begins: its kind, the key's UUID, the type that it had.
constexpr std::size_t kHeaderBytes = 18;
constexpr std::size_t kTypeAt = 17;
constexpr int kDeterministic = 1, kRandom = 2;

Status check_algorithm(const Element& keyword, const Element& algorithm) {
  if (!algorithm.is_string()) {
    return bad(code::kTypeMismatch, fmt::format("BSON field '{}.algorithm' is the wrong type '{}', expected type 'string'", keyword.key(), bson::type_name(algorithm.type())));
  }
  const auto name = algorithm.string_value();
  if (name == "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic" || name == "AEAD_AES_256_CBC_HMAC_SHA_512-Random") return {};
  return bad(code::kBadValue, fmt::format("Enumeration value '{}' for field '{}.algorithm' is not a valid value.", name, keyword.key()));
}

// A pointer to the field of the document that has it, or a list of UUIDs.
Status check_key_id(const Element& key_id) {
  if (key_id.is_string()) return {};
  if (!key_id.is_array()) {
    return bad(51085, fmt::format("Expected either string or array of UUID for EncryptSchemaKeyId, found {}", bson::type_name(key_id.type())));
  }
  for (const Element& item : key_id.document_value()) {
    const bool uuid = item.type() == Type::kBinary && item.binary_value().subtype == kUuidSubtype;
    if (!uuid) return bad(51084, fmt::format("Array elements must have type UUID, found {}", bson::type_name(item.type())));
  }
  return {};
}

Status check_object(const Element& keyword) {
  if (keyword.is_document()) return {};
  return bad(code::kTypeMismatch, fmt::format("$jsonSchema keyword '{}' must be an object ", keyword.key()));
}

tl::unexpected<Error> unknown(const Element& keyword, const Element& field) {
  return bad(40415, fmt::format("BSON field '{}.{}' is an unknown field.", keyword.key(), field.key()));
}

}  // namespace

Result<std::optional<TypeSet>> parse_encrypt(const Element& keyword) {
  TRY(check_object(keyword));
  std::optional<TypeSet> types;
  for (const Element& field : keyword.document_value()) {
    if (field.key() == "bsonType") types = TRY(parse_type_set(field, "bsonType"));
    else if (field.key() == "algorithm") TRY(check_algorithm(keyword, field));
    else if (field.key() == "keyId") TRY(check_key_id(field));
    else return unknown(keyword, field);
  }
  return types;
}

Status check_encrypt_metadata(const Element& keyword) {
  TRY(check_object(keyword));
  if (keyword.document_value().empty()) {
    return bad(code::kFailedToParse, fmt::format("$jsonSchema keyword '{}' cannot be an empty object ", keyword.key()));
  }
  for (const Element& field : keyword.document_value()) {
    if (field.key() == "algorithm") TRY(check_algorithm(keyword, field));
    else if (field.key() == "keyId") TRY(check_key_id(field));
    else return unknown(keyword, field);
  }
  return {};
}

bool is_encrypted(const Element& value) { return value.type() == Type::kBinary && value.binary_value().subtype == kEncryptedSubtype; }

bool is_encrypted_from(const Element& value, const TypeSet& types) {
  if (!is_encrypted(value)) return false;
  const auto bytes = value.binary_value().data;
  if (bytes.size() < kHeaderBytes) return false;
  const auto kind = static_cast<int>(bytes[0]);
  if (kind != kDeterministic && kind != kRandom) return false;
  const auto type = type_from_code(static_cast<std::int8_t>(bytes[kTypeAt]));
  return type && types.contains(*type);
}

}  // namespace drover::sandbox::query
