// A log directory as mongosync keeps one (spec/engine.md 1.4): `mongosync.log` in it, and at each start and rotation the
// file found there goes to `mongosync-YYYY-MM-DDTHH-MM-SS.mmm.log`. Without a directory the lines go to standard output.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"

namespace drover {

inline constexpr std::size_t kMaxLogFieldBytes = 1024;  // a longer text field is cut
inline constexpr std::size_t kMaxLogBodyBytes = 16 << 10;  // of the field "body", which tools read as JSON again

class RotatingLog : public Log {
 public:
  struct Options {
    std::string directory;  // made when it is not there; empty: standard output
    std::string name = "mongosync";
    LogLevel level = LogLevel::kInfo;
    std::vector<std::pair<std::string, std::string>> fixed;  // on every line, behind the message
  };
  static Result<std::unique_ptr<RotatingLog>> open(const Options& options);
  // Begins a new file. Nothing is lost when that fails: the old one is written on. Thread-safe.
  virtual Status rotate() = 0;
};

}  // namespace drover
