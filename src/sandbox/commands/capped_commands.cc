// convertToCapped and cloneCollectionAsCapped: the collection is copied into a capped one; its indexes besides that of _id
// are left behind, as the server leaves them. Facts: corpus catalog/options.
#include <fmt/format.h>

#include "bson/builder.h"
#include "sandbox/commands/authorize.h"
#include "sandbox/commands/collection_options.h"
#include "sandbox/commands/copy_collection.h"
#include "sandbox/commands/tables.h"

namespace drover::sandbox {

namespace {

Result<std::int64_t> wanted_size(const CommandContext& context) {
  const auto size = context.body["size"].to_double().value_or(0);
  if (size <= 0 || size > static_cast<double>(1ll << 50)) return server_error(code::kInvalidOptions, "Capped collection size must be greater than zero");
  return static_cast<std::int64_t>(size);
}

bson::Document capped_options(const CommandContext& context, bson::View options, std::int64_t size) {
  bson::Builder out;
  out.append("capped", true);
  append_capped_size(context, out, size);
  for (const auto& option : options) {
    if (option.key() != "capped" && option.key() != "size" && option.key() != "max") out.append_raw(option);
  }
  return std::move(out).finish();
}

Result<CollectionPtr> source_of(CommandContext& context, WriteUnit& unit, const Namespace& ns) {
  TRY(check_write_allowed(context, unit, ns));
  const auto collection = unit.catalog().find(ns);
  if (!collection) return server_error(code::kNamespaceNotFound, fmt::format("source collection {} does not exist", ns.to_string()));
  if (collection->is_view()) return server_error(code::kCommandNotSupportedOnView, fmt::format("Namespace {} is a view, not a collection", ns.to_string()));
  return collection;
}

Result<bson::Document> convert_to_capped(CommandContext& context) {
  TRY(check_fields(context, {"size"}));
  const auto ns = TRY(named_collection(context));
  const auto size = TRY(wanted_size(context));
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto collection = TRY(source_of(context, unit, ns));
    TRY(unit.check_no_build(*collection));
    const auto copy = TRY(copy_collection(context, unit, collection,
                                          {.ns = temporary_name(context, ns.db, "convertToCapped." + ns.collection),
                                           .options = with_temp(capped_options(context, collection->options, size)),
                                           .with_indexes = false}));
    TRY(unit.rename_collection(copy, ns));
    return {};
  }));
  return bson::Document();
}

Result<bson::Document> clone_as_capped(CommandContext& context) {
  TRY(check_fields(context, {"toCollection", "size", "temp"}));
  const auto from = TRY(named_collection(context));
  const auto name = context.body["toCollection"].to_string_view();
  if (!name || name->empty()) return server_error(code::kMissingField, "BSON field 'cloneCollectionAsCapped.toCollection' is missing but a required field");
  const Namespace to{from.db, std::string(*name)};
  TRY(check_collection_name(context, to));
  const auto size = TRY(wanted_size(context));
  TRY(in_write_unit(context, [&](WriteUnit& unit) -> Status {
    const auto collection = TRY(source_of(context, unit, from));
    auto options = capped_options(context, collection->options, size);
    if (context.body["temp"].is_truthy()) options = with_temp(options);
    TRY(copy_collection(context, unit, collection, {.ns = to, .options = std::move(options), .with_indexes = false}));
    return {};
  }));
  return bson::Document();
}

}  // namespace

std::span<const Command> capped_commands() {
  static const Command kRows[] = {
      {.name = "convertToCapped", .flags = kWrite | kUserBlocked, .resource = ResourceKind::kCollection, .action = "convertToCapped",
       .handler = convert_to_capped, .help = "makes a collection capped"},
      {.name = "cloneCollectionAsCapped", .flags = kWrite | kUserBlocked, .resource = ResourceKind::kCollection, .action = "find", .also = authorize_clone_as_capped, .handler = clone_as_capped, .help = "copies a collection into a capped one"},
  };
  return kRows;
}

}  // namespace drover::sandbox
