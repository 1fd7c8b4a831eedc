// Pipelines over collections, views and the server's own state.
#pragma once

#include <memory>
#include <optional>

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/commands/support.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox {

struct AggregateRequest {
  Namespace ns;
  bson::Document pipeline;  // an array's bytes
  bson::View let;
  bson::Element hint;
  bson::View statement;     // where `collation` stands
};

struct OpenAggregate {
  std::unique_ptr<CommandCursor> cursor;
  std::optional<bson::Timestamp> at;
  bool is_output = false;  // $out, $merge: nothing comes back
};
// A view's own pipeline is put in front, as often as views stand on views.
Result<OpenAggregate> open_aggregate(CommandContext& context, AggregateRequest request);

// A collection, or a view and what it stands on, down to a collection.
struct ResolvedNamespace {
  Namespace ns;              // of the collection
  CollectionPtr collection;  // null: does not exist
  bson::Document pipeline;   // the views' stages, then the given ones
  std::shared_ptr<const bson::Collator> view_collator;
  bool through_view = false;
};
// 165 for views on views without end.
Result<ResolvedNamespace> resolve_namespace(const Reader& reader, const Namespace& ns, bson::View pipeline);
// A view's collation is that of its pipeline: 167 for a statement that asks for another one. `ns` is the view's name.
Result<std::shared_ptr<const bson::Collator>> collation_of(bson::View statement, const Namespace& ns, const ResolvedNamespace& resolved);

// What 5.0 and later say was going on when a pipeline's first batch fails.
std::string failing_aggregate(const CommandContext& context, const Namespace& ns);

// The pipeline that does what find, count or distinct does to a view.
bson::Document pipeline_of_find(bson::View filter, bson::View sort, std::int64_t skip, std::int64_t limit, bson::View projection);

}  // namespace drover::sandbox
