// A pipe that a child inherits to learn of this process's end: the kernel closes the writing end, whatever ended it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

namespace drover::agent {

class Lifeline {
 public:
  Lifeline() {
    if (::pipe2(ends_, O_CLOEXEC) != 0) ends_[0] = ends_[1] = -1;
  }
  ~Lifeline() {
    for (const int end : ends_)
      if (end >= 0) ::close(end);
  }
  Lifeline(const Lifeline&) = delete;

  // For the child; -1 when the system gave none.
  int reading_end() const { return ends_[0]; }

 private:
  int ends_[2];
};

}  // namespace drover::agent
