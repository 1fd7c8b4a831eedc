// For tests: random BSON values of every type, rich in the edges where orders break. A seed gives the same values.
#pragma once

#include <random>
#include <string>

#include "bson/builder.h"
#include "bson/document.h"

namespace drover::bson {

class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : random_(seed) {}

  Value next();
  Value number();
  // Often equal or close to `value`: the same number in another type, the next number, one byte changed.
  Value near(const Value& value);
  Document document();
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

 private:
  void append_any(Builder& builder, std::string_view key, int depth);
  void append_number(Builder& builder, std::string_view key);
  void append_near_number(Builder& builder, const Element& number);
  void append_fields(Builder& builder, int depth);
  std::int64_t integer();
  double real();
  Decimal128 decimal();
  std::string text();

  std::mt19937_64 random_;
};

}  // namespace drover::bson
