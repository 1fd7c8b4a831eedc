// How --memory is divided. Everything that grows with clients or data has a part of its own and stays within it; together
// they leave room for what the process is made of: the program, its threads, the store's own buffers for flushes and
// compactions, the documents that running commands look at, and what an allocator keeps between allocations. None of those is
// counted here: where they come to more than that, the parts do not grow (base/process_memory, ResidentLimit).
#pragma once

#include <algorithm>
#include <cstddef>

#include "net/wire_server.h"
#include "sandbox/commands/cursor.h"
#include "sandbox/commands/memory.h"

namespace drover::sandbox {

struct MemoryPlan {
  std::size_t store_bytes = 0;  // block cache, write buffers included
  std::size_t connections = 0;
  MemoryPools::Limits pools{};
  std::size_t script_processes = 0;  // at once; what they take is not there for the parts meanwhile (ResidentLimit)
};

// A thread with its stack, socket, session and uncounted buffers; as measured, and then some.
inline constexpr std::size_t kConnectionBytes = 72 << 10;
// Less than this cannot hold one message and one reply of the largest size beside everything else.
inline constexpr std::size_t kMinServerMemory = 512 << 20;
// Of reads and writes of data, at least: more only where there are the processors, and the memory for a few documents of the
// largest size in each.
inline constexpr std::size_t kMinRunningCommands = 8;
inline constexpr std::size_t kRunningCommandBytes = 64 << 20;

// Of processes that run JavaScript at least two, more where a quarter of the memory has room for them.
inline constexpr std::size_t kMinScriptProcesses = 2;
inline constexpr std::size_t kMaxScriptProcesses = 8;

MemoryPlan plan_memory(std::size_t memory_bytes);

}  // namespace drover::sandbox
