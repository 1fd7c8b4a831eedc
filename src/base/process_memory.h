// The process's own memory, as the system counts it, and the C library's allocator. For processes that promise to stay
// within a bound. Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>

namespace drover {

// Resident pages, mapped files (the program) included; 0 when the system does not say.
std::size_t resident_bytes();

// For every process that moves messages of megabytes on many threads, best before any thread is made; again is harmless. Few
// arenas, so that what one thread frees another can use. Blocks of more than 8 MB are mapped by themselves and given back at
// once; smaller ones, as ordinary batches and replies are, are used again.
void bound_allocator();

// Gives pages that hold nothing back to the system. Takes milliseconds for each 100 MB in use.
void give_back_free_memory();

// What a process may still grow by, judged by what is resident of it: with all that nobody counts, and what the allocator keeps. Whoever is
// about to allocate much asks first. It looks again whenever so much was granted as might matter, so it is not late however little
// processor time anybody else gets; and when much is resident that may be free memory, it has that given back before it answers.
class ResidentLimit {
 public:
  // Of `bound` bytes, kMarginPercent are kept for what grows without asking.
  explicit ResidentLimit(std::size_t bound);

  // True: `more` bytes may be allocated now. They are taken for allocated until the next look.
  bool has_room(std::size_t more);
  // As has_room, but granted in any case: for who would otherwise never go on.
  void grant(std::size_t more);
  // What processes that this one has started may come to is within the bound too, from before they start until they are gone. False, and
  // nothing set aside, when there is no room.
  bool try_set_aside(std::size_t bytes);
  void set_aside(std::size_t bytes);
  void give_back(std::size_t bytes);
  // Now and then, for what grows without asking.
  void look();

 private:
  void look_locked(std::size_t more);
  bool is_over(std::size_t more) const { return resident_ + granted_ + aside_ + more > limit_; }

  const std::size_t limit_, trimmed_above_;
  std::mutex mutex_;
  std::size_t resident_ = 0;       // at the last look
  std::size_t granted_ = 0;        // since then
  std::size_t aside_ = 0;          // for other processes
  std::size_t after_trim_ = 0;     // what was resident when free memory had been given back, or less since
  std::chrono::steady_clock::time_point trimmed_at_;
};

}  // namespace drover
