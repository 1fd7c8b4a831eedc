// Removing a migration's state from the destination (`drover migrate --cleanup`), and lifting what it blocked there. Migrated data stays.
//
// It is the owner who removes: whoever wrote before is shut out first, and a successor shuts out a removal as it does a migration. x_owner says from
// before the first document goes that there is only forward (preflight/removal.h), and goes itself last of all; ownership is asked for again before each
// drop, and from server 6.0 a drop is bound to the collection that was listed. What happens when one runs twice: as once. A crash at any point leaves what
// says so; nobody begins on it or goes on with it, and the next clean-up carries it on and tells as much of it as this one would have. Only one that comes
// after everything has gone finds nothing, and cannot tell what there was.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/runtime.h"
#include "base/uuid.h"
#include "cluster/deployment.h"

namespace drover::engine {

struct CleanUp {
  enum class Only { kAny, kBegun, kCommitted };

  struct Seen {
    Uuid migration;             // x_migration's uuid; nil without one, or when it is half removed
    bool half_removed = false;  // preflight/removal.h
  };

  std::string job;           // only this one's state (job_state.h); empty: whosever it is
  Only only = Only::kAny;    // only what was not committed, or only the record of a commit
  std::optional<Seen> seen;  // before, when it was asked whether to remove that: anything else is left alone
  std::function<void(const std::string& why)> waits;  // told before it waits for minutes
};

enum class CleanedUp {
  kBegun,         // removed; it was not committed
  kRemnant,       // removed: what does not tell how far that one had come
  kCommitted,     // removed: the record of a commit
  kCommitStays,   // CleanUp::only; nothing is removed, here and below
  kNotCommitted,  // CleanUp::only
  kDecided,       // the cutover is decided and not finished: there is only forward
  kAnothers,      // than CleanUp::job
  kChanged,       // not what was CleanUp::seen: it was removed, or another one has begun
};

// Writes as `user` (preflight::user_of). Waits for an earlier owner who wrote as another user (StateStore::take_over). Of the source
// only the write block of a cutover that was not decided is undone.
Result<CleanedUp> clean_up(cluster::Deployment& source, cluster::Deployment& destination, std::string_view user, Runtime& runtime, Log& log,
                           const std::stop_token& stop, const CleanUp& what = {});

// Before server 6.0 a drop goes by name alone. One whose answer is lost may arrive late, when somebody else has the name. So the removal goes on only after
// what the network is supposed to hold it for, and so does one that carries on where another process had died, before it gives x_owner up.
inline constexpr std::chrono::minutes kLateDrop{2};

}  // namespace drover::engine
