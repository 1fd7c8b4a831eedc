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

inline constexpr std::size_t kAbsorbedBytes = 12 << 20;  // of all collections
inline constexpr std::size_t kBytesPerAbsorbedKey = 96;   // besides the key itself

class AbsorbedKeys {
 public:
  void absorb(const std::string& key, ReadInterval read) {
    std::lock_guard lock(mutex_);
    const auto [at, fresh] = keys_.try_emplace(key);
    if (fresh) bytes_ += key.size() + kBytesPerAbsorbedKey;
    auto& entry = at->second;
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
    std::erase_if(keys_, [&](const auto& entry) {
      if (entry.second.until > settled) return false;
      bytes_ -= entry.first.size() + kBytesPerAbsorbedKey;
      return true;
    });
  }
  // Later events of these keys are then applied again, in order, to the same end.
  void forget() {
    std::lock_guard lock(mutex_);
    keys_ = {};
    bytes_ = 0;
  }
  std::size_t bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, ReadInterval> keys_;
  std::size_t bytes_ = 0;
};

}  // namespace drover::engine
