#include "sandbox/commands/plan.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "bson/builder.h"
#include "bson/compare.h"
#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/commands/query_shape.h"
#include "sandbox/commands/support.h"
#include "sandbox/query/path.h"

namespace drover::sandbox {

namespace {

constexpr int kNoQueryExecutionPlans = 291;

using query::Interval;
using query::PathBounds;

bool holds_text(const bson::Element& value) {
  const auto type = value.type();
  return type == bson::Type::kString || type == bson::Type::kSymbol || type == bson::Type::kDocument || type == bson::Type::kArray;
}

// "a.0", "a.0.b": a number that may be the place of an item, or the name of a field of every item.
bool has_place(std::string_view path) {
  while (true) {
    const auto dot = path.find('.');
    if (dot == std::string_view::npos) return false;
    path.remove_prefix(dot + 1);
    if (query::is_array_index(path.substr(0, path.find('.')))) return true;
  }
}

// Values that an order of values alone compares: no NaN, and nothing that a collation or an array has a say in.
bool is_plain(const bson::Element& value) {
  switch (value.type()) {
    case bson::Type::kInt32:
    case bson::Type::kInt64:
    case bson::Type::kDateTime:
    case bson::Type::kObjectId: return true;
    case bson::Type::kDouble: return !std::isnan(value.double_value());
    default: return false;
  }
}

// Whether whatever is {operation: value} is {wanted: bound} too: {$lt: 2} is {$lte: 3}.
bool implies(std::string_view operation, const bson::Element& value, std::string_view wanted, const bson::Element& bound) {
  if (!is_plain(value) || !is_plain(bound) || value.is_number() != bound.is_number()) return false;
  if (!value.is_number() && value.type() != bound.type()) return false;
  const int order = bson::compare_values(value, bound);
  const bool equal = operation == "$eq", below = operation == "$lt", above = operation == "$gt";
  const bool at_most = below || operation == "$lte", at_least = above || operation == "$gte";
  if (wanted == "$eq") return equal && order == 0;
  if (wanted == "$lte") return (equal || at_most) && order <= 0;
  if (wanted == "$gte") return (equal || at_least) && order >= 0;
  if (wanted == "$lt") return ((equal || at_most) && order < 0) || (below && order == 0);
  if (wanted == "$gt") return ((equal || at_least) && order > 0) || (above && order == 0);
  return false;
}

// The same of a query's condition on a field, {a: 1} or {a: {$gt: 1, ...}}, and a partial filter's on it.
bool implies(const bson::Element& given, const bson::Element& condition) {
  const auto wanted = condition.to_document();
  if (!given || (wanted && wanted->field_count() != 1)) return false;
  const auto bound = wanted ? wanted->first() : condition;
  const std::string_view operation = wanted ? bound.key() : std::string_view("$eq");
  const auto conditions = given.to_document();
  if (!conditions) return implies("$eq", given, operation, bound);
  for (const auto& e : *conditions) {
    if (implies(e.key(), e, operation, bound)) return true;
  }
  return false;
}

// Every condition of the partial filter stands in the query as it is, is an $exists that an equality implies, or a comparison that
// one of the query's is within.
bool implies_partial(bson::View filter, bson::View partial) {
  for (const auto& condition : partial) {
    const auto given = filter[condition.key()];
    if (given && given.same_value_bytes(condition)) continue;
    const auto operators = condition.to_document();
    const bool only_exists = operators && operators->field_count() == 1 && (*operators)["$exists"].is_truthy();
    if (only_exists && given && !given.is_null() && !given.is_document()) continue;
    if (implies(given, condition)) continue;
    return false;
  }
  return true;
}

bool contains_null(const std::vector<Interval>& intervals) {
  static const auto null = bson::make_document({{"", bson::Null{}}});
  const auto value = null["" ];
  return std::any_of(intervals.begin(), intervals.end(), [&](const Interval& i) {
    return bson::compare_values(i.low.element(), value) <= 0 && bson::compare_values(value, i.high.element()) <= 0;
  });
}

std::vector<Interval> intersect(const std::vector<Interval>& a, const std::vector<Interval>& b, const bson::Collator* collator) {
  std::vector<Interval> result;
  for (const auto& x : a) {
    for (const auto& y : b) {
      Interval both = x;
      const int low = bson::compare_values(y.low.element(), x.low.element(), collator);
      if (low > 0) {
        both.low = y.low;
        both.low_inclusive = y.low_inclusive;
      } else if (low == 0) {
        both.low_inclusive = x.low_inclusive && y.low_inclusive;
      }
      const int high = bson::compare_values(y.high.element(), x.high.element(), collator);
      if (high < 0) {
        both.high = y.high;
        both.high_inclusive = y.high_inclusive;
      } else if (high == 0) {
        both.high_inclusive = x.high_inclusive && y.high_inclusive;
      }
      const int order = bson::compare_values(both.low.element(), both.high.element(), collator);
      if (order < 0 || (order == 0 && both.low_inclusive && both.high_inclusive)) result.push_back(both);
    }
  }
  return result;
}

std::string encode(const bson::Element& value, const IndexInfo& index, std::size_t field) {
  std::string out;
  bson::append_key_string(out, value, index.collator.get(), index.fields[field].descending);
  return out;
}

// One field's interval behind an encoded prefix.
KeyRange to_range(const std::string& prefix, const Interval& interval, const IndexInfo& index, std::size_t field) {
  const bool descending = index.fields[field].descending;
  const auto& from = descending ? interval.high : interval.low;
  const auto& to = descending ? interval.low : interval.high;
  const bool from_inclusive = descending ? interval.high_inclusive : interval.low_inclusive;
  const bool to_inclusive = descending ? interval.low_inclusive : interval.high_inclusive;
  KeyRange range{prefix + encode(from.element(), index, field), prefix + encode(to.element(), index, field)};
  if (!from_inclusive) range.lower += bson::key_string_highest();
  if (to_inclusive) range.upper += bson::key_string_highest();
  return range;
}

// What the filter says about the fields of one index, in their order, up to the first range.
class Candidate {
 public:
  Candidate(const std::shared_ptr<const IndexInfo>& index, const std::vector<PathBounds>& bounds, const PlanRequest& request)
      : index_(index), request_(request) {
    const bool multikey = index->multikey->load() != 0;
    const std::size_t fields = multikey ? 1 : index->fields.size();
    for (std::size_t i = 0; i < fields; ++i) {
      auto found = bounds_of(index->fields[i].path, bounds, multikey);
      if (!found) break;
      const bool points = found->points;
      used_.push_back(std::move(*found));
      if (!points) break;
    }
  }

  // An index that leaves documents out may be used only when the filter leaves them out too.
  bool complete() const {
    if (index_->sparse && std::none_of(used_.begin(), used_.end(), [](const PathBounds& b) { return !contains_null(b.intervals); })) return false;
    return !index_->partial_filter || implies_partial(request_.filter->filter(), index_->partial_filter->filter());
  }

  bool delivers_sort(bool& forward) const {
    if (!request_.sort || request_.sort->empty() || request_.sort->natural() != 0 || index_->multikey->load() != 0) return false;
    if (!bson::same_collation(index_->collator.get(), request_.collator.get())) return false;
    const auto& parts = request_.sort->parts();
    std::size_t at = 0;
    std::optional<bool> reversed;
    for (std::size_t i = 0; i < index_->fields.size() && at < parts.size(); ++i) {
      const auto& field = index_->fields[i];
      if (field.path != parts[at].path) {
        if (i < used_.size() && used_[i].points && used_[i].intervals.size() == 1) continue;
        return false;
      }
      const bool opposite = field.descending != parts[at].descending;
      if (reversed && *reversed != opposite) return false;
      reversed = opposite;
      ++at;
    }
    // _id is unique: what follows it does not matter.
    const bool decided = at > 0 && index_->is_id();
    if (at < parts.size() && !decided) return false;
    forward = !reversed.value_or(false);
    return true;
  }

  int score(bool sorts) const {
    int points = 0;
    for (const auto& bounds : used_) points += bounds.points ? (bounds.intervals.size() == 1 ? 20 : 14) : 8;
    const bool exact = index_->unique && used_.size() == index_->fields.size() && !used_.empty() && used_.back().points;
    return points + (exact ? 100 : 0) + (sorts ? 5 : 0) + (index_->is_id() ? 1 : 0);
  }
  bool bounded() const { return !used_.empty(); }

  Plan plan(bool sorts, bool forward) const {
    Plan plan{.index = index_, .forward = forward, .sorted = sorts, .bounds = used_};
    std::vector<std::string> prefixes{""};
    for (std::size_t i = 0; i < used_.size(); ++i) {
      const bool last = i + 1 == used_.size() || prefixes.size() * used_[i].intervals.size() * used_[i + 1].intervals.size() > kMaxKeyRanges;
      if (!last) {
        std::vector<std::string> next;
        for (const auto& prefix : prefixes) {
          for (const auto& interval : in_order(i)) next.push_back(prefix + encode(interval.low.element(), *index_, i));
        }
        prefixes = std::move(next);
        continue;
      }
      for (const auto& prefix : prefixes) {
        for (const auto& interval : in_order(i)) plan.ranges.push_back(to_range(prefix, interval, *index_, i));
      }
      plan.exact = i + 1 == used_.size();
      break;
    }
    if (used_.empty()) {
      plan.ranges.push_back({"", std::string(bson::key_string_highest())});
      plan.exact = true;
    }
    merge(plan.ranges);
    return plan;
  }

 private:
  std::optional<PathBounds> bounds_of(const std::string& path, const std::vector<PathBounds>& bounds, bool multikey) const {
    std::optional<PathBounds> result;
    for (const auto& candidate : bounds) {
      if (candidate.path != path || !usable(candidate)) continue;
      if (!result) {
        result = candidate;
      } else if (multikey) {
        if (candidate.points && !result->points) result = candidate;
      } else {
        result->intervals = intersect(result->intervals, candidate.intervals, request_.collator.get());
        result->points = result->points || candidate.points;
      }
    }
    return result;
  }
  bool usable(const PathBounds& bounds) const {
    // Nothing there: of an array {a: [{b: 1}]} that is true of "a.0.b", since the item has no field "0". The index only knows the item.
    if (has_place(bounds.path) && contains_null(bounds.intervals)) return false;
    if (bson::same_collation(index_->collator.get(), request_.collator.get())) return true;
    return std::none_of(bounds.intervals.begin(), bounds.intervals.end(),
                        [](const Interval& i) { return holds_text(i.low.element()) || holds_text(i.high.element()); });
  }
  std::vector<Interval> in_order(std::size_t field) const {
    auto intervals = used_[field].intervals;
    if (index_->fields[field].descending) std::reverse(intervals.begin(), intervals.end());
    return intervals;
  }
  static void merge(std::vector<KeyRange>& ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const KeyRange& a, const KeyRange& b) { return a.lower < b.lower; });
    std::vector<KeyRange> result;
    for (auto& range : ranges) {
      if (!result.empty() && range.lower < result.back().upper) {
        result.back().upper = std::max(result.back().upper, range.upper);
      } else {
        result.push_back(std::move(range));
      }
    }
    ranges = std::move(result);
  }

  std::shared_ptr<const IndexInfo> index_;
  const PlanRequest& request_;
  std::vector<PathBounds> used_;
};

// Whether the command may read by it: the planner knows nothing of a hidden one, hinted at or not (MongoDB's fillOutPlannerParams).
bool serves(const IndexInfo& index, const PlanRequest& request) {
  return index.ready && !index.spec["hidden"].is_truthy() && (!request.rules.stable_only || is_in_stable_api(index));
}

Result<std::shared_ptr<const IndexInfo>> hinted_index(const CollectionInfo& collection, const PlanRequest& request) {
  const auto& hint = request.hint;
  for (const auto& index : collection.indexes) {
    if (!serves(*index, request)) continue;
    if (hint.is_string() ? index->name == hint.string_value() : hint.is_document() && index->key_pattern().same_bytes(hint.document_value())) {
      if (!index->is_plain()) {
        return server_error(code::kBadValue, fmt::format("index '{}' of {} is kept, but this server does not read through it", index->name, collection.ns.to_string()));
      }
      return index;
    }
  }
  // Patterns written with another numeric type are the same pattern.
  if (hint.is_document()) {
    for (const auto& index : collection.indexes) {
      if (serves(*index, request) && index->is_plain() && bson::compare_documents(index->key_pattern(), hint.document_value()) == 0) return index;
    }
  }
  return planner_error(collection, request, "planner returned error :: caused by :: hint provided does not correspond to an existing index");
}

Result<std::string> compound_key(const IndexInfo& index, bson::View values, std::string_view name) {
  std::string out;
  std::size_t i = 0;
  for (const auto& value : values) {
    if (i >= index.fields.size() || index.fields[i].path != value.key()) {
      return server_error(51174, fmt::format("The index chosen is not compatible with min/max: {} {}", name, bson::to_shell(values)));
    }
    out += encode(value, index, i++);
  }
  if (i != index.fields.size()) return server_error(51174, fmt::format("The index chosen is not compatible with min/max: {} {}", name, bson::to_shell(values)));
  return out;
}

// Where a scan without max() ends: before the greatest key that the index can hold, as the server's does.
std::string greatest_key(const IndexInfo& index) {
  bson::Builder ends;
  for (const auto& field : index.fields) field.descending ? ends.append("", bson::MinKey()) : ends.append("", bson::MaxKey());
  const auto values = std::move(ends).finish();
  std::string out;
  std::size_t i = 0;
  for (const auto& value : values) out += encode(value, index, i++);
  return out;
}

Result<Plan> min_max_plan(const CollectionInfo& collection, const PlanRequest& request) {
  if (!request.hint) return server_error(51173, "When using min()/max() a hint of which index to use must be provided");
  const auto index = TRY(hinted_index(collection, request));
  KeyRange range{"", greatest_key(*index)};
  if (request.min) range.lower = TRY(compound_key(*index, *request.min, "min"));
  if (request.max) range.upper = TRY(compound_key(*index, *request.max, "max"));
  if (range.lower >= range.upper) return server_error(51175, "The value provided for min() does not come before the value provided for max() in the hinted index");
  Plan plan{.index = index, .ranges = {range}};
  plan.sorted = Candidate(index, {}, request).delivers_sort(plan.forward);
  return plan;
}

// Entries of the oplog from a time on are found by it.
std::optional<RecordId> oplog_start(const std::vector<PathBounds>& bounds) {
  std::optional<RecordId> after;
  for (const auto& candidate : bounds) {
    if (candidate.path != "ts" || candidate.intervals.empty()) continue;
    const auto low = candidate.intervals.front().low.element().to_timestamp();
    if (!low || low->is_zero()) continue;
    const auto id = static_cast<RecordId>(low->value()) - 1;
    after = std::max(after.value_or(id), id);
  }
  return after;
}

// All documents in the order of _id.
Plan clustered_plan(const CollectionInfo& collection, bool forward, bool sorted) {
  return {.index = collection.indexes.front(), .ranges = {{"", std::string(2, '\xff')}}, .forward = forward, .sorted = sorted};
}

// Every document is looked at, by the index's definition. As the server does, it wants an equality for every field before the text's.
Status answer_text(const CollectionInfo& collection, const IndexInfo& index, const PlanRequest& request) {
  const auto equalities = request.filter->equalities();
  bool answers = serves(index, request) && (!index.partial_filter || implies_partial(request.filter->filter(), index.partial_filter->filter()));
  for (const auto& field : index.key_pattern()) {
    if (field.key() == "_fts") break;
    answers = answers && std::any_of(equalities.begin(), equalities.end(), [&](const auto& equality) { return equality.first == field.key(); });
  }
  if (!answers) {
    return planner_error(collection, request, "planner returned error :: caused by :: failed to use text index to satisfy $text query (if text index is compound, "
                                              "are equality predicates given for all prefix fields?)", kNoQueryExecutionPlans);
  }
  return request.filter->answer_text_by(index.spec);
}

}  // namespace

bool is_in_stable_api(const IndexInfo& index) {
  if (index.sparse) return false;
  return std::none_of(index.fields.begin(), index.fields.end(), [](const IndexField& field) { return field.kind == "text" || field.kind == "geoHaystack"; });
}

Status check_special(const CollectionInfo* collection, const PlanRequest& request) {
  if (request.filter == nullptr) return {};
  const auto& filter = *request.filter;
  const auto near = filter.near_path();
  if (!near && !filter.has_text()) return {};
  const auto index_that = [&](auto&& answers) -> const IndexInfo* {
    if (collection == nullptr) return nullptr;
    for (const auto& index : collection->indexes) {
      if (index->ready && std::any_of(index->fields.begin(), index->fields.end(), answers)) return index.get();
    }
    return nullptr;
  };
  if (filter.has_text()) {
    const auto* index = index_that([](const auto& field) { return field.kind == "text"; });
    if (index == nullptr) return server_error(code::kIndexNotFound, "text index required for $text query");
    return answer_text(*collection, *index, request);
  }
  if (collection == nullptr) return {};
  if (index_that([&](const auto& field) { return field.path == *near && filter.near_is_answered_by(field.kind); }) != nullptr) return {};
  return planner_error(*collection, request, "planner returned error :: caused by :: unable to find index for $geoNear query", kNoQueryExecutionPlans);
}

tl::unexpected<Error> planner_error(const CollectionInfo& collection, const PlanRequest& request, std::string_view why, int error_code) {
  const auto collation = request.collation.empty() ? std::string() : fmt::format("Collation: {}\n", bson::to_shell(request.collation));
  return server_error(error_code, fmt::format("error processing query: ns={}{}Tree: {}Sort: {}\nProj: {}\n{} {}", collection.ns.to_string(),
                                                   request.limits, request.filter != nullptr ? request.filter->debug_string() : "$and\n", bson::to_shell(request.sort_spec),
                                                   bson::to_shell(request.projection), collation, why));
}

namespace {

// With notablescan a filter has to be answered by an index, but for collections of the system's.
bool may_scan(const CollectionInfo& collection, const PlanRequest& request) {
  const auto& ns = collection.ns;
  const bool internal = ns.db == "admin" || ns.db == "config" || ns.db == "local" || ns.collection.starts_with("system.");
  // What a geo or text index answers looks at every document here, but is answered by an index all the same.
  const auto& filter = *request.filter;
  return internal || !request.rules.refuses_scans || filter.matches_everything() || filter.near_path() || filter.has_text();
}

// The index that serves best, or none that serves.
std::optional<Plan> best_plan(const CollectionInfo& collection, const PlanRequest& request, const std::vector<PathBounds>& bounds) {
  std::optional<Plan> best;
  int best_score = 0;
  for (const auto& index : collection.indexes) {
    if (!serves(*index, request) || !index->is_plain()) continue;
    if (request.index_filter != nullptr && !request.index_filter->allows(*index)) continue;
    const Candidate candidate(index, bounds, request);
    bool forward = true;
    const bool sorts = candidate.delivers_sort(forward);
    if ((!candidate.bounded() && !sorts) || !candidate.complete()) continue;
    const int score = candidate.score(sorts);
    if (score <= best_score) continue;
    best_score = score;
    best = candidate.plan(sorts, forward);
  }
  return best;
}

// Of a $or beside which nothing has an index: each branch by its own, when all have one. `common`: what holds for every branch.
std::optional<Plan> plan_of_branches(const CollectionInfo& collection, const PlanRequest& request, const std::vector<PathBounds>& common) {
  constexpr ServerVersion kAny{999, 0, 0};  // it was parsed before, as the server's version has it
  const auto branches = request.filter->filter()["$or"].to_array();
  if (!branches || collection.is_clustered() || request.filter->has_text() || request.filter->has_near()) return std::nullopt;
  std::optional<Plan> whole;
  std::size_t ranges = 0;
  for (const auto& item : *branches) {
    const auto matcher = query::Matcher::parse(item.to_document().value_or(bson::View()), request.collator, kAny);
    if (!matcher) return std::nullopt;
    auto bounds = matcher->bounds();
    bounds.insert(bounds.end(), common.begin(), common.end());
    auto branch = best_plan(collection, {.rules = request.rules, .filter = &*matcher, .collator = request.collator, .index_filter = request.index_filter}, bounds);
    ranges += branch ? branch->ranges.size() : 0;
    if (!branch || ranges > kMaxKeyRanges || (whole && whole->others.size() + 1 >= kMaxBranches)) return std::nullopt;
    if (!whole) whole = std::move(branch);
    else whole->others.push_back({std::move(branch->index), std::move(branch->ranges), std::move(branch->bounds)});
  }
  return whole;
}

// A look-up by _id is not planned.
IndexFilterPtr index_filter_for(const CollectionInfo& collection, const PlanRequest& request) {
  if (request.filter == nullptr || collection.index_filters->empty() || request.filter->is_id_equality()) return nullptr;
  return collection.index_filters->of(query_shape(shape_parts(*request.filter, request.sort_spec, request.projection, request.collator.get())));
}

Result<Plan> plan_within(const CollectionInfo& collection, const PlanRequest& request) {
  const int natural = request.sort ? request.sort->natural() : 0;
  const bool natural_hint = request.hint.is_document() && request.hint.document_value().first().key() == "$natural";
  const auto bounds = request.filter->bounds();
  if (natural != 0 || natural_hint || collection.is_oplog()) {
    // A sort by $natural is a hint, too.
    if (!may_scan(collection, request)) {
      return planner_error(collection, request, "planner returned error :: caused by :: hint $natural is not allowed, because 'notablescan' is enabled", kNoQueryExecutionPlans);
    }
    const bool back = natural != 0 ? natural < 0 : natural_hint && request.hint.document_value().first().to_double().value_or(1) < 0;
    if (collection.is_clustered()) return clustered_plan(collection, !back, natural != 0);
    Plan plan{.forward = !back, .sorted = natural != 0};
    if (collection.is_oplog() && !back) plan.after = oplog_start(bounds);
    return plan;
  }
  if (request.hint && !(request.hint.is_document() && request.hint.document_value().empty())) {
    const auto index = TRY(hinted_index(collection, request));
    const Candidate candidate(index, bounds, request);
    bool forward = true;
    const bool sorts = candidate.delivers_sort(forward);
    auto plan = candidate.plan(sorts, forward);
    plan.nothing = request.filter->matches_nothing();
    return plan;
  }
  if (request.filter->matches_nothing()) return Plan{.nothing = true};
  auto best = best_plan(collection, request, bounds);
  if (!best) best = plan_of_branches(collection, request, bounds);
  if (!best && collection.is_clustered()) return clustered_plan(collection, true, false);
  if (!best && !may_scan(collection, request)) {
    return planner_error(collection, request, "planner returned error :: caused by :: No indexed plans available, and running with 'notablescan'", kNoQueryExecutionPlans);
  }
  return best.value_or(Plan{});
}

}  // namespace

Result<Plan> make_plan(const CollectionInfo& collection, const PlanRequest& request) {
  TRY(check_special(&collection, request));
  if (request.min || request.max) return min_max_plan(collection, request);
  const auto filter = index_filter_for(collection, request);
  if (!filter) return plan_within(collection, request);
  auto filtered = request;
  filtered.index_filter = filter.get();
  filtered.hint = bson::Element();  // is not looked at beside a filter
  auto plan = TRY(plan_within(collection, filtered));
  plan.filtered = true;
  return plan;
}

}  // namespace drover::sandbox
