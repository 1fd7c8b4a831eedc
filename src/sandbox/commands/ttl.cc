#include "sandbox/commands/ttl.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "bson/key_string.h"
#include "model/namespace.h"
#include "sandbox/commands/fsync_lock.h"
#include "sandbox/commands/support.h"
#include "sandbox/commands/timeseries_bucket.h"
#include "sandbox/commands/write_block.h"
#include "sandbox/storage/index_keys.h"
#include "sandbox/storage/write_unit.h"

namespace drover::sandbox {

namespace {

// Deleted in one unit.
constexpr std::size_t kUnit = 500;

// Keys of dates up to the threshold; other types never expire.
struct Expired {
  std::string lower, upper;
  bool contains(const std::string& key) const { return key >= lower && key < upper; }
};

template <typename T>
Expired expired_keys(const IndexInfo& index, T least, T threshold) {
  const auto encode = [&](const T& key) {
    const auto value = bson::make_document({{"", key}});
    std::string out;
    bson::append_key_string(out, value[""], nullptr, index.fields.front().descending);
    return out;
  };
  auto low = encode(least);
  auto high = encode(threshold);
  if (index.fields.front().descending) std::swap(low, high);
  return {low, high + std::string(bson::key_string_highest())};
}

bool is_ttl(const IndexInfo& index) {
  return index.ready && index.is_plain() && !index.is_id() && index.fields.size() == 1 && index.spec["expireAfterSeconds"].is_number();
}

// Those of `records` whose key has still expired in the newest state. False: not now, writes are locked.
Result<bool> delete_records(Engine& engine, const Uuid& uuid, const std::string& index_name, const Expired& expired,
                                   const std::vector<RecordId>& records) {
  auto unit = begin_own_unit(engine);
  if (!unit) return false;
  const auto collection = unit->catalog().find(uuid);
  const auto* index = collection ? collection->index(index_name) : nullptr;
  if (!index || (!is_internal_database(collection->ns.db) && TRY(user_writes_blocked(*unit)))) return true;
  for (const auto id : records) {
    const auto document = TRY(unit->find_record(*collection, id));
    if (!document) continue;
    const auto keys = TRY(index_keys(*index, *document)).keys;
    if (std::none_of(keys.begin(), keys.end(), [&](const std::string& key) { return expired.contains(key); })) continue;
    const auto removed = unit->remove(collection, id, *document);
    if (!removed && removed.error().server_code == code::kWriteConflict) continue;
    TRY(removed);
  }
  TRY(unit->commit());
  return true;
}

// Before when what lives so many seconds has expired. Nothing: it never does, as with what is no number, or more than there have been.
std::optional<std::int64_t> expired_before(std::int64_t now, const bson::Element& seconds, std::int64_t more = 0) {
  constexpr double kMost = 1e12;
  const auto age = seconds.to_double().value_or(std::numeric_limits<double>::quiet_NaN());
  if (!(age < kMost)) return std::nullopt;
  return now - (static_cast<std::int64_t>(std::max(age, 0.0)) + more) * 1000;
}

Expired before(const IndexInfo& index, std::int64_t millis) {
  return expired_keys(index, bson::DateTime{std::numeric_limits<std::int64_t>::min()}, bson::DateTime{millis});
}

// Buckets whose _id says that they began before.
Expired buckets_before(const IndexInfo& index, std::int64_t millis) {
  bson::ObjectId least, threshold;
  const auto seconds = static_cast<std::uint32_t>(std::max<std::int64_t>(0, millis / 1000));
  for (int i = 0; i < 12; ++i) {
    least.bytes[i] = 0;
    threshold.bytes[i] = i < 4 ? static_cast<std::uint8_t>(seconds >> (24 - 8 * i)) : 0xff;
  }
  return expired_keys(index, least, threshold);
}

Status delete_by_index(Services& services, const CollectionInfo& collection, const IndexInfo& index, const Expired& expired, const std::stop_token& stop) {
  const auto reader = make_reader(services.engine, services.engine.view());
  IndexCursor entries(*reader, index, expired.lower, expired.upper);
  std::vector<RecordId> records;
  while (!stop.stop_requested()) {
    const auto id = TRY(entries.next());
    if (id) records.push_back(*id);
    if (!records.empty() && (!id || records.size() >= kUnit)) {
      if (!TRY(delete_records(services.engine, collection.uuid, index.name, expired, records))) return {};
      records.clear();
    }
    if (!id) break;
  }
  return {};
}

}  // namespace

Status delete_expired(Services& services, const std::stop_token& stop) {
  const auto view = services.engine.view();
  for (const auto& collection : view->catalog->all()) {
    if (collection->is_view() || collection->capped) continue;
    const auto now = wall_millis(services.runtime);
    // A bucket is as old as the last measurement that it may have.
    const auto timeseries = collection->options["timeseries"].to_document();
    const auto span = timeseries ? TimeseriesOptions::of(*timeseries).max_span_seconds : 0;
    for (const auto& index : collection->indexes) {
      if (stop.stop_requested()) return {};
      if (!is_ttl(*index)) continue;
      const auto limit = expired_before(now, index->spec["expireAfterSeconds"], span);
      if (limit) TRY(delete_by_index(services, *collection, *index, before(*index, *limit), stop));
    }
    const auto* id_index = collection->id_index();
    const auto age = collection->options["expireAfterSeconds"];
    if (!age || !id_index) continue;
    // A clustered collection's documents by their _id, buckets by the end of their span.
    const auto limit = expired_before(now, age, span);
    if (limit) TRY(delete_by_index(services, *collection, *id_index, timeseries ? buckets_before(*id_index, *limit) : before(*id_index, *limit), stop));
  }
  return {};
}

}  // namespace drover::sandbox
