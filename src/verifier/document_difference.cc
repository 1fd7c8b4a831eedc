#include "verifier/document_difference.h"

#include <fmt/format.h>

namespace drover::verifier {
namespace {

using bson::Element;
using bson::View;

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string difference_at(View source, View destination, const std::string& path);

std::string value_difference(const Element& a, const Element& b, const std::string& path) {
  if (a.type() != b.type()) {
    return fmt::format("field {}: {} on the source, {} on the destination", path, type_name(a.type()), type_name(b.type()));
  }
  if (a.is_document() || a.is_array()) return difference_at(a.document_value(), b.document_value(), path);
  if (a.value_size() != b.value_size()) {
    return fmt::format("field {}: {} of {} bytes on the source, of {} on the destination", path, type_name(a.type()),
                       a.value_size(), b.value_size());
  }
  return fmt::format("field {}: another {}", path, type_name(a.type()));
}

std::string key_difference(View source, View destination, const Element& a, const Element& b, const std::string& path) {
  const bool swapped = destination[a.key()].exists() && source[b.key()].exists();
  if (swapped) {
    return fmt::format("fields in another order: {} on the source where the destination has {}", join(path, a.key()),
                       join(path, b.key()));
  }
  if (!destination[a.key()].exists()) return fmt::format("field {} is only on the source", join(path, a.key()));
  return fmt::format("field {} is only on the destination", join(path, b.key()));
}

std::string difference_at(View source, View destination, const std::string& path) {
  auto a = source.begin();
  auto b = destination.begin();
  for (; a != source.end() && b != destination.end(); ++a, ++b) {
    if (a->key() != b->key()) return key_difference(source, destination, *a, *b, path);
    if (!a->same_value_bytes(*b)) return value_difference(*a, *b, join(path, a->key()));
  }
  if (a != source.end()) return fmt::format("field {} is only on the source", join(path, a->key()));
  if (b != destination.end()) return fmt::format("field {} is only on the destination", join(path, b->key()));
  return {};
}

}  // namespace

std::string document_difference(View source, View destination) {
  if (source.same_bytes(destination)) return {};
  return difference_at(source, destination, "");
}

}  // namespace drover::verifier
