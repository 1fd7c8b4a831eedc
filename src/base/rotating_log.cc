#include "base/rotating_log.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <mutex>

#include <fmt/format.h>

#include "base/json.h"

namespace drover {
namespace {

std::string rotated_name(const std::string& name) {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::system_clock::to_time_t(now);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{}-{:04}-{:02}-{:02}T{:02}-{:02}-{:02}.{:03}.log", name, utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, millis);
}

class DirectoryLog final : public RotatingLog {
 public:
  DirectoryLog(const Options& options, std::string fixed)
      : directory_(options.directory), name_(options.name), level_(options.level), fixed_(std::move(fixed)) {}
  ~DirectoryLog() override {
    if (file_ != nullptr && file_ != stdout) std::fclose(file_);
  }

  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
    if (level < level_) return;
    std::vector<LogField> cut(fields);
    for (auto& field : cut) {
      auto* text = std::get_if<std::string>(&field.value);
      const auto most = field.key == "body" ? kMaxLogBodyBytes : kMaxLogFieldBytes;
      if (text != nullptr && text->size() > most) text->resize(most);
    }
    const auto line = log_line(level, message, fixed_, cut);
    std::lock_guard lock(mutex_);
    std::fwrite(line.data(), 1, line.size(), file_);
    std::fflush(file_);
  }

  Status rotate() override {
    if (directory_.empty()) {
      file_ = stdout;
      return {};
    }
    std::error_code failed;
    std::filesystem::create_directories(directory_, failed);
    const auto path = directory_ / (name_ + ".log");
    std::lock_guard lock(mutex_);
    if (std::filesystem::exists(path, failed)) std::filesystem::rename(path, directory_ / rotated_name(name_), failed);
    std::FILE* file = std::fopen(path.c_str(), "ae");
    if (file == nullptr) {
      return fail(ErrorCode::kUnsupported, fmt::format("opening the log file {}: {}; --logPath must name a directory you can "
                                                       "write", path.string(), std::strerror(errno)));
    }
    if (file_ != nullptr) std::fclose(file_);
    file_ = file;
    return {};
  }

 private:
  const std::filesystem::path directory_;
  const std::string name_;
  const LogLevel level_;
  const std::string fixed_;
  std::mutex mutex_;
  std::FILE* file_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<RotatingLog>> RotatingLog::open(const Options& options) {
  std::string fixed;
  for (const auto& [key, value] : options.fixed) fixed += fmt::format(",{}:{}", json_quote(key), json_quote(value));
  auto log = std::make_unique<DirectoryLog>(options, std::move(fixed));
  TRY(log->rotate());
  return log;
}

}  // namespace drover
