// A file that is read to its end: settings, a secret. It may be a pipe (mkfifo, <(…), standard input) whose writer is not there yet;
// a stop request ends that wait. Messages say only what the system says; callers put in front what was read, and whence.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string>

#include <sys/types.h>

#include "base/error.h"

namespace drover {

class InputFile {
 public:
  // Does not wait. kUsage when there is none.
  static Result<InputFile> open(const std::string& path);
  static InputFile standard_input();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  // A regular file whose mode has one of these bits. A pipe gives what it has only once, to whom it is meant for.
  bool grants(mode_t bits) const;
  // All of it, or one byte more than the limit. kUsage, or kInterrupted after a stop request.
  Result<std::string> read(std::size_t limit, const std::stop_token& stop);
  // The same, but no more than its first line is waited for. What a pipe has behind it is lost.
  Result<std::string> read_line(std::size_t limit, const std::stop_token& stop);

 private:
  enum class Until { kEnd, kLineEnd };
  Result<std::string> read_until(Until until, std::size_t limit, const std::stop_token& stop);
  InputFile(int descriptor, bool owned) : descriptor_(descriptor), owned_(owned) {}
  int descriptor_;
  bool owned_;
};

}  // namespace drover
