// Runs a plan: the documents that match, one by one. It can be moved to a later state of the collection and goes on behind
// the document it gave last, as cursors do between getMores.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/plan.h"
#include "sandbox/commands/record_id_set.h"
#include "sandbox/query/expression.h"
#include "sandbox/query/matcher.h"
#include "sandbox/query/stage_memory.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

struct CommandContext;

// What the scans of one command have read: the sum of them, and the first one's plan.
struct ScanTotals {
  std::int64_t documents = 0, keys = 0;
  std::string plan;  // "COLLSCAN", "IXSCAN { a: 1 }", "IDHACK"; empty: nothing was scanned, or only numbers are wanted
};
// While it lives, every scan on this thread adds to `totals`, and to those of the CountScans around it.
class CountScans {
 public:
  enum class Wants { kPlan, kNumbers };
  explicit CountScans(ScanTotals& totals, Wants wants = Wants::kPlan);
  ~CountScans();
  CountScans(const CountScans&) = delete;
  CountScans& operator=(const CountScans&) = delete;

  static void add(std::int64_t documents, std::int64_t keys);
  // The plan of who wants one and has none yet: `name` is called for it.
  template <typename Name>
  static void note_plan(Name&& name) {
    for (auto* one = innermost_; one != nullptr; one = one->outer_) {
      if (one->wants_ == Wants::kPlan && one->totals_.plan.empty()) one->totals_.plan = name();
    }
  }

 private:
  static thread_local CountScans* innermost_;
  ScanTotals& totals_;
  const Wants wants_;
  CountScans* const outer_;
};
// While it lives, scans on this thread ask for the command every some hundred documents whether it goes on: the error ends the scan. The innermost is asked.
class StopScans {
 public:
  explicit StopScans(const CommandContext& command);
  ~StopScans();
  StopScans(const StopScans&) = delete;
  StopScans& operator=(const StopScans&) = delete;

  static Status check();

 private:
  static thread_local const CommandContext* command_;
  const CommandContext* const outer_;
};

// Sorts by how far a document is from the filter's $near.
Result<std::string> distance_key(const query::Matcher& filter, bson::View document);

// The fields of an index's key, of a document that was found by it. 115 for an index on arrays.
Result<bson::Document> index_key_of(const IndexInfo& index, bson::View document);
// What $meta tells of a document, of what is asked for; but for the sort key. `index`: that it was found by; may be null.
Result<query::EvaluationContext::Origin> origin_of(const query::EvaluationContext::OriginAsked& asked, const IndexInfo* index, RecordId id, bson::View document);

// One document was looked up by its _id, without a scan; `found` or not.
void count_id_lookup(const CollectionInfo& collection, bool found);

class Scan {
 public:
  // What it keeps of a multikey index is counted in `memory`: 292 when that is used up.
  Scan(std::shared_ptr<const Reader> reader, CollectionPtr collection, Plan plan, query::Matcher filter, MemoryBudget& memory);
  Scan(Scan&&) noexcept = default;

  // The bytes are good until the next call. Nothing at the end; after more records came (move_to), there may be more.
  Result<std::optional<bson::View>> next() { return next(nullptr); }
  Result<std::optional<bson::View>> next(query::MatchDetails* details);
  // For who only counts: the next key of plans that is_counted_by_keys() says so of. False: there is none.
  Result<bool> next_key();
  // The document given last comes again at the next call, as it was: for cursors, which keep no document between two batches. It is read
  // again in the state that it was seen in, also when the scan has moved on since (move_to).
  void give_again() { again_ = true; }
  RecordId record_id() const { return record_; }
  std::int64_t examined() const { return examined_; }
  std::int64_t keys_examined() const { return keys_; }
  // Of a plan with branches: how many of them each has looked at, those that were begun.
  std::vector<std::int64_t> keys_of_branches() const;
  const Plan& plan() const { return plan_; }
  const CollectionInfo& collection() const { return *collection_; }
  const query::Matcher& filter() const { return filter_; }

  // 175 QueryPlanKilled when the collection or the index is gone, 136 when a capped collection lost the position.
  Status move_to(std::shared_ptr<const Reader> reader);
  const Reader& reader() const { return *reader_; }
  // Gives up its iterators until the next next(), which goes on in the same state.
  void rest();

 private:
  void count_plan() const;
  Status check_stop();
  Status hold_again();
  Result<std::optional<bson::View>> next_candidate();
  Result<std::optional<bson::View>> next_by_index();
  Result<std::optional<RecordId>> next_entry();
  Result<bool> is_given(RecordId id);
  void resume_entries();
  bool next_branch();

  std::shared_ptr<const Reader> reader_;
  CollectionPtr collection_;
  Plan plan_;
  query::Matcher filter_;
  bool matches_all_ = false;
  std::optional<RecordCursor> records_;
  std::optional<IndexCursor> entries_;
  std::size_t range_ = 0;         // how many ranges were begun
  std::string position_;          // full key of the entry last given
  std::vector<std::int64_t> branch_ends_;  // keys_ at the end of each branch that is done; plan_ has the one under way
  bool dedupe_ = false;
  RecordIdSet seen_;  // of a multikey index
  query::StageMemory seen_memory_;
  std::string document_;
  std::optional<bson::Document> held_;  // given again
  bool again_ = false;
  RecordId record_ = 0;
  bool begun_ = false;
  bool range_open_ = false;       // the range that was begun last is not at its end
  std::int64_t examined_ = 0, keys_ = 0, looked_at_ = 0;
};

}  // namespace drover::sandbox
