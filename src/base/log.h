// JSON lines: one object per line with fixed keys first — time, level, message — then the caller's fields. Used by every
// process; spelled as mongosync's log (spec/engine.md 1.4). Thread-safe. Never pass documents or credentials.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"

namespace drover {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kFatal };

struct LogField {
  std::string_view key;
  std::variant<std::int64_t, double, bool, std::string> value;

  LogField(std::string_view k, std::int64_t v) : key(k), value(v) {}
  LogField(std::string_view k, int v) : key(k), value(static_cast<std::int64_t>(v)) {}
  LogField(std::string_view k, std::uint64_t v) : key(k), value(static_cast<std::int64_t>(v)) {}
  LogField(std::string_view k, double v) : key(k), value(v) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
  LogField(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string(v)) {}
};

class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) = 0;

  void debug(std::string_view m, std::initializer_list<LogField> f = {}) { write(LogLevel::kDebug, m, f); }
  void info(std::string_view m, std::initializer_list<LogField> f = {}) { write(LogLevel::kInfo, m, f); }
  void warn(std::string_view m, std::initializer_list<LogField> f = {}) { write(LogLevel::kWarn, m, f); }
  void error(std::string_view m, std::initializer_list<LogField> f = {}) { write(LogLevel::kError, m, f); }
  void fatal(std::string_view m, std::initializer_list<LogField> f = {}) { write(LogLevel::kFatal, m, f); }
};

// One line with its newline. `fixed` stands behind the message: whole JSON fields with a comma in front, or nothing.
std::string log_line(LogLevel level, std::string_view message, std::string_view fixed,
                     std::span<const LogField> fields);

// Appends to a file, or to standard error when the path is "-". Lines below `level` are dropped.
Result<std::unique_ptr<Log>> open_log(const std::string& path, LogLevel level);
std::unique_ptr<Log> make_null_log();

}  // namespace drover
