#include <algorithm>

#include "sandbox/query/pipeline.h"

namespace drover::sandbox::query {

bool is_pipeline_stage(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "$addFields",
      "$bucket",
      "$bucketAuto",
      "$changeStream",
      "$changeStreamSplitLargeEvent",
      "$collStats",
      "$count",
      "$currentOp",
      "$densify",
      "$documents",
      "$facet",
      "$fill",
      "$geoNear",
      "$graphLookup",
      "$group",
      "$indexStats",
      "$limit",
      "$listCatalog",
      "$listLocalSessions",
      "$listSessions",
      "$lookup",
      "$match",
      "$merge",
      "$out",
      "$planCacheStats",
      "$project",
      "$redact",
      "$replaceRoot",
      "$replaceWith",
      "$sample",
      "$search",
      "$set",
      "$setWindowFields",
      "$skip",
      "$sort",
      "$sortByCount",
      "$unionWith",
      "$unset",
      "$unwind",
  };
  return std::ranges::find(kNames, name) != std::end(kNames);
}

}  // namespace drover::sandbox::query
