#include "control/side_by_side.h"

#include <algorithm>
#include <utility>

namespace drover::control {

SideBySide::SideBySide(Runtime& runtime, std::string name, int most)
    : runtime_(runtime), name_(std::move(name)), lock_(runtime.make_monitor()), workers_(static_cast<std::size_t>(most)) {}

SideBySide::~SideBySide() {
  {
    MonitorLock lock(*lock_);
    ending_ = true;
    waiting_.clear();
  }
  workers_.clear();  // each is asked to stop, and waited for
}

void SideBySide::add(Task task) {
  std::unique_ptr<Runtime::Thread> over;  // of a worker that has ended
  MonitorLock lock(*lock_);
  waiting_.push_back(std::move(task));
  const auto free = std::ranges::find(workers_, false, &Worker::works);
  if (free == workers_.end()) return;
  free->works = true;
  over = std::exchange(free->thread, runtime_.spawn(name_, [this, &worker = *free](std::stop_token stop) { work(worker, stop); }));
}

void SideBySide::await() {
  MonitorLock lock(*lock_);
  lock_->wait({}, {}, [this] { return waiting_.empty() && std::ranges::none_of(workers_, &Worker::works); });
}

void SideBySide::work(Worker& worker, const std::stop_token& stop) {
  for (;;) {
    Task task;
    {
      MonitorLock lock(*lock_);
      if (waiting_.empty() || ending_) {
        worker.works = false;
        lock_->notify_all();
        return;
      }
      task = std::move(waiting_.front());
      waiting_.pop_front();
    }
    task(stop);
  }
}

}  // namespace drover::control
