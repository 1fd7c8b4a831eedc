// The specification of a projection, as find and $project share it: {a: 1, b: {c: "$x"}, _id: 0}, and for find alone
// $slice, $elemMatch and the positional "a.$".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sandbox/query/matcher.h"
#include "sandbox/query/projection_tree.h"

namespace drover::sandbox::query {

// {path: {$slice: n}} and {path: {$slice: [skip, limit]}}.
struct ProjectedSlice {
  std::string path;
  std::vector<std::string> parts;
  std::int64_t skip = 0;  // from the end when negative
  std::int64_t limit = 0;
};

struct ProjectionSpec {
  ProjectionTree tree;
  std::vector<ProjectedSlice> slices;
  std::vector<std::string> positional;  // the path in front of ".$"; at most one
};

enum class ProjectionFor { kFind, kStage };

// Fails with 312xx and 313xx in the server's words.
Result<ProjectionSpec> parse_projection_spec(bson::View spec, ProjectionFor use, const EvaluationContext& context);

}  // namespace drover::sandbox::query
