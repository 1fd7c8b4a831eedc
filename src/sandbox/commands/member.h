// The part that this member has in its replica set: primary, but for a while after replSetStepDown {force: true}, when it is a secondary that
// nobody writes to. With nobody else there it is elected again, in a new term. What makes it safe is the engine's: nothing that is
// logged is committed meanwhile. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include "base/error.h"
#include "base/runtime.h"
#include "sandbox/storage/engine.h"

namespace drover::sandbox {

struct CommandContext;
struct Services;

class Member {
 public:
  // A secondary for so long. Open transactions are aborted; what else is writing is refused when it commits.
  void step_down(Services& services, Duration period);
  // Of a secondary: not elected for so long from now on, at least; zero: as soon as may be.
  void freeze(Services& services, Duration period);
  // It is elected if the time for it has come, and nobody has locked writes; the set's configuration is recorded. False: it has not.
  Result<bool> stand(Services& services);

  // topologyVersion.counter of hello: higher after each change.
  // Who has met a change finds it here: asked before the member's state, it is never newer than that.
  std::int64_t topology() const;
  // Until it is another than `known`. False: stopped, or not within `timeout`.
  bool await_change(std::int64_t known, Duration timeout, const std::stop_token& stop);
  int waiting() const;  // for that

 private:
  Engine::AtOnce with_version();  // what the engine calls when it changes

  std::mutex changing_;       // before the engine's: one change at a time, which may wait for who writes
  // Protected by it.
  SteadyTime not_before_{};
  std::int64_t recorded_term_ = 0;  // that local.system.replset has, as far as it could be written
  mutable std::mutex mutex_;  // a leaf, for what is asked by everybody: held while the member's state changes, with its version
  std::int64_t topology_ = 6;
  int waiting_ = 0;
  std::condition_variable_any changed_;
};

// What a secondary does for its clients: it refuses writes (10107 NotWritablePrimary) and, without a read preference that allows it, reads
// (13435 NotPrimaryNoSecondaryOk). Nothing to say while it is primary. Facts: AllowedOnSecondary of MongoDB's commands.
Status check_member(const CommandContext& context);
// A primary waits so long for a member that could take over, in vain: 262 ExceededTimeLimit, 11601 and 50.
tl::unexpected<Error> refuse_step_down(CommandContext& context, Duration wait);
// Of such failures the reply has the topologyVersion, so that drivers look again.
bool is_not_primary_code(int code);

}  // namespace drover::sandbox
