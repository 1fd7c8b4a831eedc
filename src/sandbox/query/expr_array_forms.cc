// Array operators that bind variables or take named arguments: $map, $filter, $reduce, $zip, $sortArray, $firstN, ...
#include <algorithm>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "sandbox/query/accumulator.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/item_order.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

struct MapExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum array = TRY(input->evaluate(variables));
    if (array.nullish()) return Datum::null();
    if (array.type() != Type::kArray)
      return bad(16883, fmt::format("input to $map must be an array not {}", type_name_of(array)));
    bson::ArrayBuilder builder;
    for (const Element& item : array.element().document_value()) {
      variables.set_slot(slot, array.inside(item));
      const Datum value = TRY(body->evaluate(variables));
      if (value.missing()) {
        builder.append(bson::Null{});
      } else {
        builder.append(value.element());
      }
      TRY(check_value_size(builder.size()));
    }
    return Datum::array(std::move(builder));
  }
  ExpressionPtr input, body;
  std::size_t slot = 0;
};

struct FilterExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum array = TRY(input->evaluate(variables));
    if (array.nullish()) return Datum::null();
    if (array.type() != Type::kArray)
      return bad(28651, fmt::format("input to $filter must be an array not {}", type_name_of(array)));
    std::size_t left = static_cast<std::size_t>(-1);
    if (limit) {
      const Datum bound = TRY(limit->evaluate(variables));
      if (!bound.nullish()) {
        const auto whole = small_whole_number(bound);
        if (!whole) return bad(327391, fmt::format("$filter: limit must be represented as a 32-bit integral value: {}", printed(bound)));
        if (*whole < 1) return bad(327392, fmt::format("$filter: limit must be greater than 0: {}", printed(bound)));
        left = static_cast<std::size_t>(*whole);
      }
    }
    bson::ArrayBuilder builder;
    for (const Element& item : array.element().document_value()) {
      if (left == 0) break;
      variables.set_slot(slot, array.inside(item));
      if (!TRY(condition->evaluate(variables)).truthy()) continue;
      builder.append(item);
      --left;
    }
    return Datum::array(std::move(builder));
  }
  ExpressionPtr input, condition, limit;
  std::size_t slot = 0;
};

struct ReduceExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum array = TRY(input->evaluate(variables));
    if (array.nullish()) return Datum::null();
    if (array.type() != Type::kArray) {
      return bad(40080, fmt::format("$reduce requires that 'input' be an array, found: {}", type_name_of(array)));
    }
    Datum value = TRY(initial->evaluate(variables));
    for (const Element& item : array.element().document_value()) {
      variables.set_slot(this_slot, array.inside(item));
      variables.set_slot(value_slot, value);
      value = TRY(body->evaluate(variables));
    }
    return value;
  }
  ExpressionPtr input, initial, body;
  std::size_t this_slot = 0, value_slot = 0;
};

Result<std::string> variable_name(const Element& as) {
  if (!as.exists()) return std::string("this");
  const std::string_view name = as.to_string_view().value_or("");
  TRY(check_variable_name(name));
  return std::string(name);
}

Result<ExpressionPtr> parse_map(const Element& argument, const Scope& scope) {
  if (!argument.is_document()) return bad(16878, "$map only supports an object as its argument");
  const View object = argument.document_value();
  for (const Element& e : object) {
    if (e.key() != "input" && e.key() != "as" && e.key() != "in") {
      return bad(16879, fmt::format("Unrecognized parameter to $map: {}", e.key()));
    }
  }
  if (!object["input"]) return bad(16880, "Missing 'input' parameter to $map");
  if (!object["in"]) return bad(16882, "Missing 'in' parameter to $map");
  auto map = std::make_unique<MapExpression>();
  map->input = TRY(parse_expression(object["input"], scope));
  const Scope inner = scope.with(TRY(variable_name(object["as"])), &map->slot);
  map->body = TRY(parse_expression(object["in"], inner));
  return map;
}

Result<ExpressionPtr> parse_filter(const Element& argument, const Scope& scope) {
  if (!argument.is_document()) {
    return bad(28646, fmt::format("$filter only supports an object as its argument"));
  }
  const View object = argument.document_value();
  const bool limits = scope.context().version >= ServerVersion{5, 2, 0};
  for (const Element& e : object) {
    const bool known = e.key() == "input" || e.key() == "as" || e.key() == "cond" || (limits && e.key() == "limit");
    if (!known) return bad(28647, fmt::format("Unrecognized parameter to $filter: {}", e.key()));
  }
  if (!object["input"]) return bad(28648, "Missing 'input' parameter to $filter");
  if (!object["cond"]) return bad(28650, "Missing 'cond' parameter to $filter");
  auto filter = std::make_unique<FilterExpression>();
  filter->input = TRY(parse_expression(object["input"], scope));
  if (object["limit"]) filter->limit = TRY(parse_expression(object["limit"], scope));
  const Scope inner = scope.with(TRY(variable_name(object["as"])), &filter->slot);
  filter->condition = TRY(parse_expression(object["cond"], inner));
  return filter;
}

Result<ExpressionPtr> parse_reduce(const Element& argument, const Scope& scope) {
  if (!argument.is_document()) {
    return bad(40075,
               fmt::format("$reduce requires an object as an argument, found: {}", bson::type_name(argument.type())));
  }
  const View object = argument.document_value();
  for (const Element& e : object) {
    if (e.key() != "input" && e.key() != "initialValue" && e.key() != "in") {
      return bad(40076, fmt::format("$reduce found an unknown argument: {}", e.key()));
    }
  }
  if (!object["input"]) return bad(40077, "$reduce requires 'input' to be specified");
  if (!object["initialValue"]) return bad(40078, "$reduce requires 'initialValue' to be specified");
  if (!object["in"]) return bad(40079, "$reduce requires 'in' to be specified");
  auto reduce = std::make_unique<ReduceExpression>();
  reduce->input = TRY(parse_expression(object["input"], scope));
  reduce->initial = TRY(parse_expression(object["initialValue"], scope));
  const Scope inner = scope.with("this", &reduce->this_slot).with("value", &reduce->value_slot);
  reduce->body = TRY(parse_expression(object["in"], inner));
  return reduce;
}

struct ZipExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    std::vector<std::vector<Element>> columns;
    std::vector<Datum> kept;
    std::size_t rows = use_longest ? 0 : static_cast<std::size_t>(-1);
    for (const auto& input : inputs) {
      kept.push_back(TRY(input->evaluate(variables)));
      if (kept.back().nullish()) return Datum::null();
      if (kept.back().type() != Type::kArray) {
        return bad(34468, fmt::format("$zip found a non-array expression in input: {}", type_name_of(kept.back())));
      }
    }
    for (const Datum& array : kept) {
      const View view = array.element().document_value();
      columns.emplace_back(view.begin(), view.end());
      rows = use_longest ? std::max(rows, columns.back().size()) : std::min(rows, columns.back().size());
    }
    std::vector<Datum> fill;
    for (const auto& value : defaults) fill.push_back(TRY(value->evaluate(variables)));
    bson::ArrayBuilder out;
    for (std::size_t row = 0; row < rows; ++row) {
      auto tuple = out.open_array();
      for (std::size_t i = 0; i < columns.size(); ++i) {
        if (row < columns[i].size()) {
          tuple.append(columns[i][row]);
        } else if (i < fill.size() && !fill[i].missing()) {
          tuple.append(fill[i].element());
        } else {
          tuple.append(bson::Null{});
        }
      }
      tuple.close();
      TRY(check_value_size(out.size()));
    }
    return Datum::array(std::move(out));
  }
  std::vector<ExpressionPtr> inputs, defaults;
  bool use_longest = false;
};

Result<ExpressionPtr> parse_zip(const Element& argument, const Scope& scope) {
  if (!argument.is_document()) {
    return bad(34460,
               fmt::format("$zip only supports an object as an argument, found {}", bson::type_name(argument.type())));
  }
  auto zip = std::make_unique<ZipExpression>();
  for (const Element& e : argument.document_value()) {
    if (e.key() == "inputs" || e.key() == "defaults") {
      if (!e.is_array()) {
        return bad(e.key() == "inputs" ? 34461 : 34462,
                   fmt::format("{} must be an array of expressions, found {}", e.key(), bson::type_name(e.type())));
      }
      for (const Element& item : e.document_value()) {
        (e.key() == "inputs" ? zip->inputs : zip->defaults).push_back(TRY(parse_expression(item, scope)));
      }
    } else if (e.key() == "useLongestLength") {
      if (e.type() != Type::kBool)
        return bad(34463, fmt::format("useLongestLength must be a bool, found {}", bson::type_name(e.type())));
      zip->use_longest = e.bool_value();
    } else {
      return bad(34464, fmt::format("$zip found an unknown argument: {}", e.key()));
    }
  }
  if (zip->inputs.empty()) return bad(34465, "$zip requires at least one input array");
  if (!zip->defaults.empty() && !zip->use_longest) {
    return bad(34466, "cannot specify defaults unless useLongestLength is true");
  }
  if (!zip->defaults.empty() && zip->defaults.size() != zip->inputs.size()) {
    return bad(34467, "defaults and inputs must have the same length");
  }
  return zip;
}

struct SortArrayExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum array = TRY(input->evaluate(variables));
    if (array.nullish()) return Datum::null();
    if (array.type() != Type::kArray) {
      return bad(2942504, fmt::format("The input argument to $sortArray must be an array, but was of type: {}",
                                      type_name_of(array)));
    }
    const View view = array.element().document_value();
    std::vector<Element> items(view.begin(), view.end());
    std::stable_sort(items.begin(), items.end(), [&, collator = variables.context().collator.get()](const Element& a, const Element& b) {
      return order.compare(a, b, collator) < 0;
    });
    bson::ArrayBuilder out;
    for (const Element& item : items) out.append(item);
    return Datum::array(std::move(out));
  }
  ExpressionPtr input;
  ItemOrder order;
};

Result<ExpressionPtr> parse_sort_array(const Element& argument, const Scope& scope) {
  if (!argument.is_document())
    return bad(2942500, fmt::format("$sortArray requires an object as an argument, found: {}",
                                    bson::type_name(argument.type())));
  auto sort = std::make_unique<SortArrayExpression>();
  const View object = argument.document_value();
  for (const Element& e : object) {
    if (e.key() != "input" && e.key() != "sortBy") return bad(2942501, fmt::format("$sortArray found an unknown argument: {}", e.key()));
  }
  if (!object["input"]) return bad(2942502, "$sortArray requires 'input' to be specified");
  if (!object["sortBy"]) return bad(2942503, "$sortArray requires 'sortBy' to be specified");
  sort->input = TRY(parse_expression(object["input"], scope));
  sort->order = TRY(ItemOrder::parse(object["sortBy"]));
  return sort;
}

enum class NForm { kFirst, kLast, kMin, kMax };

struct NExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const std::int64_t count = TRY(check_n(TRY(n->evaluate(variables))));
    const Datum array = TRY(input->evaluate(variables));
    if (array.type() != Type::kArray) return bad(5788200, "Input must be an array");
    const View view = array.element().document_value();
    std::vector<Element> items(view.begin(), view.end());
    if (form == NForm::kMin || form == NForm::kMax) {
      std::erase_if(items, [](const Element& e) { return e.is_null() || e.type() == Type::kUndefined; });
      const int sign = form == NForm::kMin ? 1 : -1;
      const auto* collator = variables.context().collator.get();
      std::stable_sort(items.begin(), items.end(), [&](const Element& a, const Element& b) {
        return bson::compare_values(a, b, collator) * sign < 0;
      });
    }
    const std::size_t kept = std::min(items.size(), static_cast<std::size_t>(count));
    const std::size_t from = form == NForm::kLast ? items.size() - kept : 0;
    bson::ArrayBuilder out;
    for (std::size_t i = from; i < from + kept; ++i) out.append(items[i]);
    return Datum::array(std::move(out));
  }
  ExpressionPtr input, n;
  NForm form = NForm::kFirst;
};

Result<ExpressionPtr> parse_n(const Element& argument, const Scope& scope) {
  TRY(check_n_form(argument));
  auto expression = std::make_unique<NExpression>();
  const View object = argument.document_value();
  expression->input = TRY(parse_expression(object["input"], scope));
  expression->n = TRY(parse_expression(object["n"], scope));
  expression->form = argument.key() == "$firstN"  ? NForm::kFirst
                     : argument.key() == "$lastN" ? NForm::kLast
                     : argument.key() == "$minN"  ? NForm::kMin
                                                  : NForm::kMax;
  return expression;
}

constexpr SpecialForm kForms[] = {
    {"$map", parse_map},
    {"$filter", parse_filter},
    {"$reduce", parse_reduce},
    {"$zip", parse_zip},
    {"$sortArray", parse_sort_array, {5, 2, 0}},
    {"$firstN", parse_n, {5, 2, 0}},
    {"$lastN", parse_n, {5, 2, 0}},
    {"$minN", parse_n, {5, 2, 0}},
    {"$maxN", parse_n, {5, 2, 0}},
};

}  // namespace

std::span<const SpecialForm> array_forms() { return kForms; }

}  // namespace drover::sandbox::query
