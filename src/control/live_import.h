// A validation or a migration of a source that a link tells of to a cluster here, as values. docs/design/control-plane.md has
// the state machine; the store's document is the only truth.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "bson/document.h"

namespace drover::control {

inline constexpr std::chrono::hours kCutoverWindow{120};         // from the first time that a migration is ready
inline constexpr std::chrono::hours kAfterGivenUp{24};           // at least, of that window, after a cutover that was given up
inline constexpr std::int64_t kReadyLagSeconds = 10;
inline constexpr std::chrono::minutes kReportPatience{10};       // a validation's silence, a stop's
inline constexpr std::chrono::seconds kHostSilentAfter{60};      // a host reports every 10 s at least
inline constexpr std::chrono::hours kCutoverForced{1};           // of a host's silence, after which a cutover can be given up by force
inline constexpr std::chrono::minutes kPreparePatience{2};       // for the destination to let a user be made
inline constexpr std::chrono::minutes kDropPatience{10};         // for the destination to let the user be dropped; then it ends without
inline constexpr std::chrono::minutes kUserGrace{2};             // after which a user that was dropped is looked for once more
inline constexpr std::chrono::hours kUserPatience{24};           // for a destination that does not let the user be dropped
inline constexpr std::chrono::hours kLeftPatience{24};           // for a host that did not confirm a stop to come back and remove what it left
inline constexpr std::size_t kMaxReportBytes = 256 << 10;
inline constexpr std::size_t kMaxOpenImportsOfLink = 100;        // active ones
inline constexpr std::int64_t kMaxUnforgottenOfLink = 1000;      // those that have ended, and that the manager site has not forgotten yet, among them
// Of a project, that are kept. With more the oldest that are over go: of validations any, of migrations those that no event tells of any more.
inline constexpr std::int64_t kMaxValidationsOfProject = 1000;
inline constexpr std::int64_t kMaxMigrationsOfProject = 5000;    // with as many that nothing can be deleted of, no new one is begun
inline constexpr std::chrono::hours kForgetPatience{24 * 7};     // for the manager site to forget one that has ended; then it is not asked any more

struct LiveImportRequest {
  std::string source_group, source_cluster, username, password, ca_path;
  bool managed = false, ssl = false;
  std::string destination_group, destination_cluster, schema = "PUBLIC", private_link;
  std::string private_uri;  // how the destination is reached unless it is PUBLIC; without credentials
  std::string host;
  bool drop = false;
  Json sharding;  // null: none
};

// Who asked for something, for the events that tell it; empty: nobody did, this site acts by itself.
struct Asker {
  std::string public_key, key_id, address;
};

enum class ImportKind { kValidation, kMigration };
enum class ImportState { kNew, kWorking, kCutover, kStopping, kCleaning, kComplete, kFailed, kExpired };
const char* name_of(ImportState state);    // "NEW", as in the store
bool is_terminal(ImportState state);

struct LiveImport {
  std::string id, org, group, link;
  ImportKind kind = ImportKind::kMigration;
  ImportState state = ImportState::kNew;
  std::int64_t revision = 0, sequence = 0;
  std::string created, path;
  LiveImportRequest request;     // without its password
  std::string cluster_id;             // of the destination; empty: of an older version
  std::int64_t cluster_revision = 0;  // of it, as the rules have judged it; of a migration it is counted on, one more
  std::string deployment;        // Cluster::deployment of the destination; empty: of an older store
  std::string source_deployment;  // likewise of the source; empty: not told, or of an older store
  std::string destination_user;  // empty: the destination asks for none
  Json checks;                   // an array
  std::string error;             // errorMessage; empty: none
  std::string outcome;           // COMPLETE FAILED EXPIRED CANCELLED, once it is on its way there
  Json report;                   // the last one; null before
  std::int64_t cutovers = 0;     // how often its cutover was asked for
  std::string cutover_given_up;  // why the last one was, on the migration host; empty: it was not. Then it is WORKING again
  std::string held_because;      // why its manager site cannot go on with it; empty: it can, or has not said so. Nothing has ended by that
  bool left_behind = false;      // its host did not confirm that it stopped: the destination may be blocked, and hold the engine's state
  bool forgotten = false;        // by the manager site, when it was asked to
  bool untold = false;           // there are events that are not told yet
  bool user_may_exist = false;   // the temporary user; true before it is made, false when it is gone for good
  std::int64_t created_millis = 0, heard_millis = 0, timer_end = 0, stop_asked = 0, reminded_hours = 0;  // 0: not
  std::int64_t cleaning_since = 0, user_dropped = 0, ended_millis = 0;                                   // 0: not
  // Since when a migration that needs its host has heard nothing of it, once that is too long; 0: it has. What the last report says is not
  // known to be so any more: it is not ready, and has no lag.
  std::int64_t host_silent_since = 0;
  // By the last report of a host that is not silent: since when the engine there runs and does not answer (0: it does), or that somebody has paused it. It has no lag, likewise.
  std::int64_t engine_silent_since = 0;
  bool engine_paused = false;

  // As the public API has them.
  const char* public_status() const;
  bool ready() const;  // for its cutover, by the last report
  std::optional<std::int64_t> lag_seconds() const;
};

LiveImport live_import_of(bson::View document);
const char* desired_of(const LiveImport& import);  // "RUN", as in protocol 1; empty: nothing yet
// What a WORKING migration that is not ready waits for, by its last report.
std::string why_not_ready(const LiveImport& import);
// Until when a host that comes back removes what it left on the destination; nothing: it has left nothing, or has removed it.
std::optional<std::int64_t> left_until(const LiveImport& import);
// Whether there is a host that is to do something for it now.
bool needs_host(const LiveImport& import);
Json json_of(const LiveImportRequest& request);  // without the password
LiveImportRequest request_of(const Json& json);

Json check_json(std::string_view id, std::string_view status, std::string_view title, std::string_view detail);
// "title: detail. title: detail." of those that failed, with causes and remedies, in at most kMaxErrorBytes; empty: none did.
inline constexpr std::size_t kMaxErrorBytes = 8 << 10;
std::string failures_of(const Json& checks);

}  // namespace drover::control
