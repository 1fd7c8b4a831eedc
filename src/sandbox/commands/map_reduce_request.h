// The mapReduce command, parsed. Wording: src/mongo/db/commands/map_reduce*.idl and .h of the server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/query/pipeline.h"

namespace drover::sandbox {

struct MapReduceRequest {
  Namespace ns;
  std::string map, reduce;
  std::optional<std::string> finalize;
  bson::View query, scope, collation;
  std::optional<bson::View> sort;
  std::optional<std::int64_t> limit;
  // Where the results go; nothing: into the reply.
  std::optional<query::PipelineOutput> output;
  bool names_database = false;  // `out` does, and so does the reply
};

Result<MapReduceRequest> parse_map_reduce(const CommandContext& context);
// The pipeline that a server carries the command out by, behind its $match, $sort and $limit: for explain. Facts: map_reduce_agg.cpp.
std::vector<bson::Document> map_reduce_stages(const MapReduceRequest& request, std::string_view db);

}  // namespace drover::sandbox
