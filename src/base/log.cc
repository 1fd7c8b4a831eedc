#include "base/log.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <mutex>

#include <fmt/format.h>

#include "base/json.h"

namespace drover {
namespace {

const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarn: return "warn";
    case LogLevel::kError: return "error";
    case LogLevel::kFatal: return "fatal";
  }
  return "info";
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::system_clock::to_time_t(now);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count() % 1'000'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, micros);
}

class FileLog final : public Log {
 public:
  FileLog(std::FILE* file, bool owned, LogLevel level) : file_(file), owned_(owned), level_(level) {}
  ~FileLog() override {
    if (owned_) std::fclose(file_);
  }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
    if (level < level_) return;
    const std::string line = log_line(level, message, {}, std::span(fields.begin(), fields.size()));
    std::lock_guard lock(mutex_);
    std::fwrite(line.data(), 1, line.size(), file_);
    std::fflush(file_);
  }

 private:
  std::FILE* file_;
  const bool owned_;
  const LogLevel level_;
  std::mutex mutex_;
};

class NullLog final : public Log {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace

std::string log_line(LogLevel level, std::string_view message, std::string_view fixed,
                     std::span<const LogField> fields) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","message":{}{})", timestamp(), name_of(level),
                                 json_quote(message), fixed);
  for (const auto& field : fields) {
    line += ',';
    line += json_quote(field.key);
    line += ':';
    std::visit(
        [&](const auto& value) {
          using V = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<V, std::string>) line += json_quote(value);
          else line += fmt::format("{}", value);
        },
        field.value);
  }
  line += "}\n";
  return line;
}

Result<std::unique_ptr<Log>> open_log(const std::string& path, LogLevel level) {
  if (path == "-") return std::make_unique<FileLog>(stderr, false, level);
  std::FILE* file = std::fopen(path.c_str(), "ae");
  if (file == nullptr) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("opening the log file {}: {}; name a file in a directory you can write", path,
                            std::strerror(errno)));
  }
  return std::make_unique<FileLog>(file, true, level);
}

std::unique_ptr<Log> make_null_log() { return std::make_unique<NullLog>(); }

}  // namespace drover
