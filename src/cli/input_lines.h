// Lines that a person or a script writes to a descriptor, read without waiting for more than was asked. One thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace drover::cli {

inline constexpr std::size_t kLongestInputLine = 4096;  // of a longer one only the end is kept

class InputLines {
 public:
  explicit InputLines(int descriptor) : descriptor_(descriptor) {}

  // The next line, without its newline, that is there already or comes within `wait`. The last one may lack the newline. A
  // terminal whose foreground is another job is left alone: reading it would stop this process.
  std::optional<std::string> next(std::chrono::milliseconds wait);
  // Nothing will come any more.
  bool ended() const { return ended_ && buffer_.empty(); }

 private:
  std::optional<std::string> take();
  bool fill(std::chrono::milliseconds wait);

  const int descriptor_;
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace drover::cli
