#include "verifier/range_comparison.h"

#include <map>

#include "bson/key_string.h"
#include "verifier/document_difference.h"
#include "verifier/document_stream.h"

namespace drover::verifier {
namespace {

using bson::View;

class Collector {
 public:
  // Adds to `result`.
  Collector(const Namespace& ns, std::size_t limit, RangeResult& result) : ns_(ns), limit_(limit), result_(result) {}

  void missing(View document) { add(MismatchKind::kMissing, document, "the document is only on the source"); }
  void extra(View document) { add(MismatchKind::kExtra, document, "the document is only on the destination"); }
  void compare(View source, View destination) {
    if (!source.same_bytes(destination)) {
      add(MismatchKind::kDifferent, source, document_difference(source, destination));
    }
  }
  void count_source(View document) { count(document, result_.source); }
  void count_destination(View document) { count(document, result_.destination); }

 private:
  static void count(View document, Volume& volume) {
    ++volume.documents;
    volume.bytes += document.size();
  }

  void add(MismatchKind kind, View document, std::string detail) {
    ++result_.mismatch_count;
    if (result_.mismatches.size() < limit_) {
      result_.mismatches.push_back({kind, ns_, bson::Value(document["_id"]), std::move(detail)});
    }
  }

  const Namespace& ns_;
  const std::size_t limit_;
  RangeResult& result_;
};

cluster::RangeRead read_of(const CollectionInfo& info, const Range& range, ClusterTime time) {
  return {.ns = info.ns,
          .uuid = info.uuid,
          .min = range.min,
          .max = range.max,
          .at = {cluster::ReadAt::Level::kMajority, time},
          .batch_documents = range.batch_documents};
}

Result<RangeResult> merge(const Sides& sides, const Range& range, const RangeOptions& options,
                          const std::stop_token& stop) {
  const auto& pair = *range.pair;
  RangePosition own;
  RangePosition& position = options.position != nullptr ? *options.position : own;
  Collector found(pair.source.ns, options.max_mismatches, position.so_far);
  auto on_source = read_of(pair.source, range, sides.source_time);
  auto on_destination = read_of(pair.destination, range, sides.destination_time);
  std::string done;
  if (position.last.exists()) {
    on_source.min = on_destination.min = position.last;
    done = bson::key_string(position.last.element());
  }
  auto source = TRY(DocumentStream::open(sides.source, on_source, options.read, stop));
  auto destination = TRY(DocumentStream::open(sides.destination, on_destination, nullptr, stop));
  while (!source.at_end() && source.key() <= done) TRY(source.advance());
  while (!destination.at_end() && destination.key() <= done) TRY(destination.advance());
  while (!source.at_end() || !destination.at_end()) {
    const int order = source.at_end()        ? 1
                      : destination.at_end() ? -1
                                             : source.key().compare(destination.key());
    if (options.position != nullptr) position.last = bson::Value((order <= 0 ? source : destination).document()["_id"]);
    if (order == 0) found.compare(source.document(), destination.document());
    if (order < 0) found.missing(source.document());
    if (order > 0) found.extra(destination.document());
    if (order <= 0) found.count_source(source.document());
    if (order >= 0) found.count_destination(destination.document());
    if (order <= 0) TRY(source.advance());
    if (order >= 0) TRY(destination.advance());
  }
  return std::move(position.so_far);
}

// The bytes of an _id with its type: equal only for the same value.
std::string exact(const bson::Element& id) {
  std::string text(1, static_cast<char>(id.type()));
  const auto bytes = id.value_bytes();
  return text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

struct Batch {
  cluster::DocumentBatch read;
  std::vector<View> documents;
  std::vector<bson::Value> ids;
};

// Reads one side through from `last` on, batch by batch, and keeps `last` up to date. `use` fails before it has counted
// anything, so what it is given again it has not seen.
Status for_each_batch(cluster::Deployment& deployment, cluster::RangeRead read, bson::Value& last, const std::stop_token& stop,
                      const std::function<Status(const Batch&)>& use) {
  if (last.exists()) read.min = last;
  const auto seen = last.exists() ? exact(last.element()) : std::string();
  auto cursor = TRY(deployment.read_range(read));
  for (bool at_end = false; !at_end;) {
    Batch batch{TRY(cursor->next(stop)), {}, {}};
    at_end = batch.read.last;
    for (const auto& item : batch.read.array) {
      const auto document = item.document_value();
      if (!seen.empty() && exact(document["_id"]) == seen) continue;
      batch.documents.push_back(document);
      batch.ids.emplace_back(document["_id"]);
    }
    if (batch.ids.empty()) continue;
    TRY(use(batch));
    last = batch.ids.back();
  }
  return {};
}

Result<std::map<std::string, bson::Document>> look_up(cluster::Deployment& deployment, const CollectionInfo& info,
                                                      const std::vector<bson::Value>& ids, ClusterTime after) {
  auto state = TRY(deployment.read_by_ids(info.ns, info.uuid, ids, after, cluster::kAllBytes));
  std::map<std::string, bson::Document> found;
  for (auto& document : state.documents) {
    auto key = exact(document["_id"]);
    found.emplace(std::move(key), std::move(document));
  }
  return found;
}

Result<RangeResult> look_up_both_ways(const Sides& sides, const Range& range, const RangeOptions& options,
                                      const std::stop_token& stop) {
  const auto& pair = *range.pair;
  RangePosition own;
  RangePosition& position = options.position != nullptr ? *options.position : own;
  Collector found(pair.source.ns, options.max_mismatches, position.so_far);
  const auto there = [&](const Batch& batch) -> Status {
    const auto others = TRY(look_up(sides.destination, pair.destination, batch.ids, sides.destination_time));
    Volume read;
    for (const View document : batch.documents) {
      const auto other = others.find(exact(document["_id"]));
      if (other == others.end()) {
        found.missing(document);
      } else {
        found.compare(document, other->second);
      }
      found.count_source(document);
      ++read.documents;
      read.bytes += document.size();
    }
    if (options.read) options.read(read);
    return {};
  };
  const auto back = [&](const Batch& batch) -> Status {
    const auto others = TRY(look_up(sides.source, pair.source, batch.ids, sides.source_time));
    for (const View document : batch.documents) {
      if (!others.contains(exact(document["_id"]))) found.extra(document);
      found.count_destination(document);
    }
    return {};
  };
  if (!position.on_destination) {
    TRY(for_each_batch(sides.source, read_of(pair.source, range, sides.source_time), position.last, stop, there));
    position.on_destination = true;
    position.last = {};
  }
  TRY(for_each_batch(sides.destination, read_of(pair.destination, range, sides.destination_time), position.last, stop, back));
  return std::move(position.so_far);
}

}  // namespace

Result<RangeResult> compare_range(const Sides& sides, const Range& range, const RangeOptions& options,
                                  const std::stop_token& stop) {
  if (has_collation(range.pair->source) || has_collation(range.pair->destination)) {
    return look_up_both_ways(sides, range, options, stop);
  }
  return merge(sides, range, options, stop);
}

}  // namespace drover::verifier
