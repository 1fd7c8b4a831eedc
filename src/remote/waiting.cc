#include "remote/waiting.h"

#include <fmt/format.h>

namespace drover::remote {

Result<Json> wait_for(const Session& session, std::chrono::seconds within, std::string_view what,
                      const std::function<Result<std::optional<Json>>()>& look) {
  auto& runtime = session.around().runtime;
  const auto begun = runtime.now();
  auto answered = begun;
  bool absent = false;
  for (;;) {
    auto found = look();
    const auto now = runtime.now();
    if (found) {
      if (*found) return std::move(**found);
      answered = now;
      absent = false;
    } else if (found.error().code != ErrorCode::kTemporary || now - answered >= kAbsence) {
      return tl::unexpected(std::move(found).error());
    } else if (!absent) {
      absent = true;
      session.around().note(fmt::format("{}; trying again", found.error().message));
    }
    if (within.count() > 0 && now - begun >= within)
      return fail(ErrorCode::kTimedOut, fmt::format("{}: not within {} s; it may still happen, --within waits longer", what, within.count()));
    TRY(session.pause(kLookEvery));
  }
}

}  // namespace drover::remote
