#include "engine/key_comparison.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "engine/mutants.h"
#include "engine/retry.h"
#include "verifier/document_difference.h"

namespace drover::engine {
namespace {

// What tells one document of a collection from another: the logical key, or under a collation the bytes of the _id.
std::string name_of(const Collection& collection, const bson::Element& id) {
  if (collection.collator == nullptr) return collection.key_of(id);
  std::string name(1, static_cast<char>(id.type()));
  const auto bytes = id.value_bytes();
  return name.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::map<std::string, bson::View> by_name(const Collection& collection, const std::vector<bson::Document>& documents) {
  std::map<std::string, bson::View> named;
  for (const auto& document : documents) named.emplace(name_of(collection, document["_id"]), document.view());
  return named;
}

// One side's documents of the keys; those that the reply had no room for are unread, and no longer among the keys.
template <typename F>
Result<cluster::StateRead> read_keys(KeyReading& reading, Runtime& runtime, const std::stop_token& stop, F&& read) {
  Collection& collection = *reading.collection;
  auto& keys = reading.keys;
  for (;;) {
    std::vector<bson::Value> ids;
    for (const auto& key : keys) ids.push_back(key.id);
    // What has one key is read whatever its size: under a collation a reply may have other spellings of it first.
    const bool one_key = keys.empty() || keys.back().key == keys.front().key;
    auto side = TRY(retry_temporary(runtime, stop, [&] { return read(ids, one_key ? cluster::kAllBytes : kKeysReadBytes); }));
    std::size_t largest = 0;
    for (const auto& document : side.documents) largest = std::max(largest, document.size());
    collection.lately.note(largest);
    if (side.complete) return side;
    const auto known = by_name(collection, side.documents);
    auto rest = std::stable_partition(keys.begin(), keys.end(), [&](const auto& key) { return known.contains(name_of(collection, key.id.element())); });
    const bool none = rest == keys.begin();
    if (none) rest = std::stable_partition(keys.begin(), keys.end(), [first = keys.front().key](const auto& key) { return key.key == first; });
    reading.unread.insert(reading.unread.begin(), std::make_move_iterator(rest), std::make_move_iterator(keys.end()));
    keys.erase(rest, keys.end());
    if (!none) return side;
  }
}

}  // namespace

ChangedKeys::Spellings spellings(const Collection& collection) {
  return collection.collator == nullptr ? ChangedKeys::Spellings::kOne : ChangedKeys::Spellings::kAll;
}

Result<std::vector<KeyDifference>> compare_keys(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime, KeyReading& reading,
                                                const ReadFrom& from, ClusterTime& read_until, const std::stop_token& stop) {
  const Collection& collection = *reading.collection;
  const auto& ns = reading.source_info.ns;
  const auto on_source = TRY(read_keys(reading, runtime, stop, [&](const auto& ids, std::size_t most) {
    return source.read_by_ids(ns, reading.source_info.uuid, ids, from.source, most);
  }));
  const auto on_destination = TRY(read_keys(reading, runtime, stop, [&](const auto& ids, std::size_t most) {
    return destination.read_by_ids(ns, reading.destination_info.uuid, ids, from.destination, most);
  }));
  read_until = std::max(read_until, on_source.operation_time);
  // The destination may be ahead of the stream: a holder of a unique value is written as the source had it when another document
  // was refused for it. Whatever was there when it was read is no newer than what had been seen by then.
  if (!mutant("destination_taken_for_stream")) read_until = std::max(read_until, collection.seen.newest());
  const auto right = by_name(collection, on_source.documents), found = by_name(collection, on_destination.documents);
  std::vector<KeyDifference> differences;
  for (const auto& key : reading.keys) {
    const auto name = name_of(collection, key.id.element());
    const auto there = right.find(name), here = found.find(name);
    verifier::Mismatch mismatch{verifier::MismatchKind::kDifferent, ns, key.id, {}};
    if (there == right.end() && here == found.end()) continue;
    if (here == found.end()) {
      mismatch.kind = verifier::MismatchKind::kMissing;
      mismatch.detail = "the document is only on the source";
    } else if (there == right.end()) {
      mismatch.kind = verifier::MismatchKind::kExtra;
      mismatch.detail = "the document is only on the destination";
    } else if (there->second.same_bytes(here->second)) {
      continue;
    } else {
      mismatch.detail = verifier::document_difference(there->second, here->second, verifier::FieldNames::kWithheld);
    }
    differences.push_back({key, std::move(mismatch)});
  }
  return differences;
}

}  // namespace drover::engine
