// Arrays and sets, and the accumulators in their form over an array ({$sum: [1, 2]}).
#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/sort.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using Operands = std::span<const Datum>;

namespace {

std::vector<Element> items_of(const Datum& array) {
  const auto view = array.element().document_value();
  return {view.begin(), view.end()};
}

Datum array_of(std::span<const Element> items) {
  bson::ArrayBuilder builder;
  for (const Element& item : items) builder.append(item);
  return Datum::array(std::move(builder));
}

Result<Datum> array_elem_at(Operands o, Variables&) {
  if (o[0].nullish() || o[1].nullish()) return Datum::null();
  if (o[0].type() != Type::kArray) {
    return bad(28689, fmt::format("$arrayElemAt's first argument must be an array, but is {}", type_name_of(o[0])));
  }
  if (!o[1].is_number()) {
    return bad(28690,
               fmt::format("$arrayElemAt's second argument must be a numeric value, but is {}", type_name_of(o[1])));
  }
  const auto index = small_whole_number(o[1]);
  if (!index) {
    return bad(28691, fmt::format("$arrayElemAt's second argument must be representable as a 32-bit integer: {:g}",
                                  as_double(o[1])));
  }
  const auto items = items_of(o[0]);
  const std::int64_t at = *index < 0 ? *index + static_cast<std::int64_t>(items.size()) : std::int64_t{*index};
  if (at < 0 || at >= static_cast<std::int64_t>(items.size())) return Datum();
  return o[0].inside(items[static_cast<std::size_t>(at)]);
}

Result<Datum> end_of(std::string_view name, const Datum& array, bool first) {
  if (array.nullish()) return Datum::null();
  if (array.type() != Type::kArray) {
    return bad(28689, fmt::format("{}'s argument must be an array, but is {}", name, type_name_of(array)));
  }
  const auto items = items_of(array);
  if (items.empty()) return Datum();
  return array.inside(first ? items.front() : items.back());
}
Result<Datum> first_item(Operands o, Variables&) { return end_of("$first", o[0], true); }
Result<Datum> last_item(Operands o, Variables&) { return end_of("$last", o[0], false); }

Result<Datum> concat_arrays(Operands o, Variables&) {
  bson::ArrayBuilder builder;
  for (const Datum& value : o) {
    if (value.nullish()) return Datum::null();
    if (value.type() != Type::kArray) {
      return bad(28664, fmt::format("$concatArrays only supports arrays, not {}", type_name_of(value)));
    }
    for (const Element& item : value.element().document_value()) builder.append(item);
    TRY(check_value_size(builder.size()));
  }
  return Datum::array(std::move(builder));
}

bool contains(const Datum& array, const Element& wanted, const Variables& variables) {
  for (const Element& item : array.element().document_value()) {
    if (bson::compare_values(item, wanted, variables.context().collator.get()) == 0) return true;
  }
  return false;
}

Result<Datum> in(Operands o, Variables& variables) {
  if (o[1].type() != Type::kArray) {
    return bad(40081, fmt::format("$in requires an array as a second argument, found: {}", type_name_of(o[1])));
  }
  return Datum::from(contains(o[1], o[0].element(), variables));
}

Result<Datum> index_of_array(Operands o, Variables& variables) {
  if (o[0].nullish()) return Datum::null();
  if (o[0].type() != Type::kArray) {
    return bad(40090,
               fmt::format("$indexOfArray requires an array as a first argument, found: {}", type_name_of(o[0])));
  }
  const auto items = items_of(o[0]);
  std::int64_t begin = 0;
  auto end = static_cast<std::int64_t>(items.size());
  for (std::size_t i = 2; i < o.size(); ++i) {
    const auto bound = small_whole_number(o[i]);
    if (!bound) {
      return bad(40096, fmt::format("$indexOfArrayrequires an integral {} index, found a value of type: {}, with value: {}",
                                    i == 2 ? "starting" : "ending", type_name_of(o[i]), printed(o[i])));
    }
    if (*bound < 0) {
      return bad(40097, fmt::format("$indexOfArray requires a nonnegative {} index, found: {}",
                                    i == 2 ? "starting" : "ending", *bound));
    }
    (i == 2 ? begin : end) = i == 2 ? std::int64_t{*bound} : std::min<std::int64_t>(end, *bound);
  }
  for (std::int64_t i = begin; i < end; ++i) {
    const Element& item = items[static_cast<std::size_t>(i)];
    if (bson::compare_values(item, o[1].element(), variables.context().collator.get()) == 0) return Datum::integer(i);
  }
  return Datum::from(std::int32_t{-1});
}

Result<Datum> is_array(Operands o, Variables&) { return Datum::from(o[0].type() == Type::kArray); }

Result<Datum> range(Operands o, Variables&) {
  std::int64_t bounds[3] = {0, 0, 1};
  constexpr std::string_view kNames[] = {"starting value", "ending value", "step value"};
  for (std::size_t i = 0; i < o.size(); ++i) {
    if (!o[i].is_number()) {
      return bad(34443 + static_cast<int>(i) * 2,
                 fmt::format("$range requires a numeric {}, found value of type: {}", kNames[i], type_name_of(o[i])));
    }
    const auto whole = small_whole_number(o[i]);
    if (!whole) {
      return bad(34444 + static_cast<int>(i) * 2,
                 fmt::format("$range requires {} {} that can be represented as a 32-bit integer, found value: {}",
                             i == 1 ? "an" : "a", kNames[i], printed(o[i])));
    }
    bounds[i] = *whole;
  }
  if (bounds[2] == 0) return bad(34449, "$range requires a non-zero step value");
  bson::ArrayBuilder builder;
  for (std::int64_t at = bounds[0]; bounds[2] > 0 ? at < bounds[1] : at > bounds[1]; at += bounds[2]) {
    TRY(check_value_size(builder.size()));
    builder.append(static_cast<std::int32_t>(at));
  }
  return Datum::array(std::move(builder));
}

Result<Datum> reverse_array(Operands o, Variables&) {
  if (o[0].nullish()) return Datum::null();
  if (o[0].type() != Type::kArray) {
    return bad(34435,
               fmt::format("The argument to $reverseArray must be an array, but was of type: {}", type_name_of(o[0])));
  }
  auto items = items_of(o[0]);
  std::reverse(items.begin(), items.end());
  return array_of(items);
}

Result<Datum> size(Operands o, Variables&) {
  if (o[0].type() != Type::kArray) {
    return bad(17124, fmt::format("The argument to $size must be an array, but was of type: {}", type_name_of(o[0])));
  }
  return Datum::integer(static_cast<std::int64_t>(o[0].element().document_value().field_count()));
}

Result<Datum> slice(Operands o, Variables&) {
  if (o[0].nullish() || o[1].nullish()) return Datum::null();
  if (o[0].type() != Type::kArray) {
    return bad(28724, fmt::format("First argument to $slice must be an array, but is of type: {}", type_name_of(o[0])));
  }
  const auto items = items_of(o[0]);
  const auto count = static_cast<std::int64_t>(items.size());
  const auto second = small_whole_number(o[1]);
  if (!o[1].is_number()) {
    return bad(28725, fmt::format("Second argument to $slice must be a numeric value, but is of type: {}",
                                  type_name_of(o[1])));
  }
  if (!second)
    return bad(28726,
               fmt::format("Second argument to $slice can't be represented as a 32-bit integer: {:g}", as_double(o[1])));
  std::int64_t begin = 0;
  std::int64_t end = count;
  if (o.size() == 2) {
    if (*second < 0)
      begin = std::max<std::int64_t>(0, count + *second);
    else
      end = std::min<std::int64_t>(count, *second);
  } else {
    if (o[2].nullish()) return Datum::null();
    if (!o[2].is_number()) {
      return bad(28727,
                 fmt::format("Third argument to $slice must be numeric, but is of type: {}", type_name_of(o[2])));
    }
    const auto third = small_whole_number(o[2]);
    if (!third)
      return bad(28728,
                 fmt::format("Third argument to $slice can't be represented as a 32-bit integer: {:g}", as_double(o[2])));
    if (*third <= 0) return bad(28729, fmt::format("Third argument to $slice must be positive: {}", *third));
    begin = *second < 0 ? std::max<std::int64_t>(0, count + *second) : std::min<std::int64_t>(count, *second);
    end = std::min(count, begin + *third);
  }
  return array_of(std::span(items).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
}

// Sorted and without duplicates.
std::vector<Element> as_set(const Datum& array, const bson::Collator* collator) {
  auto items = items_of(array);
  const auto less = [&](const Element& a, const Element& b) { return bson::compare_values(a, b, collator) < 0; };
  const auto same = [&](const Element& a, const Element& b) { return bson::compare_values(a, b, collator) == 0; };
  std::stable_sort(items.begin(), items.end(), less);
  items.erase(std::unique(items.begin(), items.end(), same), items.end());
  return items;
}

Status need_arrays(std::string_view name, Operands o, int error_code) {
  for (const Datum& value : o) {
    if (value.type() == Type::kArray) continue;
    return bad(error_code, fmt::format("All operands of {} must be arrays. One argument is of type: {}", name,
                                       type_name_of(value)));
  }
  return {};
}

Result<Datum> set_union(Operands o, Variables& v) {
  bson::ArrayBuilder all;
  for (const Datum& value : o) {
    if (value.nullish()) return Datum::null();
    TRY(need_arrays("$setUnion", std::span(&value, 1), 17043));
    for (const Element& item : value.element().document_value()) all.append(item);
    TRY(check_value_size(all.size()));
  }
  const Datum joined = Datum::array(std::move(all));
  return array_of(as_set(joined, v.context().collator.get()));
}

Result<Datum> set_intersection(Operands o, Variables& v) {
  const auto* collator = v.context().collator.get();
  const auto less = [&](const Element& a, const Element& b) { return bson::compare_values(a, b, collator) < 0; };
  std::vector<Element> common;
  for (std::size_t i = 0; i < o.size(); ++i) {
    if (o[i].nullish()) return Datum::null();
    TRY(need_arrays("$setIntersection", o.subspan(i, 1), 17047));
    auto next = as_set(o[i], collator);
    // Of equal values that differ (1 and 1.0) those of the smaller set stay.
    if (i == 0 || common.size() > next.size()) common.swap(next);
    if (i > 0) std::erase_if(common, [&](const Element& item) { return !std::ranges::binary_search(next, item, less); });
    if (common.empty()) break;  // what comes after it is not looked at
  }
  return array_of(common);
}

Result<Datum> set_difference(Operands o, Variables& v) {
  if (o[0].nullish() || o[1].nullish()) return Datum::null();
  for (std::size_t i = 0; i < 2; ++i) {
    if (o[i].type() == Type::kArray) continue;
    return bad(17048 + static_cast<int>(i),
               fmt::format("both operands of $setDifference must be arrays. {} argument is of type: {}",
                           i == 0 ? "First" : "Second", type_name_of(o[i])));
  }
  std::vector<Element> kept;
  for (const Element& item : o[0].element().document_value()) {
    const bool seen = std::any_of(kept.begin(), kept.end(), [&](const Element& k) {
      return bson::compare_values(k, item, v.context().collator.get()) == 0;
    });
    if (!seen && !contains(o[1], item, v)) kept.push_back(item);
  }
  return array_of(kept);
}

Result<Datum> set_equals(Operands o, Variables& v) {
  TRY(need_arrays("$setEquals", o, 17044));
  const auto* collator = v.context().collator.get();
  const auto first = as_set(o[0], collator);
  for (const Datum& other : o.subspan(1)) {
    const auto set = as_set(other, collator);
    const auto same = [&](const Element& a, const Element& b) { return bson::compare_values(a, b, collator) == 0; };
    if (!std::equal(first.begin(), first.end(), set.begin(), set.end(), same)) return Datum::from(false);
  }
  return Datum::from(true);
}

Result<Datum> set_is_subset(Operands o, Variables& v) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (o[i].type() == Type::kArray) continue;
    return bad(17046 - (i == 0 ? 0 : 4),
               fmt::format("both operands of $setIsSubset must be arrays. {} argument is of type: {}",
                           i == 0 ? "First" : "Second", type_name_of(o[i])));
  }
  for (const Element& item : o[0].element().document_value()) {
    if (!contains(o[1], item, v)) return Datum::from(false);
  }
  return Datum::from(true);
}

Result<Datum> truth_of_all(std::string_view name, const Datum& array, bool want_all, int error_code) {
  if (array.type() != Type::kArray) {
    return bad(error_code, fmt::format("{}'s argument must be an array, but is {}", name, type_name_of(array)));
  }
  for (const Element& item : array.element().document_value()) {
    if (item.is_truthy() != want_all) return Datum::from(!want_all);
  }
  return Datum::from(want_all);
}
Result<Datum> all_true(Operands o, Variables&) { return truth_of_all("$allElementsTrue", o[0], true, 17040); }
Result<Datum> any_true(Operands o, Variables&) { return truth_of_all("$anyElementTrue", o[0], false, 17041); }

// The values an accumulator form runs over: one array operand's items, or the operands.
template <typename Visit>
void each_value(Operands o, Visit visit) {
  if (o.size() == 1 && o[0].type() == Type::kArray) {
    for (const Element& item : o[0].element().document_value()) visit(Datum::borrow(item));
  } else {
    for (const Datum& value : o) visit(value);
  }
}

Result<Datum> sum(Operands o, Variables&) {
  NumberSum total;
  each_value(o, [&](const Datum& value) { total.add(value); });
  return total.result();
}

Result<Datum> average(Operands o, Variables&) {
  NumberSum total;
  std::int64_t count = 0;
  each_value(o, [&](const Datum& value) {
    if (!value.is_number()) return;
    total.add(value);
    ++count;
  });
  if (count == 0) return Datum::null();
  if (total.has_decimal())
    return Datum::from(bson::decimal_divide(total.decimal_result(), bson::decimal_from_int64(count)));
  return Datum::from(total.as_plain_double() / static_cast<double>(count));
}

Result<Datum> extreme(Operands o, Variables& v, int sign) {
  Datum best;
  each_value(o, [&](const Datum& value) {
    if (value.nullish()) return;
    const bool better =
        best.missing() || bson::compare_values(value.element(), best.element(), v.context().collator.get()) * sign > 0;
    if (better) best = value.own();
  });
  return best.missing() ? Datum::null() : best;
}
Result<Datum> minimum(Operands o, Variables& v) { return extreme(o, v, -1); }
Result<Datum> maximum(Operands o, Variables& v) { return extreme(o, v, 1); }

Result<Datum> deviation(Operands o, bool sample) {
  double mean = 0, m2 = 0;
  std::int64_t count = 0;
  each_value(o, [&](const Datum& value) {
    if (!value.is_number()) return;
    const double number = as_double(value);
    ++count;
    const double delta = number - mean;
    mean += delta / static_cast<double>(count);
    m2 += delta * (number - mean);
  });
  const std::int64_t divisor = sample ? count - 1 : count;
  if (divisor <= 0) return Datum::null();
  return Datum::from(std::sqrt(m2 / static_cast<double>(divisor)));
}
Result<Datum> deviation_population(Operands o, Variables&) { return deviation(o, false); }
Result<Datum> deviation_sample(Operands o, Variables&) { return deviation(o, true); }

constexpr Operator kOperators[] = {
    {"$arrayElemAt", 2, 2, array_elem_at},
    {"$first", 1, 1, first_item},
    {"$last", 1, 1, last_item},
    {"$concatArrays", 0, kAnyCount, concat_arrays},
    {"$in", 2, 2, in},
    {"$indexOfArray", 2, 4, index_of_array},
    {"$isArray", 1, 1, is_array},
    {"$range", 2, 3, range},
    {"$reverseArray", 1, 1, reverse_array},
    {"$size", 1, 1, size},
    {"$slice", 2, 3, slice},
    {"$setUnion", 0, kAnyCount, set_union},
    {"$setIntersection", 0, kAnyCount, set_intersection},
    {"$setDifference", 2, 2, set_difference},
    {"$setEquals", 2, kAnyCount, set_equals},
    {"$setIsSubset", 2, 2, set_is_subset},
    {"$allElementsTrue", 1, 1, all_true},
    {"$anyElementTrue", 1, 1, any_true},
    {"$sum", 0, kAnyCount, sum},
    {"$avg", 0, kAnyCount, average},
    {"$min", 0, kAnyCount, minimum},
    {"$max", 0, kAnyCount, maximum},
    {"$stdDevPop", 0, kAnyCount, deviation_population},
    {"$stdDevSamp", 0, kAnyCount, deviation_sample},
};

}  // namespace

std::span<const Operator> array_operators() { return kOperators; }

}  // namespace drover::sandbox::query
