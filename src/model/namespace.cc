#include "model/namespace.h"

namespace drover {

std::optional<Namespace> Namespace::parse(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == text.size()) return std::nullopt;
  return Namespace{std::string(text.substr(0, dot)), std::string(text.substr(dot + 1))};
}

bool is_internal_database(std::string_view db) {
  return db == "admin" || db == "local" || db == "config" || db == kStateDatabase;
}

bool is_system_collection(std::string_view collection) { return collection.starts_with("system."); }

bool is_server_owned_collection(std::string_view collection) {
  return collection == "system.views" || collection == "system.profile" || collection.starts_with("system.buckets.");
}

}  // namespace drover
