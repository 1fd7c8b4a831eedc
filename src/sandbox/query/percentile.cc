// Facts: MongoDB's accumulator_percentile.cpp. Its accumulators estimate from a digest; here all numbers are kept, and the
// percentile is exact.
#include "sandbox/query/percentile.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/numeric.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

class Percentile final : public Accumulator {
 public:
  explicit Percentile(std::vector<double> fractions) : fractions_(std::move(fractions)) {}
  Status add(const Datum& value) override {
    if (!value.is_number()) return {};
    const double number = as_double(value);
    if (!std::isnan(number)) numbers_.push_back(number);
    return {};
  }
  Datum result() override {
    std::ranges::sort(numbers_);
    if (fractions_.empty()) return at(0.5);
    bson::ArrayBuilder out;
    for (const double fraction : fractions_) out.append(at(fraction).element());
    return Datum::array(std::move(out));
  }
  std::size_t bytes() const override { return numbers_.capacity() * sizeof(double); }

 private:
  Datum at(double fraction) const {
    if (numbers_.empty()) return Datum::null();
    const auto count = static_cast<double>(numbers_.size());
    const double rank = std::clamp(std::ceil(count * fraction) - 1, 0.0, count - 1);
    return Datum::from(numbers_[static_cast<std::size_t>(rank)]);
  }

  std::vector<double> fractions_;  // none: the median alone
  std::vector<double> numbers_;
};

struct PercentileExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Datum value = TRY(input->evaluate(variables));
    Percentile all(fractions);
    if (value.type() == Type::kArray) {
      for (const Element& item : value.element().document_value()) TRY(all.add(value.inside(item)));
    } else {
      TRY(all.add(value));
    }
    return all.result();
  }
  ExpressionPtr input;
  std::vector<double> fractions;
};

Result<std::vector<double>> parse_fractions(const Element& e, const Scope& scope) {
  const auto expression = TRY(parse_expression(e, scope));
  const Datum* value = expression->constant();
  if (!value) return bad(7750300, fmt::format("The $percentile 'p' field must be an array of constant values, but found value: {}.", bson::to_shell(e)));
  const auto refused = [](int number, const std::string& found) {
    return bad(number, "The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: " + found);
  };
  if (value->type() != Type::kArray || value->element().document_value().empty()) return refused(7750301, printed(*value));
  std::vector<double> fractions;
  for (const Element& item : value->element().document_value()) {
    if (!item.is_number()) return refused(7750302, printed(item));
    const double fraction = item.to_double().value_or(-1);
    if (!(fraction >= 0 && fraction <= 1)) return refused(7750303, printed(item));
    fractions.push_back(fraction);
  }
  return fractions;
}

Result<ExpressionPtr> parse_form(const Element& argument, const Scope& scope) {
  auto spec = TRY(parse_percentile(argument, scope, argument.key() == "$median" ? 7436201 : 7436200));
  auto expression = std::make_unique<PercentileExpression>();
  expression->input = std::move(spec.input);
  expression->fractions = std::move(spec.fractions);
  return ExpressionPtr(std::move(expression));
}

constexpr SpecialForm kForms[] = {{"$median", parse_form, {7, 0, 0}}, {"$percentile", parse_form, {7, 0, 0}}};

}  // namespace

Result<PercentileSpec> parse_percentile(const Element& op, const Scope& scope, int not_object) {
  const std::string name(op.key());
  const bool median = name == "$median";
  if (!op.is_document()) return bad(not_object, fmt::format("specification must be an object; found {}: {}", name, bson::to_shell(op)));
  const View object = op.document_value();
  for (const Element& e : object) {
    const bool known = e.key() == "input" || e.key() == "method" || (e.key() == "p" && !median);
    if (!known) return bad(40415, fmt::format("BSON field '{}.{}' is an unknown field.", name, e.key()));
  }
  for (const std::string_view field : {"input", "p", "method"}) {
    if (field == "p" && median) continue;
    if (!object[field]) return bad(40414, fmt::format("BSON field '{}.{}' is missing but a required field", name, field));
  }
  const Element method = object["method"];
  if (!method.is_string()) {
    return bad(code::kTypeMismatch, fmt::format("BSON field '{}.method' is the wrong type '{}', expected type 'string'", name, bson::type_name(method.type())));
  }
  if (method.string_value() != "approximate") return bad(code::kBadValue, "Currently only 'approximate' can be used as percentile 'method'.");
  PercentileSpec spec;
  spec.input = TRY(parse_expression(object["input"], scope));
  if (!median) spec.fractions = TRY(parse_fractions(object["p"], scope));
  return spec;
}

std::unique_ptr<Accumulator> make_percentile(std::vector<double> fractions) { return std::make_unique<Percentile>(std::move(fractions)); }

std::span<const SpecialForm> percentile_forms() { return kForms; }

}  // namespace drover::sandbox::query
