// The engine's log, line by line, for the site: what was appended since the last look, also across its rotations. What cannot
// be sent yet stays in the file; where it stands is kept beside it, so that a new agent goes on there. At most kMaxShippedBytes
// at once.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/error.h"

namespace drover::agent {

inline constexpr std::size_t kMaxShippedBytes = 128 << 10;
inline constexpr std::size_t kMaxShippedLine = 2048;  // a longer one is cut
inline constexpr std::size_t kRecentLines = 100;

class LogShipper {
 public:
  // `log` is the file that is written now; `kept` where the position is kept.
  LogShipper(std::string log, std::string kept);

  // The next lines; the same again until they are acknowledged.
  const std::vector<std::string>& pending();
  std::int64_t from() const { return next_; }
  // The site has everything before `next`. Lines that it has already are dropped from what is pending.
  void acknowledged(std::int64_t next);
  // The last lines read, for reports.
  const std::deque<std::string>& recent() const { return recent_; }

 private:
  void read_more();
  std::string file_of(std::uint64_t inode) const;

  const std::string log_, kept_;
  std::uint64_t inode_ = 0;
  std::int64_t offset_ = 0;       // behind the last acknowledged line
  std::int64_t read_offset_ = 0;  // behind the last pending line
  std::int64_t next_ = 0;         // the number of the first pending line
  std::vector<std::string> pending_;
  std::deque<std::string> recent_;
};

}  // namespace drover::agent
