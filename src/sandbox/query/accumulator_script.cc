#include "sandbox/query/accumulator_script.h"

#include <fmt/core.h>

#include "bson/builder.h"
#include "sandbox/query/expr_function.h"
#include "sandbox/query/script.h"

namespace drover::sandbox::query {

using bson::Document;
using bson::Element;

namespace {

// Calls wait until there is so much for them, or memory is short: each way to the function and back takes longer than most functions, and
// what a state has beyond BSON, such as a Map, does not outlive it. As with the server, whose loop over the calls has 16 MB at most.
constexpr std::size_t kPendingBytes = 15 << 20;

struct ScriptOperand final : Expression {
  explicit ScriptOperand(std::shared_ptr<const ScriptAccumulatorSpec> s) : spec(std::move(s)) {}
  Result<Datum> evaluate(Variables& variables) const override { return spec->accumulate_args->evaluate(variables); }
  std::shared_ptr<const ScriptAccumulatorSpec> spec;
};

class ScriptAccumulator final : public Accumulator {
 public:
  ScriptAccumulator(std::shared_ptr<const ScriptAccumulatorSpec> spec, const EvaluationContext& context) : spec_(std::move(spec)), context_(&context) {}

  Status begin(const Datum& group) override {
    Document arguments;
    if (spec_->init_args) {
      const bson::View root = group.type() == bson::Type::kDocument ? group.element().document_value() : bson::View();
      Variables variables(root, *context_);
      const Datum given = TRY(spec_->init_args->evaluate(variables));
      if (given.type() != bson::Type::kArray) return bad(4544711, "$accumulator initArgs must evaluate to an array: " + printed(given));
      arguments = Document(given.element().document_value());
    }
    state_ = TRY(spec_->scripts->call(spec_->init, arguments));
    return {};
  }

  Status add(const Datum& value) override {
    if (value.type() != bson::Type::kArray) return bad(4544712, "$accumulator accumulateArgs must evaluate to an array: " + printed(value));
    pending_->append(bson::ArrayView{value.element().document_value()});
    return pending_->size() < kPendingBytes ? Status() : call_pending();
  }

  Status finish() override {
    TRY(call_pending());
    if (!spec_->finalize) return {};
    bson::ArrayBuilder arguments;
    arguments.append(state_.view().first());
    state_ = TRY(spec_->scripts->call(*spec_->finalize, std::move(arguments).finish()));
    return {};
  }

  Status shrink() override { return call_pending(); }

  Datum result() override { return Datum::copy(state_.view().first()); }
  std::size_t bytes() const override { return state_.size() + pending_->size(); }

 private:
  Status call_pending() {
    if (pending_->count() == 0) return {};
    const Document calls = std::move(*pending_).finish();
    pending_.emplace();
    state_ = TRY(spec_->scripts->fold(spec_->accumulate, state_, calls));
    return {};
  }

  std::shared_ptr<const ScriptAccumulatorSpec> spec_;
  const EvaluationContext* context_;
  Document state_;  // {"": state}
  std::optional<bson::ArrayBuilder> pending_{std::in_place};
};

Result<std::string> function_text(const Element& field, const Scope& scope) {
  const auto expression = TRY(parse_expression(field, scope));
  if (expression->constant() == nullptr) return bad(4544701, fmt::format("$accumulator '{}' must be a constant expression", field.key()));
  const Element value = expression->constant()->element();
  if (!value.is_string() && value.type() != bson::Type::kCode) return bad(4544702, fmt::format("$accumulator '{}' must be a String or Code", field.key()));
  return std::string(value.string_value());
}

}  // namespace

Result<std::shared_ptr<const ScriptAccumulatorSpec>> ScriptAccumulatorSpec::parse(const Element& op, const Scope& scope) {
  auto spec = std::make_shared<ScriptAccumulatorSpec>();
  spec->scripts = TRY(scripts_of(scope));
  if (!op.is_document()) return bad(4544703, fmt::format("$accumulator expects an object as an argument; found: {}", bson::type_name(op.type())));
  std::string merge;  // one server has nothing to merge
  for (const Element& field : op.document_value()) {
    const auto name = field.key();
    if (name == "init") {
      spec->init = TRY(function_text(field, scope));
    } else if (name == "accumulate") {
      spec->accumulate = TRY(function_text(field, scope));
    } else if (name == "merge") {
      merge = TRY(function_text(field, scope));
    } else if (name == "finalize") {
      spec->finalize = TRY(function_text(field, scope));
    } else if (name == "initArgs") {
      spec->init_args = TRY(parse_expression(field, scope));
    } else if (name == "accumulateArgs") {
      spec->accumulate_args = TRY(parse_expression(field, scope));
    } else if (name == "lang") {
      if (!field.is_string()) return bad(4544704, fmt::format("$accumulator lang must be a string; found: {}", bson::type_name(field.type())));
      if (field.string_value() != "js") return bad(4544705, "$accumulator only supports lang: 'js'");
    } else {
      return bad(4544706, fmt::format("$accumulator got an unexpected field: {}", name));
    }
  }
  if (spec->init.empty()) return bad(4544707, "$accumulator missing required argument 'init'");
  if (spec->accumulate.empty()) return bad(4544708, "$accumulator missing required argument 'accumulate'");
  if (merge.empty()) return bad(4544709, "$accumulator missing required argument 'merge'");
  if (!spec->accumulate_args) return bad(4544710, "$accumulator missing required argument 'accumulateArgs'");
  return spec;
}

ExpressionPtr make_script_operand(std::shared_ptr<const ScriptAccumulatorSpec> spec) { return std::make_unique<ScriptOperand>(std::move(spec)); }

std::unique_ptr<Accumulator> make_script_accumulator(std::shared_ptr<const ScriptAccumulatorSpec> spec, const EvaluationContext& context) {
  return std::make_unique<ScriptAccumulator>(std::move(spec), context);
}

}  // namespace drover::sandbox::query
