#include "base/process_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace drover {

namespace {
constexpr int kArenas = 4;
// Below these, half of a busy server's CPU goes into pages that are given back and taken again.
constexpr int kMappedBlockBytes = 8 << 20;
constexpr int kKeptAtTopBytes = 16 << 20;
// Of a bound: what is left to what grows without asking, and from where on free memory is given back.
constexpr std::size_t kMarginPercent = 12;
constexpr std::size_t kTrimmedAbovePercent = 50;
// After so much was granted it looks again; when so much more is resident than after the last time, it is worth giving back again.
constexpr std::size_t kGrantedUnseen = 4 << 20;
constexpr std::size_t kWorthTrimming = 16 << 20;
// Without room it is tried so often: what was in use the last time may be free.
constexpr auto kTrimmedAgainAfter = std::chrono::milliseconds(50);
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

ResidentLimit::ResidentLimit(std::size_t bound)
    : limit_(bound / 100 * (100 - kMarginPercent)), trimmed_above_(bound / 100 * kTrimmedAbovePercent) {
  look();
}

bool ResidentLimit::has_room(std::size_t more) {
  std::lock_guard lock(mutex_);
  if (granted_ + more > kGrantedUnseen || is_over(more)) look_locked(more);
  if (is_over(more)) return false;
  granted_ += more;
  return true;
}

void ResidentLimit::grant(std::size_t more) {
  std::lock_guard lock(mutex_);
  if (granted_ + more > kGrantedUnseen) look_locked(more);
  granted_ += more;
}

bool ResidentLimit::try_set_aside(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  if (is_over(bytes)) look_locked(bytes);
  if (is_over(bytes)) return false;
  aside_ += bytes;
  return true;
}

void ResidentLimit::set_aside(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  aside_ += bytes;
}

void ResidentLimit::give_back(std::size_t bytes) {
  std::lock_guard lock(mutex_);
  aside_ -= bytes;
}

void ResidentLimit::look() {
  std::lock_guard lock(mutex_);
  look_locked(0);
}

void ResidentLimit::look_locked(std::size_t more) {
  resident_ = resident_bytes();
  granted_ = 0;
  after_trim_ = std::min(after_trim_, resident_);
  const auto now = std::chrono::steady_clock::now();
  const bool grown = resident_ > trimmed_above_ && resident_ >= after_trim_ + kWorthTrimming;
  const bool full = resident_ + aside_ + more > limit_ && now - trimmed_at_ >= kTrimmedAgainAfter;
  if (!grown && !full) return;
  give_back_free_memory();
  trimmed_at_ = now;
  after_trim_ = resident_ = resident_bytes();
}

}  // namespace drover
