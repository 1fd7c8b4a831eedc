#include "sandbox/query/validation_failure.h"

#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "bson/builder.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/match_node.h"
#include "sandbox/query/path.h"

namespace drover::sandbox::query {

using bson::Builder;
using bson::Document;
using bson::Element;
using bson::Type;
using bson::View;

namespace {

// How many of the values that a path leads to are shown.
constexpr std::size_t kMaxConsideredValues = 10;

// The names of the codes that expressions fail with; the others have none.
std::string name_of_code(int failure) {
  switch (failure) {
    case code::kBadValue: return "BadValue";
    case code::kFailedToParse: return "FailedToParse";
    case code::kTypeMismatch: return "TypeMismatch";
    case code::kOverflow: return "Overflow";
    case code::kConversionFailure: return "ConversionFailure";
    default: return "Location" + std::to_string(failure);
  }
}

// One predicate of a filter, alone: {path: {$op: value}}, {path: value} or {$op: value}.
struct Clause {
  std::string path;  // empty for operators that take none
  Element predicate;
  Document whole;
};

std::vector<Clause> clauses_of(View filter) {
  std::vector<Clause> clauses;
  const auto alone = [](const Element& field) {
    Builder out;
    out.append_raw(field);
    return std::move(out).finish();
  };
  for (const Element& field : filter) {
    if (field.key() == "$comment") continue;
    if (field.key().starts_with('$') || !is_operator_document(field)) {
      clauses.push_back({field.key().starts_with('$') ? "" : std::string(field.key()), field, alone(field)});
      continue;
    }
    for (const Element& op : field.document_value()) {
      if (op.key() == "$options") continue;  // goes with its $regex
      Builder whole;
      {
        auto operators = whole.open_document(field.key());
        operators.append_raw(op);
        const auto options = field.document_value()["$options"];
        if (op.key() == "$regex" && options) operators.append_raw(options);
      }
      clauses.push_back({std::string(field.key()), op, std::move(whole).finish()});
    }
  }
  return clauses;
}

struct Considered {
  bool missing = false;
  bool truncated = false;
  std::vector<Element> values;
};

// What an operator that fails says of it.
struct Wording {
  std::string_view failed;
  std::string_view succeeded;
  std::vector<Type> expected = {};  // any type when empty
  bool whole_arrays = false;        // an array at the path's end is one value
};

const std::vector<Type> kNumbers{Type::kDouble, Type::kInt32, Type::kInt64, Type::kDecimal128};

std::optional<Wording> wording_of(std::string_view op) {
  if (op == "$eq" || op == "$ne" || op == "$lt" || op == "$lte" || op == "$gt" || op == "$gte") return Wording{"comparison failed", "comparison succeeded"};
  if (op == "$in" || op == "$nin") return Wording{"no matching value found in array", "matching value found in array"};
  if (op == "$mod") return Wording{"$mod did not evaluate to expected remainder", "$mod did evaluate to expected remainder", kNumbers};
  if (op == "$regex") return Wording{"regular expression did not match", "regular expression did match", {Type::kString, Type::kSymbol, Type::kRegex}};
  if (op == "$size") return Wording{"array length was not equal to given size", "array length was equal to given size", {Type::kArray}, true};
  if (op == "$elemMatch") return Wording{"array did not satisfy the child predicate", "array did satisfy the child predicate", {Type::kArray}, true};
  if (op == "$all") return Wording{"array did not contain all specified values", "array did contain all specified values", {}, true};
  if (op == "$geoWithin" || op == "$within") {
    return Wording{"none of the considered geometries were contained within the expression’s geometry",
                   "at least one of considered geometries was contained within the expression’s geometry"};
  }
  if (op == "$geoIntersects") {
    return Wording{"none of the considered geometries intersected the expression’s geometry",
                   "at least one of considered geometries intersected the expression’s geometry"};
  }
  if (op.starts_with("$bits")) {
    auto types = kNumbers;
    types.push_back(Type::kBinary);
    return Wording{"bitwise operator failed to match", "bitwise operator matched successfully", std::move(types)};
  }
  return std::nullopt;
}

// One name under `one`, several as an array under `several`; in their order.
void append_types(Builder& out, std::string_view one, std::string_view several, const std::set<std::string_view>& names) {
  if (names.empty()) return;
  if (names.size() == 1) {
    out.append(one, *names.begin());
    return;
  }
  auto array = out.open_array(several);
  for (const auto name : names) array.append(name);
}

class Explainer {
 public:
  Explainer(View document, const std::shared_ptr<const bson::Collator>& collator, const std::shared_ptr<const EvaluationContext>& context,
            FailureBudget& budget)
      : document_(document), collator_(collator), context_(context), budget_(budget) {}

  // `inverted`: below a negation, where it is told what did match.
  Document filter(View filter, bool inverted) {
    const auto clauses = clauses_of(filter);
    if (clauses.size() == 1) return clause(clauses.front(), inverted);
    std::vector<Document> parts;
    for (const auto& part : clauses) parts.push_back(part.whole);
    return list("$and", parts, inverted);
  }

 private:
  Document clause(const Clause& clause, bool inverted) {
    const std::string_view key = clause.predicate.key();
    if (!clause.path.empty() && key == "$not") {
      Builder inner;
      inner.append(clause.path, clause.predicate);
      Builder out;
      out.append("operatorName", "$not").append("details", filter(std::move(inner).finish(), !inverted));
      return std::move(out).finish();
    }
    if (clause.path.empty()) {
      if (key == "$and" || key == "$or" || key == "$nor") {
        std::vector<Document> parts;
        for (const Element& part : clause.predicate.document_value()) parts.emplace_back(part.document_value());
        return list(key, parts, inverted);
      }
      if (key == "$jsonSchema") return schema(clause, inverted);
      if (key == "$expr") return expression(clause, inverted);
      if (key == "$alwaysTrue" || key == "$alwaysFalse") return constant(key, clause, inverted);
    }
    return leaf(clause, inverted);
  }

  // Of $and those that do not hold, of $nor those that do; of the others all, for all have failed.
  Document list(std::string_view name, const std::vector<Document>& parts, bool inverted) {
    const bool below = name == "$nor" ? !inverted : inverted;
    const bool choose = name == "$or" ? inverted : !inverted;
    Builder out;
    out.append("operatorName", name);
    {
      auto clauses = out.open_array(below ? "clausesSatisfied" : "clausesNotSatisfied");
      for (std::size_t i = 0; i < parts.size() && !budget_.exhausted(); ++i) {
        if (choose && !contributes(parts[i], below)) continue;
        auto item = clauses.open_document();
        item.append("index", static_cast<std::int32_t>(i)).append("details", filter(parts[i], below));
      }
    }
    return std::move(out).finish();
  }

  bool contributes(View part, bool inverted) {
    const auto matcher = Matcher::parse(part, collator_, context_->version, context_);
    if (!matcher) return true;
    const auto matched = matcher->try_matches(document_);
    return !matched || *matched == inverted;
  }

  Document schema(const Clause& clause, bool inverted) {
    if (!inverted) return explain_schema_failure(clause.whole, document_, context_->version, budget_);
    Builder out;
    out.append("operatorName", "$jsonSchema").append("reason", "schema matched");
    return std::move(out).finish();
  }

  Document expression(const Clause& clause, bool inverted) {
    Builder out;
    begin(out, "$expr", clause);
    auto parsed = parse_expression(clause.predicate, Scope(*context_));
    Variables variables(document_, *context_);
    const auto value = parsed ? (*parsed)->evaluate(variables) : Result<Datum>(tl::unexpected(parsed.error()));
    if (!value) {
      out.append("reason", "failed to evaluate aggregation expression");
      auto details = out.open_document("details");
      const int code = value.error().server_code;
      details.append("code", code).append("codeName", name_of_code(code)).append("errmsg", value.error().message);
      details.close();
      return end(std::move(out));
    }
    out.append("reason", inverted ? "expression did match" : "expression did not match");
    if (!value->missing() && !budget_.brief) value->append_to(out, "expressionResult");
    return end(std::move(out));
  }

  Document constant(std::string_view name, const Clause& clause, bool inverted) {
    Builder out;
    begin(out, name, clause);
    out.append("reason", inverted ? "expression always evaluates to true" : "expression always evaluates to false");
    return end(std::move(out));
  }

  Document leaf(const Clause& clause, bool inverted) {
    const bool has_operator = clause.predicate.key().starts_with('$') && !clause.path.empty();
    const std::string_view path = clause.path.empty() ? clause.predicate.key() : std::string_view(clause.path);  // $ref, $id, $db
    const std::string_view name = has_operator ? clause.predicate.key() : clause.predicate.type() == Type::kRegex ? "$regex" : "$eq";
    if (name == "$exists") return existence(clause, inverted);
    if (name == "$type") return type(clause, path, inverted);
    if (name == "$all" && clause.predicate.document_value().empty()) return constant(name, clause, inverted);
    const auto wording = wording_of(name).value_or(Wording{"expression did not match", "expression did match"});
    if (name == "$ne" || name == "$nin") inverted = !inverted;
    Builder out;
    begin(out, name, clause);
    const auto considered = consider(path, wording.whole_arrays);
    if (considered.missing) {
      out.append("reason", "field was missing");
    } else if (!wording.expected.empty() && !any_of_types(considered, wording.expected)) {
      out.append("reason", "type did not match");
      append_types(out, "consideredType", "consideredTypes", types_of(considered));
      std::set<std::string_view> expected;
      for (const auto type : wording.expected) expected.insert(bson::type_name(type));
      append_types(out, "expectedType", "expectedTypes", expected);
    } else {
      out.append("reason", inverted ? wording.succeeded : wording.failed);
    }
    append_values(out, considered);
    return end(std::move(out));
  }

  // {$exists: false} is a negation.
  Document existence(const Clause& clause, bool inverted) {
    Builder out;
    begin(out, "$exists", clause);
    out.append("reason", inverted == clause.predicate.is_truthy() ? "path does exist" : "path does not exist");
    return end(std::move(out));
  }

  Document type(const Clause& clause, std::string_view path, bool inverted) {
    Builder out;
    begin(out, "$type", clause);
    const auto considered = consider(path, false);
    out.append("reason", considered.missing ? "field was missing" : inverted ? "type did match" : "type did not match");
    append_values(out, considered);
    append_types(out, "consideredType", "consideredTypes", types_of(considered));
    return end(std::move(out));
  }

  void begin(Builder& out, std::string_view name, const Clause& clause) const {
    out.append("operatorName", name);
    if (!budget_.brief) out.append("specifiedAs", clause.whole);
  }
  Document end(Builder out) const {
    budget_.take(out.size());
    return std::move(out).finish();
  }

  Considered consider(std::string_view path_text, bool whole_arrays) const {
    Considered result;
    bool found = false;
    const FieldPath path(path_text);
    const auto add = [&](const Element& value) {
      if (result.values.size() == kMaxConsideredValues) {
        result.truncated = true;
      } else {
        result.values.push_back(value);
      }
      return result.truncated;
    };
    visit_path(document_, path.parts(), LeafArrays::kKeep, [&](const Element& value, const Element&) {
      if (!value.exists()) return true;
      found = true;
      if (whole_arrays || !value.is_array()) return add(value);
      for (const Element& item : value.document_value()) {
        if (add(item)) return true;
      }
      return false;
    });
    result.missing = !found;
    return result;
  }

  static bool any_of_types(const Considered& considered, const std::vector<Type>& types) {
    for (const auto& value : considered.values) {
      for (const auto type : types) {
        if (value.type() == type) return true;
      }
    }
    return false;
  }

  static std::set<std::string_view> types_of(const Considered& considered) {
    std::set<std::string_view> names;
    for (const auto& value : considered.values) names.insert(bson::type_name(value.type()));
    return names;
  }

  void append_values(Builder& out, const Considered& considered) const {
    if (considered.missing || budget_.brief) return;
    if (considered.values.size() == 1) {
      out.append("consideredValue", considered.values.front());
    } else {
      auto array = out.open_array("consideredValues");
      for (const auto& value : considered.values) array.append(value);
    }
    if (considered.truncated) out.append("consideredValuesTruncated", true);
  }

  View document_;
  const std::shared_ptr<const bson::Collator>& collator_;
  const std::shared_ptr<const EvaluationContext>& context_;
  FailureBudget& budget_;
};

}  // namespace

Document explain_validation_failure(View validator, View document, const std::shared_ptr<const bson::Collator>& collator,
                                    const std::shared_ptr<const EvaluationContext>& context) {
  for (const bool brief : {false, true}) {
    FailureBudget budget{.brief = brief};
    auto details = Explainer(document, collator, context, budget).filter(validator, false);
    if (budget.exhausted() || details.size() > kMaxFailureBytes) continue;
    Builder out;
    if (const auto id = document["_id"]) out.append("failingDocumentId", id);
    if (brief) out.append("truncated", true);
    out.append("details", details);
    return std::move(out).finish();
  }
  Builder out;
  if (const auto id = document["_id"]) out.append("failingDocumentId", id);
  out.append("note", "detailed error was too large");
  return std::move(out).finish();
}

}  // namespace drover::sandbox::query
