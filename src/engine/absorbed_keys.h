// Which keys of a collection were written by a state that is newer than the stream, and when that state was read. Events
// up to q⁻ are in it already; those in (q⁻, q⁺] may be (blueprint rule 4). Thread-safe.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "model/change_event.h"

namespace drover::engine {

struct ReadInterval {
  ClusterTime after;  // q⁻
  ClusterTime until;  // q⁺
};

inline constexpr std::size_t kMostAbsorbedKeys = 200'000;  // per collection, about 30 MB

class AbsorbedKeys {
 public:
  void absorb(const std::string& key, ReadInterval read) {
    std::lock_guard lock(mutex_);
    auto& entry = keys_[key];
    if (entry.until < read.until || (entry.until == read.until && entry.after < read.after)) entry = read;
  }
  std::optional<ReadInterval> find(const std::string& key) const {
    std::lock_guard lock(mutex_);
    const auto it = keys_.find(key);
    return it == keys_.end() ? std::nullopt : std::optional(it->second);
  }
  // No event at or before `settled` will come any more. Keeps memory to the keys read within the apply lag, or for a
  // collection that holds changes back, since its oldest one.
  void forget_until(ClusterTime settled) {
    std::lock_guard lock(mutex_);
    std::erase_if(keys_, [&](const auto& entry) { return entry.second.until <= settled; });
  }
  // Over kMostAbsorbedKeys all are forgotten: later events are then applied again, in order, to the same end.
  void bound() {
    std::lock_guard lock(mutex_);
    if (keys_.size() > kMostAbsorbedKeys) keys_.clear();
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return keys_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, ReadInterval> keys_;
};

}  // namespace drover::engine
