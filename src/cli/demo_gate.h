// How the demo's application learns about the cutover of a source that cannot refuse writes itself: as real applications
// do, from the operator's hooks. The commands leave marks in a directory; a thread sees them and turns the workload's
// gates. The hook before the cutover waits until every writer has left the source.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/runtime.h"
#include "cli/demo_directory.h"
#include "workload/live_workload.h"

namespace drover::cli {

class DemoGate {
 public:
  // Closes the destination at once.
  DemoGate(const DemoDirectory& directory, workload::LiveWorkload& workload, Runtime& runtime);

  // --before-cutover and --after-cutover with their commands.
  std::vector<std::string> arguments() const;

 private:
  void watch(const std::stop_token& stop);

  std::string before_, left_, after_;  // the marks
  workload::LiveWorkload& workload_;
  Runtime& runtime_;
  std::unique_ptr<Runtime::Thread> thread_;
};

}  // namespace drover::cli
