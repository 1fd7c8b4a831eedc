#include "sandbox/query/projection.h"

#include <algorithm>

#include <fmt/core.h>

#include "sandbox/query/errors.h"
#include "sandbox/query/path.h"
#include "sandbox/query/projection_parser.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

struct Projection::Parsed {
  std::shared_ptr<const EvaluationContext> context;
  ProjectionTree tree;
  bool tree_used = false;
  std::vector<ProjectedSlice> slices;
  std::vector<std::string> positional;  // the path in front of ".$"; at most one
  const Matcher* filter = nullptr;
};

namespace {

void slice_value(const ProjectedSlice& slice, std::size_t depth, const Element& value, std::string_view key, bson::Builder& out);

void slice_fields(const ProjectedSlice& slice, std::size_t depth, View source, bson::Builder& out) {
  for (const Element& field : source) {
    if (field.key() == slice.parts[depth]) {
      slice_value(slice, depth + 1, field, field.key(), out);
    } else {
      out.append_raw(field);
    }
  }
}

void slice_value(const ProjectedSlice& slice, std::size_t depth, const Element& value, std::string_view key,
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

// The array at `parts` (the first met on the way) is cut down to its item `index`: 51246 when the filter has matched none. Where there is no
// array nothing is cut.
Status positional_fields(std::span<const std::string> parts, View source, const std::optional<std::string>& index, bson::Builder& out) {
  for (const Element& field : source) {
    if (field.key() != parts[0]) {
      out.append_raw(field);
    } else if (field.is_array()) {
      if (!index) {
        return bad(51246,
                   "positional operator '.$' couldn't find a matching "
                   "element in the array");
      }
      const Element item = field.document_value()[*index];
      if (!item) {
        return bad(51247,
                   "positional operator '.$' element mismatch");
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

void add_leaves(const ProjectionNode& node, const std::string& prefix, std::vector<std::string>& paths) {
  for (const auto& child : node.children) {
    if (child.node) {
      add_leaves(*child.node, prefix + child.name + ".", paths);
    } else {
      paths.push_back(prefix + child.name);
    }
  }
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
  auto parser = TRY(parse_projection_spec(spec, ProjectionFor::kFind, *context));
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

bool Projection::is_positional() const { return parsed_ && !parsed_->positional.empty(); }

Result<bson::Document> Projection::apply(View document) const {
  if (!parsed_) return bson::Document(document);
  bson::Document result =
      parsed_->tree_used ? TRY(parsed_->tree.apply(document, *parsed_->context)) : bson::Document(document);
  for (const ProjectedSlice& slice : parsed_->slices) {
    bson::Builder out;
    slice_fields(slice, 0, result.view(), out);
    result = std::move(out).finish();
  }
  if (parsed_->positional.empty()) return result;
  MatchDetails details;
  if (parsed_->filter) parsed_->filter->matches(document, &details);
  bson::Builder out;
  const auto parts = split_path(parsed_->positional[0]);
  TRY(positional_fields(parts, result.view(), details.array_index, out));
  return std::move(out).finish();
}

std::optional<std::vector<std::string>> Projection::included_paths() const {
  if (!parsed_ || parsed_->tree.kind != ProjectionTree::Kind::kInclusion || parsed_->tree.root.computes || !parsed_->positional.empty() || !parsed_->slices.empty()) {
    return std::nullopt;
  }
  std::vector<std::string> paths;
  add_leaves(parsed_->tree.root, "", paths);
  return paths;
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
