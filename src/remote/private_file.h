// Files that arguments name: secrets, read only when nobody else can read them and written so that nobody else can; and others.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "base/error.h"

namespace drover::remote {

inline constexpr std::size_t kMaxFileBytes = 1 << 20;  // as much as a site takes

enum class Secrecy { kSecret, kPublic };

// The whole text, without the line end at its end. "-" is standard input. `what` it holds is for messages: "the password".
// kUsage: it cannot be read, is empty or too long, or a secret would be typed at a terminal; kUnsupported: group or others may read a secret (of regular files only: a pipe is
// whose process reads it); kInterrupted: a stop while a pipe's writer was waited for. Messages never quote what is in it.
Result<std::string> read_file(const std::string& path, std::string_view what, Secrecy secrecy, const std::stop_token& stop);

// A new file of mode 0600. Its place is taken before the secret is asked for, so that no secret is lost for want of one; under its own
// name it appears whole, or not at all.
class PrivateFile {
 public:
  static Result<PrivateFile> create(const std::string& path);  // kUsage when there is such a file, or can be none
  PrivateFile(PrivateFile&& other) noexcept;
  PrivateFile& operator=(PrivateFile&&) = delete;
  ~PrivateFile();

  // Once; durable on return. On an error the file is not there.
  Status write(std::string_view text);
  const std::string& path() const { return path_; }

 private:
  PrivateFile(int descriptor, std::string path, std::string temporary)
      : descriptor_(descriptor), path_(std::move(path)), temporary_(std::move(temporary)) {}
  int descriptor_;
  std::string path_;
  std::string temporary_;  // beside it; empty once it has its own name
};

}  // namespace drover::remote
