#include "sandbox/query/granularity.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/core.h>

#include "bson/decimal.h"
#include "sandbox/query/errors.h"

namespace drover::sandbox::query {

namespace {

// ISO 3 (with the rounding that the server has chosen, and without R40's 335) and IEC 60063.
constexpr double kR5[] = {10, 16, 25, 40, 63};
constexpr double kR10[] = {100, 125, 160, 200, 250, 315, 400, 500, 630, 800};
constexpr double kR20[] = {100, 112, 125, 140, 160, 180, 200, 224, 250, 280, 315, 355, 400, 450, 500, 560, 630, 710, 800, 900};
constexpr double kR40[] = {100, 106, 112, 118, 125, 132, 140, 150, 160, 170, 180, 190, 200, 212, 224, 236, 250, 265, 280, 300,
                           315, 355, 375, 400, 425, 450, 475, 500, 530, 560, 600, 630, 670, 710, 750, 800, 850, 900, 950};
constexpr double kR80[] = {103, 109, 115, 122, 128, 136, 145, 155, 165, 175, 185, 195, 206, 218, 230, 243, 258, 272, 290, 307,
                           325, 345, 365, 387, 412, 437, 462, 487, 515, 545, 575, 615, 650, 690, 730, 775, 825, 875, 925, 975};
constexpr double k125[] = {10, 20, 50};
constexpr double kE6[] = {10, 15, 22, 33, 47, 68};
constexpr double kE12[] = {10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82};
constexpr double kE24[] = {10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91};
constexpr double kE48[] = {100, 105, 110, 115, 121, 127, 133, 140, 147, 154, 162, 169, 178, 187, 196, 205, 215, 226, 237, 249, 261, 274, 287, 301,
                           316, 332, 348, 365, 383, 402, 422, 442, 464, 487, 511, 536, 562, 590, 619, 649, 681, 715, 750, 787, 825, 866, 909, 953};

// E96 and E192: the powers of their root, to three digits. The one exception of IEC 60063 is 920 for 919.
template <std::size_t N>
std::array<double, N> e_series() {
  std::array<double, N> values{};
  for (std::size_t i = 0; i < N; ++i) values[i] = std::round(100 * std::pow(10, static_cast<double>(i) / N));
  for (auto& value : values) {
    if (value == 919) value = 920;
  }
  return values;
}

std::span<const double> e96() {
  static const auto values = e_series<96>();
  return values;
}
std::span<const double> e192() {
  static const auto values = e_series<192>();
  return values;
}

double to_double(const Datum& number) { return number.element().to_double().value_or(0); }

// The same walk over decades for doubles and decimals: what a number type has to offer.
struct Doubles {
  using Number = double;
  static Number of(double value) { return value; }
  static Number scaled(double value, Number by) { return value * by; }
  static Number times_ten(Number value) { return value * 10.0; }
  static Number tenth(Number value) { return value / 10.0; }
  static bool less(Number a, Number b) { return a < b; }
};
struct Decimals {
  using Number = bson::Decimal128;
  static Number of(double value) { return bson::decimal_from_int64(static_cast<std::int64_t>(value)); }
  static Number scaled(double value, Number by) { return bson::decimal_multiply(of(value), by); }
  static Number times_ten(Number value) { return bson::decimal_multiply(value, of(10)); }
  static Number tenth(Number value) { return bson::decimal_divide(value, of(10)); }
  static bool less(Number a, Number b) { return bson::decimal_compare(a, b) < 0; }
};

template <typename N>
typename N::Number next_above(std::span<const double> series, typename N::Number number) {
  auto decade = N::of(1);
  while (!N::less(number, N::scaled(series.back(), decade))) decade = N::times_ten(decade);
  while (N::less(number, N::scaled(series.front(), decade))) {
    if (!N::less(N::of(0), decade)) return number;  // smaller than any decade that the type has
    const auto least = N::scaled(series.front(), decade);
    decade = N::tenth(decade);
    if (!N::less(number, N::scaled(series.back(), decade))) return least;  // between two decades
  }
  for (const double value : series) {
    if (N::less(number, N::scaled(value, decade))) return N::scaled(value, decade);
  }
  return N::scaled(series.back(), decade);
}

template <typename N>
typename N::Number next_below(std::span<const double> series, typename N::Number number) {
  auto decade = N::of(1);
  while (!N::less(N::scaled(series.front(), decade), number)) decade = N::tenth(decade);
  while (N::less(N::scaled(series.back(), decade), number)) {
    if (!N::less(N::of(0), decade)) return number;  // smaller than any decade that the type has
    const auto greatest = N::scaled(series.back(), decade);
    decade = N::times_ten(decade);
    if (!N::less(N::scaled(series.front(), decade), number)) return greatest;  // between two decades
  }
  for (std::size_t i = series.size(); i-- > 0;) {
    if (N::less(N::scaled(series[i], decade), number)) return N::scaled(series[i], decade);
  }
  return N::scaled(series.front(), decade);
}

Datum power_of_two(double exponent, bool decimal) {
  const double value = std::exp2(exponent);
  return decimal ? Datum::from(bson::decimal_from_double_exactly(value)) : Datum::from(value);
}

}  // namespace

Result<Granularity> Granularity::find(std::string_view name) {
  const std::pair<std::string_view, std::span<const double>> kSeries[] = {
      {"R5", kR5},   {"R10", kR10}, {"R20", kR20}, {"R40", kR40}, {"R80", kR80},   {"1-2-5", k125},    {"E6", kE6},
      {"E12", kE12}, {"E24", kE24}, {"E48", kE48}, {"E96", e96()}, {"E192", e192()}, {"POWERSOF2", {}}};
  for (const auto& [known, series] : kSeries) {
    if (known == name) return Granularity(series);
  }
  return bad(40257, fmt::format("Unknown granularity '{}'", name));
}

Datum Granularity::above(const Datum& number) const {
  const double value = to_double(number);
  if (value == 0 || std::isinf(value)) return number;
  const bool decimal = number.type() == bson::Type::kDecimal128;
  if (series_.empty()) return power_of_two(std::floor(std::log2(value)) + 1, decimal);
  if (decimal) return Datum::from(next_above<Decimals>(series_, number.element().decimal_value()));
  return Datum::from(next_above<Doubles>(series_, value));
}

Datum Granularity::below(const Datum& number) const {
  const double value = to_double(number);
  if (value == 0 || std::isinf(value)) return number;
  const bool decimal = number.type() == bson::Type::kDecimal128;
  if (series_.empty()) return power_of_two(std::ceil(std::log2(value)) - 1, decimal);
  if (decimal) return Datum::from(next_below<Decimals>(series_, number.element().decimal_value()));
  return Datum::from(next_below<Doubles>(series_, value));
}

}  // namespace drover::sandbox::query
