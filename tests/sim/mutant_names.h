// The faults that the engine can be given (engine/mutants.h). `drover_sim --mutants` must catch each; check_mutants.py fails
// when this list and the engine's sources do not name the same.
//
// Two rules have no fault here, since nothing can show it while every update is applied by state: that changes in (r, f] go
// by state whatever they are, and that after a restart those up to the horizon do. Images and deletes that are repeated in
// order end in the same documents. They become faults with the first delta, and then need a switch again.
#pragma once

namespace drover::sim {

inline constexpr const char* kMutants[] = {
    "absorbed_ignored",
    "checkpoint_by_routed",
    "clear_skipped",
    "ddl_done_ignored",
    "f2_not_checked",
    "fence_skipped",
    "hold_dropped",
    "holder_deleted_blindly",
    "listing_time_ignored",
    "netting_reorders",
    "planned_applied",
    "retry_new_number",
    "router_marks_late",
    "t0_after_listing",
};

}  // namespace drover::sim
