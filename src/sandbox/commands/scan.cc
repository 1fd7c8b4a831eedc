#include "sandbox/commands/scan.h"

#include <fmt/format.h>

#include "bson/ejson.h"
#include "bson/key_string.h"
#include "sandbox/commands/support.h"
#include "sandbox/storage/keys.h"

namespace drover::sandbox {

namespace {
constexpr int kQueryPlanKilled = 175;
constexpr int kCappedPositionLost = 136;
constexpr std::int64_t kCheckEvery = 256;
// A scan that gives little needs no leave: this belongs to its command, or its cursor (kCursorBytes).
constexpr std::size_t kUncountedSeenBytes = 4 << 10;

bool is_point(const KeyRange& range) {
  const auto& [lower, upper] = range;
  return !lower.empty() && upper.size() == lower.size() + 1 && upper.starts_with(lower) && upper.substr(lower.size()) == bson::key_string_highest();
}
}  // namespace

thread_local CountScans* CountScans::innermost_ = nullptr;
thread_local const CommandContext* StopScans::command_ = nullptr;

StopScans::StopScans(const CommandContext& command) : outer_(std::exchange(command_, &command)) {}
StopScans::~StopScans() { command_ = outer_; }
Status StopScans::check() { return command_ ? check_interrupt(*command_) : Status(); }

CountScans::CountScans(ScanTotals& totals, Wants wants) : totals_(totals), wants_(wants), outer_(std::exchange(innermost_, this)) {}
CountScans::~CountScans() { innermost_ = outer_; }

void CountScans::add(std::int64_t documents, std::int64_t keys) {
  for (auto* one = innermost_; one != nullptr; one = one->outer_) {
    one->totals_.documents += documents;
    one->totals_.keys += keys;
  }
}

void count_id_lookup(const CollectionInfo& collection, bool found) {
  CountScans::note_plan([] { return std::string("IDHACK"); });
  CountScans::add(found ? 1 : 0, found ? 1 : 0);
  if (const auto* index = collection.id_index()) index->uses->count.fetch_add(1, std::memory_order_relaxed);
}

Result<bson::Document> index_key_of(const IndexInfo& index, bson::View document) {
  if (index.multikey->load() != 0) return server_error(115, "returnKey and $meta: 'indexKey' are not supported by this server with an index on arrays");
  bson::Builder key;
  for (const auto& field : index.fields) {
    const auto value = document.at_path(field.path);
    value ? key.append(field.path, value) : key.append(field.path, bson::Null{});
  }
  return std::move(key).finish();
}

Result<query::EvaluationContext::Origin> origin_of(const query::EvaluationContext::OriginAsked& asked, const IndexInfo* index, RecordId id, bson::View document) {
  query::EvaluationContext::Origin origin;
  if (asked.record_id) origin.record_id = static_cast<std::int64_t>(id);
  if (asked.index_key && index != nullptr) origin.index_key = bson::make_document({{"", TRY(index_key_of(*index, document))}});
  return origin;
}

Result<std::string> distance_key(const query::Matcher& filter, bson::View document) {
  const auto distance = TRY(filter.distance(document));
  return bson::key_string(bson::make_document({{"", distance.value_or(0)}}).view().first());
}

void Scan::count_plan() const {
  CountScans::note_plan([&]() -> std::string {
    if (plan_.nothing) return "EOF";
    const bool by_id = plan_.index && plan_.index->is_id() && plan_.ranges.size() == 1 && is_point(plan_.ranges.front());
    if (plan_.index && plan_.index->is_id() && collection_->is_clustered()) return plan_.bounds.empty() ? "COLLSCAN" : "CLUSTERED_IXSCAN";
    if (by_id && plan_.others.empty()) return "IDHACK";
    if (!plan_.index) return "COLLSCAN";
    std::string name = "IXSCAN " + bson::to_shell(plan_.index->key_pattern());
    for (const auto& other : plan_.others) name += ", IXSCAN " + bson::to_shell(other.index->key_pattern());
    return name;
  });
}

Scan::Scan(std::shared_ptr<const Reader> reader, CollectionPtr collection, Plan plan, query::Matcher filter, MemoryBudget& memory)
    : reader_(std::move(reader)), collection_(std::move(collection)), plan_(std::move(plan)), filter_(std::move(filter)), seen_memory_(&memory) {
  matches_all_ = filter_.matches_everything();
  dedupe_ = plan_.index && (plan_.index->multikey->load() != 0 || !plan_.others.empty());
  for (const auto& other : plan_.others) other.index->uses->count.fetch_add(1, std::memory_order_relaxed);
  if (plan_.index) plan_.index->uses->count.fetch_add(1, std::memory_order_relaxed);
}

Result<std::optional<bson::View>> Scan::next(query::MatchDetails* details) {
  count_plan();
  if (again_) {
    if (!held_) TRY(hold_again());
    again_ = false;
    if (held_) {
      if (details) {
        details->array_index.reset();
        TRY(filter_.try_matches(*held_, details));  // once more for where it matches
      }
      return std::optional(held_->view());
    }
  }
  held_.reset();
  while (const auto candidate = TRY(next_candidate())) {
    ++examined_;
    CountScans::add(1, 0);
    TRY(check_stop());
    if (matches_all_) return candidate;
    if (details) details->array_index.reset();
    if (TRY(filter_.try_matches(*candidate, details))) return candidate;
  }
  return std::optional<bson::View>();
}

Status Scan::check_stop() { return ++looked_at_ % kCheckEvery == 0 ? StopScans::check() : Status(); }

Result<bool> Scan::next_key() {
  CountScans::note_plan([&] { return (plan_.ranges.size() == 1 ? "COUNT_SCAN " : "IXSCAN ") + bson::to_shell(plan_.index->key_pattern()); });
  if (!TRY(next_entry())) return false;
  ++keys_;
  CountScans::add(0, 1);
  return true;
}

// Nothing: a transaction has removed it itself.
Status Scan::hold_again() {
  held_ = TRY(reader_->find_record(*collection_, record_));
  return {};
}

Result<std::optional<bson::View>> Scan::next_candidate() {
  if (plan_.nothing) return std::optional<bson::View>();
  if (plan_.index) return next_by_index();
  if (!records_) records_.emplace(*reader_, *collection_, plan_.forward, begun_ ? std::optional(record_) : plan_.after);
  auto document = TRY(records_->next());
  if (document) {
    collection_->note_size(document->size());
    record_ = records_->id();
    begun_ = true;
  }
  return document;
}

Result<std::optional<bson::View>> Scan::next_by_index() {
  while (const auto id = TRY(next_entry())) {
    ++keys_;
    CountScans::add(0, 1);
    if (dedupe_ && TRY(is_given(*id))) {
      TRY(check_stop());
      continue;
    }
    auto bytes = TRY(reader_->get(kRecords, record_key(collection_->ident, *id)));
    if (!bytes) continue;
    document_ = std::move(*bytes);
    collection_->note_size(document_.size());
    record_ = *id;
    begun_ = true;
    return std::optional(view_of(document_));
  }
  return std::optional<bson::View>();
}

// Several keys of a multikey index lead to one document.
Result<bool> Scan::is_given(RecordId id) {
  if (!seen_.insert(id)) return true;
  if (seen_.bytes() > kUncountedSeenBytes) TRY(seen_memory_.hold(seen_.bytes()));
  return false;
}

Result<std::optional<RecordId>> Scan::next_entry() {
  while (true) {
    if (range_open_ && !entries_) resume_entries();
    if (entries_) {
      const auto id = TRY(entries_->next());
      if (id) {
        position_ = entries_->key();
        if (!plan_.index->is_id()) append_big_endian(position_, static_cast<std::uint64_t>(*id));
        return id;
      }
      entries_.reset();
      range_open_ = false;
    }
    if (range_ >= plan_.ranges.size()) {
      if (!next_branch()) return std::optional<RecordId>();
      continue;
    }
    const auto& range = plan_.ranges[plan_.forward ? range_ : plan_.ranges.size() - 1 - range_];
    ++range_;
    if (plan_.index->is_id() && is_point(range)) {
      // One _id is one entry: a look-up costs a fraction of an iterator.
      const auto entry = TRY(reader_->get(kIndexes, index_key(plan_.index->ident, range.lower)));
      if (entry) return std::optional(static_cast<RecordId>(from_big_endian(*entry)));
      continue;
    }
    entries_.emplace(*reader_, *plan_.index, range.lower, range.upper, plan_.forward);
    range_open_ = true;
  }
}

bool Scan::next_branch() {
  if (branch_ends_.size() >= plan_.others.size()) return false;
  const auto& next = plan_.others[branch_ends_.size()];
  branch_ends_.push_back(keys_);
  plan_.index = next.index;
  plan_.ranges = next.ranges;
  range_ = 0;
  position_.clear();
  return true;
}

std::vector<std::int64_t> Scan::keys_of_branches() const {
  std::vector<std::int64_t> keys;
  std::int64_t before = 0;
  for (const auto end : branch_ends_) {
    keys.push_back(end - before);
    before = end;
  }
  keys.push_back(keys_ - before);
  return keys;
}

// The range that was under way, from behind the last entry.
void Scan::resume_entries() {
  auto range = plan_.ranges[plan_.forward ? range_ - 1 : plan_.ranges.size() - range_];
  if (!position_.empty() && position_ >= range.lower && position_ < range.upper) {
    if (plan_.forward) {
      range.lower = position_ + std::string(1, '\0');
    } else {
      range.upper = position_;
    }
  }
  entries_.emplace(*reader_, *plan_.index, range.lower, range.upper, plan_.forward);
}

void Scan::rest() {
  records_.reset();
  entries_.reset();
  std::string().swap(document_);
  held_.reset();
}

Status Scan::move_to(std::shared_ptr<const Reader> reader) {
  const auto now = reader->catalog().find(collection_->uuid);
  if (!now) return server_error(kQueryPlanKilled, fmt::format("collection dropped. UUID {}", collection_->uuid.to_string()));
  if (now->ns != collection_->ns) {
    return server_error(kQueryPlanKilled, fmt::format("collection renamed from '{}' to '{}'. UUID {}", collection_->ns.to_string(),
                                                      now->ns.to_string(), collection_->uuid.to_string()));
  }
  if (plan_.index) {
    const auto check_is_there = [&](const IndexInfo& planned) -> Status {
      const auto* index = now->index(planned.name);
      if (index && index->ident == planned.ident) return {};
      return server_error(kQueryPlanKilled, fmt::format("index '{}' dropped", planned.name));
    };
    TRY(check_is_there(*plan_.index));
    for (std::size_t i = branch_ends_.size(); i < plan_.others.size(); ++i) TRY(check_is_there(*plan_.others[i].index));
    dedupe_ = plan_.index->multikey->load() != 0 || !plan_.others.empty();
  }
  if (now->capped && begun_ && !plan_.index && plan_.forward && !TRY(reader->find_record(*now, record_))) {
    return server_error(kCappedPositionLost, fmt::format("CollectionScan died due to position in capped collection being deleted. "
                                                         "Last seen record id: RecordId({})", record_));
  }
  rest();
  // What is to come again is read before the state that it was seen in is left: it may be gone, or elsewhere in the order, in the next.
  if (again_) TRY(hold_again());
  collection_ = now;
  reader_ = std::move(reader);
  return {};
}

}  // namespace drover::sandbox
