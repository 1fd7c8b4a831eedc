// Documents of the source: by range, by ids, as a group at one point in time, and samples.
#include <fmt/format.h>

#include "cluster/commands.h"
#include "cluster/mongo_deployment_impl.h"
#include "cluster/server_cursor.h"

namespace drover::cluster {
namespace {

class RangeCursor final : public DocumentCursor {
 public:
  explicit RangeCursor(std::unique_ptr<ServerCursor> cursor) : cursor_(std::move(cursor)) {}
  Result<DocumentBatch> next(const std::stop_token& stop) override { return cursor_->next(stop); }

 private:
  std::unique_ptr<ServerCursor> cursor_;
};

}  // namespace

Result<std::unique_ptr<DocumentCursor>> MongoDeployment::read_range(const RangeRead& range) {
  auto cursor = TRY(ServerCursor::open(*pool_, find_range(range),
                                       {.db = range.ns.db, .on = range.ns.to_string(), .batch_documents = range.batch_documents,
                                        .timed = !range.at.time.is_zero()}));
  return std::make_unique<RangeCursor>(std::move(cursor));
}

Result<StateRead> MongoDeployment::read_by_ids(const Namespace& ns, const Uuid& uuid, std::span<const bson::Value> ids,
                                               ClusterTime after, std::size_t most_bytes) {
  StateRead state;
  std::size_t bytes = 0;
  const auto on = ns.to_string();
  for (auto rest = ids; !rest.empty();) {
    const auto count = ids_per_command(rest);
    auto command = find_by_ids(uuid, rest.first(count));
    // One more than there can be: the server's own first batch has 101, and the others would take a second round trip.
    command.append("batchSize", static_cast<std::int64_t>(count) + 1);
    append_majority(command, after);
    auto cursor = TRY(ServerCursor::open(*pool_, std::move(command).finish(), {.db = ns.db, .on = on, .timed = !after.is_zero()}));
    rest = rest.subspan(count);
    for (bool last = false; !last;) {
      const auto batch = TRY(cursor->next({}));
      for (const auto& item : batch.array) {
        state.documents.emplace_back(item.document_value());
        bytes += state.documents.back().size();
      }
      state.operation_time = std::max(state.operation_time, batch.operation_time);
      last = batch.last;
      if (bytes < most_bytes || (last && rest.empty())) continue;
      state.complete = false;
      return state;
    }
  }
  return state;
}

Result<std::vector<bson::Value>> MongoDeployment::sample_ids(const Namespace& ns, const Uuid&, int count) {
  // By name: an aggregate cannot take a UUID before 6.0. Ids of another collection of that name would still be mere bounds.
  bson::Builder command;
  command.append("aggregate", ns.collection);
  {
    auto pipeline = command.open_array("pipeline");
    pipeline.open_document().open_document("$sample").append("size", count);
    pipeline.open_document().open_document("$project").append("_id", 1);
  }
  command.open_document("cursor");
  command.append("allowDiskUse", true);
  const auto documents =
      TRY(read_all(*pool_, std::move(command).finish(), {.db = ns.db, .on = ns.to_string()}));
  std::vector<bson::Value> ids;
  ids.reserve(documents.size());
  for (const auto& document : documents) ids.emplace_back(document["_id"]);
  return ids;
}

Result<CollectionSize> MongoDeployment::size_of(const Namespace& ns) {
  const auto reply = TRY(run(ns.db, bson::make_document({{"collStats", ns.collection}}), ns.to_string()));
  // Estimates: after an unclean shutdown servers count what they have lost count of, and come below nothing.
  const auto figure = [&](const char* name) { return std::max<std::int64_t>(0, reply[name].to_int64().value_or(0)); };
  return CollectionSize{figure("count"), figure("size")};
}

Result<ClusterTime> MongoDeployment::majority_time() {
  // Any majority read will do, for what counts is its reply's operationTime: of a collection that need not exist, and that
  // whoever may read ordinary collections may read (admin's own need more on some sides).
  bson::Builder command;
  command.append("find", "x_time").append("limit", 1).append("singleBatch", true);
  append_majority(command, {});
  const auto reply = TRY(run(kStateDatabase, std::move(command).finish(), "the deployment"));
  const auto time = reply["operationTime"].to_timestamp();
  if (!time) return tl::unexpected(error(ErrorCode::kUnsupported, "replies carry no operationTime; it must be a replica set"));
  return *time;
}

}  // namespace drover::cluster
