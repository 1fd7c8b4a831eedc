// One stage of a pipeline. Immutable once parsed, so that a pipeline may be run many times ($lookup). Private to the
// pipeline's files.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sandbox/query/errors.h"
#include "sandbox/query/pipeline.h"
#include "sandbox/query/sort.h"
#include "sandbox/query/stage_memory.h"

namespace drover::sandbox::query {

class Stage;
using StagePtr = std::shared_ptr<const Stage>;

class Stage : public std::enable_shared_from_this<Stage> {
 public:
  virtual ~Stage() = default;
  // The stage's documents over those of `input`. Nothing is read before the first next().
  virtual DocumentSourcePtr over(DocumentSourcePtr input) const = 0;
  virtual void add_foreign(std::vector<std::pair<std::string, std::string>>&) const {}

  std::string name;
  bson::Document spec;  // {"": argument}, kept for $match and $sort
};

// Several stages when one is shorthand for others ($count, $sortByCount).
using StageParser = Result<std::vector<StagePtr>> (*)(const bson::Element& argument, const PipelineContext& context);
struct StageRow {
  std::string_view name;
  StageParser parse;
  ServerVersion since{4, 4, 0};
};

std::span<const StageRow> simple_stages();   // stages_simple.cc
std::span<const StageRow> group_stages();    // stages_group.cc
std::span<const StageRow> lookup_stages();   // stages_lookup.cc
std::span<const StageRow> foreign_stages();  // stages_foreign.cc
std::span<const StageRow> array_stages();    // stages_array.cc
std::span<const StageRow> bucket_stages();   // stages_bucket.cc
std::span<const StageRow> window_stages();   // stages_window.cc
std::span<const StageRow> densify_stages();  // stages_densify.cc

Result<std::vector<StagePtr>> parse_stage_list(bson::View stages, const PipelineContext& context,
                                               std::string_view inside);
DocumentSourcePtr run_stages(const std::vector<StagePtr>& stages, DocumentSourcePtr source);
Result<PipelineOutput> parse_output(const bson::Element& stage, const PipelineContext& context);  // pipeline_output.cc

// A sort that delivers at most `limit` documents (0: all).
StagePtr make_sort_stage(const bson::Element& argument, SortPattern pattern, const PipelineContext& context,
                         std::size_t limit);
// With the limit of a $limit that follows directly.
StagePtr limited_sort(const Stage& sort, std::size_t limit);
std::optional<std::int64_t> limit_of(const Stage& stage);
std::optional<std::int64_t> skip_of(const Stage& stage);

// A stage from a function that makes the next document: for stages without state of their own.
class MappedSource : public DocumentSource {
 public:
  explicit MappedSource(DocumentSourcePtr input) : input_(std::move(input)) {}
  void rest() override {
    if (input_) input_->rest();
  }

 protected:
  DocumentSourcePtr input_;
};

// `document` with the value at `path` replaced (or, when missing, removed). Created when it is not there.
bson::Document with_value_at(bson::View document, std::span<const std::string> path, const Datum& value);

}  // namespace drover::sandbox::query
