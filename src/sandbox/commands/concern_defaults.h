// Read and write concern of commands that name none, as setDefaultRWConcern (4.4+) has set them. Kept as the server keeps them, in
// config.settings, whose writes are followed. Facts: MongoDB's read_write_concern_defaults.cpp.
#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "bson/document.h"
#include "sandbox/commands/command.h"

namespace drover::sandbox {

inline const Namespace kSettings{"config", "settings"};

class ConcernDefaults {
 public:
  struct Values {
    bson::Document stored;  // {_id, defaultReadConcern?, defaultWriteConcern?, updateOpTime, updateWallClockTime}; empty: nothing was ever set
    ReadConcern read;
    WriteConcern write;     // by_default
    bool has_read = false, has_write = false;
    std::int64_t loaded_millis = 0;
  };
  std::shared_ptr<const Values> current() const {
    std::lock_guard lock(mutex_);
    return values_;
  }
  // Reads what is stored now. What cannot be understood there counts as nothing.
  Status load(Engine& engine, Runtime& runtime);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Values> values_ = std::make_shared<const Values>();
};

// Fills what the command did not say. `in_transaction`: a transaction's statement says nothing by itself.
void apply_concern_defaults(CommandContext& context, bool in_transaction);

}  // namespace drover::sandbox
