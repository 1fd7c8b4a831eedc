#include "control/import_attention.h"

#include <fmt/format.h>

#include "control/identity.h"

namespace drover::control {
namespace {

std::string iso_of(std::int64_t millis) { return iso_time(std::chrono::system_clock::time_point(std::chrono::milliseconds(millis))); }

std::string lasting(std::int64_t millis) {
  const auto seconds = millis / 1000;
  if (seconds < 120) return fmt::format("{} seconds", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} minutes", seconds / 60);
  return fmt::format("{} hours", seconds / 3600);
}

// The host's site calls every few seconds, and sends metadata once a minute.
std::string of_the_site(const std::optional<Link>& link) {
  if (!link) return "";
  if (link->state != Link::State::kNotSynced)
    return fmt::format(" Its manager site{} told of itself last at {}; if that site cannot reach this one now (`drover link status` there), the host may be well, and it is the way between the sites that is to be mended.",
                       link->peer_org_name.empty() ? "" : fmt::format(" (organization {})", link->peer_org_name), link->last_sync.empty() ? "its claim" : link->last_sync);
  return fmt::format(" Its manager site{} has not been heard of since {} either: see that it runs, and reaches this one. If it was disconnected from "
                     "this one by force, or this one has another address now, connect it again by a new link-token: the migration goes on by that.",
                     link->peer_org_name.empty() ? "" : fmt::format(" (organization {})", link->peer_org_name), link->last_sync.empty() ? "it was linked" : link->last_sync);
}

// Its engine may run, and what it does is not known.
std::string of_what_holds_it(const LiveImport& import) {
  if (import.held_because.empty()) return "";
  return fmt::format(" Its manager site cannot go on with it, and has ended nothing: {}. Put that right there, under the same names (`drover host provision {}`, `drover deployment add`), and it goes on "
                     "by itself; or cancel it, and end its engine on the host.", import.held_because, import.request.host);
}

std::string of_its_engine(const LiveImport& import, std::int64_t now_millis) {
  const auto& host = import.request.host;
  const bool cutover = import.state == ImportState::kCutover;
  auto text = import.engine_silent_since != 0
                  ? fmt::format("Its engine on the migration host {} has not answered since {} ({}), and its lag is not known. After five minutes the agent ends it and starts it again, and it goes on "
                                "where it was: nothing is lost. If it comes to that again, look whether the host has memory and processors enough, and at the engine's log "
                                "(`drover migration log`).", host, iso_of(import.engine_silent_since), lasting(now_millis - import.engine_silent_since))
                  : fmt::format("Somebody has paused its engine on the migration host {}: nothing is copied or applied until it is resumed there (POST /api/v1/resume to the engine's own port). "
                                "If the source's oplog loses meanwhile what comes next, the migration cannot be gone on with.", host);
  if (cutover) text += " The cutover waits for it: keep the applications' writes stopped, on both sides.";
  return text;
}

std::string way_back(const std::string& host) {
  return fmt::format(" To bring it back: on {0} start `drover agent` again, with the configuration and directory that it had. If `drover host agents` at the manager site does "
                     "not show it, its key was deleted: `drover host provision {0}` makes a new configuration for it.", host);
}

}  // namespace

std::optional<std::int64_t> stop_given_up_at(const LiveImport& import) {
  if (import.state != ImportState::kStopping) return std::nullopt;
  return import.stop_asked + std::chrono::duration_cast<std::chrono::milliseconds>(kReportPatience).count();
}

std::string attention_of(const LiveImport& import, const std::optional<Link>& link, std::int64_t now_millis) {
  if (const auto until = left_until(import)) {
    return fmt::format("Its migration host {0} has not confirmed that it stopped. The destination may still hold a write block, and the state of its engine: the host removes them when "
                       "it comes back until {1}, or remove them yourself, from any host: `drover migrate --cleanup --job {2} --source SOURCE --destination DESTINATION`.{3}",
                       import.request.host, iso_of(*until), import.id, way_back(import.request.host) + of_what_holds_it(import));
  }
  if (import.kind != ImportKind::kMigration || !needs_host(import)) return "";
  const auto& host = import.request.host;
  const bool silent = import.host_silent_since != 0;
  const auto given_up = stop_given_up_at(import);
  const bool cutover_given_up = import.state == ImportState::kWorking && !import.cutover_given_up.empty();
  const bool engine_waits = import.engine_silent_since != 0 || import.engine_paused;
  if (!silent && !given_up && !cutover_given_up && !engine_waits && import.held_because.empty()) return "";
  std::string text;
  if (cutover_given_up) {
    text = fmt::format("The cutover was given up, and is not tried again by itself: {}. The destination has not taken the place of the source, and the migration goes on following the "
                       "source: nothing is lost. Put right what is named (a writer on the source must be stopped), and see that no application writes there any more; then ask for the "
                       "cutover again.{}", import.cutover_given_up, silent || engine_waits ? " " : "");
  }
  if (given_up) text = fmt::format("{} It waits for the migration host {} to stop it. ", import.error, host);
  if (silent) {
    text += fmt::format("The migration host {} has been silent since {} ({}).", host, iso_of(import.host_silent_since), lasting(now_millis - import.host_silent_since));
    text += of_the_site(link) + way_back(host);
    if (import.state == ImportState::kWorking) text += " Nothing is lost meanwhile: an engine that still runs goes on, another one resumes where the last one was.";
    if (import.state == ImportState::kCutover)
      text += " The cutover waits for it, and whether it is decided is known only then: keep the applications' writes stopped, on both sides. "
              "If the host is lost for good, an owner gives it up after an hour of silence (POST …/cancel?force=true).";
    if (given_up) text += " Once it is back it stops, and leaves the source as it found it.";
  }
  if (engine_waits) text += of_its_engine(import, now_millis);
  if (given_up)
    text += fmt::format("{}Without a word of it the migration ends at {} all the same; what its engine left on the destination, a write block among it, "
                        "the host removes when it comes back within a day, or `drover migrate --cleanup`.", silent ? " " : "", iso_of(*given_up));
  text += of_what_holds_it(import);
  return text.starts_with(' ') ? text.substr(1) : text;
}

}  // namespace drover::control
