// Which way a query reads a collection: one index over some ranges of its keys, one for each branch of a $or, or all records. Chosen by
// rules: equalities before ranges before a useful order; the filter is always matched again, so ranges need only be supersets.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "bson/collation.h"
#include "bson/document.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/sort.h"
#include "sandbox/storage/catalog.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

// Beyond this many key ranges (combinations of $in) fewer fields are used.
inline constexpr std::size_t kMaxKeyRanges = 4096;
// A $or of more branches is answered by a scan of the collection.
inline constexpr std::size_t kMaxBranches = 64;

struct KeyRange {
  std::string lower, upper;  // encoded keys, [lower, upper)
};

// One index over some ranges of its keys.
struct PlanBranch {
  std::shared_ptr<const IndexInfo> index;
  std::vector<KeyRange> ranges;
  std::vector<query::PathBounds> bounds;
};

struct Plan {
  std::shared_ptr<const IndexInfo> index;  // null: records, in their order
  std::vector<KeyRange> ranges;            // ascending
  bool forward = true;
  bool sorted = false;        // delivers the order that was asked for
  std::optional<RecordId> after;  // records only: begin behind it (the oplog's ts)
  std::vector<query::PathBounds> bounds;  // of the index's fields, for explain
  bool exact = false;    // the ranges hold no key that is outside of `bounds`
  bool nothing = false;  // no document can match: nothing is read
  bool filtered = false;  // an index filter said which indexes there were to choose from
  std::vector<PlanBranch> others;  // of a $or, whose first branch the above is: read after it, each document but once
};

// What holds for all plans of a command.
struct PlanRules {
  bool refuses_scans = false;  // notablescan: a filter has to be answered by an index
  bool stable_only = false;    // apiStrict: only by indexes that are part of API version 1
};

// Text indexes and sparse ones are not part of API version 1.
bool is_in_stable_api(const IndexInfo& index);

struct PlanRequest {
  PlanRules rules;
  const query::Matcher* filter = nullptr;
  const query::SortPattern* sort = nullptr;
  std::shared_ptr<const bson::Collator> collator;
  bson::Element hint;          // missing, a name, a key pattern or {$natural: ±1}
  std::optional<bson::View> min, max;
  bson::View sort_spec, projection;  // part of the query's shape
  bson::View collation;              // for the planner's errors only
  const IndexFilter* index_filter = nullptr;  // found by make_plan
  std::string limits;  // " batchSize=2 limit=1 skip=3"
};

// What the planner could not do, in the server's form, which shows the whole query.
tl::unexpected<Error> planner_error(const CollectionInfo& collection, const PlanRequest& request, std::string_view why, int code = 2);

// $near and $text: the server's refusal when no index answers them (291, 27). A geo index is not read: $near looks at every
// document. So does $text, by the definition of the index, which is made known to the filter here. `collection` is null where there is none.
Status check_special(const CollectionInfo* collection, const PlanRequest& request);

// 2 BadValue for a hint that names no index, 51173-51176 for min and max without a matching one.
Result<Plan> make_plan(const CollectionInfo& collection, const PlanRequest& request);

}  // namespace drover::sandbox
