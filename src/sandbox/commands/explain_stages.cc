#include "sandbox/commands/explain_stages.h"

#include <algorithm>
#include <span>
#include <vector>

#include <fmt/format.h>

#include "bson/ejson.h"
#include "sandbox/commands/write_support.h"

namespace drover::sandbox {

namespace {

// What a sort in memory may take.
constexpr std::int32_t kSortBytes = 104857600;

struct Stage {
  std::string_view name;
  bson::Document filter = {};  // empty: none
  bson::Document facts = {};   // of the plan
  std::int64_t advanced = 0;
  std::int64_t need_time = 0;
  bool ended = true;
  bson::Document counts = {};  // of the execution
  std::vector<Stage> inputs = {};  // of one that has several
};

bson::Document index_bounds(const IndexInfo& index, const std::vector<query::PathBounds>& used) {
  bson::Builder bounds;
  for (const auto& field : index.fields) {
    auto list = bounds.open_array(field.path);
    bool constrained = false;
    for (const auto& path : used) {
      if (path.path != field.path) continue;
      constrained = true;
      for (const auto& interval : path.intervals) {
        list.append(fmt::format("{}{}, {}{}", interval.low_inclusive ? '[' : '(', bson::to_shell(interval.low.element()),
                                bson::to_shell(interval.high.element()), interval.high_inclusive ? ']' : ')'));
      }
    }
    if (!constrained) list.append("[MinKey, MaxKey]");
  }
  return std::move(bounds).finish();
}

// Of one range over an index: {startKey, startKeyInclusive, endKey, endKeyInclusive}, in the index's direction.
bson::Document range_ends(const IndexInfo& index, const std::vector<query::PathBounds>& used) {
  bool inclusive[2] = {true, true};
  const auto end = [&](bool last) {
    bson::Builder key;
    for (std::size_t i = 0; i < index.fields.size(); ++i) {
      const bool high = last != index.fields[i].descending;
      if (i >= used.size()) {
        high ? key.append(index.fields[i].path, bson::MaxKey{}) : key.append(index.fields[i].path, bson::MinKey{});
        continue;
      }
      const auto& intervals = used[i].intervals;
      const auto& interval = high ? intervals.back() : intervals.front();
      key.append(index.fields[i].path, (high ? interval.high : interval.low).element());
      if (!(high ? interval.high_inclusive : interval.low_inclusive)) inclusive[last ? 1 : 0] = false;
    }
    return std::move(key).finish();
  };
  const auto first = end(false), last = end(true);
  return bson::make_document({{"startKey", first}, {"startKeyInclusive", inclusive[0]}, {"endKey", last}, {"endKeyInclusive", inclusive[1]}});
}

bson::Document index_facts(const IndexInfo& index, const std::vector<query::PathBounds>& used, bool forward) {
  const bool multikey = index.multikey->load() != 0;
  bson::Builder out;
  out.append("keyPattern", index.key_pattern()).append("indexName", index.name).append("isMultiKey", multikey);
  out.append("isUnique", index.unique).append("isSparse", index.sparse).append("isPartial", index.partial_filter != nullptr);
  out.append("indexVersion", 2).append("direction", forward ? "forward" : "backward").append("indexBounds", index_bounds(index, used));
  return std::move(out).finish();
}

// {name: number, ...}
bson::Document counted(std::initializer_list<std::pair<std::string_view, std::int64_t>> counts) {
  bson::Builder out;
  for (const auto& [name, count] : counts) append_count(out, name, count);
  return std::move(out).finish();
}

class Stages {
 public:
  Stages(const ExplainedPlan& explained, const ExplainedScan& scan) : explained_(explained), find_(*explained.find), scan_(scan) {}

  std::vector<Stage> build() {
    if (!explained_.plan || (explained_.plan->nothing && explained_.use == ExplainedUse::kRead)) return {Stage{.name = "EOF"}};
    if (explained_.counts_records) return {fast_count()};
    add_scan();
    if (explained_.use == ExplainedUse::kRead) {
      add_sort();
      add_skip();
      add_projection();
      add_limit();
      add_subplan();
    } else {
      add_sort();
      add_subplan();
      add_use();
      add_projection();
    }
    return std::move(stages_);
  }

 private:
  std::int64_t below() const { return stages_.back().advanced; }
  std::int64_t skipped_of(std::int64_t count) const { return std::min(count, find_.skip); }
  std::int64_t limited(std::int64_t count) const { return find_.limit > 0 ? std::min(count, find_.limit) : count; }

  Stage fast_count() const {
    const auto skipped = skipped_of(scan_.records);
    return {.name = "RECORD_STORE_COUNT", .counts = counted({{"nCounted", limited(scan_.records - skipped)}, {"nSkipped", skipped}})};
  }

  void add_scan() {
    const auto& plan = *explained_.plan;
    const auto missed = scan_.examined - scan_.matched;
    if (plan.nothing) {
      stages_.push_back({.name = "EOF"});
      return;
    }
    if (explained_.by_id) return add_id_lookup();
    if (explained_.counts_keys) return add_keys();
    if (!plan.index || reads_cluster(explained_)) {
      // Before 6.0 the limits of a clustered scan are those of a scan of the collection.
      const bool limited = reads_cluster(explained_) && !plan.bounds.empty() && explained_.version >= ServerVersion{6, 0, 0};
      stages_.push_back({.name = limited ? "CLUSTERED_IXSCAN" : "COLLSCAN", .filter = bson::Document(explained_.filter), .facts = scan_facts(),
                         .advanced = scan_.matched, .need_time = missed, .ended = scan_.ended, .counts = counted({{"docsExamined", scan_.examined}})});
      return;
    }
    const auto dropped = scan_.keys - scan_.examined;
    if (!plan.others.empty()) {
      stages_.push_back({.name = "OR", .advanced = scan_.examined, .need_time = dropped, .ended = scan_.ended,
                         .counts = counted({{"dupsTested", scan_.keys}, {"dupsDropped", dropped}}), .inputs = branches(plan)});
      add_fetch(missed);
      return;
    }
    const bool multikey = plan.index->multikey->load() != 0;
    stages_.push_back({.name = "IXSCAN", .facts = index_facts(*plan.index, plan.bounds, plan.forward), .advanced = scan_.examined, .need_time = dropped, .ended = scan_.ended,
                       .counts = counted({{"keysExamined", scan_.keys}, {"dupsTested", multikey ? scan_.keys : 0}, {"dupsDropped", dropped}})});
    if (!explained_.covered) return add_fetch(missed);
    stages_.back().advanced = scan_.matched;
    stages_.back().need_time = dropped + missed;
  }

  // One range is shown by its ends, as the server counts it.
  void add_keys() {
    const auto& plan = *explained_.plan;
    const bool one = plan.ranges.size() == 1;
    auto facts = index_facts(*plan.index, plan.bounds, plan.forward);
    if (one) {
      bson::Builder shown;
      for (const auto& fact : facts) {
        if (fact.key() == "indexBounds") shown.append("indexBounds", range_ends(*plan.index, plan.bounds));
        else if (fact.key() != "direction") shown.append_raw(fact);
      }
      facts = std::move(shown).finish();
    }
    stages_.push_back({.name = one ? "COUNT_SCAN" : "IXSCAN", .facts = std::move(facts), .advanced = scan_.matched, .ended = scan_.ended, .counts = counted({{"keysExamined", scan_.keys}})});
  }

  void add_fetch(std::int64_t missed) {
    stages_.push_back({.name = "FETCH", .filter = bson::Document(explained_.filter), .advanced = scan_.matched, .need_time = missed, .ended = scan_.ended,
                       .counts = counted({{"docsExamined", scan_.examined}, {"alreadyHasObj", 0}})});
  }

  std::vector<Stage> branches(const Plan& plan) const {
    std::vector<Stage> scans;
    const auto add = [&](const IndexInfo& index, const std::vector<query::PathBounds>& used) {
      const bool begun = scans.size() < scan_.branch_keys.size();
      const auto keys = begun ? scan_.branch_keys[scans.size()] : 0;
      const bool multikey = index.multikey->load() != 0;
      scans.push_back({.name = "IXSCAN", .facts = index_facts(index, used, true), .advanced = keys,
                       .ended = scan_.ended || scans.size() + 1 < scan_.branch_keys.size(),
                       .counts = counted({{"keysExamined", keys}, {"dupsTested", multikey ? keys : 0}, {"dupsDropped", 0}})});
    };
    add(*plan.index, plan.bounds);
    for (const auto& other : plan.others) add(*other.index, other.bounds);
    return scans;
  }

  // A filter that is nothing but a $or is planned branch by branch.
  void add_subplan() {
    if (!explained_.plan->others.empty() && explained_.filter.first().key() == "$or") stages_.push_back({.name = "SUBPLAN", .advanced = below()});
  }

  bson::Document scan_facts() const {
    const auto& plan = *explained_.plan;
    bson::Builder facts;
    facts.append("direction", plan.forward ? "forward" : "backward");
    if (reads_cluster(explained_) && !plan.bounds.empty() && !plan.bounds.front().intervals.empty()) {
      const auto& intervals = plan.bounds.front().intervals;
      facts.append("minRecord", intervals.front().low).append("maxRecord", intervals.back().high);
    }
    return std::move(facts).finish();
  }

  // Since 8.0 plain reads by _id go past the planner.
  void add_id_lookup() {
    const bool express = explained_.version >= ServerVersion{8, 0, 0} && explained_.use == ExplainedUse::kRead;
    if (explained_.clustered) {
      stages_.push_back({.name = "EXPRESS_CLUSTERED_IXSCAN", .advanced = scan_.matched,
                         .counts = counted({{"keysExamined", 0}, {"docsExamined", scan_.examined}})});
      return;
    }
    Stage stage{.name = express ? "EXPRESS_IXSCAN" : "IDHACK", .advanced = scan_.matched,
                .counts = counted({{"keysExamined", scan_.keys}, {"docsExamined", scan_.examined}})};
    if (express) stage.facts = bson::make_document({{"keyPattern", "{ _id: 1 }"}, {"indexName", "_id_"}});
    stages_.push_back(std::move(stage));
  }

  // A limit is the sort's own: it keeps no more than are wanted.
  void add_sort() {
    if (!explained_.sorts || explained_.by_id) return;
    const auto wanted = find_.limit > 0 ? saturating_sum(find_.limit, find_.skip) : 0;
    bson::Builder facts;
    facts.append("sortPattern", find_.sort).append("memLimit", kSortBytes);
    if (wanted > 0) append_count(facts, "limitAmount", wanted);
    facts.append("type", "simple");
    const auto given = wanted > 0 ? std::min(below(), wanted) : below();
    stages_.push_back({.name = "SORT", .facts = std::move(facts).finish(), .advanced = given, .need_time = below() + 1,
                       .counts = bson::make_document({{"totalDataSizeSorted", scan_.bytes}, {"usedDisk", false}})});
  }

  void add_skip() {
    if (find_.skip == 0) return;
    const auto skipped = skipped_of(below());
    stages_.push_back({.name = "SKIP", .facts = counted({{"skipAmount", find_.skip}}), .advanced = below() - skipped, .need_time = skipped});
  }

  void add_projection() {
    if (find_.projection.empty()) return;
    const bool simple = std::all_of(find_.projection.begin(), find_.projection.end(), [](const bson::Element& field) {
      return (field.is_number() || field.type() == bson::Type::kBool) && field.key().find('.') == std::string_view::npos;
    });
    stages_.push_back({.name = explained_.covered && simple ? "PROJECTION_COVERED" : simple ? "PROJECTION_SIMPLE" : "PROJECTION_DEFAULT", .facts = bson::make_document({{"transformBy", find_.projection}}),
                       .advanced = below()});
  }

  void add_limit() {
    if (find_.limit == 0 || explained_.sorts || explained_.by_id) return;
    stages_.push_back({.name = "LIMIT", .facts = counted({{"limitAmount", find_.limit}}), .advanced = limited(below())});
  }

  void add_use() {
    const auto found = below();
    if (explained_.use == ExplainedUse::kCount) {
      const auto skipped = skipped_of(found);
      stages_.push_back({.name = "COUNT", .need_time = found, .counts = counted({{"nCounted", limited(found - skipped)}, {"nSkipped", skipped}})});
      return;
    }
    const bool removes = explained_.use == ExplainedUse::kDelete;
    stages_.push_back({.name = removes ? "DELETE" : "UPDATE", .advanced = explained_.returns_document ? found : 0,
                       .need_time = explained_.returns_document ? 0 : found, .counts = counted({{removes ? "nWouldDelete" : "nMatched", found}})});
  }

  const ExplainedPlan& explained_;
  const FindRequest& find_;
  const ExplainedScan& scan_;
  std::vector<Stage> stages_;  // the innermost first
};

void append_stages(bson::Builder& out, std::span<const Stage> stages, const std::optional<ExplainedScan>& scan) {
  const auto& stage = stages.back();
  out.append("stage", stage.name);
  if (!stage.filter.empty()) out.append("filter", stage.filter);
  if (scan) {
    append_count(out, "nReturned", stage.advanced);
    append_count(out, "executionTimeMillisEstimate", scan->millis);
    append_count(out, "works", stage.advanced + stage.need_time + (stage.ended ? 1 : 0));
    append_count(out, "advanced", stage.advanced);
    append_count(out, "needTime", stage.need_time);
    for (const auto* name : {"needYield", "saveState", "restoreState"}) out.append(name, 0);
    out.append("isEOF", stage.ended ? 1 : 0);
  }
  out.append_all(stage.facts);
  if (scan) out.append_all(stage.counts);
  if (!stage.inputs.empty()) {
    auto inputs = out.open_array("inputStages");
    for (const auto& input : stage.inputs) {
      auto one = inputs.open_document();
      append_stages(one, {&input, 1}, scan);
    }
  }
  if (stages.size() == 1) return;
  auto input = out.open_document("inputStage");
  append_stages(input, stages.first(stages.size() - 1), scan);
}

}  // namespace

bool reads_cluster(const ExplainedPlan& explained) { return explained.clustered && explained.plan && explained.plan->index && explained.plan->index->is_id(); }

ShownStages show_stages(const ExplainedPlan& explained, const std::optional<ExplainedScan>& scan) {
  const auto stages = Stages(explained, scan.value_or(ExplainedScan{})).build();
  bson::Builder out;
  if (!scan && explained.version >= ServerVersion{8, 0, 0}) out.append("isCached", false);
  append_stages(out, stages, scan);
  return {std::move(out).finish(), stages.back().advanced};
}

}  // namespace drover::sandbox
