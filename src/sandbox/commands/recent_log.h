// The last lines of a server's log, kept for getLog beside what it is written to. In the server's form of a line, so that shells can show them.
// Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/runtime.h"

namespace drover::sandbox {

class RecentLog final : public Log {
 public:
  static constexpr std::size_t kMaxLines = 1024;
  static constexpr std::size_t kMaxLineBytes = 1024;  // a longer one is kept without its fields

  RecentLog(Log& log, Runtime& runtime) : log_(log), runtime_(runtime) {}
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override;

  struct Lines {
    std::int64_t written = 0;  // since the start
    std::vector<std::string> kept;
  };
  Lines global() const;
  // Warnings until `started`.
  Lines startup_warnings() const;
  void started();

 private:
  Log& log_;
  Runtime& runtime_;
  mutable std::mutex mutex_;
  std::deque<std::string> lines_;
  std::int64_t written_ = 0;
  std::vector<std::string> warnings_;
  bool starting_ = true;
};

}  // namespace drover::sandbox
