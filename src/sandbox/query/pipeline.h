// Aggregation pipelines as pull iterators. This file knows no storage: the caller gives the source of documents, the
// documents of other collections ($lookup, $unionWith) and executes $out and $merge.
//
//   auto pipeline = TRY(Pipeline::parse(stages, context));
//   // pipeline.leading(): a stage such as $changeStream that the caller replaces by a source of its own
//   auto filter = pipeline.take_leading_match();            // plan and open the collection by it
//   auto documents = pipeline.run(std::move(source));
//   while (auto document = TRY(documents->next())) ...
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/memory_budget.h"
#include "bson/document.h"
#include "sandbox/query/expression.h"

namespace drover::sandbox::query {

// Per blocking stage ($sort, $group, $bucketAuto, ...). Over it: the server's error 16819/16945/146 by stage.
inline constexpr std::size_t kMaxStageBytes = 100 * 1024 * 1024;
inline constexpr std::size_t kMaxStages = 1000;

class DocumentSource {
 public:
  virtual ~DocumentSource() = default;
  // Nothing at the end (and again afterwards).
  virtual Result<std::optional<bson::Document>> next() = 0;
  // Nothing will be asked for a while: gives up what it can have again.
  virtual void rest() {}
};
using DocumentSourcePtr = std::unique_ptr<DocumentSource>;

// Documents of another collection of the same database (or `db`), those that match `filter`, in any order. The source
// already resolves views. An unknown collection is empty.
struct ForeignQuery {
  std::string db;  // empty: the pipeline's own
  std::string collection;
  bson::Document filter;
  std::optional<bson::Document> documents = std::nullopt;  // {"": the expression of $documents}: in place of a collection
};

struct PipelineContext {
  std::shared_ptr<const EvaluationContext> evaluation;
  std::function<Result<DocumentSourcePtr>(const ForeignQuery&)> open_foreign;
  std::size_t max_stage_bytes = kMaxStageBytes;
  bool reads_collection = false;  // the pipeline of the command itself, whose first $match may have $text
  MemoryBudget* memory = nullptr;  // what the blocking stages of all pipelines share; null: no such limit
  bool allow_disk_use = false;  // accepted; this server does not spill
  // Asked now and then by stages that compute for long between documents: an error ends the pipeline. Empty: nobody asks.
  std::function<Status()> interrupted;
};

// $out and $merge: always the last stage.
struct PipelineOutput {
  enum class Kind { kOut, kMerge };
  Kind kind = Kind::kOut;
  std::string db;  // empty: the pipeline's own
  std::string collection;
  std::vector<std::string> on{"_id"};       // $merge
  bool on_given = false;
  std::string when_matched = "merge";       // replace, keepExisting, merge, fail, pipeline
  bson::Document when_matched_pipeline;     // an array's bytes, for "pipeline"
  bson::Document let;                       // {new: "$$ROOT"} by default: expressions over the new document
  std::string when_not_matched = "insert";  // insert, discard, fail
};

// A first stage that produces documents by itself: $changeStream, $indexStats, $collStats, $currentOp, $listSessions,
// $listLocalSessions, $listCatalog, $documents, $planCacheStats.
struct LeadingStage {
  std::string name;
  bson::Document spec;  // {"": value}
};

class Stage;

class Pipeline {
 public:
  // `stages` is the bytes of the command's array. 40324 for unknown stages, 40323 for other than one field per stage.
  static Result<Pipeline> parse(bson::View stages, const PipelineContext& context);
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;
  ~Pipeline();

  const std::optional<LeadingStage>& leading() const;
  const std::optional<PipelineOutput>& output() const;
  // Collections named by $lookup, $graphLookup, $unionWith (with their db, empty for the pipeline's own).
  std::vector<std::pair<std::string, std::string>> foreign_collections() const;
  bool has_stage(std::string_view name) const;
  std::size_t stage_count() const;

  // Removes the $match stages at the front and returns their conjunction ({} when there are none).
  bson::Document take_leading_match();
  // The pattern of a $sort that is now first, without removing it: a source that is already ordered makes it cheap.
  std::optional<bson::Document> leading_sort() const;
  // Removes that $sort, when the source delivers the order.
  void drop_leading_sort();
  // How many source documents can be needed at most: a $limit (after $skip) that is now first.
  std::optional<std::int64_t> leading_limit() const;

  // Once. The result borrows nothing of `this`.
  DocumentSourcePtr run(DocumentSourcePtr source) &&;

 private:
  Pipeline();
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
};

// Whether the name is one of a stage that the server knows (in whatever version).
bool is_pipeline_stage(std::string_view name, ServerVersion version);

// A source over documents in memory.
DocumentSourcePtr make_vector_source(std::vector<bson::Document> documents);

// The view's own pipeline in front of a command's: the two arrays' stages concatenated.
bson::Document concatenate_pipelines(bson::View first, bson::View second);

}  // namespace drover::sandbox::query
