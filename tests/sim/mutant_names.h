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
    "cursor_error_is_end",
    "ddl_done_ignored",
    "f2_not_checked",
    "fence_skipped",
    "forgotten_early",
    "hold_dropped",
    "holder_deleted_blindly",
    "holder_time_ignored",
    "interval_as_point",
    "lane_by_bytes",
    "listing_time_ignored",
    "netting_reorders",
    "opened_before_decision",
    "parts_skipped",
    "planned_applied",
    "release_not_awaited",
    "retry_new_number",
    "router_marks_late",
    "state_read_early",
    "t0_after_listing",
    "unrecorded_drop_ignored",
};

}  // namespace drover::sim
