// Takes each validation and migration from the state that it is in to the next one, as far as that is this site's to do: the
// temporary user, timers, what nobody reports of, the end. What it does may be done twice; several processes may do it at once.
#pragma once

#include <map>
#include <string>

#include "base/guarded.h"
#include "base/log.h"
#include "base/runtime.h"
#include "control/links.h"
#include "control/live_imports.h"

namespace drover::control {

class LiveImportReconciler {
 public:
  LiveImportReconciler(LiveImports& imports, Clusters& clusters, Links& links, Runtime& runtime, Log& log)
      : imports_(imports), clusters_(clusters), links_(links), runtime_(runtime), log_(log) {}

  // Looks at everything once. What fails is tried again a little later, the others are not kept waiting by it. Thread-safe.
  Status step();

 private:
  Status advance(const LiveImport& import);
  Status prepare(const LiveImport& import);
  // `refused_at_once`: see make_destination_user.
  Status make_user(const LiveImport& import, const std::string& name, std::string& user, bool& refused_at_once);
  Status replace_user(const LiveImport& import);
  Status close(const LiveImport& import);
  Status end_wait(const LiveImport& import, std::int64_t until);
  Status settle_user(const LiveImport& import);
  Status drop_user(const LiveImport& import);
  Status watch(const LiveImport& import);
  Status without_link(const LiveImport& import);
  Status clean(const LiveImport& import);

  LiveImports& imports_;
  Clusters& clusters_;
  Links& links_;
  Runtime& runtime_;
  Log& log_;
  struct Failures {
    int in_a_row = 0;
    SteadyTime next{};
  };
  Guarded<std::map<std::string, Failures>> failures_;  // of those that are open
};

}  // namespace drover::control
