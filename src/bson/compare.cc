#include "bson/compare.h"

#include <cmath>

#include "bson/collation.h"
#include "bson/decimal.h"

namespace drover::bson {

namespace {

template <typename T>
int three_way(const T& a, const T& b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

int sign(int difference) { return three_way(difference, 0); }

int compare_text(std::string_view a, std::string_view b) { return sign(a.compare(b)); }

int compare_doubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return static_cast<int>(std::isnan(b)) - static_cast<int>(std::isnan(a));
  return three_way(a, b);
}

int compare_int64_to_double(std::int64_t a, double b) {
  if (std::isnan(b) || b < -0x1p63) return 1;
  if (b >= 0x1p63) return -1;
  const auto whole = static_cast<std::int64_t>(b);
  if (a != whole) return three_way(a, whole);
  return three_way(0.0, b - static_cast<double>(whole));
}

// Not by conversion to 34 digits: a double may have more, and order must be transitive.
int compare_double_to_decimal(double a, Decimal128 b) {
  const DoubleFloor floor = decimal_floor_to_double(b);
  if (const int order = compare_doubles(a, floor.value)) return order;
  return floor.exact ? 0 : -1;
}

std::int64_t integer_value(const Element& element) {
  return element.type() == Type::kInt32 ? element.int32_value() : element.int64_value();
}

int compare_binary(const Binary& a, const Binary& b) {
  if (const int order = three_way(a.data.size(), b.data.size())) return order;
  if (const int order = three_way(a.subtype, b.subtype)) return order;
  return a.data.empty() ? 0 : sign(std::memcmp(a.data.data(), b.data.data(), a.data.size()));
}

int compare_regex(const Regex& a, const Regex& b) {
  if (const int order = compare_text(a.pattern, b.pattern)) return order;
  return compare_text(a.options, b.options);
}

int compare_db_pointers(const DbPointer& a, const DbPointer& b) {
  if (const int order = three_way(a.ns.size(), b.ns.size())) return order;
  if (const int order = compare_text(a.ns, b.ns)) return order;
  return three_way(a.id, b.id);
}

// A collation does not reach into a scope.
int compare_code_with_scope(const Element& a, const Element& b) {
  if (const int order = compare_text(a.code_with_scope_code(), b.code_with_scope_code())) return order;
  return compare_documents(a.code_with_scope_scope(), b.code_with_scope_scope());
}

// As documents, but an item's position is its name.
int compare_arrays(View a, View b, const Collator* collator) {
  auto left = a.begin();
  auto right = b.begin();
  for (; left != a.end() && right != b.end(); ++left, ++right) {
    if (const int order = compare_values(*left, *right, collator)) return order;
  }
  return static_cast<int>(left != a.end()) - static_cast<int>(right != b.end());
}

int compare_same_canonical_type(const Element& a, const Element& b, const Collator* collator) {
  switch (a.type()) {
    case Type::kDouble:
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDecimal128: return compare_numbers(a, b);
    case Type::kString:
    case Type::kSymbol:
      if (collator) return collator->compare(a.string_value(), b.string_value());
      return compare_text(a.string_value(), b.string_value());
    case Type::kDocument: return compare_documents(a.document_value(), b.document_value(), collator);
    case Type::kArray: return compare_arrays(a.document_value(), b.document_value(), collator);
    case Type::kBinary: return compare_binary(a.binary_value(), b.binary_value());
    case Type::kObjectId: return sign(std::memcmp(a.value(), b.value(), 12));
    case Type::kBool: return three_way(a.bool_value(), b.bool_value());
    case Type::kDateTime: return three_way(a.date_value(), b.date_value());
    case Type::kTimestamp: return three_way(a.timestamp_value(), b.timestamp_value());
    case Type::kRegex: return compare_regex(a.regex_value(), b.regex_value());
    case Type::kDbPointer: return compare_db_pointers(a.db_pointer_value(), b.db_pointer_value());
    case Type::kCode: return compare_text(a.string_value(), b.string_value());
    case Type::kCodeWithScope: return compare_code_with_scope(a, b);
    case Type::kEnd:
    case Type::kUndefined:
    case Type::kNull:
    case Type::kMinKey:
    case Type::kMaxKey: return 0;
  }
  return 0;
}

}  // namespace

int canonical_type(Type type) {
  switch (type) {
    case Type::kMinKey: return -1;
    case Type::kEnd:
    case Type::kUndefined: return 0;
    case Type::kNull: return 5;
    case Type::kDouble:
    case Type::kInt32:
    case Type::kInt64:
    case Type::kDecimal128: return 10;
    case Type::kString:
    case Type::kSymbol: return 15;
    case Type::kDocument: return 20;
    case Type::kArray: return 25;
    case Type::kBinary: return 30;
    case Type::kObjectId: return 35;
    case Type::kBool: return 40;
    case Type::kDateTime: return 45;
    case Type::kTimestamp: return 47;
    case Type::kRegex: return 50;
    case Type::kDbPointer: return 55;
    case Type::kCode: return 60;
    case Type::kCodeWithScope: return 65;
    case Type::kMaxKey: return 127;
  }
  return 127;
}

int compare_values(const Element& a, const Element& b, const Collator* collator) {
  if (a.type() != b.type()) {
    if (const int order = three_way(canonical_type(a.type()), canonical_type(b.type()))) return order;
  }
  return compare_same_canonical_type(a, b, collator);
}

int compare_documents(View a, View b, const Collator* collator) {
  auto left = a.begin();
  auto right = b.begin();
  for (; left != a.end() && right != b.end(); ++left, ++right) {
    if (const int order = three_way(canonical_type(left->type()), canonical_type(right->type()))) return order;
    if (const int order = compare_text(left->key(), right->key())) return order;
    if (const int order = compare_same_canonical_type(*left, *right, collator)) return order;
  }
  return static_cast<int>(left != a.end()) - static_cast<int>(right != b.end());
}

int compare_numbers(const Element& a, const Element& b) {
  const bool a_decimal = a.type() == Type::kDecimal128;
  const bool b_decimal = b.type() == Type::kDecimal128;
  const bool a_double = a.type() == Type::kDouble;
  const bool b_double = b.type() == Type::kDouble;
  if (a_decimal && b_decimal) return decimal_compare(a.decimal_value(), b.decimal_value());
  if (a_double && b_double) return compare_doubles(a.double_value(), b.double_value());
  if (a_double && b_decimal) return compare_double_to_decimal(a.double_value(), b.decimal_value());
  if (a_decimal && b_double) return -compare_double_to_decimal(b.double_value(), a.decimal_value());
  if (a_decimal) return decimal_compare(a.decimal_value(), decimal_from_int64(integer_value(b)));
  if (b_decimal) return decimal_compare(decimal_from_int64(integer_value(a)), b.decimal_value());
  if (b_double) return compare_int64_to_double(integer_value(a), b.double_value());
  if (a_double) return -compare_int64_to_double(integer_value(b), a.double_value());
  return three_way(integer_value(a), integer_value(b));
}

}  // namespace drover::bson
