#include "bson/random_values.h"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "bson/decimal.h"

namespace drover::bson {

namespace {

constexpr int kMaxDepth = 3;

Value value_of(Builder builder) { return Value(std::move(builder).finish().view().first()); }

}  // namespace

Value RandomValues::next() {
  Builder builder;
  append_any(builder, "", 0);
  return value_of(std::move(builder));
}

Value RandomValues::number() {
  Builder builder;
  append_number(builder, "");
  return value_of(std::move(builder));
}

Document RandomValues::document() {
  Builder builder;
  append_fields(builder, 0);
  return std::move(builder).finish();
}

Value RandomValues::near(const Value& value) {
  const Element element = value.element();
  if (below(8) == 0) return next();
  if (below(4) == 0) return value;
  Builder builder;
  if (element.is_number()) {
    append_near_number(builder, element);
  } else if (element.is_string()) {
    std::string changed(element.string_value());
    if (!changed.empty() && below(2)) changed[below(changed.size())] = static_cast<char>(below(4));
    else changed += static_cast<char>(below(3));
    builder.append("", changed);
  } else if (element.is_document() || element.is_array()) {
    Builder changed;
    for (const Element& field : element.document_value()) {
      if (below(3)) changed.append_raw(field);
      else changed.append(below(2) ? field.key() : "a", near(Value(field)));
    }
    const Document document = std::move(changed).finish();
    if (element.is_array()) builder.append("", ArrayView{document});
    else builder.append("", document);
  } else {
    return next();
  }
  return value_of(std::move(builder));
}

void RandomValues::append_near_number(Builder& builder, const Element& number) {
  const Decimal128 exact = number.type() == Type::kDecimal128 ? number.decimal_value()
                           : number.type() == Type::kDouble   ? decimal_from_double(number.double_value())
                                                              : decimal_from_int64(*number.to_int64());
  const double real = *number.to_double();
  switch (below(7)) {
    case 0: builder.append("", real); return;
    case 1: builder.append("", std::nextafter(real, below(2) ? INFINITY : -INFINITY)); return;
    case 2: builder.append("", exact); return;
    case 3: builder.append("", decimal_add(exact, *decimal_from_string(below(2) ? "0.5" : "1E-20"))); return;
    case 4: builder.append("", decimal_multiply(exact, *decimal_from_string("1.000000000000000000000000000000001"))); return;
    default: {
      const auto whole = number.to_int64().value_or(integer());
      const auto moved = static_cast<std::int64_t>(static_cast<std::uint64_t>(whole) + below(3) - 1);
      builder.append("", moved);
    }
  }
}

std::int64_t RandomValues::integer() {
  constexpr std::int64_t kEdges[] = {0, 1, -1, INT32_MAX, INT32_MIN, std::int64_t{1} << 53, -(std::int64_t{1} << 53),
                                     INT64_MAX, INT64_MIN};
  if (below(3) == 0) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(kEdges[below(std::size(kEdges))]) + below(5) - 2);
  }
  return static_cast<std::int64_t>(random_()) >> below(64);
}

double RandomValues::real() {
  constexpr double kEdges[] = {0.0, -0.0, 0.1, 0x1p53, -0x1p53, 0x1p63, -0x1p63, 5e-324, -5e-324, 1.7976931348623157e308,
                               INFINITY, -INFINITY, NAN};
  switch (below(4)) {
    case 0: return kEdges[below(std::size(kEdges))];
    case 1: return static_cast<double>(integer());
    case 2: return std::bit_cast<double>(random_());
    default: return static_cast<double>(integer()) / 10;
  }
}

Decimal128 RandomValues::decimal() {
  switch (below(4)) {
    case 0: return decimal_from_int64(integer());
    case 1: return decimal_from_double(real());
    case 2: return {random_(), random_()};
    default:
      return *decimal_from_string(std::to_string(integer()) + std::to_string(below(1'000'000)) + "E" +
                                  std::to_string(static_cast<int>(below(40)) - 35));
  }
}

std::string RandomValues::text() {
  constexpr std::string_view kLetters[] = {"a", "b", "A", "\x00", "\x01", "\x02", "\xff", "é", "e", "0", "10", " "};
  std::string text;
  for (auto length = below(5); length > 0; --length) {
    const auto letter = below(std::size(kLetters));
    text += letter == 3 ? std::string(1, '\0') : std::string(kLetters[letter]);
  }
  return text;
}

void RandomValues::append_number(Builder& builder, std::string_view key) {
  switch (below(4)) {
    case 0: builder.append(key, static_cast<std::int32_t>(integer())); return;
    case 1: builder.append(key, integer()); return;
    case 2: builder.append(key, real()); return;
    default: builder.append(key, decimal());
  }
}

void RandomValues::append_fields(Builder& builder, int depth) {
  constexpr std::string_view kNames[] = {"a", "b", "ab", "", "\x01"};
  for (auto count = below(4); count > 0; --count) append_any(builder, kNames[below(std::size(kNames))], depth + 1);
}

void RandomValues::append_any(Builder& builder, std::string_view key, int depth) {
  const auto object_id = [&] {
    ObjectId id;
    for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(below(3) * 127);
    return id;
  };
  switch (below(depth < kMaxDepth ? 24 : 20)) {
    case 0: builder.append(key, MinKey{}); return;
    case 1: builder.append(key, MaxKey{}); return;
    case 2: builder.append(key, Null{}); return;
    case 3: builder.append(key, Undefined{}); return;
    case 4: builder.append(key, below(2) == 1); return;
    case 5: builder.append(key, object_id()); return;
    case 6: builder.append(key, DateTime{integer()}); return;
    case 7: builder.append(key, Timestamp::from_value(static_cast<std::uint64_t>(integer()))); return;
    case 8: builder.append(key, Regex{below(2) ? "a" : "a\x01", below(2) ? "i" : ""}); return;
    case 9: builder.append(key, Code{below(2) ? "f" : "f\x01"}); return;
    case 10: {
      const std::string bytes = text();
      builder.append(key, Binary{static_cast<std::uint8_t>(below(3)),
                                 {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}});
      return;
    }
    case 11:
    case 12:
    case 13: builder.append(key, text()); return;
    case 20:
    case 21: {
      auto child = builder.open_document(key);
      append_fields(child, depth);
      return;
    }
    case 22:
    case 23: {
      ArrayBuilder child = builder.open_array(key);
      for (auto count = below(4); count > 0; --count) {
        Builder item;
        append_any(item, "", depth + 1);
        child.append(value_of(std::move(item)));
      }
      return;
    }
    default: append_number(builder, key);
  }
}

}  // namespace drover::bson
