// planCacheClear, and index filters: planCacheSetFilter, planCacheListFilters, planCacheClearFilters. Plans are chosen by rules and none is cached;
// a filter says of which indexes they may be. Facts: MongoDB's index_filter_commands.cpp and plan_cache_commands.cpp.
#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/query_shape.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/tables.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/sort.h"
#include "sandbox/query/stage_memory.h"

namespace drover::sandbox {

namespace {

Result<Namespace> named(const CommandContext& context) {
  const auto name = context.body.first();
  if (name.is_string()) return named_collection(context);
  return server_error(code::kInvalidNamespace, fmt::format("Collection name must be provided. Received {}", bson::to_shell(name)));
}

Result<CollectionPtr> find_collection(const CommandContext& context) {
  const auto collection = context.engine().view()->catalog->find(TRY(named(context)));
  if (collection && collection->is_view()) {
    return server_error(code::kCommandNotSupportedOnView, fmt::format("Namespace {} is a view, not a collection", collection->ns.to_string()));
  }
  return collection;
}

// The shape of the query that the command names.
Result<std::string> named_shape(CommandContext& context, const CollectionInfo* collection) {
  const auto part = [&](std::string_view name) { return context.body[name].to_document().value_or(bson::View()); };
  if (!context.body["query"]) return server_error(code::kBadValue, "required field query missing");
  for (const std::string_view name : {"query", "sort", "projection", "collation"}) {
    const auto field = context.body[name];
    if (field && !field.is_document()) return server_error(code::kBadValue, fmt::format("{} field {} must be an object", name == "query" ? "required" : "optional", name));
  }
  const auto collator = TRY(effective_collation(context.body, collection));
  const auto matcher = TRY(query::Matcher::parse(part("query"), collator, context.settings().version, evaluation_context(context)));
  TRY(query::SortPattern::parse(part("sort"), collator, context.settings().version));
  return query_shape(shape_parts(matcher, part("sort"), part("projection"), collator.get()));
}

// Nothing: all of the collection's are meant.
Result<std::optional<std::string>> shape_if_named(CommandContext& context, const CollectionInfo* collection) {
  if (context.body["query"]) return std::optional(TRY(named_shape(context, collection)));
  for (const std::string_view name : {"sort", "projection"}) {
    if (context.body[name]) return server_error(code::kBadValue, "sort or projection provided without query");
  }
  if (context.body["collation"]) return server_error(code::kBadValue, "collation provided without query");
  return std::optional<std::string>();
}

Result<bson::Document> clear_plans(CommandContext& context) {
  const auto collection = TRY(find_collection(context));
  TRY(shape_if_named(context, collection.get()));
  return bson::Document();
}

Result<bson::Document> clear_filters(CommandContext& context) {
  const auto collection = TRY(find_collection(context));
  const auto shape = TRY(shape_if_named(context, collection.get()));
  if (!collection) return bson::Document();
  shape ? collection->index_filters->remove(*shape) : collection->index_filters->clear();
  return bson::Document();
}

Result<bson::Document> list_filters(CommandContext& context) {
  const auto collection = TRY(find_collection(context));
  bson::Builder out;
  auto list = out.open_array("filters");
  for (const auto& filter : collection ? collection->index_filters->all() : std::vector<IndexFilterPtr>()) {
    auto one = list.open_document();
    one.append("query", filter->query).append("sort", filter->sort).append("projection", filter->projection);
    if (!filter->collation.empty()) one.append("collation", filter->collation);
    one.append("indexes", bson::ArrayView{filter->indexes.view()});
  }
  list.close();
  return std::move(out).finish();
}

Result<bson::View> given_indexes(const CommandContext& context) {
  const auto given = context.body["indexes"];
  if (!given) return server_error(code::kBadValue, "required field indexes missing");
  const auto list = given.to_array();
  if (!list) return server_error(code::kBadValue, "required field indexes must be an array");
  if (list->empty()) return server_error(code::kBadValue, "required field indexes must contain at least one index");
  for (const auto& item : *list) {
    if (item.is_document() && item.document_value().empty()) return server_error(code::kBadValue, "index specification cannot be empty");
    if (item.is_string() && item.string_value().empty()) return server_error(code::kBadValue, "index name cannot be empty");
    if (!item.is_document() && !item.is_string()) return server_error(code::kBadValue, "each item in indexes must be either a string or an object");
  }
  return *list;
}

Result<bson::Document> set_filter(CommandContext& context) {
  const auto collection = TRY(find_collection(context));
  if (!collection) return server_error(code::kBadValue, "no such collection");
  const auto indexes = TRY(given_indexes(context));
  auto shape = TRY(named_shape(context, collection.get()));
  const auto part = [&](std::string_view name) { return bson::Document(context.body[name].to_document().value_or(bson::View())); };
  auto memory = std::make_shared<query::StageMemory>(&context.services.memory.work);
  TRY(memory->hold(context.body.size() + shape.size() + sizeof(IndexFilter)));
  collection->index_filters->set(std::move(shape), std::make_shared<IndexFilter>(IndexFilter{.query = part("query"), .sort = part("sort"), .projection = part("projection"),
                                                                                             .collation = part("collation"), .indexes = bson::Document(indexes), .memory = std::move(memory)}));
  return bson::Document();
}

constexpr auto kFilters = "planCacheIndexFilter";
constexpr Command kRows[] = {
    {.name = "planCacheClear", .resource = ResourceKind::kCollection, .action = "planCacheWrite", .handler = clear_plans,
     .help = "nothing to clear: plans are not cached"},
    {.name = "planCacheListFilters", .resource = ResourceKind::kCollection, .action = kFilters, .handler = list_filters,
     .help = "which indexes plans for queries of a shape may use"},
    {.name = "planCacheSetFilter", .resource = ResourceKind::kCollection, .action = kFilters, .handler = set_filter,
     .help = "says which indexes plans for queries of a shape may use, until the next start"},
    {.name = "planCacheClearFilters", .resource = ResourceKind::kCollection, .action = kFilters, .handler = clear_filters,
     .help = "takes such filters back"},
};

}  // namespace

std::span<const Command> plan_cache_commands() { return kRows; }

}  // namespace drover::sandbox
