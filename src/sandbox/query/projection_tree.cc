#include "sandbox/query/projection_tree.h"

#include <fmt/core.h>

#include "sandbox/query/errors.h"
#include "sandbox/query/path.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

namespace {

// Nested arrays are entered too. A scalar has nothing under it to include; where something is computed under it, it stays for
// now, so that what is computed takes its place.
void include_value(const ProjectionNode& node, const Element& value, std::string_view key, bson::Builder& out) {
  if (value.is_document()) {
    auto inner = out.open_document(key);
    project_inclusion(node, value.document_value(), inner);
  } else if (value.is_array()) {
    bson::ArrayBuilder items;
    for (const Element& item : value.document_value()) {
      if (!item.is_document() && !item.is_array() && !node.computes) continue;
      bson::Builder one;
      include_value(node, item, "", one);
      items.append(std::move(one).finish().view().first());
    }
    out.append(key, bson::ArrayView{std::move(items).finish().view()});
  } else if (node.computes) {
    out.append(key, value);
  }
}

void exclude_value(const ProjectionNode& node, const Element& value, std::string_view key, bson::Builder& out) {
  if (value.is_document()) {
    auto inner = out.open_document(key);
    project_exclusion(node, value.document_value(), inner);
  } else if (value.is_array()) {
    bson::ArrayBuilder items;
    for (const Element& item : value.document_value()) {
      bson::Builder one;
      exclude_value(node, item, "", one);
      items.append(std::move(one).finish().view().first());
    }
    out.append(key, bson::ArrayView{std::move(items).finish().view()});
  } else {
    out.append(key, value);
  }
}

Status compute_value(const ProjectionNode& node, const Element& value, std::string_view key, Variables& variables,
                     bson::Builder& out) {
  if (value.is_array()) {
    bson::ArrayBuilder items;
    for (const Element& item : value.document_value()) {
      bson::Builder one;
      TRY(compute_value(node, item, "", variables, one));
      items.append(std::move(one).finish().view().first());
    }
    out.append(key, bson::ArrayView{std::move(items).finish().view()});
    return {};
  }
  auto inner = out.open_document(key);
  return project_computed(node, value.is_document() ? value.document_value() : View(), variables, inner);
}

Status compute_child(const ProjectionNode::Child& child, const Element& current, Variables& variables,
                     bson::Builder& out) {
  if (child.expression) {
    const Datum value = TRY(child.expression->evaluate(variables));
    if (!value.missing()) value.append_to(out, child.name);
    return {};
  }
  return compute_value(*child.node, current, child.name, variables, out);
}

bool sets(const ProjectionNode::Child& child) { return child.expression || (child.node && child.node->computes); }

}  // namespace

const ProjectionNode::Child* ProjectionNode::find(std::string_view name) const {
  for (const Child& child : children) {
    if (child.name == name) return &child;
  }
  return nullptr;
}

Result<ProjectionNode::Child*> ProjectionNode::add(std::string_view path) {
  ProjectionNode* node = this;
  std::string_view rest = path;
  while (true) {
    const std::size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    auto* child = const_cast<Child*>(node->find(name));
    if (dot == std::string_view::npos) {
      if (child) return bad(31250, fmt::format("Path collision at {}", path));
      node->children.push_back({std::string(name), false, nullptr, nullptr});
      return &node->children.back();
    }
    rest.remove_prefix(dot + 1);
    if (!child) {
      node->children.push_back({std::string(name), false, nullptr, std::make_unique<ProjectionNode>()});
      child = &node->children.back();
    } else if (!child->node) {
      return bad(31249, fmt::format("Path collision at {} remaining portion {}", path, path.substr(path.find('.') + 1)));
    }
    node = child->node.get();
  }
}

void ProjectionNode::note_computed(std::string_view path) {
  ProjectionNode* node = this;
  while (true) {
    node->computes = true;
    const std::size_t dot = path.find('.');
    const auto* child = node->find(path.substr(0, dot));
    if (dot == std::string_view::npos || !child || !child->node) return;
    node = child->node.get();
    path.remove_prefix(dot + 1);
  }
}

void project_inclusion(const ProjectionNode& node, View source, bson::Builder& out) {
  for (const Element& field : source) {
    const auto* child = node.find(field.key());
    if (!child || child->expression) continue;
    if (child->node) {
      include_value(*child->node, field, field.key(), out);
    } else {
      out.append_raw(field);
    }
  }
}

void project_exclusion(const ProjectionNode& node, View source, bson::Builder& out) {
  for (const Element& field : source) {
    const auto* child = node.find(field.key());
    if (!child || child->expression) {
      out.append_raw(field);
    } else if (child->node) {
      exclude_value(*child->node, field, field.key(), out);
    }
  }
}

Status project_computed(const ProjectionNode& node, View source, Variables& variables, bson::Builder& out) {
  std::vector<bool> placed(node.children.size());
  for (const Element& field : source) {
    const auto* child = node.find(field.key());
    if (!child || !sets(*child)) {
      out.append_raw(field);
      continue;
    }
    const auto index = static_cast<std::size_t>(child - node.children.data());
    if (placed[index]) continue;
    placed[index] = true;
    TRY(compute_child(*child, field, variables, out));
  }
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    if (placed[i] || !sets(node.children[i])) continue;
    TRY(compute_child(node.children[i], Element(), variables, out));
  }
  return {};
}

Result<bson::Document> ProjectionTree::apply(View document, const EvaluationContext& context) const {
  Variables variables(document, context);
  bson::Builder out;
  if (kind == Kind::kComputed) {
    TRY(project_computed(root, document, variables, out));
    return std::move(out).finish();
  }
  if (kind == Kind::kInclusion) {
    project_inclusion(root, document, out);
  } else {
    project_exclusion(root, document, out);
  }
  bson::Document projected = std::move(out).finish();
  if (!root.computes) return projected;
  bson::Builder computed;
  TRY(project_computed(root, projected.view(), variables, computed));
  return std::move(computed).finish();
}

Status check_projection_path(std::string_view path, ServerVersion version) {
  if (path.empty()) return bad(40352, "FieldPath cannot be constructed with empty string");
  if (path.ends_with('.')) return bad(40353, "FieldPath must not end with a '.'.");
  const auto parts = split_path(path);
  if (parts.size() > kMaxPathDepth) return bad(code::kOverflow, "FieldPath is too long");
  for (const auto& part : parts) {
    if (part.empty()) return bad(15998, "FieldPath field names may not be empty strings.");
    if (part.starts_with('$')) return bad_dollar_name(version);
    if (part.find('\0') != std::string::npos) return bad(16411, "FieldPath field names may not contain '\\0'.");
  }
  return {};
}

}  // namespace drover::sandbox::query
