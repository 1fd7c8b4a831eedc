#include "verifier/document_difference.h"

#include <fmt/format.h>

#include "base/cut_text.h"

namespace drover::verifier {
namespace {

using bson::Element;
using bson::View;

// Where a difference is. Longer than what is told of it by one name at most.
class Path {
 public:
  explicit Path(FieldNames names) : names_(names) {}
  Path of(std::string_view key) const {
    Path longer(*this);
    if (names_ == FieldNames::kWithheld || text_.size() > kMostFieldPath) return longer;
    if (!text_.empty()) longer.text_ += '.';
    longer.text_ += key.substr(0, kMostFieldPath + 1);
    return longer;
  }
  std::string name() const { return text_.size() <= kMostFieldPath ? text_ : std::string(cut_text(text_, kMostFieldPath)) + "..."; }
  // "field a.b", "a field"
  std::string field() const { return names_ == FieldNames::kTold ? "field " + name() : "a field"; }
  bool is_told() const { return names_ == FieldNames::kTold; }

 private:
  FieldNames names_;
  std::string text_;
};

std::string difference_at(View source, View destination, const Path& path);

std::string value_difference(const Element& a, const Element& b, const Path& path) {
  if (a.type() != b.type()) {
    return fmt::format("{}: {} on the source, {} on the destination", path.field(), type_name(a.type()), type_name(b.type()));
  }
  if (a.is_document() || a.is_array()) return difference_at(a.document_value(), b.document_value(), path);
  if (a.value_size() != b.value_size()) {
    return fmt::format("{}: {} of {} bytes on the source, of {} on the destination", path.field(), type_name(a.type()),
                       a.value_size(), b.value_size());
  }
  return fmt::format("{}: another {}", path.field(), type_name(a.type()));
}

std::string key_difference(View source, View destination, const Element& a, const Element& b, const Path& path) {
  const bool swapped = destination[a.key()].exists() && source[b.key()].exists();
  if (swapped) {
    if (!path.is_told()) return "fields in another order";
    return fmt::format("fields in another order: {} on the source where the destination has {}", path.of(a.key()).name(),
                       path.of(b.key()).name());
  }
  if (!destination[a.key()].exists()) return path.of(a.key()).field() + " is only on the source";
  return path.of(b.key()).field() + " is only on the destination";
}

std::string difference_at(View source, View destination, const Path& path) {
  auto a = source.begin();
  auto b = destination.begin();
  for (; a != source.end() && b != destination.end(); ++a, ++b) {
    if (a->key() != b->key()) return key_difference(source, destination, *a, *b, path);
    if (!a->same_value_bytes(*b)) return value_difference(*a, *b, path.of(a->key()));
  }
  if (a != source.end()) return path.of(a->key()).field() + " is only on the source";
  if (b != destination.end()) return path.of(b->key()).field() + " is only on the destination";
  return {};
}

}  // namespace

std::string document_difference(View source, View destination, FieldNames names) {
  if (source.same_bytes(destination)) return {};
  return difference_at(source, destination, Path(names));
}

}  // namespace drover::verifier
