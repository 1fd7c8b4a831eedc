// configureFailPoint. commands/fail_points.h lists those that clients of this server may set.
#include <chrono>

#include <fmt/core.h>

#include "sandbox/commands/fail_points.h"
#include "sandbox/commands/support.h"
#include "sandbox/server/server_state.h"

namespace drover::sandbox {

namespace {

// How long others are given to leave a fail point before it is looked at again: the server's time, in which what was blocked goes on.
constexpr std::chrono::milliseconds kLeaving{50};

Result<bson::Document> configure_fail_point(CommandContext& context) {
  const auto name = context.body.first().to_string_view();
  auto* point = context.services.fail_points.find(name.value_or(""));
  if (point == nullptr) return server_error(266, fmt::format("{} not found", name.value_or("")));
  const auto pause = [&]() -> Status {
    (void)context.services.runtime.sleep(kLeaving, context.stop);
    return check_interrupt(context);
  };
  const auto count = TRY(point->configure(context.body, pause));
  return bson::make_document({{"count", static_cast<std::int32_t>(count)}});
}

}  // namespace

// As in the server any user may: what allows it is that the command exists at all.
void add_fail_point_commands(CommandTable& table) {
  static constexpr Command kRows[] = {
      {.name = "configureFailPoint", .flags = kAdminOnly | kTestOnly, .resource = ResourceKind::kAuthenticated, .handler = configure_fail_point, .help = "makes commands fail, for tests"},
  };
  table.add(kRows);
}

}  // namespace drover::sandbox
