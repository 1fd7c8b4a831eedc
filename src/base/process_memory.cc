#include "base/process_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>

namespace drover {

namespace {
constexpr int kArenas = 4;
// Below these, half of a busy server's CPU goes into pages that are given back and taken again.
constexpr int kMappedBlockBytes = 8 << 20;
constexpr int kKeptAtTopBytes = 16 << 20;
}  // namespace

std::size_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long size = 0, resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

void bound_allocator() {
  ::mallopt(M_ARENA_MAX, kArenas);
  ::mallopt(M_MMAP_THRESHOLD, kMappedBlockBytes);
  ::mallopt(M_TRIM_THRESHOLD, kKeptAtTopBytes);
}

void give_back_free_memory() { ::malloc_trim(0); }

}  // namespace drover
