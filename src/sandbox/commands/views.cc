#include "sandbox/commands/views.h"

#include <fmt/format.h>

#include "bson/builder.h"

namespace drover::sandbox {

namespace {

Namespace definitions_of(const std::string& db) { return {db, "system.views"}; }

bson::Document definition(const Namespace& ns, bson::View options) {
  bson::Builder document;
  document.append("_id", ns.to_string()).append_all(options);
  return std::move(document).finish();
}

Result<Record> find_definition(WriteUnit& unit, const CollectionPtr& definitions, const Namespace& ns) {
  const auto id = bson::make_document({{"_id", ns.to_string()}});
  auto record = definitions ? TRY(unit.find_by_id(*definitions, id["_id"])) : std::nullopt;
  if (!record) return server_error(code::kNamespaceNotFound, fmt::format("cannot find the view {}", ns.to_string()));
  return std::move(*record);
}

}  // namespace

Status create_view(WriteUnit& unit, const Namespace& ns, bson::View options) {
  if (unit.catalog().find(ns)) {
    return server_error(code::kNamespaceExists, fmt::format("a view already exists. NS: {}", ns.to_string()));
  }
  auto definitions = unit.catalog().find(definitions_of(ns.db));
  if (!definitions) definitions = TRY(unit.create_collection(definitions_of(ns.db), bson::View(), default_id_index(nullptr)));
  TRY(unit.insert(definitions, definition(ns, options)));
  return {};
}

Status replace_view(WriteUnit& unit, const Namespace& ns, bson::View options) {
  const auto definitions = unit.catalog().find(definitions_of(ns.db));
  const auto record = TRY(find_definition(unit, definitions, ns));
  const auto after = definition(ns, options);
  return unit.update(definitions, record.id, record.document, after, after);
}

Status drop_view(WriteUnit& unit, const Namespace& ns) {
  const auto definitions = unit.catalog().find(definitions_of(ns.db));
  const auto record = TRY(find_definition(unit, definitions, ns));
  return unit.remove(definitions, record.id, record.document);
}

}  // namespace drover::sandbox
