#include "workload/loader.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/bounded_queue.h"
#include "base/guarded.h"
#include "bson/builder.h"
#include "bson/ejson.h"
#include "workload/datasets.h"
#include "workload/odd_collections.h"

namespace drover::workload {
namespace {

constexpr std::size_t kBatchDocuments = 1000;
constexpr std::size_t kBatchBytes = 4 << 20;   // a larger document makes a batch of its own
constexpr std::size_t kQueuedBatches = 8;
constexpr int kAttempts = 20;                  // of one batch, on temporary errors
constexpr auto kBetweenAttempts = std::chrono::milliseconds(250);
constexpr std::int64_t kRowsOfAPart = 1000;     // a fraction takes the first of every so many
constexpr int kDuplicateKey = 11000;

struct Batch {
  Namespace ns;
  bson::Document documents;  // an array
  std::int64_t count = 0;
  std::int64_t bytes = 0;
};

// Inserts once; what a lost reply may have inserted before is then found as duplicates, which `repeated` lets pass.
Status insert_once(cluster::Deployment& deployment, const Batch& batch, bool repeated) {
  bson::Builder command;
  command.append("insert", batch.ns.collection).append("ordered", false);
  command.append("documents", bson::ArrayView{batch.documents.view()});
  const auto document = std::move(command).finish();
  auto reply = deployment.run_command(batch.ns.db, document);
  if (!reply) {
    if (repeated && reply.error().server_code == kDuplicateKey) return {};
    return tl::unexpected(std::move(reply).error());
  }
  const auto errors = (*reply)["writeErrors"].to_array();
  if (!errors) return {};
  for (const auto& entry : *errors) {
    const auto error = entry.to_document().value_or(bson::View());
    const auto code = static_cast<int>(error["code"].to_int64().value_or(0));
    if (repeated && code == kDuplicateKey) continue;
    return fail(ErrorCode::kFailure, std::string(error["errmsg"].to_string_view().value_or("refused")), code);
  }
  return {};
}

Status insert(cluster::Deployment& deployment, Runtime& runtime, const Batch& batch, const std::stop_token& stop) {
  for (int attempt = 1;; ++attempt) {
    auto status = insert_once(deployment, batch, attempt > 1);
    if (status) return {};
    const bool again = status.error().code == ErrorCode::kTemporary && attempt < kAttempts;
    if (!again || !runtime.sleep(kBetweenAttempts, stop))
      return tl::unexpected(std::move(status).error().with_context(fmt::format("loading into {}", batch.ns.to_string())));
  }
}

// A queue of batches with connections that empty it. `finish` waits for all and answers the first error.
class Inserters {
 public:
  Inserters(cluster::Deployment& deployment, Runtime& runtime, LoadProgress& progress, int count)
      : deployment_(deployment), runtime_(runtime), progress_(progress), queue_(runtime, kQueuedBatches) {
    for (int i = 0; i < count; ++i)
      threads_.push_back(runtime.spawn(fmt::format("load{}", i), [this](std::stop_token stop) { run(stop); }));
  }

  Status add(Batch batch, const std::stop_token& stop) {
    if (queue_.push(std::move(batch), stop)) return {};
    auto error = error_.copy();
    if (error) return tl::unexpected(std::move(*error));
    return fail(ErrorCode::kInterrupted, "loading was interrupted");
  }
  Status finish() {
    queue_.close();
    for (auto& thread : threads_) thread->join();
    if (auto error = error_.copy()) return tl::unexpected(std::move(*error));
    return {};
  }

 private:
  void run(const std::stop_token& stop) {
    while (const auto batch = queue_.pop(stop)) {
      auto status = insert(deployment_, runtime_, *batch, stop);
      if (!status) {
        error_.with([&](auto& first) { if (!first) first = std::move(status).error(); });
        queue_.close();
        return;
      }
      progress_.documents += batch->count;
      progress_.bytes += batch->bytes;
    }
  }

  cluster::Deployment& deployment_;
  Runtime& runtime_;
  LoadProgress& progress_;
  BoundedQueue<Batch> queue_;
  Guarded<std::optional<Error>> error_;
  std::vector<std::unique_ptr<Runtime::Thread>> threads_;
};

// Collects documents of one collection into batches.
class Batcher {
 public:
  Batcher(Inserters& inserters, Namespace ns, const std::stop_token& stop)
      : inserters_(inserters), ns_(std::move(ns)), stop_(stop), array_(std::in_place) {}

  Status add(const bson::Document& document) {
    if (count_ > 0 && (count_ == kBatchDocuments || bytes_ + document.size() > kBatchBytes)) TRY(flush());
    array_->append(document);
    ++count_;
    bytes_ += document.size();
    return {};
  }
  Status flush() {
    if (count_ == 0) return {};
    Batch batch{ns_, std::move(*array_).finish(), static_cast<std::int64_t>(count_), static_cast<std::int64_t>(bytes_)};
    array_.emplace();
    count_ = bytes_ = 0;
    return inserters_.add(std::move(batch), stop_);
  }

 private:
  Inserters& inserters_;
  Namespace ns_;
  std::stop_token stop_;
  std::optional<bson::ArrayBuilder> array_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

Status create_collection(cluster::Deployment& deployment, const OddCollection& collection) {
  bson::Builder command;
  command.append("create", collection.ns.collection).append_all(collection.options);
  const auto document = std::move(command).finish();
  TRY_WITH(deployment.run_command(collection.ns.db, document), fmt::format("creating {}", collection.ns.to_string()));
  return {};
}

Status load_datasets(Inserters& inserters, const LoadOptions& options, const std::stop_token& stop) {
  for (const auto& dataset : datasets()) {
    for (int copy = 0; copy < options.scale; ++copy) {
      const auto part = std::min(options.scale - copy, 1.0);
      std::int64_t row = 0;
      Batcher batcher(inserters, dataset.ns, stop);
      TRY(read_dataset(dataset, options.directory, copy, [&](bson::Document document) -> Status {
        if (stop.stop_requested()) return fail(ErrorCode::kInterrupted, "loading was interrupted");
        if (row++ % kRowsOfAPart >= part * kRowsOfAPart) return {};
        return batcher.add(document);
      }));
      TRY(batcher.flush());
    }
  }
  return {};
}

Status load_odd_collections(cluster::Deployment& deployment, Inserters& inserters, LoadProgress& progress,
                            const std::stop_token& stop) {
  for (const auto& collection : odd_collections()) {
    TRY(create_collection(deployment, collection));
    ++progress.collections;
    Batcher batcher(inserters, collection.ns, stop);
    for (const auto& document : collection.documents) TRY(batcher.add(document));
    TRY(batcher.flush());
  }
  return {};
}

Status load_documents(cluster::Deployment& deployment, Runtime& runtime, const LoadOptions& options, LoadProgress& progress,
                      const std::stop_token& stop) {
  Inserters inserters(deployment, runtime, progress, options.inserters);
  auto status = load_odd_collections(deployment, inserters, progress, stop);
  if (status) status = load_datasets(inserters, options, stop);
  auto finished = inserters.finish();  // its error, if any, is the reason of the other
  if (!finished) return finished;
  return status;
}

Status build_indexes(cluster::Deployment& deployment, LoadProgress& progress, const std::stop_token& stop) {
  const auto build = [&](const Namespace& ns, const std::vector<std::string_view>& specs) -> Status {
    if (stop.stop_requested()) return fail(ErrorCode::kInterrupted, "creating indexes was interrupted");
    TRY(create_indexes(deployment, ns, specs));
    progress.indexes += static_cast<std::int64_t>(specs.size());
    return {};
  };
  for (const auto& dataset : datasets()) {
    ++progress.collections;
    TRY(build(dataset.ns, dataset.indexes));
  }
  for (const auto& collection : odd_collections()) TRY(build(collection.ns, collection.indexes));
  return {};
}

}  // namespace

Status create_indexes(cluster::Deployment& deployment, const Namespace& ns, std::span<const std::string_view> specs) {
  if (specs.empty()) return {};
  bson::Builder command;
  command.append("createIndexes", ns.collection);
  auto array = command.open_array("indexes");
  for (const auto spec : specs) array.append(TRY(bson::from_ejson(spec)));
  array.close();
  const auto document = std::move(command).finish();
  TRY_WITH(deployment.run_command(ns.db, document), fmt::format("creating indexes of {}", ns.to_string()));
  return {};
}

Status load(cluster::Deployment& deployment, Runtime& runtime, const LoadOptions& options, LoadProgress& progress,
            const std::stop_token& stop) {
  TRY(load_documents(deployment, runtime, options, progress, stop));
  return build_indexes(deployment, progress, stop);
}

}  // namespace drover::workload
