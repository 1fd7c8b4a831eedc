#include "sandbox/query/mutable_document.h"

#include <algorithm>

#include "sandbox/query/path.h"

namespace drover::sandbox::query {

using bson::Element;
using bson::Type;
using bson::View;

MutableNode::MutableNode(View document) : root_(document), is_root_(true) {}

std::unique_ptr<MutableNode> MutableNode::make_document(std::string_view key) {
  std::unique_ptr<MutableNode> node(new MutableNode);
  node->key_ = key;
  node->open_ = true;
  return node;
}

std::unique_ptr<MutableNode> MutableNode::make_null(std::string_view key) {
  bson::Builder builder;
  builder.append("", bson::Null{});
  return std::make_unique<MutableNode>(key, bson::Value(std::move(builder).finish().view().first()));
}

Element MutableNode::value() const {
  if (!open_ && !is_root_) return element_;
  bson::Builder builder;
  append_to(builder, "");
  rendered_ = bson::Value(std::move(builder).finish().view().first());
  return rendered_.element();
}

void MutableNode::set(const Element& value) {
  open_ = false;
  children_.clear();
  type_ = value.type();
  element_ = value;
}

void MutableNode::set(bson::Value value) {
  set(value.element());
  owned_ = std::move(value);
}

std::vector<std::unique_ptr<MutableNode>>& MutableNode::children() {
  if (open_) return children_;
  open_ = true;
  const View view = is_root_ ? root_ : element_.document_value();
  for (const Element& field : view) children_.push_back(std::make_unique<MutableNode>(field.key(), field));
  return children_;
}

MutableNode* MutableNode::find(std::string_view name) {
  if (is_array()) {
    const auto index = array_index_for_update(name);
    auto& items = children();
    return index && *index < items.size() ? items[*index].get() : nullptr;
  }
  if (!is_document()) return nullptr;
  for (const auto& child : children()) {
    if (child->key_ == name) return child.get();
  }
  return nullptr;
}

MutableNode& MutableNode::append(std::unique_ptr<MutableNode> child) {
  children().push_back(std::move(child));
  return *children_.back();
}

void MutableNode::erase(const MutableNode& child) {
  std::erase_if(children(), [&](const auto& held) { return held.get() == &child; });
}

bool MutableNode::is_untouched() const {
  if (!open_) return true;
  std::size_t at = 0;
  for (const Element& field : is_root_ ? root_ : element_.document_value()) {
    if (at == children_.size()) return false;
    const auto& child = *children_[at++];
    if (child.element_.value() != field.value() || !child.is_untouched()) return false;
  }
  return at == children_.size();
}

void MutableNode::append_children(bson::Builder& out) const {
  if (!open_) {
    out.append_all(is_root_ ? root_ : element_.document_value());
    return;
  }
  if (is_array() && is_untouched()) {  // an array that was only looked at keeps its keys, whatever they are
    out.append_all(element_.document_value());
  } else if (is_array()) {
    for (std::size_t i = 0; i < children_.size(); ++i) children_[i]->append_to(out, std::to_string(i));
  } else {
    for (const auto& child : children_) child->append_to(out, child->key_);
  }
}

void MutableNode::append_to(bson::Builder& out, std::string_view key) const {
  if (!open_ && !is_root_) {
    out.append(key, element_);
  } else if (is_array()) {
    bson::Builder items;
    append_children(items);
    out.append(key, bson::ArrayView{std::move(items).finish().view()});
  } else {
    auto inner = out.open_document(key);
    append_children(inner);
  }
}

bson::Document MutableNode::to_document() const {
  bson::Builder out;
  append_children(out);
  return std::move(out).finish();
}

}  // namespace drover::sandbox::query
