// A document opened for change: only what is walked through is taken apart, the rest stays the bytes it was. The bytes
// of the elements given must outlive the tree.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bson/builder.h"
#include "bson/document.h"

namespace drover::sandbox::query {

class MutableNode {
 public:
  // A root document.
  explicit MutableNode(bson::View document);
  // A field that holds `value` as it is.
  MutableNode(std::string_view key, const bson::Element& value) : key_(key), type_(value.type()), element_(value) {}
  MutableNode(std::string_view key, bson::Value value)
      : key_(key), type_(value.type()), owned_(std::move(value)), element_(owned_.element()) {}
  static std::unique_ptr<MutableNode> make_document(std::string_view key);
  static std::unique_ptr<MutableNode> make_null(std::string_view key);

  const std::string& key() const { return key_; }
  bson::Type type() const { return type_; }
  bool is_document() const { return type_ == bson::Type::kDocument; }
  bool is_array() const { return type_ == bson::Type::kArray; }

  // The value as bytes, rebuilt when it was taken apart and changed; lives as long as the node is unchanged.
  bson::Element value() const;
  void set(const bson::Element& value);  // borrowed
  void set(bson::Value value);

  // Documents and arrays only; opens the node.
  std::vector<std::unique_ptr<MutableNode>>& children();
  // A field by name, an item by index ("3"); null when there is none. Does nothing on other types.
  MutableNode* find(std::string_view name);
  MutableNode& append(std::unique_ptr<MutableNode> child);
  void erase(const MutableNode& child);

  void append_to(bson::Builder& out, std::string_view key) const;
  bson::Document to_document() const;

 private:
  MutableNode() = default;
  void append_children(bson::Builder& out) const;
  // Whether everything below is where it was, and what it was.
  bool is_untouched() const;

  std::string key_;
  bson::Type type_ = bson::Type::kDocument;
  bson::Value owned_;
  bson::Element element_;
  bson::View root_;
  bool is_root_ = false;
  bool open_ = false;
  std::vector<std::unique_ptr<MutableNode>> children_;
  mutable bson::Value rendered_;
};

}  // namespace drover::sandbox::query
