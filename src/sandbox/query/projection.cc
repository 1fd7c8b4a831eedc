#include "sandbox/query/projection.h"

#include <algorithm>

#include <fmt/core.h>

#include "sandbox/query/errors.h"
#include "sandbox/query/path.h"
#include "sandbox/query/projection_tree.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

struct Slice {
  std::string path;
  std::vector<std::string> parts;
  std::int64_t skip = 0;  // from the end when negative
  std::int64_t limit = 0;
};

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

}  // namespace

struct Projection::Parsed {
  std::shared_ptr<const EvaluationContext> context;
  ProjectionTree tree;
  bool tree_used = false;
  std::vector<Slice> slices;
  std::vector<std::string> positional;  // the path in front of ".$"; at most one
  const Matcher* filter = nullptr;
};

namespace {

class Parser {
 public:
  Parser(ServerVersion version, const EvaluationContext& context) : version_(version), context_(context) {}

  Status fields(const std::string& prefix, View spec) {
    for (const Element& e : spec) {
      const std::string path = prefix.empty() ? std::string(e.key()) : prefix + "." + std::string(e.key());
      TRY(field(path, e));
    }
    return {};
  }

  ProjectionTree tree;
  std::vector<Slice> slices;
  std::vector<std::string> positional;

  void finish() {
    const bool computed_only = has_elem_match_ && !inclusion_;
    const bool inclusion = inclusion_.value_or(computed_only ? !(id_given_ && !id_included_ && !has_elem_match_)
                                                             : id_given_ && id_included_);
    tree.kind = inclusion ? ProjectionTree::Kind::kInclusion : ProjectionTree::Kind::kExclusion;
    const bool list_id = inclusion ? id_included_ : id_given_ && !id_included_;
    if (list_id && !tree.root.find("_id")) {
      if (auto child = tree.root.add("_id")) (*child)->listed = true;
    }
    // A sliced or positional field is there in an inclusion, but nothing else is lost in an exclusion.
    if (!inclusion) return;
    for (const Slice& slice : slices) list(slice.path);
    for (const std::string& path : positional) list(path);
  }

 private:
  void list(const std::string& path) {
    if (auto child = tree.root.add(path)) (*child)->listed = true;
  }

  Status field(const std::string& path, const Element& e) {
    if (path.ends_with(".$") || path == "$") return positional_field(path, e);
    if (path.starts_with('$')) return bad(16410, "FieldPath field names may not start with '$'.");
    if (!e.is_document()) return leaf(path, e);
    const View inner = e.document_value();
    if (inner.empty()) return bad(51270, "An empty sub-projection is not a valid value. Found empty object at path");
    const std::string_view first = inner.first().key();
    if (!first.starts_with('$')) {
      TRY(check_projection_path(path));
      return fields(path, inner);
    }
    if (first == "$elemMatch") return elem_match(path, inner.first());
    if (first == "$slice" && is_find_slice(inner.first())) return slice(path, inner.first());
    if (first == "$meta") return bad(40218, "query requires text score metadata, but it is not available");
    return leaf(path, e);
  }

  Status set_inclusion(bool inclusion, const std::string& path) {
    if (inclusion_ && *inclusion_ != inclusion) {
      return inclusion ? bad(31253, fmt::format("Cannot do inclusion on field {} in exclusion projection", path))
                       : bad(31254, fmt::format("Cannot do exclusion on field {} in inclusion projection", path));
    }
    inclusion_ = inclusion;
    return {};
  }

  Status leaf(const std::string& path, const Element& e) {
    TRY(check_projection_path(path));
    const bool is_flag = e.is_number() || e.type() == Type::kBool;
    if (path == "_id" && is_flag) {
      id_given_ = true;
      id_included_ = e.is_truthy();
      return {};
    }
    if (!is_flag && inclusion_ == false) {
      return bad(31252, "Cannot use expression other than $meta in exclusion projection");
    }
    TRY(set_inclusion(!is_flag || e.is_truthy(), path));
    auto* child = TRY(tree.root.add(path));
    if (is_flag) {
      child->listed = true;
      return {};
    }
    child->expression = TRY(parse_expression(e, Scope(context_)));
    tree.root.note_computed(path);
    return {};
  }

  Status positional_field(const std::string& path, const Element& e) {
    const bool is_flag = e.is_number() || e.type() == Type::kBool;
    if (!is_flag || !e.is_truthy()) return bad(31395, "positional projection cannot be used with exclusion");
    if (!positional.empty()) return bad(31276, "Cannot specify more than one positional projection per query.");
    TRY(set_inclusion(true, path));
    positional.push_back(path.substr(0, path.size() - 2));
    TRY(check_projection_path(positional.back()));
    return {};
  }

  Status elem_match(const std::string& path, const Element& e) {
    if (!e.is_document()) {
      return bad(31274,
                 fmt::format("elemMatch: Invalid argument, object required, but got {}", bson::type_name(e.type())));
    }
    if (path.find('.') != std::string::npos) return bad(31275, "Cannot use $elemMatch projection on a nested field");
    has_elem_match_ = true;
    auto expression = std::make_unique<ElemMatchExpression>();
    expression->name = path;
    bson::Builder filter;
    {
      auto inner = filter.open_document(path);
      inner.append("$elemMatch", e.document_value());
    }
    expression->matcher = TRY(Matcher::parse(std::move(filter).finish(), context_.collator, version_, nullptr, MatchFeatures::none()));
    auto* child = TRY(tree.root.add(path));
    child->expression = std::move(expression);
    tree.root.note_computed(path);
    return {};
  }

  // {$slice: n} and {$slice: [skip, limit]}; other forms are the aggregation operator.
  static bool is_find_slice(const Element& e) {
    if (e.is_number()) return true;
    if (!e.is_array() || e.document_value().field_count() != 2) return false;
    return e.document_value()["0"].is_number() && e.document_value()["1"].is_number();
  }

  Status slice(const std::string& path, const Element& e) {
    TRY(check_projection_path(path));
    Slice slice{path, split_path(path), 0, 0};
    if (e.is_number()) {
      const std::int64_t count = e.to_int64().value_or(0);
      slice.skip = count < 0 ? count : 0;
      slice.limit = count < 0 ? -count : count;
    } else {
      slice.skip = e.document_value()["0"].to_int64().value_or(0);
      slice.limit = e.document_value()["1"].to_int64().value_or(0);
      if (slice.limit <= 0) {
        return bad(28729, fmt::format("First argument to $slice must be an array, but is of type: {}", "int"));
      }
    }
    slices.push_back(std::move(slice));
    return {};
  }

  ServerVersion version_;
  const EvaluationContext& context_;
  std::optional<bool> inclusion_;
  bool id_given_ = false;
  bool id_included_ = true;
  bool has_elem_match_ = false;
};

void slice_value(const Slice& slice, std::size_t depth, const Element& value, std::string_view key, bson::Builder& out);

void slice_fields(const Slice& slice, std::size_t depth, View source, bson::Builder& out) {
  for (const Element& field : source) {
    if (field.key() == slice.parts[depth]) {
      slice_value(slice, depth + 1, field, field.key(), out);
    } else {
      out.append_raw(field);
    }
  }
}

void slice_value(const Slice& slice, std::size_t depth, const Element& value, std::string_view key,
                 bson::Builder& out) {
  if (depth == slice.parts.size()) {
    if (!value.is_array()) {
      out.append(key, value);
      return;
    }
    const View view = value.document_value();
    const auto count = static_cast<std::int64_t>(view.field_count());
    const std::int64_t begin =
        slice.skip < 0 ? std::max<std::int64_t>(0, count + slice.skip) : std::min(count, slice.skip);
    const std::int64_t end = std::min(count, begin + slice.limit);
    auto items = out.open_array(key);
    std::int64_t index = 0;
    for (const Element& item : view) {
      if (index >= begin && index < end) items.append(item);
      ++index;
    }
    return;
  }
  if (value.is_document()) {
    auto inner = out.open_document(key);
    slice_fields(slice, depth, value.document_value(), inner);
  } else if (value.is_array()) {
    auto items = out.open_array(key);
    for (const Element& item : value.document_value()) {
      if (item.is_document()) {
        auto inner = items.open_document();
        slice_fields(slice, depth, item.document_value(), inner);
      } else {
        items.append(item);
      }
    }
  } else {
    out.append(key, value);
  }
}

// The array at `parts` (the first met on the way) is cut down to its item `index`.
Status positional_fields(std::span<const std::string> parts, View source, std::string_view index, bson::Builder& out) {
  for (const Element& field : source) {
    if (field.key() != parts[0]) {
      out.append_raw(field);
    } else if (field.is_array()) {
      const Element item = field.document_value()[index];
      if (!item) {
        return bad(51247,
                   "Executor error during find command :: caused by :: positional operator '.$' element mismatch");
      }
      auto items = out.open_array(field.key());
      items.append(item);
    } else if (field.is_document() && parts.size() > 1) {
      auto inner = out.open_document(field.key());
      TRY(positional_fields(parts.subspan(1), field.document_value(), index, inner));
    } else {
      out.append_raw(field);
    }
  }
  return {};
}

}  // namespace

Projection::Projection() = default;
Projection::Projection(Projection&&) noexcept = default;
Projection& Projection::operator=(Projection&&) noexcept = default;
Projection::~Projection() = default;

Result<Projection> Projection::parse(View spec, const Matcher* filter, ServerVersion version,
                                     std::shared_ptr<const EvaluationContext> context) {
  Projection projection;
  if (spec.empty()) return projection;
  if (!context) {
    auto made = std::make_shared<EvaluationContext>();
    made->version = version;
    context = std::move(made);
  }
  Parser parser(version, *context);
  TRY(parser.fields("", spec));
  parser.finish();
  auto parsed = std::make_unique<Parsed>();
  parsed->context = std::move(context);
  parsed->tree = std::move(parser.tree);
  parsed->tree_used = parsed->tree.kind == ProjectionTree::Kind::kInclusion || !parsed->tree.root.children.empty();
  parsed->slices = std::move(parser.slices);
  parsed->positional = std::move(parser.positional);
  parsed->filter = filter;
  projection.parsed_ = std::move(parsed);
  return projection;
}

bool Projection::is_identity() const { return !parsed_; }

Result<bson::Document> Projection::apply(View document) const {
  if (!parsed_) return bson::Document(document);
  bson::Document result =
      parsed_->tree_used ? TRY(parsed_->tree.apply(document, *parsed_->context)) : bson::Document(document);
  for (const Slice& slice : parsed_->slices) {
    bson::Builder out;
    slice_fields(slice, 0, result.view(), out);
    result = std::move(out).finish();
  }
  if (parsed_->positional.empty()) return result;
  MatchDetails details;
  if (parsed_->filter) parsed_->filter->matches(document, &details);
  if (!details.array_index) {
    return bad(51246,
               "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching "
               "element in the array");
  }
  bson::Builder out;
  const auto parts = split_path(parsed_->positional[0]);
  TRY(positional_fields(parts, result.view(), *details.array_index, out));
  return std::move(out).finish();
}

std::optional<std::vector<std::string>> Projection::needed_fields() const {
  if (!parsed_ || parsed_->tree.kind != ProjectionTree::Kind::kInclusion || parsed_->tree.root.computes ||
      !parsed_->positional.empty()) {
    return std::nullopt;
  }
  std::vector<std::string> names;
  for (const auto& child : parsed_->tree.root.children) names.push_back(child.name);
  return names;
}

}  // namespace drover::sandbox::query
