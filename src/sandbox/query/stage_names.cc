#include <algorithm>

#include "sandbox/query/pipeline.h"

namespace drover::sandbox::query {

bool is_pipeline_stage(std::string_view name, ServerVersion version) {
  struct Row {
    std::string_view name;
    ServerVersion since{4, 4, 0};
  };
  static constexpr Row kRows[] = {
      {"$_internalUnpackBucket", {5, 0, 0}},
      {"$addFields"},
      {"$bucket"},
      {"$bucketAuto"},
      {"$changeStream"},
      {"$changeStreamSplitLargeEvent", {6, 0, 9}},
      {"$collStats"},
      {"$count"},
      {"$currentOp"},
      {"$densify", {5, 1, 0}},
      {"$documents", {5, 1, 0}},
      {"$facet"},
      {"$fill", {5, 3, 0}},
      {"$geoNear"},
      {"$graphLookup"},
      {"$group"},
      {"$indexStats"},
      {"$limit"},
      {"$listCatalog", {6, 0, 0}},
      {"$listLocalSessions"},
      {"$listSampledQueries", {7, 0, 0}},
      {"$listSearchIndexes", {7, 0, 0}},
      {"$listSessions"},
      {"$lookup"},
      {"$match"},
      {"$merge"},
      {"$out"},
      {"$planCacheStats"},
      {"$project"},
      {"$queryStats", {7, 1, 0}},
      {"$redact"},
      {"$replaceRoot"},
      {"$replaceWith"},
      {"$sample"},
      {"$search", {6, 0, 0}},
      {"$searchMeta", {6, 0, 0}},
      {"$set"},
      {"$setWindowFields", {5, 0, 0}},
      {"$shardedDataDistribution", {6, 0, 3}},
      {"$skip"},
      {"$sort"},
      {"$sortByCount"},
      {"$unionWith"},
      {"$unset"},
      {"$unwind"},
      {"$vectorSearch", {7, 0, 0}},
      {"static constexpr std::string_view kNames[] = {"},
  };
  const auto* row = std::ranges::find(kRows, name, &Row::name);
  return row != std::end(kRows) && version >= row->since;
}

}  // namespace drover::sandbox::query
