#include "workload/live_workload.h"

#include <algorithm>

#include <fmt/format.h>

#include "bson/builder.h"
#include "workload/loader.h"

namespace drover::workload {
namespace {

Status create(cluster::Deployment& deployment, const Namespace& ns, std::vector<std::string_view> indexes) {
  const auto command = bson::make_document({{"create", ns.collection}});
  TRY_WITH(deployment.run_command(ns.db, command), fmt::format("creating {}", ns.to_string()));
  return create_indexes(deployment, ns, indexes);
}

}  // namespace

LiveWorkload::LiveWorkload(cluster::Deployment& source, cluster::Deployment& destination, Runtime& runtime,
                           const LiveOptions& options)
    : source_(source), runtime_(runtime), options_(options), pacer_(runtime, options.writes_per_second) {
  for (int i = 0; i < options.writers; ++i) {
    links_.push_back(std::make_unique<WriterLink>(i, source, destination, switchover_, runtime));
    writers_.push_back(std::make_unique<LiveWriter>(i, options.writers, options.seed, *links_[i], pacer_, counts_));
  }
}

LiveWorkload::~LiveWorkload() { stop(); }

Status LiveWorkload::prepare(const std::stop_token& stop) {
  TRY(create(source_, orders_namespace(),
             {R"({"key":{"code":1},"name":"code","unique":true})", R"({"key":{"w":1,"status":1},"name":"w_status"})",
              R"({"key":{"items.sku":1},"name":"sku"})"}));
  TRY(create(source_, seats_namespace(), {R"({"key":{"seat":1},"name":"seat","unique":true})"}));
  TRY(create(source_, accounts_namespace(), {R"({"key":{"w":1,"balance":-1},"name":"w_balance"})"}));
  TRY(create(source_, transfers_namespace(), {R"({"key":{"w":1},"name":"w"})"}));
  for (auto& writer : writers_) TRY(writer->prepare(source_, options_.loaded_flights, stop));
  return {};
}

void LiveWorkload::start() {
  for (int i = 0; i < options_.writers; ++i) {
    threads_.push_back(runtime_.spawn(fmt::format("writer{}", i), [this, i](std::stop_token stop) {
      auto status = writers_[i]->run(stop);
      if (status) return;
      failure_.with([&](auto& first) { if (!first) first = std::move(status).error(); });
    }));
  }
}

void LiveWorkload::stop() {
  for (auto& thread : threads_) thread->request_stop();
  for (auto& thread : threads_) thread->join();
  threads_.clear();
}

std::int64_t LiveWorkload::total() const {
  std::int64_t sum = 0;
  for (const auto& count : counts_) sum += count;
  return sum;
}

std::int64_t LiveWorkload::repeats() const {
  std::int64_t sum = 0;
  for (const auto& link : links_) sum += link->repeats();
  return sum;
}

std::size_t LiveWorkload::ledger_size() const {
  std::size_t sum = 0;
  for (const auto& writer : writers_) sum += writer->ledger().size();
  return sum;
}

Result<std::vector<std::string>> LiveWorkload::differences(cluster::Deployment& deployment) const {
  std::vector<std::string> all;
  for (const auto& writer : writers_) {
    auto some = TRY(writer->ledger().differences(deployment, Uuid::random(runtime_)));
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace drover::workload
