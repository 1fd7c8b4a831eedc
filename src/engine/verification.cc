#include "engine/verification.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/format_count.h"
#include "engine/id_text.h"
#include "engine/key_comparison.h"
#include "engine/mutants.h"
#include "engine/retry.h"
#include "engine/server_codes.h"
#include "verifier/range_comparison.h"

namespace drover::engine {
namespace {

inline constexpr std::size_t kManyKeys = 1000;                  // these are worth a look before the next range
// Of one look at both sides. It waits for what is being applied, for as long as the lag is: so the more keys there are, the more it takes.
inline constexpr std::size_t kMostKeys = 10'000;
inline constexpr std::size_t kMostKeyBytes = 4 << 20;           // with what they cost in memory
inline constexpr std::size_t kMostCollections = 100;            // of one look
inline constexpr std::size_t kLookBytes = 16 << 20;             // of their documents on each side, about; one collection's at a time
inline constexpr std::size_t kReplyBytes = 1 << 20;
inline constexpr std::int64_t kMostReplyDocuments = 10'000;
inline constexpr std::size_t kLargeDocument = 4 << 20;          // such collections are compared by one worker at a time
inline constexpr std::size_t kMostSuspects = 10'000;            // of one range; with more it is compared again
inline constexpr std::chrono::milliseconds kLookEvery{100};
inline constexpr std::chrono::milliseconds kGatherKeys{250};    // a document that changes all the time is compared now and then
inline constexpr std::size_t kMismatchesInWords = 5;
inline constexpr std::chrono::seconds kGatherMismatches{5};     // after the first, when everything has been compared once
inline constexpr std::chrono::minutes kSlow{2};                 // with too many changed keys all the time: then somebody is told what to do

std::size_t typical_size(const Collection& collection) {
  if (collection.documents_expected > 0 && collection.bytes_expected > 0)
    return static_cast<std::size_t>(collection.bytes_expected / collection.documents_expected) + 1;
  return collection.largest > 0 ? collection.largest.load() : 1024;
}

std::string in_words(const verifier::Mismatch& mismatch) {
  return fmt::format("{} _id {}: {}", mismatch.ns.to_string(), id_text(mismatch.id.element()), mismatch.detail);
}

using CheckState = RangeCheck::State;

}  // namespace

Status Verification::run(const std::stop_token& stop) {
  for (;;) {
    Task task;
    {
      MonitorLock lock(router_.lock());
      task = next();
      if (!task.any()) {
        const auto before = stirred_;
        router_.lock().wait(stop, kLookEvery, [&] { return stirred_ != before || (hurry_ && !changed_.empty() && !keys_out_); });
      }
    }
    if (stop.stop_requested()) return tl::unexpected(stopped_error());
    if (!task.any()) {
      // What else was to be looked at may have gone with its collection.
      MonitorLock lock(router_.lock());
      TRY(tell_mismatches());
      continue;
    }
    const Status done = task.is_range() ? compare_range(task.parts.front(), task.routed, stop) : compare_keys(task, stop);
    MonitorLock lock(router_.lock());
    --out_;
    ++stirred_;
    if (task.large()) --large_out_;
    if (!task.is_range()) {
      keys_out_ = false;
      documents_out_ = bytes_out_ = 0;
    }
    router_.lock().notify_all();
    TRY(done);
    TRY(tell_mismatches());
  }
}

// The error that ends the comparison, once others have had their chance to be told with the first.
Status Verification::tell_mismatches() const {
  if (mismatches_.empty()) return {};
  const bool seen_all = left().ranges == 0 && ((changed_.empty() && out_ == 0) || runtime_.now() - first_mismatch_at_ > kGatherMismatches);
  if (hurry_ || mismatches_.size() >= kMostMismatches || seen_all) return tl::unexpected(mismatch_error());
  return {};
}

void Verification::changed(const Collection& collection, Partition& partition, const std::string& key, const bson::Value& id) {
  if (partition.check.state == CheckState::kWaiting) {
    ++partition.check.changes;
  } else if (!(partition.check.state == CheckState::kComparing && partition.check.again)) {
    remember(collection, partition, key, id);
  }
}

void Verification::remember(const Collection& collection, Partition& partition, const std::string& key, const bson::Value& id) {
  changed_.add(collection.info.uuid, key, id, spellings(collection));
  if (changed_.bytes() <= kChangedBytes) return;
  // Too many to know one by one: this range is compared as a whole again.
  ++forgotten_;
  const auto next = static_cast<std::size_t>(partition.number) + 1;
  changed_.forget(collection.info.uuid, partition.min_key,
                  next < collection.partitions.size() ? collection.partitions[next]->min_key : std::string());
  partition.check.changes = 0;
  if (partition.check.state == CheckState::kComparing) {
    partition.check.again = true;
  } else {
    partition.check.state = CheckState::kWaiting;
  }
}

// Keys that fill a look go first, so that they cannot pile up while a large collection is read; but in turn with ranges.
Verification::Task Verification::next() {
  if (!begun_ || (behind_ && !hurry_)) return {};
  Task task;
  const bool due = hurry_ || runtime_.now() >= next_keys_at_;
  const bool keys = !changed_.empty() && !keys_out_;
  const bool many = changed_.size() >= kManyKeys && (!keys_last_ || changed_.bytes() > kChangedBytes / 2);
  if (keys && many) task.parts = next_keys();
  if (!task.any()) task.parts = next_range(false);
  if (!task.any() && keys && due) task.parts = next_keys();
  if (!task.any() && changed_.empty() && out_ == 0) {
    task.parts = next_range(true);
    whole_ = whole_ || (!task.any() && left().ranges == 0);
  }
  if (!task.any()) return task;
  keys_last_ = !task.is_range();
  if (keys_last_) keys_out_ = true;
  ++out_;
  if (task.large()) ++large_out_;
  task.routed = router_.routed();
  task.forgotten = forgotten_;
  return task;
}

std::vector<Verification::Work> Verification::next_range(bool again) {
  for (const auto& [uuid, collection] : catalog_.collections) {
    if (collection->gone) continue;
    const bool large = std::max(collection->largest.load(), typical_size(*collection)) > kLargeDocument;
    if (large && large_out_ > 0) continue;
    for (const auto& partition : collection->partitions) {
      auto& check = partition->check;
      if (partition->state != PartitionState::kCopied || partition->releasing > 0) continue;
      if (check.state != (again ? CheckState::kCompared : CheckState::kWaiting) || check.again != again) continue;
      check.state = CheckState::kComparing;
      check.again = false;
      check.changes = 0;
      Work work;
      work.collection = collection;
      work.range = partition.get();
      work.large = large;
      describe(work);
      return {std::move(work)};
    }
  }
  return {};
}

std::vector<Verification::Work> Verification::next_keys() {
  std::vector<Work> parts;
  const auto before = changed_.key_bytes();
  std::size_t keys = 0, documents_bytes = 0;
  while (!changed_.empty() && parts.size() < kMostCollections && keys < kMostKeys && documents_bytes < kLookBytes && before - changed_.key_bytes() < kMostKeyBytes) {
    const Uuid uuid = changed_.collection_after(mutant("first_collections_first") && parts.empty() ? Uuid{} : looked_at_);
    if (!parts.empty() && std::ranges::any_of(parts, [&](const Work& part) { return part.collection->info.uuid == uuid; })) break;  // once around
    looked_at_ = uuid;
    const auto collection = catalog_.find(uuid);
    if (!collection || collection->gone) {
      changed_.forget(uuid, {}, {});
      continue;
    }
    const auto size = std::max(collection->lately.bytes(), typical_size(*collection));
    Work work;
    work.collection = collection;
    work.keys = changed_.take(uuid, std::clamp<std::size_t>(kKeysReadBytes / size, 1, kMostKeys - keys), kMostKeyBytes - (before - changed_.key_bytes()));
    keys += work.keys.size();
    documents_bytes += work.keys.size() * size;
    describe(work);
    parts.push_back(std::move(work));
  }
  documents_out_ = static_cast<std::int64_t>(keys);
  bytes_out_ = static_cast<std::int64_t>(documents_bytes);
  if (changed_.empty() && !parts.empty()) next_keys_at_ = runtime_.now() + kGatherKeys;
  return parts;
}

void Verification::describe(Work& work) const {
  work.source_info = work.collection->info;
  work.destination_info = work.collection->info;
  work.destination_info.uuid = work.collection->destination_uuid;
  work.batch_documents = static_cast<int>(std::clamp<std::int64_t>(
      static_cast<std::int64_t>(kReplyBytes / typical_size(*work.collection)), 1, kMostReplyDocuments));
}

// What differs at first sight may just have changed: it is looked at again like any change.
Status Verification::compare_range(const Work& work, ClusterTime routed, const std::stop_token& stop) {
  TRY(await_settled(routed, stop));
  const auto pair = std::make_shared<const verifier::CollectionPair>(verifier::CollectionPair{work.source_info, work.destination_info});
  const verifier::Range range{pair, work.range->min, work.range->max, work.batch_documents};
  verifier::RangePosition position;
  std::uint64_t before = 0;
  const auto moved = [&] { return std::exchange(before, position.compared()) != position.compared(); };
  auto result = retry_temporary(runtime_, stop, [&]() -> Result<verifier::RangeResult> {
    const verifier::Sides sides{source_, destination_, routed, TRY(destination_.majority_time())};
    return verifier::compare_range(sides, range, {.max_mismatches = kMostSuspects, .position = &position, .read = {}}, stop);
  }, moved);
  const bool dropped = !result && result.error().server_code == kServerNamespaceNotFound;  // its drop is on the way
  if (!result && !dropped) {
    return tl::unexpected(std::move(result).error().with_context("comparing " + work.source_info.ns.to_string()));
  }
  if (dropped && !runtime_.sleep(kLookEvery, stop)) return tl::unexpected(stopped_error());
  MonitorLock lock(router_.lock());
  auto& check = work.range->check;
  if (dropped || check.again) {
    check.state = CheckState::kWaiting;
    check.again = false;
    return {};
  }
  check.state = CheckState::kCompared;
  check.documents = static_cast<std::int64_t>(result->source.documents);
  check.again = result->mismatch_count > result->mismatches.size();
  for (const auto& mismatch : result->mismatches)
    remember(*work.collection, *work.range, work.collection->key_of(mismatch.id.element()), mismatch.id);
  return {};
}

Status Verification::compare_keys(Task& task, const std::stop_token& stop) {
  TRY(await_settled(task.routed, stop));
  task.written = TRY(retry_temporary(runtime_, stop, [&] { return destination_.majority_time(); }));
  std::vector<std::pair<std::shared_ptr<Collection>, KeyDifference>> suspects;
  ClusterTime read_until;
  bool drops = false;  // on the way: what is put back is not looked at again at once
  for (auto& work : task.parts) {
    auto compared = engine::compare_keys(source_, destination_, runtime_, work, {.source = task.routed, .destination = task.written}, read_until, stop);
    put_back(work, work.unread);
    if (!compared && compared.error().server_code == kServerNamespaceNotFound) {
      drops = true;
      put_back(work, work.keys);
      continue;
    }
    for (auto& suspect : TRY_WITH(std::move(compared), "comparing " + work.source_info.ns.to_string()))
      suspects.emplace_back(work.collection, std::move(suspect));
  }
  if (drops && !runtime_.sleep(kLookEvery, stop)) return tl::unexpected(stopped_error());
  if (suspects.empty()) return {};
  TRY(await_settled(read_until, stop));  // every change that either reading can have seen is known by now
  MonitorLock lock(router_.lock());
  for (const auto& [collection, suspect] : suspects) {
    if (collection->gone) continue;
    auto& partition = collection->partition_of(suspect.key.key);
    if (is_dirty(*collection, partition, suspect.key.key)) {
      // Under a collation it may be another spelling that waits to be looked at.
      if (changed_.contains(collection->info.uuid, suspect.key.key))
        remember(*collection, partition, suspect.key.key, suspect.key.id);
      continue;
    }
    if (task.forgotten != forgotten_) {  // a change of it may have been among what was forgotten
      remember(*collection, partition, suspect.key.key, suspect.key.id);
      continue;
    }
    if (++mismatch_count_ == 1) first_mismatch_at_ = runtime_.now();
    if (mismatches_.size() >= kMostMismatches) continue;
    mismatches_.push_back(suspect.mismatch);
    log_.error("source and destination differ", {{"namespace", suspect.mismatch.ns.to_string()},
                                                 {"_id", id_text(suspect.mismatch.id.element())},
                                                 {"kind", verifier::kind_name(suspect.mismatch.kind)},
                                                 {"detail", suspect.mismatch.detail}});
  }
  return {};
}

// It will be compared again by itself.
bool Verification::is_dirty(const Collection& collection, Partition& partition, const std::string& key) const {
  const auto& check = partition.check;
  return check.state == CheckState::kWaiting || (check.state == CheckState::kComparing && check.again) ||
         changed_.contains(collection.info.uuid, key);
}

void Verification::put_back(const Work& work, const std::vector<ChangedKeys::Key>& keys) {
  MonitorLock lock(router_.lock());
  if (work.collection->gone || keys.empty()) return;
  for (const auto& key : keys) remember(*work.collection, work.collection->partition_of(key.key), key.key, key.id);
  changed_.set_turn(work.collection->info.uuid, keys.front().key);
}

Status Verification::await_settled(ClusterTime ts, const std::stop_token& stop) {
  MonitorLock lock(router_.lock());
  if (router_.lock().wait(stop, {}, [&] { return router_.settled() >= ts; })) return {};
  return tl::unexpected(stopped_error());
}

Verification::Left Verification::left() const {
  Left left;
  for (const auto& [uuid, collection] : catalog_.collections) {
    if (collection->being_replaced && !mutant("replaced_uncounted")) {
      ++left.ranges;
      ++left.unknown;
      ++left.ranges_in_all;
    }
    if (collection->gone) continue;
    auto documents = static_cast<std::int64_t>(changed_.count(uuid));
    for (const auto& partition : collection->partitions) {
      const auto& check = partition->check;
      ++left.ranges_in_all;
      if (check.state == CheckState::kCompared && !check.again) continue;
      ++left.ranges;
      if (check.born_empty) {
        documents += check.changes;
      } else {
        ++left.unknown;
      }
    }
    left.documents += documents;
    left.bytes += documents * static_cast<std::int64_t>(typical_size(*collection));
  }
  left.documents += documents_out_;
  left.bytes += bytes_out_;
  return left;
}

std::optional<std::string> Verification::why_not_commit() {
  MonitorLock lock(router_.lock());
  if (mismatch_count_ > 0) return "documents have been found that differ";
  const auto left = this->left();
  if (left.unknown > 0) {
    many_since_ = {};
    return fmt::format("{} of {} ranges are still to be compared", left.ranges, left.ranges_in_all);
  }
  if (left.documents <= kMostComparedUnderBlock && left.bytes <= kMostBytesUnderBlock) {
    many_since_ = {};
    return std::nullopt;
  }
  if (many_since_ == SteadyTime{}) many_since_ = runtime_.now();
  auto reason = fmt::format("{} changed documents are still to be compared", format_count(static_cast<std::uint64_t>(left.documents)));
  if (runtime_.now() - many_since_ > kSlow)
    reason += ": it does not keep pace, write less";
  return reason;
}

std::int64_t Verification::mismatches() {
  MonitorLock lock(router_.lock());
  return mismatch_count_;
}

bool Verification::was_equal() {
  MonitorLock lock(router_.lock());
  return whole_ && mismatch_count_ == 0;
}

Status Verification::finish(const std::stop_token& stop) {
  MonitorLock lock(router_.lock());
  hurry_ = true;
  ++stirred_;
  router_.lock().notify_all();
  const bool done = router_.lock().wait(stop, {}, [&] {
    return out_ == 0 && changed_.empty() && mismatches_.empty() && left().ranges == 0;
  });
  hurry_ = false;
  if (!done) return tl::unexpected(stopped_error());
  whole_ = true;
  return {};
}

VerificationProgress Verification::progress() {
  MonitorLock lock(router_.lock());
  const auto left = this->left();
  VerificationProgress progress;
  for (const auto& [uuid, collection] : catalog_.collections) {
    if (collection->gone) continue;
    ++progress.collections;
    for (const auto& partition : collection->partitions) progress.documents += partition->check.documents;
  }
  progress.ranges = left.ranges_in_all - left.ranges;
  progress.ranges_in_all = left.ranges_in_all;
  progress.mismatches = mismatch_count_;
  progress.complete = begun_ && left.ranges == 0 && left.documents == 0 && out_ == 0;
  return progress;
}

Error Verification::mismatch_error() const {
  std::string list;
  for (std::size_t i = 0; i < mismatches_.size() && i < kMismatchesInWords; ++i) list += "\n  " + in_words(mismatches_[i]);
  if (mismatch_count_ > static_cast<std::int64_t>(kMismatchesInWords)) list += "\n  ...";
  return Error{ErrorCode::kMismatch,
               fmt::format("source and destination differ in {} document{}, so there is no cutover; the source is as it was. "
                           "`drover verify` lists all; to start anew, drop what was copied and use --cleanup:{}",
                           mismatch_count_, mismatch_count_ == 1 ? "" : "s", list),
               0,
               {}};
}

}  // namespace drover::engine
