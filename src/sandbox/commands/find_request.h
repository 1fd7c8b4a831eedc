// The find command, parsed. Wording of its refusals: corpus admin/unknown-command, find/cursors.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

struct FindRequest {
  bson::View filter;
  bson::View sort;
  bson::View projection;
  bson::View let;
  bson::Element hint;
  std::optional<bson::View> min, max;
  std::int64_t skip = 0;
  std::int64_t limit = 0;  // 0: none
  std::optional<std::int64_t> batch_size;
  bool single_batch = false;
  bool tailable = false;
  bool await_data = false;
  bool no_timeout = false;
  bool show_record_id = false;
  bool return_key = false;
  bool request_resume_token = false;       // each batch says behind which record the next one begins
  std::optional<std::int64_t> resume_after;  // such a record
};

// `body` is the command's, or the one inside an explain.
Result<FindRequest> parse_find(const CommandContext& context, bson::View body);
// What a pipeline cannot do, and so no find on a view. Facts: MongoDB's query_request_helper.cpp, asAggregationCommand.
Status check_aggregable(const CommandContext& context, const FindRequest& request);

}  // namespace drover::sandbox
