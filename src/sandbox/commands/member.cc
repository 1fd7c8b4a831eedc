#include "sandbox/commands/member.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

#include "base/log.h"
#include "sandbox/commands/command.h"
#include "sandbox/commands/local_records.h"
#include "sandbox/commands/sessions.h"
#include "sandbox/commands/support.h"

namespace drover::sandbox {

namespace {

constexpr int kNotWritablePrimary = 10107;
constexpr int kNotPrimaryNoSecondaryOk = 13435;

bool contains(std::initializer_list<std::string_view> names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

// Besides those that are flagged as writes.
bool is_for_primaries(const Command& command) {
  return (command.flags & kWrite) != 0 || contains({"appendOplogNote", "setUserWriteBlockMode", "createSearchIndexes", "updateSearchIndex", "dropSearchIndex"}, command.name);
}

bool reads_data(const Command& command) {
  return contains({"find", "aggregate", "count", "distinct", "explain", "listCollections", "listIndexes", "listDatabases", "listSearchIndexes", "collStats", "dbStats",
                   "dataSize", "validate", "usersInfo", "rolesInfo"}, command.name);
}

bool writes_output(const CommandContext& context) {
  if (context.command->name != "aggregate") return false;
  for (const auto& stage : context.body["pipeline"].to_array().value_or(bson::View())) {
    const auto name = stage.to_document().value_or(bson::View()).first();
    if (name && (name.key() == "$out" || name.key() == "$merge")) return true;
  }
  return false;
}

bool may_read_secondaries(bson::View body) {
  const auto preference = body["$readPreference"].to_document();
  return preference && (*preference)["mode"].to_string_view().value_or("primary") != "primary";
}

std::string shown_now(Runtime& runtime) {
  const auto millis = wall_millis(runtime);
  const std::time_t seconds = millis / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}+0000", text, millis % 1000);
}

}  // namespace

Engine::AtOnce Member::with_version() {
  return [this](const Engine::Change& change) {
    std::lock_guard lock(mutex_);
    change();
    ++topology_;
    changed_.notify_all();
  };
}

void Member::step_down(Services& services, Duration period) {
  {
    std::lock_guard lock(changing_);
    not_before_ = services.runtime.now() + period;
    services.engine.step_down(with_version());
  }
  services.sessions.kill_all();
}

void Member::freeze(Services& services, Duration period) {
  const auto now = services.runtime.now();
  std::lock_guard lock(changing_);
  not_before_ = period == Duration::zero() ? now : std::max(not_before_, now + period);
}

Result<bool> Member::stand(Services& services) {
  // Whoever asks for an election that is under way finds all of it done.
  std::lock_guard lock(changing_);
  auto& engine = services.engine;
  if (!engine.is_primary()) {
    if (services.runtime.now() < not_before_ || engine.write_locks() > 0) return false;
    TRY(engine.be_elected(with_version()));
  }
  if (recorded_term_ == engine.term()) return true;
  const auto recorded = record_configuration(services);
  if (!recorded) services.log.warn("the set's configuration could not be recorded", {{"reason", recorded.error().message}});
  if (!recorded || *recorded) recorded_term_ = engine.term();
  return true;
}

std::int64_t Member::topology() const {
  std::lock_guard lock(mutex_);
  return topology_;
}

int Member::waiting() const {
  std::lock_guard lock(mutex_);
  return waiting_;
}

bool Member::await_change(std::int64_t known, Duration timeout, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  const bool changed = changed_.wait_for(lock, stop, timeout, [&] { return topology_ != known; });
  --waiting_;
  return changed;
}

Status check_member(const CommandContext& context) {
  if (context.internal || context.engine().is_primary()) return {};
  const bool five = context.settings().at_least(5, 0);
  const bool in_transaction = context.body["autocommit"].exists();
  if (is_for_primaries(*context.command) || in_transaction || writes_output(context)) {
    return server_error(kNotWritablePrimary, five ? "not primary" : "not master");
  }
  if (!reads_data(*context.command) || may_read_secondaries(context.body)) return {};
  return server_error(kNotPrimaryNoSecondaryOk, five ? "not primary and secondaryOk=false" : "not master and slaveOk=false");
}

tl::unexpected<Error> refuse_step_down(CommandContext& context, Duration wait) {
  (void)context.services.runtime.sleep(std::min(wait, context.patience()), context.stop);
  if (auto goes_on = check_interrupt(context); !goes_on) return tl::unexpected(std::move(goes_on).error());
  return server_error(262, fmt::format("No electable secondaries caught up as of {}. Please use the replSetStepDown command with the argument {{force: true}} to force "
                                       "node to step down.", shown_now(context.services.runtime)));
}

bool is_not_primary_code(int code) {
  static constexpr int kCodes[] = {189, 10058, kNotWritablePrimary, 11602, kNotPrimaryNoSecondaryOk, 13436};
  return std::ranges::find(kCodes, code) != std::end(kCodes);
}

}  // namespace drover::sandbox
