// The stages that explain shows of a plan, from the outermost in, and what each of them has done when it was carried out. Names and
// fields are the server's; the numbers are of the scan that was really made.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "bson/builder.h"
#include "bson/document.h"
#include "model/server_version.h"
#include "sandbox/commands/find_request.h"
#include "sandbox/commands/plan.h"

namespace drover::sandbox {

// What comes of a command's documents, over the plan that finds them.
enum class ExplainedUse { kRead, kCount, kUpdate, kDelete };

struct ExplainedPlan {
  const Plan* plan = nullptr;  // null: there is no collection
  const FindRequest* find = nullptr;
  bson::View filter;           // in its normal form
  bool sorts = false;          // no index delivers the order
  bool by_id = false;          // one document, by its _id
  bool counts_records = false;  // of a count without a filter
  bool counts_keys = false;     // of a count by an index alone
  bool clustered = false;       // the documents themselves are kept in the order of _id: no index is read
  ExplainedUse use = ExplainedUse::kRead;
  bool returns_document = false;  // of a write: findAndModify
  bool covered = false;           // the index alone answers it: no document is fetched
  ServerVersion version;
};

// The scan goes through the documents of a clustered collection, in their order.
bool reads_cluster(const ExplainedPlan& explained);

// Of a scan that was made: it stopped where the command has enough, or at its end.
struct ExplainedScan {
  std::int64_t matched = 0;
  std::int64_t examined = 0;
  std::int64_t keys = 0;
  std::int64_t bytes = 0;    // of what matched
  std::int64_t records = 0;  // in the collection
  std::int64_t millis = 0;
  bool ended = false;
  std::vector<std::int64_t> branch_keys;  // of a plan with branches: of those that were begun
};

struct ShownStages {
  bson::Document stages;
  std::int64_t returned = 0;
};
// `scan`: nothing when the plan was not carried out.
ShownStages show_stages(const ExplainedPlan& explained, const std::optional<ExplainedScan>& scan);

}  // namespace drover::sandbox
