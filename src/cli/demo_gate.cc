#include "cli/demo_gate.h"

#include <fstream>
#include <sys/stat.h>

#include <fmt/format.h>

namespace drover::cli {
namespace {

constexpr auto kPollEvery = std::chrono::milliseconds(1);

bool exists(const std::string& path) {
  struct stat ignored;
  return ::stat(path.c_str(), &ignored) == 0;
}

std::string quoted(const std::string& path) { return fmt::format("'{}'", path); }  // mkdtemp's names hold no quote

}  // namespace

DemoGate::DemoGate(const DemoDirectory& directory, workload::LiveWorkload& workload, Runtime& runtime)
    : before_(directory.file("stop writes")), left_(directory.file("writers have left")), after_(directory.file("use destination")),
      workload_(workload), runtime_(runtime) {
  workload_.switchover().close_destination();
  thread_ = runtime_.spawn("gate", [this](std::stop_token stop) { watch(stop); });
}

std::vector<std::string> DemoGate::arguments() const {
  return {"--before-cutover", fmt::format("touch {} && until [ -e {} ]; do sleep 0.01; done", quoted(before_), quoted(left_)),
          "--after-cutover", fmt::format("touch {}", quoted(after_))};
}

void DemoGate::watch(const std::stop_token& stop) {
  auto& switchover = workload_.switchover();
  while (runtime_.sleep(kPollEvery, stop)) {
    if (!switchover.source_closed() && exists(before_)) switchover.close_source();
    if (switchover.writers_off_source() == workload_.writers() && !exists(left_)) std::ofstream(left_).flush();
    if (switchover.destination_closed() && exists(after_)) switchover.open_destination();
  }
}

}  // namespace drover::cli
