// The demo's own temporary directory, removed at the end unless it is to be kept.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace drover::cli {

class DemoDirectory {
 public:
  static Result<DemoDirectory> create();
  ~DemoDirectory();
  DemoDirectory(DemoDirectory&& other) noexcept : path_(std::move(other.path_)), keep_(other.keep_) { other.path_.clear(); }

  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }
  void keep() { keep_ = true; }
  // A file that only this user may read: connection strings carry passwords.
  Status write(std::string_view name, std::string_view text) const;

 private:
  explicit DemoDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
  bool keep_ = false;
};

// The last line of a file that is not empty.
Result<std::string> last_line(const std::string& path);

}  // namespace drover::cli
