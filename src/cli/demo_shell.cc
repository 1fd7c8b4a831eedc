#include "cli/demo_shell.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include <unistd.h>

#include <fmt/format.h>

#include "terminal/format.h"

namespace drover::cli {
namespace {

constexpr auto kPollEvery = std::chrono::milliseconds(5);
constexpr auto kLookEvery = std::chrono::milliseconds(50);
constexpr auto kStepFarewell = std::chrono::seconds(2);
constexpr std::size_t kShownColumns = 110;
constexpr const char* kOutput = "step.out";
constexpr const char* kErrors = "step.err";
constexpr const char* kIndent = "    ";
// What is exported on the person's own terminal must not decide here.
constexpr const char* kForget =
    "unset DROVER_SITE DROVER_CREDENTIALS DROVER_ATLAS_CREDENTIALS DROVER_MANAGER_CREDENTIALS DROVER_PUBLIC_KEY "
    "DROVER_PRIVATE_KEY DROVER_CLIENT_ID DROVER_CLIENT_SECRET DROVER_ORG DROVER_PROJECT DROVER_CA_FILE; umask 077; ";

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string cut(const std::string& line) {
  std::string kept;
  std::size_t used = 0;
  for (const char c : line) {
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80 && ++used > kShownColumns) return kept + "...";
    kept += c;
  }
  return kept;
}

// Its exit code says whose turn it is; it stays what it was.
ErrorCode code_of(int exit) {
  for (const auto code : {ErrorCode::kUsage, ErrorCode::kUnsupported, ErrorCode::kWrongState, ErrorCode::kSource, ErrorCode::kDestination,
                          ErrorCode::kMismatch, ErrorCode::kTimedOut, ErrorCode::kTemporary})
    if (exit_code(code) == exit) return code;
  return ErrorCode::kFailure;
}

// Whole lines as a program writes them into a file.
class LineReader {
 public:
  explicit LineReader(std::string path) : path_(std::move(path)) {}
  void read(const std::function<void(const std::string&)>& take) {
    if (!file_.is_open()) file_.open(path_);
    if (!file_.is_open()) return;
    file_.clear();
    rest_ += std::string(std::istreambuf_iterator<char>(file_), {});
    for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
      take(rest_.substr(0, end));
      rest_.erase(0, end + 1);
    }
  }

 private:
  const std::string path_;
  std::ifstream file_;
  std::string rest_;
};

}  // namespace

DemoShell::DemoShell(const DemoDirectory& directory, DemoWatch& watch, Runtime& runtime, bool colour)
    : directory_(directory), watch_(watch), runtime_(runtime), colour_(colour) {}

std::string DemoShell::paint(const char* code, const std::string& text) const {
  return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

Status DemoShell::sleep(Duration duration) {
  const auto until = runtime_.now() + duration;
  do {
    if (healthy_) TRY(healthy_());
    const auto rest = std::min<Duration>(until - runtime_.now(), kLookEvery);
    if (rest.count() > 0 && !runtime_.sleep(rest, watch_.stop())) return fail(ErrorCode::kInterrupted, "stopped");
  } while (runtime_.now() < until);
  return {};
}

void DemoShell::heading(int stage, const std::string& text) {
  stage_ = stage;
  fmt::print(stderr, "\n{}\n{}\n", paint("1;36", text), paint("36", std::string(terminal::columns(text), '=')));
}

void DemoShell::say(const std::string& text) { fmt::print(stderr, "{}\n", text); }

void DemoShell::prompt(const Terminal& terminal, const std::string& command) const {
  fmt::print(stderr, "\n{} {}\n", paint("32", terminal.name + "$"), paint("1", command));
}

void DemoShell::show(const Terminal& terminal, const std::string& command) {
  prompt(terminal, command);
  steps_.push_back({stage_, terminal.name, command, 0, 0});
}

ChildOptions DemoShell::options_of(const Terminal& terminal, const std::string& command) const {
  ChildOptions options{.arguments = {"/bin/sh", "-c", kForget}, .directory = directory_.path()};
  auto& script = options.arguments.back();
  for (const auto& [name, value] : terminal.exported) script += fmt::format("export {}='{}'; ", name, value);
  // Replaced by the program, so that it is the program that is waited for and ended.
  script += "exec " + command;
  const char* path = std::getenv("PATH");
  options.environment = {{"PATH", directory_.file("bin") + (path != nullptr ? std::string(":") + path : "")}};
  return options;
}

Result<std::string> DemoShell::run(const Terminal& terminal, const std::string& command, const Run& run) {
  if (!run.quiet) prompt(terminal, command);
  auto options = options_of(terminal, command);
  options.output = directory_.file(kOutput);
  options.errors = directory_.file(kErrors);
  ::unlink(options.errors.c_str());  // it is appended to
  const auto begun = runtime_.now();
  auto process = TRY_WITH(ChildProcess::start(options), "running " + command);
  LineReader lines(options.output);
  const auto fail_after = [&](Error error) {
    process.stop(kStepFarewell);
    return tl::unexpected(std::move(error).with_context(command));
  };
  while (process.running()) {
    if (run.on_line) lines.read(run.on_line);
    if (runtime_.now() - begun > run.limit)
      return fail_after({ErrorCode::kTimedOut, fmt::format("it did not end within {} s", run.limit.count()), 0, {}});
    if (auto ok = sleep(kPollEvery); !ok) return fail_after(ok.error());
  }
  if (run.on_line) lines.read(run.on_line);
  const auto code = process.exit_code().value_or(1);
  const auto output = text_of(options.output), remarks = text_of(options.errors);
  if (!run.quiet) {
    steps_.push_back({stage_, terminal.name, command, std::chrono::duration<double>(runtime_.now() - begun).count(), code});
    if (code != 0 || !run.on_line) show_output(output + remarks, run.shown_lines);
  }
  if (code == 0) return output;
  auto said = last_line(options.errors);
  return fail(code_of(code), fmt::format("`{}` ended with {}{}", command, code, said ? ": " + *said : ""));
}

void DemoShell::show_output(const std::string& text, std::size_t most) const {
  std::istringstream lines(text);
  std::string line;
  std::size_t shown = 0, left = 0;
  while (std::getline(lines, line)) {
    if (line.empty()) continue;
    if (shown == most) {
      ++left;
    } else {
      ++shown;
      fmt::print(stderr, "{}{}\n", kIndent, cut(line));
    }
  }
  if (left > 0) fmt::print(stderr, "{}{}\n", kIndent, paint("2", fmt::format("... {} more lines", left)));
}

Result<ChildProcess> DemoShell::start(const Terminal& terminal, const std::string& command) {
  prompt(terminal, command + " &");
  auto options = options_of(terminal, command);
  options.output = options.errors = "/dev/null";
  auto process = TRY_WITH(ChildProcess::start(options), "starting " + command);
  steps_.push_back({stage_, terminal.name, command + " &", 0, 0});
  return process;
}

}  // namespace drover::cli
