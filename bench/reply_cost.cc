#include "reply_cost.h"

#include <algorithm>
#include <ctime>

#include "bson/builder.h"
#include "cluster/reply_frame.h"
#include "shape.h"

namespace drover::bench {
namespace {

constexpr std::size_t kBatchBytes = 8 << 20;
constexpr std::int64_t kBytes = std::int64_t{2} << 30;  // of each shape
constexpr std::size_t kSmallBytes = 80;

double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

bson::Document small_document(std::int64_t number) {
  return bson::make_document({{"_id", number}, {"n", static_cast<std::int32_t>(number)}, {"x", 0.5}, {"text", std::string(kSmallBytes - 46, 'x')}});
}

template <typename Make>
bson::Document reply_of(std::size_t document_bytes, Make&& make) {
  bson::Builder reply;
  {
    auto cursor = reply.open_document("cursor");
    cursor.append("id", std::int64_t{0}).append("ns", "bench.docs");
    auto batch = cursor.open_array("firstBatch");
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(std::max<std::size_t>(kBatchBytes / document_bytes, 1)); ++i) batch.append(make(i));
  }
  reply.append("ok", 1.0);
  return std::move(reply).finish();
}

Result<ReplyCost> cost_of(std::string shape, const bson::Document& reply) {
  const auto times = std::max<std::int64_t>(kBytes / static_cast<std::int64_t>(reply.size()), 1);
  const auto begun = thread_seconds();
  for (std::int64_t i = 0; i < times; ++i) TRY(cluster::check_reply_document(reply.bytes()));
  const auto gigabytes = static_cast<double>(times) * static_cast<double>(reply.size()) / 1e9;
  return ReplyCost{std::move(shape), (thread_seconds() - begun) / gigabytes};
}

}  // namespace

Result<std::vector<ReplyCost>> measure_replies() {
  std::vector<ReplyCost> costs;
  costs.push_back(TRY(cost_of("80 bytes", reply_of(kSmallBytes, small_document))));
  for (const auto& shape : shapes(1)) {
    costs.push_back(TRY(cost_of(shape.name, reply_of(shape.document_bytes, [&](std::int64_t i) { return make_document(shape, i); }))));
  }
  return costs;
}

}  // namespace drover::bench
