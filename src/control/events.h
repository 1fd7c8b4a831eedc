// What has happened, as audit events: read here, written by whoever changes something. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "control/identity.h"
#include "control/store.h"

namespace drover::control {

class Events {
 public:
  explicit Events(Store& store) : store_(store) {}

  enum class Of { kOrg, kGroup };
  // Newest first, of one type when `type` is not empty; each with its `id`.
  Result<Listed<Json>> list(Of of, const std::string& owner, const std::string& type, Page page);
  Result<std::optional<Json>> find(Of of, const std::string& owner, const std::string& id);

 private:
  Store& store_;
};

}  // namespace drover::control
