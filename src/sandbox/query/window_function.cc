// Facts: MongoDB's window_function_expression.h, window_function_shift.cpp, and the executors beside them.
#include "sandbox/query/window_function.h"

#include <functional>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/decimal.h"
#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/numeric.h"
#include "sandbox/query/window_accumulators.h"
#include "sandbox/query/window_order.h"
#include "sandbox/query/window_sliding.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

using Factory = std::unique_ptr<const WindowFunctionFactory>;
using Operand = std::shared_ptr<const Expression>;

tl::unexpected<Error> unparsed(std::string message) { return bad(code::kFailedToParse, std::move(message)); }

// A function that is made by `make`, which lives as long as the factory.
struct MadeBy final : WindowFunctionFactory {
  using Make = std::function<std::unique_ptr<WindowFunction>(const Partition&)>;
  explicit MadeBy(Make m) : make(std::move(m)) {}
  std::unique_ptr<WindowFunction> over(const Partition& partition) const override { return make(partition); }
  Make make;
};

template <typename Make>
Factory made_by(Make make) {
  return std::make_unique<MadeBy>(std::move(make));
}

// An accumulator goes on while windows only gain documents at their end, and begins anew when they lose some. Those that can do without are
// in window_sliding.h.
class Accumulated final : public WindowFunction {
 public:
  using Make = std::function<Result<std::unique_ptr<Accumulator>>(const EvaluationContext&)>;
  Accumulated(const Window& window, const Make& make, const Expression& operand, const Partition& partition)
      : make_(make), operand_(operand), partition_(partition), frames_(window, partition) {}

  Result<Datum> at(std::size_t index) override {
    const auto frame = TRY(frames_.at(index));
    if (!frame) return TRY(make_(*partition_.context))->result();
    if (!accumulator_ || frame->begin != done_.begin || frame->end < done_.end) {
      accumulator_ = TRY(make_(*partition_.context));
      done_ = {frame->begin, frame->begin};
      known_.reset();
    }
    for (; done_.end < frame->end; ++done_.end) {
      if (partition_.interrupted && *partition_.interrupted) TRY((*partition_.interrupted)());
      Variables variables(partition_.documents[done_.end], *partition_.context);
      TRY(accumulator_->add(TRY(operand_.evaluate(variables))));
      known_.reset();
    }
    if (!known_) known_ = accumulator_->peek();
    return *known_;
  }
  std::size_t bytes() const override { return (accumulator_ ? accumulator_->bytes() : 0) + (known_ ? known_->bytes() : 0); }

 private:
  const Make& make_;
  const Expression& operand_;
  const Partition& partition_;
  Frames frames_;
  std::unique_ptr<Accumulator> accumulator_;
  std::optional<Datum> known_;
  Frame done_;
};

Factory accumulated(Window window, Accumulated::Make make, Operand operand) {
  struct Parts {
    Window window;
    Accumulated::Make make;
    Operand operand;
  };
  const auto parts = std::make_shared<const Parts>(Parts{std::move(window), std::move(make), std::move(operand)});
  return made_by([parts](const Partition& partition) {
    return std::make_unique<Accumulated>(parts->window, parts->make, *parts->operand, partition);
  });
}

struct Row {
  std::string_view name;
  Result<Factory> (*parse)(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope);
  ServerVersion since{5, 0, 0};
};
const Row* find_row(std::string_view name, ServerVersion version);

Result<Operand> parse_operand(const Element& e, const Scope& scope) { return Operand(TRY(parse_expression(e, scope))); }

// {$name: ..., window: {...}}, and no other.
Status check_fields(std::string_view name, View spec, const Scope& scope) {
  for (const Element& e : spec) {
    if (e.key() == name || e.key() == "window") continue;
    if (find_row(e.key(), scope.context().version)) return unparsed("Cannot specify two functions in window function spec");
    return unparsed(fmt::format("Window function found an unknown argument: {}", e.key()));
  }
  return {};
}

Result<Window> parse_window(View spec, const SortPattern* sort_by, const Scope& scope) {
  return spec["window"] ? Window::parse(spec["window"], sort_by, scope) : Window();
}

bool sorts_by_one(const SortPattern* sort_by) { return sort_by && sort_by->parts().size() == 1; }

Result<Factory> parse_group_operator(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope) {
  TRY(check_fields(name, spec, scope));
  if (name == "$count" && !(spec[name].is_document() && spec[name].document_value().empty())) {
    return unparsed("$count only accepts an empty object as input");
  }
  Window window = TRY(parse_window(spec, sort_by, scope));
  const auto factory = std::make_shared<const AccumulatorFactory>(TRY(AccumulatorFactory::parse(spec[name], scope)));
  const auto make = window.lower.kind == Window::Kind::kUnbounded ? nullptr : find_sliding_state(name);
  if (make != nullptr) {
    const auto held = std::make_shared<const Window>(std::move(window));
    return made_by([held, factory, make](const Partition& partition) { return make_sliding(*held, make, factory->operand(), partition); });
  }
  return accumulated(std::move(window), [factory](const EvaluationContext& context) { return factory->make(context); },
                     Operand(factory, &factory->operand()));
}

Result<Factory> parse_covariance(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope) {
  TRY(check_fields(name, spec, scope));
  Window window = TRY(parse_window(spec, sort_by, scope));
  const bool sample = name == "$covarianceSamp";
  return accumulated(std::move(window), [sample](const EvaluationContext&) { return make_covariance(sample); }, TRY(parse_operand(spec[name], scope)));
}

Result<Factory> parse_endpoint(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope) {
  for (const Element& e : spec) {
    if (e.key() != name && e.key() != "window") return unparsed(fmt::format("{} got unexpected argument: {}", name, e.key()));
  }
  const auto window = std::make_shared<const Window>(TRY(parse_window(spec, sort_by, scope)));
  const Operand operand = TRY(parse_operand(spec[name], scope));
  return made_by([window, operand, last = name == "$last"](const Partition& partition) {
    return make_endpoint(*window, last ? WindowEnd::kLast : WindowEnd::kFirst, *operand, partition);
  });
}

Result<Factory> parse_rank(std::string_view name, View spec, const SortPattern* sort_by, const Scope&) {
  if (spec.field_count() != 1) return bad(5371601, "Rank style window functions take no other arguments");
  if (!spec[name].is_document() || !spec[name].document_value().empty()) {
    return bad(5371603, fmt::format("{} must be specified with '{{}}' as the value", name));
  }
  if (!sorts_by_one(sort_by)) {
    return bad(5371602, fmt::format("{} must be specified with a top level sortBy expression with exactly one element", name));
  }
  const auto kind = name == "$rank" ? RankKind::kRank : name == "$denseRank" ? RankKind::kDense : RankKind::kNumber;
  return made_by([kind](const Partition& partition) { return make_rank(kind, partition); });
}

Result<Factory> parse_shift(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope) {
  if (spec["window"]) return unparsed("$shift does not accept a 'window' field");
  TRY(check_fields(name, spec, scope));
  if (!spec[name].is_document()) return unparsed("Argument to $shift must be an object");
  Operand operand;
  auto otherwise = std::make_shared<Datum>(Datum::null());
  std::optional<std::int64_t> by;
  for (const Element& e : spec[name].document_value()) {
    if (e.key() == "output") {
      operand = TRY(parse_operand(e, scope));
    } else if (e.key() == "default") {
      const Operand value = TRY(parse_operand(e, scope));
      if (!value->constant()) return unparsed("'$shift:default' expression must yield a constant value.");
      *otherwise = value->constant()->own();
    } else if (e.key() == "by") {
      by = e.is_number() ? whole_number(Datum::borrow(e)) : std::nullopt;
      if (!by || *by != static_cast<std::int32_t>(*by)) return unparsed(fmt::format("'$shift:by' field must be an integer, but found  by: {}", bson::to_shell(e)));
    } else {
      return unparsed("Unknown argument in $shift");
    }
  }
  if (!operand) return unparsed("$shift requires an 'output' expression.");
  if (!by) return unparsed("$shift requires 'by' as an integer value.");
  if (!sort_by) return unparsed("'$shift' requires a sortBy");
  return made_by([operand, otherwise, by = *by](const Partition& partition) { return make_shift(by, *otherwise, *operand, partition); });
}

struct Measured {
  Element input;
  std::optional<DateUnit> unit;
};

// {input: ..., unit: ...} of $derivative and $integral.
Result<Measured> parse_measured(std::string_view name, View spec, const SortPattern* sort_by) {
  if (!sort_by) return unparsed(fmt::format("{} requires a sortBy", name));
  if (sort_by->parts().size() != 1) return unparsed(fmt::format("{} requires a non-compound sortBy", name));
  for (const Element& e : spec) {
    if (e.key() != name && e.key() != "window") return unparsed(fmt::format("{} got unexpected argument: {}", name, e.key()));
  }
  const Element argument = spec[name];
  if (!argument.is_document()) {
    return unparsed(fmt::format("{} expects an object, but got a {}: {}: {}", name, bson::type_name(argument.type()), name, bson::to_shell(argument)));
  }
  Measured measured;
  for (const Element& e : argument.document_value()) {
    if (e.key() == "input") {
      measured.input = e;
    } else if (e.key() == "unit") {
      if (!e.is_string()) return unparsed(fmt::format("unit' must be a string, but got {}", bson::type_name(e.type())));
      measured.unit = TRY(parse_date_unit(e.string_value()));
      if (months_in(*measured.unit) > 0) return bad(5490710, "unit must be 'week' or smaller");
    } else {
      return unparsed(fmt::format("{} got unexpected argument: {}", name, e.key()));
    }
  }
  if (!measured.input) return unparsed(fmt::format("{} requires an 'input' expression", name));
  return measured;
}

Result<Factory> parse_derivative(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope) {
  const Measured measured = TRY(parse_measured(name, spec, sort_by));
  if (!spec["window"]) return unparsed("$derivative requires explicit window bounds");
  const auto window = std::make_shared<const Window>(TRY(parse_window(spec, sort_by, scope)));
  const Operand operand = TRY(parse_operand(measured.input, scope));
  return made_by([window, operand, unit = measured.unit](const Partition& partition) {
    return make_derivative(*window, unit, *operand, partition);
  });
}

Result<Factory> parse_integral(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope) {
  const Measured measured = TRY(parse_measured(name, spec, sort_by));
  bson::Builder pair;
  {
    auto items = pair.open_array("");
    items.append("$" + sort_by->parts()[0].path);
    items.append(measured.input);
  }
  const bson::Document held = std::move(pair).finish();
  Window window = TRY(parse_window(spec, sort_by, scope));
  return accumulated(std::move(window), [unit = measured.unit](const EvaluationContext&) { return make_integral(unit); },
                     TRY(parse_operand(held.view().first(), scope)));
}

Result<Factory> parse_moving_average(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope) {
  if (spec.field_count() != 1 || !spec[name].is_document()) return unparsed("$expMovingAvg must have exactly one argument that is an object");
  constexpr std::string_view kTwo = "$expMovingAvg sub object must have exactly two fields: An 'input' field, and either an 'N' field or an 'alpha' field";
  const View object = spec[name].document_value();
  if (object.field_count() != 2 || !object["input"]) return unparsed(std::string(kTwo));
  if (!sort_by) return unparsed("$expMovingAvg requires an explicit 'sortBy'");
  const Operand operand = TRY(parse_operand(object["input"], scope));
  bson::Decimal128 alpha;
  if (const Element n = object["N"]) {
    if (!n.is_number()) return unparsed(fmt::format("'N' field must be an integer, but found type {}", bson::type_name(n.type())));
    const auto count = whole_number(Datum::borrow(n));
    if (!count) return unparsed(fmt::format("'N' field must be an integer, but found  N: {}. To use a non-integer, use the 'alpha' argument instead", bson::to_shell(n)));
    if (*count <= 0) return unparsed(fmt::format("'N' must be greater than zero. Got {}", *count));
    alpha = bson::decimal_divide(bson::decimal_from_int64(2), bson::decimal_add(bson::decimal_from_int64(*count), bson::decimal_from_int64(1)));
  } else if (const Element given = object["alpha"]) {
    if (!given.is_number()) return unparsed("'alpha' must be a number");
    alpha = as_decimal(Datum::borrow(given));
    const double about = bson::decimal_to_double(alpha);
    if (!(about > 0 && about < 1)) return unparsed(fmt::format("'alpha' must be between 0 and 1 (exclusive), found alpha: {}", bson::to_shell(given)));
  } else {
    return unparsed(fmt::format("Got unrecognized field in $expMovingAvg{}", kTwo));
  }
  return accumulated(Window::up_to_current(), [alpha](const EvaluationContext&) { return make_moving_average(alpha); }, operand);
}

Result<Factory> parse_fill(std::string_view name, View spec, const SortPattern* sort_by, const Scope& scope) {
  TRY(check_fields(name, spec, scope));
  if (spec["window"]) return unparsed(fmt::format("'window' field is not allowed in {}", name));
  const Operand operand = TRY(parse_operand(spec[name], scope));
  if (name == "$locf") {
    return accumulated(Window::up_to_current(), [](const EvaluationContext&) { return make_last_observation(); }, operand);
  }
  if (!sorts_by_one(sort_by)) {
    return bad(605001, fmt::format("{} must be specified with a top level sortBy expression with exactly one element", name));
  }
  return made_by([operand](const Partition& partition) { return make_linear_fill(*operand, partition); });
}

constexpr Row kRows[] = {
    {"$sum", parse_group_operator},
    {"$avg", parse_group_operator},
    {"$min", parse_group_operator},
    {"$max", parse_group_operator},
    {"$push", parse_group_operator},
    {"$addToSet", parse_group_operator},
    {"$count", parse_group_operator},
    {"$stdDevPop", parse_group_operator},
    {"$stdDevSamp", parse_group_operator},
    {"$first", parse_endpoint},
    {"$last", parse_endpoint},
    {"$rank", parse_rank},
    {"$denseRank", parse_rank},
    {"$documentNumber", parse_rank},
    {"$shift", parse_shift},
    {"$derivative", parse_derivative},
    {"$integral", parse_integral},
    {"$expMovingAvg", parse_moving_average},
    {"$covariancePop", parse_covariance},
    {"$covarianceSamp", parse_covariance},
    {"$locf", parse_fill, {5, 2, 0}},
    {"$linearFill", parse_fill, {5, 3, 0}},
    {"$firstN", parse_group_operator, {5, 2, 0}},
    {"$lastN", parse_group_operator, {5, 2, 0}},
    {"$minN", parse_group_operator, {5, 2, 0}},
    {"$maxN", parse_group_operator, {5, 2, 0}},
    {"$top", parse_group_operator, {5, 2, 0}},
    {"$topN", parse_group_operator, {5, 2, 0}},
    {"$bottom", parse_group_operator, {5, 2, 0}},
    {"$bottomN", parse_group_operator, {5, 2, 0}},
    {"$median", parse_group_operator, {7, 0, 0}},
    {"$percentile", parse_group_operator, {7, 0, 0}},
};

const Row* find_row(std::string_view name, ServerVersion version) {
  for (const Row& row : kRows) {
    if (row.name == name && version >= row.since) return &row;
  }
  return nullptr;
}

}  // namespace

Result<Factory> parse_window_function(const Element& spec, const SortPattern* sort_by, const Scope& scope) {
  if (!spec.is_document()) return unparsed(fmt::format("The field '{}' must be an object", spec.key()));
  const View object = spec.document_value();
  for (const Element& e : object) {
    if (!e.key().starts_with('$')) continue;
    const Row* row = find_row(e.key(), scope.context().version);
    if (!row) return unparsed(fmt::format("Unrecognized window function, {}", e.key()));
    return row->parse(e.key(), object, sort_by, scope);
  }
  const auto first = object.first();
  return unparsed(first ? fmt::format("Expected a $-prefixed window function, {}", first.key()) : "Expected a $-prefixed window function");
}

}  // namespace drover::sandbox::query
