// Validations and live migrations.
#include <chrono>
#include <optional>

#include <fmt/format.h>

#include "remote/actions.h"
#include "remote/json_path.h"
#include "remote/migration_line.h"
#include "remote/waiting.h"
#include "terminal/format.h"
#include "terminal/table.h"

namespace drover::remote {
namespace {

constexpr std::chrono::seconds kLineEvery{10};  // where standard output is no terminal and nothing changes
constexpr const char* kEraseLine = "\r\x1b[2K";

Result<Json> live_import(Session& session, const std::string& path) {
  auto call = session.call_to("POST", Api::kAtlas, TRY(session.path_of(path)));
  call.body = with(TRY(session.body()), "destination.groupId", TRY(session.project()));
  return session.call(call);
}

// Each check on a line, what went wrong below.
std::string checks_text(const Json& validation) {
  terminal::Table table{{"CHECK", "RESULT", "WHAT"}, {}};
  const auto* checks = validation.find("checks");
  if (checks != nullptr && checks->as_array() != nullptr) {
    for (const auto& check : *checks->as_array()) {
      auto what = text_at(check, "title");
      if (const auto detail = text_at(check, "detail"); !detail.empty()) what += (what.empty() ? "" : ": ") + detail;
      table.rows.push_back({text_at(check, "id"), text_at(check, "status"), what});
    }
  }
  auto text = terminal::render_fields({{"_id", text_at(validation, "_id")}, {"status", text_at(validation, "status")}, {"errorMessage", text_at(validation, "errorMessage")}});
  return table.rows.empty() ? text : text + "\n" + terminal::render_table(table);
}

// Shows the migration while it goes on: on a terminal one line that changes, elsewhere lines when something does.
class Progress {
 public:
  explicit Progress(const Surroundings& around) : around_(around) {}
  ~Progress() { finish(); }

  void show(const Json& migration) {
    const auto stage = migration_stage(migration);
    // What somebody must know or do, once, whenever it becomes so.
    const auto attention = text_at(migration, "attention");
    const auto about = attention.empty() ? std::string() : text_at(migration, "state") + text_at(migration, "hostSilentSince") + text_at(migration, "engineSilentSince") + text_at(migration, "enginePaused") + text_at(migration, "cutoverGivenUp");
    if (about != told_ && !about.empty() && !around_.json) {
      finish();
      around_.note(attention);
    }
    told_ = about;
    if (around_.json) {
      if (auto line = migration.dump(); line != last_) around_.out((last_ = std::move(line)) + "\n");
      return;
    }
    const auto line = migration_line(migration);
    if (around_.terminal) {
      around_.out(kEraseLine + (terminal::columns(line) < around_.width ? line : terminal::fit(line, around_.width - 1)));
      drawn_ = true;
      return;
    }
    const auto now = around_.runtime.now();
    if (stage == stage_ && (line == last_ || now - shown_ < kLineEvery)) return;
    around_.out(line + "\n");
    stage_ = stage;
    last_ = line;
    shown_ = now;
  }
  void finish() {
    if (drawn_) around_.out("\n");
    drawn_ = false;
  }

 private:
  const Surroundings& around_;
  std::string stage_, told_, last_;
  SteadyTime shown_{};
  bool drawn_ = false;
};

// `given_up`: why the cutover was, as far as the caller knows; nothing: what the first look shows is no news. What becomes so meanwhile is the end.
Result<Json> follow(Session& session, const std::string& path, bool until_ready, bool told, std::optional<std::string> given_up = {}) {
  Progress progress(session.around());
  const auto within = std::chrono::seconds(session.number("--within"));
  return wait_for(session, within, until_ready ? "the migration being ready for its cutover" : "the migration's end", [&]() -> Result<std::optional<Json>> {
    auto seen = TRY(session.call(session.call_to("GET", Api::kExt, path)));
    auto because = text_at(seen, "cutoverGivenUp");
    const bool news = given_up && !because.empty() && because != *given_up;
    given_up = std::move(because);
    if (told && (!news || session.around().json)) progress.show(seen);
    if (news) {
      progress.finish();
      return fail(ErrorCode::kWrongState, text_at(seen, "attention"));
    }
    if (has_ended(seen) || (until_ready && is_ready(seen))) return std::optional(std::move(seen));
    return std::optional<Json>();
  });
}

Result<std::string> migration_path(Session& session) { return session.path_of("/groups/{groupId}/liveMigrations/{liveMigrationId}"); }

int exit_of_validation(const Json& validation) {
  return text_at(validation, "status") == "FAILED" ? exit_code(ErrorCode::kUnsupported) : 0;
}

}  // namespace

Result<Outcome> start_migration(Session& session) {
  Outcome outcome;
  outcome.value = TRY(live_import(session, "/groups/{groupId}/liveMigrations"));
  outcome.remark = fmt::format("`drover migration watch {}` follows it.", text_at(outcome.value, "_id"));
  return outcome;
}

Result<Outcome> validate_migration(Session& session) {
  Outcome outcome;
  outcome.value = TRY(live_import(session, "/groups/{groupId}/liveMigrations/validate"));
  if (session.flag("--no-wait")) return outcome;
  const auto path = TRY(session.path_of("/groups/{groupId}/liveMigrations/validate/")) + url_encoded(text_at(outcome.value, "_id"));
  outcome.value = TRY(wait_for(session, std::chrono::seconds(session.number("--within")), fmt::format("the validation {}", text_at(outcome.value, "_id")),
                               [&]() -> Result<std::optional<Json>> {
                                 auto seen = TRY(session.call(session.call_to("GET", Api::kExt, path)));
                                 if (text_at(seen, "status") == "PENDING") return std::optional<Json>();
                                 return std::optional(std::move(seen));
                               }));
  outcome.text = checks_text(outcome.value);
  outcome.exit = exit_of_validation(outcome.value);
  return outcome;
}

Result<Outcome> show_validation(Session& session) {
  Outcome outcome;
  outcome.value = TRY(session.call(TRY(session.request())));
  outcome.text = checks_text(outcome.value);
  outcome.exit = exit_of_validation(outcome.value);
  return outcome;
}

Result<Outcome> show_log(Session& session) {
  Outcome outcome;
  outcome.value = TRY(session.call(TRY(session.request())));
  if (const auto* lines = outcome.value.find("lines"); lines != nullptr && lines->as_array() != nullptr) {
    for (const auto& line : *lines->as_array()) outcome.text += terminal::printable(text_at(line, "")) + "\n";
  }
  if (outcome.text.empty()) {
    outcome.remark = "The migration host has sent no lines of the engine's log.";
    outcome.printed = !session.around().json;
  }
  return outcome;
}

Result<Outcome> watch_migration(Session& session) {
  Outcome outcome;
  // Names are looked up at the site, which may be away when the watch begins, too.
  const auto path = TRY(wait_for(session, std::chrono::seconds(session.number("--within")), "the migration", [&]() -> Result<std::optional<Json>> {
    return std::optional(Json(TRY(migration_path(session))));
  }));
  outcome.value = TRY(follow(session, *path.as_string(), session.text("--until") == "ready", true));
  outcome.printed = true;
  const bool ended = has_ended(outcome.value);
  outcome.exit = ended ? exit_of(outcome.value) : 0;
  outcome.remark = ended ? what_is_next(outcome.value) : fmt::format("Stop the applications' writes, then: drover migration cutover {}", text_at(outcome.value, "_id"));
  return outcome;
}

// It takes effect when the host has stopped it.
Result<Outcome> cancel_migration(Session& session) {
  Outcome outcome;
  outcome.value = TRY(session.call(TRY(session.request())));
  outcome.remark = text_at(outcome.value, "attention");
  if (!has_ended(outcome.value)) outcome.remark += fmt::format("\n`drover migration watch {}` tells when it has stopped.", text_at(outcome.value, "_id"));
  return outcome;
}

Result<Outcome> cut_over_migration(Session& session) {
  Outcome outcome;
  const auto path = TRY(migration_path(session));
  const auto answer = TRY(session.call(session.call_to("PUT", Api::kAtlas, path + "/cutover")));
  if (!session.flag("--wait")) {
    outcome.shape = answer.is_null() ? Shape::kNothing : Shape::kOne;
    outcome.value = answer;
    outcome.remark = fmt::format("The cutover has been asked for; `drover migration watch {}` tells when it is COMPLETE.", session.text("MIGRATION"));
    // One that is over is not cut over again; it has been asked for in any case.
    if (const auto seen = session.call(session.call_to("GET", Api::kExt, path)); seen && has_ended(*seen))
      outcome.remark = fmt::format("The migration is {} already; nothing is left to cut over.", text_at(*seen, "status"));
    return outcome;
  }
  outcome.value = TRY(follow(session, path, false, !session.around().json, ""));
  outcome.exit = exit_of(outcome.value);
  outcome.remark = what_is_next(outcome.value);
  outcome.printed = !session.around().json;
  return outcome;
}

}  // namespace drover::remote
