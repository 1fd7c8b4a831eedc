#include "sandbox/query/hashed_key.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include "bson/compare.h"
#include "bson/decimal.h"
#include "net/crypto.h"

namespace drover::sandbox::query {

namespace {

using bson::Element;
using bson::Type;

// Towards zero; what lies outside is the nearest that there is, and NaN zero.
std::int64_t whole_part(const Element& number) {
  if (number.type() == Type::kInt32 || number.type() == Type::kInt64) return number.to_int64().value_or(0);
  if (number.type() == Type::kDecimal128) {
    if (bson::decimal_is_nan(number.decimal_value())) return 0;
    if (const auto whole = bson::decimal_to_int64(number.decimal_value())) return *whole;
    return number.to_double().value_or(0) < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
  }
  const double value = number.double_value();
  if (std::isnan(value)) return 0;
  if (value >= 9223372036854775808.0) return std::numeric_limits<std::int64_t>::max();
  if (value < -9223372036854775808.0) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(value);
}

template <typename T>
void add_number(net::Hasher& hasher, T number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  hasher.add(std::string_view(bytes, sizeof bytes));
}

void add(net::Hasher& hasher, const Element& value, bool with_name);

void add_fields(net::Hasher& hasher, bson::View fields) {
  for (const Element& field : fields) add(hasher, field, true);
  add_number(hasher, std::int32_t{0});  // their end
}

void add(net::Hasher& hasher, const Element& value, bool with_name) {
  add_number(hasher, bson::canonical_type(value.type()));
  if (with_name) {
    hasher.add(value.key());
    hasher.add(std::string_view("\0", 1));
  }
  if (value.is_number()) {
    add_number(hasher, whole_part(value));
  } else if (value.is_document() || value.is_array()) {
    add_fields(hasher, value.document_value());
  } else if (value.type() == Type::kCodeWithScope) {
    hasher.add(value.code_with_scope_code());
    hasher.add(std::string_view("\0", 1));
    add_fields(hasher, value.code_with_scope_scope());
  } else {
    const auto bytes = value.value_bytes();
    hasher.add(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
}

}  // namespace

std::int64_t hashed_key(const Element& value) {
  net::Hasher hasher(net::Digest::kMd5);
  add_number(hasher, std::int32_t{0});  // the seed of every index
  add(hasher, value, false);
  const auto digest = std::move(hasher).finish();
  std::int64_t key = 0;
  std::memcpy(&key, digest.data(), sizeof key);
  return key;
}

}  // namespace drover::sandbox::query
