#include "sandbox/server/memory_plan.h"

#include <thread>

#include "sandbox/commands/in_hand.h"
#include "sandbox/script/hosts.h"

namespace drover::sandbox {

namespace {

// The program and its libraries, as far as they are resident, and the threads that are always there.
constexpr std::size_t kProcessBytes = 44 << 20;
// One message and one reply of the largest size fit always.
constexpr std::size_t kMinRequests = net::kMaxWireMessageBytes;
constexpr std::size_t kMinReplies = kReplyCopies * (kMaxBatchBytes + (256 << 10));
// One command on documents of the largest size runs always.
constexpr std::size_t kMinDocuments = kDocumentsInHand * (16 << 20);

}  // namespace

MemoryPlan plan_memory(std::size_t memory_bytes) {
  const auto total = std::max(memory_bytes, kMinServerMemory);
  MemoryPlan plan;
  plan.connections = std::min<std::size_t>(net::kMaxWireConnections, total / 4 / kConnectionBytes);
  const auto rest = total - kProcessBytes - total / 5;
  plan.store_bytes = rest / 5;
  plan.pools = {.request_bytes = std::max(kMinRequests, rest / 8),
                .reply_bytes = std::max(kMinReplies, rest / 8),
                .work_bytes = rest / 4,
                .document_bytes = std::max(kMinDocuments, rest / 8),
                .running_commands = std::clamp<std::size_t>(2 * std::thread::hardware_concurrency(), kMinRunningCommands,
                                                             std::max(kMinRunningCommands, total / kRunningCommandBytes))};
  plan.script_processes = std::clamp(total / 4 / script::kHostBytes, kMinScriptProcesses, kMaxScriptProcesses);
  return plan;
}

}  // namespace drover::sandbox
