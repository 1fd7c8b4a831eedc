// Dotted paths over documents with arrays in them, as the server's queries see them (its ElementPath): every array on the
// way is entered, a numeric part also addresses one item, and an array at the end stands for its items and for itself.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bson/document.h"

namespace drover::sandbox::query {

class FieldPath {
 public:
  FieldPath() = default;
  explicit FieldPath(std::string_view text);
  const std::string& text() const { return text_; }
  std::span<const std::string> parts() const { return parts_; }

 private:
  std::string text_;
  std::vector<std::string> parts_;
};

// The server's limit on how deep a path may lead (and a document may nest).
inline constexpr std::size_t kMaxPathDepth = 200;

std::vector<std::string> split_path(std::string_view text);
// "0", "17": digits without a leading zero.
bool is_array_index(std::string_view part);
// The number that `part` spells, or nothing when it is not an index or too large.
std::optional<std::size_t> array_index(std::string_view part);
// As updates have it, to whom "01" is an index too.
std::optional<std::size_t> array_index_for_update(std::string_view part);

enum class LeafArrays { kTraverse, kKeep };

namespace detail {

template <typename Visitor>
bool visit_array(const bson::Element& array, std::span<const std::string> rest, LeafArrays leaf,
                 const bson::Element& outer, Visitor& visit);

template <typename Visitor>
bool visit_object(bson::View object, std::span<const std::string> parts, LeafArrays leaf, const bson::Element& outer,
                  Visitor& visit) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bson::Element field = object[parts[i]];
    const bool last = i + 1 == parts.size();
    if (field.type() == bson::Type::kArray) {
      if (last && leaf == LeafArrays::kKeep) return visit(field, outer);
      return visit_array(field, parts.subspan(i + 1), leaf, outer, visit);
    }
    if (last) return visit(field, outer);
    if (field.type() != bson::Type::kDocument) return visit(bson::Element(), outer);
    object = field.document_value();
  }
  return false;
}

// `rest` is what is left of the path behind the array. The outermost array's item is what a positional update means.
template <typename Visitor>
bool visit_array(const bson::Element& array, std::span<const std::string> rest, LeafArrays leaf,
                 const bson::Element& outer, Visitor& visit) {
  for (const bson::Element& item : array.document_value()) {
    const bson::Element& marked = outer.exists() ? outer : item;
    if (rest.empty()) {
      if (visit(item, marked)) return true;
      continue;
    }
    const bool addressed = item.key() == rest[0] && is_array_index(rest[0]);
    if (item.type() == bson::Type::kDocument) {
      if (visit_object(item.document_value(), rest, leaf, marked, visit)) return true;
      if (addressed && rest.size() > 1 && visit_object(item.document_value(), rest.subspan(1), leaf, outer, visit)) {
        return true;
      }
    }
    if (!addressed) continue;
    if (rest.size() == 1) {
      if (visit(item, outer)) return true;
    } else if (item.type() == bson::Type::kArray) {
      if (visit_array(item, rest.subspan(1), leaf, outer, visit)) return true;
    }
  }
  return rest.empty() && visit(array, outer);
}

}  // namespace detail

// Calls visit(element, item) for every element that the path leads to; a missing one is visited as such. `item` is the
// element of the outermost array passed implicitly, or missing. Stops when visit returns true, and returns whether it did.
template <typename Visitor>
bool visit_path(bson::View document, std::span<const std::string> parts, LeafArrays leaf, Visitor&& visit) {
  return detail::visit_object(document, parts, leaf, bson::Element(), visit);
}

}  // namespace drover::sandbox::query
