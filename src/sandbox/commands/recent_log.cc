#include "sandbox/commands/recent_log.h"

#include "bson/builder.h"
#include "bson/ejson.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

const char* severity(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "D1";
    case LogLevel::kInfo: return "I";
    case LogLevel::kWarn: return "W";
    case LogLevel::kError: return "E";
    case LogLevel::kFatal: return "F";
  }
  return "I";
}

std::string line(std::int64_t millis, LogLevel level, std::string_view message, std::span<const LogField> fields) {
  bson::Builder out;
  out.append("t", bson::DateTime{millis}).append("s", severity(level)).append("c", "-").append("id", 0).append("ctx", "-").append("msg", message);
  if (!fields.empty()) {
    auto attributes = out.open_document("attr");
    for (const auto& field : fields) std::visit([&](const auto& value) { attributes.append(field.key, value); }, field.value);
  }
  return bson::to_relaxed_ejson(std::move(out).finish());
}

}  // namespace

void RecentLog::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  log_.write(level, message, fields);
  if (level < LogLevel::kInfo) return;
  const auto millis = wall_millis(runtime_);
  auto text = line(millis, level, message, std::span(fields.begin(), fields.size()));
  if (text.size() > kMaxLineBytes) text = line(millis, level, message.substr(0, kMaxLineBytes / 2), {});
  std::lock_guard lock(mutex_);
  if (starting_ && level >= LogLevel::kWarn && warnings_.size() < kMaxLines) warnings_.push_back(text);
  lines_.push_back(std::move(text));
  ++written_;
  if (lines_.size() > kMaxLines) lines_.pop_front();
}

RecentLog::Lines RecentLog::global() const {
  std::lock_guard lock(mutex_);
  return {written_, {lines_.begin(), lines_.end()}};
}

RecentLog::Lines RecentLog::startup_warnings() const {
  std::lock_guard lock(mutex_);
  return {static_cast<std::int64_t>(warnings_.size()), warnings_};
}

void RecentLog::started() {
  std::lock_guard lock(mutex_);
  starting_ = false;
}

}  // namespace drover::sandbox
