// Events of one partition that is being copied, in order, until it is copied: in memory first, then in an unlinked
// temporary file (nothing to clean up after a crash: the partition is then read again). Not thread-safe: the router's lock
// guards it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>

#include "base/error.h"
#include "engine/byte_budget.h"
#include "model/change_event.h"

namespace drover::engine {

// What all hold queues of a migration may keep in memory together, and on disk before no new partition is begun.
inline constexpr std::size_t kHeldMemoryBytes = kHeldShare;
inline constexpr std::uint64_t kHeldDiskBytes = std::uint64_t{8} << 30;

struct HoldUsage {
  std::size_t memory_bytes = 0;
  std::uint64_t disk_bytes = 0;
  std::uint64_t events = 0;
  std::size_t memory_limit = kHeldMemoryBytes;
  std::uint64_t disk_limit = kHeldDiskBytes;  // looked at before a partition is begun
  std::string directory;  // for the temporary files
};

class HoldQueue {
 public:
  explicit HoldQueue(HoldUsage& usage) : usage_(usage) {}
  ~HoldQueue() { clear(); }
  HoldQueue(const HoldQueue&) = delete;
  HoldQueue& operator=(const HoldQueue&) = delete;

  // A full disk is an error (kLocalDisk): the migration stops rather than lose an event.
  Status push(ChangeEvent event);
  bool empty() const { return memory_.empty() && on_disk_ == 0; }
  std::uint64_t size() const { return memory_.size() + on_disk_; }
  ClusterTime oldest() const { return oldest_; }  // of what is or was in it since it was last empty
  // The oldest events, at most `count` and about `bytes`, but at least one.
  Result<std::deque<ChangeEvent>> pop(std::size_t count, std::size_t bytes = SIZE_MAX);
  void clear();

 private:
  Status spool(const ChangeEvent& event);
  Result<ChangeEvent> unspool();
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  HoldUsage& usage_;
  std::deque<ChangeEvent> memory_;  // older than everything on disk
  std::unique_ptr<std::FILE, Closer> file_;
  std::uint64_t on_disk_ = 0;
  long read_at_ = 0;
  long write_at_ = 0;
  long given_back_ = 0;  // what is before it is a hole
  ClusterTime oldest_;
};

}  // namespace drover::engine
