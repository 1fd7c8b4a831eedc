// The faults that the engine can be given (engine/mutants.h). `drover_sim --mutants` must catch each; the build checks that
// this list and the engine's sources name the same (check_mutants.py).
#pragma once

namespace drover::sim {

inline constexpr const char* kMutants[] = {
    "absorbed_ignored",    "checkpoint_by_routed", "clear_skipped",  "ddl_done_ignored",
    "f2_not_checked",      "f_equals_r",           "fence_skipped",  "hold_dropped",
    "holder_deleted_blindly", "horizon_ignored",   "listing_time_ignored", "netting_reorders",
    "planned_applied",     "retry_new_number",     "router_marks_late", "t0_after_listing",
};

}  // namespace drover::sim
