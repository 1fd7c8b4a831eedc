#include "sandbox/query/projection_parser.h"

#include <fmt/core.h>

#include "bson/ejson.h"
#include "sandbox/query/errors.h"
#include "sandbox/query/path.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

// The first item that {path: {$elemMatch: ...}} matches, as a computed field.
struct ElemMatchExpression final : Expression {
  Result<Datum> evaluate(Variables& variables) const override {
    const Element array = variables.root()[name];
    if (!array.is_array()) return Datum();
    MatchDetails details;
    if (!matcher.matches(variables.root(), &details) || !details.array_index) return Datum();
    bson::ArrayBuilder out;
    out.append(array.document_value()[*details.array_index]);
    return Datum::array(std::move(out));
  }
  std::string name;
  Matcher matcher;
};

class Parser {
 public:
  Parser(ProjectionFor use, const EvaluationContext& context) : for_find_(use == ProjectionFor::kFind), context_(context) {}

  Result<ProjectionSpec> parse(View spec) && {
    TRY(fields("", seen_, spec));
    finish();
    return std::move(result_);
  }

 private:
  // `seen` is the part of the tree of all paths that stands at `prefix`: collisions show there, with paths as they are
  // written.
  Status fields(const std::string& prefix, ProjectionNode& seen, View spec) {
    for (const Element& e : spec) TRY(field(prefix, seen, e));
    return {};
  }

  Status field(const std::string& prefix, ProjectionNode& seen, const Element& e) {
    const bool positional = e.key().ends_with(".$");
    if (positional && !for_find_) return bad(31324, "Cannot use positional projection in aggregation projection");
    if (e.key().find(".$.") != std::string_view::npos) {
      return bad(31394,
                 "As of 4.4, it's illegal to specify positional operator in the middle of a path.Positional projection may "
                 "only be used at the end, for example: a.b.$. If the query previously used a form like a.b.$.d, remove the "
                 "parts following the '$' and the results will be equivalent.");
    }
    if (e.is_document()) {
      if (positional) return bad(31271, "positional projection cannot be used with an expression or sub object");
      return object(prefix, seen, e);
    }
    if (!e.is_number() && e.type() != Type::kBool) {
      if (positional) return bad(31308, "positional projection cannot be used with a literal");
      return literal(prefix, seen, e);
    }
    if (e.is_truthy()) return inclusion(prefix, seen, e, positional);
    if (positional) return bad(31395, "positional projection cannot be used with exclusion");
    return exclusion(prefix, seen, e);
  }

  Status object(const std::string& prefix, ProjectionNode& seen, const Element& e) {
    const View inner = e.document_value();
    if (inner.empty()) return bad(51270, "An empty sub-projection is not a valid value. Found empty object at path");
    TRY(check_projection_path(e.key(), context_.version));
    const Element call = inner.first();
    if (inner.field_count() == 1 && call.key().starts_with('$')) {
      if (for_find_ && call.key() == "$slice") return slice(prefix, seen, e);
      if (call.key() == "$elemMatch") return elem_match(prefix, seen, e, call);
      if (!is_known_expression(call.key(), context_.version) && call.key() != "$meta") {
        return bad(31325, fmt::format("Unknown expression {}", call.key()));
      }
      return computed(prefix, seen, e);
    }
    return fields(join(prefix, e.key()), *TRY(inner_node(seen, e.key())), inner);
  }

  // The node for the fields below `path`, which may be there already.
  static Result<ProjectionNode*> inner_node(ProjectionNode& seen, std::string_view path) {
    ProjectionNode* node = &seen;
    std::string_view rest = path;
    while (true) {
      const auto dot = rest.find('.');
      const auto* child = node->find(rest.substr(0, dot));
      if (!child || !child->node) break;
      node = child->node.get();
      if (dot == std::string_view::npos) return node;
      rest.remove_prefix(dot + 1);
    }
    auto* child = TRY(seen.add(path));
    child->node = std::make_unique<ProjectionNode>();
    return child->node.get();
  }

  Status slice(const std::string& prefix, ProjectionNode& seen, const Element& e) {
    const Element argument = e.document_value().first();
    auto parsed = find_slice(argument);
    if (!parsed) {
      auto generic = computed(prefix, seen, e);
      if (generic) return {};
      const Error& why = parsed.error();
      auto what = fmt::format("Invalid $slice syntax. The given syntax {} did not match the find() syntax because :: Location{}: {} "
                              ":: The given syntax did not match the expression $slice syntax. :: caused by :",
                              bson::to_shell(e.document_value()), why.server_code, why.message);
      return tl::unexpected(std::move(generic).error().with_context(what));
    }
    TRY(seen.add(e.key()));
    has_slice_ = true;
    parsed->path = join(prefix, e.key());
    parsed->parts = split_path(parsed->path);
    result_.slices.push_back(std::move(*parsed));
    return {};
  }

  static Result<ProjectedSlice> find_slice(const Element& argument) {
    ProjectedSlice slice;
    if (argument.is_number()) {
      const std::int64_t count = argument.to_int64().value_or(0);
      slice.skip = count < 0 ? count : 0;
      slice.limit = count < 0 ? -count : count;
      return slice;
    }
    if (!argument.is_array()) return bad(31273, "$slice only supports numbers and [skip, limit] arrays");
    if (argument.document_value().field_count() != 2) return bad(31272, "$slice array argument should be of form [skip, limit]");
    const Element skip = argument.document_value()["0"];
    const Element limit = argument.document_value()["1"];
    if (!skip.is_number()) {
      return bad(31257, fmt::format("$slice expects the skip argument to be a number, got {}", bson::type_name(skip.type())));
    }
    if (!limit.is_number()) {
      return bad(31258, fmt::format("$slice expects the limit argument to be a number, got {}", bson::type_name(limit.type())));
    }
    slice.skip = skip.to_int64().value_or(0);
    slice.limit = limit.to_int64().value_or(0);
    if (slice.limit <= 0) return bad(31259, fmt::format("$slice limit must be positive, got {}", slice.limit));
    return slice;
  }

  Status elem_match(const std::string& prefix, ProjectionNode& seen, const Element& e, const Element& condition) {
    if (!for_find_) return bad(code::kInvalidPipelineOperator, "Cannot use $elemMatch in this context");
    if (!condition.is_document()) {
      return bad(31274, fmt::format("elemMatch: Invalid argument, object required, but got {}", bson::type_name(condition.type())));
    }
    if (!result_.positional.empty()) return bad(31255, "Cannot specify positional operator and $elemMatch.");
    if (!prefix.empty() || e.key().find('.') != std::string_view::npos) {
      return bad(31275, "Cannot use $elemMatch projection on a nested field.");
    }
    auto expression = std::make_unique<ElemMatchExpression>();
    expression->name = e.key();
    bson::Builder filter;
    filter.append(e.key(), e.document_value());
    expression->matcher = TRY(Matcher::parse(std::move(filter).finish(), context_.collator, context_.version, nullptr, MatchFeatures::none()));
    TRY(seen.add(e.key()));
    auto* child = TRY(result_.tree.root.add(e.key()));
    child->expression = std::move(expression);
    result_.tree.root.note_computed(e.key());
    has_elem_match_ = true;
    return {};
  }

  Status computed(const std::string& prefix, ProjectionNode& seen, const Element& e) {
    const bool is_meta = e.document_value().first().key() == "$meta";
    if (inclusion_ == false && !is_meta) return bad(31252, "Cannot use expression other than $meta in exclusion projection");
    if (!is_meta) inclusion_ = true;
    auto expression = TRY(parse_expression(e, Scope(context_)));
    TRY(seen.add(e.key()));
    return add_computed(join(prefix, e.key()), std::move(expression));
  }

  Status literal(const std::string& prefix, ProjectionNode& seen, const Element& e) {
    auto expression = TRY(parse_expression(e, Scope(context_)));
    TRY(check_projection_path(e.key(), context_.version));
    TRY(seen.add(e.key()));
    if (inclusion_ == false) {
      return bad(31310, fmt::format("Cannot use an expression {}: {} in an exclusion projection", e.key(), bson::to_shell(e)));
    }
    inclusion_ = true;
    return add_computed(join(prefix, e.key()), std::move(expression));
  }

  Status inclusion(const std::string& prefix, ProjectionNode& seen, const Element& e, bool positional) {
    const std::string_view path = positional ? e.key().substr(0, e.key().size() - 2) : e.key();
    if (positional && !result_.positional.empty()) return bad(31276, "Cannot specify more than one positional projection per query.");
    if (positional && has_elem_match_) return bad(31256, "Cannot specify positional operator and $elemMatch.");
    TRY(check_projection_path(path, context_.version));
    TRY(seen.add(path));
    if (prefix.empty() && e.key() == "_id") {
      id_included_ = true;
    } else {
      if (inclusion_ == false) return bad(31253, fmt::format("Cannot do inclusion on field {} in exclusion projection", e.key()));
      inclusion_ = true;
    }
    if (positional) {
      result_.positional.push_back(join(prefix, path));
    } else if (!(prefix.empty() && e.key() == "_id")) {
      TRY(list(join(prefix, path)));
    }
    return {};
  }

  Status exclusion(const std::string& prefix, ProjectionNode& seen, const Element& e) {
    TRY(check_projection_path(e.key(), context_.version));
    TRY(seen.add(e.key()));
    if (prefix.empty() && e.key() == "_id") {
      id_excluded_ = true;
      return {};
    }
    if (inclusion_ == true) return bad(31254, fmt::format("Cannot do exclusion on field {} in inclusion projection", e.key()));
    inclusion_ = false;
    return list(join(prefix, e.key()));
  }

  Status add_computed(const std::string& path, ExpressionPtr expression) {
    auto* child = TRY(result_.tree.root.add(path));
    child->expression = std::move(expression);
    result_.tree.root.note_computed(path);
    return {};
  }
  Status list(const std::string& path) {
    TRY(result_.tree.root.add(path))->listed = true;
    return {};
  }

  void finish() {
    const bool includes = inclusion_.value_or(has_slice_ ? id_included_ : has_elem_match_ || id_included_);
    auto& tree = result_.tree;
    tree.kind = includes ? ProjectionTree::Kind::kInclusion : ProjectionTree::Kind::kExclusion;
    const bool id_mentioned = seen_.find("_id") != nullptr;
    const bool list_id = includes ? id_included_ || !id_mentioned : id_excluded_;
    if (list_id && !tree.root.find("_id")) (void)list("_id");
    // A sliced or positional field is there in an inclusion; an exclusion loses nothing else.
    if (!includes) return;
    for (const auto& slice : result_.slices) (void)list(slice.path);
    for (const auto& path : result_.positional) (void)list(path);
  }

  static std::string join(const std::string& prefix, std::string_view name) {
    return prefix.empty() ? std::string(name) : prefix + "." + std::string(name);
  }

  const bool for_find_;
  const EvaluationContext& context_;
  ProjectionSpec result_;
  ProjectionNode seen_;
  std::optional<bool> inclusion_;  // unknown while nothing but _id, $slice and $elemMatch was met
  bool id_included_ = false, id_excluded_ = false;
  bool has_slice_ = false, has_elem_match_ = false;
};

}  // namespace

Result<ProjectionSpec> parse_projection_spec(View spec, ProjectionFor use, const EvaluationContext& context) {
  if (use == ProjectionFor::kStage && spec.empty()) return bad(51272, "projection specification must have at least one field");
  return Parser(use, context).parse(spec);
}

}  // namespace drover::sandbox::query
