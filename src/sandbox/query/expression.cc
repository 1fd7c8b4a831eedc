#include "sandbox/query/expression.h"

#include <unordered_map>

#include <fmt/core.h>

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/query/expression_ops.h"
#include "sandbox/query/percentile.h"
#include "sandbox/query/path.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

Datum walk_array(const Datum& array, std::span<const std::string> parts);

Datum walk_object(const Datum& holder, View object, std::span<const std::string> parts) {
  Element field = object[parts[0]];
  while (parts.size() > 1 && field.type() == Type::kDocument) {
    parts = parts.subspan(1);
    field = field.document_value()[parts[0]];
  }
  if (parts.size() == 1) return holder.inside(field);
  if (field.type() == Type::kArray) return walk_array(holder.inside(field), parts.subspan(1));
  return {};
}

// The path applied to every document in the array; other items yield nothing.
Datum walk_array(const Datum& array, std::span<const std::string> parts) {
  bson::ArrayBuilder items;
  for (const Element& item : array.element().document_value()) {
    if (item.type() != Type::kDocument) continue;
    const Datum value = walk_object(array, item.document_value(), parts);
    if (!value.missing()) items.append(value.element());
  }
  return Datum::array(std::move(items));
}

struct ConstantExpression final : Expression {
  explicit ConstantExpression(Datum v, bool as_written = true) : value(std::move(v)), literal(as_written) {}
  Result<Datum> evaluate(Variables&) const override { return value; }
  const Datum* constant() const override { return &value; }
  bool is_literal() const override { return literal; }
  Datum value;
  bool literal;
};

struct RootPathExpression final : Expression {
  explicit RootPathExpression(std::string_view path) : text(path), parts(split_path(path)) {}
  Result<Datum> evaluate(Variables& variables) const override { return walk_object(Datum(), variables.root(), parts); }
  std::string_view field_path() const override { return text; }
  std::string text;
  std::vector<std::string> parts;
};

struct RootExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override { return Datum::document(variables.root()); }
};

struct SlotExpression final : Expression {
  SlotExpression(std::size_t s, std::vector<std::string> p) : slot(s), parts(std::move(p)) {}
  Result<Datum> evaluate(Variables& variables) const override { return path_value(variables.slot(slot), parts); }
  std::size_t slot;
  std::vector<std::string> parts;
};

struct ObjectExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    bson::Builder builder;
    for (const auto& [name, value] : fields) {
      const Datum datum = TRY(value->evaluate(variables));
      if (!datum.missing()) datum.append_to(builder, name);
      TRY(check_value_size(builder.size()));
    }
    return Datum::document(std::move(builder).finish());
  }
  std::vector<std::pair<std::string, ExpressionPtr>> fields;
};

struct ArrayExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    bson::ArrayBuilder builder;
    for (const auto& item : items) {
      const Datum value = TRY(item->evaluate(variables));
      if (value.missing()) {
        builder.append(bson::Null{});
      } else {
        builder.append(value.element());
      }
      TRY(check_value_size(builder.size()));
    }
    return Datum::array(std::move(builder));
  }
  std::vector<ExpressionPtr> items;
};

struct CallExpression final : Expression {
  CallExpression(OperatorFunction f, std::vector<ExpressionPtr> o) : function(f), operands(std::move(o)) {}
  Result<Datum> evaluate(Variables& variables) const override {
    constexpr std::size_t kFew = 4;
    Datum few[kFew];
    std::vector<Datum> many;
    if (operands.size() > kFew) many.resize(operands.size());
    const std::span<Datum> values = many.empty() ? std::span<Datum>(few, operands.size()) : std::span<Datum>(many);
    for (std::size_t i = 0; i < operands.size(); ++i) values[i] = TRY(operands[i]->evaluate(variables));
    Datum result = TRY(function(values, variables));
    TRY(check_value_size(result.bytes()));
    return result;
  }
  OperatorFunction function;
  std::vector<ExpressionPtr> operands;
};

struct Entry {
  const Operator* op = nullptr;
  const SpecialForm* form = nullptr;
};

const std::unordered_map<std::string_view, Entry>& registry() {
  static const auto table = [] {
    std::unordered_map<std::string_view, Entry> entries;
    for (const auto operators : {arithmetic_operators(), math_operators(), comparison_operators(), string_operators(), array_operators(),
                                 object_operators(), date_operators(), conversion_operators()}) {
      for (const Operator& op : operators) entries[op.name].op = &op;
    }
    for (const auto forms :
         {control_forms(), array_forms(), object_forms(), string_forms(), date_forms(), date_arithmetic_forms(), conversion_forms(), percentile_forms()}) {
      for (const SpecialForm& form : forms) entries[form.name].form = &form;
    }
    return entries;
  }();
  return table;
}

Status check_count(const Operator& op, std::size_t given) {
  const auto count = static_cast<int>(given);
  if (count >= op.min_operands && (op.max_operands == kAnyCount || count <= op.max_operands)) return {};
  if (op.min_operands == op.max_operands) {
    return bad(16020, fmt::format("Expression {} takes exactly {} arguments. {} were passed in.", op.name,
                                  op.min_operands, count));
  }
  if (op.name == "$setEquals") return bad(17045, fmt::format("$setEquals needs at least two arguments had: {}", count));
  return bad(28667, fmt::format("Expression {} takes at least {} arguments, and at most {}, but {} were passed in.",
                                op.name, op.min_operands, op.max_operands, count));
}

Status check_path(const std::vector<std::string>& parts, ServerVersion version) {
  if (parts.size() > kMaxPathDepth) return bad(code::kOverflow, "FieldPath is too long");
  for (const auto& part : parts) {
    if (part.empty()) {
      if (parts.size() == 1) return bad(40352, "FieldPath cannot be constructed with empty string");
      return bad(15998, "FieldPath field names may not be empty strings.");
    }
    if (part.starts_with('$')) return bad_dollar_name(version);
    if (part.find('\0') != std::string::npos) return bad(16411, "FieldPath field names may not contain '\\0'.");
  }
  if (!parts.empty() && parts.back().empty()) return bad(40353, "FieldPath must not end with a '.'.");
  return {};
}

Result<ExpressionPtr> root_path(std::string_view path, ServerVersion version) {
  if (path.ends_with('.')) return bad(40353, "FieldPath must not end with a '.'.");
  auto expression = std::make_unique<RootPathExpression>(path);
  TRY(check_path(expression->parts, version));
  return expression;
}

// "$path": a path in the document, or in what $let has made CURRENT.
Result<ExpressionPtr> current_path(std::string_view path, const Scope& scope) {
  auto in_document = TRY(root_path(path, scope.context().version));
  const std::size_t* current = scope.find("CURRENT");
  if (!current) return in_document;
  return std::make_unique<SlotExpression>(*current, split_path(path));
}

// "$$name.path", without the dollars.
Result<ExpressionPtr> variable(std::string_view text, const Scope& scope) {
  const std::size_t dot = text.find('.');
  const std::string_view name = text.substr(0, dot);
  const std::string_view rest = dot == std::string_view::npos ? std::string_view() : text.substr(dot + 1);
  if (name.empty()) return bad(16866, "empty variable names are not allowed");
  std::vector<std::string> parts;
  if (dot != std::string_view::npos) {
    parts = split_path(rest);
    TRY(check_path(parts, scope.context().version));
  }
  if (const std::size_t* slot = scope.find(name)) return std::make_unique<SlotExpression>(*slot, std::move(parts));
  if (name == "ROOT" || name == "CURRENT") {
    if (parts.empty()) return std::make_unique<RootExpression>();
    return root_path(rest, scope.context().version);
  }
  const EvaluationContext& context = scope.context();
  if (name == "NOW") return make_constant(path_value(Datum::from(context.now), parts));
  if (name == "CLUSTER_TIME") return make_constant(path_value(Datum::from(context.cluster_time), parts));
  if (name == "REMOVE") return make_constant(Datum());
  if (name == "DESCEND") return make_constant(Datum::from(std::string_view("descend")));  // $redact's verdicts
  if (name == "PRUNE") return make_constant(Datum::from(std::string_view("prune")));
  if (name == "KEEP") return make_constant(Datum::from(std::string_view("keep")));
  if (const Element value = context.let[name]; value && value.type() == Type::kUndefined) {
    return std::make_unique<ConstantExpression>(Datum(), false);  // bound to nothing
  }
  if (const Element value = context.let[name]) return std::make_unique<ConstantExpression>(path_value(Datum::copy(value), parts).own(), false);
  return bad(17276, fmt::format("Use of undefined variable: {}", name));
}

struct TextScoreExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const auto& score = variables.context().text_score;
    return score ? Datum::from(TRY(score(variables.root()))) : Datum();
  }
};

struct CarriedScoreExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const auto& score = variables.context().carried_score;
    return score ? Datum::from(*score) : Datum();
  }
};

struct OriginExpression final : Expression {
  enum class Part { kRecordId, kIndexKey, kSortKey };
  explicit OriginExpression(Part p) : part(p) {}
  Result<Datum> evaluate(Variables& variables) const override {
    const auto& origin = variables.context().origin;
    if (part == Part::kRecordId) return origin.record_id ? Datum::from(*origin.record_id) : Datum();
    const auto& key = part == Part::kIndexKey ? origin.index_key : origin.sort_key;
    return key.empty() ? Datum() : Datum::copy(key.view().first());
  }
  const Part part;
};

// Null: it is none of these.
Result<ExpressionPtr> origin_expression(std::string_view name, const EvaluationContext& context) {
  using Part = OriginExpression::Part;
  auto& asked = context.origin_asked;
  const std::tuple<std::string_view, Part, bool*> kParts[] = {
      {"recordId", Part::kRecordId, &asked.record_id}, {"indexKey", Part::kIndexKey, &asked.index_key}, {"sortKey", Part::kSortKey, &asked.sort_key}};
  for (const auto& [known, part, flag] : kParts) {
    if (known != name) continue;
    using State = EvaluationContext::OriginState;
    if (context.origin_state == State::kNone) return bad(238, fmt::format("this server does not know $meta: '{}' in or behind this stage: let a stage before it put it into a field", name));
    if (context.origin_state == State::kLost) return std::make_unique<ConstantExpression>(Datum(), false);
    *flag = true;
    return std::make_unique<OriginExpression>(part);
  }
  return nullptr;
}

// But for the score of $text, what only a text, geo or random-sorting query carries is never there.
Result<ExpressionPtr> meta_expression(const Element& call, const EvaluationContext& context) {
  if (!call.is_string()) return bad(17307, "$meta only supports string arguments");
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"textScore", "text score"},   {"geoNearDistance", "$geoNear distance"}, {"geoNearPoint", "$geoNear point"},
      {"randVal", "rand val"},       {"searchScore", "$search score"},         {"searchHighlights", "$search highlights"}};
  if (call.string_value() == "textScore") {
    using State = EvaluationContext::TextScore;
    if (context.text_score_state == State::kReadable) return std::make_unique<TextScoreExpression>();
    if (context.text_score_state == State::kCarried) return std::make_unique<CarriedScoreExpression>();
    if (context.text_score_state == State::kLost) return std::make_unique<ConstantExpression>(Datum(), false);
    if (context.text_score_state == State::kPassed) {
      return bad(238, "this server does not know the text score in or behind this stage: let a stage before it put it into a field");
    }
  }
  if (auto origin = TRY(origin_expression(call.string_value(), context))) return origin;
  for (const auto& [name, shown] : kNames) {
    if (name == call.string_value()) return bad(40218, fmt::format("query requires {} metadata, but it is not available", shown));
  }
  return bad(17308, fmt::format("Unsupported argument to $meta: {}", call.string_value()));
}

// $rand's: {} or [].
Status check_no_arguments(const Element& call) {
  if (!call.is_document() && !call.is_array()) return bad(10065, fmt::format("invalid parameter: expected an object ({})", call.key()));
  if (!call.document_value().empty()) return bad(3040501, fmt::format("{} does not currently accept arguments", call.key()));
  return {};
}

Result<ExpressionPtr> operator_call(const Element& call, const Scope& scope) {
  if (call.key() == "$meta") return meta_expression(call, scope.context());
  const auto entry = registry().find(call.key());
  if (!is_known_expression(call.key(), scope.context().version)) {
    return bad(code::kInvalidPipelineOperator, fmt::format("Unrecognized expression '{}'", call.key()));
  }
  if (entry->second.form) return entry->second.form->parse(call, scope);
  const Operator& op = *entry->second.op;
  if (op.name == "$rand") TRY(check_no_arguments(call));
  auto operands = TRY(parse_operands(call, scope));
  TRY(check_count(op, operands.size()));
  const bool literals = are_literals(operands) && op.name != "$rand";
  return fold(make_call(op.function, std::move(operands)), literals, scope);
}

}  // namespace

Status check_value_size(std::size_t bytes) {
  if (bytes <= kMaxValueBytes) return {};
  return bad(10334, fmt::format("BSONObj size: {} (0x{:X}) is invalid. Size must be between 0 and {}", bytes, bytes,
                                kMaxValueBytes));
}

Datum path_value(const Datum& base, std::span<const std::string> parts) {
  if (parts.empty() || base.missing()) return base;
  if (base.type() == Type::kDocument) return walk_object(base, base.element().document_value(), parts);
  if (base.type() == Type::kArray) return walk_array(base, parts);
  return {};
}

Scope Scope::with(std::string_view name, std::size_t* slot) const {
  Scope inner = *this;
  *slot = inner.next_++;
  inner.slots_.insert_or_assign(std::string(name), *slot);
  return inner;
}

const std::size_t* Scope::find(std::string_view name) const {
  const auto found = slots_.find(name);
  return found == slots_.end() ? nullptr : &found->second;
}

ExpressionPtr fold(ExpressionPtr expression, bool of_literals, const Scope& scope) {
  constexpr std::size_t kMaxKeptBytes = 4 << 10;  // larger ones are made anew for each document
  if (!of_literals) return expression;
  Variables none(View(), scope.context());
  auto value = expression->evaluate(none);
  if (value && value->bytes() <= kMaxKeptBytes) return make_constant(std::move(*value));
  if (!value && !scope.context().literal_failure) scope.context().literal_failure = std::move(value).error();
  return expression;
}

bool are_literals(std::span<const ExpressionPtr> operands) {
  return std::all_of(operands.begin(), operands.end(), [](const ExpressionPtr& operand) { return operand->is_literal(); });
}

bool NamedOperands::are_literals() const {
  return std::all_of(operands_.begin(), operands_.end(), [](const auto& named) { return named.second->is_literal(); });
}

ExpressionPtr make_constant(Datum value) { return std::make_unique<ConstantExpression>(value.own()); }

ExpressionPtr make_call(OperatorFunction function, std::vector<ExpressionPtr> operands) {
  return std::make_unique<CallExpression>(function, std::move(operands));
}

Result<std::vector<ExpressionPtr>> parse_operands(const Element& argument, const Scope& scope) {
  std::vector<ExpressionPtr> operands;
  if (argument.is_array()) {
    for (const Element& item : argument.document_value()) operands.push_back(TRY(parse_expression(item, scope)));
  } else {
    operands.push_back(TRY(parse_expression(argument, scope)));
  }
  return operands;
}

Result<ExpressionPtr> parse_expression(const Element& operand, const Scope& scope) {
  if (operand.is_string() && operand.string_value().starts_with('$')) {
    const std::string_view text = operand.string_value();
    if (text.starts_with("$$")) return variable(text.substr(2), scope);
    if (text.size() == 1) return bad(16872, "'$' by itself is not a valid FieldPath");
    return current_path(text.substr(1), scope);
  }
  if (operand.is_document()) return parse_object_expression(operand.document_value(), scope);
  if (operand.is_array()) {
    auto array = std::make_unique<ArrayExpression>();
    bool constant = true, literal = true;
    for (const Element& item : operand.document_value()) {
      array->items.push_back(TRY(parse_expression(item, scope)));
      constant &= array->items.back()->constant() != nullptr;
      literal &= array->items.back()->is_literal();
    }
    if (!constant) return array;
    Variables none(View(), scope.context());
    return std::make_unique<ConstantExpression>(TRY(array->evaluate(none)).own(), literal);
  }
  return make_constant(Datum::copy(operand));
}

Result<ExpressionPtr> parse_object_expression(View object, const Scope& scope) {
  const Element first = object.first();
  if (first.key().starts_with('$') && first.exists()) {
    if (object.field_count() != 1) {
      return bad(15983, fmt::format("An object representing an expression must have exactly one field: {}",
                                    bson::to_shell(object)));
    }
    return operator_call(first, scope);
  }
  auto expression = std::make_unique<ObjectExpression>();
  bool constant = true, literal = true;
  for (const Element& field : object) {
    if (field.key().starts_with('$')) return bad_dollar_name(scope.context().version);
    if (field.key().find('.') != std::string_view::npos)
      return bad(16412, "FieldPath field names may not contain '.'.");
    expression->fields.emplace_back(std::string(field.key()), TRY(parse_expression(field, scope)));
    constant &= expression->fields.back().second->constant() != nullptr;
    literal &= expression->fields.back().second->is_literal();
  }
  if (!constant) return expression;
  Variables none(View(), scope.context());
  return std::make_unique<ConstantExpression>(TRY(expression->evaluate(none)).own(), literal);
}

bool is_known_expression(std::string_view operator_name, ServerVersion version) {
  const auto entry = registry().find(operator_name);
  if (entry == registry().end()) return false;
  return version >= (entry->second.op ? entry->second.op->since : entry->second.form->since);
}

Result<bson::Document> evaluate_let(View let, const EvaluationContext& context) {
  bson::Builder builder;
  const Scope scope(context);
  Variables variables{View(), context};
  for (const Element& e : let) {
    const Datum value = TRY(TRY(parse_expression(e, scope))->evaluate(variables));
    if (!value.missing()) value.append_to(builder, e.key());
  }
  return std::move(builder).finish();
}

Result<NamedOperands> NamedOperands::parse(const Element& argument, const Scope& scope, std::string_view operator_name,
                                           std::span<const std::string_view> allowed, int unknown_code,
                                           int not_object_code) {
  if (!argument.is_document()) {
    return bad(not_object_code, fmt::format("{} only supports an object as its argument", operator_name));
  }
  NamedOperands named;
  for (const Element& e : argument.document_value()) {
    bool known = false;
    for (const std::string_view name : allowed) known |= name == e.key();
    if (!known) {
      // The server has two ways to say it.
      if (operator_name.starts_with("$date")) return bad(unknown_code, fmt::format("Unrecognized argument to {}: {}", operator_name, e.key()));
      return bad(unknown_code, fmt::format("{} found an unknown argument: {}", operator_name, e.key()));
    }
    named.operands_.emplace_back(std::string(e.key()), TRY(parse_expression(e, scope)));
  }
  return named;
}

const Expression* NamedOperands::find(std::string_view name) const {
  for (const auto& [key, operand] : operands_) {
    if (key == name) return operand.get();
  }
  return nullptr;
}

ExpressionPtr NamedOperands::take(std::string_view name) {
  for (auto& [key, operand] : operands_) {
    if (key == name) return std::move(operand);
  }
  return nullptr;
}

Result<Datum> NamedOperands::evaluate(std::string_view name, Variables& variables) const {
  const Expression* operand = find(name);
  if (!operand) return Datum();
  return operand->evaluate(variables);
}

}  // namespace drover::sandbox::query
