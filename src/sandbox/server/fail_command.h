// What the failCommand fail point does to a command.
// Facts: corpus engine/fail-command; MongoDB's src/mongo/db/commands.cc (evaluateFailCommandFailPoint).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bson/document.h"
#include "sandbox/commands/command.h"
#include "sandbox/commands/fail_points.h"

namespace drover::sandbox {

// What a hit does, in this order.
struct FailAction {
  std::chrono::milliseconds block{0};
  bool close_connection = false;
  std::optional<int> error_code;
  std::optional<bson::Document> write_concern_error;
  std::optional<std::vector<std::string>> labels;  // in place of those that the server would add
  FailPoint::Stay stay;                            // until `block` is over
};

// Asked before a command runs, for everything but write concern errors, and after it ran, for those.
enum class FailMoment { kBefore, kAfter };
std::optional<FailAction> hit_fail_command(FailPoint& point, FailMoment moment, const Command& command, const Namespace& ns,
                                           std::string_view app_name);

}  // namespace drover::sandbox
