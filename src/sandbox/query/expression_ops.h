// How operators are declared: a table row per operator that sees all its operands evaluated, and a parse function for
// those that do not (conditionals, variables). Private to the expression engine.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/query/errors.h"
#include "sandbox/query/expression.h"

namespace drover::sandbox::query {

inline constexpr int kAnyCount = -1;

// The server's largest internal value. An expression that builds a larger one fails, so that no document of a few bytes
// can ask for all memory.
inline constexpr std::size_t kMaxValueBytes = 64 * 1024 * 1024;
Status check_value_size(std::size_t bytes);

using OperatorFunction = Result<Datum> (*)(std::span<const Datum> operands, Variables& variables);

struct Operator {
  std::string_view name;
  int min_operands;
  int max_operands;  // kAnyCount
  OperatorFunction function;
  ServerVersion since{4, 4, 0};
};

// What $let, $map, $lookup and $merge may call a variable.
Status check_variable_name(std::string_view name);

using ParseFunction = Result<ExpressionPtr> (*)(const bson::Element& argument, const Scope& scope);
struct SpecialForm {
  std::string_view name;
  ParseFunction parse;
  ServerVersion since{4, 4, 0};
};

// One table per file expr_*.cc.
std::span<const Operator> arithmetic_operators();
std::span<const Operator> math_operators();
std::span<const Operator> comparison_operators();
std::span<const Operator> string_operators();
std::span<const Operator> array_operators();
std::span<const Operator> object_operators();
std::span<const Operator> date_operators();
std::span<const Operator> conversion_operators();
std::span<const SpecialForm> control_forms();
std::span<const SpecialForm> array_forms();
std::span<const SpecialForm> object_forms();
std::span<const SpecialForm> string_forms();
std::span<const SpecialForm> date_forms();
std::span<const SpecialForm> date_arithmetic_forms();
std::span<const SpecialForm> conversion_forms();

// Named arguments {input: ..., in: ...} of a special form.
class NamedOperands {
 public:
  // `allowed` in any order; others are `unknown_code`.
  static Result<NamedOperands> parse(const bson::Element& argument, const Scope& scope, std::string_view operator_name,
                                     std::span<const std::string_view> allowed, int unknown_code, int not_object_code);
  const Expression* find(std::string_view name) const;
  ExpressionPtr take(std::string_view name);
  bool are_literals() const;
  // Missing when the argument is not there.
  Result<Datum> evaluate(std::string_view name, Variables& variables) const;

 private:
  std::vector<std::pair<std::string, ExpressionPtr>> operands_;
};

// "$op takes named arguments, all evaluated": `function` gets them in the order of `names`.
ExpressionPtr make_constant(Datum value);
// Of literals alone: the value, once for all documents. A failure is noted in the context.
ExpressionPtr fold(ExpressionPtr expression, bool of_literals, const Scope& scope);
bool are_literals(std::span<const ExpressionPtr> operands);
ExpressionPtr make_call(OperatorFunction function, std::vector<ExpressionPtr> operands);
Result<std::vector<ExpressionPtr>> parse_operands(const bson::Element& argument, const Scope& scope);
Datum path_value(const Datum& base, std::span<const std::string> parts);

// Type names as expressions print them ("missing" for nothing).
inline const char* type_name_of(const Datum& value) { return bson::type_name(value.type()); }

}  // namespace drover::sandbox::query
