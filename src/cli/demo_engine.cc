#include "cli/demo_engine.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <sstream>

#include <fmt/format.h>

namespace drover::cli {
namespace {

constexpr const char* kCopy = "collection copy";
constexpr const char* kApply = "change event application";
constexpr const char* kCutover = "cutover";
constexpr int kKilled = 128 + 9;
constexpr auto kFollowFor = std::chrono::seconds(3);       // under live writes, before the cutover is asked for
constexpr auto kLongestDelay = std::chrono::milliseconds(700);
constexpr auto kWaitForBatches = std::chrono::seconds(20);  // a nearly idle workload may have none
constexpr std::array kCutoverPoints = {"cutover.after_intent", "cutover.after_block", "cutover.after_fence",
                                       "cutover.before_decision", "cutover.after_decision", "cutover.after_unblock"};

double number(const Json& line, std::string_view key) {
  const auto* value = line.find(key);
  if (value == nullptr) return 0;
  if (const auto* integer = value->as_int()) return static_cast<double>(*integer);
  return value->as_double() ? *value->as_double() : 0;
}

}  // namespace

Result<DemoEngine> DemoEngine::start(const DemoDirectory& directory, const DemoEngineOptions& options, Runtime& runtime) {
  DemoEngine engine(directory, options, runtime);
  engine.started_ = runtime.now();
  TRY(engine.launch());
  return engine;
}

Status DemoEngine::launch() {
  ChildOptions child{.arguments = {own_program(), "migrate", "--source", "@" + options_.source_file, "--destination",
                                   "@" + options_.destination_file, "--json", "--log", directory_->file("migrate.log"), "--commit",
                                   "manual"},
                     .pipe_input = true,
                     .output = directory_->file("migrate.out")};
  if (!options_.bars) child.environment.emplace_back("TERM", "dumb");
  child.arguments.insert(child.arguments.end(), options_.more_arguments.begin(), options_.more_arguments.end());
  armed_ = options_.kill && killed_in(kApply) && !killed_in(kCutover);
  if (armed_) child.environment.emplace_back("DROVER_FAIL_POINT", kCutoverPoints[runtime_->random() % kCutoverPoints.size()]);
  process_.emplace(TRY_WITH(ChildProcess::start(child), "starting the engine"));
  committed_said_ = can_commit_ = false;
  ready_since_.reset();
  kill_at_.reset();
  batches_ = 0;
  return {};
}

Result<bool> DemoEngine::step() {
  read_log();
  if (const auto code = process_->exit_code()) {
    if (*code == 0) return true;
    if (*code == kKilled && armed_) {
      kills_.push_back({kCutover, elapsed_ms(), batches_});
      TRY(launch());
      return false;
    }
    return fail(ErrorCode::kFailure, fmt::format("the engine ended with {}; its log is {}", *code, directory_->file("migrate.log")));
  }
  TRY(maybe_kill());
  if (can_commit_ && !committed_said_ && !kills_pending_before_commit() && runtime_->now() - *ready_since_ > kFollowFor) {
    committed_said_ = true;
    process_->write_line("commit");
  }
  return false;
}

// Once in each phase before the cutover: at a random moment, while batches are on their way.
Status DemoEngine::maybe_kill() {
  if (!options_.kill || (phase_ != kCopy && phase_ != kApply) || killed_in(phase_)) return {};
  if (!kill_at_) {
    kill_at_ = runtime_->now() + Duration(runtime_->random() % Duration(kLongestDelay).count());
    return {};
  }
  const auto late = runtime_->now() - *kill_at_;
  if (late.count() < 0 || (batches_ == 0 && late < kWaitForBatches)) return {};
  process_->kill_now();
  kills_.push_back({phase_, elapsed_ms(), batches_});
  return launch();
}

void DemoEngine::read_log() {
  if (!log_.is_open()) log_.open(directory_->file("migrate.log"));
  if (!log_.is_open()) return;
  log_.clear();
  std::string text(std::istreambuf_iterator<char>(log_), {});
  partial_ += text;
  for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n')) {
    take_line(partial_.substr(0, end));
    partial_.erase(0, end + 1);
  }
}

void DemoEngine::take_line(const std::string& line) {
  const auto json = Json::parse(line);
  if (!json) return;  // cut short by a kill
  const auto* message = json->find("message");
  if (message == nullptr || message->as_string() == nullptr || *message->as_string() != "progress") return;
  if (const auto* phase = json->find("phase"); phase != nullptr && phase->as_string() != nullptr) {
    if (phase_ != *phase->as_string()) kill_at_.reset();
    phase_ = *phase->as_string();
  }
  batches_ = static_cast<std::int64_t>(number(*json, "batchesInFlight"));
  max_lag_ = std::max(max_lag_, number(*json, "lagSeconds"));
  const auto* ready = json->find("canCommit");
  can_commit_ = ready != nullptr && ready->as_bool() != nullptr && *ready->as_bool();
  if (can_commit_ && !ready_since_) ready_since_ = runtime_->now();
  progress_ = *json;
}

bool DemoEngine::killed_in(std::string_view phase) const {
  return std::any_of(kills_.begin(), kills_.end(), [&](const auto& kill) { return kill.phase == phase; });
}

bool DemoEngine::kills_pending_before_commit() const { return options_.kill && !killed_in(kApply); }

std::int64_t DemoEngine::elapsed_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(runtime_->now() - started_).count();
}

Result<Json> DemoEngine::result() const {
  return TRY_WITH(Json::parse(TRY(last_line(directory_->file("migrate.out")))), "the engine's last line");
}

}  // namespace drover::cli
