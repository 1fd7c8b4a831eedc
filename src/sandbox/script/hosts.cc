#include "sandbox/script/hosts.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "bson/builder.h"
#include "sandbox/script/protocol.h"

namespace drover::sandbox::script {

namespace {

constexpr Duration kPatience = std::chrono::seconds(20);
constexpr Duration kIdle = std::chrono::seconds(10);
constexpr auto kLookAgain = std::chrono::milliseconds(10);

}  // namespace

Hosts::~Hosts() {
  for (std::size_t i = 0; i < idle_.size(); ++i) ended();
}

Hosts::Lease::~Lease() {
  if (process_) hosts_->give_back(std::move(process_), std::move(owner_));
}

Result<std::optional<Hosts::Lease>> Hosts::try_take(const std::string& owner) {
  std::unique_ptr<HostProcess> others;
  std::unique_lock lock(mutex_);
  if (auto process = idle_of(owner)) return Lease(this, owner, std::move(process));
  if (!try_count()) {
    if (idle_.empty()) return std::nullopt;
    // In the place of the one that has been idle longest.
    others = std::move(idle_.front().process);
    idle_.erase(idle_.begin());
  }
  lock.unlock();
  others.reset();
  auto process = HostProcess::start(options_.program, kHeapBytes);
  if (process) return Lease(this, owner, std::move(*process));
  lock.lock();
  ended();
  return tl::unexpected(std::move(process).error());
}

Result<Hosts::Lease> Hosts::take(const std::string& owner, const HostProcess::Check& check) {
  const auto began = runtime_.now();
  while (true) {
    auto lease = TRY(try_take(owner));
    if (lease) return std::move(*lease);
    {
      std::unique_lock lock(mutex_);
      if (idle_.empty()) changed_.wait_for(lock, kLookAgain);
    }
    TRY(check());
    if (runtime_.now() - began > kPatience) {
      return fail(ErrorCode::kFailure, fmt::format("All {} JavaScript processes that --memory has room for are in use. Try again, or give the server more memory", options_.most), 146);
    }
  }
}

// The one that was used last.
std::unique_ptr<HostProcess> Hosts::idle_of(const std::string& owner) {
  for (auto it = idle_.rbegin(); it != idle_.rend(); ++it) {
    if (it->owner != owner) continue;
    auto process = std::move(it->process);
    idle_.erase(std::next(it).base());
    return process;
  }
  return nullptr;
}

// The first may always be there.
bool Hosts::try_count() {
  auto* const process = options_.process;
  if (running_ >= options_.most || (running_ > 0 && process != nullptr && !process->try_set_aside(kHostBytes))) return false;
  if (running_ == 0 && process != nullptr) process->set_aside(kHostBytes);
  ++running_;
  return true;
}

void Hosts::ended() {
  --running_;
  if (options_.process != nullptr) options_.process->give_back(kHostBytes);
  changed_.notify_one();
}

void Hosts::give_back(std::unique_ptr<HostProcess> process, std::string owner) {
  if (!process->failure().empty() && options_.log != nullptr) options_.log->warn("a process that runs JavaScript failed", {{"reason", process->failure()}});
  process->tell(bson::make_document({{"do", static_cast<std::int32_t>(Request::kEnd)}}));
  std::unique_lock lock(mutex_);
  if (process->usable()) {
    idle_.push_back({std::move(process), std::move(owner), runtime_.now()});
    changed_.notify_one();
    return;
  }
  lock.unlock();
  process.reset();  // its memory is free when it is gone
  lock.lock();
  ended();
}

void Hosts::expire() {
  std::vector<Idle> old;
  std::unique_lock lock(mutex_);
  while (!idle_.empty() && runtime_.now() - idle_.front().since > kIdle) {
    old.push_back(std::move(idle_.front()));
    idle_.erase(idle_.begin());
  }
  lock.unlock();
  const auto count = old.size();
  old.clear();
  lock.lock();
  for (std::size_t i = 0; i < count; ++i) ended();
}

std::size_t Hosts::running() const {
  std::lock_guard lock(mutex_);
  return running_;
}

}  // namespace drover::sandbox::script
