// How large the documents of a collection are that are read now, so that reads can be sized before their reply is known. A larger one
// counts at once; when it is no longer among what is read it is forgotten little by little, so that one large document does not make
// all later reads of its collection small. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace drover::engine {

template <typename T>
void raise(std::atomic<T>& highest, T value) {
  auto known = highest.load();
  while (known < value && !highest.compare_exchange_weak(known, value)) {}
}

class SizeEstimate {
 public:
  // `largest`: bytes of the largest document of one reply; 0, none: what is asked for now is mostly gone.
  void note(std::size_t largest) {
    largest = std::max<std::size_t>(largest, 1);
    auto known = bytes_.load();
    while (!bytes_.compare_exchange_weak(known, largest >= known ? largest : known - (known - largest + kForgetting - 1) / kForgetting)) {}
  }
  // 0: nothing has been read.
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kForgetting = 4;  // of what is too much, this part with each reply

  std::atomic<std::size_t> bytes_{0};
};

}  // namespace drover::engine
