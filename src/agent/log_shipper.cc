#include "agent/log_shipper.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/directory.h"

namespace drover::agent {
namespace {

std::uint64_t inode_of(const std::string& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_ino : 0;
}

std::string read_at(const std::string& path, std::int64_t offset) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string text(kMaxShippedBytes, '\0');
  const auto got = ::pread(file, text.data(), text.size(), offset);
  ::close(file);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

}  // namespace

LogShipper::LogShipper(std::string log, std::string kept) : log_(std::move(log)), kept_(std::move(kept)) {
  const auto text = read_file(kept_, 256);
  unsigned long long inode = 0;
  long long offset = 0, next = 0;
  if (text && std::sscanf(text->c_str(), "%llu %lld %lld", &inode, &offset, &next) == 3) {
    inode_ = inode;
    offset_ = read_offset_ = offset;
    next_ = next;
  }
}

const std::vector<std::string>& LogShipper::pending() {
  if (pending_.empty()) read_more();
  return pending_;
}

void LogShipper::acknowledged(std::int64_t next) {
  const auto had = static_cast<std::int64_t>(pending_.size());
  const auto done = std::clamp<std::int64_t>(next - next_, 0, had);
  pending_.erase(pending_.begin(), pending_.begin() + done);
  // The site may know more than we: another agent's directory was lost. Its number goes on.
  next_ = std::max(next, next_);
  if (!pending_.empty()) return;
  offset_ = read_offset_;
  static_cast<void>(write_file(kept_, fmt::format("{} {} {}\n", inode_, offset_, next_)));
}

// Of the file that was written when we last looked; once that is read to its end, of the one that is written now.
void LogShipper::read_more() {
  for (int files = 0; files < 2; ++files) {
    const auto current = inode_of(log_);
    if (current == 0) return;
    if (inode_ == 0) inode_ = current;
    const auto path = inode_ == current ? log_ : file_of(inode_);
    const auto text = path.empty() ? std::string() : read_at(path, read_offset_);
    std::size_t begin = 0;
    for (;;) {
      const auto end = text.find('\n', begin);
      if (end == std::string::npos) break;
      pending_.push_back(text.substr(begin, std::min(end - begin, kMaxShippedLine)));
      recent_.push_back(pending_.back());
      if (recent_.size() > kRecentLines) recent_.pop_front();
      begin = end + 1;
    }
    // A line longer than a piece would stand in the way for ever.
    if (begin == 0 && text.size() == kMaxShippedBytes) begin = text.size();
    read_offset_ += static_cast<std::int64_t>(begin);
    if (!pending_.empty() || begin > 0 || inode_ == current) return;
    inode_ = current;
    read_offset_ = offset_ = 0;
  }
}

std::string LogShipper::file_of(std::uint64_t inode) const {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(log_).parent_path(), failed))
    if (inode_of(entry.path().string()) == inode) return entry.path().string();
  return {};
}

}  // namespace drover::agent
