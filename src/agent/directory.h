// The agent's directory: who it is, and what it knows of each job, so that a new process goes on where the last one ended.
// Files appear whole or not at all, and are flushed before a call succeeds. Only the owner can read them: a job's file holds
// connection strings.
//
//   agent-id                 a UUID
//   lock                     held by the process
//   jobs/ID/job.json         the item as the site gave it last
//   jobs/ID/…                the engine's files, see engine_process.h; marks of steps that must not be done twice
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/runtime.h"

namespace drover::agent {

class Directory {
 public:
  // Makes what is not there, and locks it: kWrongState when another agent uses it.
  static Result<Directory> open(const std::string& path, Runtime& runtime);
  Directory(Directory&& other) noexcept;
  ~Directory();

  const std::string& agent_id() const { return agent_id_; }
  std::vector<std::string> job_ids() const;
  std::string job_path(const std::string& id) const;  // made by make_job
  Status make_job(const std::string& id) const;
  // With everything in it.
  void remove_job(const std::string& id) const;
  // Out of the list, but kept, as jobs-kept/ID, without its secrets: nobody will ask for it again.
  void set_job_aside(const std::string& id) const;

 private:
  Directory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  std::string agent_id_;
  int lock_ = -1;
};

// Nothing when it is not there.
std::optional<std::string> read_file(const std::string& path, std::size_t limit = 1 << 20);
Status write_file(const std::string& path, std::string_view text);

inline constexpr std::uintmax_t kLeastRoom = 1 << 20;
// The disk that it is on has no room for files of a process that starts there.
bool is_full(const std::string& path, std::uintmax_t least = kLeastRoom);

}  // namespace drover::agent
