#include "agent/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <map>
#include <set>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/input_file.h"
#include "net/http_client.h"

namespace drover::agent {
namespace {

// Rotation is logrotate's here; there is no second configuration to back up.
constexpr std::array<std::string_view, 5> kWithoutEffect{"maxLogFiles", "maxLogFileSize", "maxLogFileDurationHrs",
                                                         "maxUncompressedLogFiles", "mmsConfigBackup"};
struct Refused {
  std::string_view key, why;
};
constexpr std::string_view kNoKeyPassword = "a key file with a password is not opened; store the key without one, readable by the agent's user only, and take the line out";
constexpr std::array<Refused, 2> kRefused{{
    {"tlsMMSServerClientCertificatePassword", kNoKeyPassword},
    {"sslMMSServerClientCertificatePassword", kNoKeyPassword},
}};

constexpr int kLookForStopMillis = 100;

using Entries = std::map<std::string, std::string, std::less<>>;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Result<Entries> entries_of(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // some editors begin files with it
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Entries entries;
  for (int number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const auto line = trimmed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return fail(ErrorCode::kUsage, fmt::format("line {} is not of the form key=value", number));
    const auto key = trimmed(line.substr(0, equals));
    if (!entries.emplace(key, trimmed(line.substr(equals + 1))).second)
      return fail(ErrorCode::kUsage, fmt::format("{} stands there twice", key));
  }
  return entries;
}

Result<bool> truth(std::string_view key, std::string_view value) {
  if (value == "true") return true;
  if (value == "false") return false;
  return fail(ErrorCode::kUsage, fmt::format("{} must be true or false", key));
}

Result<std::chrono::seconds> seconds(std::string_view key, std::string_view value) {
  int number = 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failed != std::errc() || end != value.data() + value.size() || number < 1 || number > 3600)
    return fail(ErrorCode::kUsage, fmt::format("{} must be a number of seconds from 1 to 3600", key));
  return std::chrono::seconds(number);
}

Result<LogLevel> level(std::string_view value) {
  if (value == "DEBUG" || value == "ROUTINE") return LogLevel::kDebug;
  if (value == "INFO") return LogLevel::kInfo;
  if (value == "WARN") return LogLevel::kWarn;
  if (value == "ERROR") return LogLevel::kError;
  if (value == "FATAL") return LogLevel::kFatal;
  return fail(ErrorCode::kUsage, "logLevel must be one of DEBUG, ROUTINE, INFO, WARN, ERROR, FATAL");
}

// False when nobody knows the key.
Result<bool> apply(const std::string& key, const std::string& value, Config& config) {
  if (key == "mmsGroupId") config.group_id = value;
  else if (key == "mmsApiKey") config.api_key = value;
  else if (key == "mmsApiKeyExec") config.api_key_exec = value;
  else if (key == "mmsBaseUrl") config.base_url = value;
  else if (key == "agentFeatureCloudMigrationEnabled") config.cloud_migration = TRY(truth(key, value));
  else if (key == "cloudMigrationOplogPath") config.oplog_path = value;
  else if (key == "logFile") config.log_file = value;
  else if (key == "logLevel") config.log_level = TRY(level(value));
  else if (key == "dialTimeoutSeconds") config.dial_timeout = TRY(seconds(key, value));
  else if (key == "serverSelectionTimeoutSeconds") config.server_selection_timeout = TRY(seconds(key, value));
  else if (key == "httpsCAFile") config.https_ca_file = value;
  else if (key == "httpProxy") config.http_proxy = value;
  else if (key == "tlsMMSServerClientCertificate" || key == "sslMMSServerClientCertificate") config.client_certificate = value;
  else if (key == "tlsRequireValidMMSServerCertificates" || key == "sslRequireValidMMSServerCertificates")
    config.verify_certificate = TRY(truth(key, value));
  else if (std::find(kWithoutEffect.begin(), kWithoutEffect.end(), key) != kWithoutEffect.end()) config.without_effect.push_back(key);
  else return false;
  return true;
}

Status check(const Config& config) {
  const auto& id = config.group_id;
  if (id.size() != 24 || id.find_first_not_of("0123456789abcdef") != std::string::npos)
    return fail(ErrorCode::kUsage, "mmsGroupId must be the project's id, 24 hexadecimal digits");
  if (!config.api_key.empty() && !config.api_key_exec.empty())
    return fail(ErrorCode::kUsage, "mmsApiKey and mmsApiKeyExec are both there: the project's agent API key comes from one of them; take the other out");
  if (config.api_key.empty() && config.api_key_exec.empty())
    return fail(ErrorCode::kUsage, "give the project's agent API key by mmsApiKey, or the command that prints it by mmsApiKeyExec");
  if (config.base_url.empty()) return fail(ErrorCode::kUsage, "mmsBaseUrl must name the manager's URL");
  // Before it is written into a log: it may hold a password.
  if (const auto url = net::parse_url(config.base_url); !url) return fail(ErrorCode::kUsage, "mmsBaseUrl: " + url.error().message);
  if (config.http_proxy.empty()) return {};
  const auto proxy = net::parse_url(config.http_proxy);
  if (!proxy || proxy->tls || !proxy->path.empty())
    return fail(ErrorCode::kUsage, "httpProxy must be http://HOST:PORT; a proxy that asks for a user and password, or for TLS, is not supported");
  if (!config.base_url.starts_with("https://"))
    return fail(ErrorCode::kUsage, "httpProxy is for an mmsBaseUrl with https:// only; plain http:// is for loopback, which needs no proxy");
  return {};
}

class KeyCommand {
 public:
  explicit KeyCommand(const std::string& command) : command_(command) {}
  ~KeyCommand() {
    if (reader_ >= 0) ::close(reader_);
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  Result<std::string> first_line(const std::stop_token& stop) {
    TRY(start());
    const auto deadline = std::chrono::steady_clock::now() + kKeyCommandLimit;
    std::string text;
    while (text.find('\n') == std::string::npos && text.size() < 4096) {
      if (stop.stop_requested()) return fail(ErrorCode::kInterrupted, "stopped while the command of mmsApiKeyExec ran");
      if (std::chrono::steady_clock::now() >= deadline) return fail(ErrorCode::kUnsupported, "the command of mmsApiKeyExec printed no line in time");
      pollfd waiting{reader_, POLLIN, 0};
      if (::poll(&waiting, 1, kLookForStopMillis) <= 0) continue;
      char piece[512];
      const auto size = ::read(reader_, piece, sizeof piece);
      if (size <= 0) break;
      text.append(piece, static_cast<std::size_t>(size));
    }
    const auto line = trimmed(std::string_view(text).substr(0, text.find('\n')));
    if (line.empty()) return fail(ErrorCode::kUnsupported, "the command of mmsApiKeyExec printed no key");
    return std::string(line);
  }

 private:
  Status start() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail(ErrorCode::kFailure, fmt::format("starting mmsApiKeyExec: {}", std::strerror(errno)));
    reader_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);  // so that its children end with it
    const char* arguments[] = {"sh", "-c", command_.c_str(), nullptr};
    const int failed = ::posix_spawn(&pid_, "/bin/sh", &actions, &attributes, const_cast<char**>(arguments), environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    ::close(ends[1]);
    if (failed == 0) return {};
    pid_ = -1;
    return fail(ErrorCode::kFailure, fmt::format("starting mmsApiKeyExec: {}", std::strerror(failed)));
  }

  const std::string& command_;
  pid_t pid_ = -1;
  int reader_ = -1;
};

}  // namespace

Result<Config> parse_config(std::string_view text) {
  Config config;
  std::string unknown, refused;
  for (const auto& [key, value] : TRY(entries_of(text))) {
    const auto known = std::find_if(kRefused.begin(), kRefused.end(), [&key = key](const Refused& one) { return one.key == key; });
    if (known != kRefused.end()) refused += fmt::format("{}{} is not supported: {}", refused.empty() ? "" : ". ", key, known->why);
    else if (!TRY(apply(key, value, config))) unknown += (unknown.empty() ? "" : ", ") + key;
  }
  if (!unknown.empty()) return fail(ErrorCode::kUsage, "unknown keys: " + unknown);
  if (!refused.empty()) return fail(ErrorCode::kUnsupported, std::move(refused));
  TRY(check(config));
  return config;
}

Result<Config> read_config(const std::string& path, const std::stop_token& stop) {
  auto file = TRY_WITH(InputFile::open(path), "cannot read " + path);
  const auto text = TRY_WITH(file.read(kMaxConfigBytes, stop), "cannot read " + path);
  if (text.size() > kMaxConfigBytes) return fail(ErrorCode::kUsage, fmt::format("{} is larger than {} bytes", path, kMaxConfigBytes));
  auto config = TRY_WITH(parse_config(text), path);
  if (!config.api_key.empty() && file.grants(S_IROTH))
    return fail(ErrorCode::kUnsupported, fmt::format("{} holds mmsApiKey, and everybody may read it; chmod o-r it", path));
  if (!config.api_key_exec.empty()) config.api_key = TRY_WITH(KeyCommand(config.api_key_exec).first_line(stop), path);
  return config;
}

}  // namespace drover::agent
