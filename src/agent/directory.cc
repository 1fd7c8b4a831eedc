#include "agent/directory.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "agent/job.h"
#include "base/uuid.h"

namespace drover::agent {
namespace {

namespace fs = std::filesystem;

tl::unexpected<Error> system_error(std::string_view what, const std::string& path) {
  return fail(ErrorCode::kUnsupported, fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

Status make_private(const std::string& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (!failed) fs::permissions(path, fs::perms::owner_all, failed);
  if (failed) return fail(ErrorCode::kUnsupported, fmt::format("making the directory {}: {}", path, failed.message()));
  return {};
}

void flush_directory(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  ::fsync(directory);
  ::close(directory);
}

}  // namespace

std::optional<std::string> read_file(const std::string& path, std::size_t limit) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string text(limit, '\0');
  std::size_t size = 0;
  while (size < limit) {
    const auto got = ::read(file, text.data() + size, limit - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  ::close(file);
  text.resize(size);
  return text;
}

Status write_file(const std::string& path, std::string_view text) {
  const auto temporary = path + ".new";
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return system_error("writing", temporary);
  std::size_t written = 0;
  while (written < text.size()) {
    const auto size = ::write(file, text.data() + written, text.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) break;
    written += static_cast<std::size_t>(size);
  }
  const bool whole = written == text.size() && ::fsync(file) == 0;
  const int why = errno;
  ::close(file);
  errno = why;
  if (!whole || ::rename(temporary.c_str(), path.c_str()) != 0) return system_error("writing", path);
  flush_directory(fs::path(path).parent_path().string());
  return {};
}

bool is_full(const std::string& path, std::uintmax_t least) {
  std::error_code failed;
  const auto room = fs::space(path, failed);
  return !failed && room.available < least;
}

Result<Directory> Directory::open(const std::string& path, Runtime& runtime) {
  TRY(make_private(path));
  TRY(make_private(path + "/jobs"));
  const auto lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return system_error("opening", lock_path);
  Directory directory(path, lock);
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0)
    return fail(ErrorCode::kWrongState, fmt::format("another agent runs with the directory {}; end it, or give this one another --data", path));
  const auto id_path = path + "/agent-id";
  const auto known = read_file(id_path, 64);
  const auto id = Uuid::parse(known ? std::string_view(*known).substr(0, 36) : std::string_view());
  directory.agent_id_ = id ? id->to_string() : Uuid::random(runtime).to_string();
  if (!id) TRY(write_file(id_path, directory.agent_id_ + "\n"));
  return directory;
}

Directory::Directory(Directory&& other) noexcept
    : path_(std::move(other.path_)), agent_id_(std::move(other.agent_id_)), lock_(std::exchange(other.lock_, -1)) {}

Directory::~Directory() {
  if (lock_ >= 0) ::close(lock_);
}

std::vector<std::string> Directory::job_ids() const {
  std::vector<std::string> ids;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(path_ + "/jobs", failed)) {
    const auto name = entry.path().filename().string();
    if (is_job_id(name)) ids.push_back(name);
  }
  return ids;
}

std::string Directory::job_path(const std::string& id) const { return fmt::format("{}/jobs/{}", path_, id); }

Status Directory::make_job(const std::string& id) const { return make_private(job_path(id)); }

void Directory::remove_job(const std::string& id) const {
  std::error_code ignored;
  fs::remove_all(job_path(id), ignored);
}

void Directory::set_job_aside(const std::string& id) const {
  if (!make_private(path_ + "/jobs-kept")) return;
  std::error_code ignored;
  for (const char* secret : {"job.json", "sync.yaml", "source.uri", "destination.uri"}) fs::remove(job_path(id) + "/" + secret, ignored);
  fs::rename(job_path(id), fmt::format("{}/jobs-kept/{}", path_, id), ignored);
}

}  // namespace drover::agent
