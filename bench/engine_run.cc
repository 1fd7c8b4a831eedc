#include "engine_run.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include <fmt/format.h>

namespace drover::bench {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(10);
constexpr auto kPatience = std::chrono::minutes(1);

std::int64_t integer(const Json& line, std::string_view key) {
  const auto* value = line.find(key);
  return value != nullptr && value->as_int() != nullptr ? *value->as_int() : 0;
}

}  // namespace

Result<EngineRun> EngineRun::start(const cli::DemoDirectory& directory, const std::string& source, const std::string& destination,
                                   const std::string& include) {
  TRY(directory.write("source.uri", source));  // clean_up reads them again
  TRY(directory.write("destination.uri", destination));
  const auto log = directory.file(include + ".log"), errors = directory.file(include + ".err");
  const cli::ChildOptions options{.arguments = {DROVER_PROGRAM, "migrate", "--source", "@" + directory.file("source.uri"), "--destination",
                                          "@" + directory.file("destination.uri"), "--include", include, "--commit", "never", "--no-verify", "--log", log},
                            .output = directory.file(include + ".out"),
                            .errors = errors};
  return EngineRun(TRY(cli::ChildProcess::start(options)), log, errors);
}

Result<double> EngineRun::await_copy() {
  while (phase_ != "change event application") TRY(look());
  if (!laid_out_ || !copied_) return fail(ErrorCode::kFailure, "the engine's log does not say when the copy began and ended");
  return std::chrono::duration<double>(*copied_ - *laid_out_).count();
}

void EngineRun::hold() { ::kill(process_.pid(), SIGSTOP); }
void EngineRun::go_on() { ::kill(process_.pid(), SIGCONT); }

Status EngineRun::await_events(std::int64_t count) {
  auto moved = Clock::now();
  while (events_ < count) {
    const auto before = events_;
    TRY(look());
    if (events_ != before) moved = Clock::now();
    if (Clock::now() - moved > kPatience) return fail(ErrorCode::kTimedOut, fmt::format("{} of {} events, and no more come", events_, count));
  }
  return {};
}

Status EngineRun::look() {
  std::this_thread::sleep_for(kLookEvery);
  if (!process_.running())
    return fail(ErrorCode::kFailure, fmt::format("the engine ended with {}: {}", process_.exit_code().value_or(-1),
                                                 cli::last_line(errors_).value_or("no word")));
  std::ifstream file(log_);
  file.seekg(read_);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  read_ += static_cast<std::streamoff>(text.size());
  partial_ += text;
  for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n')) {
    const auto line = Json::parse(partial_.substr(0, end));
    partial_.erase(0, end + 1);
    const auto* message = line ? line->find("message") : nullptr;
    if (message != nullptr && message->as_string() != nullptr) {
      if (*message->as_string() == "laid out the copy") laid_out_ = Clock::now();
      if (*message->as_string() == "all collections are copied") copied_ = Clock::now();
    }
    if (!line || line->find("phase") == nullptr || line->find("phase")->as_string() == nullptr) continue;
    phase_ = *line->find("phase")->as_string();
    events_ = integer(*line, "changeEventsApplied");
  }
  return {};
}

Status clean_up(const cli::DemoDirectory& directory) {
  const auto errors = directory.file("cleanup.err");
  const cli::ChildOptions options{.arguments = {DROVER_PROGRAM, "migrate", "--source", "@" + directory.file("source.uri"), "--destination",
                                                "@" + directory.file("destination.uri"), "--cleanup", "--yes"},
                                  .errors = errors};
  auto process = TRY(cli::ChildProcess::start(options));
  while (process.running()) std::this_thread::sleep_for(kLookEvery);
  const auto code = process.exit_code().value_or(-1);
  if (code == 0) return {};
  return fail(ErrorCode::kFailure, fmt::format("cleaning up ended with {}: {}", code, cli::last_line(errors).value_or("no word")));
}

}  // namespace drover::bench
