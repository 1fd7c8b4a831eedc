// What a privilege is about, and a privilege that a command was found to have.
#pragma once

#include <string>

#include "model/namespace.h"

namespace drover::sandbox {

struct Resource {
  enum class Kind {
    kCollection,
    kDatabase,   // ns.collection is empty
    kAnyNormal,  // every collection but system.*, of every database but local and config
    kCluster,
  } kind = Kind::kCluster;
  Namespace ns;
  friend bool operator==(const Resource&, const Resource&) = default;
};

struct Grant {
  std::string action;
  Resource resource;
  friend bool operator==(const Grant&, const Grant&) = default;
};

}  // namespace drover::sandbox
