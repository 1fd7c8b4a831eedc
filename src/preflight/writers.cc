#include <fmt/format.h>

#include "preflight/checks.h"

namespace drover::preflight {

void check_writers(const cluster::WriteBlock& block, const ServerVersion& version, Writers writers, Findings& findings) {
  if ((block.supported && block.effective) || writers == Writers::kStopped) return;
  const auto why = version < ServerVersion{6, 0, 0} ? "it is older than 6.0"
                   : !block.supported               ? "its feature compatibility version is older than 6.0"
                                                    : "its authorization is off, so a write block binds nobody";
  findings.push_back({"source-cannot-block", Side::kSource,
                      writers == Writers::kNobody ? Severity::kRefuse : Severity::kWarn, ErrorCode::kUnsupported,
                      fmt::format("it cannot block writes itself ({})", why),
                      "give --before-cutover with a command that stops the application's writes, run `drover migrate` on a "
                      "terminal to be asked, or --assume-writes-stopped"});
}

}  // namespace drover::preflight
