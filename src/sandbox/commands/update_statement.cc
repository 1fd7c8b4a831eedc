#include "sandbox/commands/update_statement.h"

#include <fmt/format.h>

#include "sandbox/commands/plan.h"

namespace drover::sandbox {

namespace {
constexpr int kQueryFeatureNotAllowed = 224;
}

Result<UpdateStatement> UpdateStatement::parse(CommandContext& context, const UpdateSpec& spec, const CollectionInfo* collection) {
  auto collator = TRY(effective_collation(spec.collation_of, collection));
  const auto constants = spec.constants ? bson::Document(*spec.constants) : bson::Document();  // values, not expressions
  const auto let = spec.let ? TRY(query::evaluate_let(*spec.let, *evaluation_context(context))) : bson::Document();
  bson::Builder variables;
  variables.append_all(let);
  for (const auto& constant : constants) {
    if (!let[constant.key()]) variables.append_raw(constant);
  }
  const auto evaluation = evaluation_context(context, std::move(variables).finish(), collator);
  query::UpdateOptions options{.version = context.settings().version, .array_filters = spec.array_filters, .collator = collator,
                               .multi = spec.multi, .context = evaluation};
  if (spec.constants) options.constants = constants.view();
  auto update = TRY(query::Update::parse(spec.update, options));
  auto parsed = query::Matcher::parse(spec.query, collator, context.settings().version, evaluation, {.expr = !spec.upsert});
  if (!parsed && parsed.error().server_code == kQueryFeatureNotAllowed) {
    return server_error(kQueryFeatureNotAllowed, "$expr is not allowed in the query predicate for an upsert");
  }
  auto filter = TRY(std::move(parsed));
  TRY(check_special(collection, {.filter = &filter}));
  query::read_text_score(filter, *evaluation);
  auto sort = TRY(query::SortPattern::parse(spec.sort, collator, context.settings().version, evaluation));
  UpdateStatement statement(spec, std::move(filter), std::move(update));
  statement.sort_ = std::move(sort);
  statement.collator_ = std::move(collator);
  return statement;
}

namespace {

query::UpdateContext context_of(const CommandContext& context, const WriteUnit& unit) {
  return {.now = {wall_millis(context.services.runtime)}, .cluster_time = unit.upcoming_time(), .keep_empty_times = context.body["bypassEmptyTsReplacement"].is_truthy()};
}

}  // namespace

Result<UpdateStatement::Changed> UpdateStatement::apply(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, const Found& found,
                                                        std::int32_t statement, std::optional<WriteUnit::Image> image) const {
  auto update_context = context_of(context, unit);
  update_context.details = &found.details;
  auto applied = TRY(update_.apply(found.document, update_context));
  if (!applied.modified) return Changed{false, found.document};
  const bson::View before = found.document;
  TRY(check_document(context, *collection, applied.document, &before));
  if (image) unit.set_image(*image == WriteUnit::Image::kBefore ? before : applied.document.view(), *image);
  TRY(unit.update(collection, found.id, before, applied.document, applied.oplog_object, statement));
  return Changed{true, std::move(applied.document)};
}

Result<bson::Document> UpdateStatement::insert(CommandContext& context, WriteUnit& unit, const CollectionPtr& collection, std::int32_t statement) const {
  auto update_context = context_of(context, unit);
  update_context.is_insert = true;
  auto document = TRY(update_.upsert_document(filter_, update_context, [&] { return new_object_id(context.services.runtime); }));
  TRY(query::check_storable(document, context.settings().version));
  TRY(check_document(context, *collection, document, nullptr));
  TRY(unit.insert(collection, document, statement));
  return document;
}

}  // namespace drover::sandbox
