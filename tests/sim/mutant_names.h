// The faults that the engine can be given (engine/mutants.h) and that seeds must catch (`drover_sim --mutants`). Others are
// caught by a story that leads to them (`breaks("...")` in *_test.cc); some by both. check_mutants.py fails when one that
// the engine's sources name is in neither, or one is named here that the engine does not know.
//
// Three rules have no fault here, since nothing can show it. While every update is applied by state: that changes in (r, f] go
// by state whatever they are, and that after a restart those up to the horizon do. Images and deletes that are repeated in
// order end in the same documents. They become faults with the first delta, and then need a switch again. And that a
// collection which is missing on the destination after a restart is taken for dropped: what would be made of it again by its
// name is removed as unknown before the cutover, so the rule only saves work.
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
    "hold_dropped",
    "holder_deleted_blindly",
    "interval_as_point",
    "lane_by_bytes",
    "listing_time_ignored",
    "netting_reorders",
    "opened_before_decision",
    "parts_skipped",
    "planned_applied",
    "release_not_awaited",
    "retry_new_number",
    "state_read_early",
    "t0_after_listing",
    "unread_is_absent",
};

}  // namespace drover::sim
